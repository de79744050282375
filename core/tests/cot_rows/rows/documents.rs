//! Rows 44 to 53: the attestation's text. It is signed in every case: a worker that writes such a thing is not believed.

use crate::folders::{Attack, Benign, Plan};
use crate::release::{BUILD, DECISION, SIGNING};
use crate::world::{ATTESTATION, GRAPH, SIGNATURE, World, document, id, key, present};
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::reason::Reason;
use scriptworker_core::json::format_json;
use serde_json::json;

const RELEASE: &str = "release_current_pass";

pub(super) fn add(plan: &mut Plan) {
    plan.attacks(RELEASE, World::release, KEYS);
    plan.attacks(RELEASE, World::release, TEXTS);
    plan.attacks(RELEASE, World::release, SHAPES);
    plan.benign(World::release, BENIGN);
    plan.attacks("row_053_additional_member_pass", additional, ADDITIONAL);
}

/// The build's attestation, written in another way and signed like that.
fn written(world: &mut World, change: impl FnOnce(String) -> Vec<u8>) {
    let text = change(format_json(&world.bodies[BUILD]));
    let signature = key(1).sign(&text).as_bytes().to_vec();
    world.answers.insert(document(BUILD, ATTESTATION), present(text));
    world.answers.insert(document(BUILD, SIGNATURE), present(signature));
}

fn replaced(world: &mut World, from: &str, to: &str) {
    written(world, |text| {
        assert!(text.contains(from), "{from}: {text}");
        text.replacen(from, to, 1).into_bytes()
    });
}

const KEYS: &[Attack] = &[
    (
        44,
        "task_id_twice",
        "The build's attestation has two members `taskId`.",
        |world| replaced(world, "\"taskId\"", "\"taskId\": \"AAAAAAAAAAAAAAAAAAAAAA\", \"taskId\""),
        &[(BUILD, Reason::DuplicateKey)],
    ),
    (
        44,
        "artifact_twice",
        "The build's attestation has an artifact twice, with two digests.",
        |world| {
            let evil = format!("\"public/build/target.tar.gz\": {{\"sha256\": \"{}\"}},", "0".repeat(64));
            replaced(world, "\"artifacts\": {", &format!("\"artifacts\": {{{evil}"));
        },
        &[(BUILD, Reason::DuplicateKey)],
    ),
    (
        44,
        "env_twice",
        "The definition in the build's attestation has a variable twice.",
        |world| replaced(world, "\"GECKO_HEAD_REV\"", "\"GECKO_HEAD_REV\": \"x\", \"GECKO_HEAD_REV\""),
        &[(BUILD, Reason::DuplicateKey)],
    ),
    (
        45,
        "two_spellings",
        "The build's attestation has `taskId` twice, once with an escape in it.",
        |world| replaced(world, "\"taskId\"", "\"task\\u0049d\": \"AAAAAAAAAAAAAAAAAAAAAA\", \"taskId\""),
        &[(BUILD, Reason::DuplicateKey)],
    ),
    (
        44,
        "definition_twice",
        "The queue's answer about the build has a member twice.",
        |world| {
            world.damage(&Need::Task { task: id(BUILD) }, |bytes| {
                let text = String::from_utf8(bytes).unwrap();
                Some(text.replacen("\"scopes\"", "\"scopes\":[],\"scopes\"", 1).into_bytes())
            });
        },
        &[(BUILD, Reason::DuplicateKey)],
    ),
    (
        96,
        "task_twice",
        "The task graph has the signing task twice.",
        |world| {
            let bytes = world.artifacts[&(DECISION, GRAPH.to_owned())].clone();
            let text = String::from_utf8(bytes).unwrap();
            let twice = text.replacen('{', &format!("{{\"{SIGNING}\":{{\"task\":{{}}}},"), 1);
            world.make(DECISION, GRAPH, twice);
        },
        &GRAPH_UNREADABLE,
    ),
];

/// Nothing is in a graph that cannot be read.
const GRAPH_UNREADABLE: [(&str, Reason); 3] = [
    (SIGNING, Reason::DuplicateKey),
    (BUILD, Reason::DuplicateKey),
    (crate::release::IMAGE, Reason::DuplicateKey),
];

const TEXTS: &[Attack] = &[
    (
        46,
        "bytes_behind",
        "Bytes stand behind the build's attestation.",
        |world| written(world, |text| (text + "\n{}").into_bytes()),
        &[(BUILD, Reason::Json)],
    ),
    (
        46,
        "byte_order_mark",
        "The build's attestation begins with a byte order mark.",
        |world| written(world, |text| format!("\u{feff}{text}").into_bytes()),
        &[(BUILD, Reason::Json)],
    ),
    (
        46,
        "nul",
        "The build's attestation ends with a NUL.",
        |world| written(world, |text| (text + "\0").into_bytes()),
        &[(BUILD, Reason::Json)],
    ),
    (
        47,
        "nan",
        "The run of the build's attestation is no number.",
        |world| replaced(world, "\"runId\": 0", "\"runId\": NaN"),
        &[(BUILD, Reason::Json)],
    ),
    (
        47,
        "infinity",
        "The build's attestation has an infinite number.",
        |world| replaced(world, "\"maxRunTime\": 600", "\"maxRunTime\": -Infinity"),
        &[(BUILD, Reason::Json)],
    ),
    (
        47,
        "number_out_of_range",
        "The build's attestation has a number beyond all doubles.",
        |world| replaced(world, "\"maxRunTime\": 600", "\"maxRunTime\": 1e400"),
        &[(BUILD, Reason::Json)],
    ),
    (
        47,
        "great_integer",
        "The build's attestation has an integer that doubles cannot tell from its neighbours.",
        |world| replaced(world, "\"maxRunTime\": 600", "\"maxRunTime\": 9007199254740993"),
        &[(BUILD, Reason::Json)],
    ),
    (
        48,
        "not_utf8",
        "The build's attestation is not UTF-8.",
        |world| {
            written(world, |text| {
                let at = text.find("A task").unwrap();
                let mut bytes = text.into_bytes();
                bytes[at] = 0xff;
                bytes
            });
        },
        &[(BUILD, Reason::Json)],
    ),
    (
        48,
        "lone_surrogate",
        "The build's attestation has half a character.",
        |world| replaced(world, "\"A task\"", "\"\\ud800\""),
        &[(BUILD, Reason::Json)],
    ),
    (
        49,
        "deep",
        "The build's attestation is nested deeper than any definition.",
        |world| {
            let deep = format!("\"environment\": {{\"x\": {}{}}}", "[".repeat(200), "]".repeat(200));
            written(world, |text| {
                let from = text.find("\"environment\"").unwrap();
                let to = text.find("\"runId\"").unwrap();
                format!("{}{deep}, {}", &text[..from], &text[to..]).into_bytes()
            });
        },
        &[(BUILD, Reason::Limit)],
    ),
];

const SHAPES: &[Attack] = &[
    (
        51,
        "artifacts_listed",
        "The artifacts of the build's attestation are a list.",
        |world| world.change_body(BUILD, |body| body["artifacts"] = json!([])),
        &[(BUILD, Reason::Schema)],
    ),
    (
        51,
        "run_as_text",
        "The run of the build's attestation is a text.",
        |world| world.change_body(BUILD, |body| body["runId"] = json!("0")),
        &[(BUILD, Reason::Schema)],
    ),
    (
        51,
        "no_definition",
        "The build's attestation has no definition.",
        |world| world.change_body(BUILD, |body| drop(body.as_object_mut().unwrap().remove("task"))),
        &[(BUILD, Reason::Schema)],
    ),
    (
        51,
        "no_map",
        "The build's attestation is a list with the attestation in it.",
        |world| world.change_body(BUILD, |body| *body = json!([body.take()])),
        &[(BUILD, Reason::Schema)],
    ),
    (
        52,
        "version_2",
        "The build's attestation has version 2.",
        |world| world.change_body(BUILD, |body| body["chainOfTrustVersion"] = json!(2)),
        &[(BUILD, Reason::Version)],
    ),
    (
        52,
        "no_version",
        "The build's attestation has no version.",
        |world| {
            world
                .change_body(BUILD, |body| drop(body.as_object_mut().unwrap().remove("chainOfTrustVersion")));
        },
        &[(BUILD, Reason::Version)],
    ),
];

fn additional() -> World {
    let mut world = World::release();
    add_member(&mut world);
    world
}

fn add_member(world: &mut World) {
    world.change_body(BUILD, |body| body["additional"] = json!({"public/x": "y"}));
}

const ADDITIONAL: &[Attack] = &[(
    53,
    "additional_member_for_another",
    "A member that nobody knows stands where one that is needed should.",
    |world| {
        world.change_body(BUILD, |body| {
            let members = body.as_object_mut().unwrap();
            let id = members.remove("taskId").unwrap();
            members.insert("task_id".to_owned(), id);
        });
    },
    &[(BUILD, Reason::Schema)],
)];

const BENIGN: &[Benign] = &[
    (53, "additional_member", "The build's attestation has a member that nobody knows.", add_member, None),
    (
        141,
        "another_order",
        "Definitions, graph and queue's answers have their members in another order, with other blanks.",
        |world| {
            for task in [BUILD, SIGNING] {
                world.damage(&Need::Task { task: id(task) }, |bytes| Some(reversed(&bytes)));
            }
            let graph = world.artifacts[&(DECISION, GRAPH.to_owned())].clone();
            world.make(DECISION, GRAPH, reversed(&graph));
        },
        None,
    ),
    (
        150,
        "more_of_the_environment",
        "A worker tells more of where it ran than anybody asks for.",
        |world| {
            world.change_body(BUILD, |body| {
                body["environment"]["instanceId"] = json!("i-1");
                body["environment"]["workerConfig"] = json!({"a": [1]});
            });
        },
        None,
    ),
];

/// The same value, every map from its end to its beginning.
fn reversed(bytes: &[u8]) -> Vec<u8> {
    fn write(value: &serde_json::Value) -> String {
        match value.as_object() {
            None => value.to_string(),
            Some(members) => {
                let members: Vec<_> = members
                    .iter()
                    .rev()
                    .map(|(key, value)| format!("{} :\t{}", json!(key), write(value)))
                    .collect();
                format!("{{\r\n {} }}", members.join(" ,\n"))
            }
        }
    }
    write(&serde_json::from_slice(bytes).unwrap()).into_bytes()
}
