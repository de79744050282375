//! Rows 54 to 63: whose attestation it is, and of which run.

use crate::folders::{Attack, Benign, Plan};
use crate::release::{ARTIFACT, BUILD, DECISION, IMAGE};
use crate::world::{ATTESTATION, SIGNATURE, World, artifact, completed, document, id, present};
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::reason::Reason;
use scriptworker_core::ids::{RunId, RunKey};
use serde_json::{Value, json};

const RELEASE: &str = "release_current_pass";

pub(super) fn add(plan: &mut Plan) {
    plan.attacks(RELEASE, World::release, IDENTITY);
    plan.attacks(RELEASE, World::release, RUNS);
    plan.benign(World::release, BENIGN);
    plan.attacks("row_060_failed_by_policy_pass", failed_by_policy, FAILED);
    plan.attacks("row_056_run_again_pass", run_again, AGAIN);
}

const IDENTITY: &[Attack] = &[
    (
        54,
        "of_another_task",
        "The image task's attestation is served for the build.",
        |world| {
            for name in [ATTESTATION, SIGNATURE] {
                let other = world.bytes(&document(IMAGE, name)).unwrap();
                world.answers.insert(document(BUILD, name), present(other));
            }
        },
        &[(BUILD, Reason::TaskId), (BUILD, Reason::TaskDefinition)],
    ),
    (
        54,
        "another_id",
        "The build's worker signed another task's id.",
        |world| world.change_body(BUILD, |body| body["taskId"] = json!(IMAGE)),
        &[(BUILD, Reason::TaskId)],
    ),
    (
        55,
        "another_run",
        "The build's attestation is one of another run.",
        |world| world.change_body(BUILD, |body| body["runId"] = json!(1)),
        &[(BUILD, Reason::RunId)],
    ),
    (
        57,
        "another_variable",
        "The build's worker ran something else than the queue has.",
        |world| world.change_body(BUILD, |body| body["task"]["payload"]["env"]["X"] = json!("y")),
        &[(BUILD, Reason::TaskDefinition)],
    ),
    (
        57,
        "another_scope",
        "The image's worker ran a task with more scopes than the queue has.",
        |world| world.change_body(IMAGE, |body| body["task"]["scopes"] = json!(["project:more"])),
        &[(IMAGE, Reason::TaskDefinition)],
    ),
    (
        58,
        "another_worker",
        "The build's attestation is one of another worker.",
        |world| world.change_body(BUILD, |body| body["workerId"] = json!("w-2")),
        &[(BUILD, Reason::Worker)],
    ),
    (
        58,
        "another_group",
        "The build's attestation is one of another group of workers.",
        |world| world.change_body(BUILD, |body| body["workerGroup"] = json!("us-east1")),
        &[(BUILD, Reason::Worker)],
    ),
    (
        59,
        "pool_of_another_class",
        "The build ran in a pool that the policy maps to generic-worker, and a docker-worker's key signs.",
        |world| {
            world.policy.insert(
                "/pools",
                json!([
                    {"pool": "scriptworker-k8s/*", "implementation": "scriptworker"},
                    {"pool": "gecko-3/b-*", "implementation": "generic-worker"},
                ]),
            );
            let plain = |task: &mut Value| {
                task["payload"] = json!({"maxRunTime": 600, "mounts": [], "env": task["payload"]["env"]});
            };
            world.change_task(BUILD, plain);
        },
        &[(BUILD, Reason::WrongKeyClass)],
    ),
    (
        59,
        "unmapped_pool",
        "The policy wants every pool mapped, and the build's is not.",
        |world| {
            world.policy.insert("/switches/require_mapped_pools", json!(true));
            let maps = [
                "scriptworker-k8s/*:scriptworker",
                "gecko-3/decision:docker-worker",
                "gecko-3/images:docker-worker",
            ];
            let maps = maps.map(|map| {
                let (pool, implementation) = map.split_once(':').unwrap();
                json!({"pool": pool, "implementation": implementation})
            });
            world.policy.insert("/pools", json!(maps));
        },
        &[(BUILD, Reason::Implementation)],
    ),
];

/// A run that ended like this.
fn ended(state: &str) -> Value {
    let mut run = completed(0);
    run["state"] = json!(state);
    run["reasonResolved"] = json!(state);
    json!([run])
}

const RUNS: &[Attack] = &[
    (
        60,
        "failed",
        "The build failed.",
        |world| drop(world.runs.insert(BUILD, ended("failed"))),
        &[(BUILD, Reason::State)],
    ),
    (
        60,
        "exception",
        "The build ended with an exception.",
        |world| drop(world.runs.insert(BUILD, ended("exception"))),
        &[(BUILD, Reason::State)],
    ),
    (
        60,
        "running_again",
        "The build was completed and is running again.",
        |world| {
            let again = json!({
                "runId": 1, "state": "running", "workerGroup": "us-west1", "workerId": "w-1",
                "reasonCreated": "rerun", "scheduled": "2026-11-25T21:30:00.000Z",
            });
            world.runs.insert(BUILD, json!([completed(0), again]));
        },
        &[(BUILD, Reason::State)],
    ),
    (
        60,
        "never_run",
        "The build has no run.",
        |world| drop(world.runs.insert(BUILD, json!([]))),
        &[(BUILD, Reason::State)],
    ),
    (
        55,
        "earlier_run",
        "The build was run again; the attestation of its first run is served for the second.",
        |world| {
            world.runs.insert(BUILD, json!([completed(0), completed(1)]));
            for name in [ATTESTATION, SIGNATURE] {
                let first = world.bytes(&document(BUILD, name)).unwrap();
                world.answers.insert(of_second_run(document(BUILD, name)), present(first));
            }
        },
        &[(BUILD, Reason::RunId)],
    ),
    (
        62,
        "empty_definition",
        "The queue has no definition of the build to give that could be read.",
        |world| world.silence(Need::Task { task: id(BUILD) }),
        &[],
    ),
    (
        63,
        "replaced",
        "The queue has another definition of the build than the one that was claimed and signed.",
        |world| {
            let signed = world.bodies[BUILD].clone();
            world.change_task(BUILD, |task| task["payload"]["command"] = json!(["more"]));
            world.bodies.insert(BUILD, signed);
        },
        &[(BUILD, Reason::TaskDefinition)],
    ),
    (
        63,
        "gone",
        "The queue does not know the build.",
        |world| {
            drop(
                world
                    .answers
                    .insert(Need::Task { task: id(BUILD) }, scriptworker_core::cot::evidence::Answer::Absent),
            )
        },
        &[(BUILD, Reason::MissingTask)],
    ),
    (
        132,
        "no_state",
        "The queue is in trouble: what became of the decision task's runs is not known.",
        |world| world.silence(Need::Status { task: id(DECISION) }),
        &[],
    ),
    (
        132,
        "no_projects",
        "The list of projects was not to be had.",
        |world| world.silence(Need::Projects),
        &[],
    ),
    (
        132,
        "no_pushlog",
        "The source host limits the rate: the push is not known.",
        |world| {
            let pushlog = world.questions().into_iter().find(|need| matches!(need, Need::Pushlog { .. }));
            world.silent.extend(pushlog);
        },
        &[],
    ),
    (
        79,
        "page_instead",
        "There was a page of a proxy where the decision task's graph should have been.",
        |world| world.silence(document(DECISION, crate::world::GRAPH)),
        &[],
    ),
    (
        78,
        "without_end",
        "The build's artifact did not end.",
        |world| world.silence(artifact(BUILD, ARTIFACT)),
        &[],
    ),
];

/// The build was run again; what its newest run made and attested is what counts.
fn run_again() -> World {
    let mut world = World::release();
    run_build_again(&mut world);
    world
}

fn run_build_again(world: &mut World) {
    world.change_body(BUILD, |body| body["runId"] = json!(1));
    world.runs.insert(BUILD, json!([completed(0), completed(1)]));
}

/// The same question about the second run.
fn of_second_run(need: Need) -> Need {
    let second = |mut run: RunKey| {
        run.run_id = RunId::new(1).unwrap();
        run
    };
    match need {
        Need::Document { run, name, class } => Need::Document { run: second(run), name, class },
        Need::Artifact { run, name, sha512 } => Need::Artifact { run: second(run), name, sha512 },
        other => other,
    }
}

const AGAIN: &[Attack] = &[
    (
        56,
        "artifact_of_the_first_run",
        "The attestation is one of the second run, and the artifact one of the first.",
        |world| world.damage(&of_second_run(artifact(BUILD, ARTIFACT)), |_| Some(b"the first".to_vec())),
        &[(BUILD, Reason::Hash)],
    ),
    (
        56,
        "attestation_of_the_first_run",
        "The build was run again after its attestation was read.",
        |world| world.change_body(BUILD, |body| body["runId"] = json!(0)),
        &[(BUILD, Reason::RunId)],
    ),
];

fn failed_by_policy() -> World {
    let mut world = World::release();
    allow_failed(&mut world);
    world
}

fn allow_failed(world: &mut World) {
    world.policy.insert("/switches/allow_failed_upstreams", json!(true));
    world.runs.insert(BUILD, ended("failed"));
}

const FAILED: &[Attack] = &[(
    60,
    "failed_without_policy",
    "The build failed, and the policy does not take such.",
    |world| world.policy.clear(),
    &[(BUILD, Reason::State)],
)];

const BENIGN: &[Benign] = &[
    (
        56,
        "run_again",
        "The build was run again, and all that is looked at is of its newest run.",
        run_build_again,
        None,
    ),
    (60, "failed_by_policy", "The build failed, and the policy takes such.", allow_failed, None),
    (
        61,
        "expired",
        "The build is past its expiry; everything about it is still there.",
        |world| {
            world.change_task(BUILD, |task| {
                task["deadline"] = json!("2026-11-25T21:30:00.000Z");
                task["expires"] = json!("2026-11-25T21:45:00.000Z");
            });
        },
        Some("expire"),
    ),
    (
        147,
        "decision_task_itself",
        "The decision task itself is verified: it is its own parent.",
        |world| {
            world.subject = (DECISION, "decision");
            world.attested = true;
        },
        None,
    ),
];
