//! What is made here, gpg accepts, and what gpg makes, is accepted here.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests that drive gpg with files"
)]

mod gpg;
#[path = "../support/skip.rs"]
mod skip;

use gpg::{Gpg, field};
use rand::rngs::OsRng;
use scriptworker_core::openpgp::{
    Certificate, Expiry, Exportable, KeyOwner, KeyPlan, Keyring, RevocationReason, SecretKey, SecretKeyError,
    SignError, SignaturePolicy,
};
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use std::time::SystemTime;

/// Texts that two programs could canonicalize differently.
const TEXTS: [&str; 9] = [
    "{\n  \"chainOfTrustVersion\": 1\n}\n",
    "no newline at the end",
    "",
    "\n\n",
    "trailing blank \nand tab\t\n \t \nend\n",
    "- dash\n-----BEGIN PGP SIGNATURE-----\n--\n-",
    "windows\r\nlines\r\n",
    "From here\n\n\n",
    "snowman \u{2603}\u{a0}\n",
];

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UnixMillis(i64::try_from(since.as_millis()).unwrap())
}

fn key(name: &str, algorithm: &str) -> SecretKey {
    let plan = KeyPlan {
        owner: KeyOwner::of_worker(name, "host.example.com").unwrap(),
        algorithm: algorithm.parse().unwrap(),
        expiry: Expiry::After(86_400 * 730),
    };
    SecretKey::generate(&plan, now(), &mut OsRng).unwrap()
}

fn keyring(key: &[u8]) -> Keyring {
    Keyring::flat(vec![Certificate::parse(key).unwrap()], SignaturePolicy::default())
}

/// The status lines of `--verify` on a text or, with a signature, on a file.
fn verdict(gpg: &Gpg, files: &[&str]) -> String {
    let mut arguments = vec!["--status-fd", "1", "--verify"];
    arguments.extend(files);
    String::from_utf8(gpg.try_run(&arguments, b"").stdout).unwrap()
}

#[test]
fn gpg_reads_our_keys_and_signatures() {
    let Some(gpg) = Gpg::new() else { return };
    for algorithm in ["rsa2048", "ed25519"] {
        let key = key(algorithm, algorithm);
        let fingerprint = key.fingerprint().to_string();
        gpg.run(&["--import"], key.certificate().to_armored().as_bytes());
        let listing = gpg.text(&["--with-colons", "--list-keys", &fingerprint], b"");
        assert_eq!(field(&listing, "fpr", 9), fingerprint);
        assert_eq!(field(&listing, "uid", 9), format!("host <{algorithm}@host.example.com>"));
        assert_eq!(field(&listing, "pub", 11), "scSC");
        let life = [5, 6].map(|number| field(&listing, "pub", number).parse::<i64>().unwrap());
        assert_eq!(
            life,
            [key.certificate().created().0 / 1000, key.certificate().created().0 / 1000 + 86_400 * 730]
        );
        for text in TEXTS {
            let signed = key.clear_sign(text.as_bytes(), now(), &mut OsRng).unwrap();
            let status = verdict(&gpg, &[&gpg.file("signed.asc", signed.as_bytes())]);
            assert!(status.contains("GOODSIG") && status.contains(&fingerprint), "{text:?}: {status}");
            // the text itself, as both read it
            let ours = keyring(key.certificate().packets()).verify_clear_signed(signed.as_bytes(), now());
            let theirs = gpg.run(&["--decrypt"], signed.as_bytes());
            assert_eq!(String::from_utf8(ours.unwrap().body()), String::from_utf8(theirs), "{text:?}");
        }
        let data = [0, 255, 13, 10, 32];
        let signature = key.sign_detached(&data, now(), &mut OsRng).unwrap();
        let files = [gpg.file("data.sig", signature.as_bytes()), gpg.file("data", &data)];
        let status = verdict(&gpg, &[&files[0], &files[1]]);
        assert!(status.contains("GOODSIG") && status.contains(" 10 00 "), "SHA-512, type 0: {status}");
        gpg.file("data", b"changed");
        assert!(verdict(&gpg, &[&files[0], &files[1]]).contains("BADSIG"));
    }
}

#[test]
fn gpg_signs_with_our_secret_keys() {
    let Some(gpg) = Gpg::new() else { return };
    let passphrase = Secret::new("open sesame");
    for (number, algorithm) in ["rsa2048", "ed25519"].into_iter().enumerate() {
        for locked in [false, true] {
            let key = key(&format!("user{number}{locked}"), algorithm);
            let text = match locked {
                true => key.to_armored_locked(&passphrase, &mut OsRng).unwrap(),
                false => key.to_armored().unwrap(),
            };
            gpg.run(&["--passphrase", "open sesame", "--import"], text.as_bytes());
            let fingerprint = key.fingerprint().to_string();
            let with = ["--passphrase", "open sesame", "--local-user", &fingerprint, "--clearsign"];
            let signed = gpg.run(&with, b"hello\n");
            let checked = keyring(key.certificate().packets()).verify_clear_signed(&signed, now()).unwrap();
            assert_eq!((checked.body(), &checked.signature.signer), (b"hello\n".to_vec(), key.fingerprint()));
        }
    }
}

#[test]
fn we_sign_with_secret_keys_of_gpg() {
    let Some(gpg) = Gpg::new() else { return };
    for (algorithm, passphrase) in
        [("rsa2048", ""), ("ed25519", ""), ("rsa2048", "xyzzy"), ("ed25519", "xyzzy")]
    {
        let user = format!("{algorithm}{passphrase} <a@example.com>");
        let fingerprint = gpg.make(&user, algorithm, passphrase);
        let export = ["--passphrase", passphrase, "--armor", "--export-secret-keys", &fingerprint];
        let secret = gpg.run(&export, b"");
        let given = Some(Secret::new(passphrase)).filter(|given| !given.is_empty());
        if given.is_some() {
            let error = SecretKey::parse(&secret, None).unwrap_err();
            assert!(matches!(error, SecretKeyError::PassphraseNeeded { .. }));
            let error = SecretKey::parse(&secret, Some(&Secret::new("plugh"))).unwrap_err();
            assert!(matches!(error, SecretKeyError::WrongPassphrase { .. }));
        }
        let key = SecretKey::parse(&secret, given.as_ref()).unwrap();
        let signed = key.clear_sign(b"hello\n", now(), &mut OsRng).unwrap();
        let status = verdict(&gpg, &[&gpg.file("signed.asc", signed.as_bytes())]);
        assert!(status.contains("GOODSIG") && status.contains(&fingerprint), "{status}");
        let public = gpg.run(&["--export", &fingerprint], b"");
        assert!(keyring(&public).verify_clear_signed(signed.as_bytes(), now()).is_ok());
    }
}

/// The primary key stays with its keeper, the worker has a subkey.
#[test]
fn the_newest_signing_subkey_signs_as_with_gpg() {
    let Some(gpg) = Gpg::new() else { return };
    let fingerprint = gpg.make("subkeys <a@example.com>", "ed25519", "");
    for algorithm in ["rsa2048", "ed25519"] {
        gpg.run(&["--passphrase", "", "--quick-add-key", &fingerprint, algorithm, "sign", "1y"], b"");
    }
    gpg.run(&["--passphrase", "", "--quick-add-key", &fingerprint, "cv25519", "encr", "1y"], b"");
    let public = gpg.run(&["--export", &fingerprint], b"");
    let whole = gpg.run(&["--passphrase", "", "--export-secret-keys", &fingerprint], b"");
    let worker = gpg.run(&["--passphrase", "", "--export-secret-subkeys", &fingerprint], b"");
    let mut signers = Vec::new();
    for secret in [&whole, &worker] {
        let key = SecretKey::parse(secret, None).unwrap();
        let signed = key.clear_sign(b"hello\n", now(), &mut OsRng).unwrap();
        let checked = keyring(&public).verify_clear_signed(signed.as_bytes(), now()).unwrap();
        assert_eq!(checked.signature.signer.to_string(), fingerprint);
        assert_ne!(checked.signature.signing_key, checked.signature.signer);
        let status = verdict(&gpg, &[&gpg.file("signed.asc", signed.as_bytes())]);
        assert!(status.contains(&format!("VALIDSIG {}", checked.signature.signing_key)), "{status}");
        signers.push(checked.signature.signing_key);
    }
    assert_eq!(signers[0], signers[1]);
    // without its primary part a key signs, but does not certify
    let worker = SecretKey::parse(&worker, None).unwrap();
    let error = worker.certify(key("x", "ed25519").certificate(), Exportable::Yes, now(), &mut OsRng);
    assert!(error.unwrap_err().to_string().contains("primary key is not in the file"));
    let error = worker.clear_sign(b"x", UnixMillis(0), &mut OsRng).unwrap_err();
    assert!(matches!(error, SignError::Key { .. }));
}

/// The lines of a key's listing that are about signatures by another key.
fn signatures(gpg: &Gpg, key: &SecretKey, by: &str) -> Vec<Vec<String>> {
    let listing = gpg.text(&["--with-colons", "--check-sigs", &key.fingerprint().to_string()], b"");
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let lines = listing.lines().map(fields).filter(|line| matches!(line[0].as_str(), "sig" | "rev"));
    lines.filter(|line| line.get(12).is_some_and(|issuer| issuer == by)).collect()
}

#[test]
fn gpg_reads_our_certifications_and_revocations() {
    let Some(gpg) = Gpg::new() else { return };
    let (keeper, worker) = (key("keeper", "rsa2048"), key("worker", "ed25519"));
    gpg.run(&["--import"], keeper.certificate().to_armored().as_bytes());
    let by = keeper.fingerprint().to_string();
    let local = keeper.certify(worker.certificate(), Exportable::No, now(), &mut OsRng).unwrap();
    let options = ["--import-options", "import-local-sigs", "--import"];
    gpg.run(&options, local.to_armored_with_locals().as_bytes());
    let found = signatures(&gpg, &worker, &by);
    assert_eq!((found[0][1].as_str(), found[0][10].as_str(), found.len()), ("!", "10l", 1));

    let certified = keeper.certify(&local, Exportable::Yes, now(), &mut OsRng).unwrap();
    gpg.run(&["--import"], certified.to_armored().as_bytes());
    let found = signatures(&gpg, &worker, &by);
    assert!(found.iter().any(|line| line[1] == "!" && line[10] == "10x" && line[15] == "10"), "{found:?}");

    let later = now().plus(1000);
    let revoked = keeper
        .revoke_certification(&certified, RevocationReason::Retired, "left", later, &mut OsRng)
        .unwrap();
    gpg.run(&["--import"], revoked.to_armored().as_bytes());
    let found = signatures(&gpg, &worker, &by);
    assert!(found.iter().any(|line| line[0] == "rev" && line[1] == "!"), "{found:?}");

    let ended = worker.revoke(RevocationReason::Compromised, "stolen", now(), &mut OsRng).unwrap();
    gpg.run(&["--import"], ended.to_armored().as_bytes());
    let listing = gpg.text(&["--with-colons", "--list-keys", &worker.fingerprint().to_string()], b"");
    assert_eq!(field(&listing, "pub", 1), "r");
}

#[test]
fn we_read_certifications_of_gpg() {
    let Some(gpg) = Gpg::new() else { return };
    let keeper = gpg.make("keeper <k@example.com>", "rsa2048", "");
    let worker = key("worker", "ed25519");
    let name = worker.fingerprint().to_string();
    gpg.run(&["--import"], worker.certificate().to_armored().as_bytes());
    let trusted = Certificate::parse(&gpg.run(&["--export", &keeper], b"")).unwrap();
    let counts = |key: Vec<u8>| {
        let keys = vec![Certificate::parse(&key).unwrap()];
        let keyring = Keyring::signed(vec![trusted.clone()], keys, SignaturePolicy::default());
        keyring.keys(now()).pop().unwrap().state.is_ok()
    };
    assert!(!counts(gpg.run(&["--export", &name], b"")));
    gpg.run(&["--local-user", &keeper, "--quick-lsign-key", &name], b"");
    let with_locals = ["--export-options", "export-local-sigs", "--export", &name];
    let local = gpg.run(&with_locals, b"");
    assert!(counts(local.clone()));
    // what is exported has no local certification, theirs or ours
    assert!(!counts(gpg.run(&["--export", &name], b"")));
    assert!(!counts(Certificate::parse(&local).unwrap().to_armored().into_bytes()));
    gpg.run(&["--local-user", &keeper, "--quick-sign-key", &name], b"");
    assert!(counts(gpg.run(&["--export", &name], b"")));
}
