//! Row 43 of the attacks: files of the key repository that are no plain public key.

use super::support::Place;
use std::fs;
use std::os::unix::fs::symlink;

/// Commits what was put there under a new tag, and expects that it is refused, with these words.
fn refused(place: &Place, words: &str) {
    place.commit("a bad file");
    place.tag("v2", "keeper");
    let said = place.refused("key-repo");
    assert!(said.contains(words), "expected {words:?}: {said}");
}

fn begun() -> Place {
    let place = Place::new();
    place.tag("v1", "keeper");
    place.update();
    place
}

#[test]
fn row_043_a_plain_public_key() {
    let place = begun();
    place.put("docker-worker/other.asc", place.public("worker"));
    let commit = place.commit("another key");
    place.tag("v2", "keeper");
    assert_eq!(place.update(), commit);
    assert_eq!(place.load().unwrap().get("docker-worker").unwrap().certificates().count(), 2);
}

#[test]
fn row_043_a_key_file_is_a_symlink_fail() {
    let place = begun();
    symlink("docker.asc", place.path("origin/docker-worker/other.asc")).unwrap();
    refused(&place, "docker-worker: other.asc: expected a file, found a symbolic link");
}

#[test]
fn row_043_a_folder_of_keys_is_a_symlink_fail() {
    let place = begun();
    fs::rename(place.path("origin/scriptworker/valid"), place.path("origin/elsewhere")).unwrap();
    symlink("../elsewhere", place.path("origin/scriptworker/valid")).unwrap();
    place.commit("a bad folder");
    place.tag("v2", "keeper");
    let said = place.refused("key-repo");
    assert!(said.contains("scriptworker/valid"), "{said}");
}

#[test]
fn row_043_a_file_has_two_keys_fail() {
    let place = begun();
    place.put("docker-worker/two.asc", [place.public("docker"), place.public("worker")].concat());
    refused(&place, "two.asc: read the certificate: more than one key found");
}

#[test]
fn row_043_a_file_has_a_secret_key_fail() {
    let place = begun();
    place.put("scriptworker/valid/worker.asc", place.secret("worker"));
    refused(&place, "worker.asc: read the certificate: it has a secret key");
}

#[test]
fn all_bad_files_of_a_folder_are_named_at_once() {
    let place = begun();
    place.put("docker-worker/text.asc", "no key");
    place.put("docker-worker/below/empty.asc", "");
    place.put("docker-worker/below/NOTES.md", "passed over");
    symlink("/etc/passwd", place.path("origin/docker-worker/link.md")).unwrap();
    place.commit("bad files");
    place.tag("v2", "keeper");
    let said = place.refused("key-repo");
    assert!(said.contains("below/empty.asc: ") && said.contains("text.asc: "), "{said}");
    assert!(!said.contains(".md"), "{said}");
}

#[test]
fn a_folder_that_is_missing_is_refused_and_so_is_another_repository_in_one() {
    let place = begun();
    place.git(&["rm", "-r", "--quiet", "scriptworker/valid"]);
    refused(&place, "read the keys in scriptworker/valid of commit ");
    let place = begun();
    let head = place.head();
    place.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{head},docker-worker/inner")]);
    place.git(&["commit", "--quiet", "--message", "a submodule"]);
    place.tag("v2", "keeper");
    let said = place.refused("key-repo");
    assert!(said.contains("inner: expected a file, found another repository"), "{said}");
}

#[test]
fn a_bad_file_among_the_signers_keys_is_no_update() {
    let place = begun();
    place.commit("nothing");
    place.tag("v2", "keeper");
    symlink("keeper.asc", place.path("signers/link.asc")).unwrap();
    let said = place.refused("signer-keys");
    assert!(said.contains("link.asc: expected a file, found a symbolic link"), "{said}");
    fs::remove_file(place.path("signers/link.asc")).unwrap();
    assert_eq!(place.update(), place.head());
}
