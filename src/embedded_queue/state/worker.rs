//! Workers that were seen, and quarantine.

use super::State;
use super::refusal::Refusal;
use super::run::WorkerName;
use scriptworker_core::ids::RunKey;
use scriptworker_core::time::UnixMillis;
use serde_json::{Value, json};

/// How many of a worker's tasks are remembered.
const RECENT_TASKS: usize = 20;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A worker of one queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkerKey {
    pub(crate) queue_id: String,
    pub(crate) name: WorkerName,
}

/// What is known about a worker.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    first_claim: UnixMillis,
    last_active: UnixMillis,
    expires: UnixMillis,
    recent: Vec<RunKey>,
    quarantine_until: Option<UnixMillis>,
}

impl State {
    /// Notes that a worker asked for work.
    pub(crate) fn see_worker(&mut self, key: &WorkerKey, now: UnixMillis) {
        let worker = self.workers.entry(key.clone()).or_insert_with(|| Worker {
            first_claim: now,
            last_active: now,
            expires: now,
            recent: Vec::new(),
            quarantine_until: None,
        });
        worker.last_active = now;
        worker.expires = now.plus(DAY_MS);
    }

    /// Notes what a worker was given.
    pub(crate) fn note_claim(&mut self, key: &WorkerKey, run: &RunKey, now: UnixMillis) {
        self.see_worker(key, now);
        if let Some(worker) = self.workers.get_mut(key) {
            worker.recent.push(run.clone());
            if worker.recent.len() > RECENT_TASKS {
                worker.recent.remove(0);
            }
        }
    }

    /// Whether a worker is to get no tasks.
    pub(crate) fn is_quarantined(&self, key: &WorkerKey, now: UnixMillis) -> bool {
        self.workers.get(key).and_then(|worker| worker.quarantine_until).is_some_and(|until| until > now)
    }

    /// `quarantineWorker`: from now until the given date the worker gets no tasks.
    pub(crate) fn quarantine(&mut self, key: &WorkerKey, until: UnixMillis) -> Result<Value, Refusal> {
        let worker = self.workers.get_mut(key).ok_or_else(|| Refusal::NoWorker(key.name.id.clone()))?;
        worker.quarantine_until = Some(until);
        worker.expires = worker.expires.max(until);
        let (provisioner, worker_type) = key.queue_id.split_once('/').unwrap_or((&key.queue_id, ""));
        let recent: Vec<_> =
            worker.recent.iter().map(|run| json!({"taskId": run.task_id, "runId": run.run_id})).collect();
        Ok(json!({
            "taskQueueId": key.queue_id,
            "provisionerId": provisioner,
            "workerType": worker_type,
            "workerGroup": key.name.group,
            "workerId": key.name.id,
            "quarantineUntil": until,
            "expires": worker.expires,
            "firstClaim": worker.first_claim,
            "lastDateActive": worker.last_active,
            "recentTasks": recent,
        }))
    }
}
