//! What no recording shows: faults on order, the storage's refusals, clients that leave, restricted scopes, stopping.

use crate::client::Request;
use crate::engine::{Replay, options};
use crate::sign::{self, Creds, Signed};
use crate::wire::{CREATOR, ROOT, WORKER};
use scriptworker::embedded_queue::{
    Call, Clock as _, EmbeddedQueue, Fault, FaultKind, ManualClock, Options, SystemClock,
};
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

const TASK: &str = "Ypg6xKhKRU-pnkwylNQrMw";
const SOON: Duration = Duration::from_secs(30);
const CLAIM_WORK: &str = "/api/queue/v1/claim-work/test-dummy-provisioner%2Fdummy-worker-myname";

struct Fixture {
    replay: Replay<'static>,
    run: Creds,
}

/// A queue with one task, claimed.
fn fixture(change: impl FnOnce(&mut Options)) -> Fixture {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let mut options = options(Arc::clone(&clock));
    change(&mut options);
    let mut replay = Replay::new(&[], clock, 0, options);
    replay.ensure_task(TASK);
    let run = replay.claim(TASK, "0", "test-dummy-workers", "worker1");
    Fixture { replay, run }
}

impl Fixture {
    fn queue(&self) -> &EmbeddedQueue {
        &self.replay.queue
    }

    fn artifact(&self, name: &str, body: Value) -> Value {
        let mut body = body;
        body["expires"] = json!(self.replay.clock.now().plus(60_000));
        let target = format!("/api/queue/v1/task/{TASK}/runs/0/artifacts/{name}");
        let answer = self.replay.call(&self.run, "POST", &target, Some(body));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer.json().unwrap()
    }

    fn path<'a>(&self, url: &'a str) -> &'a str {
        url.strip_prefix(&self.queue().root_url()).unwrap()
    }

    fn put(&self, url: &str, content_type: &str, body: &[u8]) -> u16 {
        let mut request = Request::new("PUT", self.path(url)).header("content-type", content_type);
        request.body = Some(body.to_vec());
        request.send(&self.replay.address()).unwrap().status
    }

    fn ping(&self) -> Option<crate::client::Answer> {
        Request::new("GET", "/api/queue/v1/ping").send(&self.replay.address())
    }
}

fn run_key() -> RunKey {
    RunKey { task_id: TaskId::parse(TASK).unwrap(), run_id: RunId::new(0).unwrap() }
}

#[test]
fn an_upload_must_be_the_one_that_was_announced() {
    let fixture = fixture(|_| {});
    let announced = json!({"storageType": "s3", "contentType": "text/plain", "contentLength": 3});
    let url = fixture.artifact("public/a.txt", announced)["putUrl"].as_str().unwrap().to_owned();
    assert_eq!(fixture.put(&url, "text/html", b"abc"), 403);
    assert_eq!(fixture.put(&url, "text/plain", b"abcd"), 403);
    assert_eq!(fixture.put(&url.replace("signature=", "signature=A"), "text/plain", b"abc"), 403);
    assert_eq!(fixture.put(url.split('?').next().unwrap(), "text/plain", b"abc"), 403);
    let chunked = Request::new("PUT", fixture.path(&url))
        .header("content-type", "text/plain")
        .header("transfer-encoding", "chunked");
    let chunked = Request { body: None, ..chunked };
    let mut stream = TcpStream::connect(fixture.replay.address()).unwrap();
    write!(
        stream,
        "PUT {} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        chunked.target
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 411"), "{answer}");
    assert_eq!(fixture.queue().artifact(&run_key(), "public/a.txt").unwrap().path, None);

    assert_eq!(fixture.put(&url, "text/plain", b"abc"), 200);
    let stored = fixture.queue().artifact(&run_key(), "public/a.txt").unwrap();
    assert_eq!((stored.storage_type, stored.size, stored.content_encoding), ("s3", Some(3), None));
    assert_eq!(std::fs::read(stored.path.unwrap()).unwrap(), b"abc");
    assert_eq!(
        stored.sha256.as_deref(),
        Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    );
}

#[test]
fn an_upload_that_is_cut_off_leaves_nothing() {
    let fixture = fixture(|_| {});
    let announced = json!({"storageType": "s3", "contentType": "text/plain"});
    let url = fixture.artifact("public/a.txt", announced)["putUrl"].as_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(fixture.replay.address()).unwrap();
    write!(
        stream,
        "PUT {} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nabc",
        fixture.path(&url)
    )
    .unwrap();
    fixture.queue().wait_for_open_call(Call::StoragePut, SOON).unwrap();
    drop(stream);
    let record = fixture.queue().wait_for_call(|record| record.call == Call::StoragePut, SOON).unwrap();
    assert_ne!(record.status, Some(200));
    assert_eq!(fixture.queue().artifact(&run_key(), "public/a.txt").unwrap().path, None);
}

#[test]
fn storage_urls_expire() {
    let fixture = fixture(|options| options.put_url_lifetime = Duration::from_secs(60));
    let announced = json!({"storageType": "s3", "contentType": "text/plain"});
    let url = fixture.artifact("private/a.txt", announced)["putUrl"].as_str().unwrap().to_owned();
    assert_eq!(fixture.put(&url, "text/plain", b"abc"), 200);
    let target = format!("/api/queue/v1/task/{TASK}/artifacts/private/a.txt");
    let redirect = fixture.replay.call_as_root("GET", &target, None);
    let location = redirect.header("location").unwrap().to_owned();
    let get =
        |location: &str| Request::new("GET", fixture.path(location)).send(&fixture.replay.address()).unwrap();
    assert_eq!(get(&location).body, b"abc");
    fixture.replay.clock.advance(61_000);
    assert_eq!(fixture.put(&url, "text/plain", b"abc"), 403);
    fixture.replay.clock.advance(30 * 60_000);
    assert_eq!(get(&location).status, 403);
}

#[test]
fn small_objects_travel_within_the_request() {
    let fixture = fixture(|_| {});
    let created =
        fixture.artifact("public/o.txt", json!({"storageType": "object", "contentType": "text/plain"}));
    let upload = Creds::from_json(&created["credentials"]).unwrap();
    let name = created["name"].as_str().unwrap().replace('/', "%2F");
    let common = json!({"projectId": created["projectId"], "uploadId": created["uploadId"]});
    let mut body = common.clone();
    body["expires"] = created["expires"].clone();
    body["proposedUploadMethods"] =
        json!({"dataInline": {"contentType": "text/plain", "objectData": "YWJj"}});
    let target = format!("/api/object/v1/upload/{name}");
    let answer = fixture.replay.call(&upload, "PUT", &target, Some(body));
    assert_eq!(answer.json().unwrap()["uploadMethod"], json!({"dataInline": true}));
    let target = format!("/api/object/v1/finish-upload/{name}");
    assert_eq!(fixture.replay.call(&upload, "POST", &target, Some(common)).status, 200);
    let target = format!("/api/queue/v1/task/{TASK}/runs/0/artifacts/public%2Fo.txt");
    let finish = json!({"uploadId": created["uploadId"]});
    assert_eq!(fixture.replay.call(&fixture.run, "PUT", &target, Some(finish)).status, 204);

    let target = format!("/api/queue/v1/task/{TASK}/artifact-content/public%2Fo.txt");
    let content = fixture.replay.call_as_root("GET", &target, None).json().unwrap();
    let download = Creds::from_json(&content["credentials"]).unwrap();
    let target = format!("/api/object/v1/start-download/{name}");
    for (methods, method) in
        [(json!({"simple": true, "getUrl": true}), "getUrl"), (json!({"simple": true}), "simple")]
    {
        let body = json!({"acceptDownloadMethods": methods});
        let answer = fixture.replay.call(&download, "PUT", &target, Some(body)).json().unwrap();
        assert_eq!(answer["method"], method);
        let url = answer["url"].as_str().unwrap();
        let bytes = Request::new("GET", fixture.path(url)).send(&fixture.replay.address()).unwrap();
        assert_eq!(bytes.body, b"abc");
    }
    let none = fixture.replay.call(&download, "PUT", &target, Some(json!({"acceptDownloadMethods": {}})));
    assert_eq!((none.status, none.json().unwrap()["code"].clone()), (406, json!("NoMatchingMethod")));
}

#[test]
fn error_pages_and_garbage_come_as_ordered() {
    let fixture = fixture(|_| {});
    let queue = fixture.queue();
    queue.inject(
        Fault::new(Call::Ping, FaultKind::Status { status: 503, retry_after: Some(7) }).after(1).times(2),
    );
    let statuses: Vec<_> = (0..4).map(|_| fixture.ping().unwrap().status).collect();
    assert_eq!(statuses, [200, 503, 503, 200]);

    queue.inject(Fault::new(Call::Ping, FaultKind::HtmlBody { status: 502 }).times(1));
    let page = fixture.ping().unwrap();
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
    queue.inject(Fault::new(Call::Ping, FaultKind::Garbage { body: "~".to_owned() }).times(1));
    assert_eq!(fixture.ping().unwrap().body, b"~");
    queue.inject(Fault::new(Call::Ping, FaultKind::HugeBody { bytes: 200_000 }).times(1));
    assert_eq!(fixture.ping().unwrap().body.len(), 200_000);
    queue.inject(Fault::new(Call::Ping, FaultKind::Truncate).work_done().times(1));
    let cut = fixture.ping().unwrap();
    assert!(cut.status == 200 && cut.body.len() < cut.promised_length().unwrap());
    queue.inject(Fault::new(Call::Ping, FaultKind::ClockSkewed { millis: -3_600_000 }).times(1));
    let (skewed, right) = (fixture.ping().unwrap(), fixture.ping().unwrap());
    assert_ne!(skewed.header("date"), right.header("date"));
    assert_eq!(right.header("x-embedded-queue"), Some("never for production"));
    queue.inject(Fault::new(Call::Ping, FaultKind::DelayThenAnswer(Duration::from_millis(1))).times(1));
    assert_eq!(fixture.ping().unwrap().status, 200);
    let faulty = queue.calls().iter().filter(|record| record.faulty).count();
    assert_eq!(faulty, 8);
}

#[test]
fn connections_break_as_ordered_until_the_faults_are_cleared() {
    let fixture = fixture(|_| {});
    fixture.queue().inject(Fault::new(Call::Ping, FaultKind::Reset).times(1));
    assert!(fixture.ping().is_none());
    fixture.queue().inject(Fault::everywhere(FaultKind::Outage));
    assert!(fixture.ping().is_none() && fixture.ping().is_none());
    fixture.queue().clear_faults();
    assert_eq!(fixture.ping().unwrap().status, 200);
}

#[test]
fn work_may_be_done_though_its_answer_is_lost() {
    let fixture = fixture(|_| {});
    let target = format!("/api/queue/v1/task/{TASK}/runs/0/completed");
    fixture.queue().inject(
        Fault::new(Call::ReportCompleted, FaultKind::Status { status: 500, retry_after: None }).times(1),
    );
    assert_eq!(fixture.replay.call(&fixture.run, "POST", &target, None).status, 500);
    assert_eq!(fixture.queue().status(&run_key().task_id).unwrap()["state"], "running");
    fixture.queue().inject(
        Fault::new(Call::ReportCompleted, FaultKind::Status { status: 500, retry_after: None })
            .work_done()
            .times(1),
    );
    assert_eq!(fixture.replay.call(&fixture.run, "POST", &target, None).status, 500);
    assert_eq!(fixture.queue().status(&run_key().task_id).unwrap()["state"], "completed");
}

#[test]
fn who_left_gets_no_task() {
    let fixture = fixture(|options| options.long_poll = Duration::from_secs(3600));
    let body = json!({"workerGroup": "test-dummy-workers", "workerId": "worker1", "tasks": 1}).to_string();
    let address = fixture.replay.address();
    let signed = Signed {
        method: "POST",
        target: CLAIM_WORK,
        address: &address,
        at: fixture.replay.clock.now().0,
        hash: None,
    };
    let header = sign::header(&Creds::permanent(WORKER.0, WORKER.1), None, &signed);
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "POST {CLAIM_WORK} HTTP/1.1\r\nhost: {address}\r\nauthorization: {header}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    fixture.queue().wait_for_open_call(Call::ClaimWork, SOON).unwrap();
    drop(stream);
    fixture.queue().wait_for_call(|record| record.call == Call::ClaimWork, SOON).unwrap();
    let mut fixture = fixture;
    fixture.replay.ensure_task("BXPJCuf6R8WpwP3HE6JHiA");
    let status = fixture.queue().status(&TaskId::parse("BXPJCuf6R8WpwP3HE6JHiA").unwrap()).unwrap();
    assert_eq!(status["state"], "pending");
}

#[test]
fn stopping_ends_polls_and_hangs_and_removes_the_storage() {
    let fixture = fixture(|options| options.long_poll = Duration::from_secs(3600));
    let announced = json!({"storageType": "s3", "contentType": "text/plain"});
    let url = fixture.artifact("public/a.txt", announced)["putUrl"].as_str().unwrap().to_owned();
    assert_eq!(fixture.put(&url, "text/plain", b"abc"), 200);
    let file = fixture.queue().artifact(&run_key(), "public/a.txt").unwrap().path.unwrap();
    fixture.queue().inject(Fault::new(Call::Ping, FaultKind::Hang));
    let address = fixture.replay.address();
    let hanging = std::thread::spawn(move || Request::new("GET", "/api/queue/v1/ping").send(&address));
    fixture.queue().wait_for_open_call(Call::Ping, SOON).unwrap();
    fixture.replay.queue.stop();
    hanging.join().unwrap();
    assert!(!file.exists());
}

#[test]
fn waiting_sees_changes_and_gives_up_in_time() {
    let fixture = fixture(|_| {});
    let id = run_key().task_id;
    let error =
        fixture.queue().wait_for(&id, |status| status["state"] == "completed", Duration::from_millis(1));
    assert!(error.unwrap_err().last_seen.contains("running"));
    std::thread::scope(|scope| {
        scope.spawn(|| fixture.queue().cancel(&id).unwrap());
        let status = fixture.queue().wait_for(&id, |status| status["state"] == "exception", SOON).unwrap();
        assert_eq!(status["runs"][0]["reasonResolved"], "canceled");
    });
}

#[test]
fn authorized_scopes_restrict_and_cannot_widen() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let fixture = fixture(|_| {});
    let target = format!("/api/queue/v1/task/{TASK}/cancel");
    let address = fixture.replay.address();
    let call = |client: (&str, &str), ext: Value| {
        let signed = Signed {
            method: "POST",
            target: &target,
            address: &address,
            at: fixture.replay.clock.now().0,
            hash: None,
        };
        let ext = STANDARD.encode(ext.to_string());
        let header = sign::header(&Creds::permanent(client.0, client.1), Some(ext), &signed);
        Request { body: Some(Vec::new()), ..Request::new("POST", &target) }
            .header("authorization", &header)
            .send(&address)
            .unwrap()
            .status
    };
    assert_eq!(call(CREATOR, json!({"authorizedScopes": ["queue:rerun-task:*"]})), 403);
    assert_eq!(call(CREATOR, json!({"authorizedScopes": ["queue:claim-work:*"]})), 401);
    assert_eq!(call(ROOT, json!({"authorizedScopes": ["queue:cancel-task:*"]})), 200);
}

#[test]
fn the_version_says_that_it_is_not_for_production() {
    let fixture = fixture(|_| {});
    let answer = Request::new("GET", "/api/queue/v1/__version__").send(&fixture.replay.address()).unwrap();
    assert!(answer.json().unwrap()["build"].as_str().unwrap().contains("never for production"));
    let scopes =
        fixture.replay.call(&fixture.run, "GET", "/api/auth/v1/scopes/current", None).json().unwrap();
    assert!(scopes["scopes"].as_array().unwrap().contains(&json!(format!("queue:reclaim-task:{TASK}/0"))));
}
