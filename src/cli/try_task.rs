//! `scriptworker try CONFIG --task task.json [--upstream DIR]`: one task, run as the worker would run it, with the real
//! configuration and no deployment. The queue is one in this process; the worker's credentials are not used.
//!
//! | module | what it does |
//! |---|---|
//! | `definition` | reads the task, and moves its dates to now |
//! | `places` | keeps the trial's own files out of what is wiped |
//! | `upstream` | what the tasks that it depends on are said to have left |
//! | `stage` | the queue with these tasks, and the directory for what comes of it |
//! | `report` | log, artifacts and status, as people and scripts read them |

mod definition;
mod places;
mod report;
mod stage;
mod upstream;

use self::definition::TaskFileError;
use self::places::{Misplaced, Places};
use self::stage::{Stage, StageError};
use self::upstream::{Upstream, UpstreamError};
use super::run::signals::Signals;
use super::run::{self, StartError, leave};
use crate::config::{self, Config, ConfigErrors, CredentialsConfig, Environment, Trial};
use crate::embedded_queue::EmbeddedQueue;
use crate::messages::{Notice, Post};
use crate::telemetry::{self, LogError, LogSettings};
use actix_rt::System;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::lifecycle::Life;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The exit code for what whoever tries has to mend: command line, configuration, task, upstream artifacts. Like
/// [`EXIT_NO_RESULT`] it is none of the numbers of a task's status.
pub(super) const EXIT_MISTAKE: u8 = 64;
/// The exit code when the task could not be tried, or its run came to no end.
const EXIT_NO_RESULT: u8 = 70;

/// How often the queue is asked whether the task was claimed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What to try.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The worker's configuration (YAML or JSON).
    #[arg(value_name = "CONFIG", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
    /// The task's definition (JSON), such as `create-test-workdir` leaves it; a payload is enough.
    #[arg(long, value_name = "FILE")]
    task: PathBuf,
    /// Upstream artifacts: `DIR/<taskId>/<name>`; the script finds them in `work_dir/cot/<taskId>/<name>`.
    #[arg(long, value_name = "DIR")]
    upstream: Option<PathBuf>,
    /// Where log and artifacts are left: an empty or new directory [default: a new temporary one, which is kept].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Show the worker's own log, too, on stderr and at level DEBUG.
    #[arg(long)]
    verbose: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum TryError {
    #[error("read the current directory: {0}")]
    Environment(#[source] io::Error),
    #[error("read the configuration:\n{0}")]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Task(#[from] TaskFileError),
    #[error(transparent)]
    Place(#[from] Misplaced),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error("listen to signals: {0}")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Worker(#[from] StartError),
}

impl TryError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Task(_) | Self::Place(_) | Self::Upstream(_) => EXIT_MISTAKE,
            Self::Stage(error) if error.is_a_mistake() => EXIT_MISTAKE,
            Self::Environment(_) | Self::Stage(_) | Self::Signals(_) | Self::Log(_) | Self::Worker(_) => {
                EXIT_NO_RESULT
            }
        }
    }
}

/// Tries the task. The exit code is the number of its status, or one of the two above.
pub(super) fn try_task(options: &Options) -> ExitCode {
    match attempt(options) {
        Ok(code) => leave(code),
        Err(error) => {
            tell(&format!("failed to try the task: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

#[expect(clippy::print_stderr, reason = "stdout is for the result")]
fn tell(line: &str) {
    eprintln!("{line}");
}

fn attempt(options: &Options) -> Result<u8, TryError> {
    let system = System::new();
    let environment = Environment::of_process().map_err(TryError::Environment)?;
    let (mut config, warnings) = config::load_without_credentials(Some(&options.config), &environment)?;
    for warning in &warnings {
        tell(&format!("warning: {warning}"));
    }
    let output = options.output.clone().unwrap_or_else(stage::new_output);
    let places = Places::of(&config, &environment.cwd);
    places.check("--task", &options.task)?;
    places.check("--output", &output)?;
    let task = definition::read(&options.task)?;
    let upstream = match &options.upstream {
        Some(dir) => {
            places.check("--upstream", dir)?;
            let upstream = Upstream::read(dir)?;
            upstream.sources().try_for_each(|file| places.check("a file of --upstream", file))?;
            upstream
        }
        None => Upstream::default(),
    };
    // not before the files are read: whoever gives up on one that takes long wants the process to end
    let signals = system.block_on(async { Signals::catch() }).map_err(TryError::Signals)?;
    announce(&config);
    for note in upstream.missing(&task) {
        tell(&format!("note: {note}"));
    }
    let stage = Stage::set(&config, task, &upstream, &output)?;
    let configured = config.task_queue_id.clone();
    let credentials = replace_deployment(&mut config, &stage, upstream);
    if config.task_queue_id != configured {
        let pool = &config.task_queue_id;
        tell(&format!(
            "note: the task is one of the pool {pool}; a worker of {configured} would never be given it"
        ));
    }
    tell(&format!(
        "note: task {}; its log while it runs: {}",
        stage.run.task_id,
        stage.log_while_running(&config)
    ));
    let settings = LogSettings { verbose: options.verbose, ..config.log_settings() };
    let log = telemetry::log::init(&settings)?;
    let (queue, run) = (Arc::clone(&stage.queue), stage.run.clone());
    let log_name = report::log_name(&config);
    let served = run::serve(config, credentials, &log, &system, signals, move |supervisor| {
        actix_rt::spawn(leave_after_this_run(queue, run, supervisor));
    });
    if let Err(error) = served {
        stage.discard();
        return Err(error.into());
    }
    let status = report::show(&stage, log_name.as_deref());
    stage.clear();
    Ok(status.map_or(EXIT_NO_RESULT, |status| status.number()))
}

/// What is not as with a real worker.
fn announce(config: &Config) {
    tell(
        "note: a trial: the queue is one in this process, the deployment of the configuration is not contacted;",
    );
    tell("      what the script itself contacts is up to the script");
    for (on, key, what) in [
        (config.verify_chain_of_trust, "verify_chain_of_trust", "where the task comes from is not verified"),
        (config.sign_chain_of_trust, "sign_chain_of_trust", "the attestation is not signed"),
    ] {
        if on {
            tell(&format!("note: {key} is off in a trial: {what}"));
        }
    }
}

/// Everything that leads to a deployment, or into what belongs to a worker of one, replaced. The answer is who the
/// worker is to the queue of the trial.
fn replace_deployment(config: &mut Config, stage: &Stage, upstream: Upstream) -> CredentialsConfig {
    config.root_url = stage.root_url.clone();
    config.task_queue_id = stage.pool.clone();
    config.log_dir = stage.output().to_owned();
    config.verify_chain_of_trust = false;
    config.sign_chain_of_trust = false;
    config.trial = Some(Trial { upstream: upstream.into_files() });
    let worker = &stage.worker;
    CredentialsConfig {
        client_id: worker.client_id.clone(),
        access_token: worker.access_token.clone(),
        certificate: None,
    }
}

/// Lets the worker leave when it is through with the one run: told so as soon as it has it.
async fn leave_after_this_run(queue: Arc<EmbeddedQueue>, run: RunKey, supervisor: Post<Notice>) {
    while queue.status(&run.task_id).is_ok_and(|status| report::run_state(&status) == Some("pending")) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    // a Supervisor that is gone has left already
    let _ = supervisor.send(None, Notice::Life(Life::Drain));
}
