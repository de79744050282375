//! Which worker implementation ran a task: it decides whose keys count and which checks there are, so it must not be the
//! task's choice alone (design: the policy maps pools; chain-of-trust.md 2.2).

use crate::client::glob_matches;
use crate::cot::finding::Finding;
use crate::cot::keys::Implementation;
use crate::cot::reason::Reason;
use crate::cot::task::Definition;
use serde_json::Value;
use std::collections::BTreeSet;

/// A glob for pools, and the implementation that runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cot) struct PoolRule {
    /// Such as `gecko-3/b-*`.
    pub(in crate::cot) pools: String,
    /// What runs there.
    pub(in crate::cot) implementation: Implementation,
}

/// What the policy says.
pub(in crate::cot) struct ImplementationRules<'a> {
    /// The first that fits a pool counts.
    pub(in crate::cot) pools: &'a [PoolRule],
    /// The implementations that there are.
    pub(in crate::cot) known: &'a BTreeSet<Implementation>,
    /// Pools without a rule are refused.
    pub(in crate::cot) require_mapped: bool,
}

/// The implementation, and a note when the task alone decided it.
pub(in crate::cot) fn find(
    rules: &ImplementationRules<'_>,
    task: &Definition,
) -> Result<(Implementation, Option<&'static str>), Finding> {
    let votes = votes(task);
    let mapped = rules.pools.iter().find(|rule| glob_matches(&rule.pools, task.pool().as_str()));
    if let Some(rule) = mapped {
        let contradiction = votes.iter().find(|vote| **vote != rule.implementation.as_str());
        return match contradiction {
            None => Ok((rule.implementation.clone(), None)),
            Some(vote) => {
                let finding = Finding::new(Reason::Implementation).at(format!("pool {}", task.pool()));
                Err(finding.expected(&rule.implementation).found(format!("{vote:?} by the task's own word")))
            }
        };
    }
    if rules.require_mapped {
        return Err(Finding::new(Reason::Implementation)
            .at(format!("pool {}", task.pool()))
            .expected("a pool in the policy's map"));
    }
    let mut votes = votes.into_iter();
    match (votes.next(), votes.next()) {
        (None, _) => Err(Finding::new(Reason::UnknownImplementation).at(format!("pool {}", task.pool()))),
        (Some(one), Some(other)) => {
            Err(Finding::new(Reason::Ambiguous).found(format!("{one:?} and {other:?}")))
        }
        (Some(one), None) => {
            let implementation = Implementation::new(one);
            if !rules.known.contains(&implementation) {
                let known: Vec<_> = rules.known.iter().map(Implementation::as_str).collect();
                let finding = Finding::new(Reason::UnknownImplementation).found(format!("{one:?}"));
                return Err(finding.expected(format!("one of {}", known.join(", "))));
            }
            if implementation.is_scriptworker() {
                // the lightest checks: nobody gets them by asking
                let finding = Finding::new(Reason::Implementation).at(format!("pool {}", task.pool()));
                return Err(finding.because("a pool that is not mapped to scriptworker runs none"));
            }
            Ok((implementation, Some("implementation-by-vote")))
        }
    }
}

/// What the task says of itself, each once.
fn votes(task: &Definition) -> BTreeSet<&str> {
    let mut votes = BTreeSet::new();
    let truthy = |value: &Value| match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    };
    let there = |path: &[&str]| task.at(path).is_some_and(|value| !value.is_null());
    let docker_scope = task.scopes().iter().any(|scope| scope.as_str().starts_with("docker-worker:"));
    if docker_scope || task.at(&["payload", "image"]).is_some_and(truthy) {
        votes.insert("docker-worker");
    }
    if there(&["payload", "mounts"]) || there(&["payload", "osGroups"]) {
        votes.insert("generic-worker");
    }
    match task.at(&["tags", "worker-implementation"]) {
        Some(Value::String(tag)) if !tag.is_empty() => {
            votes.insert(tag);
        }
        _ => {}
    }
    votes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn find_in(pool: &str, change: Value, require_mapped: bool) -> Result<(String, bool), Reason> {
        let rule = |pools: &str, name: &str| PoolRule {
            pools: pools.to_owned(),
            implementation: Implementation::new(name),
        };
        let pools = [rule("gecko-3/b-*", "docker-worker"), rule("scriptworker-k8s/*", "scriptworker")];
        let known = ["docker-worker", "generic-worker", "scriptworker"]
            .map(Implementation::new)
            .into_iter()
            .collect();
        let rules = ImplementationRules { pools: &pools, known: &known, require_mapped };
        let mut task = json!({
            "taskQueueId": pool, "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "created": "2026-11-25T20:00:00.000Z",
            "payload": {}, "scopes": [],
        });
        for (key, value) in change.as_object().unwrap() {
            task[key] = value.clone();
        }
        let task = Definition::from_value(task).unwrap();
        find(&rules, &task)
            .map(|(implementation, note)| (implementation.as_str().to_owned(), note.is_some()))
            .map_err(|finding| finding.reason)
    }

    #[test]
    fn in_a_mapped_pool_the_map_decides() {
        for task in
            [json!({}), json!({"payload": {"image": "x"}}), json!({"scopes": ["docker-worker:cache:x"]})]
        {
            assert_eq!(find_in("gecko-3/b-linux", task, true), Ok(("docker-worker".to_owned(), false)));
        }
        assert_eq!(find_in("scriptworker-k8s/x", json!({}), true), Ok(("scriptworker".to_owned(), false)));
    }

    #[test]
    fn row_006_a_mapped_pool_runs_nothing_else() {
        for task in [
            json!({"tags": {"worker-implementation": "scriptworker"}}),
            json!({"payload": {"mounts": []}}),
            json!({"payload": {"osGroups": [], "image": "x"}}),
        ] {
            assert_eq!(find_in("gecko-3/b-linux", task, false), Err(Reason::Implementation));
        }
    }

    #[test]
    fn elsewhere_one_vote_decides_and_is_noted() {
        for (task, name) in [
            (json!({"payload": {"image": {"taskId": "x"}}}), "docker-worker"),
            (json!({"scopes": ["docker-worker:x"], "payload": {"image": ""}}), "docker-worker"),
            (json!({"payload": {"mounts": []}}), "generic-worker"),
            (
                json!({"payload": {"osGroups": ["x"]}, "tags": {"worker-implementation": "generic-worker"}}),
                "generic-worker",
            ),
        ] {
            assert_eq!(find_in("x/y", task.clone(), false), Ok((name.to_owned(), true)), "{task}");
            assert_eq!(find_in("x/y", task, true), Err(Reason::Implementation));
        }
    }

    #[test]
    fn row_006_no_task_makes_itself_a_scriptworker() {
        assert_eq!(
            find_in("x/y", json!({"tags": {"worker-implementation": "scriptworker"}}), false),
            Err(Reason::Implementation)
        );
    }

    #[test]
    fn row_007_contradicting_hints_are_ambiguous() {
        let task = json!({"payload": {"image": "x"}, "tags": {"worker-implementation": "generic-worker"}});
        assert_eq!(find_in("x/y", task, false), Err(Reason::Ambiguous));
    }

    #[test]
    fn row_008_an_unknown_or_missing_implementation_is_told() {
        assert_eq!(
            find_in("x/y", json!({"tags": {"worker-implementation": "taskcluster-worker"}}), false),
            Err(Reason::UnknownImplementation)
        );
        for task in [
            json!({}),
            json!({"payload": {"image": 0, "mounts": null}}),
            json!({"tags": {"worker-implementation": ""}}),
        ] {
            assert_eq!(find_in("x/y", task, false), Err(Reason::UnknownImplementation));
        }
    }
}
