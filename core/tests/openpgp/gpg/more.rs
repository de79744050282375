//! More situations, in which primary key and subkey make no difference: of user ids, of certifications, of who gave them.

use super::situations::{BOUND, CREATED, DAY, Keepers, MADE, NOW, Subject, TEXT, hex};
use crate::forge::{Cert, Key, Sig, Use, armored_signature, canonical, clear_signed};
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{RevocationCode, SignatureType, SubpacketData};
use pgp::types::{RevocationKey, RevocationKeyClass};

const USER: &str = "worker <worker@example.com>";
const SECOND: &str = "second <second@example.com>";

/// A situation's name, and how its certificate is made.
type Made = (&'static str, fn(&Key, &Keepers) -> Cert);

/// All of them.
pub(crate) fn more(keepers: &Keepers) -> Vec<Subject> {
    let sound = |name: &str| Key::new(name, CREATED);
    let all: [Made; 12] = [
        ("user-id-revoked", user_id_revoked),
        ("one-user-id-revoked", one_user_id_revoked),
        ("other-user-id", other_user_id),
        ("certification-revoked", certification_revoked),
        ("certification-expired", |key, keepers| {
            given(key, certification(BOUND).lasting(DAY), &keepers.good)
        }),
        ("certification-future", |key, keepers| given(key, certification(NOW + 30 * DAY), &keepers.good)),
        ("second-hand", |key, _| given(key, certification(BOUND), &Key::new("valid, primary 1", CREATED))),
        ("keeper-expired", |key, keepers| given(key, certification(BOUND), &keepers.expired)),
        ("keeper-revoked", |key, keepers| given(key, certification(BOUND), &keepers.revoked)),
        ("keeper-signs-only", |key, keepers| given(key, certification(BOUND), &keepers.signer)),
        ("designated-revoker", designated_revoker),
        ("no-self-signature", no_self_signature),
    ];
    let make = |(name, make): &Made| {
        let key = sound(name);
        subject(name, &key, &make(&key, keepers), Sig::new)
    };
    let mut subjects: Vec<_> = all.iter().map(make).collect();
    let short = Key::rsa_of(1024, "short", CREATED);
    subjects.push(subject(
        "short-rsa",
        &short,
        &given(&short, certification(BOUND), &keepers.good),
        Sig::new,
    ));
    let key = sound("expired-signature");
    let cert = given(&key, certification(BOUND), &keepers.good);
    subjects.push(subject("expired-signature", &key, &cert, |kind, made| Sig::new(kind, made).lasting(DAY)));
    subjects
}

fn subject(name: &str, key: &Key, cert: &Cert, sig: impl Fn(SignatureType, u32) -> Sig) -> Subject {
    let sign = |kind, bytes: &[u8]| armored_signature(&sig(kind, MADE).over(bytes, key));
    Subject {
        name: name.to_owned(),
        certificate: cert.bytes().to_vec(),
        fingerprint: hex(&key.fingerprint()),
        clear_signed: clear_signed(TEXT, "SHA512", &sign(SignatureType::Text, &canonical(TEXT))).into_bytes(),
        signature: sign(SignatureType::Binary, TEXT.as_bytes()).into_bytes(),
    }
}

fn certification(made: u32) -> Sig {
    Sig::new(SignatureType::CertGeneric, made)
}

fn own(key: &Key, user: &str) -> pgp::packet::Signature {
    Sig::new(SignatureType::CertPositive, CREATED).usage(Use::CertifyAndSign).on_user(key, user, key)
}

/// A key with one user id, certified this way.
fn given(key: &Key, sig: Sig, by: &Key) -> Cert {
    Cert::new(key).user(USER).signature(&own(key, USER)).signature(&sig.on_user(key, USER, by))
}

/// The worker took back what the keeper had certified.
fn user_id_revoked(key: &Key, keepers: &Keepers) -> Cert {
    let revocation = Sig::new(SignatureType::CertRevocation, BOUND + DAY).on_user(key, USER, key);
    given(key, certification(BOUND), &keepers.good).signature(&revocation)
}

/// Of two certified user ids one is revoked.
fn one_user_id_revoked(key: &Key, keepers: &Keepers) -> Cert {
    let by_keeper = certification(BOUND).on_user(key, SECOND, &keepers.good);
    user_id_revoked(key, keepers).user(SECOND).signature(&own(key, SECOND)).signature(&by_keeper)
}

/// Of two user ids the keeper certified the second.
fn other_user_id(key: &Key, keepers: &Keepers) -> Cert {
    let by_keeper = certification(BOUND).on_user(key, SECOND, &keepers.good);
    let first = Cert::new(key).user(USER).signature(&own(key, USER));
    first.user(SECOND).signature(&own(key, SECOND)).signature(&by_keeper)
}

/// The keeper took the certification back.
fn certification_revoked(key: &Key, keepers: &Keepers) -> Cert {
    let revocation = Sig::new(SignatureType::CertRevocation, BOUND + DAY).on_user(key, USER, &keepers.good);
    given(key, certification(BOUND), &keepers.good).signature(&revocation)
}

/// The key named the keeper as somebody who may revoke it, and the keeper did.
fn designated_revoker(key: &Key, keepers: &Keepers) -> Cert {
    let keeper = &keepers.good;
    let fingerprint = keeper.fingerprint();
    let named = RevocationKey::new(
        RevocationKeyClass::Default,
        PublicKeyAlgorithm::EdDSALegacy,
        fingerprint.as_bytes(),
    );
    let direct =
        Sig::new(SignatureType::Key, CREATED).with(SubpacketData::RevocationKey(named)).on_key(key, key);
    let revocation =
        Sig::new(SignatureType::KeyRevocation, MADE + DAY).reason(RevocationCode::KeyCompromised);
    let start = Cert::new(key).signature(&revocation.on_key(key, keeper)).signature(&direct);
    let by_keeper = certification(BOUND).on_user(key, USER, keeper);
    start.user(USER).signature(&own(key, USER)).signature(&by_keeper)
}

/// Nobody but the keeper says that the user id belongs to the key.
fn no_self_signature(key: &Key, keepers: &Keepers) -> Cert {
    Cert::new(key).user(USER).signature(&certification(BOUND).on_user(key, USER, &keepers.good))
}
