//! What keys and signatures are worth: the rules of the policy, each with what it accepts and what it refuses.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, clippy::indexing_slicing, reason = "a kit for several tests; digests are long enough")]
mod openpgp_support;

use openpgp_support::forge::{self, Cert, Key, Sig, Use};
use openpgp_support::*;
use pgp::packet::{Notation, RevocationCode, Signature, SignatureType, Subpacket, SubpacketData};
use scriptworker_core::openpgp::{KeyReason, Keyring, Refusal, Revoked, SignaturePolicy};

fn revocation(kind: SignatureType, made: u32, reason: Option<RevocationCode>) -> Sig {
    let revocation = Sig::new(kind, made);
    match reason {
        Some(reason) => revocation.reason(reason),
        None => revocation,
    }
}

#[test]
fn what_is_verified_is_what_was_signed() {
    let key = Key::new("signer", MADE);
    let keyring = flat(&simple(&key));
    let signed = keyring.verify_clear_signed(document(&key).as_bytes(), at(SIGNED + DAY)).unwrap();
    assert_eq!(signed.text, b"{\"taskId\": \"x\"}");
    assert_eq!(signed.body(), TEXT.as_bytes());
    assert_eq!(signed.signature.made, at(SIGNED));
    assert_eq!(signed.signature.signer.as_bytes(), key.fingerprint().as_bytes());
    let changed = document(&key).replace("taskId", "taskld");
    let refusal = keyring.verify_clear_signed(changed.as_bytes(), at(SIGNED)).unwrap_err();
    assert!(matches!(refusal, Refusal::BadSignature { .. }), "{refusal:?}");
    let stranger = Key::new("stranger", MADE);
    assert_eq!(code(&keyring, &stranger, SIGNED), Some("unknown-key"));
}

#[test]
fn detached_signatures_are_binary_or_text_and_one() {
    let key = Key::new("signer", MADE);
    let keyring = flat(&simple(&key));
    let data = b"a line\nanother \n";
    let binary = Sig::new(SignatureType::Binary, SIGNED).over(data, &key);
    let text = Sig::new(SignatureType::Text, SIGNED).over(b"a line\r\nanother \r\n", &key);
    let raw = |signature: &Signature| forge::packet(2, &pgp::ser::Serialize::to_bytes(signature).unwrap());
    for good in [forge::armored_signature(&binary).into_bytes(), raw(&binary), raw(&text)] {
        keyring.verify_detached(data, &good, at(SIGNED)).unwrap();
    }
    let both = [raw(&binary), raw(&binary)].concat();
    for (bad, expected) in [
        (both.clone(), "format"),
        (forge::armored(pgp::armor::BlockType::Signature, &both).into_bytes(), "format"),
        (Vec::new(), "format"),
        (raw(&binary)[..40].to_vec(), "format"),
        ([raw(&binary), forge::packet(11, b"b\0\0\0\0\0evil")].concat(), "format"),
        (forge::packet(8, &[1, 0x63, 0x60]), "format"),
        (forge::armored_signature(&binary).into_bytes().repeat(2), "format"),
        (raw(&own(&key, SIGNED)), "signature-type"),
        (raw(&Sig::new(SignatureType::Standalone, SIGNED).over(b"", &key)), "signature-type"),
    ] {
        let refusal = keyring.verify_detached(data, &bad, at(SIGNED)).unwrap_err();
        assert_eq!(refusal.code(), expected, "{refusal:?}");
    }
    // A signature of a version that nobody knows yet does not disturb.
    let future = [forge::packet(2, &[9, 0, 1, 2]), raw(&binary)].concat();
    keyring.verify_detached(data, &future, at(SIGNED)).unwrap();
}

#[test]
fn a_hard_revocation_reaches_back_and_a_soft_one_does_not() {
    use RevocationCode::{KeyCompromised, KeyRetired, KeySuperseded, NoReason, Other};
    let key = Key::new("signer", MADE);
    let subkey = Key::new("subkey", MADE);
    let revoked_at = SIGNED + 5 * DAY;
    for (reason, before) in [
        (None, Some("revoked")),
        (Some(NoReason), Some("revoked")),
        (Some(KeyCompromised), Some("revoked")),
        (Some(Other(99)), Some("revoked")),
        (Some(KeySuperseded), None),
        (Some(KeyRetired), None),
    ] {
        let on_key = revocation(SignatureType::KeyRevocation, revoked_at, reason).on_key(&key, &key);
        let cert = Cert::new(&key).signature(&on_key).user(USER).signature(&own(&key, MADE));
        let keyring = flat(&cert);
        assert_eq!(code(&keyring, &key, SIGNED + DAY), before, "{reason:?}");
        assert_eq!(code(&keyring, &key, revoked_at), Some("revoked"), "{reason:?}");
        // Neither a newer self-signature nor another place in the file takes it back.
        let appended = simple(&key).signature(&own(&key, revoked_at + DAY)).signature(&on_key);
        assert_eq!(code(&flat(&appended), &key, revoked_at + 2 * DAY), Some("revoked"), "{reason:?}");

        let on_subkey =
            revocation(SignatureType::SubkeyRevocation, revoked_at, reason).on_subkey(&key, &subkey, &key);
        let keyring = flat(&with_subkey(&key, &subkey, MADE).signature(&on_subkey));
        assert_eq!(code(&keyring, &subkey, SIGNED + DAY), before, "{reason:?}");
        assert_eq!(code(&keyring, &subkey, revoked_at), Some("revoked"), "{reason:?}");
        assert_eq!(code(&keyring, &key, revoked_at), None, "the primary key is not touched");
    }
}

#[test]
fn revocations_that_are_not_by_the_key_are_ignored() {
    let key = Key::new("signer", MADE);
    let enemy = Key::new("enemy", MADE);
    let forged = Sig::new(SignatureType::KeyRevocation, MADE + 1).claiming(&key).on_key(&key, &enemy);
    let foreign = Sig::new(SignatureType::KeyRevocation, MADE + 1).on_key(&key, &enemy);
    let of_user =
        Sig::new(SignatureType::CertRevocation, MADE + 1).claiming(&key).on_user(&key, USER, &enemy);
    let cert = simple(&key).signature(&of_user).signature(&forged).signature(&foreign);
    assert_eq!(code(&flat(&cert), &key, SIGNED), None);
}

#[test]
fn a_subkey_signs_when_it_is_bound_both_ways() {
    let key = Key::new("signer", MADE);
    let subkey = Key::new("subkey", MADE);
    assert_eq!(code(&flat(&with_subkey(&key, &subkey, MADE)), &subkey, SIGNED), None);
    let binding = |usage: Use| Sig::new(SignatureType::SubkeyBinding, MADE).usage(usage);
    let back = |by: &Key| {
        let back = Sig::new(SignatureType::KeyBinding, MADE).claiming(&subkey).on_subkey(&key, &subkey, by);
        SubpacketData::EmbeddedSignature(Box::new(back))
    };
    let enemy = Key::new("enemy", MADE);
    for (signature, expected) in [
        (binding(Use::Sign).on_subkey(&key, &subkey, &key), "subkey-binding"),
        (binding(Use::Sign).with(back(&enemy)).on_subkey(&key, &subkey, &key), "subkey-binding"),
        (
            binding(Use::Sign).claiming(&key).with(back(&subkey)).on_subkey(&key, &subkey, &enemy),
            "subkey-binding",
        ),
        (binding(Use::Encrypt).on_subkey(&key, &subkey, &key), "key-flags"),
        (binding(Use::Encrypt).with(back(&subkey)).on_subkey(&key, &subkey, &key), "key-flags"),
        (
            binding(Use::Sign).with(back(&subkey)).key_lasting(20 * DAY).on_subkey(&key, &subkey, &key),
            "expired-key",
        ),
        (binding(Use::Sign).with(back(&subkey)).key_lasting(DAY).on_subkey(&key, &subkey, &key), "time"),
    ] {
        let cert = simple(&key).subkey(&subkey).signature(&signature);
        assert_eq!(code(&flat(&cert), &subkey, SIGNED + 30 * DAY), Some(expected));
    }
    let unbound = simple(&key).subkey(&subkey);
    assert_eq!(code(&flat(&unbound), &subkey, SIGNED), Some("subkey-binding"));
}

#[test]
fn the_newest_valid_self_signature_counts() {
    let key = Key::new("signer", MADE);
    let short = own_sig(MADE).key_lasting(12 * DAY);
    let long = own_sig(MADE + DAY);
    let certify = Sig::new(SignatureType::CertPositive, MADE + 2 * DAY).usage(Use::Certify);
    let cert = |signatures: &[&Sig]| {
        let sign = |cert: Cert, sig: &&Sig| cert.signature(&(**sig).clone().on_user(&key, USER, &key));
        signatures.iter().fold(Cert::new(&key).user(USER), sign)
    };
    let later = MADE + 20 * DAY;
    assert_eq!(code(&flat(&cert(&[&short])), &key, later), Some("expired-key"));
    for both in [[&short, &long], [&long, &short]] {
        assert_eq!(code(&flat(&cert(&both)), &key, later), None, "the newer one has no expiry");
    }
    assert_eq!(code(&flat(&cert(&[&long, &certify])), &key, later), Some("key-flags"));
    // One that is dated after the check does not exist yet; one that is forged never does.
    let future = own_sig(later + DAY).usage(Use::Certify).key_lasting(1);
    let forged = Sig::new(SignatureType::CertPositive, later).usage(Use::Certify).claiming(&key);
    let cert = cert(&[&long, &future]).signature(&forged.on_user(&key, USER, &Key::new("enemy", MADE)));
    assert_eq!(code(&flat(&cert), &key, later), None);
    // What is said directly on the key goes first, where it says something.
    let direct = Sig::new(SignatureType::Key, MADE).key_lasting(12 * DAY).on_key(&key, &key);
    let cert = Cert::new(&key).signature(&direct).user(USER).signature(&own(&key, MADE + DAY));
    assert_eq!(code(&flat(&cert), &key, later), Some("expired-key"));
}

#[test]
fn a_key_needs_a_user_id_of_its_own() {
    let key = Key::new("signer", MADE);
    let revoke = |made| Sig::new(SignatureType::CertRevocation, made).on_user(&key, USER, &key);
    assert_eq!(code(&flat(&Cert::new(&key)), &key, SIGNED), Some("self-signature"));
    assert_eq!(code(&flat(&Cert::new(&key).user(USER)), &key, SIGNED), Some("self-signature"));
    let other = own_sig(MADE).on_user(&key, "Another", &key);
    assert_eq!(
        code(&flat(&Cert::new(&key).user(USER).signature(&other)), &key, SIGNED),
        Some("self-signature")
    );
    let revoked = simple(&key).signature(&revoke(MADE + DAY));
    let refusal = flat(&revoked).verify_clear_signed(document(&key).as_bytes(), at(SIGNED)).unwrap_err();
    let reason = KeyReason::Revoked { what: Revoked::UserId, made: at(MADE + DAY), hard: true };
    assert!(matches!(&refusal, Refusal::Key { reason: found, .. } if *found == reason), "{refusal:?}");
    let renewed = simple(&key).signature(&revoke(MADE + DAY)).signature(&own(&key, MADE + 2 * DAY));
    assert_eq!(code(&flat(&renewed), &key, SIGNED), None, "a newer signature brings a user id back");
    let second = revoked.user("Second").signature(&own_sig(MADE).on_user(&key, "Second", &key));
    assert_eq!(code(&flat(&second), &key, SIGNED), None, "one user id is enough");
}

#[test]
fn dates_of_signatures() {
    let key = Key::new("signer", MADE);
    let keyring = flat(
        &Cert::new(&key).user(USER).signature(&own_sig(MADE).key_lasting(30 * DAY).on_user(&key, USER, &key)),
    );
    for (made, lasting, checked, expected) in [
        (SIGNED, 0, SIGNED, None),
        (MADE - 1, 0, SIGNED, Some("time")),
        (SIGNED, 0, SIGNED - 300, None),
        (SIGNED, 0, SIGNED - 301, Some("time")),
        (SIGNED, DAY, SIGNED + DAY - 1, None),
        (SIGNED, DAY, SIGNED + DAY, Some("time")),
        (MADE + 31 * DAY, 0, MADE + 32 * DAY, Some("time")),
        (SIGNED, 0, MADE + 30 * DAY - 1, None),
        (SIGNED, 0, MADE + 30 * DAY, Some("expired-key")),
    ] {
        let document = document_with(Sig::new(SignatureType::Text, made).lasting(lasting), &key);
        let found =
            keyring.verify_clear_signed(document.as_bytes(), at(checked)).err().map(|refusal| refusal.code());
        assert_eq!(found, expected, "made {made}, checked {checked}");
    }
    let early = Keyring::flat(vec![parse(&simple(&key))], SignaturePolicy::default());
    assert_eq!(early.keys(at(MADE - 301)).remove(0).state.unwrap_err().code(), "time");
}

#[test]
fn critical_parts_that_nobody_knows_make_a_signature_invalid() {
    let key = Key::new("signer", MADE);
    let keyring = flat(&simple(&key));
    let notation = Notation { readable: true, name: "a@example.com".into(), value: "b".into() };
    let critical = |data: SubpacketData| Subpacket::critical(data).unwrap();
    let with = |subpacket: Subpacket| {
        let signature = Sig::new(SignatureType::Text, SIGNED).with_subpacket(subpacket);
        let document = document_with(signature, &key);
        keyring.verify_clear_signed(document.as_bytes(), at(SIGNED)).err().map(|refusal| refusal.code())
    };
    assert_eq!(with(Subpacket::regular(SubpacketData::Notation(notation.clone())).unwrap()), None);
    assert_eq!(with(critical(SubpacketData::Notation(notation))), Some("unsupported"));
    assert_eq!(with(critical(SubpacketData::Experimental(101, b"x"[..].into()))), Some("unsupported"));
}

#[test]
fn short_keys_do_not_count() {
    let key = Key::rsa_of(1024, "short", MADE);
    let refusal = flat(&simple(&key)).verify_clear_signed(document(&key).as_bytes(), at(SIGNED)).unwrap_err();
    let reason = KeyReason::WeakKey { algorithm: 1, bits: 1024 };
    assert!(matches!(&refusal, Refusal::Key { reason: found, .. } if *found == reason), "{refusal:?}");
}
