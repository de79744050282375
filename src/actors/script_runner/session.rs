//! One script from its start to the moment when none of its processes is alive: guardian, log, credentials file.

use super::directories::log_file;
use super::heed::{self, heeded};
use super::whereabouts::Whereabouts;
use crate::actors::RunCredentials;
use crate::config::{Config, FirstSignal};
use crate::fsio::{Purpose, WriteFile};
use crate::process::{
    self, Control, Drained, Exit, Guardian, KilledBy, LaunchError, LaunchSpec, Pump, Running, Started,
    StopSignal, Tail,
};
use crate::telemetry;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::{ExitCodes, ScriptEnd, TaskStatus};
use scriptworker_core::time::BootMillis;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The variables with which the worker itself may have been given credentials (config.md 7).
const OWN_CREDENTIALS: [&str; 3] =
    ["TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_CERTIFICATE"];

/// Who may read the task's log.
const LOG_MODE: u32 = 0o644;

/// What a session is made from.
pub(super) struct Setup {
    pub(super) config: Arc<Config>,
    pub(super) key: RunKey,
    pub(super) claim_end: BootMillis,
    pub(super) credentials: Arc<RunCredentials>,
    pub(super) whereabouts: Arc<Whereabouts>,
    /// A guardian that was started before.
    pub(super) early: Option<EarlyGuardian>,
}

/// A guardian on its way.
pub(super) type EarlyGuardian = JoinHandle<Result<Guardian, LaunchError>>;

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
    /// How long the guardian may take for the last order to end the script.
    ordered: watch::Sender<Option<Duration>>,
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
    guardian_pid: u32,
    ordered: watch::Receiver<Option<Duration>>,
    whereabouts: Arc<Whereabouts>,
}

/// A script that has ended, with what may be left of it.
pub(super) struct Exited {
    config: Arc<Config>,
    key: RunKey,
    pid: Option<u32>,
    end: process::ScriptEnd,
    control: Control,
    pump: Arc<Mutex<Option<Pump>>>,
    tail: Tail,
    credentials: Arc<RunCredentials>,
    guardian_pid: u32,
    whereabouts: Arc<Whereabouts>,
}

/// Opens the log, gives the script its credentials and hands it to a guardian. If that fails, the log says so, if it
/// can.
pub(super) async fn start(setup: Setup) -> Result<(Session, Ending), StartError> {
    let (config, key) = (Arc::clone(&setup.config), setup.key.clone());
    let whereabouts = Arc::clone(&setup.whereabouts);
    let started = begin(setup).await;
    if let Err(error) = &started {
        // a guardian that was started for nothing leaves by itself: its socket is closed
        let ending = Arc::clone(&whereabouts);
        let _ = actix_rt::task::spawn_blocking(move || ending.end()).await;
        let line = format!("[scriptworker] the script could not be started: {error}\n");
        let explaining = actix_rt::task::spawn_blocking(move || {
            Purpose::TaskLog.append(&log_file(&config), LOG_MODE)?.write_all(line.as_bytes())
        });
        if let Err(error) = explaining.await.unwrap_or_else(|early| Err(early.into())) {
            tracing::error!(run = %key, %error, "the task's log does not say why");
        }
    }
    started
}

async fn begin(setup: Setup) -> Result<(Session, Ending), StartError> {
    let Setup { config, key, claim_end, credentials, whereabouts, early } = setup;
    let (for_files, for_credentials) = (Arc::clone(&config), Arc::clone(&credentials));
    let (log, follow, descriptor) =
        actix_rt::task::spawn_blocking(move || files(&for_files, &for_credentials)).await??;
    let argv = config.task_script.iter().map(OsString::from).collect();
    let mut spec = LaunchSpec::new(argv, environment(&config, &key));
    spec.credentials = Some(descriptor);
    spec.deadline = Some(claim_end);
    let guardian = guardian(early).await?;
    let Running { started, exit, control, output, guardian_pid } = guardian.launch(spec)?;
    whereabouts.guardian(guardian_pid);
    // it is told before anything else is made ready: the pipe holds what the script says meanwhile
    tokio::task::yield_now().await;
    let pump = Pump::start(output, log, config.max_log_size)?;
    let tail = Tail::start(follow, pump.progress(), |lines| {
        if let Some(log) = telemetry::log::current() {
            log.append_lines(tracing::Level::INFO, "script", lines.split_terminator('\n'));
        }
    })?;
    let pump = Arc::new(Mutex::new(Some(pump)));
    let (order, ordered) = watch::channel(None);
    let session = Session { control: control.clone(), pump: Arc::clone(&pump), ordered: order };
    let ending = Ending {
        config,
        key,
        started,
        exit,
        control,
        pump,
        tail,
        credentials,
        guardian_pid,
        ordered,
        whereabouts,
    };
    Ok((session, ending))
}

/// The one that was started before, if it still waits; else a new one.
async fn guardian(early: Option<EarlyGuardian>) -> Result<Guardian, LaunchError> {
    if let Some(early) = early
        && let Ok(Ok(guardian)) = early.await
        && !guardian.is_gone()
    {
        return Ok(guardian);
    }
    Guardian::start().await
}

fn files(config: &Config, credentials: &RunCredentials) -> Result<(WriteFile, File, OwnedFd), StartError> {
    Purpose::Directories.create_dir_all(&config.task_log_dir)?;
    let log = Purpose::TaskLog.create(&log_file(config), LOG_MODE)?;
    let descriptor = credentials.open_file(&config.work_dir)?;
    Ok((log, File::open(log_file(config))?, descriptor))
}

/// The worker's environment and what scripts of today expect (worker.md 7.2); without the worker's own credentials
/// unless the operator wants it so.
fn environment(config: &Config, key: &RunKey) -> Vec<(OsString, OsString)> {
    let scrubbed = |name: &OsString| match config.trial {
        // whatever it is, it leads to a real deployment
        Some(_) => name.as_encoded_bytes().starts_with(b"TASKCLUSTER_"),
        None => config.scrub_environment && OWN_CREDENTIALS.iter().any(|own| name == own),
    };
    let mut all: Vec<_> = std::env::vars_os().filter(|(name, _)| !scrubbed(name)).collect();
    let mut own: Vec<(&str, OsString)> = vec![
        ("TASK_ID", key.task_id.to_string().into()),
        ("RUN_ID", key.run_id.to_string().into()),
        ("TASKCLUSTER_ROOT_URL", config.root_url().into()),
        ("TASKCLUSTER_CREDENTIALS_FD", process::CREDENTIALS_FD.to_string().into()),
    ];
    if config.trial.is_some() {
        own.extend(["NO_PROXY", "no_proxy"].map(|name| (name, beside_proxies(name))));
    }
    for (name, value) in own {
        all.retain(|(existing, _)| existing != name);
        all.push((name.into(), value));
    }
    all
}

/// The queue of a trial is on this machine: no proxy leads there, and none is to be told of it.
fn beside_proxies(name: &str) -> OsString {
    let mut hosts = std::env::var_os(name).filter(|hosts| !hosts.is_empty()).unwrap_or_default();
    if !hosts.is_empty() {
        hosts.push(",");
    }
    hosts.push("127.0.0.1");
    hosts
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

    /// Ends the script: with `grace` it is asked first, without it is killed. A guardian that is gone is noticed by
    /// [`Ending::exited`].
    pub(super) fn stop(&self, grace: Option<Duration>, first: FirstSignal) {
        let _ = match (grace, first) {
            (None, _) => self.control.kill(),
            (Some(grace), FirstSignal::Term) => self.control.stop(&[StopSignal::Term], grace),
            (Some(grace), FirstSignal::Int) => self.control.stop(&[StopSignal::Int, StopSignal::Term], grace),
        };
        let time = match (grace, first) {
            // killing is done at once, and little time may be left
            (None, _) => heed::KILL_PATIENCE,
            (Some(grace), FirstSignal::Term) => grace + heed::PATIENCE,
            (Some(grace), FirstSignal::Int) => grace * 2 + heed::PATIENCE,
        };
        self.ordered.send_replace(Some(time));
    }

    /// Moves the guardian's deadline.
    pub(super) fn extend(&self, end: BootMillis) {
        let _ = self.control.deadline(end);
    }
}

impl Ending {
    /// Resolves when the script itself has ended. Processes that it left behind may still be alive.
    pub(super) async fn exited(self) -> Exited {
        let Self {
            config,
            key,
            started,
            exit,
            control,
            pump,
            tail,
            credentials,
            guardian_pid,
            ordered,
            whereabouts,
        } = self;
        let pid = heeded(started, ordered.clone(), guardian_pid).await;
        if let Some(pid) = pid {
            whereabouts.session(pid);
            tracing::info!(run = %key, pid, "the script runs");
        }
        let end = heeded(exit, ordered, guardian_pid).await;
        if end == process::ScriptEnd::GuardianLost {
            tracing::error!(run = %key, "the guardian is gone: how the script ended is not known");
            // before anything is waited for: nobody else holds its deadline now
            kill_rest(&key, pid).await;
        }
        Exited { config, key, pid, end, control, pump, tail, credentials, guardian_pid, whereabouts }
    }
}

impl Exited {
    /// Resolves when its output is in the log, and none of its processes is alive. `by_itself`: the worker had not
    /// told it to end.
    pub(super) async fn cleared(self, codes: ExitCodes, by_itself: bool) -> ScriptEnd {
        let Self { config, key, pid, end, control, pump, tail, credentials, guardian_pid, whereabouts } =
            self;
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
        match tokio::time::timeout(heed::SWEEP_PATIENCE, control.sweep()).await {
            Ok(Ok(0)) => {}
            Ok(Ok(survivors)) => {
                tracing::error!(run = %key, survivors, "processes of the script could not be killed")
            }
            Ok(Err(_)) => kill_rest(&key, pid).await,
            Err(_) => {
                heed::kill_guardian(guardian_pid);
                kill_rest(&key, pid).await;
            }
        }
        whereabouts.gone();
        credentials.detach_file();
        let (line, mut end) = judge(&end, &codes, by_itself);
        tracing::info!(run = %key, "{line}");
        if let Some(pump) = drained {
            pump.note(&line);
            let report = pump.finish().await;
            if !report.is_complete() {
                let (lost, error) = (report.lost, report.error);
                tracing::error!(run = %key, lost, ?error, "the task's log is incomplete");
                end = without_whole_log(end);
            } else if let Some(error) = report.error {
                tracing::warn!(run = %key, %error, "the task's log could not be written for a while; it is complete");
            }
        }
        // The worker's log may lag behind; the run does not wait for it.
        actix_rt::spawn(async move {
            if let Err(error) = tail.finish().await {
                tracing::warn!(run = %key, %error, "the task's log could not be followed to its end");
            }
        });
        end
    }
}

/// Without a guardian the worker itself kills what is left of the script's session.
async fn kill_rest(key: &RunKey, pid: Option<u32>) {
    let Some(pid) = pid else { return };
    match actix_rt::task::spawn_blocking(move || process::kill_session(pid)).await {
        Ok(0) => tracing::warn!(run = %key, "what was left of the script's session is killed"),
        left => tracing::error!(run = %key, ?left, "processes of the script could not be killed"),
    }
}

/// A green report says that everything is in place, and the log belongs to that: with a part of it lost, the run is
/// `internal-error` at least. The queue does not repeat such a run by itself, and neither should anybody else before
/// having looked at what the script did.
fn without_whole_log(end: ScriptEnd) -> ScriptEnd {
    match end {
        ScriptEnd::Exited { status, by_itself } => {
            ScriptEnd::Exited { status: status.worst(TaskStatus::InternalError), by_itself }
        }
        other => other,
    }
}

/// The last line of the log, and what the end means for the run.
fn judge(end: &process::ScriptEnd, codes: &ExitCodes, by_itself: bool) -> (String, ScriptEnd) {
    match end {
        process::ScriptEnd::Exited { exit, by, .. } => {
            let meaning = match by {
                Some(KilledBy::Deadline) => ScriptEnd::Deadline,
                None => ScriptEnd::Exited { status: codes.status_of(*exit), by_itself },
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
