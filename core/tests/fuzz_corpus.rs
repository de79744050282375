//! The bodies of the fuzz targets over the committed corpus, as gpg 2.2 made it, and over what a careless or evil hand
//! makes of it. `just fuzz` looks for more.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "it reads the corpus")]

mod fuzz_bodies;

use fuzz_bodies as bodies;
use scriptworker_core::openpgp::trust::{
    ExpectedListing, KeyListing, ListingProblem, parse_list_sigs_output,
};
use scriptworker_core::openpgp::{Certificate, CertificateError, Keyring, SignaturePolicy};
use std::collections::BTreeMap;
use std::path::Path;

/// The files of one folder, by name.
fn corpus(name: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    let files: BTreeMap<_, _> = std::fs::read_dir(folder).unwrap().map(read).collect();
    assert!(!files.is_empty());
    files
}

/// Each file cut at some places, with some bits turned, with pieces twice, and with its lines in another form.
fn damaged(whole: &[u8]) -> Vec<Vec<u8>> {
    let step = whole.len().div_ceil(60).max(1);
    let mut all = Vec::new();
    for at in (0..whole.len()).step_by(step) {
        let (before, after) = whole.split_at(at);
        all.push(before.to_vec());
        all.push(after.to_vec());
        all.push([before, after, after].concat());
        for bit in [0x01, 0x80] {
            let mut turned = whole.to_vec();
            *turned.get_mut(at).unwrap() ^= bit;
            all.push(turned);
        }
    }
    let text = String::from_utf8_lossy(whole);
    all.push(text.replace('\n', "\r\n").into_bytes());
    all.push(text.replace('\n', "\r").into_bytes());
    all.push(text.replace('\n', "").into_bytes());
    all
}

#[test]
fn clear_signed_texts() {
    let verdicts: Vec<(String, Option<&str>)> = corpus("clearsign")
        .into_iter()
        .map(|(name, bytes)| {
            damaged(&bytes).iter().for_each(|bytes| drop(bodies::clearsign(bytes)));
            (name, bodies::clearsign(&bytes).err().map(|refusal| refusal.code()))
        })
        .collect();
    let expected = [
        ("attached.asc", Some("format")),
        ("not-dash-escaped.asc", Some("unsupported")),
        ("revoked.asc", Some("unknown-key")),
        ("sha1.asc", Some("weak-hash")),
        ("subkey.asc", None),
        ("trusted.asc", None),
        ("worker.asc", None),
    ];
    assert_eq!(verdicts, expected.map(|(name, code)| (name.to_owned(), code)));
}

#[test]
fn detached_signatures() {
    let verdicts: Vec<(String, Option<&str>)> = corpus("armor")
        .into_iter()
        .map(|(name, bytes)| {
            damaged(&bytes).iter().for_each(|bytes| drop(bodies::armor(bytes)));
            (name, bodies::armor(&bytes).err().map(|refusal| refusal.code()))
        })
        .collect();
    let expected = [
        ("binary.asc", None),
        ("document.txt", Some("format")),
        ("subkey.sig", None),
        ("text.asc", None),
        ("two.asc", Some("format")),
    ];
    assert_eq!(verdicts, expected.map(|(name, code)| (name.to_owned(), code)));
}

#[test]
fn certificates() {
    let files = corpus("certificate");
    for bytes in files.values() {
        bodies::certificate(bytes);
        damaged(bytes).iter().for_each(|bytes| bodies::certificate(bytes));
    }
    let parse = |name: &str| Certificate::parse(files.get(name).unwrap());
    assert_eq!(parse("two.asc").unwrap_err(), CertificateError::MoreThanOne);
    let both = [files.get("trusted.asc").unwrap().clone(), files.get("worker.asc").unwrap().clone()].concat();
    assert_eq!(Certificate::parse(&both).unwrap_err(), CertificateError::MoreThanOne);
    assert_eq!(Certificate::parse(b"").unwrap_err(), CertificateError::NoKey);
    assert_eq!(Certificate::parse(b"\n \n").unwrap_err(), CertificateError::NoKey);

    // gpg wrote the local certification, this leaves it out as gpg does without the option.
    let local = parse("local.asc").unwrap();
    assert_eq!((local.certifications().count(), local.subkeys().len()), (2, 2));
    let exported = Certificate::parse(local.to_armored().as_bytes()).unwrap();
    assert_eq!(exported, parse("subkeys.gpg").unwrap());

    let revoked = Keyring::flat(vec![parse("revoked.asc").unwrap()], SignaturePolicy::default());
    let document = corpus("clearsign").remove("revoked.asc").unwrap();
    assert_eq!(revoked.verify_clear_signed(&document, bodies::NOW).unwrap_err().code(), "revoked");
}

#[test]
fn listings() {
    let files = corpus("key_listing");
    for bytes in files.values() {
        bodies::key_listing(bytes);
        damaged(bytes).iter().for_each(|bytes| bodies::key_listing(bytes));
    }
    let read = |name: &str| {
        let text = String::from_utf8(files.get(name).unwrap().clone()).unwrap();
        parse_list_sigs_output(&text, name, &ExpectedListing::default(), bodies::NOW)
    };
    // What gpg lists is what is found in the certificates themselves.
    let certificates: Vec<Certificate> = ["worker.asc", "trusted.asc"]
        .map(|name| Certificate::parse(corpus("certificate").get(name).unwrap()).unwrap())
        .to_vec();
    let (listed, warnings) = read("worker.txt").unwrap();
    assert_eq!(
        (&listed, warnings),
        (&KeyListing::of(certificates.first().unwrap(), &certificates), Vec::new())
    );
    let problems = read("revoked.txt").unwrap_err().problems;
    assert!(problems.contains(&ListingProblem::Validity { line: 2, validity: 'r' }), "{problems:?}");
    assert!(
        problems.iter().any(|problem| matches!(problem, ListingProblem::Revocation { .. })),
        "{problems:?}"
    );
}
