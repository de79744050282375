//! How fast keys and signatures are checked, beside gpg: `cargo test --release --test openpgp_speed -- --ignored
//! --nocapture`. Ignored otherwise, because a loaded machine measures nothing.
#![expect(clippy::unwrap_used, reason = "a measurement")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it calls gpg and reads the clock")]

#[expect(dead_code, clippy::indexing_slicing, reason = "a kit for several tests; digests are long enough")]
mod openpgp_support;

use openpgp_support::forge::{self, Cert, Key, Sig, Use};
use pgp::packet::SignatureType;
use scriptworker_core::openpgp::{Certificate, Keyring, SignaturePolicy};
use scriptworker_core::time::UnixMillis;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MADE: u32 = 1_700_000_000;
const NOW: UnixMillis = UnixMillis(1_760_000_000_000);

/// A directory below the build's, emptied.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn gpg(home: &Path, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let status = Command::new("gpg")
        .args(["--homedir", home.to_str().unwrap(), "--batch", "--quiet", "--no-auto-check-trustdb"])
        .args(["--trust-model", "always", "--no-autostart"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}");
    start.elapsed()
}

fn home(name: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let home = scratch(name);
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    home
}

/// A certificate as gpg makes it: one user id, one encryption subkey, certified by the trusted key.
fn certified(key: &Key, subkey: &Key, user: &str, trusted: Option<&Key>) -> Cert {
    let own = Sig::new(SignatureType::CertPositive, MADE).usage(Use::CertifyAndSign).on_user(key, user, key);
    let mut cert = Cert::new(key).user(user).signature(&own);
    if let Some(trusted) = trusted {
        cert = cert.signature(&Sig::new(SignatureType::CertGeneric, MADE + 1).on_user(key, user, trusted));
    }
    let binding =
        Sig::new(SignatureType::SubkeyBinding, MADE).usage(Use::Encrypt).on_subkey(key, subkey, key);
    cert.subkey(subkey).signature(&binding)
}

fn keys(make: impl Fn(&str, u32) -> Key, pairs: u32) -> (Key, Vec<(Key, String)>) {
    let trusted = make("trusted", MADE - 1);
    // The same arithmetic with another date is another key.
    let valid = (0..1000)
        .map(|number| {
            (
                make(&format!("valid {}", number % pairs), MADE - number),
                format!("key {number} <k@example.com>"),
            )
        })
        .collect();
    (trusted, valid)
}

#[test]
#[ignore = "a measurement"]
fn a_signed_keyring_of_1000_keys_beside_gpg() {
    for (name, kind, pairs) in [("ed25519", Key::new as fn(&str, u32) -> Key, 1000), ("rsa2048", Key::rsa, 4)]
    {
        let cache = std::cell::RefCell::new(std::collections::HashMap::new());
        let make = |name: &str, made: u32| -> Key {
            let known = cache.borrow().get(name).cloned();
            let key: Key = known.unwrap_or_else(|| kind(name, made));
            cache.borrow_mut().insert(name.to_owned(), key.clone());
            key.again(made)
        };
        let (trusted, valid) = keys(make, pairs);
        let subkey = kind("subkey", MADE);
        let folder = scratch(&format!("speed-{name}"));
        let mut files = vec![certified(&trusted, &subkey, "trusted <t@example.com>", None).armored()];
        files.extend(valid.iter().map(|(key, user)| certified(key, &subkey, user, Some(&trusted)).armored()));
        let paths: Vec<PathBuf> =
            (0..files.len()).map(|number| folder.join(format!("{number}.asc"))).collect();
        for (path, file) in paths.iter().zip(&files) {
            std::fs::write(path, file).unwrap();
        }
        let home = home(&format!("speed-{name}-gpg"));
        let mut arguments = vec!["--import"];
        arguments.extend(paths.iter().map(|path| path.to_str().unwrap()));
        let import = gpg(&home, &arguments);
        let check = gpg(&home, &["--check-sigs"]);
        let start = Instant::now();
        let mut certificates: Vec<Certificate> =
            paths.iter().map(|path| Certificate::parse(&std::fs::read(path).unwrap()).unwrap()).collect();
        let trusted = vec![certificates.remove(0)];
        let parsed = start.elapsed();
        let keyring = Keyring::signed(trusted, certificates, SignaturePolicy::default());
        let states = keyring.keys(NOW);
        let ours = start.elapsed();
        assert_eq!(states.iter().filter(|state| state.state.is_ok()).count(), 1001);
        println!(
            "1000 {name} keys: gpg import {import:?} + check-sigs {check:?}; here {ours:?} (parsing {parsed:?}): {:.1} times faster",
            (import + check).as_secs_f64() / ours.as_secs_f64()
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn a_clear_signed_text_beside_gpg() {
    let key = Key::new("signer", MADE);
    let cert = certified(&key, &Key::new("subkey", MADE), "signer <s@example.com>", None).armored();
    let folder = scratch("speed-text");
    let home = home("speed-text-gpg");
    std::fs::write(folder.join("key.asc"), &cert).unwrap();
    gpg(&home, &["--import", folder.join("key.asc").to_str().unwrap()]);
    for mebibytes in [1, 2, 4, 8, 16] {
        let text = "  \"public/build/target.tar.bz2\": {\"sha256\": \"0123456789abcdef0123456789abcdef\"},\n"
            .repeat((mebibytes << 20) / 80);
        let signature = Sig::new(SignatureType::Text, MADE + 10).over(&forge::canonical(&text), &key);
        let document = forge::clear_signed(&text, "SHA512", &forge::armored_signature(&signature));
        let path = folder.join("text.asc");
        std::fs::write(&path, &document).unwrap();
        let theirs = gpg(&home, &["--verify", path.to_str().unwrap()]);
        let start = Instant::now();
        let keyring =
            Keyring::flat(vec![Certificate::parse(cert.as_bytes()).unwrap()], SignaturePolicy::default());
        keyring.verify_clear_signed(document.as_bytes(), NOW).unwrap();
        let ours = start.elapsed();
        println!("{mebibytes} MiB: gpg {theirs:?}, here {ours:?}");
    }
}
