//! Claims: who gets which task, renewals, reports, and claims that expired.

use super::State;
use super::definition::{rank, text};
use super::refusal::Refusal;
use super::run::{ReasonCreated, RunState, WorkerName};
use super::worker::WorkerKey;
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use scriptworker_core::run::{ExceptionReason, Report};
use scriptworker_core::time::UnixMillis;
use serde_json::Value;

impl State {
    /// `claimWork`: gives the worker up to `count` pending tasks of its queue, the most urgent and then the oldest
    /// first. A worker under quarantine gets none.
    pub(crate) fn claim_work(
        &mut self,
        worker: &WorkerKey,
        count: usize,
        taken_until: UnixMillis,
        now: UnixMillis,
    ) -> Vec<RunKey> {
        self.see_worker(worker, now);
        if self.is_quarantined(worker, now) {
            return Vec::new();
        }
        let mut pending: Vec<_> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.queue_id() == worker.queue_id)
            .filter(|(_, task)| task.state() == RunState::Pending && task.deadline > now)
            .map(|(id, task)| (rank(text(&task.definition, "priority")), task.pending_since, id.clone()))
            .collect();
        pending.sort();
        let chosen: Vec<TaskId> = pending.into_iter().take(count).map(|(_, _, id)| id).collect();
        chosen
            .into_iter()
            .filter_map(|id| {
                let last = self.tasks.get(&id)?.runs.len().checked_sub(1)?;
                let run_id = RunId::new(u64::try_from(last).ok()?).ok()?;
                let key = RunKey { task_id: id, run_id };
                self.start(&key, worker, taken_until, now).then_some(key)
            })
            .collect()
    }

    /// `claimTask` (deprecated): gives the worker this very run.
    pub(crate) fn claim_task(
        &mut self,
        key: &RunKey,
        worker: &WorkerKey,
        taken_until: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        self.see_worker(worker, now);
        let run = self.run_of(key)?;
        let same = run.worker.as_ref() == Some(&worker.name) && run.state == RunState::Running;
        if same || self.start(key, worker, taken_until, now) {
            return Ok(());
        }
        Err(Refusal::NotPending { task: key.task_id.clone(), run: key.run_id.get() })
    }

    /// Makes a pending run a running one.
    fn start(&mut self, key: &RunKey, worker: &WorkerKey, taken_until: UnixMillis, now: UnixMillis) -> bool {
        let Some(run) = self.tasks.get_mut(&key.task_id).and_then(|task| task.run_mut(key.run_id)) else {
            return false;
        };
        if run.state != RunState::Pending {
            return false;
        }
        run.state = RunState::Running;
        run.worker = Some(worker.name.clone());
        run.taken_until = Some(taken_until);
        run.started = Some(now);
        self.note_claim(worker, key, now);
        true
    }

    /// `reclaimTask`: renews a claim. Answers who holds it.
    ///
    /// The checks stand in the order of the recorded answers: past its deadline a task cannot be reclaimed, whatever
    /// its state; a run that is still pending trips over an assertion of the real queue (500).
    pub(crate) fn reclaim(
        &mut self,
        key: &RunKey,
        taken_until: UnixMillis,
        now: UnixMillis,
    ) -> Result<WorkerName, Refusal> {
        self.run_of(key)?;
        let Some(task) = self.tasks.get_mut(&key.task_id) else {
            return Err(Refusal::NoTask(key.task_id.clone()));
        };
        if task.deadline <= now {
            return Err(Refusal::PastDeadline { task: key.task_id.clone(), deadline: task.deadline });
        }
        let Some(run) = task.run_mut(key.run_id) else { return Err(no_run(key)) };
        match (run.state, run.worker.clone()) {
            (RunState::Running, Some(worker)) => {
                run.taken_until = Some(taken_until);
                Ok(worker)
            }
            (RunState::Pending, _) => Err(Refusal::NeverClaimed),
            _ => Err(not_running(key)),
        }
    }

    /// `reportCompleted`, `reportFailed`, `reportException`: resolves a run. The same report again is no error.
    ///
    /// `worker-shutdown` and `intermittent-task` make a new run while retries are left.
    pub(crate) fn report(&mut self, key: &RunKey, report: Report, now: UnixMillis) -> Result<Value, Refusal> {
        self.run_of(key)?;
        let (state, reason, retry) = match report {
            Report::Completed => (RunState::Completed, "completed", None),
            Report::Failed => (RunState::Failed, "failed", None),
            Report::Exception(reason) => (
                RunState::Exception,
                reason.name(),
                match reason {
                    ExceptionReason::WorkerShutdown => Some(ReasonCreated::Retry),
                    ExceptionReason::IntermittentTask => Some(ReasonCreated::TaskRetry),
                    _ => None,
                },
            ),
        };
        let Some(run) = self.tasks.get_mut(&key.task_id).and_then(|task| task.run_mut(key.run_id)) else {
            return Err(no_run(key));
        };
        if run.state == RunState::Running {
            run.resolve(state, reason, now);
            self.after_resolution(key, retry, now);
        } else if run.state != state || run.reason_resolved != Some(reason) {
            return Err(match report {
                Report::Exception(_) => not_running(key),
                _ => Refusal::NotRunningOr {
                    task: key.task_id.clone(),
                    run: key.run_id.get(),
                    outcome: reason,
                },
            });
        }
        self.status(&key.task_id)
    }

    /// Resolves every claim that was not renewed in time. Answers whether anything changed.
    pub(crate) fn expire_claims(&mut self, now: UnixMillis) -> bool {
        let mut expired = Vec::new();
        for (id, task) in &mut self.tasks {
            let Some(last) = task.runs.len().checked_sub(1) else { continue };
            let Some(run) = task.runs.last_mut() else { continue };
            if run.state == RunState::Running && run.taken_until.is_some_and(|until| until <= now) {
                run.resolve(RunState::Exception, "claim-expired", now);
                if let Some(run_id) = u64::try_from(last).ok().and_then(|last| RunId::new(last).ok()) {
                    expired.push(RunKey { task_id: id.clone(), run_id });
                }
            }
        }
        for key in &expired {
            self.after_resolution(key, Some(ReasonCreated::Retry), now);
        }
        !expired.is_empty()
    }

    /// What follows from the end of a run: a retry if one is due and left, else whoever waited may go on.
    fn after_resolution(&mut self, key: &RunKey, retry: Option<ReasonCreated>, now: UnixMillis) {
        if let (Some(reason), Some(task)) = (retry, self.tasks.get_mut(&key.task_id)) {
            let is_last = task.runs.len() == usize::from(key.run_id.get()) + 1;
            if task.retries_left > 0 && is_last && key.run_id.get() < RunId::MAX {
                task.retries_left -= 1;
                self.add_pending_run(&key.task_id, reason, now);
                return;
            }
        }
        self.unblock_dependents(&key.task_id, now);
    }

    /// The run that a worker's call is about.
    pub(crate) fn run_of(&self, key: &RunKey) -> Result<&super::run::Run, Refusal> {
        let task = self.tasks.get(&key.task_id).ok_or_else(|| Refusal::NoTask(key.task_id.clone()))?;
        task.run(key.run_id).ok_or_else(|| no_run(key))
    }
}

fn no_run(key: &RunKey) -> Refusal {
    Refusal::NoRun { task: key.task_id.clone(), run: key.run_id.get() }
}

fn not_running(key: &RunKey) -> Refusal {
    Refusal::ResolvedOrNotRunning { task: key.task_id.clone(), run: key.run_id.get() }
}
