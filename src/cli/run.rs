//! `scriptworker run CONFIG`: the worker itself.

pub(super) mod signals;

use self::signals::Signals;

use crate::actors::crew::Crew;
use crate::actors::script_runner::{DirectoryError, OccupyError, occupy, wipe};
use crate::actors::supervisor::{EXIT_SOFTWARE, Supervisor};
use crate::config::{self, Config, CredentialsConfig, Environment, Loaded};
use crate::cot::policies::{PolicyLoadError, PolicyStore};
use crate::messages::{Notice, Post};
use crate::process::reap_orphans_as_init;
use crate::signing::{Attester, CannotSign};
use crate::taskcluster::{Auth, Credentials, Http, HttpConfig, HttpError, InvalidUrl, RootUrl};
use crate::telemetry::ledger::Ledger;
use crate::telemetry::watchdog::{self, Act};
use crate::telemetry::{self, LogHandle};
use actix_rt::{Arbiter, System, SystemRunner};
use scriptworker_core::run;
use scriptworker_core::time::UnixMillis;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The exit code for a worker that cannot start: wrong configuration, no log, no directories.
const EXIT_CANNOT_START: u8 = 1;

/// How long a leaving worker waits for its log, and for its ledger.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Why the worker cannot start although its configuration is right.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Log(#[from] telemetry::LogError),
    #[error("taskcluster_root_url: {0}")]
    RootUrl(#[from] InvalidUrl),
    #[error("prepare the HTTP client: {0}")]
    Http(#[from] HttpError),
    #[error(transparent)]
    Occupied(#[from] OccupyError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("open what attestations are signed with:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Keys(Vec<CannotSign>),
    #[error("make the policy that chains of trust are judged by:\n{0}")]
    Policy(#[from] PolicyLoadError),
    #[error("listen to signals: {0}")]
    Signals(#[source] io::Error),
    #[error("start the watchdog: {0}")]
    Watchdog(#[source] io::Error),
    #[error("start the thread of the ledger of runs: {0}")]
    Ledger(#[source] io::Error),
}

/// Loads, starts, serves. Returns when the worker has left; what still runs in the background ends with the process.
pub(super) fn run(path: &Path) -> ExitCode {
    let system = System::new();
    // before anything else: a worker that is told to leave while it starts must not miss it
    let signals = system.block_on(async { Signals::catch() });
    let Ok(loaded) = load(path) else { return ExitCode::from(EXIT_CANNOT_START) };
    let served = signals.map_err(StartError::Signals).and_then(|signals| start(loaded, &system, signals));
    match served {
        Ok(code) => leave(code),
        Err(error) => {
            finish_log();
            complain(&format!("scriptworker cannot start: {error}"));
            ExitCode::from(EXIT_CANNOT_START)
        }
    }
}

/// A blocked job on the pool must not keep a worker from leaving that has said that it leaves.
#[expect(
    clippy::exit,
    reason = "waiting for the blocking pool could take for ever; everything that matters is done"
)]
pub(super) fn leave(code: u8) -> ExitCode {
    finish_log();
    std::process::exit(i32::from(code))
}

/// Gives the log time for its last lines, but no more than a stalled stderr or disk is worth.
fn finish_log() {
    if let Some(log) = telemetry::log::current() {
        log.flush(LAST_LINES);
    }
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn complain(message: &str) {
    eprintln!("{message}");
}

fn load(path: &Path) -> Result<Loaded, ()> {
    let environment = Environment::of_process().map_err(|error| {
        complain(&format!("scriptworker cannot start: read the current directory: {error}"));
    })?;
    config::load(Some(path), &environment).map_err(|errors| {
        complain(&errors.to_string());
        complain("Exiting...");
    })
}

fn start(loaded: Loaded, system: &SystemRunner, signals: Signals) -> Result<u8, StartError> {
    let Loaded { config, credentials, warnings } = loaded;
    let log = telemetry::log::init(&config.log_settings())?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    serve(config, credentials, &log, system, signals, |_| {})
}

/// Serves until told to leave; answers the exit code. `began` is called in the system once the Supervisor is there.
pub(super) fn serve(
    config: Config,
    credentials: CredentialsConfig,
    log: &LogHandle,
    system: &SystemRunner,
    signals: Signals,
    began: impl FnOnce(Post<Notice>),
) -> Result<u8, StartError> {
    let version = env!("CARGO_PKG_VERSION");
    let (queue, worker) = (&config.task_queue_id, &config.worker_id);
    tracing::info!(version, config = %config.file.display(), root_url = config.root_url(), %queue, %worker, "scriptworker starts");
    let attester = Arc::new(
        Attester::open(&config, UnixMillis(chrono::Utc::now().timestamp_millis()))
            .map_err(StartError::Keys)?,
    );
    // held until everything is over
    let _lock = occupy(&config)?;
    let policies = policies(&config)?;
    // what an earlier life left there belongs to no run (worker.md 11)
    wipe(&config)?;
    let crew_config = Arc::new(config);
    let root_url = RootUrl::parse(crew_config.root_url())?;
    let http = HttpConfig { user_agent: format!("scriptworker {version}"), ..HttpConfig::default() };
    Http::new(http.clone())?;
    let ledger = Ledger::open(crew_config.ledger()).map_err(StartError::Ledger)?;
    let code = system.block_on(async {
        // before the first process is started
        reap_orphans_as_init().map_err(StartError::Signals)?;
        let (heartbeat, work) = (Arbiter::new(), Arbiter::new());
        let crew = Crew {
            config: crew_config,
            heartbeat: heartbeat.handle(),
            work: work.handle(),
            root_url,
            attester,
            auth: Auth::fixed(own_credentials(credentials)),
            http,
            policies,
            keyrings: Arc::default(),
            ledger: ledger.clone(),
        };
        let (leave, left) = oneshot::channel();
        let supervisor =
            actix::Supervisor::start_in_arbiter(&heartbeat.handle(), |_| Supervisor::new(crew, leave));
        signals.pass_on(&Post::new(&supervisor, "signals"), log);
        began(Post::new(&supervisor, "cli"));
        let post = Post::new(&supervisor, "watchdog");
        let _watchdog = watchdog::start(move |act| act_on(act, &post)).map_err(StartError::Watchdog)?;
        // a sender that is gone without a word went down with the Supervisor
        Ok(left.await.unwrap_or(EXIT_SOFTWARE))
    });
    ledger.flush(LAST_LINES);
    if let Ok(code) = &code {
        tracing::info!(code, "scriptworker leaves");
    }
    code
}

/// The policy in use, if chains are to be judged by one.
fn policies(config: &Config) -> Result<Option<Arc<PolicyStore>>, StartError> {
    if !config.verify_chain_of_trust {
        return Ok(None);
    }
    let now = UnixMillis(chrono::Utc::now().timestamp_millis());
    Ok(Some(Arc::new(PolicyStore::open(config, now)?)))
}

fn own_credentials(credentials: CredentialsConfig) -> Credentials {
    let CredentialsConfig { client_id, access_token, certificate } = credentials;
    Credentials { client_id, access_token, certificate }
}

/// What is done about an actor that hangs.
fn act_on(act: Act, supervisor: &Post<Notice>) {
    match act {
        Act::GiveUp(actor) => {
            tracing::error!(actor, "the actor hangs: the run goes on without it, if it can");
            if let Some(actor) = run::Actor::from_name(actor) {
                // undeliverable is logged by the post
                let _ = supervisor.send(None, Notice::Died(actor));
            }
        }
        Act::Leave(actor) => {
            tracing::error!(
                actor,
                "the actor hangs, and nothing else helps: leaving; the guardian ends the script"
            );
            leave(EXIT_SOFTWARE);
        }
    }
}
