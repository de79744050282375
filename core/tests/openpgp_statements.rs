//! What a key says about itself, more than once and in more than one place: which of its statements counts.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, clippy::indexing_slicing, reason = "a kit for several tests; digests are long enough")]
mod openpgp_support;

use openpgp_support::forge::{self, Cert, Key, Sig, Use};
use openpgp_support::*;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{Notation, RevocationCode, SignatureType, Subpacket, SubpacketData};
use pgp::types::{RevocationKey, RevocationKeyClass};
use scriptworker_core::openpgp::{Certificate, CertificateError, Keyring, Refusal, SignaturePolicy};
use std::collections::BTreeSet;

const LATER: u32 = MADE + 20 * DAY;

/// A signature that the key makes on itself, without a word about its end.
fn direct(made: u32) -> Sig {
    Sig::new(SignatureType::Key, made)
}

/// So many days after it was made the key ends; with 0 nothing is said about it.
fn ending(sig: Sig, days: u32) -> Sig {
    if days == 0 { sig } else { sig.key_lasting(days * DAY) }
}

#[test]
fn what_is_said_on_the_key_goes_before_what_is_said_on_a_user_id() {
    let key = Key::new("signer", MADE);
    for (on_key, on_user, expected) in [
        (0, 0, None),
        (0, 12, Some("expired-key")),
        (12, 0, Some("expired-key")),
        (12, 1000, Some("expired-key")),
        (1000, 12, None),
        (1000, 0, None),
    ] {
        let direct = ending(direct(MADE), on_key).on_key(&key, &key);
        let user = ending(own_sig(MADE), on_user).on_user(&key, USER, &key);
        let cert = Cert::new(&key).signature(&direct).user(USER).signature(&user);
        assert_eq!(code(&flat(&cert), &key, LATER), expected, "{on_key} days, {on_user} days");
    }
}

#[test]
fn of_several_user_ids_the_one_that_was_signed_last_counts() {
    let key = Key::new("signer", MADE);
    for (first, second, expected) in [
        ((MADE, 0), (MADE + DAY, 12), Some("expired-key")),
        ((MADE + DAY, 12), (MADE, 0), Some("expired-key")),
        ((MADE, 12), (MADE + DAY, 0), None),
        ((MADE + DAY, 0), (MADE, 12), None),
        // made at once: the first
        ((MADE, 12), (MADE, 0), Some("expired-key")),
        ((MADE, 0), (MADE, 12), None),
    ] {
        let [one, two] = [(first, "One"), (second, "Two")]
            .map(|((made, days), user)| ending(own_sig(made), days).on_user(&key, user, &key));
        let cert = Cert::new(&key).user("One").signature(&one).user("Two").signature(&two);
        assert_eq!(code(&flat(&cert), &key, LATER), expected, "{first:?}, {second:?}");
    }
}

#[test]
fn a_key_without_flags_may_sign_and_one_with_others_may_not() {
    let key = Key::new("signer", MADE);
    let silent = Sig::new(SignatureType::CertPositive, MADE);
    for (sig, expected) in [
        (silent.clone(), None),
        (silent.clone().usage(Use::Sign), None),
        (silent.clone().usage(Use::Certify), Some("key-flags")),
        (silent.usage(Use::Encrypt), Some("key-flags")),
    ] {
        let cert = Cert::new(&key).user(USER).signature(&sig.on_user(&key, USER, &key));
        assert_eq!(code(&flat(&cert), &key, SIGNED), expected);
    }
}

#[test]
fn a_statement_ends_when_it_says_so_but_a_revocation_does_not() {
    let key = Key::new("signer", MADE);
    for (days, expected) in
        [(1000, None), (21, None), (20, Some("self-signature")), (1, Some("self-signature"))]
    {
        let own = own_sig(MADE).lasting(days * DAY).on_user(&key, USER, &key);
        let cert = Cert::new(&key).user(USER).signature(&own);
        assert_eq!(code(&flat(&cert), &key, LATER), expected, "{days} days");
    }
    for days in [1000, 1] {
        let revocation = Sig::new(SignatureType::CertRevocation, MADE + DAY).lasting(days * DAY);
        let cert = simple(&key).signature(&revocation.on_user(&key, USER, &key));
        assert_eq!(code(&flat(&cert), &key, LATER), Some("revoked"), "{days} days");
    }
}

#[test]
fn a_revocation_counts_however_weak_its_hash_is() {
    let key = Key::rsa("rsa", MADE);
    let strict = SignaturePolicy { flat_self_hashes: BTreeSet::new(), ..SignaturePolicy::default() };
    let keyring = |cert: &Cert| Keyring::flat(vec![parse(cert)], strict.clone());
    let weak = |kind, made| Sig::new(kind, made).hash(HashAlgorithm::Sha1);
    assert_eq!(code(&keyring(&simple(&key)), &key, SIGNED), None);
    let renewed = weak(SignatureType::CertPositive, MADE + DAY).usage(Use::Encrypt).on_user(&key, USER, &key);
    let cert = simple(&key).signature(&renewed);
    assert_eq!(code(&keyring(&cert), &key, SIGNED), None, "a weak statement says nothing");
    let revocation = weak(SignatureType::CertRevocation, MADE + DAY).on_user(&key, USER, &key);
    let cert = simple(&key).signature(&revocation);
    assert_eq!(code(&keyring(&cert), &key, SIGNED), Some("revoked"));
}

#[test]
fn the_statement_of_a_subkey_has_its_own_conditions() {
    let (key, subkey) = (Key::new("signer", MADE), Key::new("subkey", MADE));
    let notation = Notation { readable: true, name: "a@example.com".into(), value: "b".into() };
    let critical = Subpacket::critical(SubpacketData::Notation(notation)).unwrap();
    let back = || Sig::new(SignatureType::KeyBinding, MADE);
    for (name, back, expected) in [
        ("plain", back(), None),
        ("valid for long", back().lasting(1000 * DAY), None),
        ("until a second later", back().lasting(20 * DAY + 1), None),
        ("until now", back().lasting(20 * DAY), Some("subkey-binding")),
        ("over", back().lasting(DAY), Some("subkey-binding")),
        ("critical", back().with_subpacket(critical), Some("subkey-binding")),
    ] {
        let back = SubpacketData::EmbeddedSignature(Box::new(back.on_subkey(&key, &subkey, &subkey)));
        let binding = Sig::new(SignatureType::SubkeyBinding, MADE).usage(Use::Sign).with(back);
        let cert = simple(&key).subkey(&subkey).signature(&binding.on_subkey(&key, &subkey, &key));
        assert_eq!(code(&flat(&cert), &subkey, LATER), expected, "{name}");
    }
}

#[test]
fn checks_are_counted() {
    let key = Key::new("signer", MADE);
    let cert = simple(&key).signature(&own(&key, MADE - 1)).signature(&own(&key, MADE - 2));
    let enemy = Sig::new(SignatureType::CertPositive, MADE + 1).claiming(&key);
    let cert = cert.signature(&enemy.on_user(&key, USER, &Key::new("enemy", MADE)));
    // the forged one is the newest, and is tried first
    for (most_checks, expected) in [(0, Some("limit")), (1, Some("limit")), (2, None), (3, None)] {
        let policy = SignaturePolicy { most_checks, ..SignaturePolicy::default() };
        let keyring = Keyring::flat(vec![parse(&cert)], policy);
        assert_eq!(code(&keyring, &key, SIGNED), expected, "{most_checks} checks");
    }
}

#[test]
fn what_is_signed_apart_has_a_size_like_its_signature() {
    let key = Key::new("signer", MADE);
    let policy = SignaturePolicy { most_text_bytes: 1000, ..SignaturePolicy::default() };
    let keyring = Keyring::flat(vec![parse(&simple(&key))], policy);
    let signed = |data: &[u8]| {
        let signature = Sig::new(SignatureType::Binary, SIGNED).over(data, &key);
        forge::armored_signature(&signature).into_bytes()
    };
    for (bytes, too_big) in [(999, false), (1000, false), (1001, true), (2000, true)] {
        let data = vec![b'x'; bytes];
        let refusal = keyring.verify_detached(&data, &signed(&data), at(SIGNED)).err();
        assert_eq!(refusal, too_big.then_some(Refusal::TooBig { limit: 1000, found: bytes }));
        let mut signature = signed(b"x");
        signature.resize(bytes, b'\n');
        let refusal = keyring.verify_detached(b"x", &signature, at(SIGNED)).err();
        assert_eq!(refusal, too_big.then_some(Refusal::TooBig { limit: 1000, found: bytes }));
    }
}

#[test]
fn packets_beside_a_signature_are_counted() {
    let key = Key::new("signer", MADE);
    let keyring = flat(&simple(&key));
    let signature = Sig::new(SignatureType::Binary, SIGNED).over(b"x", &key);
    let signature = forge::packet(2, &pgp::ser::Serialize::to_bytes(&signature).unwrap());
    let marker = forge::packet(10, b"PGP");
    let with = |markers| [signature.clone(), marker.repeat(markers)].concat();
    assert_eq!(keyring.verify_detached(b"x", &with(15), at(SIGNED)).err(), None);
    for markers in [16, 17, 1000] {
        let refusal = keyring.verify_detached(b"x", &with(markers), at(SIGNED)).err();
        assert_eq!(refusal, Some(Refusal::SignatureCount { found: 17 }));
    }
}

#[test]
fn a_certificate_keeps_what_means_something_where_it_stands() {
    let (key, subkey) = (Key::new("signer", MADE), Key::new("subkey", MADE));
    let binding = Sig::new(SignatureType::SubkeyBinding, MADE).on_subkey(&key, &subkey, &key);
    let plain = simple(&key);
    let kept = |cert: &Cert| parse(cert).packets().to_vec();
    assert_eq!(kept(&plain.clone().signature(&binding)), kept(&plain), "a binding on a user id");
    let plain = simple(&key).subkey(&subkey);
    assert_eq!(kept(&plain.clone().signature(&own(&key, MADE))), kept(&plain), "a certification on a subkey");
    let secret = Certificate::parse(&forge::packet(5, b"secret"));
    assert_eq!(secret.unwrap_err(), CertificateError::SecretKey);
    for (bytes, user_ids) in [(2047, 1), (2048, 1), (2049, 0), (4000, 0)] {
        let cert = Cert::new(&key).user(&"x".repeat(bytes));
        assert_eq!(parse(&cert).user_ids().len(), user_ids, "{bytes} bytes");
    }
}

/// Names another key as one that may revoke.
fn naming(sig: Sig, revoker: &Key) -> Sig {
    let algorithm = PublicKeyAlgorithm::EdDSALegacy;
    let fingerprint = revoker.fingerprint();
    let named = RevocationKey::new(RevocationKeyClass::Default, algorithm, fingerprint.as_bytes());
    sig.with(SubpacketData::RevocationKey(named))
}

#[test]
fn a_key_is_revoked_by_another_that_it_names_and_by_no_third() {
    let (key, keeper, enemy) = (Key::new("signer", MADE), Key::new("keeper", MADE), Key::new("enemy", MADE));
    let revocation = || Sig::new(SignatureType::KeyRevocation, MADE + DAY);
    let by_keeper = revocation().on_key(&key, &keeper);
    let named = naming(direct(MADE), &keeper).on_key(&key, &key);
    let silent = direct(MADE + 1).on_key(&key, &key);
    let later = Sig::new(SignatureType::KeyRevocation, SIGNED + DAY).reason(RevocationCode::KeyRetired);
    let not_yet = naming(later, &keeper).on_key(&key, &key);
    for (name, signatures, expected) in [
        ("named", vec![&named, &by_keeper], Some("revoked")),
        ("among others", vec![&silent, &named, &silent, &by_keeper], Some("revoked")),
        ("not named", vec![&silent, &by_keeper], None),
        (
            "named, but not by the key",
            vec![&naming(direct(MADE), &keeper).on_key(&key, &enemy), &by_keeper],
            None,
        ),
        (
            "named by a forgery",
            vec![&naming(direct(MADE), &keeper).claiming(&key).on_key(&key, &enemy), &by_keeper],
            None,
        ),
        (
            "named by a forgery and not revoked",
            vec![&naming(direct(MADE), &keeper).claiming(&key).on_key(&key, &enemy)],
            None,
        ),
        ("named in something else", vec![&not_yet, &by_keeper], None),
        ("revoked by a third", vec![&named, &revocation().on_key(&key, &enemy)], None),
        ("revoked by a forgery", vec![&named, &revocation().claiming(&keeper).on_key(&key, &enemy)], None),
        ("only named", vec![&named], None),
        ("named, and described by it", vec![&named, &direct(MADE + DAY).on_key(&key, &keeper)], None),
    ] {
        let cert = signatures.into_iter().fold(Cert::new(&key), Cert::signature);
        let cert = cert.user(USER).signature(&own(&key, MADE));
        let keys = [&cert, &simple(&keeper), &simple(&enemy)].map(parse);
        let keyring = Keyring::flat(keys.to_vec(), SignaturePolicy::default());
        assert_eq!(code(&keyring, &key, SIGNED), expected, "{name}");
    }
}

#[test]
fn merged_copies_have_user_ids_before_subkeys() {
    let (key, subkey) = (Key::new("signer", MADE), Key::new("subkey", MADE));
    let binding =
        Sig::new(SignatureType::SubkeyBinding, MADE).usage(Use::Encrypt).on_subkey(&key, &subkey, &key);
    let second = own_sig(MADE).on_user(&key, "Second", &key);
    let one = simple(&key).subkey(&subkey).signature(&binding);
    let other = simple(&key).user("Second").signature(&second);
    let both = simple(&key).user("Second").signature(&second).subkey(&subkey).signature(&binding);
    assert_eq!(parse(&one).merge(&parse(&other)).packets(), both.bytes());
    let another = parse(&simple(&Key::new("another", MADE)));
    assert_eq!(parse(&both).merge(&another), parse(&both));
}
