//! Claims and their renewals.

use super::super::call::parse_value;
use super::super::credentials::Credentials;
use super::super::error::SchemaError;
use super::task::Status;
use scriptworker_core::ids::{RunId, RunKey, TaskId, WorkerGroup, WorkerId};
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkRequest<'a> {
    pub(crate) worker_group: &'a WorkerGroup,
    pub(crate) worker_id: &'a WorkerId,
    /// How many at most.
    pub(crate) tasks: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ClaimedWork {
    pub(crate) tasks: Vec<Value>,
}

/// A run that is ours until `taken_until`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The task's status right after the claim; its task id is the task's.
    pub status: Status,
    /// Which run.
    pub run_id: RunId,
    /// Our group.
    pub worker_group: String,
    /// Our id.
    pub worker_id: String,
    /// When the claim ends, unless it is renewed.
    pub taken_until: UnixMillis,
    /// The task definition, whole and unchecked.
    pub task: Value,
    /// What to make all calls about this run with, until the first renewal.
    pub credentials: Credentials,
}

/// A claim that was made but cannot be read: what can be, is kept, so that the run can still be reported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("unreadable claim: {problem}")]
pub struct BadClaim {
    /// What is wrong with it.
    pub problem: SchemaError,
    /// Which run it is about.
    pub run: Option<RunKey>,
    /// When it ends.
    pub taken_until: Option<UnixMillis>,
    /// What to report it with.
    pub credentials: Option<Credentials>,
}

impl Claim {
    /// Which run.
    pub fn run(&self) -> RunKey {
        RunKey { task_id: self.status.task_id.clone(), run_id: self.run_id }
    }

    /// Reads one claim of a list by itself.
    pub(crate) fn read(value: &Value) -> Result<Self, Box<BadClaim>> {
        parse_value(value).map_err(|problem| {
            let part = |pointer| value.pointer(pointer);
            let run = part("/status/taskId").zip(part("/runId")).and_then(|(task_id, run_id)| {
                let task_id = TaskId::deserialize(task_id).ok()?;
                Some(RunKey { task_id, run_id: RunId::deserialize(run_id).ok()? })
            });
            Box::new(BadClaim {
                problem,
                run,
                taken_until: part("/takenUntil").and_then(|date| UnixMillis::deserialize(date).ok()),
                credentials: part("/credentials").and_then(|text| Credentials::deserialize(text).ok()),
            })
        })
    }
}

/// A renewed claim.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reclaim {
    /// The task's status right after the renewal.
    pub status: Status,
    /// Which run.
    pub run_id: RunId,
    /// Our group.
    pub worker_group: String,
    /// Our id.
    pub worker_id: String,
    /// When the claim ends now.
    pub taken_until: UnixMillis,
    /// What to make all calls about this run with from now on.
    pub credentials: Credentials,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_malformed_claim_keeps_what_a_report_needs() {
        let value = json!({
            "status": {"taskId": "Ypg6xKhKRU-pnkwylNQrMw"},
            "runId": 3,
            "takenUntil": "2026-11-23T16:11:24.047Z",
            "credentials": {"clientId": "c", "accessToken": "canary", "certificate": "{}"},
        });
        let bad = Claim::read(&value).unwrap_err();
        assert_eq!(bad.run.as_ref().unwrap().to_string(), "Ypg6xKhKRU-pnkwylNQrMw/3");
        assert_eq!(bad.credentials.as_ref().unwrap().client_id, "c");
        assert!(bad.taken_until.is_some());
        assert_eq!(bad.problem.path, "status");
        assert!(!format!("{bad} {bad:?}").contains("canary"));

        let bad = Claim::read(&json!({"runId": -1, "status": 1, "credentials": []})).unwrap_err();
        assert_eq!((bad.run, bad.taken_until, bad.credentials), (None, None, None));
    }
}
