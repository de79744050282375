//! Wrong answers while artifacts are uploaded: to `createArtifact`, and from the storage.

use super::{
    HUGE, garbage, mark, nobodys_answers, quick, says, state, status, wait_for_line, was_told, wrong_answers,
};
use crate::support::{Site, content};
use scriptworker::embedded_queue::{Call, Fault, FaultKind};
use scriptworker_core::ids::TaskId;

/// Three artifacts of the script's own, beside its log.
const THREE: &str =
    "mkdir -p $artifacts/public; for name in a b c; do echo $name > $artifacts/public/$name.txt; done";

/// How many of the four artifacts the storage has.
fn stored(site: &Site, task: &TaskId) -> usize {
    let names = ["public/a.txt", "public/b.txt", "public/c.txt", "public/logs/live_backing.log"];
    names
        .iter()
        .filter_map(|name| site.artifact(task, 0, name))
        .filter(|artifact| artifact.size.is_some())
        .count()
}

fn site() -> Site {
    let site = quick().set("live_log_link", false);
    site.start();
    site
}

#[test]
fn create_artifact_is_repeated_when_nobody_answered() {
    let site = site();
    for (kind, text) in nobodys_answers() {
        for arrived in [false, true] {
            let mark = mark(&site);
            let fault = Fault::new(Call::CreateArtifact, kind.clone()).times(2);
            site.queue.inject(if arrived { fault.work_done() } else { fault });
            let task = site.task(THREE);
            assert_eq!(site.outcome(&task, 0), "completed completed", "{kind:?}\n{}", site.log());
            wait_for_line(&site, mark, &["trying again", "createArtifact", text]);
            assert_eq!(stored(&site, &task), 4);
        }
        site.takes_the_next_task();
    }
}

/// artifacts.md 8: what the queue refuses is an internal error; the other artifacts are uploaded all the same.
#[test]
fn a_refused_artifact_is_an_internal_error_and_the_others_are_uploaded() {
    let site = site();
    let refusals = [400, 403, 404, 410, 413].map(|code| (status(code), "(InjectedFault): an injected fault"));
    for (kind, text) in wrong_answers().into_iter().chain(refusals) {
        let mark = mark(&site);
        site.queue.inject(Fault::new(Call::CreateArtifact, kind.clone()).times(1));
        let task = site.task(THREE);
        assert_eq!(site.outcome(&task, 0), "exception internal-error", "{kind:?}\n{}", site.log());
        let said =
            ["ERROR", "not uploaded", "createArtifact failed after 1", text, "status=internal-error (5)"];
        wait_for_line(&site, mark, &said);
        assert_eq!(stored(&site, &task), 3);
        site.takes_the_next_task();
    }
}

/// A kind of storage that was not asked for: there is no URL to send anything to.
#[test]
fn an_artifact_for_another_storage_is_an_internal_error() {
    let site = site();
    let mark = mark(&site);
    let other = FaultKind::edit("/storageType", "reference".into());
    site.queue.inject(Fault::new(Call::CreateArtifact, other).times(1));
    let task = site.task(THREE);
    assert_eq!(site.outcome(&task, 0), "exception internal-error", "{}", site.log());
    wait_for_line(&site, mark, &["ERROR", "not uploaded", "expected an answer for storage type s3"]);
    site.takes_the_next_task();
}

/// artifacts.md 8: 409 means that the run is not ours: nothing more is uploaded, nothing is reported.
#[test]
fn a_conflict_while_uploading_is_a_lost_claim() {
    let site = site();
    let mark = mark(&site);
    site.queue.inject(Fault::new(Call::CreateArtifact, status(409)));
    let task = site.task(THREE);
    let name = task.to_string();
    let said = "the claim is lost: createArtifact failed after 1 attempt(s): status 409";
    wait_for_line(&site, mark, &["ERROR", "not uploaded", said]);
    wait_for_line(&site, mark, &["WARN", "the run is no longer ours", &name]);
    wait_for_line(&site, mark, &["WARN", "given up", "Refused", &name]);
    site.queue.clear_faults();
    assert_eq!((state(&site, &task), stored(&site, &task)), ("running".to_owned(), 0));
    let reports = was_told(&site, &task).into_iter().filter(|record| record.call != Call::CreateArtifact);
    assert_eq!(reports.count(), 0);
    site.takes_the_next_task();
}

/// A 401 says nothing about the claim: credentials are renewed, clocks are set, an auth service comes back. What does
/// not pass in time is a fault of ours, and reported as one.
#[test]
fn refused_credentials_while_uploading_are_tried_again_and_no_lost_claim() {
    let site = site();
    site.queue.inject(Fault::new(Call::CreateArtifact, status(401)).times(4));
    let task = site.task(THREE);
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert_eq!(stored(&site, &task), 4);
    let mark = mark(&site);
    site.queue.inject(Fault::new(Call::CreateArtifact, status(401)));
    let task = site.task(THREE);
    assert_eq!(site.outcome(&task, 0), "exception internal-error", "{}", site.log());
    let said = "createArtifact failed after 6 attempt(s): status 401";
    wait_for_line(&site, mark, &["ERROR", "not uploaded", said]);
    site.queue.clear_faults();
    site.takes_the_next_task();
}

/// The link to the log is a convenience.
#[test]
fn a_link_that_is_refused_costs_nothing() {
    let site = quick();
    site.start();
    let mark = mark(&site);
    site.queue.inject(Fault::new(Call::CreateArtifact, status(400)).after(1).times(1));
    let task = site.task("echo hello");
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    wait_for_line(&site, mark, &["WARN", "the link to the log could not be made", "status 400"]);
    let mut names = site.artifact_names(&task, 0);
    names.sort();
    assert_eq!(names, ["public/chain-of-trust.json", "public/logs/live_backing.log"]);
    site.takes_the_next_task();
}

/// artifacts.md 3.3: the whole of "createArtifact and PUT" is done again, whatever the storage said instead of yes.
/// All wrong answers at once, each to another artifact, because each costs a wait of 10 s or more.
#[test]
fn an_upload_is_repeated_whatever_the_storage_answers() {
    let site = site();
    let mark = mark(&site);
    let wrong = [
        (status(400), "answered with status 400"),
        (status(403), "answered with status 403"),
        (status(404), "answered with status 404"),
        (status(409), "answered with status 409"),
        (status(500), "answered with status 500"),
        (FaultKind::Status { status: 503, retry_after: Some(1) }, "answered with status 503"),
        (FaultKind::HtmlBody { status: 502 }, "answered with status 502: \"<html>"),
        (FaultKind::Reset, "the connection broke: "),
        (FaultKind::Outage, "the connection broke: "),
    ];
    for (kind, _) in &wrong {
        site.queue.inject(Fault::new(Call::StoragePut, kind.clone()).times(1));
    }
    let task = site.task(
        "mkdir -p $artifacts/public; for i in 1 2 3 4 5 6 7 8 9 10; do echo $i > $artifacts/public/$i.bin; done",
    );
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    for (kind, text) in wrong {
        assert!(says(&site, mark, &["WARN", "upload failed, will try again", "attempt=1", text]), "{kind:?}");
    }
    for i in 1..=10 {
        let artifact = site.artifact(&task, 0, &format!("public/{i}.bin")).unwrap();
        assert_eq!(content(&artifact), format!("{i}\n").as_bytes());
    }
    // a signed URL is a secret
    assert!(!site.log().contains("signature="), "{}", site.log());
    site.takes_the_next_task();
}

/// The storage's yes is in its status: what follows it is nobody's business.
#[test]
fn what_follows_the_storages_yes_does_not_matter() {
    let site = site();
    for kind in [FaultKind::Truncate, garbage("garbage"), FaultKind::HugeBody { bytes: HUGE }] {
        site.queue.inject(Fault::new(Call::StoragePut, kind.clone()).times(1).work_done());
        let task = site.task(THREE);
        assert_eq!(site.outcome(&task, 0), "completed completed", "{kind:?}\n{}", site.log());
        assert_eq!(stored(&site, &task), 4);
        site.takes_the_next_task();
    }
    assert!(!says(&site, 0, &["upload failed"]), "{}", site.log());
}
