//! Claims: `claimWork`, `claimTask`, `reclaimTask`, and the three reports.

use super::context::{Context, text};
use super::{Answer, put};
use crate::embedded_queue::auth::{Expression, TemporaryCredentials};
use crate::embedded_queue::call::Call;
use crate::embedded_queue::errors::ApiError;
use crate::embedded_queue::schema;
use crate::embedded_queue::shared::Shared;
use crate::embedded_queue::state::definition::texts;
use crate::embedded_queue::state::run::WorkerName;
use crate::embedded_queue::state::worker::WorkerKey;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::{ExceptionReason, Report};
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

pub(super) async fn claim_work(context: &mut Context) -> Answer {
    let body = context.checked_body(&schema::CLAIM_WORK)?;
    let queue_id = context.params.get("taskQueueId").to_owned();
    let worker = WorkerKey { queue_id, name: worker_name(&body) };
    let WorkerName { group, id } = &worker.name;
    context.authorize(&Expression::all([
        format!("queue:claim-work:{}", worker.queue_id),
        format!("queue:worker-id:{group}/{id}"),
    ]))?;
    let count = body.get("tasks").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
    let runs = poll(context, &worker, count).await;
    let claims = runs
        .iter()
        // The real service writes this one date with an offset instead of `Z`.
        .map(|run| claim(context, run, |until| until.to_string().replace('Z', "+00:00"), true))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(context.json(&json!({"tasks": claims})))
}

/// Waits until there is something to claim, at most as long as a long poll goes. Whoever is gone meanwhile gets nothing.
async fn poll(context: &Context, worker: &WorkerKey, count: usize) -> Vec<RunKey> {
    let shared = &context.shared;
    let mut changes = shared.changes();
    let end = Instant::now() + shared.options.long_poll;
    loop {
        if Shared::is_gone(&context.request) {
            return Vec::new();
        }
        changes.mark_unchanged();
        let until = shared.taken_until();
        let runs = shared.update_if(|state, now| {
            let runs = state.claim_work(worker, count, until, now);
            let any = !runs.is_empty();
            (runs, any)
        });
        if !runs.is_empty() {
            return runs;
        }
        tokio::select! {
            // The sender lives as long as the queue, so this ends with a change.
            _ = changes.changed() => {}
            () = sleep_until(end) => return Vec::new(),
            () = shared.until_gone(&context.request) => return Vec::new(),
        }
    }
}

pub(super) fn claim_task(context: &mut Context) -> Answer {
    let run = run_key(context)?;
    let body = context.checked_body(&schema::CLAIM_TASK)?;
    let name = worker_name(&body);
    let queue_id = context.shared.read(|state| {
        state.run_of(&run)?;
        state.task(&run.task_id).map(|task| task.queue_id().to_owned())
    })?;
    context.authorize(&Expression::all([
        format!("queue:claim-task:{queue_id}"),
        format!("queue:worker-id:{}/{}", name.group, name.id),
    ]))?;
    let until = context.shared.taken_until();
    let worker = WorkerKey { queue_id, name };
    context.shared.update(|state, now| state.claim_task(&run, &worker, until, now))?;
    let claim = claim(context, &run, UnixMillis::to_string, true)?;
    Ok(context.json(&claim))
}

pub(super) fn reclaim(context: &Context) -> Answer {
    let run = run_key(context)?;
    context.authorize_one(format!("queue:reclaim-task:{run}"))?;
    let until = context.shared.taken_until();
    context.shared.update(|state, now| state.reclaim(&run, until, now))?;
    let claim = claim(context, &run, UnixMillis::to_string, false)?;
    Ok(context.json(&claim))
}

pub(super) fn report(context: &mut Context) -> Answer {
    let run = run_key(context)?;
    context.authorize_one(format!("queue:resolve-task:{run}"))?;
    let report = match context.call {
        Call::ReportCompleted => Report::Completed,
        Call::ReportFailed => Report::Failed,
        _ => {
            let body = context.checked_body(&schema::REPORT_EXCEPTION)?;
            let reason = text(&body, "reason");
            // The schema knows exactly the reasons that have a name.
            Report::Exception(ExceptionReason::from_name(&reason).unwrap_or(ExceptionReason::InternalError))
        }
    };
    let status = context.shared.update(|state, now| state.report(&run, report, now))?;
    Ok(context.json(&json!({"status": status})))
}

fn worker_name(body: &Map<String, Value>) -> WorkerName {
    WorkerName { group: text(body, "workerGroup"), id: text(body, "workerId") }
}

/// The run that the path names.
pub(super) fn run_key(context: &Context) -> Result<RunKey, ApiError> {
    Ok(RunKey { task_id: context.params.task_id()?, run_id: context.params.run_id()? })
}

/// The answer to a claim that is held: status, who and until when, credentials, and the definition if wanted.
fn claim(
    context: &Context,
    key: &RunKey,
    written: fn(&UnixMillis) -> String,
    with_task: bool,
) -> Result<Value, ApiError> {
    let (status, definition, run) = context.shared.read(|state| {
        let task = state.task(&key.task_id)?;
        let run = state.run_of(key)?.clone();
        Ok::<_, ApiError>((task.status(&key.task_id), task.definition.clone(), run))
    })?;
    let worker = run.worker.unwrap_or_else(|| WorkerName { group: String::new(), id: String::new() });
    let until = run.taken_until.unwrap_or_else(|| context.shared.now());
    let mut claim = json!({
        "status": status,
        "runId": key.run_id,
        "workerGroup": worker.group,
        "workerId": worker.id,
        "takenUntil": written(&until),
        "credentials": credentials(context, key, &worker, &definition, until),
    });
    if with_task {
        put(&mut claim, "task", Value::Object(definition));
    }
    Ok(claim)
}

/// The credentials of a claim: the three scopes of its run, and the task's own (taskcluster-api.md 4.1).
fn credentials(
    context: &Context,
    run: &RunKey,
    worker: &WorkerName,
    definition: &Map<String, Value>,
    until: UnixMillis,
) -> TemporaryCredentials {
    let mut scopes: Vec<String> = ["reclaim-task", "resolve-task", "create-artifact"]
        .map(|action| format!("queue:{action}:{run}"))
        .into();
    scopes.extend(texts(definition, "scopes"));
    let WorkerName { group, id } = worker;
    let client_id = format!("task-client/{run}/on/{group}/{id}/until/{}", until.0 as f64 / 1000.0);
    context.credentials(client_id, scopes, until)
}
