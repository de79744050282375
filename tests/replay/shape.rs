//! Comparing answers by shape: same keys, same JSON types, recursively; and some keys by value.

use serde_json::Value;

/// Keys whose texts and numbers are facts of the protocol, not of the moment.
const BY_VALUE: [&str; 22] = [
    "state",
    "reasonCreated",
    "reasonResolved",
    "retriesLeft",
    "runId",
    "storageType",
    "priority",
    "code",
    "contentType",
    "taskId",
    "taskGroupId",
    "taskQueueId",
    "workerGroup",
    "workerId",
    "projectId",
    "schedulerId",
    "name",
    "reason",
    "method",
    "requires",
    "dependencies",
    "scopes",
];

/// Every difference between a recorded value and the one that came.
pub(crate) fn differences(recorded: &Value, came: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", recorded, came, &mut found);
    found
}

fn compare(at: &str, recorded: &Value, came: &Value, found: &mut Vec<String>) {
    match (recorded, came) {
        (Value::Object(recorded), Value::Object(came)) => {
            for (key, value) in recorded {
                let at = format!("{at}/{key}");
                match came.get(key) {
                    None => found.push(format!("{at}: recorded, did not come")),
                    Some(other) => {
                        let of_moment = at.contains("/recentTasks/");
                        if BY_VALUE.contains(&key.as_str())
                            && !of_moment
                            && !value.is_object()
                            && value != other
                        {
                            found.push(format!("{at}: recorded {value}, came {other}"));
                        }
                        compare(&at, value, other, found);
                    }
                }
            }
            for key in came.keys().filter(|key| !recorded.contains_key(*key)) {
                found.push(format!("{at}/{key}: came, was not recorded"));
            }
        }
        (Value::Array(recorded), Value::Array(came)) => compare_lists(at, recorded, came, found),
        _ if kind(recorded) == kind(came) => {}
        _ => found.push(format!("{at}: recorded {}, came {}", kind(recorded), kind(came))),
    }
}

/// Lists of one length are compared place by place; else each element that came must look like some recorded one.
fn compare_lists(at: &str, recorded: &[Value], came: &[Value], found: &mut Vec<String>) {
    if recorded.len() == came.len() {
        for (index, (recorded, came)) in recorded.iter().zip(came).enumerate() {
            compare(&format!("{at}/{index}"), recorded, came, found);
        }
        return;
    }
    if !at.ends_with("/recentTasks") {
        found.push(format!("{at}: {} elements recorded, {} came", recorded.len(), came.len()));
        return;
    }
    if came.is_empty() {
        found.push(format!("{at}: nothing came"));
    }
    for element in came {
        let keys = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>());
        if !recorded.iter().any(|other| keys(other) == keys(element)) {
            found.push(format!("{at}: {element} is like no recorded element"));
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
