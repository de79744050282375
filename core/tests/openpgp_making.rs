//! Making keys, signatures and certifications, and what a keyring says about them. What gpg says about them is tested
//! with the commands.
#![expect(clippy::unwrap_used, reason = "tests")]

use rand::SeedableRng;
use rand::rngs::StdRng;
use scriptworker_core::openpgp::trust::{
    ExpectedListing, KeyListing, TrustError, fingerprint_to_keyid, keyid_to_fingerprint,
};
use scriptworker_core::openpgp::{
    Certificate, CertifyError, Expiry, ExpiryError, Exportable, GenerateError, InvalidOwner, KeyAlgorithm,
    KeyOwner, KeyPlan, KeyReason, Keyring, RevocationReason, SecretKey, SecretKeyError, SignError,
    SignaturePolicy,
};
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const DAY: i64 = 86_400_000;

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn key_of(name: &str, seed: u64, expiry: Expiry) -> SecretKey {
    let owner = KeyOwner::new(name, "", &format!("{name}@example.com")).unwrap();
    let plan = KeyPlan { owner, algorithm: KeyAlgorithm::Ed25519, expiry };
    SecretKey::generate(&plan, NOW, &mut StdRng::seed_from_u64(seed)).unwrap()
}

fn alice() -> SecretKey {
    key_of("alice", 1, Expiry::After(730 * 86_400))
}

fn flat(key: &SecretKey) -> Keyring {
    Keyring::flat(vec![key.certificate().clone()], SignaturePolicy::default())
}

#[test]
fn every_kind_of_key_signs_what_a_keyring_accepts() {
    for algorithm in ["ed25519", "rsa2048"] {
        let owner = KeyOwner::of_worker("cltsign", "host1.example.com").unwrap();
        let plan = KeyPlan { owner, algorithm: algorithm.parse().unwrap(), expiry: Expiry::After(86_400) };
        let key = SecretKey::generate(&plan, NOW, &mut rng()).unwrap();
        assert_eq!(key.certificate().user_ids(), ["host1 <cltsign@host1.example.com>"]);
        assert_eq!(key.certificate().created(), NOW);
        let keyring = flat(&key);
        let text = key.clear_sign(b"{}\n", NOW, &mut rng()).unwrap();
        let signed = keyring.verify_clear_signed(text.as_bytes(), NOW).unwrap();
        assert_eq!((signed.body(), &signed.signature.signer), (b"{}\n".to_vec(), key.fingerprint()));
        let signature = key.sign_detached(b"\x00\xff", NOW, &mut rng()).unwrap();
        let made = keyring.verify_detached(b"\x00\xff", signature.as_bytes(), NOW).unwrap().made;
        assert_eq!(made, NOW);
        assert!(keyring.verify_detached(b"\x00\xfe", signature.as_bytes(), NOW).is_err());
    }
    assert_eq!("rsa4096".parse(), Ok(KeyAlgorithm::default()));
    assert_eq!("rsa1024".parse::<KeyAlgorithm>().unwrap_err().found, "rsa1024");
}

#[test]
fn a_text_is_signed_as_it_is_shown() {
    let key = alice();
    let keyring = flat(&key);
    for (text, body) in [
        ("", "\n"),
        ("\n", "\n"),
        ("a", "a\n"),
        ("a\n", "a\n"),
        ("a\n\n", "a\n\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("blank \ntab\t\n both \t \n", "blank\ntab\n both\n"),
        ("- a\n-----BEGIN PGP SIGNATURE-----\n--\n", "- a\n-----BEGIN PGP SIGNATURE-----\n--\n"),
        ("From here\n", "From here\n"),
        ("snowman \u{2603}\n\u{a0}\n", "snowman \u{2603}\n\u{a0}\n"),
    ] {
        let signed = key.clear_sign(text.as_bytes(), NOW, &mut rng()).unwrap();
        let checked = keyring.verify_clear_signed(signed.as_bytes(), NOW);
        assert_eq!(checked.unwrap().body(), body.as_bytes(), "{text:?}");
    }
}

#[test]
fn what_is_no_text_is_not_signed_as_one() {
    let key = alice();
    let error = key.clear_sign(b"abc\xff", NOW, &mut rng()).unwrap_err();
    assert!(matches!(error, SignError::NotText { at: 3 }));
    let error = key.clear_sign(b"a\nb\rc\n", NOW, &mut rng()).unwrap_err();
    assert!(matches!(error, SignError::CarriageReturn { line: 2 }));
}

#[test]
fn a_key_that_nobody_would_accept_does_not_sign() {
    let key = key_of("short", 2, Expiry::After(60));
    let before = key.clear_sign(b"x", NOW.plus(59_000), &mut rng());
    assert!(before.is_ok());
    let error = key.clear_sign(b"x", NOW.plus(60_000), &mut rng()).unwrap_err();
    assert!(matches!(error, SignError::Key { reason: KeyReason::Expired { .. }, .. }));
    let error = key.sign_detached(b"x", NOW.plus(-DAY), &mut rng()).unwrap_err();
    assert!(matches!(error, SignError::Key { reason: KeyReason::NotYetValid { .. }, .. }));
    let error = key.sign_detached(b"x", UnixMillis(i64::MAX), &mut rng()).unwrap_err();
    assert!(matches!(error, SignError::Time(time) if time.found == UnixMillis(i64::MAX)));
}

#[test]
fn a_secret_key_is_read_as_it_was_written() {
    let key = alice();
    let open = key.to_armored().unwrap();
    let again = SecretKey::parse(open.as_bytes(), None).unwrap();
    assert_eq!(again.certificate(), key.certificate());
    assert!(again.sign_detached(b"x", NOW, &mut rng()).is_ok());

    let passphrase = Secret::new("canary open sesame");
    let locked = key.to_armored_locked(&passphrase, &mut rng()).unwrap();
    let again = SecretKey::parse(locked.as_bytes(), Some(&passphrase)).unwrap();
    let signature = again.sign_detached(b"x", NOW, &mut rng()).unwrap();
    assert!(flat(&key).verify_detached(b"x", signature.as_bytes(), NOW).is_ok());
    let error = SecretKey::parse(locked.as_bytes(), None).unwrap_err();
    assert!(
        matches!(&error, SecretKeyError::PassphraseNeeded { fingerprint } if fingerprint == key.fingerprint())
    );
    let error = SecretKey::parse(locked.as_bytes(), Some(&Secret::new("canary wrong"))).unwrap_err();
    assert!(
        matches!(&error, SecretKeyError::WrongPassphrase { fingerprint } if fingerprint == key.fingerprint())
    );
    assert!(!format!("{error} {error:?} {again:?}").contains("canary"));
    // one that is not needed is not looked at
    assert!(SecretKey::parse(open.as_bytes(), Some(&passphrase)).is_ok());
}

#[test]
fn what_is_no_single_secret_key_is_refused() {
    let key = alice();
    let public = key.certificate().to_armored();
    let parse = |bytes: &[u8]| SecretKey::parse(bytes, None).unwrap_err();
    assert!(matches!(parse(public.as_bytes()), SecretKeyError::PublicKey));
    assert!(matches!(parse(key.certificate().packets()), SecretKeyError::PublicKey));
    let secret = key.to_armored().unwrap();
    let cut = &secret.as_bytes()[..secret.len() / 2];
    for wrong in [&b""[..], b"canary", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", &[0xff; 40], cut] {
        let error = parse(wrong);
        assert!(matches!(error, SecretKeyError::Format), "{error:?}");
    }
    assert!(matches!(parse(&vec![b'a'; 2 << 20]), SecretKeyError::TooBig { found } if found == 2 << 20));
}

#[test]
fn nothing_prints_a_secret() {
    let key = alice();
    let text = key.to_armored().unwrap();
    let line = text.lines().nth(3).unwrap();
    let shown = format!("{key:?} {key:#?}");
    assert!(shown.contains("***") && !shown.contains(line), "{shown}");
    assert_eq!(shown.len(), 2 * format!("SecretKey({}, ***)", key.fingerprint()).len() + 1);
}

#[test]
fn a_key_has_the_life_and_the_owner_that_were_asked_for() {
    let owner = |name, comment, email| KeyOwner::new(name, comment, email).map(|owner| owner.to_string());
    assert_eq!(owner("Ann", "test", "a@b.c").unwrap(), "Ann (test) <a@b.c>");
    assert_eq!(owner("Ann", "", "a@b.c").unwrap(), "Ann <a@b.c>");
    for name in ["", " Ann", "A<n", "A\nn", "A)"] {
        assert_eq!(owner(name, "", "a@b.c"), Err(InvalidOwner::Name { found: name.to_owned() }));
    }
    assert!(matches!(owner("Ann", "a)", "a@b.c"), Err(InvalidOwner::Comment { .. })));
    for email in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b>", "a@b\n"] {
        assert_eq!(owner("Ann", "", email), Err(InvalidOwner::Email { found: email.to_owned() }));
    }
    let plan = KeyPlan {
        owner: KeyOwner::new("Ann", "", "a@b.c").unwrap(),
        algorithm: KeyAlgorithm::Ed25519,
        expiry: Expiry::At(5),
    };
    let error = SecretKey::generate(&plan, NOW, &mut rng()).unwrap_err();
    assert!(matches!(error, GenerateError::Expiry(ExpiryError::Past { expiry: 5, .. })));
    let forever = key_of("forever", 3, Expiry::Never);
    assert!(forever.sign_detached(b"x", NOW.plus(25_000 * DAY), &mut rng()).is_ok());
}

/// What a signed keyring with alice as the trusted key says of a key.
fn state(key: &Certificate, at: UnixMillis) -> Result<(), KeyReason> {
    let trusted = vec![alice().certificate().clone()];
    let keyring = Keyring::signed(trusted, vec![key.clone()], SignaturePolicy::default());
    keyring.keys(at).pop().unwrap().state
}

#[test]
fn a_certification_makes_a_key_count_once() {
    let bob = key_of("bob", 4, Expiry::Never);
    assert_eq!(state(bob.certificate(), NOW), Err(KeyReason::UntrustedIssuer));
    let certified = alice().certify(bob.certificate(), Exportable::Yes, NOW, &mut rng()).unwrap();
    assert_eq!(state(&certified, NOW), Ok(()));
    let shown = Certificate::parse(certified.to_armored().as_bytes()).unwrap();
    assert_eq!(state(&shown, NOW), Ok(()));
    // again, and as a local one: there is nothing to add
    for exportable in [Exportable::Yes, Exportable::No] {
        let again = alice().certify(&certified, exportable, NOW.plus(DAY), &mut rng()).unwrap();
        assert_eq!(again, certified);
    }
}

#[test]
fn a_local_certification_does_not_leave_the_store() {
    let bob = key_of("bob", 4, Expiry::Never);
    let local = alice().certify(bob.certificate(), Exportable::No, NOW, &mut rng()).unwrap();
    assert_eq!(state(&local, NOW), Ok(()));
    let stored = Certificate::parse(local.to_armored_with_locals().as_bytes()).unwrap();
    assert_eq!(state(&stored, NOW), Ok(()));
    let exported = Certificate::parse(local.to_armored().as_bytes()).unwrap();
    assert_eq!(exported, *bob.certificate());
    let again = alice().certify(&local, Exportable::No, NOW.plus(DAY), &mut rng()).unwrap();
    assert_eq!(again, local);
    let both = alice().certify(&local, Exportable::Yes, NOW.plus(DAY), &mut rng()).unwrap();
    let exported = Certificate::parse(both.to_armored().as_bytes()).unwrap();
    assert_eq!(state(&exported, NOW.plus(DAY)), Ok(()));
}

#[test]
fn a_revoked_certification_no_longer_counts_until_it_is_made_anew() {
    let bob = key_of("bob", 4, Expiry::Never);
    let error = alice()
        .revoke_certification(bob.certificate(), RevocationReason::Retired, "", NOW, &mut rng())
        .unwrap_err();
    assert!(matches!(error, CertifyError::NotCertified { .. }));
    for (exportable, text) in [(Exportable::Yes, "left"), (Exportable::No, "")] {
        let certified = alice().certify(bob.certificate(), exportable, NOW, &mut rng()).unwrap();
        let later = NOW.plus(1000);
        let revoke = |of: &Certificate| {
            alice().revoke_certification(of, RevocationReason::Retired, text, later, &mut rng())
        };
        let revoked = revoke(&certified).unwrap();
        assert!(matches!(state(&revoked, later), Err(KeyReason::Revoked { hard: false, .. })));
        assert_eq!(revoke(&revoked).unwrap(), revoked);
        let exported = Certificate::parse(revoked.to_armored().as_bytes()).unwrap();
        assert_eq!(exported == *bob.certificate(), exportable == Exportable::No);
        let anew = alice().certify(&revoked, Exportable::Yes, NOW.plus(2000), &mut rng()).unwrap();
        assert_eq!(state(&anew, NOW.plus(2000)), Ok(()));
    }
}

#[test]
fn the_revocation_of_a_certification_goes_as_far_as_that_does() {
    let bob = key_of("bob", 4, Expiry::Never);
    // a local certification beside the one for everybody, and newer than it
    let public = alice().certify(bob.certificate(), Exportable::Yes, NOW, &mut rng()).unwrap();
    let local = alice().certify(bob.certificate(), Exportable::No, NOW.plus(1000), &mut rng()).unwrap();
    let later = NOW.plus(2000);
    let revoked = alice()
        .revoke_certification(&public.merge(&local), RevocationReason::Retired, "", later, &mut rng())
        .unwrap();
    let exported = Certificate::parse(revoked.to_armored().as_bytes()).unwrap();
    assert!(matches!(state(&exported, later), Err(KeyReason::Revoked { .. })));
}

#[test]
fn a_revoked_key_signs_certifies_and_counts_no_more() {
    let bob = key_of("bob", 4, Expiry::Never);
    let certified = alice().certify(bob.certificate(), Exportable::Yes, NOW, &mut rng()).unwrap();
    let later = NOW.plus(1000);
    for (reason, hard) in
        [("retired", false), ("superseded", false), ("compromised", true), ("unspecified", true)]
    {
        let revoked = bob.revoke(reason.parse().unwrap(), "gone", later, &mut rng()).unwrap();
        assert!(
            matches!(state(&certified.merge(&revoked), later), Err(KeyReason::Revoked { hard: found, .. }) if found == hard)
        );
        let error = alice().certify(&revoked, Exportable::Yes, later, &mut rng()).unwrap_err();
        assert!(matches!(error, CertifyError::Target { reason: KeyReason::Revoked { .. }, .. }));
    }
    assert_eq!("lost".parse::<RevocationReason>().unwrap_err().found, "lost");
}

#[test]
fn an_expired_key_neither_certifies_nor_is_certified_but_can_be_revoked() {
    let old = key_of("old", 5, Expiry::After(60));
    let bob = key_of("bob", 4, Expiry::Never);
    let later = NOW.plus(DAY);
    let error = old.certify(bob.certificate(), Exportable::Yes, later, &mut rng()).unwrap_err();
    assert!(matches!(error, CertifyError::Signer { reason: KeyReason::Expired { .. }, .. }));
    let error = bob.certify(old.certificate(), Exportable::Yes, later, &mut rng()).unwrap_err();
    assert!(matches!(error, CertifyError::Target { reason: KeyReason::Expired { .. }, .. }));
    assert!(old.revoke(RevocationReason::Retired, "", later, &mut rng()).is_ok());
}

#[test]
fn key_ids_and_fingerprints_find_one_another() {
    let (alice, bob) = (alice(), key_of("bob", 4, Expiry::Never));
    let keys = [alice.certificate(), bob.certificate()];
    for key in keys {
        assert_eq!(&keyid_to_fingerprint(keys, key.key_id()).unwrap(), key.fingerprint());
        assert_eq!(fingerprint_to_keyid(keys, key.fingerprint()).unwrap(), key.key_id());
    }
    let stranger = key_of("carol", 6, Expiry::Never);
    let error = keyid_to_fingerprint(keys, stranger.certificate().key_id()).unwrap_err();
    assert_eq!(error, TrustError::NoSuchKeyId(stranger.certificate().key_id()));
    let error = fingerprint_to_keyid(keys, stranger.fingerprint()).unwrap_err();
    assert_eq!(error, TrustError::NoSuchKey(stranger.fingerprint().clone()));
}

#[test]
fn a_listing_of_a_certificate_says_who_certified_it() {
    let (alice, bob) = (alice(), key_of("bob", 4, Expiry::Never));
    let certified = alice.certify(bob.certificate(), Exportable::Yes, NOW, &mut rng()).unwrap();
    let listing = KeyListing::of(&certified, [alice.certificate()]);
    assert_eq!(listing.fingerprint.as_ref(), Some(bob.fingerprint()));
    assert_eq!(listing.user_id.as_deref(), Some("bob <bob@example.com>"));
    assert_eq!(listing.sig_key_ids, [bob.certificate().key_id(), alice.certificate().key_id()]);
    assert_eq!(listing.sig_user_ids, ["bob <bob@example.com>", "alice <alice@example.com>"]);
    let by_alice =
        ExpectedListing { sig_key_ids: [alice.certificate().key_id()].into(), ..Default::default() };
    assert_eq!(listing.differences(&by_alice), []);
    assert_ne!(KeyListing::of(bob.certificate(), []).differences(&by_alice), []);
}
