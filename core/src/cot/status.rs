//! The runs of a task, as the queue has them (taskcluster-api.md 4): which run's artifacts are looked at, and who was
//! given it.

use super::finding::Finding;
use super::reason::Reason;
use crate::ids::{RunId, RunKey, TaskId, TaskQueueId, WorkerGroup, WorkerId};
use crate::json::{DocumentKind, read_strict};
use crate::time::UnixMillis;
use serde::Deserialize;

/// The newest run of a task that is completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedRun {
    /// Which.
    pub key: RunKey,
    /// The pool that the task belongs to.
    pub pool: TaskQueueId,
    /// The worker that the queue gave the run to.
    pub worker_group: WorkerGroup,
    /// The same.
    pub worker_id: WorkerId,
    /// When it was resolved.
    pub resolved: UnixMillis,
}

/// What the queue's answer says, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    task: TaskId,
    pool: TaskQueueId,
    expires: UnixMillis,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Answer {
    status: Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    task_id: TaskId,
    provisioner_id: String,
    worker_type: String,
    expires: UnixMillis,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_id: RunId,
    state: String,
    worker_group: Option<WorkerGroup>,
    worker_id: Option<WorkerId>,
    resolved: Option<UnixMillis>,
}

impl Status {
    /// Reads the queue's answer about `task`.
    pub fn parse(bytes: &[u8], task: &TaskId) -> Result<Self, Finding> {
        let value = read_strict(bytes, DocumentKind::QueueAnswer)
            .map_err(|error| Finding::new(Reason::of_json(&error)).at("the status").because(error))?;
        let schema =
            |error: &dyn std::fmt::Display| Finding::new(Reason::Schema).at("the status").because(error);
        let Answer { status } = serde_json::from_value(value).map_err(|error| schema(&error))?;
        if status.task_id != *task {
            let finding = Finding::new(Reason::Schema).at("the status: status.taskId");
            return Err(finding.expected(task).found(&status.task_id));
        }
        let pool = TaskQueueId::from_parts(&status.provisioner_id, &status.worker_type)
            .map_err(|error| schema(&error))?;
        // the queue lists them in order; nobody has to rely on it
        let mut runs = status.runs;
        runs.sort_by_key(|run| run.run_id);
        Ok(Self { task: status.task_id, pool, expires: status.expires, runs })
    }

    /// When the queue may forget the task.
    pub fn expires(&self) -> UnixMillis {
        self.expires
    }

    /// The newest run, if it is completed (cot-attacks.md 60). Older ones do not count, whatever became of them; with
    /// `failed_too` neither does how it ended.
    pub fn newest(&self, failed_too: bool) -> Result<CompletedRun, Finding> {
        let state = |found: &str| {
            let finding = Finding::new(Reason::State).at(format!("the newest run of {}", self.task));
            finding.expected("completed").found(found)
        };
        let newest = self.runs.last().ok_or_else(|| state("no run"))?;
        let accepted = newest.state == "completed" || (failed_too && newest.state == "failed");
        let worker = newest.worker_group.clone().zip(newest.worker_id.clone()).zip(newest.resolved);
        match worker {
            Some(((worker_group, worker_id), resolved)) if accepted => Ok(CompletedRun {
                key: RunKey { task_id: self.task.clone(), run_id: newest.run_id },
                pool: self.pool.clone(),
                worker_group,
                worker_id,
                resolved,
            }),
            None if accepted => Err(Finding::new(Reason::Schema)
                .at("the status")
                .because("a resolved run without worker or time")),
            _ => Err(state(&newest.state)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ID: &str = "Ypg6xKhKRU-pnkwylNQrMw";

    fn run(number: u64, state: &str) -> Value {
        json!({
            "runId": number, "state": state, "workerGroup": "g", "workerId": "w", "reasonCreated": "scheduled",
            "resolved": "2026-11-25T20:00:00.000Z",
        })
    }

    fn status(runs: Vec<Value>) -> Result<Status, Finding> {
        let answer = json!({"status": {
            "taskId": ID, "provisionerId": "p", "workerType": "w", "expires": "2027-11-25T20:00:00.000Z",
            "runs": runs, "somethingNew": 1,
        }});
        Status::parse(answer.to_string().as_bytes(), &TaskId::parse(ID).unwrap())
    }

    #[test]
    fn row_060_only_the_newest_run_counts_and_only_when_it_is_completed() {
        let newest =
            |runs, failed_too| status(runs).unwrap().newest(failed_too).map(|run| run.key.run_id.get());
        assert_eq!(newest(vec![run(0, "exception"), run(1, "completed")], false), Ok(1));
        assert_eq!(newest(vec![run(1, "completed"), run(0, "failed")], false), Ok(1), "whatever the order");
        for state in ["failed", "exception", "running", "pending", "invented"] {
            let finding = newest(vec![run(0, "completed"), run(1, state)], false).unwrap_err();
            assert_eq!((finding.reason, finding.found.as_deref()), (Reason::State, Some(state)));
        }
        assert_eq!(newest(vec![], false).unwrap_err().reason, Reason::State);
        assert_eq!(newest(vec![run(0, "failed")], true), Ok(0), "by policy");
        assert_eq!(newest(vec![run(0, "exception")], true).unwrap_err().reason, Reason::State);
    }

    #[test]
    fn an_answer_about_another_task_is_none() {
        let other = TaskId::parse("Zpg6xKhKRU-pnkwylNQrMw").unwrap();
        let answer = json!({"status": {"taskId": ID, "provisionerId": "p", "workerType": "w",
            "expires": "2027-11-25T20:00:00.000Z", "runs": []}});
        let finding = Status::parse(answer.to_string().as_bytes(), &other).unwrap_err();
        assert_eq!(finding.reason, Reason::Schema);
    }

    #[test]
    fn a_resolved_run_without_a_worker_is_no_run() {
        let mut odd = run(0, "completed");
        odd.as_object_mut().unwrap().remove("workerId");
        assert_eq!(status(vec![odd]).unwrap().newest(false).unwrap_err().reason, Reason::Schema);
    }
}
