//! Rows 32 to 37: who is trusted, and with what.

use super::case::Case;
use super::cast::{
    BOUND, CREATED, KEEPER, MADE, Scene, TEXT, WORKER, binding, binding_with, certificate, certification,
    certification_with, keeper, plain, self_signature, signed, stranger, subkey, text_signature, worker,
};
use crate::forge::{Cert, Key, Sig, Use};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{RevocationCode, SignatureType, SubpacketData};

pub(crate) fn cases() -> Vec<Case> {
    [certifications(), bindings(), flags(), revoked_keys(), revoked_certifications(), false_revocations()]
        .concat()
}

/// The worker's certificate with what comes after its self-signature.
fn worker_with(signatures: &[pgp::packet::Signature]) -> String {
    signatures.iter().fold(plain(&worker(), WORKER), Cert::signature).armored()
}

/// 32, 33: certifications that are worth nothing.
fn certifications() -> Vec<Case> {
    let rsa = Key::rsa("the keeper's RSA", CREATED);
    let by_rsa = |hash| {
        let sig = Sig::new(SignatureType::CertGeneric, BOUND).hash(hash);
        worker_with(&[certification_with(sig, &worker(), WORKER, &rsa)])
    };
    let weak = Scene::certified(32, "weak_certification")
        .file("trusted/keeper.asc", plain(&rsa, KEEPER).armored())
        .file("valid/worker.asc", by_rsa(HashAlgorithm::Sha256));
    let issuer = Scene::certified(33, "issuer");
    let by = |sig: Sig, signer: &Key| worker_with(&[sig.on_user(&worker(), WORKER, signer)]);
    let generic = || Sig::new(SignatureType::CertGeneric, BOUND);
    let elsewhere = generic().on_user(&worker(), "somebody <else@example.com>", &keeper());
    let to_issuer = |variant, content: String, what| {
        issuer.clone().file("valid/worker.asc", content).refused(variant, what, "untrusted-issuer")
    };
    vec![
        weak.accepted("nothing: the certification uses SHA-256", TEXT),
        weak.clone().file("valid/worker.asc", by_rsa(HashAlgorithm::Sha1)).refused(
            "",
            "the keeper's certification uses SHA-1",
            "weak-certification",
        ),
        weak.clone().file("valid/worker.asc", by_rsa(HashAlgorithm::Md5)).refused(
            "md5",
            "the keeper's certification uses MD5",
            "weak-certification",
        ),
        issuer.accepted("nothing", TEXT),
        to_issuer("", by(generic(), &stranger()), "certified by a stranger"),
        to_issuer("nobody", worker_with(&[]), "certified by nobody"),
        to_issuer(
            "claimed",
            by(generic().claiming(&keeper()), &stranger()),
            "certified by a stranger as the keeper",
        ),
        to_issuer("other_user", worker_with(&[elsewhere]), "a certification of another user id"),
        to_issuer(
            "subkey",
            by(generic().claiming(&keeper()), &subkey()),
            "certified by a key that is no primary key in trusted/",
        ),
        issuer.clone().file("valid/worker.asc", by(generic().lasting(86_400), &keeper())).refused(
            "lapsed",
            "a certification that has expired",
            "expired-certification",
        ),
        to_issuer(
            "future",
            by(Sig::new(SignatureType::CertGeneric, MADE + 365 * 86_400), &keeper()),
            "a certification from the future",
        ),
    ]
}

/// 34: subkeys that somebody put there.
fn bindings() -> Vec<Case> {
    let (key, sub) = (worker(), subkey());
    let start = || plain(&key, WORKER).signature(&certification(&key, WORKER, &keeper()));
    let bound_by =
        |sig: Sig, signer: &Key| start().subkey(&sub).signature(&sig.on_subkey(&key, &sub, signer));
    let scene = Scene::certified(34, "subkey")
        .file("valid/worker.asc", bound_by(binding(&key, &sub, Use::Sign), &key).armored())
        .document(signed(text_signature(), &sub));
    let back = |signer: &Key| Sig::new(SignatureType::KeyBinding, BOUND).on_subkey(&key, &sub, signer);
    let refused = |variant, cert: Cert, what, code| {
        scene.clone().file("valid/worker.asc", cert.armored()).refused(variant, what, code)
    };
    let foreign = binding_with(Some(back(&stranger()).clone()), Use::Sign);
    let users = |second: bool| {
        let own = self_signature(Use::CertifyAndSign).on_user(&key, "second <second@example.com>", &key);
        let cert = plain(&key, WORKER);
        let cert = if second { cert } else { cert.signature(&certification(&key, WORKER, &keeper())) };
        cert.user("second <second@example.com>").signature(&own)
    };
    let naming = signed(
        text_signature().with(SubpacketData::SignersUserID("second <second@example.com>".as_bytes().into())),
        &key,
    );
    let other = Scene::certified(34, "other_user_id").file("valid/worker.asc", users(false).armored());
    vec![
        scene.accepted("nothing: bound, and bound back", TEXT),
        refused("unbound", start().subkey(&sub), "no binding at all", "subkey-binding"),
        refused(
            "foreign_binding",
            bound_by(binding(&key, &sub, Use::Sign).claiming(&key), &stranger()),
            "a binding by a stranger",
            "subkey-binding",
        ),
        refused(
            "no_back",
            bound_by(binding_with(None, Use::Sign), &key),
            "no back-signature",
            "subkey-binding",
        ),
        refused("foreign_back", bound_by(foreign, &key), "a back-signature by a stranger", "subkey-binding"),
        other.accepted("nothing: one of two user ids is certified", TEXT),
        other.clone().file("valid/worker.asc", users(true).armored()).refused(
            "",
            "neither user id is certified",
            "untrusted-issuer",
        ),
        other.clone().named("signer_user_id").document(naming).accepted(
            "the signature names the user id that is not certified: it is the key that counts",
            TEXT,
        ),
    ]
}

/// 35: keys that may not sign.
fn flags() -> Vec<Case> {
    let (key, sub) = (worker(), subkey());
    let with = |usage| {
        let sig = binding(&key, &sub, usage).on_subkey(&key, &sub, &key);
        plain(&key, WORKER).subkey(&sub).signature(&sig).armored()
    };
    let lower = Scene::flat(35, "subkey_flags")
        .file("flat/worker.asc", with(Use::Sign))
        .document(signed(text_signature(), &sub));
    let primary = Scene::flat(35, "primary_flags");
    let certify_only = certificate(&key, WORKER, self_signature(Use::Certify)).armored();
    let stale = plain(&key, WORKER).signature(
        &Sig::new(SignatureType::CertPositive, BOUND).usage(Use::Certify).on_user(&key, WORKER, &key),
    );
    vec![
        lower.accepted("nothing", TEXT),
        lower.clone().file("flat/worker.asc", with(Use::Encrypt)).refused(
            "",
            "signed by a subkey for encryption",
            "key-flags",
        ),
        primary.accepted("nothing", TEXT),
        primary.clone().file("flat/worker.asc", certify_only).refused(
            "",
            "signed by a primary key that only certifies",
            "key-flags",
        ),
        primary.clone().file("flat/worker.asc", stale.armored()).refused(
            "newer",
            "the newest self-signature takes the right to sign away",
            "key-flags",
        ),
    ]
}

/// A revocation of the primary key.
fn key_revocation(made: u32) -> Sig {
    Sig::new(SignatureType::KeyRevocation, made)
}

/// 36: revoked keys.
fn revoked_keys() -> Vec<Case> {
    let (key, sub) = (worker(), subkey());
    let primary = Scene::flat(36, "primary");
    let revoked = |sig: Sig| {
        let start = Cert::new(&key).signature(&sig.on_key(&key, &key));
        let own = self_signature(Use::CertifyAndSign).on_user(&key, WORKER, &key);
        start.user(WORKER).signature(&own).armored()
    };
    let refused = |variant, sig, what| {
        primary.clone().file("flat/worker.asc", revoked(sig)).refused(variant, what, "revoked")
    };
    let bound = || {
        let sig = binding(&key, &sub, Use::Sign).on_subkey(&key, &sub, &key);
        plain(&key, WORKER).subkey(&sub).signature(&sig)
    };
    let lower = Scene::flat(36, "subkey")
        .file("flat/worker.asc", bound().armored())
        .document(signed(text_signature(), &sub));
    let sub_revocation = |code| {
        let sig = Sig::new(SignatureType::SubkeyRevocation, MADE - 86_400).reason(code);
        bound().signature(&sig.on_subkey(&key, &sub, &key)).armored()
    };
    let at = MADE - 86_400;
    vec![
        primary.accepted("nothing", TEXT),
        refused("", key_revocation(at).reason(RevocationCode::KeyCompromised), "revoked: compromised"),
        refused("no_reason", key_revocation(at), "revoked without a reason"),
        refused(
            "superseded",
            key_revocation(at).reason(RevocationCode::KeySuperseded),
            "superseded before it signed",
        ),
        refused(
            "later",
            key_revocation(MADE + 86_400).reason(RevocationCode::KeyCompromised),
            "compromised, as was found out after it signed",
        ),
        lower.accepted("nothing", TEXT),
        lower.clone().file("flat/worker.asc", sub_revocation(RevocationCode::KeyCompromised)).refused(
            "",
            "the subkey is revoked: compromised",
            "revoked",
        ),
        lower.clone().file("flat/worker.asc", sub_revocation(RevocationCode::KeyRetired)).refused(
            "retired",
            "the subkey is revoked: retired before it signed",
            "revoked",
        ),
    ]
}

/// 36: revoked certifications.
fn revoked_certifications() -> Vec<Case> {
    let certified = Scene::certified(36, "certification");
    let given = certification(&worker(), WORKER, &keeper());
    let taken = |made, signer: &Key, claimed: &Key| {
        Sig::new(SignatureType::CertRevocation, made).claiming(claimed).on_user(&worker(), WORKER, signer)
    };
    let own = taken(BOUND + 1, &worker(), &worker());
    let keeper = keeper();
    vec![
        certified.accepted("nothing", TEXT),
        certified
            .clone()
            .file("valid/worker.asc", worker_with(&[given.clone(), taken(BOUND + 1, &keeper, &keeper)]))
            .refused("", "the keeper took the certification back", "revoked"),
        certified.clone().file("valid/worker.asc", worker_with(&[given.clone(), own])).refused(
            "own",
            "the worker revoked the user id",
            "revoked",
        ),
        certified
            .clone()
            .named("certification_again")
            .file(
                "valid/worker.asc",
                worker_with(&[given.clone(), taken(BOUND + 1, &keeper, &keeper), {
                    Sig::new(SignatureType::CertGeneric, BOUND + 2).on_user(&worker(), WORKER, &keeper)
                }]),
            )
            .accepted("taken back, and given again later", TEXT),
    ]
}

/// 37: revocations that are none.
fn false_revocations() -> Vec<Case> {
    let key = worker();
    let own = || self_signature(Use::CertifyAndSign).on_user(&key, WORKER, &key);
    let with = |signer: &Key| {
        let sig = key_revocation(BOUND).claiming(&key).on_key(&key, signer);
        Cert::new(&key).signature(&sig).user(WORKER).signature(&own()).armored()
    };
    let scene = Scene::flat(37, "false_revocation").file("flat/worker.asc", with(&stranger()));
    let certified = Scene::certified(37, "false_certification_revocation");
    let taken = |signer: &Key| {
        let sig = Sig::new(SignatureType::CertRevocation, BOUND + 1).claiming(&keeper());
        worker_with(&[certification(&key, WORKER, &keeper()), sig.on_user(&key, WORKER, signer)])
    };
    let certified = certified.file("valid/worker.asc", taken(&stranger()));
    vec![
        scene.accepted("a stranger's revocation in the key's name", TEXT),
        scene.clone().file("flat/worker.asc", with(&key)).refused(
            "",
            "the same revocation, made by the key",
            "revoked",
        ),
        certified.accepted("a stranger's revocation of the certification in the keeper's name", TEXT),
        certified.clone().file("valid/worker.asc", taken(&keeper())).refused(
            "",
            "the same revocation, made by the keeper",
            "revoked",
        ),
    ]
}
