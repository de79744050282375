//! Who makes whom count: certifications, hashes that are too weak, and several copies of one key.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, clippy::indexing_slicing, reason = "a kit for several tests; digests are long enough")]
mod openpgp_support;

use openpgp_support::forge::{Cert, Key, Sig, Use};
use openpgp_support::*;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use scriptworker_core::openpgp::{
    Certificate, Fingerprint, Hash, HashException, KeyReason, KeyWarning, Keyring, Refusal, SignaturePolicy,
};

#[test]
fn a_valid_key_needs_a_certification_that_holds() {
    let key = Key::new("signer", MADE);
    let trusted = Key::new("trusted", MADE);
    let by = |made| Sig::new(SignatureType::CertGeneric, made);
    let revoke = |made| Sig::new(SignatureType::CertRevocation, made).on_user(&key, USER, &trusted);
    let good = by(MADE + DAY).on_user(&key, USER, &trusted);
    let stranger = Key::new("stranger", MADE);
    let later = MADE + 20 * DAY;
    let cases: Vec<(&str, Vec<Signature>, Option<&str>)> = vec![
        ("certified", vec![good.clone()], None),
        ("not at all", vec![], Some("untrusted-issuer")),
        ("by a stranger", vec![by(MADE).on_user(&key, USER, &stranger)], Some("untrusted-issuer")),
        (
            "forged",
            vec![by(MADE).claiming(&trusted).on_user(&key, USER, &stranger)],
            Some("untrusted-issuer"),
        ),
        ("another user id", vec![by(MADE).on_user(&key, "Another", &trusted)], Some("untrusted-issuer")),
        ("in the future", vec![by(later + DAY).on_user(&key, USER, &trusted)], Some("untrusted-issuer")),
        ("expired", vec![by(MADE).lasting(DAY).on_user(&key, USER, &trusted)], Some("expired-certification")),
        (
            "expired and renewed",
            vec![by(MADE).lasting(DAY).on_user(&key, USER, &trusted), good.clone()],
            None,
        ),
        ("revoked", vec![good.clone(), revoke(MADE + 2 * DAY)], Some("revoked")),
        ("revoked in the same second", vec![good.clone(), revoke(MADE + DAY)], Some("revoked")),
        ("revoked and renewed", vec![revoke(MADE), good.clone()], None),
        (
            "revoked by a stranger",
            vec![
                good.clone(),
                Sig::new(SignatureType::CertRevocation, later)
                    .claiming(&trusted)
                    .on_user(&key, USER, &stranger),
            ],
            None,
        ),
    ];
    for (name, certifications, expected) in cases {
        let cert = certifications.iter().fold(simple(&key), Cert::signature);
        let keyring = signed(&[&simple(&trusted)], &cert);
        assert_eq!(code(&keyring, &key, later), expected, "{name}");
        let listed = keyring.keys(at(later)).pop().unwrap().state.err().map(|reason| reason.code());
        assert_eq!(listed, expected, "{name}, listed");
        assert_eq!(code(&keyring, &trusted, later), None, "a trusted key signs, too");
    }
}

#[test]
fn a_trusted_key_that_does_not_count_certifies_nothing() {
    let key = Key::new("signer", MADE);
    let trusted = Key::new("trusted", MADE);
    let cert =
        simple(&key).signature(&Sig::new(SignatureType::CertGeneric, MADE).on_user(&key, USER, &trusted));
    let later = MADE + 20 * DAY;
    let revoked = Sig::new(SignatureType::KeyRevocation, MADE + DAY).on_key(&trusted, &trusted);
    for issuer in [
        simple(&trusted).signature(&revoked),
        Cert::new(&trusted)
            .user(USER)
            .signature(&own_sig(MADE).key_lasting(DAY).on_user(&trusted, USER, &trusted)),
        Cert::new(&trusted).user(USER).signature(
            &Sig::new(SignatureType::CertPositive, MADE).usage(Use::Sign).on_user(&trusted, USER, &trusted),
        ),
        Cert::new(&trusted).user(USER),
    ] {
        let keyring = signed(&[&issuer], &cert);
        let refusal = keyring.verify_clear_signed(document(&key).as_bytes(), at(later)).unwrap_err();
        assert!(
            matches!(refusal, Refusal::Key { reason: KeyReason::UnusableIssuer { .. }, .. }),
            "{refusal:?}"
        );
        // A second one that does count is enough.
        let other = Key::new("other", MADE);
        let both =
            cert.clone().signature(&Sig::new(SignatureType::CertGeneric, MADE).on_user(&key, USER, &other));
        assert_eq!(code(&signed(&[&issuer, &simple(&other)], &both), &key, later), None);
    }
}

#[test]
fn sha1_is_weak_and_a_pinned_key_gets_a_warning() {
    let key = Key::rsa("signer", MADE);
    let sha1 = HashAlgorithm::Sha1;
    let cert = Cert::new(&key).user(USER).signature(&own_sig(MADE).hash(sha1).on_user(&key, USER, &key));
    let keyring = flat(&cert);
    let signed_text = keyring.verify_clear_signed(document(&key).as_bytes(), at(SIGNED)).unwrap();
    let warning = KeyWarning::WeakSelfSignature { hash: Hash::Sha1 };
    assert_eq!(signed_text.signature.warnings, [warning]);
    assert_eq!(keyring.keys(at(SIGNED)).remove(0).warnings, [warning]);
    let weak = document_with(Sig::new(SignatureType::Text, SIGNED).hash(sha1), &key);
    let refusal = keyring.verify_clear_signed(weak.as_bytes(), at(SIGNED)).unwrap_err();
    assert_eq!(refusal, Refusal::WeakHash { hash: Some(Hash::Sha1), number: 2 });

    let trusted = Key::rsa("trusted", MADE);
    let by = Sig::new(SignatureType::CertGeneric, MADE);
    let certified = cert.clone().signature(&by.clone().on_user(&key, USER, &trusted));
    assert_eq!(code(&signed(&[&simple(&trusted)], &certified), &key, SIGNED), Some("weak-hash"));
    assert_eq!(code(&signed(&[&cert], &simple(&trusted)), &key, SIGNED), Some("weak-hash"), "trusted");
    let weakly = simple(&key).signature(&by.hash(sha1).on_user(&key, USER, &trusted));
    assert_eq!(code(&signed(&[&simple(&trusted)], &weakly), &key, SIGNED), Some("weak-certification"));

    let named = |key: &Key| HashException {
        key: Fingerprint::from_bytes(key.fingerprint().as_bytes()).unwrap(),
        hash: Hash::Sha1,
        made_before: at(SIGNED + 1),
    };
    let policy =
        SignaturePolicy { exceptions: vec![named(&key), named(&trusted)], ..SignaturePolicy::default() };
    let keyring = Keyring::signed(vec![parse(&simple(&trusted))], vec![parse(&weakly)], policy);
    keyring.verify_clear_signed(weak.as_bytes(), at(SIGNED)).unwrap();
    let later = document_with(Sig::new(SignatureType::Text, SIGNED + 1).hash(sha1), &key);
    assert_eq!(
        keyring.verify_clear_signed(later.as_bytes(), at(SIGNED + 1)).unwrap_err().code(),
        "weak-hash"
    );
}

#[test]
fn the_same_key_twice_is_one_key_with_the_signatures_of_both() {
    let key = Key::new("signer", MADE);
    let revoked =
        simple(&key).signature(&Sig::new(SignatureType::KeyRevocation, MADE + DAY).on_key(&key, &key));
    for copies in [[&simple(&key), &revoked], [&revoked, &simple(&key)]] {
        let keyring = Keyring::flat(copies.map(parse).to_vec(), SignaturePolicy::default());
        assert_eq!(keyring.certificates().count(), 1);
        assert_eq!(code(&keyring, &key, SIGNED), Some("revoked"));
    }
    let subkey = Key::new("subkey", MADE);
    let a = parse(&with_subkey(&key, &subkey, MADE));
    let b = parse(&simple(&key).user("Second").signature(&own_sig(MADE).on_user(&key, "Second", &key)));
    for merged in [a.merge(&b), b.merge(&a), a.merge(&b).merge(&a)] {
        assert_eq!((merged.user_ids().len(), merged.subkeys().len()), (2, 1));
        assert_eq!(Certificate::parse(merged.to_armored().as_bytes()).unwrap(), merged);
        let keyring = Keyring::flat(vec![merged], SignaturePolicy::default());
        assert_eq!(code(&keyring, &subkey, SIGNED), None);
    }
}

#[test]
fn local_certifications_stay_in_the_store() {
    let key = Key::new("signer", MADE);
    let local =
        Sig::new(SignatureType::CertGeneric, MADE).with(SubpacketData::ExportableCertification(false));
    let certificate = parse(&simple(&key).signature(&local.on_user(&key, USER, &Key::new("own", MADE))));
    assert_eq!(certificate.certifications().count(), 2);
    let exported = Certificate::parse(certificate.to_armored().as_bytes()).unwrap();
    assert_eq!(exported.certifications().collect::<Vec<_>>(), [certificate.key_id()]);
    assert_eq!(Certificate::parse(certificate.to_armored_with_locals().as_bytes()).unwrap(), certificate);
}
