//! What a broken rule stops: nothing is asked for, and nothing is judged, that rests on it.

use super::super::{Judgement, Need, RuleReport};
use super::refused_with;
use super::world::{BUILD, DECISION, NOW, SIGNING, World, key};
use crate::cot::finding::Rule;
use crate::cot::reason::Reason;
use crate::time::UnixMillis;
use serde_json::json;
use sha2::{Digest, Sha512};
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn asked(world: &World) -> BTreeSet<Need> {
    let mut asked = BTreeSet::new();
    world.judge_after(|_, needs| asked.extend(needs.iter().cloned()));
    asked
}

/// The rules that were not judged on a link.
fn not_judged(world: &World, task: &str) -> Vec<Rule> {
    let Judgement::Refused(report) = world.judge() else { panic!("nothing is refused") };
    let link = report.links.iter().find(|link| link.name.task_id.as_str() == task).unwrap();
    let rules = link.rules.iter().filter_map(|report| match report {
        RuleReport::NotJudged { rule } => Some(*rule),
        RuleReport::Passed { .. } | RuleReport::Failed { .. } => None,
    });
    rules.collect()
}

#[test]
fn the_tree_of_a_parent_whose_attestation_is_refused_proves_nothing() {
    let mut world = World::new();
    world.signers.insert(DECISION, key(9));
    assert!(not_judged(&world, DECISION).contains(&Rule::Tree));
}

#[test]
fn what_only_a_scriptworker_may_run_was_run_by_one() {
    let mut world = World::new();
    world.change_task(SIGNING, |task| task["payload"]["upstreamArtifacts"][0]["taskType"] = json!("signing"));
    refused_with(&world, BUILD, Reason::Implementation);
    let of_it = |need: &Need| matches!(need, Need::Document { run, .. } if run.task_id.as_str() == BUILD);
    assert!(!asked(&world).iter().any(of_it), "whose attestation it is, is not known");
    let mut world = World::classic();
    world.change_task(SIGNING, |task| {
        task["provisionerId"] = json!("aws-provisioner-v1");
        task["workerType"] = json!("gecko-images");
    });
    refused_with(&world, SIGNING, Reason::Implementation);
}

#[test]
fn an_attestation_of_something_else_proves_nothing() {
    for (key, value) in [("runId", json!(1)), ("workerId", json!("w-2")), ("task", json!(null))] {
        let mut world = World::new();
        let body = world.bodies.get_mut(BUILD).unwrap();
        match key {
            "task" => body["task"]["payload"]["env"]["X"] = json!("y"),
            key => body[key] = value,
        }
        let rules = not_judged(&world, BUILD);
        assert!(rules.contains(&Rule::Image) && rules.contains(&Rule::Artifacts), "{key}: {rules:?}");
    }
}

#[test]
fn clocks_may_differ_by_an_hour() {
    let now = UnixMillis::parse(NOW).unwrap();
    for (difference, verified) in
        [(3_600_000, true), (-3_600_000, true), (3_600_001, false), (-3_600_001, false)]
    {
        let mut world = World::new();
        world.queue_now = Some(now.plus(difference));
        assert_eq!(matches!(world.judge(), Judgement::Verified(..)), verified, "{difference}");
    }
}

#[test]
fn every_digest_of_a_document_counts() {
    let name = "public/task-graph.json";
    let graph = |world: &World| world.artifacts[&(DECISION, name.to_owned())].clone();
    let sha512 = |bytes: &[u8]| {
        Sha512::digest(bytes).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    for (bytes, verified) in [(graph(&World::new()), true), (b"another".to_vec(), false)] {
        let mut world = World::new();
        world.bodies.get_mut(DECISION).unwrap()["artifacts"][name]["sha512"] = json!(sha512(&bytes));
        assert_eq!(matches!(world.judge(), Judgement::Verified(..)), verified);
    }
}
