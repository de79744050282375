//! Rows 19, 20 and what the classic generation has of its own.

use crate::folders::{Attack, Benign, Plan};
use crate::release::{BUILD, DECISION, IMAGE, keys, openpgp_key};
use crate::world::{ATTESTATION, CLEAR_SIGNED, SIGNATURE, World, document, key, present};
use scriptworker_core::cot::reason::Reason;
use scriptworker_core::json::format_json;
use serde_json::json;

const RELEASE: &str = "release_classic_pass";

pub(super) fn add(plan: &mut Plan) {
    plan.attacks(RELEASE, World::classic, DOCUMENTS);
    plan.benign(World::classic, BENIGN);
    plan.attacks("row_019_both_forms_pass", both, BOTH);
}

fn clear_signed(world: &mut World, change: impl FnOnce(String) -> String) {
    world.damage(&document(BUILD, CLEAR_SIGNED), |bytes| {
        Some(change(String::from_utf8(bytes).unwrap()).into_bytes())
    });
}

const DOCUMENTS: &[Attack] = &[
    (
        1,
        "changed_text",
        "One byte of the build's clear-signed attestation was changed.",
        |world| clear_signed(world, |text| text.replacen("w-1", "w-2", 1)),
        &[(BUILD, Reason::Signature)],
    ),
    (
        3,
        "unheard_of_openpgp_key",
        "The build's attestation is clear-signed with a key that no keyring has.",
        |world| drop(world.clear_signers.insert(BUILD, openpgp_key(9))),
        &[(BUILD, Reason::UnknownKey)],
    ),
    (
        4,
        "scriptworker_openpgp_key",
        "The build's attestation is clear-signed with a scriptworker's key.",
        |world| drop(world.clear_signers.insert(BUILD, openpgp_key(3))),
        &[(BUILD, Reason::WrongKeyClass)],
    ),
    (
        9,
        "no_clear_signed_attestation",
        "The build has no attestation.",
        |world| drop(world.clear_signers.remove(BUILD)),
        &[(BUILD, Reason::MissingSignature)],
    ),
    (
        20,
        "another_form",
        "The clear-signed attestation was taken away; one in a form that is not accepted is left.",
        |world| {
            world.clear_signers.remove(BUILD);
            world.signers.insert(BUILD, key(1));
        },
        &[(BUILD, Reason::WeakForm)],
    ),
    (
        21,
        "text_after_the_signature",
        "Unsigned text stands after the build's signature.",
        |world| clear_signed(world, |text| text + "more\n"),
        &[(BUILD, Reason::TrailingData)],
    ),
    (
        22,
        "text_before_the_message",
        "Unsigned text stands before the build's signed text.",
        |world| clear_signed(world, |text| format!("more\n{text}")),
        &[(BUILD, Reason::LeadingData)],
    ),
    (
        23,
        "message_of_another_task",
        "The decision task's message stands before the build's.",
        |world| {
            let other = String::from_utf8(world.bytes(&document(DECISION, CLEAR_SIGNED)).unwrap()).unwrap();
            clear_signed(world, |text| other + &text);
        },
        &[(BUILD, Reason::MultipleMessages)],
    ),
    (
        29,
        "plain_json",
        "The build's attestation is plain JSON under the name of a clear-signed one.",
        |world| {
            let body = format_json(&world.bodies[BUILD]);
            world.answers.insert(document(BUILD, CLEAR_SIGNED), present(body));
        },
        &[(BUILD, Reason::Format)],
    ),
];

/// A worker in the middle of an upgrade: both forms are accepted of it, and both are there.
fn both() -> World {
    let mut world = World::classic();
    accept_both(&mut world);
    world
}

fn accept_both(world: &mut World) {
    world.policy.insert("/attestations/docker-worker", json!([{"form": "ed25519"}, {"form": "openpgp"}]));
    world.policy.insert("/ed25519_public_keys", keys());
    world.signers.insert(BUILD, key(1));
}

const BOTH: &[Attack] = &[
    (
        19,
        "forms_that_contradict",
        "The attestation with the ed25519 signature says something else than the clear-signed one.",
        |world| {
            let mut other = world.bodies[BUILD].clone();
            other["artifacts"]["public/more"] = json!({"sha256": "0".repeat(64)});
            let body = format_json(&other);
            let signature = key(1).sign(body.as_bytes()).as_bytes().to_vec();
            world.answers.insert(document(BUILD, ATTESTATION), present(body));
            world.answers.insert(document(BUILD, SIGNATURE), present(signature));
        },
        &[(BUILD, Reason::ConflictingAttestations)],
    ),
    (
        20,
        "signature_taken_away",
        "The signature of the preferred form was taken away, so that the other one would count.",
        |world| world.damage(&document(BUILD, SIGNATURE), |_| None),
        &[(BUILD, Reason::MissingSignature)],
    ),
    (
        20,
        "form_out_of_date",
        "The policy takes the clear-signed form until a time that has passed, and nothing else is there.",
        |world| {
            let until = "2026-11-01T00:00:00Z";
            let forms = json!([{"form": "ed25519"}, {"form": "openpgp", "until": until}]);
            world.policy.insert("/attestations/docker-worker", forms);
            world.signers.remove(BUILD);
        },
        &[(BUILD, Reason::WeakForm), (DECISION, Reason::WeakForm), (IMAGE, Reason::WeakForm)],
    ),
];

const BENIGN: &[Benign] = &[(
    19,
    "both_forms",
    "Both forms of the build's attestation are there and say the same.",
    accept_both,
    None,
)];
