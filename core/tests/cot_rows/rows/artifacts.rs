//! Rows 64 to 81: artifacts and their digests.

use super::paths::{PATHS, paths, wanted};
use crate::folders::{Attack, Benign, Plan};
use crate::release::{ARTIFACT, BUILD, DECISION, IMAGE, SIGNING};
use crate::world::{GRAPH, World, artifact, document, sha256};
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};

const RELEASE: &str = "release_current_pass";

pub(super) fn add(plan: &mut Plan) {
    plan.attacks(RELEASE, World::release, BYTES);
    plan.attacks(RELEASE, World::release, DIGESTS);
    plan.attacks(RELEASE, World::release, PATHS);
    plan.benign(World::release, BENIGN);
    plan.attacks("row_072_dots_in_a_name_pass", || named("public/foo..bar.txt"), NAMES);
    plan.attacks("row_081_optional_and_there_pass", optional, OPTIONAL);
}

const BYTES: &[Attack] = &[
    (
        64,
        "changed_artifact",
        "The build's artifact is another one than was attested.",
        |world| world.damage(&artifact(BUILD, ARTIFACT), |_| Some(b"a bulld".to_vec())),
        &[(BUILD, Reason::Hash)],
    ),
    (
        64,
        "cut_artifact",
        "The build's artifact lacks its end.",
        |world| world.damage(&artifact(BUILD, ARTIFACT), |bytes| Some(bytes[..4].to_vec())),
        &[(BUILD, Reason::Hash)],
    ),
    (
        70,
        "attested_and_gone",
        "The queue does not have the build's artifact that was attested.",
        |world| world.damage(&artifact(BUILD, ARTIFACT), |_| None),
        &[(BUILD, Reason::MissingArtifact)],
    ),
    (
        70,
        "not_attested",
        "The queue has the build's artifact, but the build's worker did not attest it.",
        |world| world.change_body(BUILD, |body| body["artifacts"] = json!({})),
        &[(BUILD, Reason::NotAttested)],
    ),
    (
        70,
        "not_produced",
        "The signing task asks for an artifact that the build never made.",
        |world| paths(world, json!([ARTIFACT, "public/more.zip"])),
        &[(BUILD, Reason::NotAttested)],
    ),
    (
        95,
        "replaced_graph",
        "The decision task's graph is another one than was attested.",
        |world| {
            world.damage(&document(DECISION, GRAPH), |bytes| {
                Some(String::from_utf8(bytes).unwrap().replacen("A task", "A tusk", 1).into_bytes())
            });
        },
        &[(SIGNING, Reason::Hash), (BUILD, Reason::Hash), (IMAGE, Reason::Hash)],
    ),
    (
        95,
        "graph_gone",
        "The decision task's graph is attested, and gone.",
        |world| world.damage(&document(DECISION, GRAPH), |_| None),
        &[
            (SIGNING, Reason::MissingArtifact),
            (BUILD, Reason::MissingArtifact),
            (IMAGE, Reason::MissingArtifact),
        ],
    ),
    (
        50,
        "graph_too_large",
        "The decision task's graph is larger than any that is read.",
        |world| {
            let limit = scriptworker_core::json::DocumentKind::TaskGraph.limits().bytes;
            let answer = scriptworker_core::cot::evidence::Answer::TooLarge { limit };
            world.answers.insert(document(DECISION, GRAPH), answer);
        },
        &[(SIGNING, Reason::Limit), (BUILD, Reason::Limit), (IMAGE, Reason::Limit)],
    ),
];

fn digests(world: &mut World, entry: Value) {
    world.change_body(BUILD, |body| body["artifacts"][ARTIFACT] = entry);
}

fn own_sha256() -> String {
    sha256(b"a build")
}

const DIGESTS: &[Attack] = &[
    (
        65,
        "no_digest",
        "The build's attestation lists its artifact without a digest.",
        |world| digests(world, json!({})),
        &[(BUILD, Reason::NoDigest)],
    ),
    (
        66,
        "md5",
        "The build's attestation has an MD5 digest only.",
        |world| digests(world, json!({"md5": "0cc175b9c0f1b6a831c399e269772661"})),
        &[(BUILD, Reason::WeakHash)],
    ),
    (
        66,
        "sha1",
        "The build's attestation has a SHA-1 digest only.",
        |world| digests(world, json!({"sha1": "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"})),
        &[(BUILD, Reason::WeakHash)],
    ),
    (
        67,
        "sha1_beside",
        "The build's attestation has a SHA-1 digest beside the good one.",
        |world| {
            let sha1 = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8";
            digests(world, json!({"sha256": own_sha256(), "sha1": sha1}));
        },
        &[(BUILD, Reason::WeakHash)],
    ),
    (
        68,
        "upper_case",
        "The digest in the build's attestation has upper-case digits.",
        |world| digests(world, json!({"sha256": own_sha256().to_uppercase()})),
        &[(BUILD, Reason::DigestFormat)],
    ),
    (
        68,
        "short",
        "The digest in the build's attestation lacks its end.",
        |world| digests(world, json!({"sha256": &own_sha256()[..32]})),
        &[(BUILD, Reason::DigestFormat)],
    ),
    (
        68,
        "prefixed",
        "The digest in the build's attestation has its algorithm before it.",
        |world| digests(world, json!({"sha256": format!("sha256:{}", own_sha256())})),
        &[(BUILD, Reason::DigestFormat)],
    ),
    (
        68,
        "blank",
        "The digest in the build's attestation has a blank behind it.",
        |world| digests(world, json!({"sha256": format!("{} ", own_sha256())})),
        &[(BUILD, Reason::DigestFormat)],
    ),
    (
        69,
        "one_of_two_wrong",
        "Of two digests in the build's attestation, the longer one is right and the other wrong.",
        |world| digests(world, json!({"sha512": own_sha512(), "sha256": "0".repeat(64)})),
        &[(BUILD, Reason::Hash)],
    ),
];

fn own_sha512() -> String {
    use sha2::Digest as _;
    sha2::Sha512::digest(b"a build").iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named(name: &str) -> World {
    let mut world = World::release();
    wanted(&mut world, name);
    world
}

const NAMES: &[Attack] = &[(
    72,
    "dots_for_a_name",
    "One of the names in a path is nothing but two dots.",
    |world| wanted(world, "public/../foo..bar.txt"),
    &[(BUILD, Reason::Path)],
)];

fn optional() -> World {
    let mut world = World::release();
    want_optional(&mut world);
    world
}

fn want_optional(world: &mut World) {
    world.change_task(SIGNING, |task| task["payload"]["upstreamArtifacts"][0]["optional"] = json!(true));
}

const OPTIONAL: &[Attack] = &[
    (
        81,
        "not_optional",
        "An artifact that is needed is attested with another digest than that of the one that would do without.",
        |world| {
            world.change_task(SIGNING, |task| {
                let needed =
                    json!({"taskId": BUILD, "taskType": "build", "paths": [ARTIFACT], "formats": []});
                task["payload"]["upstreamArtifacts"].as_array_mut().unwrap().push(needed);
            });
            world.damage(&artifact(BUILD, ARTIFACT), |_| Some(b"evil".to_vec()));
        },
        &[(BUILD, Reason::Hash)],
    ),
    (
        81,
        "trouble",
        "Whether there is an optional artifact is not known.",
        |world| world.silence(artifact(BUILD, ARTIFACT)),
        &[],
    ),
];

const BENIGN: &[Benign] = &[
    (
        72,
        "dots_in_a_name",
        "An artifact has two dots in its name.",
        |world| wanted(world, "public/foo..bar.txt"),
        None,
    ),
    (
        67,
        "sha512_beside",
        "The build's attestation has two good digests.",
        |world| digests(world, json!({"sha256": own_sha256(), "sha512": own_sha512()})),
        None,
    ),
    (
        145,
        "two_dots",
        "An artifact has two dots within its name.",
        |world| wanted(world, "public/foo..bar"),
        None,
    ),
    (145, "blank", "An artifact has blanks in its name.", |world| wanted(world, "public/a b.txt"), None),
    (145, "plus", "An artifact has a plus in its name.", |world| wanted(world, "public/a+b.tar"), None),
    (
        145,
        "letters",
        "The build attests a file with other letters in its name; no queue takes such a name as an artifact's.",
        |world| world.make(BUILD, "public/ä.txt", b"more".to_vec()),
        None,
    ),
    (81, "optional_and_there", "An optional artifact is there.", want_optional, None),
    (
        81,
        "optional_and_gone",
        "An optional artifact is attested, and gone.",
        |world| {
            want_optional(world);
            world.damage(&artifact(BUILD, ARTIFACT), |_| None);
        },
        Some(ARTIFACT),
    ),
    (
        81,
        "optional_and_changed",
        "An optional artifact is another one than was attested.",
        |world| {
            want_optional(world);
            world.damage(&artifact(BUILD, ARTIFACT), |_| Some(b"evil".to_vec()));
        },
        Some(ARTIFACT),
    ),
    (
        81,
        "optional_and_not_attested",
        "An optional artifact is there, but not attested.",
        |world| {
            want_optional(world);
            world.change_body(BUILD, |body| body["artifacts"] = json!({}));
        },
        Some(ARTIFACT),
    ),
    (
        144,
        "many_artifacts",
        "The build made more artifacts than one page of a listing has.",
        |world| {
            for number in 0..1100 {
                world.artifacts.insert((BUILD, format!("public/{number}")), Vec::new());
            }
            world.sign();
        },
        None,
    ),
];
