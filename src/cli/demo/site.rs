//! The queue and the workers of one demo.

use super::keys::{self, KeysError};
use super::places::{Places, Who};
use super::worker::Worker;
use crate::embedded_queue::release::{Plan, Release, ReleaseError, Releases};
use crate::embedded_queue::{ClientGrant, EmbeddedQueue, Options, StartError, new_task_id};
use crate::fsio;
use chrono::{SecondsFormat, Utc};
use nix::sys::signal::Signal;
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::ed25519::PublicKey;
use scriptworker_core::ids::{InvalidId, TaskId, TaskQueueId};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SCRIPT: &str = include_str!("script.sh");
const PROVISIONER: &str = "demo-provisioner";
const WORKER_TYPE: &str = "demo-worker";
const WORKER_GROUP: &str = "demo-group";
const WORKER_ID: &str = "demo-worker-1";

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
    #[error(transparent)]
    Releases(#[from] ReleaseError),
    #[error("start the worker: {0}")]
    Worker(#[source] io::Error),
}

pub(super) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SiteError {
    move |source| SiteError::File { doing, path: path.to_owned(), source }
}

/// A queue, the workers that serve it, and what they verify.
pub(super) struct Site {
    // before the queue: they go first
    pub(super) workers: Vec<Worker>,
    pub(super) queue: EmbeddedQueue,
    releases: BTreeMap<RuleSet, Releases>,
}

impl Site {
    /// Starts everything.
    pub(super) fn start(places: &Places) -> Result<Self, SiteError> {
        let mut releases = BTreeMap::new();
        for generation in [RuleSet::Current, RuleSet::Classic] {
            releases.insert(generation, Releases::start(generation, &places.releases(generation))?);
        }
        let maker = |who: Who| match who {
            Who::Plain => None,
            Who::Verifying(generation) => releases.get(&generation),
        };
        let mut clients = Vec::new();
        for who in Who::ALL {
            let (provisioner, worker_type) = maker(who).map_or((PROVISIONER, WORKER_TYPE), Releases::pool);
            let pool = TaskQueueId::from_parts(provisioner, worker_type)?;
            let client = format!("demo/{}", who.name());
            clients.push(ClientGrant::of_worker(&client, &pool, WORKER_GROUP, WORKER_ID));
        }
        let queue = EmbeddedQueue::start(Options {
            clients: clients.clone(),
            claim_timeout: Duration::from_secs(60),
            // a worker leaves only when its question for work is answered
            long_poll: Duration::from_secs(1),
            storage_dir: Some(places.storage()),
            ..Options::default()
        })?;
        write(&places.script(), SCRIPT, 0o644)?;
        let public = keys::make(places)?;
        let mut workers = Vec::new();
        for (who, client) in Who::ALL.into_iter().zip(&clients) {
            let mut entries = common(places, who, &queue.root_url(), client);
            entries.extend(maker(who).map_or_else(|| own(places, &public), Releases::configuration));
            write(&places.config(who), &serde_yaml_ng::to_string(&entries)?, 0o600)?;
            workers.push(Worker::start(places, who)?);
        }
        Ok(Self { workers, queue, releases })
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

    /// Makes a release, whose last task is for the verifying worker of its generation.
    pub(super) fn create_release(&self, generation: RuleSet, plan: &Plan) -> Result<Release, TaskError> {
        let maker = self.releases.get(&generation).ok_or(TaskError::NoMaker)?;
        Ok(maker.make(&self.queue, plan)?)
    }

    /// The mirror of the source host of a generation's releases.
    pub(super) fn mirror(&self, generation: RuleSet) -> Option<(&'static str, String)> {
        self.releases.get(&generation).map(Releases::mirror)
    }

    /// Sends a signal to all workers.
    pub(super) fn signal(&mut self, signal: Signal) {
        for worker in &mut self.workers {
            worker.signal(signal);
        }
    }
}

/// A task could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum TaskError {
    #[error(transparent)]
    Id(#[from] InvalidId),
    #[error(transparent)]
    Refused(#[from] crate::embedded_queue::Refused),
    #[error("nobody makes releases of its generation")]
    NoMaker,
    #[error(transparent)]
    Release(#[from] ReleaseError),
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), SiteError> {
    let mut file = fsio::create_new(path, mode).map_err(at("create", path))?;
    file.write_all(text.as_bytes()).map_err(at("write", path))
}

/// What the configurations of all workers have: like one of production, but quick to notice a cancelled task.
fn common(places: &Places, who: Who, root_url: &str, client: &ClientGrant) -> Map<String, Value> {
    let worker = places.worker(who);
    let token = client.access_token.expose();
    let entries = [
        ("taskcluster_root_url", json!(root_url)),
        ("credentials", json!({ "clientId": client.client_id, "accessToken": token })),
        ("worker_group", json!(WORKER_GROUP)),
        ("worker_id", json!(WORKER_ID)),
        ("work_dir", json!(worker.join("work"))),
        ("artifact_dir", json!(worker.join("artifacts"))),
        ("task_log_dir", json!(worker.join("artifacts/public/logs"))),
        ("log_dir", json!(worker.join("log"))),
        ("verbose", json!(false)),
        (
            "task_script",
            json!(["sh", places.script(), worker.join("work"), worker.join("artifacts"), places.root()]),
        ),
        ("task_max_timeout", json!(60)),
        ("reclaim_interval", json!(1)),
        ("poll_interval", json!(0)),
        ("kill_grace", json!(1)),
        ("shutdown_timeout", json!(5)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What the worker has that verifies nothing.
fn own(places: &Places, public: &PublicKey) -> Map<String, Value> {
    let keys = places.own_keys();
    let entries = [
        ("provisioner_id", json!(PROVISIONER)),
        ("worker_type", json!(WORKER_TYPE)),
        ("cot_signature_scheme", json!("both")),
        ("ed25519_private_key_path", json!(keys.join(keys::SEED))),
        ("ed25519_public_keys", json!({ keys::IMPLEMENTATION: [public] })),
        ("privkey_path", json!(keys.join(keys::SECRET))),
        ("pubkey_path", json!(keys.join(keys::PUBLIC))),
        ("base_gpg_home_dir", json!(places.keyrings())),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
