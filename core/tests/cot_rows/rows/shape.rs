//! Rows 88 to 94: the shape of the chain.

use crate::folders::Attack;
use crate::release::{ARTIFACT, BUILD, DECISION, IMAGE, SIGNING, task};
use crate::world::{World, key};
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};

pub(super) const OTHER: &str = "OtherDecQ0WAAAAAAAAAAA";
const DEEP: [&str; 21] = [
    "Deep0000Q0WAAAAAAAAAAA",
    "Deep0100Q0WAAAAAAAAAAA",
    "Deep0200Q0WAAAAAAAAAAA",
    "Deep0300Q0WAAAAAAAAAAA",
    "Deep0400Q0WAAAAAAAAAAA",
    "Deep0500Q0WAAAAAAAAAAA",
    "Deep0600Q0WAAAAAAAAAAA",
    "Deep0700Q0WAAAAAAAAAAA",
    "Deep0800Q0WAAAAAAAAAAA",
    "Deep0900Q0WAAAAAAAAAAA",
    "Deep1000Q0WAAAAAAAAAAA",
    "Deep1100Q0WAAAAAAAAAAA",
    "Deep1200Q0WAAAAAAAAAAA",
    "Deep1300Q0WAAAAAAAAAAA",
    "Deep1400Q0WAAAAAAAAAAA",
    "Deep1500Q0WAAAAAAAAAAA",
    "Deep1600Q0WAAAAAAAAAAA",
    "Deep1700Q0WAAAAAAAAAAA",
    "Deep1800Q0WAAAAAAAAAAA",
    "Deep1900Q0WAAAAAAAAAAA",
    "Deep2000Q0WAAAAAAAAAAA",
];

/// A second decision task of the same tree, honest in itself, with a group of its own.
pub(super) fn other_decision(world: &mut World) {
    let mut decision = world.tasks[DECISION].clone();
    decision["taskGroupId"] = json!(OTHER);
    world.tasks.insert(OTHER, decision);
    world.graphs.insert(OTHER, Vec::new());
    world.signers.insert(OTHER, key(1));
    for name in [crate::world::ACTIONS, crate::world::PARAMETERS] {
        let bytes = world.artifacts[&(DECISION, name.to_owned())].clone();
        world.artifacts.insert((OTHER, name.to_owned()), bytes);
    }
    world.attest();
}

fn upstream(world: &mut World, entries: Value) {
    world.change_task(SIGNING, |task| task["payload"]["upstreamArtifacts"] = entries);
}

fn entry(task: &str, task_type: &str) -> Value {
    json!({"taskId": task, "taskType": task_type, "paths": [ARTIFACT], "formats": []})
}

/// A build that rests on another task, and so on: so many below the first one.
fn chain_of(world: &mut World, length: usize) {
    for (at, name) in DEEP.iter().enumerate().take(length) {
        let inputs = match DEEP.get(at + 1).filter(|_| at + 1 < length) {
            Some(next) => json!({"chainOfTrust": {"inputs": {"build": next}}}),
            None => json!({}),
        };
        let mut deep = task("gecko-3/b-linux", world.tasks[BUILD]["payload"].clone(), inputs, json!([]));
        deep["payload"].as_object_mut().unwrap().remove("image");
        deep["tags"] = json!({"worker-implementation": "docker-worker"});
        world.tasks.insert(name, deep);
        world.graphs.get_mut(DECISION).unwrap().push(name);
        world.signers.insert(name, key(1));
    }
    world.change_task(SIGNING, |task| {
        task["extra"] = json!({"chainOfTrust": {"inputs": {"build": DEEP[0]}}});
    });
}

pub(super) const SHAPES: &[Attack] = &[
    (
        88,
        "own_parent",
        "The image task says that it is its own task group, so that no graph would have to have it.",
        |world| world.change_run(IMAGE, |task| task["taskGroupId"] = json!(IMAGE)),
        &[(IMAGE, Reason::Orphan)],
    ),
    (
        88,
        "parent_that_is_none",
        "The image task names the build as its parent.",
        |world| world.change_run(IMAGE, |task| task["extra"]["parent"] = json!(BUILD)),
        &[(BUILD, Reason::TypeConflict)],
    ),
    (
        90,
        "two_types",
        "The signing task names the image task under two types.",
        |world| {
            upstream(world, json!([entry(BUILD, "build"), entry(IMAGE, "build")]));
        },
        &[(IMAGE, Reason::TypeConflict)],
    ),
    (
        91,
        "invented_type",
        "The signing task names the build under a type that nobody knows.",
        |world| upstream(world, json!([entry(BUILD, "foo")])),
        &[(BUILD, Reason::TaskType)],
    ),
    (
        92,
        "own_upstream",
        "The signing task names itself as upstream.",
        |world| upstream(world, json!([entry(BUILD, "build"), entry(SIGNING, "signing")])),
        &[(SIGNING, Reason::Cycle)],
    ),
    (
        92,
        "two_that_rest_on_each_other",
        "The build rests on the signing task, which rests on the build.",
        |world| {
            world.change_task(BUILD, |task| {
                task["extra"]["chainOfTrust"]["inputs"]["signing"] = json!(SIGNING)
            });
        },
        &[(SIGNING, Reason::Cycle)],
    ),
    (
        92,
        "long_way_back",
        "Ten tasks rest on each other, the last one on the first.",
        |world| {
            chain_of(world, 10);
            world.change_task(DEEP[9], |task| {
                task["extra"] = json!({"chainOfTrust": {"inputs": {"build": DEEP[0]}}})
            });
        },
        &[(DEEP[0], Reason::Cycle)],
    ),
    (
        93,
        "too_deep",
        "The chain has more steps than the limit.",
        |world| chain_of(world, 21),
        &[(DEEP[20], Reason::Limit)],
    ),
    (
        93,
        "deeper_than_configured",
        "The chain has more steps than this worker's limit.",
        |world| {
            world.config.insert("max_chain_length".to_owned(), json!(5));
            chain_of(world, 6);
        },
        &[(DEEP[5], Reason::Limit)],
    ),
    (
        94,
        "too_wide",
        "The signing task rests on more tasks than the limit.",
        |world| {
            let many = (0..101).map(|number| entry(&format!("Wide{number:03}0Q0WAAAAAAAAAAA"), "build"));
            let many = many.collect::<Vec<_>>();
            upstream(world, json!(many));
        },
        &[(SIGNING, Reason::Limit)],
    ),
];
