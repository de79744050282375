//! Claims and their renewals.

use super::super::call::parse_text;
use super::super::credentials::Credentials;
use super::super::error::SchemaError;
use super::task::Status;
use scriptworker_core::ids::{RunId, RunKey, TaskId, WorkerGroup, WorkerId};
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

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
    pub(crate) tasks: Vec<Box<RawValue>>,
}

/// A run that is ours until `taken_until`.
#[derive(Debug, Clone)]
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
    /// The same, exactly as it was written.
    pub definition: Box<RawValue>,
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
    pub(crate) fn read(text: &RawValue) -> Result<Self, Box<BadClaim>> {
        let read = parse_text::<Members>(text.get()).and_then(|members| {
            let task = parse_text(members.task.get()).map_err(|error| error.below("task"))?;
            let Members {
                status,
                run_id,
                worker_group,
                worker_id,
                taken_until,
                task: definition,
                credentials,
            } = members;
            Ok(Self { status, run_id, worker_group, worker_id, taken_until, task, definition, credentials })
        });
        read.map_err(|problem| Box::new(BadClaim::with(problem, text)))
    }
}

/// A claim as it is on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    status: Status,
    run_id: RunId,
    worker_group: String,
    worker_id: String,
    taken_until: UnixMillis,
    task: Box<RawValue>,
    credentials: Credentials,
}

/// Those members of a claim that a report needs, each by itself: whatever else is wrong, they may be right.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Parts<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    run_id: Option<&'a RawValue>,
    #[serde(borrow)]
    taken_until: Option<&'a RawValue>,
    #[serde(borrow)]
    credentials: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskIdOnly {
    task_id: TaskId,
}

impl BadClaim {
    fn with(problem: SchemaError, text: &RawValue) -> Self {
        fn part<'a, T: Deserialize<'a>>(text: Option<&'a RawValue>) -> Option<T> {
            serde_json::from_str(text?.get()).ok()
        }
        let parts: Parts<'_> = part(Some(text)).unwrap_or_default();
        let task_id = part(parts.status).map(|TaskIdOnly { task_id }| task_id);
        Self {
            problem,
            run: task_id.zip(part(parts.run_id)).map(|(task_id, run_id)| RunKey { task_id, run_id }),
            taken_until: part(parts.taken_until),
            credentials: part(parts.credentials),
        }
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
        let read = |value: Value| Claim::read(&serde_json::value::to_raw_value(&value).unwrap()).unwrap_err();
        let bad = read(value);
        assert_eq!(bad.run.as_ref().unwrap().to_string(), "Ypg6xKhKRU-pnkwylNQrMw/3");
        assert_eq!(bad.credentials.as_ref().unwrap().client_id, "c");
        assert!(bad.taken_until.is_some());
        assert_eq!(bad.problem.path, "status");
        assert!(!format!("{bad} {bad:?}").contains("canary"));

        let bad = read(json!({"runId": -1, "status": 1, "credentials": []}));
        assert_eq!((bad.run, bad.taken_until, bad.credentials), (None, None, None));
        assert_eq!(read(json!([])).run, None);
    }

    fn claim_of(task: &str) -> Result<Claim, Box<BadClaim>> {
        let text = format!(
            r#"{{"status": {{"taskId": "Ypg6xKhKRU-pnkwylNQrMw", "provisionerId": "p", "workerType": "w",
                "schedulerId": "-", "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "deadline": "2026-11-23T16:11:24.047Z",
                "expires": "2026-11-23T16:11:24.047Z", "retriesLeft": 5, "state": "running", "runs": []}},
                "runId": 3, "workerGroup": "g", "workerId": "i", "takenUntil": "2026-11-23T16:11:24.047Z",
                "task": {task},
                "credentials": {{"clientId": "c", "accessToken": "canary", "certificate": "{{}}"}}}}"#
        );
        Claim::read(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn the_definition_is_kept_as_it_was_written() {
        let task = r#"{ "b": 1.50, "a": 123456789012345678901 }"#;
        let claim = claim_of(task).unwrap();
        assert_eq!(claim.definition.get(), task);
        assert_eq!(claim.task["b"], 1.5);
    }

    /// JSON that cannot be read costs its own task, and neither the others of the answer nor the report.
    #[test]
    fn a_definition_that_cannot_be_read_is_reported() {
        for (task, place) in [(r#"{"a": "\ud800"}"#, "task"), (r#"{"a": {"b": 1e400}}"#, "task")] {
            let bad = claim_of(task).unwrap_err();
            assert!(bad.problem.path.starts_with(place), "{bad}");
            assert_eq!(bad.run.as_ref().unwrap().to_string(), "Ypg6xKhKRU-pnkwylNQrMw/3");
            assert!(bad.credentials.is_some());
        }
    }
}
