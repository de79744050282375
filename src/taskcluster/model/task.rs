//! Tasks and their states.

use bytes::Bytes;
use scriptworker_core::ids::{RunId, TaskId};
use scriptworker_core::scope::Scope;
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a task or run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the queue's own names")]
pub enum TaskState {
    Unscheduled,
    Pending,
    Running,
    Completed,
    Failed,
    Exception,
    /// A state that is newer than this program.
    #[serde(other)]
    Unknown,
}

/// Why a run came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the queue's own names")]
pub enum ReasonCreated {
    Scheduled,
    Retry,
    TaskRetry,
    Rerun,
    Exception,
    /// A reason that is newer than this program.
    #[serde(other)]
    Unknown,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the queue's own names")]
pub enum ReasonResolved {
    Completed,
    Failed,
    DeadlineExceeded,
    Canceled,
    ClaimExpired,
    WorkerShutdown,
    MalformedPayload,
    ResourceUnavailable,
    InternalError,
    IntermittentTask,
    Superseded,
    /// A reason that is newer than this program.
    #[serde(other)]
    Unknown,
}

/// How urgent a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the queue's own names")]
pub enum Priority {
    Highest,
    VeryHigh,
    High,
    Medium,
    Low,
    VeryLow,
    Lowest,
    /// A priority that is newer, or as `normal` older, than this program.
    #[serde(other)]
    Unknown,
}

/// The status structure of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Which task.
    pub task_id: TaskId,
    /// First half of the task queue id.
    pub provisioner_id: String,
    /// Second half of the task queue id.
    pub worker_type: String,
    /// The whole; classic deployments do not give it.
    pub task_queue_id: Option<String>,
    /// Who scheduled it.
    pub scheduler_id: String,
    /// For which project; classic deployments do not give it.
    pub project_id: Option<String>,
    /// The group it belongs to.
    pub task_group_id: TaskId,
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// When it is given up.
    pub deadline: UnixMillis,
    /// When the queue forgets it.
    pub expires: UnixMillis,
    /// How many more runs the queue may make by itself.
    pub retries_left: u32,
    /// Where it stands.
    pub state: TaskState,
    /// Its runs in order.
    pub runs: Vec<RunStatus>,
}

/// One run in a [`Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// Which.
    pub run_id: RunId,
    /// Where it stands.
    pub state: TaskState,
    /// Why it came to be.
    pub reason_created: ReasonCreated,
    /// Why it ended.
    pub reason_resolved: Option<ReasonResolved>,
    /// Who claimed it: the group.
    pub worker_group: Option<String>,
    /// Who claimed it: the worker.
    pub worker_id: Option<String>,
    /// Until when it is claimed.
    pub taken_until: Option<UnixMillis>,
    /// When it became pending.
    pub scheduled: UnixMillis,
    /// When it was claimed.
    pub started: Option<UnixMillis>,
    /// When it ended.
    pub resolved: Option<UnixMillis>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StatusAnswer {
    pub(crate) status: Status,
}

/// A task definition as the queue gave it, in three forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The very bytes (content-decoded).
    pub bytes: Bytes,
    /// All of it as JSON.
    pub raw: Value,
    /// What programs ask it for.
    pub definition: Definition,
}

/// A task definition. Everything but `expires`, `projectId` and `taskQueueId` is required in answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// First half of the task queue id.
    pub provisioner_id: String,
    /// Second half of the task queue id.
    pub worker_type: String,
    /// The whole; classic deployments do not give it.
    pub task_queue_id: Option<String>,
    /// Who scheduled it.
    pub scheduler_id: String,
    /// For which project; classic deployments do not give it.
    pub project_id: Option<String>,
    /// The group it belongs to: the id of its decision task.
    pub task_group_id: TaskId,
    /// What must be resolved before it runs.
    pub dependencies: Vec<TaskId>,
    /// `all-completed` or `all-resolved`.
    pub requires: String,
    /// Messages to send about it.
    pub routes: Vec<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// How many runs the queue may make by itself.
    pub retries: u32,
    /// When it was made, by its maker's clock.
    pub created: UnixMillis,
    /// When it is given up.
    pub deadline: UnixMillis,
    /// When the queue forgets it.
    pub expires: Option<UnixMillis>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// What the worker is to do.
    pub payload: Map<String, Value>,
    /// For humans.
    pub metadata: Metadata,
    /// For searching.
    pub tags: Map<String, Value>,
    /// For programs.
    pub extra: Map<String, Value>,
}

/// What a task says about itself to humans.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whom to ask: an e-mail address.
    pub owner: String,
    /// Where it was defined: a URL.
    pub source: String,
}
