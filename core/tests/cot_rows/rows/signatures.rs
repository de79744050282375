//! Rows 1 to 20: keys and signatures of the current generation.

use crate::folders::{Attack, Benign, Plan};
use crate::release::{BUILD, IMAGE, SIGNING};
use crate::world::{ATTESTATION, SIGNATURE, World, completed, document, key};
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};

const RELEASE: &str = "release_current_pass";

pub(super) fn add(plan: &mut Plan) {
    plan.attacks(RELEASE, World::release, DOCUMENTS);
    plan.attacks(RELEASE, World::release, FORMS);
    plan.attacks(RELEASE, World::release, IMPLEMENTATIONS);
    plan.benign(World::release, BENIGN);
    plan.attacks("row_005_shared_key_pass", shared, SHARED);
    plan.attacks("row_015_superseded_key_pass", || rotated("superseded", AFTER), WINDOWS);
}

fn signature(world: &mut World, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    world.damage(&document(BUILD, SIGNATURE), change);
}

const DOCUMENTS: &[Attack] = &[
    (
        1,
        "changed_byte",
        "One byte of the build's attestation was changed after it was signed.",
        |world| {
            world.damage(&document(BUILD, ATTESTATION), |bytes| {
                Some(String::from_utf8(bytes).unwrap().replacen("w-1", "w-2", 1).into_bytes())
            });
        },
        &[(BUILD, Reason::Signature)],
    ),
    (
        2,
        "written_anew",
        "The build's attestation says the same in other bytes, under the old signature.",
        |world| {
            world.damage(&document(BUILD, ATTESTATION), |bytes| {
                Some(serde_json::from_slice::<Value>(&bytes).unwrap().to_string().into_bytes())
            });
        },
        &[(BUILD, Reason::Signature)],
    ),
    (
        3,
        "unheard_of_key",
        "The build's attestation is signed with a key that no list has.",
        |world| drop(world.signers.insert(BUILD, key(9))),
        &[(BUILD, Reason::Signature)],
    ),
    (
        3,
        "stranger",
        "The build's attestation is signed with a key that is known to count for nothing.",
        |world| {
            world.policy.insert("/foreign_ed25519_public_keys", json!([key(9).public().to_string()]));
            world.signers.insert(BUILD, key(9));
        },
        &[(BUILD, Reason::UnknownKey)],
    ),
    (
        4,
        "scriptworker_key",
        "The build's attestation is signed with a scriptworker's key.",
        |world| drop(world.signers.insert(BUILD, key(3))),
        &[(BUILD, Reason::WrongKeyClass)],
    ),
    (
        9,
        "no_signature",
        "The build's attestation has no signature.",
        |world| signature(world, |_| None),
        &[(BUILD, Reason::MissingSignature)],
    ),
    (
        9,
        "no_attestation",
        "The build has no attestation at all: it was made without the feature.",
        |world| drop(world.signers.remove(BUILD)),
        &[(BUILD, Reason::MissingSignature)],
    ),
    (
        12,
        "great_scalar",
        "The build's signature has a scalar beyond the group's order.",
        |world| signature(world, |bytes| Some(with_order_added(bytes))),
        &[(BUILD, Reason::Signature)],
    ),
    (
        12,
        "small_order",
        "The build's signature has a point of small order and the scalar zero.",
        |world| signature(world, |_| Some([&[1_u8][..], &[0; 63]].concat())),
        &[(BUILD, Reason::Signature)],
    ),
    (
        18,
        "not_checked",
        "Signatures are not checked, and a restricted scope is asked for.",
        |world| world.check_signatures = false,
        &[(SIGNING, Reason::Policy)],
    ),
];

/// The same scalar, once around the group: L = 2^252 + 27742317777372353535851937790883648493.
fn with_order_added(mut signature: Vec<u8>) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0_u16;
    for (place, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*place) + u16::from(order) + carry;
        *place = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    signature
}

const FORMS: &[Attack] = &[
    (
        10,
        "empty",
        "The build's signature is empty.",
        |world| signature(world, |_| Some(Vec::new())),
        &[(BUILD, Reason::SignatureFormat)],
    ),
    (
        10,
        "byte_short",
        "The build's signature lacks its last byte.",
        |world| signature(world, |bytes| Some(bytes[..63].to_vec())),
        &[(BUILD, Reason::SignatureFormat)],
    ),
    (
        10,
        "byte_long",
        "The build's signature has a byte more.",
        |world| signature(world, |bytes| Some([&bytes[..], b"\n"].concat())),
        &[(BUILD, Reason::SignatureFormat)],
    ),
    (
        10,
        "hexadecimal",
        "The build's signature is written in hexadecimal digits.",
        |world| {
            signature(world, |bytes| {
                Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
            });
        },
        &[(BUILD, Reason::SignatureFormat)],
    ),
    (
        10,
        "armored",
        "The build's signature is in armor.",
        |world| {
            signature(world, |_| {
                Some(b"-----BEGIN SIGNATURE-----\nAAAA\n-----END SIGNATURE-----\n".to_vec())
            });
        },
        &[(BUILD, Reason::SignatureFormat)],
    ),
    (
        11,
        "two_signatures",
        "A bad signature stands before the good one.",
        |world| signature(world, |bytes| Some([&[7; 64][..], &bytes].concat())),
        &[(BUILD, Reason::SignatureFormat)],
    ),
];

fn tagged(world: &mut World, task: &'static str, tag: &str) {
    world.change_task(task, |definition| definition["tags"] = json!({"worker-implementation": tag}));
}

const IMPLEMENTATIONS: &[Attack] = &[
    (
        6,
        "own_word",
        "A build without an image says that a scriptworker ran it, and a scriptworker's key signs.",
        |world| {
            world.change_task(IMAGE, |task| drop(task["payload"].as_object_mut().unwrap().remove("image")));
            tagged(world, IMAGE, "scriptworker");
            world.signers.insert(IMAGE, key(3));
        },
        &[(IMAGE, Reason::Implementation)],
    ),
    (
        6,
        "mapped_pool",
        "The policy maps the build's pool to docker-worker; the build says that it is generic-worker's.",
        |world| {
            world.policy.insert(
                "/pools",
                json!([
                    {"pool": "scriptworker-k8s/*", "implementation": "scriptworker"},
                    {"pool": "gecko-3/*", "implementation": "docker-worker"},
                ]),
            );
            tagged(world, BUILD, "generic-worker");
        },
        &[(BUILD, Reason::Implementation)],
    ),
    (
        7,
        "two_hints",
        "The build has an image, and says that generic-worker ran it.",
        |world| tagged(world, BUILD, "generic-worker"),
        &[(BUILD, Reason::Ambiguous)],
    ),
    (
        8,
        "unheard_of",
        "An image task without an image says that a worker ran it of which nobody has heard.",
        |world| {
            world.change_task(IMAGE, |task| drop(task["payload"].as_object_mut().unwrap().remove("image")));
            tagged(world, IMAGE, "taskcluster-worker");
        },
        &[(IMAGE, Reason::UnknownImplementation)],
    ),
    (
        8,
        "no_hint",
        "Nothing tells which worker ran the image task.",
        |world| {
            world.change_task(IMAGE, |task| drop(task["payload"].as_object_mut().unwrap().remove("image")))
        },
        &[(IMAGE, Reason::UnknownImplementation)],
    ),
];

/// One key for both workers that run tasks written for docker-worker.
fn shared() -> World {
    let mut world = World::release();
    share(&mut world);
    world
}

fn share(world: &mut World) {
    let lists = json!({
        "docker-worker": [key(1).public().to_string(), key(2).public().to_string()],
        "generic-worker": [key(2).public().to_string()], "scriptworker": [key(3).public().to_string()],
    });
    world.config.insert("ed25519_public_keys".to_owned(), lists);
    world.policy.insert("/shared_ed25519_public_keys", json!([key(2).public().to_string()]));
    world.signers.insert(BUILD, key(2));
}

const SHARED: &[Attack] = &[(
    5,
    "key_not_shared",
    "generic-worker's key signs, and is not listed for docker-worker.",
    |world| drop(world.config.remove("ed25519_public_keys")),
    &[(BUILD, Reason::WrongKeyClass)],
)];

const BEFORE: &str = "2026-11-25T20:30:00.000Z";
const AFTER: &str = "2026-11-25T21:30:00.000Z";

/// The build's key is out of use; it was valid until then. The build was resolved at nine.
fn rotated(reason: &str, not_after: &str) -> World {
    let mut world = World::release();
    rotate(
        &mut world,
        json!({"key": key(4).public().to_string(), "not_after": not_after, "retired": reason}),
    );
    world
}

fn rotate(world: &mut World, old: Value) {
    let mut lists = crate::release::keys();
    lists["docker-worker"].as_array_mut().unwrap().push(old);
    world.config.insert("ed25519_public_keys".to_owned(), lists);
    world.signers.insert(BUILD, key(4));
}

const WINDOWS: &[Attack] = &[
    (
        13,
        "withdrawn_key",
        "The build's key was taken out of the list for good.",
        |world| rotate(world, json!({"key": key(4).public().to_string(), "retired": "withdrawn"})),
        &[(BUILD, Reason::RevokedKey)],
    ),
    (
        13,
        "compromised_key",
        "Somebody else may have the build's key, whenever it signed.",
        |world| {
            let old =
                json!({"key": key(4).public().to_string(), "not_after": AFTER, "retired": "compromised"});
            rotate(world, old);
        },
        &[(BUILD, Reason::RevokedKey)],
    ),
    (
        14,
        "key_that_had_ended",
        "The build's key had ended when the build was resolved.",
        |world| rotate(world, json!({"key": key(4).public().to_string(), "not_after": BEFORE})),
        &[(BUILD, Reason::ExpiredKey)],
    ),
    (
        15,
        "superseded_before",
        "The build's key was replaced before the build was resolved.",
        |world| {
            let old =
                json!({"key": key(4).public().to_string(), "not_after": BEFORE, "retired": "superseded"});
            rotate(world, old);
        },
        &[(BUILD, Reason::ExpiredKey)],
    ),
    (
        15,
        "resolved_afterwards",
        "The build was resolved after its key's time, in another run record.",
        |world| {
            let mut run = completed(0);
            run["resolved"] = json!("2026-11-25T21:45:00.000Z");
            world.runs.insert(BUILD, json!([run]));
        },
        &[(BUILD, Reason::ExpiredKey)],
    ),
];

const BENIGN: &[Benign] = &[
    (5, "shared_key", "generic-worker's key signs, and is listed for docker-worker, too.", share, None),
    (
        15,
        "superseded_key",
        "The build was signed before its key was replaced.",
        |world| *world = rotated("superseded", AFTER),
        None,
    ),
];
