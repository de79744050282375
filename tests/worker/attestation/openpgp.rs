//! The classic form: clear-signed with OpenPGP.

use super::*;
use rand::rngs::OsRng;
use scriptworker_core::openpgp::{
    Expiry, KeyAlgorithm, KeyOwner, KeyPlan, Keyring, SecretKey, SignaturePolicy,
};
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;

fn now() -> UnixMillis {
    UnixMillis(chrono::Utc::now().timestamp_millis())
}

fn key(algorithm: KeyAlgorithm) -> SecretKey {
    let owner = KeyOwner::of_worker("cltsign", "worker-1.example.com").unwrap();
    let plan = KeyPlan { owner, algorithm, expiry: Expiry::After(86_400) };
    SecretKey::generate(&plan, now(), &mut OsRng).unwrap()
}

fn write(site: &Site, name: &str, text: &str, mode: u32) -> String {
    let path = site.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A site whose worker signs with this key.
fn signing_with(key: &SecretKey) -> Site {
    let site = Site::new().without("ed25519_private_key_path");
    let secret = write(&site, "worker.sec", &key.to_armored().unwrap(), 0o600);
    let public = write(&site, "worker.pub", &key.certificate().to_armored(), 0o644);
    site.set("sign_chain_of_trust", true).set("privkey_path", secret).set("pubkey_path", public)
}

/// The body that was signed; a signature that is not good is a failure.
fn signed_body(site: &Site, task: &TaskId, key: &SecretKey) -> Vec<u8> {
    let keyring = Keyring::flat(vec![key.certificate().clone()], SignaturePolicy::default());
    let signed = keyring.verify_clear_signed(&bytes(site, task, CLASSIC), now()).unwrap();
    assert_eq!(&signed.signature.signer, key.fingerprint());
    signed.body()
}

#[test]
fn a_run_is_attested_and_clear_signed() {
    for algorithm in [KeyAlgorithm::Ed25519, "rsa2048".parse().unwrap()] {
        let key = key(algorithm);
        let site = signing_with(&key);
        site.start();
        let task = site.task(MAKES_TWO);
        assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
        assert_eq!(forms(&site, &task), [CLASSIC]);
        let artifact = site.artifact(&task, 0, CLASSIC).unwrap();
        assert_eq!(
            (artifact.content_type.as_str(), artifact.content_encoding.as_deref()),
            ("text/plain", Some("gzip"))
        );
        let body: Value = serde_json::from_slice(&signed_body(&site, &task, &key)).unwrap();
        assert_eq!(body["artifacts"], digests(&site, &task, "sha256"));
        assert_eq!(body["taskId"], task.as_str());

        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(dir.path().join("signed"), bytes(&site, &task, CLASSIC)).unwrap();
        std::fs::write(dir.path().join("public"), key.certificate().to_armored()).unwrap();
        let gpg = |arguments: &[&str]| {
            ask("gpg", &[&["--homedir", "home", "--batch", "-q"], arguments].concat(), dir.path())
        };
        if let Some((imported, _)) = gpg(&["--import", "public"]) {
            assert!(imported);
            let (good, text) = gpg(&["--decrypt", "signed"]).unwrap();
            assert!(good, "gpg accepts the signature");
            assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), body);
        }
    }
}

#[test]
fn both_forms_state_the_same() {
    let (ed25519, openpgp) = (PrivateKey::generate(&mut OsRng), key(KeyAlgorithm::Ed25519));
    let site = signing_with(&openpgp).set("cot_signature_scheme", "both");
    let path = write_key(&site, ed25519.to_base64().expose(), 0o400);
    let site = site.set("ed25519_private_key_path", path);
    site.start();
    let task = site.task(MAKES_TWO);
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert_eq!(forms(&site, &task), [CURRENT, SIGNATURE, CLASSIC]);
    let text = bytes(&site, &task, CURRENT);
    // a signed text ends with a newline
    assert_eq!(signed_body(&site, &task, &openpgp), [&text[..], b"\n"].concat());
    let signature = Signature::from_bytes(&bytes(&site, &task, SIGNATURE)).unwrap();
    assert_eq!(ed25519.public().verify(&text, &signature), Ok(()));
    let late = site.task_with("exec sleep 3600", json!({ "maxRunTime": 1 }));
    assert_eq!(site.outcome(&late, 0), "failed failed", "{}", site.log());
    assert_eq!(forms(&site, &late), [CLASSIC], "a time-out");
    signed_body(&site, &late, &openpgp);
}

#[test]
fn a_locked_key_is_unlocked_once() {
    let key = key(KeyAlgorithm::Ed25519);
    let site = signing_with(&key);
    let locked = key.to_armored_locked(&Secret::new("canary passphrase"), &mut OsRng).unwrap();
    let secret = write(&site, "locked.sec", &locked, 0o600);
    let passphrase = write(&site, "passphrase", "canary passphrase\n", 0o600);
    let site = site.set("privkey_path", secret).set("privkey_passphrase_path", passphrase);
    site.start();
    for _ in 0..2 {
        let task = site.task("echo done");
        assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
        signed_body(&site, &task, &key);
        // it is not read again
        let _ = std::fs::remove_file(site.path("locked.sec"));
        let _ = std::fs::remove_file(site.path("passphrase"));
    }
    assert!(!site.log().contains("canary"), "{}", site.log());
}

#[test]
fn a_pair_that_cannot_be_used_does_not_start() {
    let (ours, other) = (key(KeyAlgorithm::Ed25519), key(KeyAlgorithm::Ed25519));
    let locked = ours.to_armored_locked(&Secret::new("canary passphrase"), &mut OsRng).unwrap();
    let secret = ours.to_armored().unwrap();
    let public = |key: &SecretKey| key.certificate().to_armored();
    for (secret, mode, public, passphrase, said) in [
        (secret.as_str(), 0o644, public(&ours), None, "privkey_path: "),
        (secret.as_str(), 0o600, public(&other), None, "expected the public half of the secret key"),
        (secret.as_str(), 0o600, secret.to_string(), None, "pubkey_path: "),
        (&public(&ours), 0o600, public(&ours), None, "expected a secret key, found a public one"),
        (locked.as_str(), 0o600, public(&ours), None, "is locked: its passphrase is needed"),
        (
            locked.as_str(),
            0o600,
            public(&ours),
            Some("canary wrong"),
            "the passphrase does not open the secret key",
        ),
    ] {
        let site = signing_with(&ours);
        write(&site, "worker.sec", secret, mode);
        write(&site, "worker.pub", &public, 0o644);
        let site = match passphrase {
            Some(text) => {
                let path = write(&site, "passphrase", text, 0o600);
                site.set("privkey_passphrase_path", path)
            }
            None => site,
        };
        site.start();
        assert_eq!(site.exit_code(), 1, "{said}");
        let stderr = site.read("stderr");
        assert!(stderr.contains(said), "{said} in {stderr}");
        assert!(!stderr.contains("canary") && !stderr.contains("BEGIN PGP"), "{stderr}");
    }
}
