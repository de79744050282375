//! Why a call is refused: the facts, the error code on the wire, and the words for people.

use super::run::RunState;
use scriptworker_core::ids::TaskId;
use scriptworker_core::time::UnixMillis;

/// The error codes of the API (taskcluster-api.md 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    MalformedPayload,
    InvalidRequestArguments,
    InputValidationError,
    InputError,
    AuthenticationFailed,
    InsufficientScopes,
    ResourceNotFound,
    RequestConflict,
    InputTooLarge,
    NoMatchingMethod,
    InternalServerError,
}

impl Code {
    /// The HTTP status that goes with it.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::MalformedPayload
            | Self::InvalidRequestArguments
            | Self::InputValidationError
            | Self::InputError => 400,
            Self::AuthenticationFailed => 401,
            Self::InsufficientScopes => 403,
            Self::ResourceNotFound => 404,
            Self::NoMatchingMethod => 406,
            Self::RequestConflict => 409,
            Self::InputTooLarge => 413,
            Self::InternalServerError => 500,
        }
    }
}

/// A call that the state of the queue does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Task `{0}` not found. Are you sure it was created?")]
    NoTask(TaskId),
    #[error("`{0}` does not correspond to a task that exists.")]
    UnknownTask(TaskId),
    #[error("No task-group with taskGroupId: `{0}`")]
    NoTaskGroup(TaskId),
    #[error("Run {run} not found on task `{task}`.")]
    NoRun { task: TaskId, run: u16 },
    #[error("Task not found")]
    ArtifactNoTask,
    #[error("Task not found")]
    ArtifactOfNoTask,
    #[error("Run not found")]
    ArtifactNoRun,
    #[error("Run not found")]
    ArtifactOfNoRun,
    #[error("Task doesn't have any runs")]
    TaskWithoutRuns,
    #[error("Run was not claimed by a worker and so no artifacts can exist")]
    ArtifactUnclaimed,
    #[error("Artifact not found")]
    NoArtifact,
    #[error("Artifact leads to a link cycle")]
    LinkCycle,
    #[error(
        "artifacts can be created while the run is running, and for 25 minutes after an exception; this run is {state:?}, resolved {resolved:?}"
    )]
    ArtifactTooLate { state: RunState, resolved: Option<UnixMillis> },
    #[error(
        "Artifact expires ({artifact}) after the task expiration {task} (task.expires < expires): artifacts may not outlive their task"
    )]
    ArtifactOutlivesTask { artifact: UnixMillis, task: UnixMillis },
    #[error(
        "Artifact already exists with different properties, and none of the allowed exceptions apply: {0}"
    )]
    ArtifactConflict(String),
    #[error("Only object artifacts can be finished")]
    NotAnObjectArtifact,
    #[error("given uploadId does not match that for the artifact")]
    WrongUploadId,
    #[error("Object storing artifact data does not exist")]
    ObjectUnfinished,
    #[error("object {0} not found")]
    NoObject(String),
    #[error("upload {0} not found")]
    NoUpload(String),
    #[error("object {0} already exists with other properties, or is already complete")]
    ObjectConflict(String),
    #[error("none of the download methods that the request accepts fits this object")]
    NoDownloadMethod,
    #[error("dataInline.objectData is not valid base64")]
    BadInlineData,
    #[error("Run {run} of task `{task}` is not running or {outcome}.")]
    NotRunningOr { task: TaskId, run: u16, outcome: &'static str },
    #[error("Run {run} on task `{task}` is resolved or not running.")]
    ResolvedOrNotRunning { task: TaskId, run: u16 },
    #[error("Task `{task}` can't be reclaimed past its deadline of {deadline}.")]
    PastDeadline { task: TaskId, deadline: UnixMillis },
    #[error("the run is pending: it has no worker whose claim could be renewed")]
    NeverClaimed,
    #[error("Run {run} on task `{task}` is not pending: it was claimed by somebody else, or resolved.")]
    NotPending { task: TaskId, run: u16 },
    #[error("taskId `{0}` already used by another task.\nThis could be the result of faulty idempotency!")]
    TaskConflict(TaskId),
    #[error(
        "`task.dependencies` references non-existing tasks: \n * {}\nAll taskIds in `task.dependencies` **must** exist\nbefore the task is created.\n",
        .0.join("\n * ")
    )]
    MissingDependencies(Vec<String>),
    #[error("{0}")]
    BadDate(&'static str),
    #[error("`taskQueueId` must name the same queue as `provisionerId` and `workerType`")]
    QueueNameMismatch,
    #[error("Task `{0}` is past its deadline or was resolved for good, so it cannot run again")]
    CannotRerun(TaskId),
    #[error("Worker with workerId `{0}` not found. Are you sure it was created?")]
    NoWorker(String),
    #[error("`continuationToken` is not one that this queue gave")]
    BadContinuationToken,
}

impl Refusal {
    /// The error code on the wire.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::NoTask(_)
            | Self::UnknownTask(_)
            | Self::NoTaskGroup(_)
            | Self::NoRun { .. }
            | Self::ArtifactOfNoTask
            | Self::ArtifactOfNoRun
            | Self::TaskWithoutRuns
            | Self::NoArtifact
            | Self::NoObject(_)
            | Self::NoUpload(_)
            | Self::NoWorker(_) => Code::ResourceNotFound,
            Self::ArtifactNoTask
            | Self::ArtifactNoRun
            | Self::ArtifactUnclaimed
            | Self::LinkCycle
            | Self::ArtifactOutlivesTask { .. }
            | Self::NotAnObjectArtifact
            | Self::WrongUploadId
            | Self::ObjectUnfinished
            | Self::BadInlineData
            | Self::MissingDependencies(_)
            | Self::BadDate(_)
            | Self::QueueNameMismatch
            | Self::BadContinuationToken => Code::InputError,
            Self::ArtifactTooLate { .. }
            | Self::ArtifactConflict(_)
            | Self::ObjectConflict(_)
            | Self::NotRunningOr { .. }
            | Self::ResolvedOrNotRunning { .. }
            | Self::PastDeadline { .. }
            | Self::NotPending { .. }
            | Self::TaskConflict(_)
            | Self::CannotRerun(_) => Code::RequestConflict,
            Self::NoDownloadMethod => Code::NoMatchingMethod,
            Self::NeverClaimed => Code::InternalServerError,
        }
    }
}
