//! The queue, the directory and the worker process of one demo.

use super::keys::{self, KeysError};
use crate::embedded_queue::{ClientGrant, EmbeddedQueue, Options, StartError, new_task_id};
use crate::fsio;
use chrono::{SecondsFormat, Utc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scriptworker_core::ed25519::PublicKey;
use scriptworker_core::ids::{InvalidId, TaskId, TaskQueueId};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const SCRIPT: &str = include_str!("script.sh");
const PROVISIONER: &str = "demo-provisioner";
const WORKER_TYPE: &str = "demo-worker";
const WORKER_GROUP: &str = "demo-group";
const WORKER_ID: &str = "demo-worker-1";
const CLIENT: &str = "demo/worker";

/// Why a demo cannot begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum SiteError {
    #[error("{doing} {}: {source}", path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not empty: the demo wants a directory of its own", .0.display())]
    NotEmpty(PathBuf),
    #[error("the path {} is not UTF-8, so no configuration can hold it", .0.display())]
    NotUtf8(PathBuf),
    #[error(transparent)]
    Name(#[from] InvalidId),
    #[error("start the queue: {0}")]
    Queue(#[from] StartError),
    #[error("write the configuration: {0}")]
    Config(#[from] serde_yaml_ng::Error),
    #[error("make keys: {0}")]
    Keys(#[from] KeysError),
    #[error("start the worker: {0}")]
    Worker(#[source] io::Error),
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SiteError {
    move |source| SiteError::File { doing, path: path.to_owned(), source }
}

/// Where everything of one demo lies. Nothing of it is removed.
pub(super) struct Places {
    root: PathBuf,
}

impl Places {
    /// Below `dir`, which must be empty or not exist; without one, below a new temporary directory.
    pub(super) fn make(dir: Option<&Path>) -> Result<Self, SiteError> {
        let root = match dir {
            Some(dir) => dir.to_owned(),
            None => std::env::temp_dir().join(format!("scriptworker-demo-{}", uuid::Uuid::new_v4().simple())),
        };
        fsio::create_dir_all(&root).map_err(at("create", &root))?;
        let root = fs::canonicalize(&root).map_err(at("find", &root))?;
        if fs::read_dir(&root).map_err(at("read", &root))?.next().is_some() {
            return Err(SiteError::NotEmpty(root));
        }
        if root.to_str().is_none() {
            return Err(SiteError::NotUtf8(root));
        }
        let places = Self { root };
        for dir in [places.worker(), places.tasks(), places.storage(), places.keys(), places.gpg_home()] {
            fsio::create_dir_all(&dir).map_err(at("create", &dir))?;
        }
        Ok(places)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything of the worker's own.
    pub(super) fn worker(&self) -> PathBuf {
        self.root.join("worker")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.worker().join("scriptworker.yaml")
    }

    pub(super) fn script(&self) -> PathBuf {
        self.worker().join("script.sh")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.worker().join("log/worker.log")
    }

    /// The keys that the worker signs with.
    pub(super) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The keyrings in which others find them.
    pub(super) fn keyrings(&self) -> PathBuf {
        self.keys().join("keyrings")
    }

    /// Where gpg keeps what it knows, when it is asked.
    pub(super) fn gpg_home(&self) -> PathBuf {
        self.root.join("gpg")
    }

    /// What the worker says before it has a log.
    pub(super) fn stderr(&self) -> PathBuf {
        self.worker().join("stderr")
    }

    /// Decoded copies of what the queue has, by task and run.
    pub(super) fn tasks(&self) -> PathBuf {
        self.root.join("tasks")
    }

    /// What was uploaded, as it was uploaded.
    pub(super) fn storage(&self) -> PathBuf {
        self.root.join("queue")
    }

    /// The process ids that the script of the task to be cancelled writes down.
    pub(super) fn pids(&self) -> PathBuf {
        self.root.join("cancel.pids")
    }
}

/// A queue, and a worker process that serves it.
pub(super) struct Site {
    // before the queue: it goes first
    pub(super) worker: Worker,
    pub(super) queue: EmbeddedQueue,
}

impl Site {
    /// Starts both.
    pub(super) fn start(places: &Places) -> Result<Self, SiteError> {
        let pool = TaskQueueId::from_parts(PROVISIONER, WORKER_TYPE)?;
        let client = ClientGrant::of_worker(CLIENT, &pool, WORKER_GROUP, WORKER_ID);
        let token = client.access_token.clone();
        let queue = EmbeddedQueue::start(Options {
            clients: vec![client],
            claim_timeout: Duration::from_secs(60),
            // the worker leaves only when its question for work is answered
            long_poll: Duration::from_secs(1),
            storage_dir: Some(places.storage()),
            ..Options::default()
        })?;
        let public = keys::make(places)?;
        let config = serde_yaml_ng::to_string(&config(places, &queue.root_url(), token.expose(), &public))?;
        for (path, text, mode) in
            [(places.config(), config.as_str(), 0o600), (places.script(), SCRIPT, 0o644)]
        {
            let mut file = fsio::create_new(&path, mode).map_err(at("create", &path))?;
            file.write_all(text.as_bytes()).map_err(at("write", &path))?;
        }
        Ok(Self { worker: Worker::start(places)?, queue })
    }

    /// Makes a task with this payload.
    pub(super) fn create_task(&self, name: &str, story: &str, payload: &Value) -> Result<TaskId, TaskError> {
        let id = new_task_id()?;
        let now = Utc::now();
        let date =
            |hours| (now + chrono::Duration::hours(hours)).to_rfc3339_opts(SecondsFormat::Millis, true);
        let definition = json!({
            "provisionerId": PROVISIONER,
            "workerType": WORKER_TYPE,
            "created": date(0),
            "deadline": date(1),
            "expires": date(24),
            "payload": payload,
            "metadata": {
                "name": name,
                "description": story,
                "owner": "demo@example.com",
                "source": "https://example.com/demo",
            },
        });
        self.queue.create_task(&id, definition)?;
        Ok(id)
    }
}

/// A task could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum TaskError {
    #[error(transparent)]
    Id(#[from] InvalidId),
    #[error(transparent)]
    Refused(#[from] crate::embedded_queue::Refused),
}

/// The worker's configuration: like one of production, but quick to notice a cancelled task.
fn config(places: &Places, root_url: &str, token: &str, public: &PublicKey) -> Value {
    let worker = places.worker();
    json!({
        "taskcluster_root_url": root_url,
        "credentials": { "clientId": CLIENT, "accessToken": token },
        "provisioner_id": PROVISIONER,
        "worker_type": WORKER_TYPE,
        "worker_group": WORKER_GROUP,
        "worker_id": WORKER_ID,
        "work_dir": worker.join("work"),
        "artifact_dir": worker.join("artifacts"),
        "task_log_dir": worker.join("artifacts/public/logs"),
        "log_dir": worker.join("log"),
        "verbose": false,
        "task_script": ["sh", places.script(), worker.join("work"), worker.join("artifacts"), places.root()],
        "task_max_timeout": 60,
        "reclaim_interval": 1,
        "poll_interval": 0,
        "kill_grace": 1,
        "shutdown_timeout": 5,
        "cot_signature_scheme": "both",
        "ed25519_private_key_path": places.keys().join(keys::SEED),
        "ed25519_public_keys": { keys::IMPLEMENTATION: [public] },
        "privkey_path": places.keys().join(keys::SECRET),
        "pubkey_path": places.keys().join(keys::PUBLIC),
        "base_gpg_home_dir": places.keyrings(),
    })
}

/// The worker process. It is killed when it is dropped; its guardian then ends the script.
pub(super) struct Worker {
    child: Child,
    exit: Option<ExitStatus>,
}

impl Worker {
    /// Starts it as production does: its configuration is its argument, and of our environment it gets `PATH`, by
    /// which its script finds its programs.
    fn start(places: &Places) -> Result<Self, SiteError> {
        let program = std::env::current_exe().map_err(SiteError::Worker)?;
        let path = places.stderr();
        let stderr = fsio::create(&path, 0o644).map_err(at("create", &path))?.into_std();
        let child = Command::new(program)
            .arg("run")
            .arg(places.config())
            .current_dir(places.worker())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            // Ctrl-C is for the demo, which stops the worker itself
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(SiteError::Worker)?;
        Ok(Self { child, exit: None })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(super) fn exit(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            // it is our child, so asking cannot fail
            self.exit = self.child.try_wait().ok().flatten();
        }
        self.exit
    }

    /// Sends a signal, unless it has ended: its number may be somebody else's by then.
    pub(super) fn signal(&mut self, signal: Signal) {
        if self.exit().is_none()
            && let Ok(pid) = i32::try_from(self.child.id())
        {
            // it may end at this moment; until it is waited for, its number stays its own
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.exit().is_none() {
            // nothing can be done about a process that cannot be killed
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The end of a text file, for people: at most `lines` lines.
pub(super) fn last_lines(path: &Path, lines: usize) -> String {
    let text = File::open(path).and_then(io::read_to_string).unwrap_or_default();
    let all: Vec<_> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
