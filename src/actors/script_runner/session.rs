//! One script from its start to the moment when none of its processes is alive: guardian, log, credentials file.

use super::directories::log_file;
use crate::actors::RunCredentials;
use crate::config::{Config, FirstSignal};
use crate::fsio::{self, WriteFile};
use crate::process::{
    self, Control, Drained, Exit, KilledBy, LaunchError, LaunchSpec, Pump, Running, Started, StopSignal, Tail,
};
use crate::telemetry;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::{ExitCodes, ScriptEnd};
use scriptworker_core::time::BootMillis;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The variables with which the worker itself may have been given credentials (config.md 7).
const OWN_CREDENTIALS: [&str; 3] =
    ["TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_CERTIFICATE"];

/// What a session is made from.
pub(super) struct Setup {
    pub(super) config: Arc<Config>,
    pub(super) key: RunKey,
    pub(super) claim_end: BootMillis,
    pub(super) credentials: Arc<RunCredentials>,
}

/// Why a session could not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// The log or the credentials file could not be made.
    #[error("prepare the script's files: {0}")]
    Files(#[from] io::Error),
    /// The credentials file could not be made.
    #[error(transparent)]
    Credentials(#[from] process::CredentialsError),
    /// Not even the guardian could be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The blocking part ended early.
    #[error("prepare the script's files: {0}")]
    Blocking(#[from] tokio::task::JoinError),
}

/// A script that is in its guardian's hands.
pub(super) struct Session {
    control: Control,
    pump: Arc<Mutex<Option<Pump>>>,
    guardian_pid: u32,
}

/// What is waited for: the end of that script.
pub(super) struct Ending {
    config: Arc<Config>,
    key: RunKey,
    started: Started,
    exit: Exit,
    control: Control,
    pump: Arc<Mutex<Option<Pump>>>,
    tail: Tail,
    credentials: Arc<RunCredentials>,
}

/// Opens the log, gives the script its credentials and hands it to a guardian.
pub(super) async fn start(setup: Setup) -> Result<(Session, Ending), StartError> {
    let Setup { config, key, claim_end, credentials } = setup;
    let (for_files, for_credentials) = (Arc::clone(&config), Arc::clone(&credentials));
    let (log, follow, descriptor) =
        actix_rt::task::spawn_blocking(move || files(&for_files, &for_credentials)).await??;
    let argv = config.task_script.iter().map(OsString::from).collect();
    let mut spec = LaunchSpec::new(argv, environment(&config, &key));
    spec.credentials = Some(descriptor);
    spec.deadline = Some(claim_end);
    let Running { started, exit, control, output, guardian_pid } = process::launch(spec).await?;
    let pump = Pump::start(output, log)?;
    let tail = Tail::start(follow, pump.progress(), telemetry::log::script_output)?;
    let pump = Arc::new(Mutex::new(Some(pump)));
    let session = Session { control: control.clone(), pump: Arc::clone(&pump), guardian_pid };
    Ok((session, Ending { config, key, started, exit, control, pump, tail, credentials }))
}

fn files(config: &Config, credentials: &RunCredentials) -> Result<(WriteFile, File, OwnedFd), StartError> {
    fsio::create_dir_all(&config.task_log_dir)?;
    let log = fsio::create(&log_file(config), 0o644)?;
    let descriptor = credentials.open_file(&config.work_dir)?;
    Ok((log, File::open(log_file(config))?, descriptor))
}

/// The worker's environment and what scripts of today expect (worker.md 7.2); without the worker's own credentials
/// unless the operator wants it so.
fn environment(config: &Config, key: &RunKey) -> Vec<(OsString, OsString)> {
    let scrubbed =
        |name: &OsString| config.scrub_environment && OWN_CREDENTIALS.iter().any(|own| name == own);
    let mut all: Vec<_> = std::env::vars_os().filter(|(name, _)| !scrubbed(name)).collect();
    for (name, value) in [
        ("TASK_ID", key.task_id.to_string()),
        ("RUN_ID", key.run_id.to_string()),
        ("TASKCLUSTER_ROOT_URL", config.root_url().to_owned()),
        ("TASKCLUSTER_CREDENTIALS_FD", process::CREDENTIALS_FD.to_string()),
    ] {
        all.retain(|(existing, _)| existing != name);
        all.push((name.into(), value.into()));
    }
    all
}

fn with_pump(pump: &Mutex<Option<Pump>>, act: impl FnOnce(&Pump)) {
    if let Some(pump) = pump.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        act(pump);
    }
}

impl Session {
    /// Writes a line of the worker's own into the task's log.
    pub(super) fn note(&self, line: &str) {
        with_pump(&self.pump, |pump| pump.note(line));
    }

    /// The process that looks after the script.
    pub(super) fn guardian_pid(&self) -> u32 {
        self.guardian_pid
    }

    /// Ends the script: with `grace` it is asked first, without it is killed. A guardian that is gone is noticed by
    /// [`Ending::wait`].
    pub(super) fn stop(&self, grace: Option<Duration>, first: FirstSignal) {
        let _ = match (grace, first) {
            (None, _) => self.control.kill(),
            (Some(grace), FirstSignal::Term) => self.control.stop(&[StopSignal::Term], grace),
            (Some(grace), FirstSignal::Int) => self.control.stop(&[StopSignal::Int, StopSignal::Term], grace),
        };
    }

    /// Moves the guardian's deadline.
    pub(super) fn extend(&self, end: BootMillis) {
        let _ = self.control.deadline(end);
    }
}

impl Ending {
    /// Resolves when the script has ended, its output is in the log, and none of its processes is alive.
    pub(super) async fn wait(self, codes: ExitCodes) -> ScriptEnd {
        let Self { config, key, started, exit, control, pump, tail, credentials } = self;
        let pid = started.await;
        if let Some(pid) = pid {
            tracing::info!(run = %key, pid, "the script runs");
        }
        let end = exit.await;
        with_pump(&pump, |pump| pump.script_ended(config.drain_timeout));
        // from here on nobody else writes into the log
        let mine = pump.lock().unwrap_or_else(PoisonError::into_inner).take();
        let drained = match mine {
            Some(mut pump) => {
                let drained = pump.drained().await;
                if drained == Drained::CutOff {
                    pump.note("[scriptworker] a process that the script left behind still held its output");
                }
                Some(pump)
            }
            None => None,
        };
        let swept = control.sweep().await;
        if let Ok(survivors @ 1..) = swept {
            tracing::error!(run = %key, survivors, "processes of the script could not be killed");
        }
        credentials.detach_file();
        let (line, end) = judge(&end, &codes);
        if end == ScriptEnd::Unknown {
            tracing::error!(run = %key, "the guardian is gone: how the script ended is not known");
            if let Some(pid) = pid {
                let killed = actix_rt::task::spawn_blocking(move || process::kill_session(pid)).await;
                tracing::warn!(run = %key, ?killed, "what was left of the script's session was killed");
            }
        }
        tracing::info!(run = %key, "{line}");
        if let Some(pump) = drained {
            pump.note(&line);
            let report = pump.finish().await;
            if let Some(error) = report.error {
                tracing::error!(run = %key, lost = report.lost, %error, "the task's log is incomplete");
            }
        }
        if let Err(error) = tail.finish().await {
            tracing::warn!(run = %key, %error, "the task's log could not be followed to its end");
        }
        end
    }
}

/// The last line of the log, and what the end means for the run.
fn judge(end: &process::ScriptEnd, codes: &ExitCodes) -> (String, ScriptEnd) {
    match end {
        process::ScriptEnd::Exited { exit, by, .. } => {
            let meaning = match by {
                Some(KilledBy::Deadline) => ScriptEnd::Deadline,
                None => ScriptEnd::Exited(codes.status_of(*exit)),
            };
            (exit.last_log_line(), meaning)
        }
        process::ScriptEnd::NotStarted(why) => {
            (format!("[scriptworker] the script could not be started: {why}"), ScriptEnd::NotStarted)
        }
        process::ScriptEnd::GuardianLost => {
            ("[scriptworker] how the script ended is not known".to_owned(), ScriptEnd::Unknown)
        }
    }
}
