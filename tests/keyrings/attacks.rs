//! Row 42 of the attacks, and its relatives: what is newest in the key repository must not be used.

use super::support::Place;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A place with keyrings of tag `v1`, and a newer commit that nothing names yet.
fn begun() -> Place {
    let place = Place::new();
    place.tag("v1", "keeper");
    place.update();
    place.put("docker-worker/other.asc", place.public("worker"));
    place.commit("another key");
    place
}

/// What every one of these refusals has beside it: properly signed, the same update is taken.
fn twin(place: &Place, tag: &str) {
    place.tag(tag, "keeper");
    assert_eq!(place.update(), place.head());
    assert_eq!(place.load().unwrap().source().tag.as_deref(), Some(tag));
}

#[test]
fn row_042_the_newest_tag_is_signed_by_the_keeper() {
    let place = begun();
    twin(&place, "v2");
}

#[test]
fn row_042_the_newest_tag_is_not_signed_fail() {
    let place = begun();
    // although the commit that it names is
    place.commit_signed("signed", "keeper");
    place.git(&["tag", "--annotate", "--message", "v2", "v2"]);
    let said = place.refused("unsigned");
    assert!(said.contains("tag v2"), "{said}");
    place.git(&["tag", "--delete", "v2"]);
    twin(&place, "v2");
}

#[test]
fn row_042_the_newest_tag_is_signed_by_a_stranger_fail() {
    let place = begun();
    place.tag("v2", "stranger");
    place.refused("unknown-key");
    place.git(&["tag", "--delete", "v2"]);
    twin(&place, "v2");
}

#[test]
fn row_042_the_signer_is_no_longer_allowed_fail() {
    let place = begun();
    place.tag("v2", "keeper");
    fs::rename(place.path("signers/keeper.asc"), place.path("keeper.asc")).unwrap();
    fs::write(place.path("signers/stranger.asc"), place.public("stranger")).unwrap();
    place.refused("unknown-key");
    fs::rename(place.path("keeper.asc"), place.path("signers/keeper.asc")).unwrap();
    assert_eq!(place.update(), place.head());
}

#[test]
fn row_042_the_tag_was_moved_to_an_older_commit_fail() {
    let place = begun();
    let old = place.git(&["rev-parse", "HEAD~1"]);
    place.tag("v2", "keeper");
    let good = place.update();
    place.git(&[
        "tag",
        "--sign",
        "--force",
        "--local-user=keeper@example.com",
        "--message",
        "v2",
        "v2",
        &old,
    ]);
    let said = place.refused("tag-moved");
    assert!(said.contains("tag v2"), "{said}");
    // the clone is lost, and with it the memory of tags: still nothing older is taken
    fs::remove_dir_all(place.path("clone")).unwrap();
    place.git(&["tag", "--delete", "v1"]);
    let said = place.refused("rollback");
    assert!(said.contains("is older than the last good revision") && said.contains(&good), "{said}");
}

#[test]
fn row_042_the_newest_tag_is_gone_and_an_older_one_is_left_fail() {
    let place = begun();
    place.tag("v2", "keeper");
    let good = place.update();
    place.git(&["tag", "--delete", "v2"]);
    assert_eq!(place.update(), good, "it is remembered");
    fs::remove_dir_all(place.path("clone")).unwrap();
    place.refused("rollback");
    // the file of the last good revision alone does not make it forget, either
    fs::remove_file(place.path("git_revision")).unwrap();
    place.refused("rollback");
}

#[test]
fn row_042_the_history_was_written_anew_fail() {
    let place = begun();
    place.tag("v2", "keeper");
    place.update();
    place.git(&["checkout", "--quiet", "--orphan", "other"]);
    place.commit("the same keys, another history");
    place.git(&["branch", "--force", "master"]);
    place.git(&["tag", "--delete", "v1"]);
    place.git(&["tag", "--delete", "v2"]);
    place.tag("v3", "keeper");
    let said = place.refused("rollback");
    assert!(said.contains("does not follow the last good revision"), "{said}");
    fs::remove_dir_all(place.path("clone")).unwrap();
    place.refused("rollback");
}

#[test]
fn row_042_two_tags_at_the_newest_commit_fail() {
    let place = begun();
    place.tag("v2", "keeper");
    place.git(&["tag", "--annotate", "--message", "evil", "v2-evil"]);
    let said = place.refused("ambiguous-tags");
    assert!(said.contains("v2, v2-evil"), "{said}");
    place.git(&["tag", "--delete", "v2-evil"]);
    assert_eq!(place.update(), place.head());
}

#[test]
fn row_042_two_tags_of_which_neither_is_newer_fail() {
    let place = begun();
    let fork = place.head();
    place.commit("one side");
    place.tag("one", "keeper");
    place.git(&["checkout", "--quiet", "-b", "side", &fork]);
    place.commit("the other side");
    place.tag("other", "keeper");
    place.git(&["checkout", "--quiet", "master"]);
    place.git(&["merge", "--quiet", "--no-edit", "--no-ff", "side"]);
    place.refused("ambiguous-tags");
    twin(&place, "v2");
}

#[test]
fn row_042_an_old_signed_tag_under_a_new_name_fail() {
    let place = begun();
    twin(&place, "v2");
    // the signature is genuine, the name is not the one that was signed
    place.commit("nothing");
    let raw = place.git(&["cat-file", "tag", "v2"]);
    let other = raw.replace(&place.git(&["rev-parse", "v2^{commit}"]), &place.head());
    let publish = |content: &str| {
        let file = place.path("raw");
        fs::write(&file, format!("{content}\n")).unwrap();
        let object = place.git(&["hash-object", "-t", "tag", "-w", file.to_str().unwrap()]);
        place.git(&["update-ref", "refs/tags/v3", &object]);
    };
    publish(&raw);
    place.refused("ambiguous-tags");
    publish(&other);
    let said = place.refused("tag");
    assert!(said.contains("accept tag v3 of the key repository: it was signed as \"v2\""), "{said}");
}

#[test]
fn row_042_the_tag_was_changed_after_signing_fail() {
    let place = begun();
    let old = place.git(&["rev-parse", "HEAD~1"]);
    place.tag("v2", "keeper");
    let raw = place.git(&["cat-file", "tag", "v2"]);
    place.commit("not what was signed");
    let changed = raw.replace(&place.git(&["rev-parse", "v2^{commit}"]), &place.head());
    assert!(changed != raw && !changed.contains(&old));
    fs::write(place.path("raw"), format!("{changed}\n")).unwrap();
    let object = place.git(&["hash-object", "-t", "tag", "-w", place.path("raw").to_str().unwrap()]);
    place.git(&["update-ref", "refs/tags/v2", &object]);
    place.refused("signature");
}

#[test]
fn row_042_the_commit_was_tampered_with_fail() {
    let place = Place::new();
    place.commit_signed("signed", "keeper");
    place.update();
    place.put("docker-worker/other.asc", place.public("worker"));
    let good = place.commit_signed("signed, too", "keeper");
    let raw = place.git(&["cat-file", "commit", &good]);
    let changed = format!("{}\n", raw.replace("signed, too", "signed, toO"));
    fs::write(place.path("raw"), changed).unwrap();
    let object = place.git(&["hash-object", "-t", "commit", "-w", place.path("raw").to_str().unwrap()]);
    place.git(&["update-ref", "refs/heads/master", &object]);
    let said = place.refused("signature");
    assert!(said.contains(&object), "{said}");
    place.git(&["update-ref", "refs/heads/master", &good]);
    assert_eq!(place.update(), good);
    place.commit("not signed");
    place.refused("unsigned");
    place.commit_signed("by a stranger", "stranger");
    place.refused("unknown-key");
}

#[test]
fn row_042_signatures_of_other_kinds_fail() {
    let place = begun();
    let key = place.path("ssh_key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let signing = format!("user.signingKey={}", key.display());
    place.git(&["-c", "gpg.format=ssh", "-c", &signing, "tag", "--sign", "--message", "v2", "v2"]);
    assert!(place.git(&["cat-file", "tag", "v2"]).contains("BEGIN SSH SIGNATURE"));
    let said = place.refused("ssh-signature");
    assert!(said.contains("expected a signature by OpenPGP, found one by SSH"), "{said}");

    let raw = place.git(&["cat-file", "tag", "v2"]);
    let (payload, _) = raw.split_once("-----BEGIN SSH").unwrap();
    let x509 = format!("{payload}-----BEGIN SIGNED MESSAGE-----\nMIIB\n-----END SIGNED MESSAGE-----\n");
    fs::write(place.path("raw"), x509).unwrap();
    let object = place.git(&["hash-object", "-t", "tag", "-w", place.path("raw").to_str().unwrap()]);
    place.git(&["update-ref", "refs/tags/v2", &object]);
    place.refused("x509-signature");
    place.git(&["tag", "--delete", "v2"]);
    twin(&place, "v2");
}

/// A program that tells that it ran.
fn trap(place: &Place, name: &str) -> String {
    let path = place.path(name);
    fs::write(&path, format!("#!/bin/sh\necho $0 $@ >> {}\n", place.path("sprung").display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn hooks(folder: &Path, trap: &str) {
    fs::create_dir_all(folder).unwrap();
    for hook in ["post-checkout", "post-merge", "reference-transaction", "pre-auto-gc", "post-index-change"] {
        let _ = fs::remove_file(folder.join(hook));
        std::os::unix::fs::symlink(trap, folder.join(hook)).unwrap();
    }
}

#[test]
fn row_042_a_hostile_configuration_and_hooks_have_no_effect() {
    let place = begun();
    fs::remove_dir_all(place.path("clone")).unwrap();
    place.git(&["clone", "--quiet", ".", place.path("clone").to_str().unwrap()]);
    let trap = trap(&place, "trap");
    let evil = format!(
        "[core]\n\tfsmonitor = {trap}\n\tsshCommand = {trap}\n\tgitProxy = {trap}\n\thooksPath = {0}\n\taskPass = {trap}\n\
         \talternateRefsCommand = {trap}\n\tpager = {trap}\n[gpg]\n\tprogram = {trap}\n[credential]\n\thelper = !{trap}\n\
         [remote \"origin\"]\n\tuploadpack = {trap}\n[uploadpack]\n\tpackObjectsHook = {trap}\n\
         [url \"ext::{trap} \"]\n\tinsteadOf = {1}\n[include]\n\tpath = {2}\n[protocol]\n\tallow = always\n",
        place.path("hooks").display(),
        place.path("origin").display(),
        place.path("included").display(),
    );
    fs::write(place.path("included"), evil.replace("[include]", "[other]")).unwrap();
    hooks(&place.path("hooks"), &trap);
    let append = |path: &Path| {
        let old = fs::read_to_string(path).unwrap_or_default();
        fs::write(path, format!("{old}\n{evil}")).unwrap();
    };
    append(&place.path("clone/.git/config"));
    hooks(&place.path("clone/.git/hooks"), &trap);
    twin(&place, "v2");

    // the worker's own clone, between two uses
    let own = place.path("clone/.git/scriptworker.git");
    append(&own.join("config"));
    hooks(&own.join("hooks"), &trap);
    fs::create_dir_all(own.join("info")).unwrap();
    fs::write(own.join("info/attributes"), "* filter=evil\n").unwrap();
    fs::write(own.join("refs/heads/left.lock"), "").unwrap();
    fs::write(own.join("packed-refs.lock"), "").unwrap();
    place.commit("nothing");
    // and whoever starts the command has a configuration, too
    place.tag("v3", "keeper");
    fs::create_dir(place.path("home")).unwrap();
    fs::write(place.path("home/.gitconfig"), &evil).unwrap();
    let home = place.path("home");
    let called = place.rebuild_with(&[
        ("HOME", home.to_str().unwrap()),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.fsmonitor"),
        ("GIT_CONFIG_VALUE_0", &trap),
        ("GIT_SSH_COMMAND", &trap),
        ("GIT_DIR", own.to_str().unwrap()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ]);
    assert_eq!(called.code, 0, "{}", called.said);
    assert!(called.said.contains(&place.head()), "{}", called.said);
    let sprung = fs::read_to_string(place.path("sprung")).unwrap_or_default();
    assert_eq!(sprung, "", "nothing of it ran");
    // the trap works
    assert!(std::process::Command::new(&trap).status().unwrap().success());
    assert!(place.path("sprung").exists());
}

#[test]
fn replaced_and_grafted_objects_count_as_what_they_are() {
    let place = begun();
    place.tag("v2", "keeper");
    let good = place.update();
    let old = place.git(&["rev-parse", "HEAD~1"]);
    // a side branch that claims to follow, by a replacement in the worker's own clone
    let own = place.path("clone/scriptworker.git");
    fs::create_dir_all(own.join("refs/replace")).unwrap();
    fs::write(own.join("refs/replace").join(&old), format!("{good}\n")).unwrap();
    fs::create_dir_all(own.join("info")).unwrap();
    fs::write(own.join("info/grafts"), format!("{old} {good}\n")).unwrap();
    place.git(&["reset", "--quiet", "--hard", &old]);
    place.git(&["tag", "--delete", "v2"]);
    fs::remove_file(own.join("refs/tags/v2")).unwrap();
    place.refused("rollback");
}
