//! Uploads against a storage that fails in chosen ways.

#![expect(clippy::disallowed_methods, reason = "the tests play the script, which does not go through fsio")]

mod fake;

use super::*;
use crate::artifacts::body::BodyError;
use crate::artifacts::walk::RefusedReason;
use fake::{FakeStorage, Fixture, Plan, Stored};
use flate2::read::GzDecoder;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;

const LOG: &str = "public/logs/live_backing.log";

fn names(report: &UploadReport) -> Vec<&str> {
    report.uploaded.iter().map(|uploaded| uploaded.name.as_str()).collect()
}

fn only_failure(report: &UploadReport) -> &Failed {
    let [failed] = report.failed.as_slice() else { panic!("{:?}", report.failed) };
    failed
}

#[actix_web::test]
async fn everything_arrives_as_it_is_or_compressed() {
    let text = "line\n".repeat(10_000);
    let fixture = Fixture::new(&[
        (LOG, text.as_bytes()),
        ("public/build/target.apk", b"apk"),
        ("private/empty", b""),
        ("public/source.tar.gz", b"not really"),
    ]);
    let storage = FakeStorage::default();
    let report = fixture.upload(&storage).await;
    assert_eq!(names(&report), ["private/empty", "public/build/target.apk", LOG, "public/source.tar.gz"]);
    assert_eq!((report.failed.len(), report.claim_lost, report.aborted), (0, false, false));
    assert_eq!(report.status(), TaskStatus::Success);
    let stored = storage.stored.borrow();
    let headers = |list: &[(&str, &str)]| {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        stored["public/build/target.apk"],
        Stored {
            headers: headers(&[("Content-Type", "application/binary")]),
            length: 3,
            bytes: b"apk".to_vec()
        }
    );
    assert_eq!(stored["private/empty"].length, 0);
    assert_eq!(stored["public/source.tar.gz"].headers, headers(&[("Content-Type", "application/x-tar")]));
    let log = &stored[LOG];
    assert_eq!(log.headers, headers(&[("Content-Type", "text/plain"), ("Content-Encoding", "gzip")]));
    assert_eq!(log.length, log.bytes.len() as u64);
    let mut unpacked = String::new();
    GzDecoder::new(log.bytes.as_slice()).read_to_string(&mut unpacked).unwrap();
    assert!(unpacked == text);
    let uploaded = &report.uploaded[2];
    assert_eq!((uploaded.length, uploaded.sent), (text.len() as u64, log.length));
    assert_eq!((uploaded.media_type, uploaded.encoding), ("text/plain", Some(Gzip)));
    assert_eq!(
        uploaded.digests.sha256,
        <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(text.as_bytes())),
        "the digest is of the text"
    );
    assert!(storage.requests.borrow().contains(&format!(
        "Ypg6xKhKRU-pnkwylNQrMw/0 {LOG} {{\"storageType\":\"s3\",\"expires\":\"2026-12-01T00:00:00.000Z\",\
         \"contentType\":\"text/plain\"}}"
    )));
}

#[actix_web::test]
async fn what_may_pass_is_tried_again_with_a_fresh_url() {
    let fixture = Fixture::new(&[("a.bin", &[7; 300_000])]);
    let plans = [Plan::Put(503), Plan::Early(403), Plan::Broken, Plan::CreateBroken];
    let storage = FakeStorage::default().plan("a.bin", &plans);
    let report = fixture.upload(&storage).await;
    assert_eq!(names(&report), ["a.bin"]);
    // the fake itself refuses a URL that was used before
    assert_eq!((storage.called("createArtifact").len(), storage.called("PUT").len()), (5, 4));
    assert_eq!(storage.stored.borrow()["a.bin"].bytes, [7; 300_000]);
}

#[actix_web::test]
async fn every_failure_has_its_status_and_its_number_of_tries() {
    for (planned, tries, status) in [
        (Plan::Put(503), 5, TaskStatus::ResourceUnavailable),
        (Plan::Put(403), 5, TaskStatus::ResourceUnavailable),
        (Plan::Put(201), 5, TaskStatus::ResourceUnavailable),
        (Plan::Put(307), 5, TaskStatus::ResourceUnavailable),
        (Plan::Early(200), 5, TaskStatus::IntermittentTask),
        (Plan::Broken, 5, TaskStatus::IntermittentTask),
        (Plan::CreateBroken, 5, TaskStatus::IntermittentTask),
        (Plan::Create(500), 5, TaskStatus::IntermittentTask),
        (Plan::Create(400), 1, TaskStatus::InternalError),
        // the client has tried it for as long as the call may take
        (Plan::Create(401), 1, TaskStatus::InternalError),
        (Plan::Create(403), 1, TaskStatus::InternalError),
        (Plan::Create(404), 1, TaskStatus::InternalError),
        (Plan::Create(413), 1, TaskStatus::InternalError),
        (Plan::WrongType, 1, TaskStatus::InternalError),
        // a page of a proxy says nothing about the claim
        (Plan::Proxy(409), 1, TaskStatus::InternalError),
        (Plan::Proxy(502), 5, TaskStatus::IntermittentTask),
    ] {
        // an early answer has to leave something unread: more than the read-ahead holds
        let bad = if matches!(planned, Plan::Early(_)) { &[1; 600_000][..] } else { b"1" };
        let fixture = Fixture::new(&[("bad.bin", bad), ("good.bin", b"2")]);
        let storage = FakeStorage::default().plan("bad.bin", &[planned; 10]);
        let report = fixture.upload(&storage).await;
        assert_eq!(names(&report), ["good.bin"], "{planned:?}: the others go on");
        let failed = only_failure(&report);
        assert_eq!(
            (failed.name.as_str(), failed.status),
            ("bad.bin", status),
            "{planned:?} {}",
            failed.error
        );
        assert_eq!(report.status(), status);
        let asked = storage.called("createArtifact").iter().filter(|name| *name == "bad.bin").count();
        assert_eq!(asked, tries, "{planned:?}");
        assert!(!format!("{failed:?} {}", failed.error).contains("canary"), "a signed URL leaked");
    }
}

#[actix_web::test]
async fn status_204_is_success_too() {
    let fixture = Fixture::new(&[("a.bin", b"x")]);
    let storage = FakeStorage::default().plan("a.bin", &[Plan::Put(204)]);
    assert_eq!(names(&fixture.upload(&storage).await), ["a.bin"]);
}

#[actix_web::test]
async fn a_transfer_that_hangs_is_ended_and_tried_again() {
    let mut fixture = Fixture::new(&[("a.bin", b"x")]);
    fixture.plan.put_timeout = Duration::from_millis(50);
    let storage = FakeStorage::default().plan("a.bin", &[Plan::Hangs; 5]);
    let report = fixture.upload(&storage).await;
    let failed = only_failure(&report);
    assert!(matches!(failed.error, UploadError::Timeout { .. }), "{:?}", failed.error);
    assert_eq!(failed.status, TaskStatus::IntermittentTask);
    assert_eq!(storage.called("PUT").len(), 5);
}

#[actix_web::test]
async fn a_lost_claim_stops_everything() {
    for planned in [Plan::Create(409), Plan::ClaimOver] {
        let files: Vec<(String, Vec<u8>)> = (0..20).map(|n| (format!("{n:02}.bin"), vec![n])).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
        let mut fixture = Fixture::new(&files);
        fixture.plan.parallelism = 1;
        let storage = FakeStorage::default().plan("03.bin", &[planned]);
        let report = fixture.upload(&storage).await;
        assert!(report.claim_lost && !report.aborted);
        assert_eq!(names(&report), ["00.bin", "01.bin", "02.bin"]);
        let failed = only_failure(&report);
        assert!(matches!(failed.error, UploadError::ClaimLost(_)));
        assert_eq!(storage.called("createArtifact").len(), 4, "no call after the loss");
    }
}

#[actix_web::test]
async fn a_lost_claim_does_not_wait_for_what_hangs() {
    let mut fixture = Fixture::new(&[("a.bin", b"1"), ("b.bin", b"2")]);
    fixture.plan.first = ArtifactName::parse("b.bin").ok();
    let storage = FakeStorage::default().plan("b.bin", &[Plan::Create(409)]);
    let report = fixture.upload(&storage).await;
    assert!(report.claim_lost);
    assert_eq!(storage.called("createArtifact"), ["b.bin"], "the second round does not even begin");
    fixture.plan.first = None;
    let storage = FakeStorage::default()
        .plan("a.bin", &[Plan::Hangs])
        .plan("b.bin", &[Plan::Put(503), Plan::Create(409)]);
    assert!(fixture.upload(&storage).await.claim_lost);
}

#[actix_web::test]
async fn the_caller_can_stop_it() {
    let fixture = Fixture::new(&[("a.bin", b"1"), ("b.bin", b"2")]);
    let storage = FakeStorage::default().plan("b.bin", &[Plan::Hangs]);
    let (stop, abort) = watch::channel(false);
    let progress = |progress: Progress<'_>| {
        if matches!(progress, Progress::Uploaded(_)) {
            stop.send_replace(true);
        }
    };
    let all = upload_all(&storage, fixture.listing(), &fixture.plan, abort, &progress);
    let report = actix_rt::time::timeout(Duration::from_secs(60), all).await.unwrap();
    assert!(report.aborted && !report.claim_lost);
    assert_eq!((names(&report), report.failed.len()), (vec!["a.bin"], 0));
    // a caller that is gone cannot stop it any more, so it does not even begin
    let storage = FakeStorage::default();
    let (gone, abort) = watch::channel(false);
    drop(gone);
    let report = upload_all(&storage, fixture.listing(), &fixture.plan, abort, &|_| {}).await;
    assert!(report.aborted && storage.calls.borrow().is_empty());
}

#[actix_web::test]
async fn as_many_are_in_flight_as_the_plan_says() {
    let files: Vec<String> = (0..12).map(|n| format!("{n:02}.bin")).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let mut fixture = Fixture::new(&files);
    for parallelism in [1, 3] {
        fixture.plan.parallelism = parallelism;
        // with fewer in flight than that, the barrier would never open
        let storage = FakeStorage::in_rounds_of(parallelism);
        let report = fixture.upload(&storage).await;
        assert_eq!(report.uploaded.len(), 12);
        assert_eq!(storage.most_in_flight.get(), parallelism);
    }
    fixture.plan.parallelism = 0;
    assert_eq!(fixture.upload(&FakeStorage::default()).await.uploaded.len(), 12);
}

#[actix_web::test]
async fn the_log_goes_alone_and_first() {
    let mut fixture = Fixture::new(&[("a.bin", b"1"), (LOG, b"log"), ("z.bin", b"2")]);
    fixture.plan.first = ArtifactName::parse(LOG).ok();
    let storage = FakeStorage::default().plan(LOG, &[Plan::Put(500)]);
    let report = fixture.upload(&storage).await;
    assert_eq!(report.uploaded.len(), 3);
    let calls = storage.calls.borrow();
    let (log, others) = calls.split_at(5);
    assert_eq!(
        log.iter().map(|(what, name)| (*what, name.as_str())).collect::<Vec<_>>(),
        [("createArtifact", LOG), ("PUT", LOG), ("createArtifact", LOG), ("PUT", LOG), ("stored", LOG)]
    );
    assert!(others.iter().all(|(_, name)| name != LOG));
}

#[actix_web::test]
async fn a_log_that_fails_does_not_keep_the_others_back() {
    let mut fixture = Fixture::new(&[("a.bin", b"1"), (LOG, b"log")]);
    fixture.plan.first = ArtifactName::parse(LOG).ok();
    let storage = FakeStorage::default().plan(LOG, &[Plan::Create(400)]);
    let report = fixture.upload(&storage).await;
    assert_eq!(names(&report), ["a.bin"]);
    assert_eq!(only_failure(&report).name, LOG);
}

#[actix_web::test]
async fn what_the_walk_refused_fails_the_task_and_is_never_announced() {
    let fixture = Fixture::new(&[("good.bin", b"1")]);
    std::os::unix::fs::symlink("/etc/passwd", fixture.dir.path().join("artifacts/link.bin")).unwrap();
    let storage = FakeStorage::default();
    let report = fixture.upload(&storage).await;
    assert_eq!(names(&report), ["good.bin"]);
    let failed = only_failure(&report);
    assert_eq!((failed.name.as_str(), failed.status), ("link.bin", TaskStatus::Failure));
    let UploadError::Body(BodyError::Refused(refused)) = &failed.error else { panic!("{failed:?}") };
    assert_eq!(refused.reason, RefusedReason::Symlink);
    assert_eq!(storage.called("createArtifact"), ["good.bin"]);
}

#[actix_web::test]
async fn a_file_that_changes_after_it_was_announced_fails_without_another_try() {
    let fixture = Fixture::new(&[("a.bin", b"1")]);
    let storage = FakeStorage::default();
    let path = fixture.dir.path().join("artifacts/a.bin");
    let progress = |progress: Progress<'_>| {
        if matches!(progress, Progress::Started { .. }) {
            std::fs::write(&path, "longer").unwrap();
        }
    };
    let (_running, abort) = watch::channel(false);
    let report = upload_all(&storage, fixture.listing(), &fixture.plan, abort, &progress).await;
    let failed = only_failure(&report);
    assert!(
        matches!(failed.error, UploadError::Body(BodyError::Changed { expected: 1, found: 6, .. })),
        "{failed:?}"
    );
    assert_eq!(failed.status, TaskStatus::InternalError);
    assert!(storage.stored.borrow().is_empty());
    assert_eq!(storage.called("PUT").len(), 1);
}

#[actix_web::test]
async fn objects_are_sent_inline_or_put_and_always_finished() {
    let text = "line\n".repeat(10_000);
    let mut fixture = Fixture::new(&[("small.txt", b"abc"), ("large.txt", text.as_bytes())]);
    fixture.plan.storage = Storage::Object;
    fixture.plan.parallelism = 1;
    let storage = FakeStorage::default();
    let report = fixture.upload(&storage).await;
    assert_eq!(names(&report), ["large.txt", "small.txt"]);
    let calls = storage.calls.borrow();
    let calls: Vec<_> = calls.iter().map(|(what, name)| (*what, name.as_str())).collect();
    assert_eq!(
        calls,
        [
            ("createArtifact", "large.txt"),
            ("createUpload", "large.txt"),
            ("PUT", "large.txt"),
            ("stored", "large.txt"),
            ("finishUpload", "large.txt"),
            ("finishArtifact", "large.txt"),
            ("createArtifact", "small.txt"),
            ("createUpload", "small.txt"),
            ("finishUpload", "small.txt"),
            ("finishArtifact", "small.txt"),
        ]
    );
    let stored = storage.stored.borrow();
    assert!(stored["large.txt"].bytes == text.as_bytes(), "objects are not compressed");
    assert_eq!(
        stored["large.txt"].headers,
        BTreeMap::from([("x-object".to_owned(), "text/plain".to_owned())]),
        "the headers are exactly those that the object service gave"
    );
    assert_eq!(stored["small.txt"].bytes, b"abc");
    let finished = storage.finished.borrow();
    let small = &finished[1];
    assert!(small.sha256.starts_with("ba7816bf") && small.sha512.starts_with("ddaf35a1"), "{small:?}");
}

#[actix_web::test]
async fn an_object_service_that_takes_nothing_of_ours_fails_each_artifact_once() {
    let mut fixture = Fixture::new(&[("small.txt", b"abc"), ("large.bin", &[1; 9000])]);
    fixture.plan.storage = Storage::Object;
    let storage = FakeStorage::without_methods();
    let report = fixture.upload(&storage).await;
    assert!(report.failed.iter().all(|failed| matches!(failed.error, UploadError::NoUploadMethod)));
    assert_eq!((report.failed.len(), report.status()), (2, TaskStatus::InternalError));
}

#[actix_web::test]
async fn links_and_error_artifacts_are_made_with_the_same_tries() {
    let fixture = Fixture::new(&[]);
    let (log, cot) = (ArtifactName::parse(LOG).unwrap(), ArtifactName::parse("public/cot.log").unwrap());
    let storage = FakeStorage::default().plan(LOG, &[Plan::Create(503), Plan::CreateBroken]);
    create_link(&storage, &fixture.plan, &log, &cot, Some("text/plain")).await.unwrap();
    assert_eq!(storage.called("createArtifact").len(), 3);
    assert!(storage.requests.borrow()[0].contains(
        r#""storageType":"link","expires":"2026-12-01T00:00:00.000Z","artifact":"public/cot.log""#
    ));
    let message = "ä".repeat(5000);
    create_error(&storage, &fixture.plan, &cot, ArtifactErrorReason::TooLargeFileOnWorker, &message)
        .await
        .unwrap();
    let request = storage.requests.borrow().last().unwrap().clone();
    assert_eq!(request.matches('ä').count(), 4096);
    let storage = FakeStorage::default().plan(LOG, &[Plan::Create(409)]);
    let lost = create_link(&storage, &fixture.plan, &log, &cot, None).await.unwrap_err();
    assert!(matches!(lost, UploadError::ClaimLost(_)));
}

#[actix_web::test]
async fn progress_tells_every_step() {
    let fixture = Fixture::new(&[("a.bin", b"1")]);
    let storage = FakeStorage::default().plan("a.bin", &[Plan::Put(503)]);
    let steps = RefCell::new(Vec::new());
    let progress = |progress: Progress<'_>| {
        steps.borrow_mut().push(match progress {
            Progress::Started { name, length } => format!("started {name} {length}"),
            Progress::Retrying { name, attempt, error, wait } => format!("{name} {attempt} {error} {wait:?}"),
            Progress::Uploaded(uploaded) => format!("uploaded {}", uploaded.name),
            Progress::Failed(failed) => format!("failed {}", failed.name),
        });
    };
    let (_running, abort) = watch::channel(false);
    upload_all(&storage, fixture.listing(), &fixture.plan, abort, &progress).await;
    assert_eq!(
        *steps.borrow(),
        [
            "started a.bin 1",
            "a.bin 1 https://storage/ answered with status 503: SlowDown 0ns",
            "uploaded a.bin",
        ]
    );
}

#[test]
fn artifacts_never_outlive_their_task() {
    let at = |text| UnixMillis::parse(text).unwrap();
    let (now, task) = (at("2026-11-23T00:00:00Z"), at("2026-11-24T12:00:00Z"));
    assert_eq!(expires(task, None, now), task);
    assert_eq!(expires(task, Some(24), now).to_string(), "2026-11-24T00:00:00.000Z");
    assert_eq!(expires(task, Some(48), now), task);
    assert_eq!(expires(task, Some(u32::MAX), now), task);
}
