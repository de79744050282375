//! Whether an attestation is about this task, this run, and the worker that the queue gave it to (cot-attacks.md 54 to
//! 58).

use crate::cot::attested::Attested;
use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::cot::status::CompletedRun;
use crate::cot::task::Definition;
use std::fmt::Display;

/// The rule. The pool that the queue has the run in is the task's, which the worker signed the definition of.
pub(in crate::cot) fn check(
    attested: &Attested,
    run: &CompletedRun,
    task: &Definition,
) -> Result<(), Finding> {
    same(Reason::TaskId, "taskId", &run.key.task_id, &attested.task_id)?;
    same(Reason::RunId, "runId", &run.key.run_id, &attested.run_id)?;
    same(Reason::Worker, "workerGroup", &run.worker_group, &attested.worker_group)?;
    same(Reason::Worker, "workerId", &run.worker_id, &attested.worker_id)?;
    same(Reason::Worker, "the status: status.taskQueueId", task.pool(), &run.pool)?;
    match &attested.worker_type {
        Some(worker_type) => {
            same(Reason::Worker, "workerType", task.pool().worker_type(), worker_type.as_str())
        }
        None => Ok(()),
    }
}

fn same<T: PartialEq + Display + ?Sized>(
    reason: Reason,
    place: &str,
    expected: &T,
    found: &T,
) -> Result<(), Finding> {
    if expected == found {
        return Ok(());
    }
    Err(Finding::new(reason).at(place).expected(expected).found(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cot::status::Status;
    use crate::ids::TaskId;
    use serde_json::{Value, json};

    const ID: &str = "Ypg6xKhKRU-pnkwylNQrMw";
    const OTHER: &str = "BuildTskQ0WAAAAAAAAAAA";

    /// What comes of an attestation and a status that fit, after this change.
    fn check_after(change: impl FnOnce(&mut Value, &mut Value)) -> Result<(), (Reason, Option<String>)> {
        let task = json!({
            "provisionerId": "gecko-3", "workerType": "b-linux", "taskGroupId": ID, "dependencies": [], "scopes": [],
            "created": "2026-11-25T20:00:00.000Z", "payload": {},
        });
        let mut body = json!({
            "artifacts": {}, "chainOfTrustVersion": 1, "environment": {}, "runId": 0, "task": task, "taskId": ID,
            "workerGroup": "g", "workerId": "w", "workerType": "b-linux",
        });
        let mut status = json!({
            "taskId": ID, "provisionerId": "gecko-3", "workerType": "b-linux", "expires": "2027-11-25T20:00:00.000Z",
            "runs": [{
                "runId": 0, "state": "completed", "workerGroup": "g", "workerId": "w", "resolved": "2026-11-25T21:00:00.000Z",
            }],
        });
        change(&mut body, &mut status);
        let status = json!({"status": status}).to_string();
        let status = Status::parse(status.as_bytes(), &TaskId::parse(ID).unwrap()).unwrap();
        let attested = Attested::parse(body.to_string().as_bytes()).unwrap();
        let task = Definition::from_value(task).unwrap();
        check(&attested, &status.newest(false).unwrap(), &task)
            .map_err(|finding| (finding.reason, finding.place))
    }

    #[test]
    fn row_054_to_row_058_an_attestation_is_of_its_task_run_worker_and_pool() {
        assert_eq!(check_after(|_, _| {}), Ok(()));
        for (key, value, reason) in [
            ("taskId", json!(OTHER), Reason::TaskId),
            ("runId", json!(1), Reason::RunId),
            ("workerGroup", json!("h"), Reason::Worker),
            ("workerId", json!("v"), Reason::Worker),
            ("workerType", json!("b-linux-2"), Reason::Worker),
            ("workerType", json!("gecko-3/b-linux"), Reason::Worker),
            ("workerType", json!(""), Reason::Worker),
        ] {
            let refused = check_after(|body, _| body[key] = value.clone());
            assert_eq!(refused, Err((reason, Some(key.to_owned()))), "{value}");
        }
        for (key, value) in [("provisionerId", "gecko-1"), ("workerType", "b-win")] {
            let refused = check_after(|_, status| status[key] = json!(value));
            let place = Some("the status: status.taskQueueId".to_owned());
            assert_eq!(refused, Err((Reason::Worker, place)), "{value}");
        }
    }

    #[test]
    fn row_058_most_workers_do_not_say_their_worker_type() {
        let without =
            |body: &mut Value, _: &mut Value| drop(body.as_object_mut().unwrap().remove("workerType"));
        assert_eq!(check_after(without), Ok(()));
    }
}
