//! Whether an attestation is about this task, this run, and the worker that the queue gave it to (cot-attacks.md 54 to
//! 58).

use crate::cot::attested::Attested;
use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::cot::status::CompletedRun;
use std::fmt::Display;

/// The rule.
pub(in crate::cot) fn check(attested: &Attested, run: &CompletedRun) -> Result<(), Finding> {
    same(Reason::TaskId, "taskId", &run.key.task_id, &attested.task_id)?;
    same(Reason::RunId, "runId", &run.key.run_id, &attested.run_id)?;
    same(Reason::Worker, "workerGroup", &run.worker_group, &attested.worker_group)?;
    same(Reason::Worker, "workerId", &run.worker_id, &attested.worker_id)
}

fn same<T: PartialEq + Display>(reason: Reason, place: &str, expected: &T, found: &T) -> Result<(), Finding> {
    if expected == found {
        return Ok(());
    }
    Err(Finding::new(reason).at(place).expected(expected).found(found))
}
