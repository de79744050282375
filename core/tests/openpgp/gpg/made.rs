//! The situations that gpg can make by itself: keys, subkeys, expiries, revocations and signatures are all gpg's.

use super::program::Gpg;
use super::situations::{BOUND, CREATED, DAY, Keepers, MADE, Subject, TEXT};
use crate::forge::Sig;
use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::packet::SignatureType;
use pgp::ser::Serialize as _;
use std::path::Path;

/// Every one of them.
pub(crate) fn made(directory: &Path, keepers: &Keepers) -> Vec<Subject> {
    let mut gpg = Gpg::new(directory, "maker", CREATED);
    let states = ["valid", "expired", "revoked"];
    let mut subjects = Vec::new();
    for state in states {
        for place in ["primary", "subkey"] {
            subjects.push(make(&mut gpg, directory, keepers, state, place));
        }
    }
    subjects
}

fn make(gpg: &mut Gpg, directory: &Path, keepers: &Keepers, state: &str, place: &str) -> Subject {
    let name = format!("gpg: {state}, {place}");
    let is = |of: &str, wanted: &str| place == of && state == wanted;
    let until = |of| if is(of, "expired") { "400d" } else { "never" };
    let user = format!("{name} <worker@example.com>");
    let (key, sub) = gpg.at(CREATED, |gpg| {
        let key = gpg.generate(&user, "cert,sign", until("primary"));
        gpg.run(&["--quick-add-key", &key, "ed25519", "sign", until("subkey")], b"");
        let listing = gpg.run(&["--with-colons", "--list-keys", &key], b"");
        let listing = String::from_utf8(listing).unwrap();
        let last = listing.lines().filter_map(|line| line.strip_prefix("fpr:::::::::")).next_back().unwrap();
        (key, last.trim_end_matches(':').to_owned())
    });
    let signer = format!("{}!", if place == "primary" { &key } else { &sub });
    let document = directory.join("document");
    std::fs::write(&document, TEXT).unwrap();
    let (clear_signed, signature) = gpg.at(MADE, |gpg| {
        let sign =
            |how| gpg.run(&["-u", &signer, "--armor", "--output", "-", how, document.to_str().unwrap()], b"");
        (sign("--clear-sign"), sign("--detach-sign"))
    });
    if is("primary", "revoked") {
        let file = gpg.home().join(format!("openpgp-revocs.d/{key}.rev"));
        let text = std::fs::read_to_string(file).unwrap().replace(":-----BEGIN", "-----BEGIN");
        gpg.run(&["--import"], text.as_bytes());
    }
    if is("subkey", "revoked") {
        gpg.at(MADE + DAY, |gpg| {
            let edit = ["--command-fd", "0", "--edit-key", &key];
            // the first subkey; yes; compromised; no more text; right
            gpg.run(&edit, b"key 1\nrevkey\ny\n1\n\ny\nsave\n");
        });
    }
    let export = gpg.run(&["--export", &key], b"");
    Subject { name, certificate: certified(&export, keepers), fingerprint: key, clear_signed, signature }
}

/// The keeper's certification added, as the keeper would have done it.
fn certified(export: &[u8], keepers: &Keepers) -> Vec<u8> {
    let mut key = SignedPublicKey::from_bytes(export).unwrap();
    let body = key.primary_key.to_bytes().unwrap();
    let user = &mut key.details.users[0];
    let sig = Sig::new(SignatureType::CertGeneric, BOUND);
    let id = user.id.as_str().unwrap().to_owned();
    user.signatures.push(sig.over(&crate::forge::certified(&body, &id), &keepers.good));
    key.to_bytes().unwrap()
}
