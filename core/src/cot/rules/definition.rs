//! Whether the definition that a worker signed, or was given with its claim, is the one that the queue has
//! (cot-attacks.md 57 and 63).

use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::cot::task::Definition;
use crate::json::{Comparison, ExtraMembers};
use serde_json::Value;

/// What may have been changed through the queue since, and the pool, which is compared before, as it can be told in two
/// ways.
const LEFT_OUT: [&[&str]; 4] = [&["priority"], &["taskQueueId"], &["provisionerId"], &["workerType"]];
/// What the queue may have added.
const ADDED: &str = "projectId";

/// The rule.
pub(in crate::cot) fn check(signed: &Value, queue: &Definition) -> Result<(), Finding> {
    let (pool, signed) = Definition::look(signed)
        .map_err(|finding| Finding::new(Reason::TaskDefinition).at("task").because(finding))?;
    if pool != *queue.pool() {
        let finding = Finding::new(Reason::TaskDefinition).at("task.taskQueueId");
        return Err(finding.expected(queue.pool()).found(pool));
    }
    let mut ignored = LEFT_OUT.to_vec();
    if queue.whole().contains_key(ADDED) != signed.contains_key(ADDED) {
        ignored.push(&[ADDED]);
    }
    let comparison = Comparison { ignored: &ignored, extra: ExtraMembers::Refused };
    match comparison.first_of_maps(queue.whole(), signed) {
        None => Ok(()),
        Some(difference) => Err(Finding::new(Reason::TaskDefinition)
            .at(format!("task.{}", difference.path))
            .because(difference)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task() -> Value {
        json!({
            "provisionerId": "p", "workerType": "w", "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "priority": "low",
            "created": "2026-11-25T20:00:00.000Z", "payload": {"a": [1, {"b": 2}]}, "scopes": ["x"],
        })
    }

    fn check_changed(change: impl Fn(&mut Value)) -> Result<(), Reason> {
        let mut signed = task();
        change(&mut signed);
        let mut queue = task();
        queue["taskQueueId"] = json!("p/w");
        queue["projectId"] = json!("none");
        check(&signed, &Definition::from_value(queue).unwrap()).map_err(|finding| finding.reason)
    }

    #[test]
    fn row_138_and_row_139_what_the_queue_changes_is_no_difference() {
        assert_eq!(check_changed(|_| {}), Ok(()));
        assert_eq!(check_changed(|task| task["priority"] = json!("highest")), Ok(()));
        assert_eq!(check_changed(|task| drop(task.as_object_mut().unwrap().remove("priority"))), Ok(()));
    }

    #[test]
    fn row_057_everything_else_is_one_and_its_place_is_named() {
        let refused = Err(Reason::TaskDefinition);
        assert_eq!(check_changed(|task| task["payload"]["a"][1]["b"] = json!(3)), refused);
        assert_eq!(check_changed(|task| task["scopes"] = json!(["x", "y"])), refused);
        assert_eq!(check_changed(|task| task["new"] = json!(null)), refused);
        assert_eq!(check_changed(|task| task["projectId"] = json!("other")), refused);
        assert_eq!(check_changed(|task| task["workerType"] = json!("v")), refused);
        assert_eq!(check_changed(|task| drop(task.as_object_mut().unwrap().remove("scopes"))), refused);
        assert_eq!(check_changed(|task| drop(task.as_object_mut().unwrap().remove("created"))), refused);
        let mut signed = task();
        signed["payload"]["a"][1]["b"] = json!(3);
        let finding = check(&signed, &Definition::from_value(task()).unwrap()).unwrap_err();
        assert_eq!(finding.place.as_deref(), Some("task.payload.a[1].b"));
    }
}
