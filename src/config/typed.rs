//! The configuration as the rest of the worker sees it: typed, checked, immutable.

use crate::telemetry::LineFormat;
use crate::telemetry::log::{LogSettings, Rotation};
use scriptworker_core::ids::{TaskQueueId, WorkerGroup, WorkerId};
use scriptworker_core::run::{ExitCodes, TaskStatus};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

use super::attestation::AttestationConfig;
use super::keyrings::KeyringsConfig;
use super::keys::Generation;
use super::policy::PolicyConfig;
use super::verification::VerificationConfig;

/// The signal that asks a script to end (configuration key `kill_first_signal`; worker.md W10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FirstSignal {
    /// SIGTERM, as the current generation.
    Term,
    /// SIGINT, as the classic one.
    Int,
}

/// How artifacts are stored (configuration key `artifact_storage`; artifacts.md 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArtifactStorage {
    /// One PUT to a URL that the queue gives.
    S3,
    /// Through the object service.
    Object,
}

/// What is otherwise when one task is tried instead of tasks being served (`scriptworker try`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trial {
    /// What the script finds in `work_dir/cot`.
    pub upstream: Vec<TrialFile>,
}

/// An upstream artifact of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialFile {
    /// Its place below `work_dir/cot`: `<taskId>/<name>`.
    pub place: PathBuf,
    /// The file that it is copied from.
    pub from: PathBuf,
}

/// A configuration without mistakes. The meaning of each field is that of the key of its name in
/// [`KEYS`](super::KEYS).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The file that it was read from, absolute.
    pub file: PathBuf,
    /// [`Generation::Classic`] when the file is written for the OpenPGP scheme, else [`Generation::Current`].
    pub generation: Generation,
    /// Root URL of the deployment; its path ends without the slash that it may have had, see [`Config::root_url`].
    pub root_url: Url,
    /// `provisioner_id` and `worker_type` together.
    pub task_queue_id: TaskQueueId,
    /// Group part of the worker's identity.
    pub worker_group: WorkerGroup,
    /// Id part of the worker's identity.
    pub worker_id: WorkerId,
    /// Format of the lines of `worker.log`: `log_fmt` and `log_datefmt` together.
    pub log_format: LineFormat,
    /// Size in bytes at which `worker.log` is rotated; 0 for never.
    pub log_max_bytes: u64,
    /// How many rotated files are kept; 0 for no rotation.
    pub log_max_backups: u32,
    /// Level DEBUG, and a copy to stderr.
    pub verbose: bool,
    /// Reopen `worker.log` when it was moved or removed.
    pub watch_log_file: bool,
    /// Pause after a claim request that brought no task.
    pub poll_interval: Duration,
    /// Longest time between two renewals.
    pub reclaim_interval: Duration,
    /// How long a script may run.
    pub task_max_timeout: Duration,
    /// Status of a run whose script ran too long.
    pub task_max_timeout_status: TaskStatus,
    /// Exit codes with a meaning of their own.
    pub reversed_statuses: ExitCodes,
    /// Program and arguments; never empty.
    pub task_script: Vec<String>,
    /// Where the script works; absolute, wiped around every task.
    pub work_dir: PathBuf,
    /// What is uploaded; absolute, wiped around every task.
    pub artifact_dir: PathBuf,
    /// The task's logs; absolute, wiped around every task.
    pub task_log_dir: PathBuf,
    /// The worker's own logs; absolute, kept.
    pub log_dir: PathBuf,
    /// How long the upload of one artifact may take.
    pub artifact_upload_timeout: Duration,
    /// Artifacts expire after so many hours, never later than the task; `None`: with the task.
    pub artifact_expiration_hours: Option<u32>,
    /// Sign what the task made.
    pub sign_chain_of_trust: bool,
    /// How runs are attested.
    pub attestation: AttestationConfig,
    /// Verify where the task comes from.
    pub verify_chain_of_trust: bool,
    /// Which policy is used, and what is replaced in it.
    pub policy: PolicyConfig,
    /// How chains of trust are verified.
    pub verification: VerificationConfig,
    /// Keyrings and the key repository.
    pub keyrings: KeyringsConfig,
    /// How long a shutdown may take for upload and report.
    pub shutdown_timeout: Duration,
    /// Pause between the first signal to the script and SIGKILL.
    pub kill_grace: Duration,
    /// The first signal to a script that has to end.
    pub kill_first_signal: FirstSignal,
    /// How long output is awaited after the script has ended.
    pub drain_timeout: Duration,
    /// How many bytes of a script's output its log keeps, beginning and end together; `None` for all of it.
    pub max_log_size: Option<u64>,
    /// Storage type of uploaded artifacts.
    pub artifact_storage: ArtifactStorage,
    /// How many artifacts are uploaded at once.
    pub max_concurrent_uploads: usize,
    /// Make `public/logs/live.log` a link to `live_backing.log`.
    pub live_log_link: bool,
    /// Keep the worker's own credentials out of the script's environment.
    pub scrub_environment: bool,
    /// Set for a trial: the script then gets no `TASKCLUSTER_*` of whoever tries it, and the upstream artifacts that it
    /// names. No key of the file.
    pub trial: Option<Trial>,
}

impl Config {
    /// The root URL as Taskcluster's clients write it: without a slash at the end. This is what scripts see as
    /// `TASKCLUSTER_ROOT_URL`.
    pub fn root_url(&self) -> &str {
        self.root_url.as_str().trim_end_matches('/')
    }

    /// How often the log gets a sign of life: at least twice in the time between two renewals, because the probe of
    /// today's deployment allows that time and a minute (production-contract.md 1.5), and at least once a minute.
    pub fn sign_of_life(&self) -> Duration {
        (self.reclaim_interval / 2).min(Duration::from_secs(60))
    }

    /// Whether keyrings are kept: when there is a key repository, or when the classic scheme verifies.
    pub fn keeps_keyrings(&self) -> bool {
        let verifies = self.generation == Generation::Classic && self.verify_chain_of_trust;
        self.keyrings.base.is_some() && (verifies || self.keyrings.repository.is_some())
    }

    /// How the worker logs (worker.md 12). A watched file is never rotated by the worker itself.
    pub fn log_settings(&self) -> LogSettings {
        let rotation = match (self.watch_log_file, self.log_max_bytes, self.log_max_backups) {
            (true, _, _) => Rotation::Watched,
            (false, 0, _) | (false, _, 0) => Rotation::None,
            (false, max_bytes, backups) => Rotation::BySize { max_bytes, backups },
        };
        LogSettings {
            path: self.worker_log(),
            format: self.log_format.clone(),
            verbose: self.verbose,
            rotation,
        }
    }

    /// The file that remembers which policies were in use.
    pub fn policy_record(&self) -> PathBuf {
        self.log_dir.join("policy.json")
    }

    /// The file of the worker's own log.
    pub fn worker_log(&self) -> PathBuf {
        self.log_dir.join("worker.log")
    }

    /// The ledger of runs.
    pub fn ledger(&self) -> PathBuf {
        self.log_dir.join("runs.jsonl")
    }
}
