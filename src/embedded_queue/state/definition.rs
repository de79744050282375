//! Task definitions: what is filled in, in which form they are kept, and which dates are refused
//! (taskcluster-api.md 4.1).

use super::refusal::Refusal;
use scriptworker_core::ids::TaskId;
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};

/// The priorities, most urgent first.
pub(crate) const PRIORITIES: [&str; 7] =
    ["highest", "very-high", "high", "medium", "low", "very-low", "lowest"];

/// How far `created` may be from the queue's date.
const CREATED_DRIFT_MS: i64 = 15 * 60 * 1000;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Fills in what the schema gives a default, in place: an error answer shows the definition with these.
pub(crate) fn fill_defaults(definition: &mut Map<String, Value>) {
    for (key, default) in [
        ("schedulerId", json!("-")),
        ("projectId", json!("none")),
        ("requires", json!("all-completed")),
        ("priority", json!("lowest")),
        ("retries", json!(5)),
        ("dependencies", json!([])),
        ("routes", json!([])),
        ("scopes", json!([])),
        ("tags", json!({})),
        ("extra", json!({})),
    ] {
        definition.entry(key).or_insert(default);
    }
}

/// Fills in the queue's name in both spellings.
pub(crate) fn fill_queue_name(definition: &mut Map<String, Value>) -> Result<(), Refusal> {
    let text = |key: &str| definition.get(key).and_then(Value::as_str).map(str::to_owned);
    let joined = match (text("provisionerId"), text("workerType")) {
        (Some(provisioner), Some(worker_type)) => Some(format!("{provisioner}/{worker_type}")),
        _ => None,
    };
    let queue = match (text("taskQueueId"), joined) {
        (Some(queue), Some(joined)) if queue != joined => return Err(Refusal::QueueNameMismatch),
        (Some(queue), _) => queue,
        (None, Some(joined)) => joined,
        (None, None) => return Err(Refusal::QueueNameMismatch),
    };
    let (provisioner, worker_type) = queue.split_once('/').ok_or(Refusal::QueueNameMismatch)?;
    definition.insert("provisionerId".to_owned(), json!(provisioner));
    definition.insert("workerType".to_owned(), json!(worker_type));
    definition.insert("taskQueueId".to_owned(), json!(queue));
    Ok(())
}

/// The dates that a definition must have, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dates {
    pub(crate) deadline: UnixMillis,
    pub(crate) expires: UnixMillis,
}

/// Fills in the task group, checks the dates and writes them in the form in which they are answered.
pub(crate) fn complete(
    task_id: &TaskId,
    definition: &mut Map<String, Value>,
    now: UnixMillis,
) -> Result<Dates, Refusal> {
    definition.entry("taskGroupId").or_insert_with(|| json!(task_id));
    let date =
        |key: &str| definition.get(key).and_then(Value::as_str).and_then(|text| UnixMillis::parse(text).ok());
    let (Some(created), Some(deadline)) = (date("created"), date("deadline")) else {
        return Err(Refusal::BadDate("`created` and `deadline` must be dates"));
    };
    if created.since(now) < -CREATED_DRIFT_MS {
        return Err(Refusal::BadDate("`created` cannot be in the past (max 15min drift)"));
    }
    if created.since(now) > CREATED_DRIFT_MS {
        return Err(Refusal::BadDate("`created` cannot be in the future (max 15min drift)"));
    }
    if created > deadline {
        return Err(Refusal::BadDate("`deadline` cannot be past `created`"));
    }
    if deadline <= now {
        return Err(Refusal::BadDate("`deadline` cannot be in the past"));
    }
    if deadline.since(now) > 5 * DAY_MS + CREATED_DRIFT_MS {
        return Err(Refusal::BadDate("`deadline` cannot be more than 5 days into the future"));
    }
    let expires = date("expires").unwrap_or_else(|| deadline.plus(365 * DAY_MS));
    if expires < deadline {
        return Err(Refusal::BadDate("`deadline` cannot be past `expires`"));
    }
    for (key, date) in [("created", created), ("deadline", deadline), ("expires", expires)] {
        definition.insert(key.to_owned(), json!(date));
    }
    Ok(Dates { deadline, expires })
}

/// The place of a priority, 0 for the most urgent.
pub(crate) fn rank(priority: &str) -> usize {
    PRIORITIES.iter().position(|name| *name == priority).unwrap_or(PRIORITIES.len())
}

/// The texts of a list in a definition.
pub(crate) fn texts(definition: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = definition.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A text of a definition; empty when it is absent.
pub(crate) fn text<'a>(definition: &'a Map<String, Value>, key: &str) -> &'a str {
    definition.get(key).and_then(Value::as_str).unwrap_or_default()
}
