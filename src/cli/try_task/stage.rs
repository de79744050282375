//! The queue of a trial with its tasks, and the directory for what comes of it.

use super::definition::{self, TaskFile, TaskFileError};
use super::report;
use super::upstream::{Upstream, UpstreamTask};
use crate::config::Config;
use crate::embedded_queue::{
    ClientGrant, EmbeddedQueue, Options, PastError, Refused, StartError, new_task_id,
};
use crate::fsio;
use scriptworker_core::ids::{InvalidId, RunId, RunKey, TaskId, TaskQueueId};
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Who the worker is to the queue.
const CLIENT: &str = "try/worker";
/// How long the queue lets the worker wait for a task: there is only the one.
const LONG_POLL: Duration = Duration::from_secs(1);

/// Why there is nothing to try the task on.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    #[error("{doing} {}: {source}", path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not empty: a trial wants a directory of its own", .0.display())]
    NotEmpty(PathBuf),
    #[error(transparent)]
    Task(#[from] TaskFileError),
    #[error("create the task: {0}")]
    Refused(#[from] Refused),
    #[error("create the task: its state is {0:?}")]
    NotPending(String),
    #[error("create the upstream task {id}: {source}")]
    Past { id: TaskId, source: PastError },
    #[error("create the task: a dependency: {0}")]
    Dependency(#[source] InvalidId),
    #[error("name the task: {0}")]
    Name(#[source] InvalidId),
    #[error(transparent)]
    Queue(#[from] StartError),
    #[error("read the queue's address: {0}")]
    Address(#[from] url::ParseError),
}

impl StageError {
    /// Whether whoever tries has to mend something.
    pub(super) fn is_a_mistake(&self) -> bool {
        match self {
            Self::NotEmpty(_)
            | Self::Task(_)
            | Self::Refused(_)
            | Self::NotPending(_)
            | Self::Past { .. }
            | Self::Dependency(_) => true,
            Self::File { .. } | Self::Name(_) | Self::Queue(_) | Self::Address(_) => false,
        }
    }
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StageError {
    move |source| StageError::File { doing, path: path.to_owned(), source }
}

/// See the module.
pub(super) struct Stage {
    pub(super) queue: Arc<EmbeddedQueue>,
    /// The one run.
    pub(super) run: RunKey,
    /// The pool that the task is in.
    pub(super) pool: TaskQueueId,
    pub(super) worker: ClientGrant,
    pub(super) root_url: Url,
    output: PathBuf,
    /// Whether the directory was made for this trial.
    made: bool,
}

impl Stage {
    /// Starts the queue, with the upstream tasks over and the task waiting.
    pub(super) fn set(
        config: &Config,
        task: TaskFile,
        upstream: &Upstream,
        output: &Path,
    ) -> Result<Self, StageError> {
        let now = UnixMillis(chrono::Utc::now().timestamp_millis());
        let definition = task.settle(&config.task_queue_id, now)?;
        let pool = pool_of(&definition).unwrap_or_else(|| config.task_queue_id.clone());
        let (group, id) = (config.worker_group.as_str(), config.worker_id.as_str());
        let worker = ClientGrant::of_worker(CLIENT, &pool, group, id);
        let (output, made) = output_dir(output)?;
        let queue = EmbeddedQueue::start(Options {
            clients: vec![worker.clone()],
            long_poll: LONG_POLL,
            storage_dir: Some(storage(&output)),
            ..Options::default()
        });
        let staged = queue.map_err(StageError::from).and_then(|queue| {
            let run = create_tasks(&queue, config, definition, upstream, now)?;
            Ok((Url::parse(&queue.root_url())?, queue, run))
        });
        match staged {
            Ok((root_url, queue, run)) => {
                Ok(Self { queue: Arc::new(queue), run, pool, worker, root_url, output, made })
            }
            Err(error) => {
                remove(&output, made);
                Err(error)
            }
        }
    }

    /// Where everything of the trial is left.
    pub(super) fn output(&self) -> &Path {
        &self.output
    }

    /// Where the artifacts are left, decoded.
    pub(super) fn artifacts(&self) -> PathBuf {
        self.output.join("artifacts")
    }

    pub(super) fn log_while_running(&self, config: &Config) -> String {
        config.task_log_dir.join("live_backing.log").display().to_string()
    }

    /// Removes what nobody needs any more.
    pub(super) fn clear(&self) {
        remove(&self.output, false);
    }

    /// The same when nothing was tried.
    pub(super) fn discard(&self) {
        remove(&self.output, self.made);
    }
}

fn storage(output: &Path) -> PathBuf {
    output.join("queue")
}

/// Removes the queue's storage, or the whole output.
fn remove(output: &Path, all: bool) {
    let path = if all { output.to_owned() } else { storage(output) };
    if let Err(error) = fsio::remove_tree(&path) {
        super::tell(&format!("failed to remove {}: {error}", path.display()));
    }
}

/// A place for the output of whoever names none.
pub(super) fn new_output() -> PathBuf {
    std::env::temp_dir().join(format!("scriptworker-try-{}", uuid::Uuid::new_v4().simple()))
}

/// The directory for the output, and whether it was made here.
fn output_dir(dir: &Path) -> Result<(PathBuf, bool), StageError> {
    let made = !dir.exists();
    fsio::create_dir_all(dir).map_err(at("create", dir))?;
    let dir = fs::canonicalize(dir).map_err(at("find", dir))?;
    if fs::read_dir(&dir).map_err(at("read", &dir))?.next().is_some() {
        return Err(StageError::NotEmpty(dir));
    }
    Ok((dir, made))
}

/// The pool that a definition names, in either spelling.
fn pool_of(definition: &Map<String, Value>) -> Option<TaskQueueId> {
    let text = |key: &str| definition.get(key).and_then(Value::as_str);
    match text("taskQueueId") {
        Some(pool) => TaskQueueId::parse(pool).ok(),
        None => TaskQueueId::from_parts(text("provisionerId")?, text("workerType")?).ok(),
    }
}

fn create_tasks(
    queue: &EmbeddedQueue,
    config: &Config,
    definition: Map<String, Value>,
    upstream: &Upstream,
    now: UnixMillis,
) -> Result<RunKey, StageError> {
    let mut known = BTreeSet::new();
    for UpstreamTask { id, definition, artifacts } in &upstream.tasks {
        let definition = definition.clone().settle(&config.task_queue_id, now)?;
        queue
            .create_past_task(id, definition, artifacts)
            .map_err(|source| StageError::Past { id: id.clone(), source })?;
        known.insert(id.clone());
    }
    let dependencies = definition.get("dependencies").and_then(Value::as_array);
    for dependency in dependencies.into_iter().flatten().filter_map(Value::as_str) {
        let id = TaskId::parse(dependency).map_err(StageError::Dependency)?;
        if known.insert(id.clone()) {
            let definition = definition::unknown(dependency).settle(&config.task_queue_id, now)?;
            queue
                .create_past_task(&id, definition, &[])
                .map_err(|source| StageError::Past { id: id.clone(), source })?;
        }
    }
    let task_id = new_task_id().map_err(StageError::Name)?;
    let status = queue.create_task(&task_id, Value::Object(definition))?;
    match report::run_state(&status) {
        Some("pending") => Ok(RunKey { task_id, run_id: RunId::FIRST }),
        state => Err(StageError::NotPending(state.unwrap_or("unscheduled").to_owned())),
    }
}
