//! What demo and tests see and do past HTTP.

use super::call::Call;
use super::faults::Fault;
use super::options::Options;
use super::schema;
use super::server::{self, Running, StartError};
use super::shared::{CallRecord, Shared};
use super::state::State;
use super::state::artifact::{Artifact, Content};
use super::state::definition::{fill_defaults, fill_queue_name};
use super::state::object::storage_key;
use super::state::refusal::Refusal;
use crate::fsio;
use scriptworker_core::ids::{RunKey, TaskId};
use scriptworker_core::time::UnixMillis;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a stop waits for answers that are being made.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// A call of the control surface that the queue's rules do not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The task definition does not fit its schema.
    #[error("the task definition is wrong: {}", .errors.join("; "))]
    Definition {
        /// Everything that is wrong with it.
        errors: Vec<String>,
    },
    /// The state of the queue does not allow it.
    #[error("the queue answers {code}: {message}")]
    State {
        /// The error code that HTTP clients get.
        code: String,
        /// The words that HTTP clients get.
        message: String,
    },
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::State { code: format!("{:?}", refusal.code()), message: refusal.to_string() }
    }
}

/// What was waited for did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not within {waited:?}; at the end there was: {last_seen}")]
pub struct TimedOut {
    /// How long it was waited for.
    pub waited: Duration,
    /// What there was instead.
    pub last_seen: String,
}

/// An artifact as the queue keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArtifact {
    /// Its name.
    pub name: String,
    /// `s3`, `object`, `reference`, `link` or `error`.
    pub storage_type: &'static str,
    /// Its content type.
    pub content_type: String,
    /// The content encoding that the upload gave.
    pub content_encoding: Option<String>,
    /// The artifact of the same run that a link leads to.
    pub leads_to: Option<String>,
    /// When it goes.
    pub expires: UnixMillis,
    /// The file with its bytes as they were uploaded; `None`: nothing was uploaded.
    pub path: Option<PathBuf>,
    /// How many bytes were uploaded.
    pub size: Option<u64>,
    /// The SHA-256 of the uploaded bytes, in hexadecimal.
    pub sha256: Option<String>,
}

/// A running embedded queue. It stops when it is dropped.
///
/// Its methods block; none may be called from the queue's own thread, and those that wait not from an async thread
/// that something else depends on.
#[derive(Debug)]
pub struct EmbeddedQueue {
    running: Option<Running>,
    pub(super) shared: Arc<Shared>,
}

impl EmbeddedQueue {
    /// Starts a queue on a thread of its own, listening on 127.0.0.1.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let running = server::start(options)?;
        Ok(Self { shared: Arc::clone(&running.shared), running: Some(running) })
    }

    /// The root URL for clients.
    pub fn root_url(&self) -> String {
        self.shared.root_url.clone()
    }

    /// Stops: long polls are answered, what is being answered is finished, the thread ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(Running { handle, thread, .. }) = self.running.take() else { return };
        self.shared.begin_to_stop();
        let none_open = self.shared.wait_log(LAST_ANSWERS, |log| log.open.is_empty().then_some(()));
        if none_open.is_none() {
            tracing::warn!("embedded queue stops with unanswered calls");
        }
        // The order to stop is given by the call itself; its end is seen in the end of the thread.
        drop(handle.stop(false));
        if thread.join().is_err() {
            tracing::error!("the embedded queue's thread panicked");
        }
        if self.shared.options.storage_dir.is_none()
            && let Err(error) = fsio::remove_tree(&self.shared.storage_dir)
        {
            tracing::warn!(%error, "failed to remove the embedded queue's storage");
        }
    }

    /// Makes a task, as `createTask` does, without asking for scopes. Answers its status.
    pub fn create_task(&self, task_id: &TaskId, mut definition: Value) -> Result<Value, Refused> {
        schema::CREATE_TASK.check(&definition).map_err(|errors| Refused::Definition { errors })?;
        let Value::Object(definition) = &mut definition else {
            return Err(Refused::Definition { errors: Vec::new() });
        };
        fill_defaults(definition);
        fill_queue_name(definition)?;
        self.shared.update(|state, now| {
            state.create_task(task_id, definition, now)?;
            Ok(state.status(task_id)?)
        })
    }

    /// Cancels a task. Answers its status.
    pub fn cancel(&self, task_id: &TaskId) -> Result<Value, Refused> {
        Ok(self.shared.update(|state, now| state.cancel(task_id, now))?)
    }

    /// A task's status structure.
    pub fn status(&self, task_id: &TaskId) -> Result<Value, Refused> {
        Ok(self.shared.read(|state| state.status(task_id))?)
    }

    /// One artifact of a run, links not followed.
    pub fn artifact(&self, run: &RunKey, name: &str) -> Option<StoredArtifact> {
        let place = (run.clone(), name.to_owned());
        self.shared.read(|state| state.artifacts.get(&place).map(|artifact| stored(state, name, artifact)))
    }

    /// All artifacts of a run, by name.
    pub fn artifacts(&self, run: &RunKey) -> Vec<StoredArtifact> {
        self.shared.read(|state| {
            state
                .artifacts
                .iter()
                .filter(|((key, _), _)| key == run)
                .map(|((_, name), artifact)| stored(state, name, artifact))
                .collect()
        })
    }

    /// Waits until a task's status is as wanted. Answers that status.
    pub fn wait_for(
        &self,
        task_id: &TaskId,
        mut wanted: impl FnMut(&Value) -> bool,
        timeout: Duration,
    ) -> Result<Value, TimedOut> {
        let found = self
            .shared
            .wait_state(timeout, |state| state.status(task_id).ok().filter(|status| wanted(status)));
        found.ok_or_else(|| TimedOut {
            waited: timeout,
            last_seen: match self.status(task_id) {
                Ok(status) => status.to_string(),
                Err(refused) => refused.to_string(),
            },
        })
    }

    /// Every call that was answered, in the order of the answers.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.shared.lock_log().done.clone()
    }

    /// Waits until a call was answered that is as wanted; earlier ones count. Each is looked at once, in the order of
    /// the answers, so `wanted` may count them.
    pub fn wait_for_call(
        &self,
        mut wanted: impl FnMut(&CallRecord) -> bool,
        timeout: Duration,
    ) -> Result<CallRecord, TimedOut> {
        let mut looked_at = 0;
        let found = self.shared.wait_log(timeout, |log| {
            let fresh = log.done.get(looked_at..).unwrap_or_default();
            looked_at = log.done.len();
            fresh.iter().find(|record| wanted(record)).cloned()
        });
        found.ok_or_else(|| self.no_such_call(timeout))
    }

    /// Waits until a call of this kind is being answered, such as a `claimWork` that waits for a task.
    pub fn wait_for_open_call(&self, call: Call, timeout: Duration) -> Result<(), TimedOut> {
        self.wait_for_open_calls(call, 1, timeout)
    }

    /// Waits until so many calls of this kind are being answered at once.
    pub fn wait_for_open_calls(&self, call: Call, count: usize, timeout: Duration) -> Result<(), TimedOut> {
        let found = self.shared.wait_log(timeout, |log| {
            let open = log.open.iter().filter(|open| **open == call);
            (open.count() >= count).then_some(())
        });
        found.ok_or_else(|| self.no_such_call(timeout))
    }

    fn no_such_call(&self, waited: Duration) -> TimedOut {
        let names: Vec<_> = self.calls().iter().map(|record| record.call.name()).collect();
        TimedOut { waited, last_seen: names.join(" ") }
    }

    /// Orders a fault. The first one on order that is due meets a call.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock_faults().add(fault);
    }

    /// Takes back all faults.
    pub fn clear_faults(&self) {
        self.shared.lock_faults().clear();
    }

    /// Resolves claims that were not renewed in time, now instead of at the next interval.
    pub fn resolve_claims(&self) {
        self.shared.resolve_claims();
    }

    /// Resolves tasks past their deadline, now instead of at the next interval.
    pub fn resolve_deadlines(&self) {
        self.shared.resolve_deadlines();
    }
}

impl Drop for EmbeddedQueue {
    fn drop(&mut self) {
        self.end();
    }
}

fn stored(state: &State, name: &str, artifact: &Artifact) -> StoredArtifact {
    let key = match &artifact.content {
        Content::S3 { key } => Some(key.clone()),
        Content::Object { object, .. } => Some(storage_key(object)),
        _ => None,
    };
    let blob = key.and_then(|key| state.slots.get(&key)).and_then(|slot| slot.blob.as_ref());
    StoredArtifact {
        name: name.to_owned(),
        storage_type: artifact.content.storage_type(),
        content_type: artifact.content_type.clone(),
        content_encoding: blob.and_then(|blob| blob.content_encoding.clone()),
        leads_to: match &artifact.content {
            Content::Link { artifact } => Some(artifact.clone()),
            _ => None,
        },
        expires: artifact.expires,
        path: blob.map(|blob| blob.path.clone()),
        size: blob.map(|blob| blob.size),
        sha256: blob.map(|blob| blob.sha256.clone()),
    }
}
