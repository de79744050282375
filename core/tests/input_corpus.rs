//! The bodies of the fuzz targets for documents, addresses and names, over the committed corpus and over what a careless
//! or evil hand makes of it. `just fuzz` looks for more.
//!
//! The beginning of a file's name says what becomes of it: `good-…` is accepted, `bad-…` is not.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "it reads the corpus")]

mod input_bodies;

use input_bodies as bodies;
use std::path::Path;

type Body = fn(&[u8]) -> bool;

/// How many damaged forms of each file are tried.
const FORMS: usize = 40;

/// The files of one folder, by name.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

/// A file cut, turned, and with pieces twice, at some places.
fn damaged(whole: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let step = whole.len().div_ceil(FORMS / 4).max(1);
    (0..whole.len()).step_by(step).flat_map(move |at| {
        let (before, after) = whole.split_at(at);
        let turned = |bit: u8| {
            let mut turned = whole.to_vec();
            if let Some(byte) = turned.get_mut(at) {
                *byte ^= bit;
            }
            turned
        };
        [before.to_vec(), [before, after, after].concat(), turned(0x01), turned(0x80)]
    })
}

fn run(name: &str, body: Body) {
    let files = corpus(name);
    assert!(files.iter().any(|(name, _)| name.starts_with("good-")), "{name}");
    for (file, bytes) in files {
        assert_eq!(body(&bytes), file.starts_with("good-"), "{name}/{file}");
        for bytes in damaged(&bytes) {
            let _ = body(&bytes);
        }
    }
}

#[test]
fn bundles() {
    run("bundle", bodies::bundle);
}

#[test]
fn documents() {
    run("strict_json", bodies::strict_json);
}

#[test]
fn definitions() {
    run("task_definition", bodies::task_definition);
}

#[test]
fn policies() {
    run("policy", bodies::policy);
}

#[test]
fn addresses() {
    run("address", bodies::address);
}

#[test]
fn names() {
    run("artifact_name", bodies::artifact_name);
}

#[test]
fn templates() {
    run("template_yaml", bodies::template_yaml);
}
