//! Which worker implementation ran a task: it decides whose keys count and which checks there are, so it must not be the
//! task's choice alone (design: the policy maps pools; chain-of-trust.md 2.2).

use crate::cot::finding::Finding;
use crate::cot::implementation::Implementation;
use crate::cot::policy::Policy;
use crate::cot::reason::Reason;
use crate::cot::task::{Definition, says_yes};
use serde_json::Value;
use std::collections::BTreeSet;

/// What the verdict notes when the task alone decided.
pub(in crate::cot) const BY_VOTE: &str = "implementation-by-vote";

/// The implementation, and a note when the task alone decided it.
pub(in crate::cot) fn find(
    policy: &Policy,
    task: &Definition,
) -> Result<(Implementation, Option<&'static str>), Finding> {
    let pool = || format!("pool {}", task.pool());
    let votes = votes(task);
    if let Some(mapped) = mapped(policy, task) {
        return match votes.iter().find(|vote| **vote != mapped.name()) {
            None => Ok((mapped, None)),
            Some(vote) => {
                let finding = Finding::new(Reason::Implementation).at(pool()).expected(mapped);
                Err(finding.found(format!("{vote:?} by the task's own word")))
            }
        };
    }
    if policy.switches.require_mapped_pools {
        return Err(Finding::new(Reason::Implementation).at(pool()).expected("a pool in the policy's map"));
    }
    let mut votes = votes.into_iter();
    match (votes.next(), votes.next()) {
        (None, _) => Err(Finding::new(Reason::UnknownImplementation).at(pool())),
        (Some(one), Some(other)) => {
            Err(Finding::new(Reason::Ambiguous).found(format!("{one:?} and {other:?}")))
        }
        (Some(one), None) => match Implementation::from_name(one) {
            None => {
                let known = Implementation::ALL.map(Implementation::name).join(", ");
                let finding = Finding::new(Reason::UnknownImplementation).found(format!("{one:?}"));
                Err(finding.expected(format!("one of {known}")))
            }
            // the lightest checks: nobody gets them by asking
            Some(Implementation::Scriptworker) => {
                let finding = Finding::new(Reason::Implementation).at(pool());
                Err(finding.because("a pool that is not mapped to scriptworker runs none"))
            }
            Some(implementation) => Ok((implementation, Some(BY_VOTE))),
        },
    }
}

/// What the policy says about the pool. Lists of scriptworkers are a map, too.
fn mapped(policy: &Policy, task: &Definition) -> Option<Implementation> {
    let (provisioner, worker) = task.pool().as_str().split_once('/')?;
    let listed = |list: &[String], name: &str| list.iter().any(|listed| listed == name);
    let scriptworker = listed(&policy.scriptworker_provisioners, provisioner)
        || listed(&policy.scriptworker_worker_types, worker);
    policy.pools.implementation(task.pool()).or(scriptworker.then_some(Implementation::Scriptworker))
}

/// What the task says of itself, each once.
fn votes(task: &Definition) -> BTreeSet<&str> {
    let mut votes = BTreeSet::new();
    let there = |path: &[&str]| task.at(path).is_some_and(|value| !value.is_null());
    let docker_scope = task.scopes().iter().any(|scope| scope.as_str().starts_with("docker-worker:"));
    if docker_scope || task.at(&["payload", "image"]).is_some_and(says_yes) {
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
    use crate::cot::policy::CURRENT;
    use crate::json::DocumentKind;
    use crate::yaml;
    use serde_json::json;

    fn find_in(pool: &str, change: Value, require_mapped: bool) -> Result<(&'static str, bool), Reason> {
        let mut document = yaml::read_strict(CURRENT.as_bytes(), DocumentKind::Policy).unwrap();
        let map = json!({"pool": "gecko-3/b-*", "implementation": "docker-worker"});
        document["pools"].as_array_mut().unwrap().push(map);
        document["switches"] = json!({"require_mapped_pools": require_mapped});
        let policy = Policy::from_value(document).unwrap();
        let mut task = json!({
            "taskQueueId": pool, "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "created": "2026-11-25T20:00:00.000Z",
            "payload": {}, "scopes": [],
        });
        for (key, value) in change.as_object().unwrap() {
            task[key] = value.clone();
        }
        let task = Definition::from_value(task).unwrap();
        find(&policy, &task)
            .map(|(implementation, note)| (implementation.name(), note.is_some()))
            .map_err(|finding| finding.reason)
    }

    #[test]
    fn in_a_mapped_pool_the_map_decides() {
        for task in
            [json!({}), json!({"payload": {"image": "x"}}), json!({"scopes": ["docker-worker:cache:x"]})]
        {
            assert_eq!(find_in("gecko-3/b-linux", task, true), Ok(("docker-worker", false)));
        }
        assert_eq!(find_in("scriptworker-k8s/x", json!({}), true), Ok(("scriptworker", false)));
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
            (json!({"payload": {"mounts": []}, "tags": {"worker-implementation": ""}}), "generic-worker"),
            (
                json!({"payload": {"osGroups": ["x"]}, "tags": {"worker-implementation": "generic-worker"}}),
                "generic-worker",
            ),
        ] {
            assert_eq!(find_in("x/y", task.clone(), false), Ok((name, true)), "{task}");
            assert_eq!(find_in("x/y", task, true), Err(Reason::Implementation));
        }
    }

    #[test]
    fn a_list_of_scriptworkers_is_a_map() {
        let mut document = yaml::read_strict(CURRENT.as_bytes(), DocumentKind::Policy).unwrap();
        document["scriptworker_provisioners"] = json!(["our-provisioner"]);
        document["scriptworker_worker_types"] = json!(["our-worker"]);
        let policy = Policy::from_value(document).unwrap();
        for (pool, listed) in [
            ("our-provisioner/x", true),
            ("x/our-worker", true),
            ("our-provisioner/our-worker", true),
            ("x/y", false),
        ] {
            let task = json!({
                "taskQueueId": pool, "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "created": "2026-11-25T20:00:00.000Z",
                "payload": {}, "scopes": [],
            });
            let task = Definition::from_value(task).unwrap();
            let expected = listed.then_some(Implementation::Scriptworker);
            assert_eq!(find(&policy, &task).ok().map(|(found, _)| found), expected, "{pool}");
        }
    }

    #[test]
    fn row_006_no_task_makes_itself_a_scriptworker() {
        let task = json!({"tags": {"worker-implementation": "scriptworker"}});
        assert_eq!(find_in("x/y", task, false), Err(Reason::Implementation));
    }

    #[test]
    fn row_007_contradicting_hints_are_ambiguous() {
        let task = json!({"payload": {"image": "x"}, "tags": {"worker-implementation": "generic-worker"}});
        assert_eq!(find_in("x/y", task, false), Err(Reason::Ambiguous));
    }

    #[test]
    fn row_008_an_unknown_or_missing_implementation_is_told() {
        for task in [
            json!({}),
            json!({"payload": {"image": 0, "mounts": null}}),
            json!({"tags": {"worker-implementation": ""}}),
            json!({"tags": {"worker-implementation": "taskcluster-worker"}}),
        ] {
            assert_eq!(find_in("x/y", task, false), Err(Reason::UnknownImplementation));
        }
    }
}
