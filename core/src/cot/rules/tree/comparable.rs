//! Compares a task with what the template made of its push (chain-of-trust.md 6.4).
//!
//! Templates leave holes: members that are empty for one occasion and filled for another. The hook drops them, so both
//! sides are compared without. What is dropped is decided before its inside is looked at: a map that only becomes empty
//! by dropping stays.

use crate::json::{Comparison, Difference};
use serde_json::{Map, Value};

/// How many differences are shown.
const MOST: usize = 20;

/// Nothing, or where the task differs from the rebuilt definition.
///
/// The text `"null"` is what a template makes of a hole inside a text; the generation that wrote these dropped it on
/// both sides. A task that has it where the tree has not said so is refused (cot-attacks.md 101), so here it may only
/// be missing.
pub(super) fn differences(rebuilt: &Value, task: &Map<String, Value>) -> Vec<Difference> {
    let found = normal(task.clone(), Holes::Empty);
    let rebuilt = rebuilt.as_object().cloned().unwrap_or_default();
    let exact = Comparison::FULL.all(&normal(rebuilt.clone(), Holes::Empty), &found, MOST);
    if exact.is_empty() || Comparison::FULL.first(&normal(rebuilt, Holes::EmptyAndNullText), &found).is_none()
    {
        return Vec::new();
    }
    exact
}

/// What counts as a hole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holes {
    Empty,
    EmptyAndNullText,
}

/// A definition in the form in which both sides are compared.
fn normal(mut task: Map<String, Value>, holes: Holes) -> Value {
    task.remove("taskId");
    // may have been changed through the queue's API since (cot-attacks.md 138)
    task.remove("priority");
    let mut task = without_holes(Value::Object(task), holes);
    if let Value::Object(task) = &mut task {
        task.entry("projectId").or_insert_with(|| Value::from("none"));
        let half = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
        let halves = (half(task.remove("provisionerId")), half(task.remove("workerType")));
        if let (false, (Some(provisioner), Some(worker))) = (task.contains_key("taskQueueId"), halves) {
            task.insert("taskQueueId".to_owned(), Value::from(format!("{provisioner}/{worker}")));
        }
    }
    task
}

fn without_holes(value: Value, holes: Holes) -> Value {
    let is_hole = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => holes == Holes::EmptyAndNullText && text == "null",
        Value::Bool(_) | Value::Number(_) => false,
    };
    match value {
        Value::Array(items) => {
            let kept = items.into_iter().filter(|item| !is_hole(item));
            kept.map(|item| without_holes(item, holes)).collect()
        }
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, member)| !is_hole(member));
            Value::Object(kept.map(|(key, member)| (key, without_holes(member, holes))).collect())
        }
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn same(rebuilt: Value, task: Value) -> bool {
        differences(&rebuilt, task.as_object().unwrap()).is_empty()
    }

    #[test]
    fn row_101_holes_are_as_good_as_nothing_and_the_text_null_only_where_the_tree_says_it() {
        for hole in [json!([]), json!({}), json!(null)] {
            assert!(same(json!({"a": 1, "b": hole}), json!({"a": 1})), "{hole}");
            assert!(same(json!({"a": 1}), json!({"a": 1, "b": hole})), "{hole}");
            assert!(same(json!({"a": [1, hole]}), json!({"a": [1]})), "{hole}");
        }
        assert!(same(json!({"a": "null", "b": ["null", 1]}), json!({"b": [1]})));
        assert!(same(json!({"a": "null"}), json!({"a": "null"})));
        assert!(!same(json!({"b": 1}), json!({"a": "null", "b": 1})));
        assert!(!same(json!({"b": [1]}), json!({"b": [1, "null"]})));
    }

    #[test]
    fn what_becomes_empty_by_dropping_stays() {
        assert!(!same(json!({"a": {"b": {}}}), json!({})));
        assert!(same(json!({"a": {"b": {}}}), json!({"a": {"c": []}})));
    }

    #[test]
    fn row_139_pools_and_projects_are_compared_however_they_are_spelled() {
        let halves = json!({"provisionerId": "p", "workerType": "w", "taskId": "x"});
        assert!(same(halves.clone(), json!({"taskQueueId": "p/w", "projectId": "none"})));
        assert!(same(json!({"taskQueueId": "p/w"}), halves.clone()));
        assert!(!same(halves.clone(), json!({"taskQueueId": "p/v"})));
        assert!(!same(halves, json!({"taskQueueId": "p/w", "projectId": "other"})));
    }

    #[test]
    fn row_100_every_other_difference_is_told_with_its_place() {
        let rebuilt = json!({"a": {"b": [1, 2.0]}, "c": 1, "e": true});
        assert!(same(rebuilt.clone(), json!({"c": 1.0, "a": {"b": [1, 2]}, "e": true})), "numbers by value");
        let task = json!({"a": {"b": [1, 3]}, "d": 1, "e": true});
        let places: Vec<_> =
            differences(&rebuilt, task.as_object().unwrap()).iter().map(|d| d.path.to_string()).collect();
        assert_eq!(places, ["a.b[1]", "c", "d"]);
        assert!(!same(json!([]), json!({"c": 1})));
    }
}
