//! Rows 109 to 115: what a task ran in, and what it could be interfered with by.

use crate::folders::{Attack, Benign, Plan};
use crate::release::{BUILD, IMAGE, IMAGE_FILE, SCOPE, SIGNING};
use crate::world::{World, key};
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};

const RELEASE: &str = "release_current_pass";

pub(super) fn add(plan: &mut Plan) {
    plan.world("native_build_pass", "The build ran on generic-worker, without an image.", &native());
    plan.attacks(RELEASE, World::release, WAYS_IN);
    plan.attacks("native_build_pass", native, NATIVE);
    plan.attacks(RELEASE, World::release, IMAGES);
    plan.attacks("release_classic_pass", World::classic, CLASSIC);
    plan.benign(World::release, BENIGN);
    plan.attacks("row_146_generic_worker_key_pass", d2g, D2G);
    plan.attacks("row_115_index_without_restricted_scopes_pass", indexed, INDEXED);
}

fn payload(world: &mut World, name: &str, value: Value) {
    world.change_task(BUILD, |task| task["payload"][name] = value);
}

const WAYS_IN: &[Attack] = &[
    (
        109,
        "interactive",
        "The build could be logged in to.",
        |world| payload(world, "features", json!({"chainOfTrust": true, "interactive": true})),
        &[(BUILD, Reason::Interactive)],
    ),
    (
        109,
        "interactive_by_variable",
        "The build was told to wait for somebody.",
        |world| {
            world.change_task(BUILD, |task| task["payload"]["env"]["TASKCLUSTER_INTERACTIVE"] = json!("1"))
        },
        &[(BUILD, Reason::Interactive)],
    ),
    (
        110,
        "privileged",
        "The build ran with the rights of its host.",
        |world| payload(world, "capabilities", json!({"privileged": true})),
        &[(BUILD, Reason::ForbiddenFeature)],
    ),
    (
        110,
        "docker_in_docker",
        "The build could start containers of its own.",
        |world| payload(world, "features", json!({"chainOfTrust": true, "dind": true})),
        &[(BUILD, Reason::ForbiddenFeature)],
    ),
    (
        110,
        "devices",
        "The build used a device of its host.",
        |world| payload(world, "capabilities", json!({"devices": {"loopbackVideo": true}})),
        &[(BUILD, Reason::ForbiddenFeature)],
    ),
];

/// The build ran on generic-worker.
fn native() -> World {
    let mut world = World::release();
    let env = world.tasks[BUILD]["payload"]["env"].clone();
    world.change_task(BUILD, |task| {
        task["payload"] =
            json!({"maxRunTime": 600, "mounts": [], "features": {"chainOfTrust": true}, "env": env});
        task["extra"] = json!({});
        task["dependencies"].as_array_mut().unwrap().pop();
    });
    world.tasks.remove(IMAGE);
    world.bodies.remove(IMAGE);
    world.artifacts.remove(&(IMAGE, IMAGE_FILE.to_owned()));
    world.graphs.insert(crate::release::DECISION, vec![BUILD, SIGNING]);
    world.signers.insert(BUILD, key(2));
    world.attest();
    world
}

const NATIVE: &[Attack] = &[
    (
        109,
        "native_interactive",
        "The build could be logged in to.",
        |world| payload(world, "features", json!({"chainOfTrust": true, "interactive": true})),
        &[(BUILD, Reason::Interactive)],
    ),
    (
        109,
        "remote_desktop",
        "The build's desktop was shown to somebody.",
        |world| payload(world, "rdpInfo", json!("public/rdp.json")),
        &[(BUILD, Reason::Interactive)],
    ),
    (
        109,
        "remote_desktop_scope",
        "The build may have had its desktop shown to somebody.",
        |world| {
            world.change_task(BUILD, |task| {
                task["scopes"] = json!(["generic-worker:allow-rdp:gecko-3/b-linux"])
            })
        },
        &[(BUILD, Reason::Interactive)],
    ),
    (
        110,
        "workers_own_user",
        "The build ran as the worker's own user.",
        |world| payload(world, "features", json!({"chainOfTrust": true, "runTaskAsCurrentUser": true})),
        &[(BUILD, Reason::ForbiddenFeature)],
    ),
    (
        114,
        "additional_artifacts",
        "The build added an artifact to its attestation, under a name that the worker never attested.",
        |world| {
            world.change_task(SIGNING, |task| {
                task["payload"]["upstreamArtifacts"][0]["paths"] = json!(["public/more"]);
            });
            world.change_body(BUILD, |body| {
                body["artifacts"]["public/more"] = json!({"sha256": "0".repeat(64)})
            });
        },
        &[(BUILD, Reason::MissingArtifact)],
    ),
];

fn image(world: &mut World, value: Value) {
    payload(world, "image", value);
}

fn environment(world: &mut World, value: Value) {
    world.change_body(BUILD, |body| body["environment"] = value);
}

const IMAGES: &[Attack] = &[
    (
        111,
        "image_by_tag",
        "The build ran in an image of a public registry.",
        |world| image(world, json!("ubuntu:latest")),
        &[(BUILD, Reason::Image)],
    ),
    (
        111,
        "image_of_no_kind",
        "The build ran in an image of a kind that nobody knows.",
        |world| image(world, json!({"type": "docker-image", "name": "ubuntu:latest"})),
        &[(BUILD, Reason::Image)],
    ),
    (
        112,
        "image_of_another_task",
        "The build ran in an image of another task than the one that the chain has.",
        |world| {
            world.change_task(BUILD, |task| {
                task["payload"]["image"]["taskId"] = json!("OtherImgQ0WAAAAAAAAAAA")
            });
        },
        &[(BUILD, Reason::Image)],
    ),
    (
        112,
        "image_task_unnamed",
        "The build ran in the image of a task that it does not name as its input.",
        |world| world.change_task(BUILD, |task| task["extra"] = json!({})),
        &[(BUILD, Reason::Image)],
    ),
    (
        113,
        "no_image_hash",
        "The build's worker does not tell which image it ran.",
        |world| environment(world, json!({})),
        &[(BUILD, Reason::Image)],
    ),
    (
        113,
        "weak_image_hash",
        "The build's worker tells which image it ran by SHA-1.",
        |world| {
            let digest = "sha1:86f7e437faa5a7fce15d1ddcb9eaeaea377667b8";
            environment(world, json!({"imageArtifactHash": digest}));
        },
        &[(BUILD, Reason::Image)],
    ),
    (
        113,
        "another_image_hash",
        "The build's worker ran another image than its task made.",
        |world| environment(world, json!({"imageArtifactHash": format!("sha256:{}", "0".repeat(64))})),
        &[(BUILD, Reason::Image)],
    ),
    (
        115,
        "image_of_the_index",
        "The build ran in an image of an index, and a restricted scope is asked for.",
        |world| {
            let namespace = "gecko.cache.level-3.docker-images.v2.x.latest";
            image(world, json!({"type": "indexed-image", "namespace": namespace, "path": IMAGE_FILE}));
        },
        &[(BUILD, Reason::Image)],
    ),
];

const CLASSIC: &[Attack] = &[
    (
        111,
        "image_that_is_not_listed",
        "The image task ran in an image that the policy does not list.",
        |world| {
            let other = format!("sha256:{}", "0".repeat(64));
            world.change_body(IMAGE, |body| body["environment"] = json!({"imageHash": other}));
        },
        &[(IMAGE, Reason::Image)],
    ),
    (
        113,
        "another_image_hash_classic",
        "The build's worker ran another image than its task made.",
        |world| environment(world, json!({"imageArtifactHash": format!("sha256:{}", "0".repeat(64))})),
        &[(BUILD, Reason::Image)],
    ),
    (
        109,
        "interactive_classic",
        "The build could be logged in to.",
        |world| payload(world, "features", json!({"chainOfTrust": true, "interactive": true})),
        &[(BUILD, Reason::Interactive)],
    ),
];

/// A task that was written for docker-worker, run by generic-worker.
fn d2g() -> World {
    let mut world = World::release();
    run_by_generic_worker(&mut world);
    world
}

fn run_by_generic_worker(world: &mut World) {
    let lists = json!({
        "docker-worker": [key(1).public().to_string(), key(2).public().to_string()],
        "generic-worker": [key(2).public().to_string()], "scriptworker": [key(3).public().to_string()],
    });
    world.config.insert("ed25519_public_keys".to_owned(), lists);
    world.policy.insert("/shared_ed25519_public_keys", json!([key(2).public().to_string()]));
    world.policy.insert("/d2g_pools", json!(["gecko-3/b-*"]));
    world.signers.insert(BUILD, key(2));
}

const D2G: &[Attack] = &[(
    114,
    "image_claimed_by_a_task",
    "generic-worker attests the build's image in a pool where it runs nothing of docker-worker's: the task may have.",
    |world| drop(world.policy.insert("/d2g_pools", json!(["gecko-3/c-*"]))),
    &[(BUILD, Reason::Image)],
)];

fn indexed() -> World {
    let mut world = World::release();
    use_index(&mut world);
    world
}

/// Tasks of this product may run in other images than those of docker-image tasks.
fn use_index(world: &mut World) {
    world.config.insert("prebuilt_docker_image_task_types".to_owned(), json!("any"));
    world.change_task(SIGNING, |task| task["scopes"] = json!(["project:releng:signing:cert:dep-signing"]));
    let namespace = "gecko.cache.level-3.docker-images.v2.x.latest";
    image(world, json!({"type": "indexed-image", "namespace": namespace, "path": IMAGE_FILE}));
}

const INDEXED: &[Attack] = &[(
    115,
    "index_with_restricted_scopes",
    "The same image of an index, and a restricted scope is asked for.",
    |world| world.change_task(SIGNING, |task| task["scopes"] = json!([SCOPE])),
    &[(BUILD, Reason::Image)],
)];

const BENIGN: &[Benign] = &[
    (
        109,
        "not_interactive",
        "The build says in so many words that nobody could log in to it.",
        |world| payload(world, "features", json!({"chainOfTrust": true, "interactive": false})),
        None,
    ),
    (
        110,
        "privileged_image_task",
        "The image task ran with the rights of its host, as image tasks may.",
        |world| {
            world.change_task(IMAGE, |task| task["payload"]["capabilities"] = json!({"privileged": true}))
        },
        None,
    ),
    (
        115,
        "index_without_restricted_scopes",
        "The build ran in an image of an index; nothing restricted is asked for.",
        use_index,
        None,
    ),
    (
        146,
        "generic_worker_key",
        "generic-worker ran the build, which was written for docker-worker, and the policy knows of it.",
        run_by_generic_worker,
        None,
    ),
];
