//! A hostile script's view of `artifact_dir`.

#![expect(clippy::disallowed_methods, reason = "the tests play the script, which does not go through fsio")]

use super::*;
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{Gid, chown, getuid, mkfifo};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn put(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn open(dir: &Path) -> ArtifactDir {
    ArtifactDir::open(dir, getuid()).unwrap()
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.files.iter().map(|file| file.name().as_str()).collect()
}

fn refused(listing: &Listing) -> Vec<(&str, &RefusedReason)> {
    listing.refused.iter().map(|refused| (refused.path.as_str(), &refused.reason)).collect()
}

fn text_of(file: &FoundFile) -> String {
    let mut text = String::new();
    file.open().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn regular_files_are_listed_in_byte_order_with_their_sizes() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["public/logs/live_backing.log", "public/a b", "public/a/b", "public/a-b", "private/x", "top"]
    {
        put(dir.path(), path, path);
    }
    std::fs::create_dir_all(dir.path().join("empty/folder")).unwrap();
    let listing = open(dir.path()).list();
    assert_eq!(refused(&listing), []);
    assert_eq!(
        names(&listing),
        ["private/x", "public/a b", "public/a-b", "public/a/b", "public/logs/live_backing.log", "top"]
    );
    for file in &listing.files {
        assert_eq!(text_of(file), file.name().as_str());
        assert_eq!(file.size(), file.name().as_str().len() as u64);
    }
}

#[test]
fn what_is_no_regular_file_is_refused_without_being_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    put(dir.path(), "good", "x");
    symlink("/etc/passwd", path("link-to-file")).unwrap();
    symlink("/etc", path("link-to-folder")).unwrap();
    symlink("good", path("link-inside")).unwrap();
    mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    let listing = open(dir.path()).list();
    assert_eq!(names(&listing), ["good"]);
    assert_eq!(
        refused(&listing),
        [
            ("link-inside", &RefusedReason::Symlink),
            ("link-to-file", &RefusedReason::Symlink),
            ("link-to-folder", &RefusedReason::Symlink),
            ("pipe", &RefusedReason::Fifo),
            ("socket", &RefusedReason::Socket),
        ]
    );
    assert!(listing.refused.iter().all(|refused| refused.status() == TaskStatus::Failure));
    assert_eq!(
        listing.refused.first().unwrap().to_string(),
        "refused to upload link-inside: it is a symbolic link"
    );
}

#[test]
fn devices_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    // the null device; making one needs privileges
    if mknod(&dir.path().join("null"), SFlag::S_IFCHR, Mode::S_IRWXU, nix::sys::stat::makedev(1, 3)).is_err()
    {
        println!("SKIPPED: making a device node needs CAP_MKNOD");
        return;
    }
    assert_eq!(refused(&open(dir.path()).list()), [("null", &RefusedReason::Device)]);
}

#[test]
fn hard_links_are_refused_when_somebody_else_owns_the_file() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "outside/key", "secret");
    put(dir.path(), "in/plain", "x");
    std::fs::hard_link(dir.path().join("outside/key"), dir.path().join("in/key")).unwrap();
    let inside = dir.path().join("in");
    // own links are the script's business
    assert_eq!(names(&open(&inside).list()), ["key", "plain"]);
    // the script ran as somebody else: the linked file is not its own, a plain file of the worker is fine
    let me = getuid().as_raw();
    let script = Uid::from_raw(me.wrapping_add(1));
    let listing = ArtifactDir::open(&inside, script).unwrap().list();
    assert_eq!(names(&listing), ["plain"]);
    assert_eq!(
        refused(&listing),
        [("key", &RefusedReason::ForeignHardLink { expected: script.as_raw(), found: me })]
    );
}

#[test]
fn a_link_to_a_root_owned_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "key", "secret");
    std::fs::hard_link(dir.path().join("key"), dir.path().join("public")).unwrap();
    let other = Uid::from_raw(getuid().as_raw().wrapping_add(7));
    if chown(&dir.path().join("key"), Some(other), None::<Gid>).is_err() {
        println!("SKIPPED: giving a file away needs CAP_CHOWN");
        return;
    }
    let expected = RefusedReason::ForeignHardLink { expected: getuid().as_raw(), found: other.as_raw() };
    assert_eq!(refused(&open(dir.path()).list()), [("key", &expected), ("public", &expected)]);
}

#[test]
fn names_that_no_artifact_can_have_are_refused_and_escaped() {
    let dir = tempfile::tempdir().unwrap();
    for name in [&b"new\nline"[..], b"esc\x1b[31m", "umlaut-\u{e4}".as_bytes(), b"latin-\xe4", b"ok"] {
        std::fs::write(dir.path().join(OsStr::from_bytes(name)), "x").unwrap();
    }
    let listing = open(dir.path()).list();
    assert_eq!(names(&listing), ["ok"]);
    let paths: Vec<&str> = listing.refused.iter().map(|refused| refused.path.as_str()).collect();
    assert_eq!(paths, ["esc\\x1b[31m", "latin-\\xe4", "new\\nline", "umlaut-\\xc3\\xa4"]);
    for refused in &listing.refused {
        assert!(matches!(refused.reason, RefusedReason::Name(_)), "{refused:?}");
    }
}

#[test]
fn paths_that_are_too_long_are_refused_with_all_below_them() {
    let dir = tempfile::tempdir().unwrap();
    let long = "d".repeat(255);
    // 4 * 255 + 3 separators = 1023 bytes: one more byte would just fit, but not behind a separator
    let path = [long.as_str(); 4].join("/");
    std::fs::create_dir_all(dir.path().join(&path)).unwrap();
    let folder = openat(
        open_folder(&open(dir.path()).folder, path.as_bytes()).unwrap(),
        ".",
        folder_flags(),
        Mode::empty(),
    )
    .unwrap();
    openat(&folder, "f", OFlag::O_CREAT | OFlag::O_WRONLY, Mode::S_IRWXU).unwrap();
    nix::sys::stat::mkdirat(&folder, "deeper", Mode::S_IRWXU).unwrap();
    put(dir.path(), &"n".repeat(255), "x");
    let listing = open(dir.path()).list();
    assert_eq!(names(&listing), ["n".repeat(255)]);
    let [deeper, file] = listing.refused.as_slice() else { panic!("{:?}", listing.refused) };
    assert_eq!(deeper.reason, RefusedReason::TooDeep { expected: 1024, found: 1030 });
    assert!(matches!(file.reason, RefusedReason::Name(_)), "{file:?}");
}

#[test]
fn a_folder_swapped_for_a_symlink_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "secret/file", "secret");
    put(dir.path(), "in/folder/file", "public");
    put(dir.path(), "in/other", "public");
    // the very same file, outside: only the way to it is wrong
    std::fs::create_dir(dir.path().join("outside")).unwrap();
    std::fs::hard_link(dir.path().join("in/folder/file"), dir.path().join("outside/file")).unwrap();
    let artifacts = open(&dir.path().join("in"));
    let listing = artifacts.list();
    let [file, other] = listing.files.as_slice() else { panic!("{listing:?}") };
    assert_eq!(text_of(file), "public");
    std::fs::rename(dir.path().join("in/folder"), dir.path().join("in/was")).unwrap();
    symlink(dir.path().join("outside"), dir.path().join("in/folder")).unwrap();
    assert_eq!(open_folder(&artifacts.folder, b"folder").unwrap_err(), RefusedReason::Replaced);
    assert_eq!(file.open().unwrap_err().reason, RefusedReason::Replaced);
    std::fs::rename(dir.path().join("in/other"), dir.path().join("in/other2")).unwrap();
    symlink(dir.path().join("secret/file"), dir.path().join("in/other")).unwrap();
    assert_eq!(other.open().unwrap_err().reason, RefusedReason::Symlink);
    std::fs::remove_file(dir.path().join("in/other")).unwrap();
    mkfifo(&dir.path().join("in/other"), Mode::S_IRWXU).unwrap();
    assert_eq!(other.open().unwrap_err().reason, RefusedReason::Fifo);
    std::fs::remove_file(dir.path().join("in/other")).unwrap();
    assert_eq!(other.open().unwrap_err().reason, RefusedReason::Absent);
    std::fs::rename(dir.path().join("secret/file"), dir.path().join("in/other")).unwrap();
    assert_eq!(other.open().unwrap_err().reason, RefusedReason::Replaced);
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn swapping_while_the_walk_runs_never_shows_the_outside() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "secret/key", "secret");
    put(dir.path(), "in/folder/file", "public");
    let (folder, aside, link) =
        (dir.path().join("in/folder"), dir.path().join("aside"), dir.path().join("link"));
    symlink(dir.path().join("secret"), &link).unwrap();
    let done = AtomicBool::new(false);
    let artifacts = open(&dir.path().join("in"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::fs::rename(&folder, &aside).unwrap();
                std::fs::rename(&link, &folder).unwrap();
                std::fs::rename(&folder, &link).unwrap();
                std::fs::rename(&aside, &folder).unwrap();
            }
        });
        // set even when an assertion fails: the other thread has to end
        let _done = SetOnDrop(&done);
        // until the other thread was seen at work, too
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut swapped = false;
        for round in 0.. {
            if (round >= 2000 && swapped) || Instant::now() > deadline {
                break;
            }
            let listing = artifacts.list();
            swapped |= !listing.refused.is_empty();
            for file in &listing.files {
                assert_eq!(file.name().as_str(), "folder/file");
                if let Ok(mut opened) = file.open() {
                    let mut text = String::new();
                    opened.read_to_string(&mut text).unwrap();
                    assert_eq!(text, "public");
                }
            }
        }
        assert!(swapped, "the folder was never seen as a link");
    });
}

#[test]
fn the_folder_itself_must_be_there_and_no_symlink() {
    let dir = tempfile::tempdir().unwrap();
    let absent = ArtifactDir::open(&dir.path().join("absent"), getuid()).unwrap_err();
    assert_eq!(absent.source, Errno::ENOENT);
    symlink("/etc", dir.path().join("link")).unwrap();
    let link = ArtifactDir::open(&dir.path().join("link"), getuid()).unwrap_err();
    assert!(matches!(link.source, Errno::ELOOP | Errno::ENOTDIR), "{link:?}");
}

#[test]
fn one_file_can_be_asked_for_by_name() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "secret", "secret");
    put(dir.path(), "in/public/report.json", "{}");
    put(dir.path(), "in/public/chain-of-trust.json", "{}");
    let artifacts = open(&dir.path().join("in"));
    let name = |text: &str| ArtifactName::parse(text).unwrap();
    let file = artifacts.file(&name("public/report.json")).unwrap();
    assert_eq!(text_of(&file), "{}");
    let ours = artifacts.file(&name("public/chain-of-trust.json")).unwrap_err();
    assert_eq!(ours.reason, RefusedReason::Reserved);
    for wrong in ["../secret", "public/../../secret", "/secret", "public//report.json", "./public"] {
        let refused = artifacts.file(&name(wrong)).unwrap_err();
        assert!(matches!(refused.reason, RefusedReason::Name(_)), "{wrong}: {refused}");
    }
    assert_eq!(artifacts.file(&name("absent")).unwrap_err().reason, RefusedReason::Absent);
    assert_eq!(artifacts.file(&name("absent/file")).unwrap_err().reason, RefusedReason::Absent);
    assert_eq!(artifacts.file(&name("public")).unwrap_err().reason, RefusedReason::Replaced);
}

#[test]
fn sparse_files_of_more_than_4_gib_have_their_size() {
    let dir = tempfile::tempdir().unwrap();
    let size = 5 * (1 << 30) + 1;
    File::create(dir.path().join("big")).unwrap().set_len(size).unwrap();
    let listing = open(dir.path()).list();
    assert_eq!(listing.files.iter().map(FoundFile::size).collect::<Vec<_>>(), [size]);
}

#[test]
fn ten_thousand_files_need_no_more_descriptors_than_one() {
    let dir = tempfile::tempdir().unwrap();
    for folder in 0..100 {
        for file in 0..100 {
            put(dir.path(), &format!("{folder:02}/{file:02}"), "");
        }
    }
    let listing = open(dir.path()).list();
    assert_eq!(listing.files.len(), 10_000);
    assert!(listing.files.is_sorted_by(|a, b| a.name() < b.name()));
    assert!(listing.refused.is_empty());
}
