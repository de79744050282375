//! One run of a task as plain data: states, reasons, and its JSON.

use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};

/// Where a run, or a task, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    Unscheduled,
    Pending,
    Running,
    Completed,
    Failed,
    Exception,
}

impl RunState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unscheduled => "unscheduled",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Exception => "exception",
        }
    }

    /// Whether nothing more can happen to a run in this state.
    pub(crate) fn is_resolved(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Exception)
    }
}

/// Why a run was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReasonCreated {
    Scheduled,
    Retry,
    TaskRetry,
    Rerun,
    Exception,
}

impl ReasonCreated {
    fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Retry => "retry",
            Self::TaskRetry => "task-retry",
            Self::Rerun => "rerun",
            Self::Exception => "exception",
        }
    }
}

/// Who works on a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkerName {
    pub(crate) group: String,
    pub(crate) id: String,
}

/// One attempt at a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) state: RunState,
    pub(crate) reason_created: ReasonCreated,
    pub(crate) reason_resolved: Option<&'static str>,
    pub(crate) worker: Option<WorkerName>,
    pub(crate) taken_until: Option<UnixMillis>,
    pub(crate) scheduled: UnixMillis,
    pub(crate) started: Option<UnixMillis>,
    pub(crate) resolved: Option<UnixMillis>,
}

impl Run {
    /// A run that waits for a worker.
    pub(crate) fn pending(reason_created: ReasonCreated, now: UnixMillis) -> Self {
        Self {
            state: RunState::Pending,
            reason_created,
            reason_resolved: None,
            worker: None,
            taken_until: None,
            scheduled: now,
            started: None,
            resolved: None,
        }
    }

    /// Ends the run.
    pub(crate) fn resolve(&mut self, state: RunState, reason: &'static str, now: UnixMillis) {
        self.state = state;
        self.reason_resolved = Some(reason);
        self.resolved = Some(now);
    }

    /// The run as the status structure shows it.
    pub(crate) fn to_json(&self, run_id: usize) -> Value {
        let mut json = Map::new();
        json.insert("runId".to_owned(), json!(run_id));
        json.insert("state".to_owned(), json!(self.state.name()));
        json.insert("reasonCreated".to_owned(), json!(self.reason_created.name()));
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                json.insert(key.to_owned(), value);
            }
        };
        put("reasonResolved", self.reason_resolved.map(Value::from));
        put("workerGroup", self.worker.as_ref().map(|worker| json!(worker.group)));
        put("workerId", self.worker.as_ref().map(|worker| json!(worker.id)));
        put("takenUntil", self.taken_until.map(|date| json!(date)));
        put("scheduled", Some(json!(self.scheduled)));
        put("started", self.started.map(|date| json!(date)));
        put("resolved", self.resolved.map(|date| json!(date)));
        Value::Object(json)
    }
}
