//! Rows 71, 74, 75 and 80: what a task may ask for, and what such a thing may be called.

use crate::folders::Attack;
use crate::release::{ARTIFACT, BUILD, SIGNING};
use crate::world::World;
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};

/// What the signing task asks the build for, in queue, graph and attestation.
pub(super) fn paths(world: &mut World, paths: Value) {
    world.change_task(SIGNING, |task| task["payload"]["upstreamArtifacts"][0]["paths"] = paths);
}

/// The build makes an artifact of this name, and the signing task asks for it.
pub(super) fn wanted(world: &mut World, name: &str) {
    world.make(BUILD, name, b"more".to_vec());
    paths(world, json!([name]));
}

/// The same where the queue would never take such a name: it is only asked for.
fn only_asked(world: &mut World, name: &str) {
    paths(world, json!([ARTIFACT, name]));
}

pub(super) const PATHS: &[Attack] = &[
    (
        71,
        "up",
        "The signing task asks for a path that leads out of its directory.",
        |world| wanted(world, "../../x"),
        &[(BUILD, Reason::Path)],
    ),
    (
        71,
        "absolute",
        "The signing task asks for an absolute path.",
        |world| wanted(world, "/etc/x"),
        &[(BUILD, Reason::Path)],
    ),
    (
        71,
        "up_within",
        "The signing task asks for a path that goes in and out again.",
        |world| wanted(world, "a/../../x"),
        &[(BUILD, Reason::Path)],
    ),
    (
        71,
        "backslashes",
        "The signing task asks for a path with backslashes.",
        |world| wanted(world, "a\\..\\x"),
        &[(BUILD, Reason::Path)],
    ),
    (
        71,
        "encoded",
        "The signing task asks for a path with encoded dots.",
        |world| wanted(world, "%2e%2e/x"),
        &[(BUILD, Reason::Path)],
    ),
    (
        71,
        "control_character",
        "The signing task asks for a path with a line feed.",
        |world| only_asked(world, "public/a\nb"),
        &[(BUILD, Reason::Path)],
    ),
    (
        71,
        "nul",
        "The signing task asks for a path with a NUL.",
        |world| only_asked(world, "public/a\0b"),
        &[(BUILD, Reason::Path)],
    ),
    (
        71,
        "long",
        "The signing task asks for a path of 5 000 characters.",
        |world| only_asked(world, &format!("public/{}", "x".repeat(4993))),
        &[(BUILD, Reason::Path)],
    ),
    (
        71,
        "not_normal",
        "The signing task asks for a path that is not in the normal form of Unicode.",
        |world| only_asked(world, "public/a\u{308}"),
        &[(BUILD, Reason::Path)],
    ),
    (
        74,
        "file_and_directory",
        "One artifact of the build has the name of another one's directory.",
        |world| {
            world.make(BUILD, "public/build", b"more".to_vec());
            paths(world, json!([ARTIFACT, "public/build"]));
        },
        &[(BUILD, Reason::PathConflict)],
    ),
    (
        74,
        "case_alone",
        "Two artifacts of the build differ by case alone.",
        |world| {
            world.make(BUILD, "public/build/TARGET.tar.gz", b"more".to_vec());
            paths(world, json!([ARTIFACT, "public/build/TARGET.tar.gz"]));
        },
        &[(BUILD, Reason::PathConflict)],
    ),
    (
        75,
        "own_definition",
        "The build made a `task.json`, and the signing task asks for it.",
        |world| wanted(world, "task.json"),
        &[(BUILD, Reason::Reserved)],
    ),
    (
        75,
        "own_attestation",
        "The signing task asks for the build's attestation as an artifact.",
        |world| only_asked(world, "public/chain-of-trust.json"),
        &[(BUILD, Reason::Reserved)],
    ),
    (
        80,
        "star",
        "The signing task asks for a pattern, and needs it.",
        |world| paths(world, json!(["public/build/*"])),
        &[(SIGNING, Reason::Payload)],
    ),
    (
        80,
        "question_mark",
        "The signing task asks for a pattern of another kind.",
        |world| paths(world, json!(["public/build/target.tar.g?"])),
        &[(SIGNING, Reason::Payload)],
    ),
    (
        80,
        "brackets",
        "The signing task asks for a pattern with brackets.",
        |world| paths(world, json!(["public/build/target.tar.[gx]z"])),
        &[(SIGNING, Reason::Payload)],
    ),
];
