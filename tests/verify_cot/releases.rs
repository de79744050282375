//! Releases of both generations and both kinds of source hosts.

use crate::site::classic::{self, openpgp_key};
use crate::site::{BUILD, DECISION, IMAGE, SIGNING, Site, github, hg};
use crate::{code, refusals, text, verdict};
use scriptworker_core::cot::reason::Reason;
use serde_json::json;

fn refused(task: &str, reason: Reason) -> (String, String) {
    (task.to_owned(), reason.code().to_owned())
}

#[test]
fn a_release_of_the_classic_generation_is_verified_with_the_keyrings_in_force() {
    let (docker, scriptworker) = (openpgp_key(1), openpgp_key(2));
    let site = Site::of(&classic::release(&docker, &scriptworker));
    // without keyrings there is no verdict
    let output = site.verify(&["--json"]);
    assert_eq!((code(&output), output.stdout.len()), (4, 0), "{}", text(&output.stderr));
    site.keyrings(&[("docker-worker", &docker), ("scriptworker", &scriptworker)]);
    let bundle = site.path("bundle");
    let output = site.verify(&["--json", "--bundle", bundle.to_str().unwrap()]);
    let online = verdict(&output);
    assert_eq!((code(&output), &online["rules"]), (0, &json!("classic")), "{online}");
    let links = online["links"].as_array().unwrap();
    assert_eq!(links.len(), 4);
    assert!(
        links.iter().all(|link| link["signer"].as_str().unwrap().starts_with("OpenPGP key ")),
        "{online}"
    );
    assert_eq!(site.host.seen(), [""; 0], "no source host is asked");
    let offline = site.run(&["--offline", bundle.to_str().unwrap(), "--verify-sigs", "--json"]);
    assert_eq!(code(&offline), 0, "{}", text(&offline.stderr));
    // a key that nobody knows
    site.keyrings(&[("docker-worker", &openpgp_key(3)), ("scriptworker", &scriptworker)]);
    let output = site.verify(&["--json"]);
    let mut found = refusals(&verdict(&output));
    found.sort();
    assert_eq!(code(&output), 3);
    assert_eq!(found, [BUILD, DECISION, IMAGE].map(|task| refused(task, Reason::UnknownKey)));
    // a key of another class
    site.keyrings(&[("docker-worker", &scriptworker), ("scriptworker", &docker)]);
    let found = refusals(&verdict(&site.verify(&["--json"])));
    assert!(found.contains(&refused(SIGNING, Reason::WrongKeyClass)), "{found:?}");
}

#[test]
fn a_release_from_github_is_verified() {
    let site = Site::of(&github::release("github-push"));
    let output = site.verify(&["--json"]);
    let online = verdict(&output);
    assert_eq!(code(&output), 0, "{online}");
    assert_eq!(online["links"].as_array().unwrap().len(), 3);
    let mut seen = site.host.seen();
    seen.sort();
    let revision = hg::REVISION;
    assert_eq!(
        seen,
        [
            format!("/gh/repos/mozilla-releng/adhoc-signing/commits/{revision}"),
            format!("/gh/repos/mozilla-releng/adhoc-signing/contents/.taskcluster.yml?ref={revision}"),
            format!("/site/mozilla-releng/adhoc-signing/branch_commits/{revision}"),
        ],
        "each is asked once"
    );
    // a commit that is on no branch
    site.host.answer("/site/mozilla-releng/adhoc-signing/branch_commits/", 200, " \n");
    let found = refusals(&verdict(&site.verify(&["--json"])));
    assert!(found.contains(&refused(DECISION, Reason::NotLanded)), "{found:?}");
}

#[test]
fn row_132_a_rate_limit_of_github_is_no_verdict() {
    let site = Site::of(&github::release("github-push"));
    site.host.answer("/gh/repos/mozilla-releng/adhoc-signing/commits/", 403, "{\"message\": \"rate limit\"}");
    let output = site.verify(&["--json"]);
    assert_eq!((code(&output), output.stdout.len()), (4, 0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("status 403"), "{}", text(&output.stderr));
}

#[test]
fn a_pull_request_gets_no_restricted_scope() {
    let mut release = github::release("github-pull-request");
    let output = Site::of(&release).verify(&["--json"]);
    assert_eq!(code(&output), 3);
    assert_eq!(refusals(&verdict(&output)), [refused(DECISION, Reason::UntrustedSource)]);
    // without one it may be verified
    release.change(SIGNING, |task| task["scopes"] = json!([]));
    let output = Site::of(&release).verify(&["--json"]);
    assert_eq!(code(&output), 0, "{}", verdict(&output));
}
