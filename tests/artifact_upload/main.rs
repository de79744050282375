//! Uploads through the real client over real connections, against a queue, an object service and a storage on
//! loopback: what is on the wire, and what becomes of a run when the other side fails.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "the tests play the script, which does not go through fsio")]

mod server;

use actix_web::{App, HttpServer, web};
use flate2::read::GzDecoder;
use scriptworker::artifacts::api::Deployment;
use scriptworker::artifacts::body::BodyError;
use scriptworker::artifacts::upload::{
    Storage, UploadError, UploadPlan, UploadReport, create_link, upload_all,
};
use scriptworker::artifacts::walk::ArtifactDir;
use scriptworker::taskcluster::{Auth, Budget, Credentials, Http, HttpConfig, RootUrl};
use scriptworker_core::ids::ArtifactName;
use scriptworker_core::retry::Backoff;
use scriptworker_core::run::TaskStatus;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde_json::{Value, json};
use server::{Received, Shared, World, serve};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LOG: &str = "public/logs/live_backing.log";
const EXPIRES: &str = "2026-12-01T00:00:00.000Z";

struct Fixture {
    dir: tempfile::TempDir,
    world: Shared,
    deployment: Deployment,
    plan: UploadPlan,
    server: actix_web::dev::ServerHandle,
}

impl Fixture {
    fn start(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["artifacts", "scratch"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        for (name, bytes) in files {
            let path = dir.path().join("artifacts").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let world: Shared = web::Data::new(Mutex::new(World::default()));
        let shared = world.clone();
        let server =
            HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(serve)))
                .workers(1)
                .disable_signals()
                .bind(("127.0.0.1", 0))
                .unwrap();
        let origin = format!("http://{}", server.addrs()[0]);
        world.lock().unwrap().origin.clone_from(&origin);
        let running = server.run();
        let server = running.handle();
        actix_web::rt::spawn(running);

        let http = Http::new(HttpConfig::default()).unwrap();
        let credentials = Credentials {
            client_id: "task".to_owned(),
            access_token: Secret::new("token"),
            certificate: None,
        };
        let root_url = RootUrl::parse(&origin).unwrap();
        let deployment = Deployment::new(http, root_url, Auth::fixed(credentials), Budget::once());
        let run = serde_json::from_str(r#"{"taskId": "Ypg6xKhKRU-pnkwylNQrMw", "runId": 0}"#).unwrap();
        let expires = UnixMillis::parse(EXPIRES).unwrap();
        let mut plan = UploadPlan::new(run, expires, dir.path().join("scratch"));
        plan.backoff = Backoff { base_ms: 0, max_ms: 0, jitter_percent: 0 };
        Self { dir, world, deployment, plan, server }
    }

    async fn upload(&self) -> UploadReport {
        let artifacts = ArtifactDir::open(&self.dir.path().join("artifacts"), nix::unistd::getuid()).unwrap();
        let (_running, abort) = tokio::sync::watch::channel(false);
        let all = upload_all(&self.deployment, artifacts.list(), &self.plan, abort, &|_| {});
        let report = actix_web::rt::time::timeout(Duration::from_secs(120), all).await.unwrap();
        self.server.stop(false).await;
        report
    }

    fn received(&self, name: &str) -> Vec<Received> {
        let world = self.world.lock().unwrap();
        world.received.iter().filter(|received| received.name == name).cloned().collect()
    }

    fn calls(&self) -> Vec<(String, Value)> {
        self.world.lock().unwrap().calls.clone()
    }
}

fn names(report: &UploadReport) -> Vec<&str> {
    report.uploaded.iter().map(|uploaded| uploaded.name.as_str()).collect()
}

/// The digest by the system's own tool.
fn sha256sum(bytes: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let output = std::process::Command::new("sha256sum").arg(file.path()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[actix_web::test]
async fn what_is_on_the_wire() {
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let log = "a line of the log\n".repeat(1000);
    let mut fixture = Fixture::start(&[
        (LOG, log.as_bytes()),
        ("public/build/target one.tar.gz", &large),
        ("private/empty", b""),
    ]);
    fixture.plan.first = ArtifactName::parse(LOG).ok();
    let report = fixture.upload().await;
    assert_eq!(names(&report), ["private/empty", "public/build/target one.tar.gz", LOG], "{report:?}");
    for (name, content, media_type, encoding) in [
        ("private/empty", &b""[..], "application/binary", None),
        ("public/build/target one.tar.gz", &large, "application/x-tar", None),
        (LOG, log.as_bytes(), "text/plain", Some("gzip")),
    ] {
        let [put] = &fixture.received(name)[..] else { panic!("{name}: one PUT") };
        let header = |name: &str| put.headers.get(name).map(String::as_str);
        assert_eq!(header("content-type"), Some(media_type));
        assert_eq!(header("content-encoding"), encoding);
        assert_eq!(header("content-length"), Some(put.bytes.len().to_string().as_str()));
        assert_eq!(
            (header("transfer-encoding"), header("content-md5"), header("authorization")),
            (None, None, None)
        );
        let mut decoded = Vec::new();
        match encoding {
            Some(_) => GzDecoder::new(put.bytes.as_slice()).read_to_end(&mut decoded).unwrap(),
            None => put.bytes.as_slice().read_to_end(&mut decoded).unwrap(),
        };
        assert!(decoded == content, "{name}");
        let uploaded = report.uploaded.iter().find(|uploaded| uploaded.name.as_str() == name).unwrap();
        assert_eq!(uploaded.digests.sha256_hex(), sha256sum(content), "{name}");
    }
    let calls = fixture.calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(
        calls[0],
        (
            format!("POST /api/queue/v1/task/Ypg6xKhKRU-pnkwylNQrMw/runs/0/artifacts/{LOG}"),
            json!({"storageType": "s3", "expires": EXPIRES, "contentType": "text/plain"}),
        ),
        "the log comes first"
    );
}

/// Where the log lines of this thread go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn a_refused_put_is_repeated_with_a_fresh_url_and_no_url_is_logged() {
    let fixture = Fixture::start(&[("a.bin", &[7; 300_000]), ("b.bin", b"never")]);
    {
        let mut world = fixture.world.lock().unwrap();
        world.put_answers.insert("a.bin".to_owned(), vec![503, 403]);
        world.put_answers.insert("b.bin".to_owned(), vec![500; 5]);
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let report = fixture.upload().await;
    drop(logging);
    assert_eq!(names(&report), ["a.bin"]);
    let puts = fixture.received("a.bin");
    assert_eq!(puts.len(), 3);
    let mut urls: Vec<&str> = puts.iter().map(|put| put.url.as_str()).collect();
    urls.dedup();
    assert_eq!(urls.len(), 3, "each try has its own URL");
    assert!(puts.iter().all(|put| put.complete && put.bytes == [7; 300_000]));
    let [failed] = &report.failed[..] else { panic!("{:?}", report.failed) };
    assert_eq!((failed.name.as_str(), failed.status), ("b.bin", TaskStatus::ResourceUnavailable));
    assert_eq!(fixture.received("b.bin").len(), 5);
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("upload failed, will try again") && log.contains("SlowDown: later"), "{log}");
    assert!(log.contains("not uploaded") && log.contains("uploaded artifact=a.bin"), "{log}");
    assert!(!log.contains("canary"), "a signed URL was logged: {log}");
    assert!(!format!("{report:?}").contains("canary"));
}

#[actix_web::test]
async fn a_name_that_the_queue_refuses_fails_alone() {
    let fixture = Fixture::start(&[("bad name", b"x"), ("good", b"y")]);
    fixture.world.lock().unwrap().create_answers.insert("bad name".to_owned(), vec![400]);
    let report = fixture.upload().await;
    assert_eq!((names(&report), report.claim_lost), (vec!["good"], false));
    let [failed] = &report.failed[..] else { panic!("{:?}", report.failed) };
    assert_eq!((failed.name.as_str(), failed.status), ("bad name", TaskStatus::InternalError));
    assert_eq!(
        failed.error.to_string(),
        "createArtifact failed after 1 attempt(s): status 400 (InputError): canned refusal"
    );
}

#[actix_web::test]
async fn a_conflict_abandons_the_run() {
    let mut fixture = Fixture::start(&[(LOG, b"log"), ("a.bin", b"x")]);
    fixture.plan.first = ArtifactName::parse(LOG).ok();
    fixture.world.lock().unwrap().create_answers.insert(LOG.to_owned(), vec![409]);
    let report = fixture.upload().await;
    assert!(report.claim_lost && report.uploaded.is_empty());
    assert!(matches!(report.failed[0].error, UploadError::ClaimLost(_)));
    assert_eq!(fixture.calls().len(), 1, "nothing is asked for after the loss");
}

#[actix_web::test]
async fn a_file_that_shrinks_on_the_way_is_never_complete_at_the_other_side() {
    let fixture = Fixture::start(&[("shrinking.bin", b"")]);
    let path = fixture.dir.path().join("artifacts/shrinking.bin");
    // more than the buffers of both sockets hold, so that the end is read after the beginning has arrived
    let length = 64 << 20;
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
    fixture.world.lock().unwrap().shrink = Some(("shrinking.bin".to_owned(), path));
    let report = fixture.upload().await;
    let [failed] = &report.failed[..] else { panic!("{report:?}") };
    assert_eq!(failed.status, TaskStatus::InternalError);
    let UploadError::Body(BodyError::Changed { expected, found, .. }) = failed.error else {
        panic!("{:?}", failed.error)
    };
    assert_eq!((expected, found), (length, length - 1));
    assert_eq!(fixture.calls().len(), 1, "there is no second try");
    assert!(fixture.received("shrinking.bin").iter().all(|put| !put.complete), "a whole body arrived");
}

#[actix_web::test]
async fn an_object_is_put_with_the_headers_of_the_object_service_and_finished_twice() {
    let mut fixture = Fixture::start(&[("a.txt", b"abc")]);
    fixture.plan.storage = Storage::Object;
    let report = fixture.upload().await;
    assert_eq!(names(&report), ["a.txt"], "{report:?}");
    let [put] = &fixture.received("t/o")[..] else { panic!("one PUT") };
    assert_eq!(put.bytes, b"abc");
    assert_eq!(put.headers.get("x-stored-as").map(String::as_str), Some("object"));
    assert_eq!((put.headers.get("content-type"), put.headers.get("content-encoding")), (None, None));
    let calls = fixture.calls();
    let paths: Vec<&str> = calls.iter().map(|(path, _)| path.as_str()).collect();
    let artifact = "/api/queue/v1/task/Ypg6xKhKRU-pnkwylNQrMw/runs/0/artifacts/a.txt";
    assert_eq!(
        paths,
        [
            format!("POST {artifact}").as_str(),
            "PUT /api/object/v1/upload/t/o",
            "POST /api/object/v1/finish-upload/t/o",
            format!("PUT {artifact}").as_str(),
        ]
    );
    let methods = &calls[1].1["proposedUploadMethods"];
    assert_eq!(methods["dataInline"], json!({"contentType": "text/plain", "objectData": "YWJj"}));
    assert_eq!(methods["putUrl"], json!({"contentType": "text/plain", "contentLength": 3}));
    assert_eq!(calls[2].1["hashes"]["sha256"], sha256sum(b"abc"));
    assert_eq!(calls[2].1["hashes"]["sha512"].as_str().unwrap().len(), 128);
    assert_eq!(calls[3].1, json!({"uploadId": "u"}));
}

#[actix_web::test]
async fn a_link_names_its_target() {
    let fixture = Fixture::start(&[]);
    let (log, target) =
        (ArtifactName::parse(LOG).unwrap(), ArtifactName::parse("public/logs/chain_of_trust.log").unwrap());
    create_link(&fixture.deployment, &fixture.plan, &log, &target, Some("text/plain")).await.unwrap();
    fixture.server.stop(false).await;
    assert_eq!(
        fixture.calls()[0].1,
        json!({
            "storageType": "link", "expires": EXPIRES, "artifact": "public/logs/chain_of_trust.log",
            "contentType": "text/plain",
        })
    );
}
