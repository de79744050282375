//! Tasks: `createTask`, `task`, `status`, `listTaskGroup`, `cancelTask`, `rerunTask`; `quarantineWorker`.

use super::context::{Context, text};
use super::{Answer, date, put};
use crate::embedded_queue::auth::Expression;
use crate::embedded_queue::errors::ApiError;
use crate::embedded_queue::schema;
use crate::embedded_queue::state::definition::{
    PRIORITIES, fill_defaults, fill_queue_name, rank, text as text_of, texts,
};
use crate::embedded_queue::state::run::WorkerName;
use crate::embedded_queue::state::worker::WorkerKey;
use scriptworker_core::ids::TaskId;
use serde_json::{Map, Value, json};

pub(super) fn task(context: &Context) -> Answer {
    let id = context.params.task_id()?;
    context.authorize_one(format!("queue:get-task:{id}"))?;
    let definition = context.shared.read(|state| state.task(&id).map(|task| task.definition.clone()))?;
    Ok(context.json(&Value::Object(definition)))
}

pub(super) fn status(context: &Context) -> Answer {
    let id = context.params.task_id()?;
    context.authorize_one(format!("queue:status:{id}"))?;
    let status = context.shared.read(|state| state.status(&id))?;
    Ok(context.json(&json!({"status": status})))
}

pub(super) fn list_group(context: &Context) -> Answer {
    let text = context.params.get("taskGroupId");
    let id = TaskId::parse(text).map_err(|_| context.params.bad("taskGroupId"))?;
    context.authorize_one(format!("queue:list-task-group:{id}"))?;
    let (scheduler, expires, mut tasks) = context.shared.read(|state| state.group(&id))?;
    let start = context.query("continuationToken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let limit = limit(context);
    let rest = tasks.split_off(tasks.len().min(start));
    let mut body = json!({"taskGroupId": id, "schedulerId": scheduler, "expires": expires});
    if rest.len() > limit {
        put(&mut body, "continuationToken", json!(start.saturating_add(limit).to_string()));
    }
    put(&mut body, "tasks", rest.into_iter().take(limit).collect());
    Ok(context.json(&body))
}

/// The length of a page that a request asks for: 1 to 1000.
pub(super) fn limit(context: &Context) -> usize {
    context
        .query("limit")
        .and_then(|limit| limit.parse().ok())
        .map_or(1000, |limit: usize| limit.clamp(1, 1000))
}

pub(super) fn create(context: &mut Context) -> Answer {
    let id = context.params.task_id()?;
    if let Value::Object(payload) = &mut context.payload {
        fill_defaults(payload);
    }
    let mut definition = context.checked_body(&schema::CREATE_TASK)?;
    fill_queue_name(&mut definition)?;
    context.payload = Value::Object(definition.clone());
    context.authorize(&needed_to_create(&definition))?;
    let result = context.shared.update(|state, now| {
        state.create_task(&id, &mut definition, now)?;
        state.status(&id)
    });
    // An error answer shows the definition as far as it was completed.
    context.payload = Value::Object(definition);
    Ok(context.json(&json!({"status": result?})))
}

/// Its own scopes, its routes, its project, its scheduler, and its priority or a higher one.
fn needed_to_create(definition: &Map<String, Value>) -> Expression {
    let queue = text_of(definition, "taskQueueId");
    let mut parts: Vec<_> = texts(definition, "scopes").into_iter().map(Expression::one).collect();
    parts.extend(
        texts(definition, "routes").iter().map(|route| Expression::one(format!("queue:route:{route}"))),
    );
    parts.push(Expression::one(format!("queue:create-task:project:{}", text_of(definition, "projectId"))));
    parts.push(Expression::one(format!("queue:scheduler-id:{}", text_of(definition, "schedulerId"))));
    let priorities = PRIORITIES.iter().take(rank(text_of(definition, "priority")) + 1);
    parts.push(Expression::AnyOf(
        priorities.map(|priority| Expression::one(format!("queue:create-task:{priority}:{queue}"))).collect(),
    ));
    Expression::AllOf(parts)
}

pub(super) fn cancel(context: &Context) -> Answer {
    let id = may_change(context, "cancel-task")?;
    let status = context.shared.update(|state, now| state.cancel(&id, now))?;
    Ok(context.json(&json!({"status": status})))
}

pub(super) fn rerun(context: &Context) -> Answer {
    let id = may_change(context, "rerun-task")?;
    let status = context.shared.update(|state, now| state.rerun(&id, now))?;
    Ok(context.json(&json!({"status": status})))
}

/// The task of the request, if whoever asks may do this to it.
fn may_change(context: &Context, action: &str) -> Result<TaskId, ApiError> {
    let id = context.params.task_id()?;
    let (scheduler, group, project) = context.shared.read(|state| {
        let task = state.task(&id)?;
        let own = str::to_owned;
        Ok::<_, ApiError>((own(task.scheduler_id()), own(task.group_id()), own(task.project_id())))
    })?;
    context.authorize(&Expression::AnyOf(vec![
        Expression::one(format!("queue:{action}:{scheduler}/{group}/{id}")),
        Expression::one(format!("queue:{action}-in-project:{project}")),
        Expression::all([format!("queue:{action}"), format!("assume:scheduler-id:{scheduler}/{group}")]),
    ]))?;
    Ok(id)
}

pub(super) fn quarantine(context: &mut Context) -> Answer {
    let worker = {
        let part = |name: &str| context.params.get(name).to_owned();
        WorkerKey {
            queue_id: format!("{}/{}", part("provisionerId"), part("workerType")),
            name: WorkerName { group: part("workerGroup"), id: part("workerId") },
        }
    };
    let WorkerName { group, id } = &worker.name;
    context.authorize_one(format!("queue:quarantine-worker:{}/{group}/{id}", worker.queue_id))?;
    let body = context.checked_body(&schema::QUARANTINE)?;
    let until = date(body.get("quarantineUntil"));
    tracing::info!(worker = id, info = text(&body, "quarantineInfo"), "worker put under quarantine");
    let answer = context.shared.update(|state, _| state.quarantine(&worker, until))?;
    Ok(context.json(&answer))
}
