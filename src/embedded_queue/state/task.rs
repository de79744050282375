//! Tasks: creation, dependencies, cancellation, reruns, deadlines.

use super::State;
use super::definition::{self, Dates, text, texts};
use super::refusal::Refusal;
use super::run::{ReasonCreated, Run, RunState};
use scriptworker_core::ids::{RunId, TaskId};
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    /// The definition in the form in which it is answered.
    pub(crate) definition: Map<String, Value>,
    pub(crate) deadline: UnixMillis,
    pub(crate) expires: UnixMillis,
    pub(crate) retries_left: u64,
    pub(crate) runs: Vec<Run>,
    /// When its last run became pending, counted in [`State::sequence`].
    pub(crate) pending_since: u64,
}

impl Task {
    pub(crate) fn queue_id(&self) -> &str {
        text(&self.definition, "taskQueueId")
    }

    pub(crate) fn group_id(&self) -> &str {
        text(&self.definition, "taskGroupId")
    }

    pub(crate) fn scheduler_id(&self) -> &str {
        text(&self.definition, "schedulerId")
    }

    pub(crate) fn project_id(&self) -> &str {
        text(&self.definition, "projectId")
    }

    /// The task's state: that of its last run.
    pub(crate) fn state(&self) -> RunState {
        self.runs.last().map_or(RunState::Unscheduled, |run| run.state)
    }

    pub(crate) fn run(&self, run_id: RunId) -> Option<&Run> {
        self.runs.get(usize::from(run_id.get()))
    }

    pub(crate) fn run_mut(&mut self, run_id: RunId) -> Option<&mut Run> {
        self.runs.get_mut(usize::from(run_id.get()))
    }

    /// The task status structure (taskcluster-api.md 4.1).
    pub(crate) fn status(&self, task_id: &TaskId) -> Value {
        let copy = |key: &str| self.definition.get(key).cloned().unwrap_or_default();
        json!({
            "taskId": task_id,
            "provisionerId": copy("provisionerId"),
            "workerType": copy("workerType"),
            "taskQueueId": copy("taskQueueId"),
            "schedulerId": copy("schedulerId"),
            "projectId": copy("projectId"),
            "taskGroupId": copy("taskGroupId"),
            "priority": copy("priority"),
            "deadline": self.deadline,
            "expires": self.expires,
            "retriesLeft": self.retries_left,
            "state": self.state().name(),
            "runs": self.runs.iter().enumerate().map(|(id, run)| run.to_json(id)).collect::<Vec<_>>(),
        })
    }
}

impl State {
    /// `createTask`, with a definition whose schema and scopes are in order; it is completed in place.
    ///
    /// The same definition again is no error; another one for the same id is a conflict.
    pub(crate) fn create_task(
        &mut self,
        task_id: &TaskId,
        definition: &mut Map<String, Value>,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        let Dates { deadline, expires } = definition::complete(task_id, definition, now)?;
        if let Some(existing) = self.tasks.get(task_id) {
            return if existing.definition == *definition {
                Ok(())
            } else {
                Err(Refusal::TaskConflict(task_id.clone()))
            };
        }
        let missing: Vec<String> = texts(definition, "dependencies")
            .into_iter()
            .filter(|id| id != task_id.as_str() && !self.known(id))
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::MissingDependencies(missing));
        }
        let task = Task {
            deadline,
            expires,
            retries_left: definition.get("retries").and_then(Value::as_u64).unwrap_or(0),
            runs: Vec::new(),
            pending_since: 0,
            definition: definition.clone(),
        };
        self.tasks.insert(task_id.clone(), task);
        self.schedule_if_ready(task_id, now);
        Ok(())
    }

    fn known(&self, task_id: &str) -> bool {
        TaskId::parse(task_id).is_ok_and(|id| self.tasks.contains_key(&id))
    }

    /// Makes an unscheduled task pending when its dependencies allow it.
    fn schedule_if_ready(&mut self, task_id: &TaskId, now: UnixMillis) {
        let Some(task) = self.tasks.get(task_id) else { return };
        if task.state() != RunState::Unscheduled {
            return;
        }
        let all_resolved = text(&task.definition, "requires") == "all-resolved";
        let ready = texts(&task.definition, "dependencies").iter().all(|id| {
            let state = TaskId::parse(id).ok().and_then(|id| self.tasks.get(&id)).map(Task::state);
            match state {
                Some(RunState::Completed) => true,
                Some(state) => all_resolved && state.is_resolved(),
                None => false,
            }
        });
        if ready {
            self.add_pending_run(task_id, ReasonCreated::Scheduled, now);
        }
    }

    /// Schedules what waited for this task. To be called whenever a task may have been resolved.
    pub(crate) fn unblock_dependents(&mut self, task_id: &TaskId, now: UnixMillis) {
        let waiting: Vec<TaskId> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.state() == RunState::Unscheduled)
            .filter(|(_, task)| {
                texts(&task.definition, "dependencies").iter().any(|id| id == task_id.as_str())
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in waiting {
            self.schedule_if_ready(&id, now);
        }
    }

    /// Gives a task a new run that waits for a worker.
    pub(crate) fn add_pending_run(&mut self, task_id: &TaskId, reason: ReasonCreated, now: UnixMillis) {
        self.sequence = self.sequence.saturating_add(1);
        if let Some(task) = self.tasks.get_mut(task_id) {
            task.pending_since = self.sequence;
            task.runs.push(Run::pending(reason, now));
        }
    }

    /// The task for a reading call.
    pub(crate) fn task(&self, task_id: &TaskId) -> Result<&Task, Refusal> {
        self.tasks.get(task_id).ok_or_else(|| Refusal::UnknownTask(task_id.clone()))
    }

    /// `status`.
    pub(crate) fn status(&self, task_id: &TaskId) -> Result<Value, Refusal> {
        Ok(self.task(task_id)?.status(task_id))
    }

    /// `cancelTask`: a resolved task stays as it is; one without runs gets a run that was never possible.
    pub(crate) fn cancel(&mut self, task_id: &TaskId, now: UnixMillis) -> Result<Value, Refusal> {
        let task = self.tasks.get_mut(task_id).ok_or_else(|| Refusal::UnknownTask(task_id.clone()))?;
        end_last_run(task, "canceled", now);
        let status = task.status(task_id);
        self.unblock_dependents(task_id, now);
        Ok(status)
    }

    /// `rerunTask`: a resolved task gets a new run, and its retries back.
    pub(crate) fn rerun(&mut self, task_id: &TaskId, now: UnixMillis) -> Result<Value, Refusal> {
        let task = self.tasks.get_mut(task_id).ok_or_else(|| Refusal::UnknownTask(task_id.clone()))?;
        if task.deadline <= now || task.runs.len() > usize::from(RunId::MAX) {
            return Err(Refusal::CannotRerun(task_id.clone()));
        }
        if task.state().is_resolved() {
            task.retries_left = task.definition.get("retries").and_then(Value::as_u64).unwrap_or(0);
            self.add_pending_run(task_id, ReasonCreated::Rerun, now);
        }
        self.status(task_id)
    }

    /// Resolves every task whose deadline has passed. Answers whether anything changed.
    pub(crate) fn resolve_deadlines(&mut self, now: UnixMillis) -> bool {
        let late: Vec<TaskId> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.deadline <= now && !task.state().is_resolved())
            .map(|(id, _)| id.clone())
            .collect();
        for id in &late {
            if let Some(task) = self.tasks.get_mut(id) {
                end_last_run(task, "deadline-exceeded", now);
            }
            self.unblock_dependents(id, now);
        }
        !late.is_empty()
    }

    /// `listTaskGroup`: scheduler, expiry and members (by id) of a group.
    pub(crate) fn group(&self, group_id: &TaskId) -> Result<(String, UnixMillis, Vec<Value>), Refusal> {
        let members: Vec<_> =
            self.tasks.iter().filter(|(_, task)| task.group_id() == group_id.as_str()).collect();
        let Some((_, first)) = members.first() else {
            return Err(Refusal::NoTaskGroup(group_id.clone()));
        };
        let expires = members.iter().map(|(_, task)| task.expires).max().unwrap_or(first.expires);
        let list = members
            .iter()
            .map(|(id, task)| json!({"status": task.status(id), "task": task.definition}))
            .collect();
        Ok((first.scheduler_id().to_owned(), expires, list))
    }
}

/// Ends whatever a task is doing as an exception.
fn end_last_run(task: &mut Task, reason: &'static str, now: UnixMillis) {
    if task.runs.is_empty() {
        task.runs.push(Run::pending(ReasonCreated::Exception, now));
    }
    if let Some(run) = task.runs.last_mut()
        && !run.state.is_resolved()
    {
        run.resolve(RunState::Exception, reason, now);
    }
}
