//! The work that is measured, for both sides. Each result is looked at: fast and wrong is not fast.

use crate::forge::{Cert, Key, Sig, Use, armored_signature, canonical, clear_signed};
use crate::gpg::Gpg;
use pgp::packet::SignatureType;
use scriptworker::config::{KeyringLayout, KeyringModel};
use scriptworker::keyrings::{Keys as RingKeys, Source, Store, read_folder};
use scriptworker_core::openpgp::{Certificate, Keyring, SignaturePolicy};
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// 2025-01-01; a key a second is made from then on.
const CREATED: u32 = 1_735_689_600;
const SIGNED: u32 = CREATED + 365 * 86_400;

/// Seconds that this takes.
fn seconds<T>(act: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = act();
    (start.elapsed().as_secs_f64(), result)
}

fn now() -> UnixMillis {
    UnixMillis(chrono::Utc::now().timestamp_millis())
}

/// A key folder with one trusted key and so many keys that it certified.
pub(crate) struct Keys {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Keys {
    /// The keys are distinct; the RSA numbers are the same in all, for it would take half an hour to find so many.
    pub(crate) fn make(folder: &Path, count: usize, rsa: bool) -> Self {
        eprintln!("making {count} keys in {}", folder.display());
        let make = |name: &str| if rsa { Key::rsa_of(4096, name, CREATED) } else { Key::new(name, CREATED) };
        let (keeper, worker) = (make("the keeper's"), make("a worker's"));
        let own = |key: &Key, user: &str, at: u32| {
            let sig = Sig::new(SignatureType::CertPositive, at).usage(Use::CertifyAndSign);
            Cert::new(key).user(user).signature(&sig.on_user(key, user, key))
        };
        let mut files = Vec::new();
        let mut write = |name: String, cert: &Cert| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, cert.armored()).unwrap();
            files.push(path);
        };
        write("trusted/keeper.asc".to_owned(), &own(&keeper, "keeper <keeper@example.com>", CREATED));
        for number in 0..count {
            let created = CREATED + u32::try_from(number).unwrap();
            let key =
                if rsa { worker.again(created) } else { Key::new(&format!("worker {number}"), created) };
            let user = format!("worker{number} <worker@host{number}.example.com>");
            let sig = Sig::new(SignatureType::CertGeneric, SIGNED).on_user(&key, &user, &keeper);
            write(format!("valid/worker{number}.asc"), &own(&key, &user, created).signature(&sig));
        }
        Self { folder: folder.to_path_buf(), files }
    }

    /// Reads the folders, builds the keyring on disk, swaps it in, loads it, and checks every key.
    pub(crate) fn ours(&self) -> f64 {
        let base = self.folder.join("keyrings");
        let _ = std::fs::remove_dir_all(&base);
        let (seconds, good) = seconds(|| {
            let layout = KeyringLayout { model: KeyringModel::Signed, ignore_suffixes: Vec::new() };
            let read = |name: &str| read_folder(&self.folder.join(name), &[]).unwrap();
            let keys = RingKeys { layout, by_place: read("trusted"), by_certification: read("valid") };
            let signed_by = keys.by_place[0].fingerprint().clone();
            let source = Source { revision: "0".repeat(40), tag: None, signed_by };
            let store = Store::new(&base);
            store.stage(&BTreeMap::from([("scriptworker".to_owned(), keys)]), &source, now()).unwrap();
            let set = store.swap().unwrap();
            let keys = set.get("scriptworker").unwrap().keys(now());
            keys.iter().filter(|key| key.state.is_ok()).count()
        });
        assert_eq!(good, self.files.len());
        seconds
    }

    /// `gpg --import` of all files at once, then `gpg --check-sigs`.
    pub(crate) fn gpg(&self) -> f64 {
        let gpg = Gpg::fresh(&self.folder.join("gpg"));
        let (seconds, listing) = seconds(|| {
            gpg.run(&["--import"], &self.files);
            gpg.run(&["--with-colons", "--check-sigs"], &[])
        });
        let good = listing.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"sig:!:")).count();
        // two on each key, one on the keeper's
        assert_eq!(good, 2 * self.files.len() - 1);
        seconds
    }
}

/// Clear-signed documents of several sizes, and the key that signed them.
pub(crate) struct Documents {
    folder: PathBuf,
    keyring: Keyring,
    gpg: Gpg,
    files: Vec<PathBuf>,
}

impl Documents {
    pub(crate) fn make(folder: &Path, sizes: &[usize]) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let key = Key::rsa_of(4096, "the keeper's", CREATED);
        let sig = Sig::new(SignatureType::CertPositive, CREATED).usage(Use::CertifyAndSign);
        let user = "worker <worker@example.com>";
        let cert = Cert::new(&key).user(user).signature(&sig.on_user(&key, user, &key));
        let path = folder.join("key.asc");
        std::fs::write(&path, cert.armored()).unwrap();
        let gpg = Gpg::fresh(&folder.join("gpg"));
        gpg.run(&["--import"], &[path]);
        let keys = vec![Certificate::parse(cert.bytes()).unwrap()];
        let mut files = Vec::new();
        for size in sizes {
            let text = attestation(*size);
            let signature = Sig::new(SignatureType::Text, SIGNED).over(&canonical(&text), &key);
            let path = folder.join(format!("{size}.asc"));
            std::fs::write(&path, clear_signed(&text, "SHA512", &armored_signature(&signature))).unwrap();
            files.push(path);
        }
        let keyring = Keyring::flat(keys, SignaturePolicy::default());
        Self { folder: folder.to_path_buf(), keyring, gpg, files }
    }

    /// Reads and verifies the document.
    pub(crate) fn ours(&self, number: usize) -> f64 {
        let (seconds, verified) = seconds(|| {
            let document = std::fs::read(&self.files[number]).unwrap();
            self.keyring.verify_clear_signed(&document, now())
        });
        assert!(verified.unwrap().text.len() > MIN);
        seconds
    }

    /// `gpg --verify`.
    pub(crate) fn gpg(&self, number: usize) -> f64 {
        assert!(self.folder.exists());
        seconds(|| self.gpg.run(&["--verify"], &self.files[number..=number])).0
    }
}

/// No document is smaller.
const MIN: usize = 1 << 20;

/// The attestation of a task with very many artifacts, of about this size.
fn attestation(size: usize) -> String {
    let mut text = String::from("{\n  \"artifacts\": {\n");
    let mut number = 0_u64;
    while text.len() < size {
        let digest =
            format!("{:064x}", u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C834));
        text.push_str(&format!(
            "    \"public/build/{number}.bin\": {{\n      \"sha256\": \"{digest}\"\n    }},\n"
        ));
        number += 1;
    }
    text + "  },\n  \"chainOfTrustVersion\": 1\n}\n"
}
