//! Key folders, and sets of keyrings on disk.
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

use super::folder::{FileFault, FolderError, read_folder};
use super::set::{Keys, Source};
use super::store::{Store, StoreError};
use crate::config::{KeyringLayout, KeyringModel};
use scriptworker_core::openpgp::{Certificate, CertificateError, Role};
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

const ALICE: &[u8] = include_bytes!("../../tests/fixtures/keyrings/alice.asc");
const BOB: &[u8] = include_bytes!("../../tests/fixtures/keyrings/bob.asc");
const CAROL: &[u8] = include_bytes!("../../tests/fixtures/keyrings/carol.asc");
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn key(bytes: &[u8]) -> Certificate {
    Certificate::parse(bytes).unwrap()
}

fn keys(alice_too: bool) -> BTreeMap<String, Keys> {
    let layout = |model| KeyringLayout { model, ignore_suffixes: vec![".md".to_owned()] };
    let flat = if alice_too { vec![key(ALICE), key(BOB)] } else { vec![key(BOB)] };
    let flat = Keys { layout: layout(KeyringModel::Flat), by_place: flat, by_certification: Vec::new() };
    let signed = Keys {
        layout: layout(KeyringModel::Signed),
        by_place: vec![key(BOB)],
        by_certification: vec![key(CAROL)],
    };
    BTreeMap::from([("docker-worker".to_owned(), flat), ("scriptworker".to_owned(), signed)])
}

fn source(revision: &str) -> Source {
    let signed_by = key(ALICE).fingerprint().clone();
    Source { revision: revision.to_owned(), tag: Some("v1".to_owned()), signed_by }
}

#[test]
fn a_folder_is_read_with_what_lies_below_and_without_what_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("below")).unwrap();
    fs::write(dir.path().join("b.asc"), BOB).unwrap();
    fs::write(dir.path().join("below/a.asc"), ALICE).unwrap();
    fs::write(dir.path().join("again.asc"), ALICE).unwrap();
    fs::write(dir.path().join("README.md"), "no key").unwrap();
    symlink("/etc/passwd", dir.path().join("linked.md")).unwrap();
    let keys = read_folder(dir.path(), &[".md".to_owned()]).unwrap();
    let found: Vec<_> = keys.iter().map(|key| key.fingerprint().clone()).collect();
    assert_eq!(found, [key(ALICE).fingerprint().clone(), key(BOB).fingerprint().clone()], "once each");
    let absent = read_folder(&dir.path().join("absent"), &[]);
    assert!(matches!(absent, Err(FolderError::Unreadable { .. })));
    assert!(matches!(read_folder(&dir.path().join("b.asc"), &[]), Err(FolderError::Unreadable { .. })));
}

#[test]
fn row_043_every_bad_file_of_a_folder_is_named_fail() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("good.asc"), ALICE).unwrap();
    assert_eq!(read_folder(dir.path(), &[]).unwrap().len(), 1, "the valid twin");
    symlink(at("good.asc"), at("link.asc")).unwrap();
    symlink("nowhere", at("dangling.asc")).unwrap();
    fs::write(at("two.asc"), [ALICE, BOB].concat()).unwrap();
    fs::write(at("text.asc"), "no key at all").unwrap();
    fs::write(at("empty.asc"), "").unwrap();
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"n\xffame.asc")), BOB).unwrap();
    nix::unistd::mkfifo(&at("pipe.asc"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.asc")).unwrap();
    fs::File::create(at("huge.asc")).unwrap().set_len(1 << 40).unwrap();
    let Err(FolderError::BadFiles { files, .. }) = read_folder(dir.path(), &[]) else {
        panic!("not refused")
    };
    let text = files.to_string();
    let fault = |name: &str| {
        let bad = files.0.iter().find(|bad| bad.name == name);
        &bad.unwrap_or_else(|| panic!("{name} is not in {text}")).fault
    };
    assert!(matches!(fault("link.asc"), FileFault::Symlink));
    assert!(matches!(fault("dangling.asc"), FileFault::Symlink));
    assert!(matches!(fault("two.asc"), FileFault::Key(CertificateError::MoreThanOne)));
    assert!(matches!(fault("text.asc"), FileFault::Key(_)));
    assert!(matches!(fault("empty.asc"), FileFault::Key(CertificateError::NoKey)));
    assert!(matches!(fault("n\u{fffd}ame.asc"), FileFault::Name));
    assert!(matches!(fault("pipe.asc"), FileFault::NotAFile { found: "a pipe" }));
    assert!(matches!(fault("socket.asc"), FileFault::NotAFile { found: "a socket" }));
    assert!(matches!(fault("huge.asc"), FileFault::TooBig { .. }));
    assert_eq!(files.0.len(), 9, "{text}");
}

#[test]
fn a_set_is_built_beside_swapped_in_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("made/keyrings");
    let store = Store::new(&base);
    assert!(matches!(store.load(), Err(StoreError::Absent { .. })));
    assert!(matches!(store.swap(), Err(StoreError::Absent { .. })), "nothing was built");
    store.stage(&keys(true), &source("1"), NOW).unwrap();
    store.swap().unwrap();
    let set = store.load().unwrap();
    assert_eq!((set.source().revision.as_str(), set.built()), ("1", NOW));
    assert_eq!(set.implementations().collect::<Vec<_>>(), ["docker-worker", "scriptworker"]);
    let roles =
        |name: &str| set.get(name).unwrap().keys(NOW).into_iter().map(|key| key.role).collect::<Vec<_>>();
    assert_eq!(roles("docker-worker"), [Role::Flat, Role::Flat]);
    assert_eq!(roles("scriptworker"), [Role::Trusted, Role::Valid]);
    assert!(set.get("generic-worker").is_none());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in ["", "docker-worker", "scriptworker", "scriptworker/trusted", "scriptworker/valid"] {
        assert_eq!(mode(&base.join(folder)), 0o700, "{folder}");
    }
    let file = base.join(format!("scriptworker/valid/{}.asc", key(CAROL).fingerprint()));
    assert_eq!((mode(&file), mode(&base.join("index.json"))), (0o600, 0o600));
    assert_eq!(key(&fs::read(file).unwrap()).user_ids(), ["carol (test key) <carol@example.com>"]);

    store.stage(&keys(false), &source("2"), NOW).unwrap();
    assert_eq!(store.load().unwrap().source().revision, "1", "what is beside is not in force");
    assert_eq!(store.swap().unwrap().source().revision, "2");
    assert_eq!(store.load().unwrap().source().revision, "2");
    assert_eq!(Store::new(store.previous()).load().unwrap().source().revision, "1", "the backup");
    assert!(!store.has_staged());
}

/// How a set is damaged.
type Spoil = fn(&Path);

#[test]
fn a_set_that_is_not_whole_is_none() {
    let spoil: [(&str, Spoil); 7] = [
        ("no index", |base| fs::remove_file(base.join("index.json")).unwrap()),
        ("half an index", |base| {
            let text = fs::read_to_string(base.join("index.json")).unwrap();
            fs::write(base.join("index.json"), &text[..text.len() / 2]).unwrap();
        }),
        ("another version", |base| edit(base, "\"version\": 1", "\"version\": 2")),
        ("a file elsewhere", |base| edit(base, "\"docker-worker/", "\"docker-worker/../docker-worker/")),
        ("a key is gone", |base| fs::remove_file(a_key(base)).unwrap()),
        ("a key is cut", |base| fs::write(a_key(base), &BOB[..BOB.len() / 2]).unwrap()),
        ("another key", |base| fs::write(a_key(base), ALICE).unwrap()),
    ];
    for (what, spoil) in spoil {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("keyrings");
        let store = Store::new(&base);
        store.stage(&keys(false), &source("1"), NOW).unwrap();
        store.swap().unwrap();
        store.stage(&keys(false), &source("2"), NOW).unwrap();
        spoil(&store.staged());
        assert!(store.swap().is_err(), "{what}");
        assert_eq!(store.load().unwrap().source().revision, "1", "{what}");
        spoil(&base);
        let error = store.load().unwrap_err();
        let expected = match what {
            "no index" | "a key is gone" => matches!(error, StoreError::Key { .. }),
            "half an index" => matches!(error, StoreError::Index { .. }),
            "another version" => matches!(error, StoreError::Version { found: 2, .. }),
            "a file elsewhere" => matches!(error, StoreError::Misplaced { .. }),
            _ => matches!(error, StoreError::Changed { .. }),
        };
        assert!(expected, "{what}: {error}");
    }
}

fn edit(base: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(base.join("index.json")).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(base.join("index.json"), text.replace(from, to)).unwrap();
}

fn a_key(base: &Path) -> std::path::PathBuf {
    base.join(format!("docker-worker/{}.asc", key(BOB).fingerprint()))
}

#[test]
fn a_swap_that_was_cut_short_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("keyrings");
    let store = Store::new(&base);
    store.stage(&keys(true), &source("1"), NOW).unwrap();
    store.swap().unwrap();
    store.stage(&keys(true), &source("2"), NOW).unwrap();
    fs::rename(&base, store.previous()).unwrap();
    assert_eq!(store.load().unwrap().source().revision, "2", "between the two renames");
    store.recover().unwrap();
    assert_eq!(Store::new(&base).load().unwrap().source().revision, "2");
    assert!(!store.has_staged());

    // the next one was never finished: the one before goes back
    store.stage(&keys(true), &source("3"), NOW).unwrap();
    fs::remove_file(store.staged().join("index.json")).unwrap();
    fs::remove_dir_all(store.previous()).unwrap();
    fs::rename(&base, store.previous()).unwrap();
    assert_eq!(store.load().unwrap().source().revision, "2");
    store.recover().unwrap();
    assert!(base.exists() && !store.previous().exists());
    assert_eq!(store.load().unwrap().source().revision, "2");
}
