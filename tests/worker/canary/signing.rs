//! A worker that signs in both forms, and everything of its keys that must not come out.

use crate::support::Site;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::OsRng;
use scriptworker_core::ed25519::PrivateKey;
use scriptworker_core::openpgp::{Expiry, KeyAlgorithm, KeyOwner, KeyPlan, SecretKey};
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Secrets as texts, and as bytes.
type Secrets = (Vec<(String, String)>, Vec<(&'static str, Vec<u8>)>);

/// Gives the worker its keys, the OpenPGP one locked. They are files in `dir`.
pub(super) fn with_keys(site: Site, dir: &Path, passphrase: &str) -> (Site, Secrets) {
    let ed25519 = PrivateKey::generate(&mut OsRng);
    let owner = KeyOwner::of_worker("canary", "worker-1.example.com").unwrap();
    let plan = KeyPlan { owner, algorithm: KeyAlgorithm::Ed25519, expiry: Expiry::After(86_400) };
    let now = UnixMillis(chrono::Utc::now().timestamp_millis());
    let openpgp = SecretKey::generate(&plan, now, &mut OsRng).unwrap();
    let locked = openpgp.to_armored_locked(&Secret::new(passphrase), &mut OsRng).unwrap();
    let seed = ed25519.to_base64();
    let mut site = site.set("sign_chain_of_trust", true).set("cot_signature_scheme", "both");
    for (key, name, text) in [
        ("ed25519_private_key_path", "seed", seed.expose()),
        ("privkey_path", "sec", &*locked),
        ("privkey_passphrase_path", "passphrase", passphrase),
    ] {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        site = site.set(key, path.to_str().unwrap());
    }
    let open = openpgp.to_armored().unwrap();
    let lines = |armored: &str| armored.lines().filter(|line| line.len() == 64).map(str::to_owned).collect();
    let public: Vec<String> = lines(&openpgp.certificate().to_armored());
    let mut texts = vec![("the seed".to_owned(), seed.expose().to_owned())];
    for (name, armored) in [("the secret key", &open), ("the locked secret key", &locked)] {
        let secret: Vec<String> = lines(armored);
        let secret = secret.into_iter().filter(|line| !public.contains(line));
        texts.extend(secret.map(|line| (name.to_owned(), line)));
    }
    let seed = STANDARD.decode(seed.expose()).unwrap();
    (site, (texts, vec![("the seed", seed), ("the secret scalar", scalar(&openpgp))]))
}

/// The secret part of the primary key: it stands behind the public part, a byte that says that it is not locked, and
/// its length (RFC 9580 5.5.3).
fn scalar(key: &SecretKey) -> Vec<u8> {
    let packets = |armored: &str| {
        let body = armored.split_once("\n\n").unwrap().1;
        let lines = body.lines().take_while(|line| !line.starts_with(['=', '-']));
        STANDARD.decode(lines.collect::<String>()).unwrap()
    };
    let secret = packets(&key.to_armored().unwrap());
    let public = packets(&key.certificate().to_armored());
    let length = usize::from(public[1]);
    assert_eq!(secret[2..2 + length], public[2..2 + length], "a packet of fewer than 192 bytes");
    // a number of 32 bytes that may begin with zeros
    secret[2 + length + 3..][..28].to_vec()
}
