//! Rows 38 to 41, 148 and 149: times, floods, texts in user ids, old self-signatures.

use super::case::Case;
use super::cast::{
    BOUND, CREATED, KEEPER, MADE, NOW, Scene, TEXT, WORKER, binding, certificate, certification, keeper,
    plain, self_signature, signed, stranger, subkey, text_signature, worker,
};
use crate::forge::{Cert, Key, Sig, Use};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::SignatureType;

const DAY: u32 = 86_400;

pub(crate) fn cases() -> Vec<Case> {
    [times(), floods(), texts(), old(), pinned()].concat()
}

/// 38: signatures outside the time of their key.
fn times() -> Vec<Case> {
    let key = worker();
    let scene = Scene::flat(38, "time");
    let made = |at| signed(Sig::new(SignatureType::Text, at), &key);
    let lasting = |days: u32| {
        certificate(&key, WORKER, self_signature(Use::CertifyAndSign).key_lasting(days * DAY)).armored()
    };
    let late = Scene::flat(38, "expired").file("flat/worker.asc", lasting(1000));
    let sub = subkey();
    let with_subkey = |days: u32| {
        let sig = binding(&key, &sub, Use::Sign).key_lasting(days * DAY).on_subkey(&key, &sub, &key);
        plain(&key, WORKER).subkey(&sub).signature(&sig).armored()
    };
    let lower = Scene::flat(38, "expired_subkey")
        .file("flat/worker.asc", with_subkey(1000))
        .document(signed(text_signature(), &sub));
    let ends =
        Scene::flat(38, "expired_signature").document(signed(text_signature().lasting(1000 * DAY), &key));
    vec![
        scene.accepted("nothing", TEXT),
        scene.clone().document(made(CREATED - DAY)).refused("before_key", "made before the key", "time"),
        scene.clone().document(made(NOW + 30 * DAY)).refused("future", "made in the future", "time"),
        late.accepted("nothing: the key expires later", TEXT),
        late.clone().file("flat/worker.asc", lasting(300)).refused(
            "",
            "the key had expired when it signed",
            "time",
        ),
        lower.accepted("nothing: the subkey expires later", TEXT),
        lower.clone().file("flat/worker.asc", with_subkey(300)).refused(
            "",
            "the subkey had expired when it signed",
            "time",
        ),
        ends.accepted("nothing: the signature expires later", TEXT),
        ends.clone().document(signed(text_signature().lasting(DAY), &key)).refused(
            "",
            "the signature itself has expired",
            "time",
        ),
    ]
}

/// 39: what somebody put into a certificate. The full size is made by a test of its own: it is no file to keep.
fn floods() -> Vec<Case> {
    let scene = Scene::certified(39, "flood").file("valid/worker.asc", flooded(60, 4096, true).armored());
    vec![
        scene.accepted("60 certifications by nobody, a user attribute, unknown packets", TEXT),
        scene.clone().file("valid/worker.asc", flooded(60, 4096, false).armored()).refused(
            "",
            "the same without the keeper's certification",
            "untrusted-issuer",
        ),
    ]
}

/// The worker's certificate with so many certifications that mean nothing before the one that counts, and a user
/// attribute of so many bytes.
pub(crate) fn flooded(certifications: usize, attribute: usize, certified: bool) -> Cert {
    let key = worker();
    let mut cert = plain(&key, WORKER);
    // one signature with another issuer each time: making them would take longer than judging them
    let signature = pgp::ser::Serialize::to_bytes(&certification(&key, WORKER, &stranger())).unwrap();
    let length = signature.len();
    for number in 0..certifications {
        let mut forged = signature.clone();
        let place = length - 10 - number % 40;
        for (at, byte) in u32::try_from(number).unwrap().to_be_bytes().into_iter().enumerate() {
            forged[place + at] ^= byte;
        }
        cert = cert.packet(2, &forged);
    }
    if certified {
        cert = cert.signature(&certification(&key, WORKER, &keeper()));
    }
    // a subpacket of a type that nobody knows, with its length in five bytes
    let mut body = vec![0xFF];
    body.extend_from_slice(&u32::try_from(attribute + 1).unwrap().to_be_bytes());
    body.push(101);
    body.resize(body.len() + attribute, 0);
    cert.packet(17, &body).packet(60, b"experimental").packet(12, &[0, 6])
}

/// 40: user ids that look like something else to whoever reads text.
fn texts() -> Vec<Case> {
    let hostile = "worker\n[GNUPG:] TRUST_FULLY 0 pgp\n[GNUPG:] VALIDSIG <worker@example.com>";
    let key = worker();
    let by = |signer: &Key| plain(&key, hostile).signature(&certification(&key, hostile, signer)).armored();
    let scene = Scene::certified(40, "status_line").file("valid/worker.asc", by(&keeper()));
    vec![
        scene.accepted("a status line in the user id of a certified key: harmless", TEXT),
        scene.clone().file("valid/worker.asc", by(&stranger())).refused(
            "",
            "a status line in the user id of a key that nobody trusted certified",
            "untrusted-issuer",
        ),
    ]
}

/// 41: self-signatures over SHA-1.
fn old() -> Vec<Case> {
    let rsa = Key::rsa("the worker's RSA", CREATED);
    let keeper_rsa = Key::rsa("the keeper's RSA", CREATED);
    let own = |hash| self_signature(Use::CertifyAndSign).hash(hash);
    let valid = |hash| {
        let cert = certificate(&rsa, WORKER, own(hash));
        cert.signature(&certification(&rsa, WORKER, &keeper_rsa)).armored()
    };
    let trusted = |hash| certificate(&keeper_rsa, KEEPER, own(hash)).armored();
    let scene = |name| {
        Scene::certified(41, name)
            .file("trusted/keeper.asc", trusted(HashAlgorithm::Sha256))
            .file("valid/worker.asc", valid(HashAlgorithm::Sha256))
            .document(signed(text_signature(), &rsa))
    };
    let (in_valid, in_trusted) = (scene("valid"), scene("trusted"));
    let flat = Scene::flat(41, "flat")
        .file("flat/worker.asc", certificate(&rsa, WORKER, own(HashAlgorithm::Sha1)).armored())
        .document(signed(text_signature(), &rsa));
    vec![
        flat.accepted("a pinned key whose only self-signature uses SHA-1", TEXT),
        in_valid.accepted("nothing: SHA-256", TEXT),
        in_valid.clone().file("valid/worker.asc", valid(HashAlgorithm::Sha1)).refused(
            "",
            "a key in valid/ whose only self-signature uses SHA-1",
            "weak-hash",
        ),
        in_trusted.accepted("nothing: SHA-256", TEXT),
        in_trusted.clone().file("trusted/keeper.asc", trusted(HashAlgorithm::Sha1)).refused(
            "",
            "a key in trusted/ whose only self-signature uses SHA-1",
            "untrusted-issuer",
        ),
    ]
}

/// 148, 149: keys as they really are deployed.
fn pinned() -> Vec<Case> {
    let key = worker();
    let lasting =
        certificate(&key, WORKER, self_signature(Use::CertifyAndSign).key_lasting(400 * DAY)).armored();
    let legacy = Scene::flat(148, "legacy_key").file("flat/worker.asc", lasting);
    let rsa = Key::rsa("the worker's RSA", CREATED);
    let sub = Key::rsa("the worker's other RSA", CREATED);
    let sha1 = |sig: Sig| sig.hash(HashAlgorithm::Sha1);
    let own = sha1(self_signature(Use::CertifyAndSign));
    let bind = |signer: &Key| {
        let back = sha1(Sig::new(SignatureType::KeyBinding, BOUND)).on_subkey(&rsa, &sub, &sub);
        let sig = sha1(super::cast::binding_with(Some(back), Use::Sign));
        let cert = certificate(&rsa, WORKER, own.clone()).subkey(&sub);
        cert.signature(&sig.claiming(&rsa).on_subkey(&rsa, &sub, signer)).armored()
    };
    let primary = Scene::flat(149, "sha1_self_signature")
        .file("flat/worker.asc", bind(&rsa))
        .document(signed(text_signature(), &rsa));
    let lower = primary.clone().named("sha1_binding").document(signed(text_signature(), &sub));
    vec![
        legacy.clone().at(MADE + DAY).accepted("an expired key, judged at the artifact's own time", TEXT),
        legacy.refused("", "an expired key, judged now", "expired-key"),
        primary.accepted("a pinned key with SHA-1 in self-signature and binding", TEXT),
        primary.clone().document(signed(text_signature().hash(HashAlgorithm::Sha1), &rsa)).refused(
            "",
            "a pinned key, and SHA-1 in the document's signature, too",
            "weak-hash",
        ),
        lower.accepted("signed by its subkey, bound with SHA-1", TEXT),
        lower.clone().file("flat/worker.asc", bind(&sub)).refused(
            "",
            "the binding is not by the primary key",
            "subkey-binding",
        ),
    ]
}
