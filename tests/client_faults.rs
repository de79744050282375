//! The client against servers that misbehave: cut, endless, silent, foreign and lying answers; and what it does about
//! repetitions, redirects and contents that do not keep their word.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(unreachable_pub, dead_code, reason = "the server is a module shared with other tests")]

#[path = "wire/server.rs"]
mod server;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use scriptworker::taskcluster::artifacts::Of;
use scriptworker::taskcluster::model::Status;
use scriptworker::taskcluster::transfer::{TransferError, TransferLimits};
use scriptworker::taskcluster::{
    Answer, ApiError, Auth, Budget, CredentialSource, Credentials, ErrorCode, Failure, Http, HttpConfig,
    NoCredentials, Phase, Queue, RootUrl, WireError,
};
use scriptworker_core::ids::{ArtifactName, TaskId, TaskQueueId, WorkerGroup, WorkerId};
use scriptworker_core::retry::RetryClass;
use scriptworker_core::secret::Secret;
use server::{After, Seen, Server, Stream, hold};
use std::collections::BTreeSet;
use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const TASK: &str = "Ypg6xKhKRU-pnkwylNQrMw";
const LIMITS: TransferLimits = TransferLimits { total: Duration::from_secs(60), max_bytes: 1 << 20 };
const PATIENT: Budget = Budget { attempts: 3, total: Duration::from_secs(60) };

fn status_json() -> String {
    format!(
        r#"{{"status":{{"taskId":"{TASK}","provisionerId":"a","workerType":"b","schedulerId":"-",
        "taskGroupId":"{TASK}","deadline":"2026-11-23T16:51:23.599Z","expires":"2026-11-25T15:51:23.599Z",
        "retriesLeft":5,"state":"newer-than-us","runs":[],"unknown":1}}}}"#
    )
}

fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Limits so small that passing them takes no time, and so large that nothing else passes them.
fn quick() -> HttpConfig {
    HttpConfig {
        connect_timeout: Duration::from_millis(300),
        header_timeout: Duration::from_millis(300),
        stall_timeout: Duration::from_millis(300),
        ..HttpConfig::default()
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(test)
}

fn client(config: HttpConfig) -> Http {
    Http::new(config).unwrap()
}

fn queue(config: HttpConfig, server: &Server, auth: Auth) -> Queue {
    Queue::new(client(config), &RootUrl::parse(&server.url()).unwrap(), auth)
}

async fn ask(queue: &Queue, budget: Budget) -> Result<Answer<Status>, ApiError> {
    queue.status(&TaskId::parse(TASK).unwrap(), budget).await
}

/// Asks a server that gives these bytes and closes.
fn asked(config: HttpConfig, bytes: impl Into<Vec<u8>>) -> Result<Answer<Status>, ApiError> {
    let server = Server::saying(bytes);
    run(async { ask(&queue(config, &server, Auth::Anonymous), Budget::once()).await })
}

fn wire(error: ApiError) -> WireError {
    match error.failure {
        Failure::Wire(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_whole_answer_is_understood_in_every_framing() {
    let body = status_json();
    let (first, second) = body.split_at(10);
    let chunked = |trailer: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
             {:x}\r\n{first}\r\n{:x};ext=1\r\n{second}\r\n0\r\n{trailer}\r\n",
            first.len(),
            second.len()
        )
    };
    let packed = gzip(body.as_bytes());
    let mut gzipped =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: GZIP\r\ncontent-length: {}\r\n\r\n", packed.len())
            .into_bytes();
    gzipped.extend(packed);
    for bytes in [answer(200, "", &body), chunked("").into_bytes(), gzipped] {
        let status = asked(HttpConfig::default(), bytes).unwrap();
        assert_eq!(status.value.task_id.as_str(), TASK);
        assert_eq!(status.date, None);
    }
    let dated = asked(HttpConfig::default(), answer(200, "Date: Mon, 23 Nov 2026 15:51:24 GMT\r\n", &body));
    assert_eq!(dated.unwrap().date.unwrap().to_string(), "2026-11-23T15:51:24.000Z");
}

#[test]
fn a_cut_answer_is_never_a_whole_one() {
    let body = status_json();
    let full = body.len() as u64;
    let cut = &body[..body.len() - 2];
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let packed = gzip(body.as_bytes());
    let mut gzip_cut =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len() - 30)
            .into_bytes();
    gzip_cut.extend(&packed[..packed.len() - 30]);
    let cases: [(Vec<u8>, u64, Option<u64>); 6] = [
        (format!("HTTP/1.1 200 OK\r\ncontent-length: {full}\r\n\r\n{cut}").into(), full - 2, Some(full)),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: {full}\r\n\r\n").into(), 0, Some(full)),
        // within a chunk, after a chunk that makes the JSON complete, and before any chunk
        (format!("{chunked}{:x}\r\n{cut}", full).into(), full - 2, None),
        (format!("{chunked}{:x}\r\n{body}\r\n", full).into(), full, None),
        (chunked.into(), 0, None),
        (gzip_cut, packed.len() as u64 - 30, None),
    ];
    for (bytes, received, expected) in cases {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let error = asked(HttpConfig::default(), bytes).unwrap_err();
        assert_eq!(error.class(), RetryClass::Transient);
        match wire(error) {
            WireError::Truncated { received: r, expected: e } => {
                assert_eq!((r, e), (received, expected), "{shown}");
            }
            other => panic!("{shown}: {other}"),
        }
    }
}

#[test]
fn gzip_content_must_reach_its_own_end_and_match_its_checksum() {
    let packed = gzip(status_json().as_bytes());
    // cut within the header, the data, and each part of the trailer; then a flipped checksum
    let mut variants: Vec<Vec<u8>> =
        [5, 15, packed.len() / 2, packed.len() - 8, packed.len() - 4, packed.len() - 1]
            .iter()
            .map(|at| packed[..*at].to_vec())
            .collect();
    let mut flipped = packed.clone();
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    variants.push(flipped);
    for variant in variants {
        let mut bytes =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", variant.len())
                .into_bytes();
        bytes.extend(&variant);
        let error = asked(HttpConfig::default(), bytes).unwrap_err();
        assert_eq!(error.class(), RetryClass::Transient);
        let error = wire(error);
        assert!(
            matches!(error, WireError::Truncated { expected: None, .. } | WireError::Encoding(_)),
            "{} bytes: {error}",
            variant.len()
        );
    }
}

#[test]
fn an_answer_without_a_length_is_refused_and_so_is_no_http() {
    let unframed = format!("HTTP/1.1 200 OK\r\n\r\n{}", status_json());
    let error = wire(asked(HttpConfig::default(), unframed).unwrap_err());
    assert!(matches!(error, WireError::Unframed { status: 200 }), "{error}");
    for bytes in [
        "",
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ] {
        let error = wire(asked(HttpConfig::default(), bytes).unwrap_err());
        assert!(matches!(error, WireError::Broken(_)), "{bytes}: {error}");
    }
}

#[test]
fn a_page_of_a_proxy_is_shown_with_its_status() {
    let page = format!("<html>\n<b>502</b> at http://x/?bewit=canary {}", "y".repeat(1000));
    for (status, class) in
        [(502, RetryClass::Transient), (200, RetryClass::Transient), (403, RetryClass::Fatal)]
    {
        let error = asked(HttpConfig::default(), answer(status, "", &page)).unwrap_err();
        assert_eq!((error.status(), error.class()), (Some(status), class));
        let Failure::NotJson { start, .. } = &error.failure else { panic!("{error}") };
        assert!(start.starts_with("<html>\\n<b>502</b>") && start.len() < 220, "{start}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[test]
fn a_missing_member_is_named() {
    let body = status_json().replace("\"retriesLeft\":5,", "");
    let error = asked(HttpConfig::default(), answer(200, "", &body)).unwrap_err();
    let Failure::Schema(problem) = &error.failure else { panic!("{error}") };
    assert_eq!(problem.path, "status");
    assert!(problem.problem.contains("retriesLeft"), "{problem}");
    assert_eq!(error.class(), RetryClass::Fatal);
}

#[test]
fn a_huge_answer_is_stopped_at_the_limit() {
    let config = HttpConfig { max_json_bytes: 1000, ..HttpConfig::default() };
    let long = "x".repeat(1001);
    let packed = gzip(&vec![b' '; 10_000_000]);
    let mut bomb = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
        packed.len()
    )
    .into_bytes();
    bomb.extend(packed);
    bomb.extend(b"\r\n0\r\n\r\n");
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{long}\r\n0\r\n\r\n");
    for bytes in [answer(200, "", &long), chunked.into_bytes(), bomb] {
        let error = asked(config.clone(), bytes).unwrap_err();
        assert_eq!(error.class(), RetryClass::Fatal);
        assert!(matches!(wire(error), WireError::TooLarge { limit: 1000 }));
    }
}

#[test]
fn every_phase_has_its_limit() {
    let silent = || Server::start(|_, stream| hold(stream));
    let half = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{")?;
        hold(stream)
    });
    // It takes connections but never speaks TLS: that phase belongs to connecting.
    let mute = Server::start_over(
        |mut tcp| {
            hold(&mut tcp)?;
            Err(io::ErrorKind::Other.into())
        },
        |_, _| Ok(After::Close),
    );
    let phase = |server: &Server, scheme: &str, config: HttpConfig, budget: Budget| {
        let root = RootUrl::parse(&format!("{scheme}://{}", server.addr)).unwrap();
        let error = run(async {
            let queue = Queue::new(client(config), &root, Auth::Anonymous);
            ask(&queue, budget).await.unwrap_err()
        });
        assert_eq!(error.class(), RetryClass::Transient);
        match wire(error) {
            WireError::Timeout { phase, .. } => phase,
            other => panic!("{other}"),
        }
    };
    let short = Budget { attempts: 3, total: Duration::from_millis(300) };
    assert_eq!(phase(&mute, "https", quick(), Budget::once()), Phase::Connect);
    assert_eq!(phase(&silent(), "http", quick(), Budget::once()), Phase::Headers);
    assert_eq!(phase(&half, "http", quick(), Budget::once()), Phase::Body);
    assert_eq!(phase(&silent(), "http", HttpConfig::default(), short), Phase::Total);
    assert_eq!(phase(&half, "http", HttpConfig::default(), short), Phase::Total);
}

#[test]
fn a_claim_waits_out_the_long_poll() {
    // The answer comes later than any other call would wait for it.
    let server = Server::start(|_, stream| {
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        assert!(wait.recv_timeout(Duration::from_millis(900)).is_err());
        stream.write_all(&answer(200, "", r#"{"tasks":[]}"#))?;
        Ok(After::Keep)
    });
    let claims = run(async {
        let queue = queue(quick(), &server, Auth::Anonymous);
        let pool = TaskQueueId::parse("a/b").unwrap();
        let (group, worker) = (WorkerGroup::parse("g").unwrap(), WorkerId::parse("w").unwrap());
        queue.claim_work(&pool, &group, &worker, Budget::once()).await.unwrap().value
    });
    assert!(claims.is_empty());
}

/// A server that answers its nth request with the nth of these, the last one from then on.
fn in_turn(answers: Vec<Vec<u8>>) -> Server {
    let next = AtomicUsize::new(0);
    Server::start(move |_, stream| {
        let at = next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        stream.write_all(&answers[at])?;
        Ok(After::Keep)
    })
}

fn fixed() -> Auth {
    Auth::fixed(Credentials {
        client_id: "me".to_owned(),
        access_token: Secret::new("canary-token"),
        certificate: None,
    })
}

fn nonce(seen: &Seen) -> String {
    let header = &seen.headers["authorization"];
    header.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn what_may_pass_is_repeated_with_a_fresh_signature_and_what_may_not_is_not() {
    let error = r#"{"code":"InternalServerError","message":"incident"}"#;
    let (bad, good) = (answer(500, "", error), answer(200, "", &status_json()));
    let server = in_turn(vec![bad.clone(), answer(200, "", "<html>"), good.clone()]);
    run(async { ask(&queue(HttpConfig::default(), &server, fixed()), PATIENT).await }).unwrap();
    let seen = server.take();
    assert_eq!(seen.iter().map(nonce).collect::<BTreeSet<_>>().len(), 3);

    let server = in_turn(vec![bad]);
    let failed = run(async { ask(&queue(HttpConfig::default(), &server, fixed()), PATIENT).await });
    let failed = failed.unwrap_err();
    assert_eq!((failed.attempts, server.take().len()), (3, 3));
    assert_eq!(failed.code(), Some(&ErrorCode::InternalServerError));

    for (status, class) in [
        (302, RetryClass::Fatal),
        (400, RetryClass::Fatal),
        (401, RetryClass::Fatal),
        (403, RetryClass::Fatal),
        (404, RetryClass::Refused),
        (409, RetryClass::Refused),
        (410, RetryClass::Refused),
        (413, RetryClass::Fatal),
    ] {
        let server = in_turn(vec![answer(status, "location: /elsewhere\r\n", error), good.clone()]);
        let failed = run(async { ask(&queue(HttpConfig::default(), &server, fixed()), PATIENT).await });
        let failed = failed.unwrap_err();
        assert_eq!((failed.status(), failed.class(), server.take().len()), (Some(status), class, 1));
        assert!(!format!("{failed} {failed:?}").contains("canary"));
    }
}

#[test]
fn retry_after_is_honoured_within_the_budget() {
    let good = answer(200, "", &status_json());
    let wait =
        |after: &str| answer(503, &format!("retry-after: {after}\r\n"), r#"{"code":"x","message":"y"}"#);
    let server = in_turn(vec![wait("1"), good.clone()]);
    let started = Instant::now();
    run(async { ask(&queue(HttpConfig::default(), &server, fixed()), PATIENT).await }).unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));

    for far in ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"] {
        let server = in_turn(vec![wait(far), good.clone()]);
        let error = run(async { ask(&queue(HttpConfig::default(), &server, fixed()), PATIENT).await });
        let error = error.unwrap_err();
        let Failure::Refused(refusal) = &error.failure else { panic!("{error}") };
        assert!(refusal.retry_after.unwrap() >= Duration::from_secs(3600));
        assert_eq!(server.take().len(), 1);
    }
}

#[test]
fn a_skewed_clock_is_recognised() {
    let body = r#"{"code":"AuthenticationFailed","message":"bad\n\n---\n\n* method: x"}"#;
    let skew = |date: &str| {
        let error =
            asked(HttpConfig::default(), answer(401, &format!("date: {date}\r\n"), body)).unwrap_err();
        let Failure::Refused(refusal) = error.failure else { panic!("{error}") };
        assert_eq!(refusal.message, "bad");
        refusal.clock_skew_s
    };
    assert!(skew("Mon, 01 Jan 2001 00:00:00 GMT").unwrap() > 3600);
    assert!(skew("Fri, 01 Jan 2100 00:00:00 GMT").unwrap() < -3600);
    assert_eq!(skew(&chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string()), None);
}

/// Hands out other credentials every time, then none.
struct Renewed(AtomicUsize);

impl CredentialSource for Renewed {
    fn credentials(&self) -> Result<Arc<Credentials>, NoCredentials> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            at @ 0..2 => Ok(Arc::new(Credentials {
                client_id: format!("client-{at}"),
                access_token: Secret::new("canary"),
                certificate: None,
            })),
            _ => Err(NoCredentials::ClaimOver),
        }
    }
}

#[test]
fn credentials_are_asked_for_with_every_request() {
    let server = in_turn(vec![answer(500, "", r#"{"code":"x","message":"y"}"#)]);
    let auth = Auth::As(Arc::new(Renewed(AtomicUsize::new(0))));
    let error = run(async { ask(&queue(HttpConfig::default(), &server, auth), PATIENT).await }).unwrap_err();
    assert!(matches!(error.failure, Failure::NoCredentials(NoCredentials::ClaimOver)), "{error}");
    let seen = server.take();
    assert_eq!(seen.len(), 2);
    for (at, seen) in seen.iter().enumerate() {
        assert!(seen.headers["authorization"].contains(&format!("id=\"client-{at}\"")));
    }
}

#[test]
fn a_list_of_artifacts_is_read_to_its_end_or_not_at_all() {
    let page = |token: &str| {
        answer(
            200,
            "",
            &format!(
                r#"{{"artifacts":[{{"storageType":"azure","name":"a","expires":"2026-11-25T15:51:23.599Z",
            "contentType":"x"}}]{token}}}"#
            ),
        )
    };
    let server = in_turn(vec![page(r#","continuationToken":"a/b+c""#), page("")]);
    let task = TaskId::parse(TASK).unwrap();
    let list = async |limit| {
        let queue = queue(HttpConfig::default(), &server, Auth::Anonymous);
        queue.list_artifacts(Of::Latest(&task), limit, Budget::once()).await
    };
    assert_eq!(run(list(2)).unwrap().len(), 2);
    assert!(server.take()[1].target.ends_with("/artifacts?continuationToken=a%2Fb%2Bc"));
    let endless = in_turn(vec![page(r#","continuationToken":"again""#)]);
    let queue = || queue(HttpConfig::default(), &endless, Auth::Anonymous);
    let error =
        run(async { queue().list_artifacts(Of::Latest(&task), 5, Budget::once()).await }).unwrap_err();
    assert!(matches!(error.failure, Failure::TooManyPages { limit: 5 }));
    assert_eq!(endless.take().len(), 5);
}

#[test]
fn a_signed_url_is_plain_for_the_anonymous() {
    let server = Server::saying("");
    let task = TaskId::parse(TASK).unwrap();
    let name = ArtifactName::parse("public/a b").unwrap();
    run(async {
        let url = |auth| {
            let queue = queue(HttpConfig::default(), &server, auth);
            queue.signed_artifact_url(Of::Latest(&task), &name, Duration::from_secs(900)).unwrap()
        };
        let plain = format!("{}/api/queue/v1/task/{TASK}/artifacts/public%2Fa%20b", server.url());
        assert_eq!(url(Auth::Anonymous).expose(), plain);
        assert!(url(fixed()).expose().starts_with(&format!("{plain}?bewit=")));
    });
    let gone = Auth::As(Arc::new(Renewed(AtomicUsize::new(2))));
    run(async {
        let queue = queue(HttpConfig::default(), &server, gone);
        let error = queue.signed_artifact_url(Of::Latest(&task), &name, Duration::MAX).unwrap_err();
        assert!(matches!(error.failure, Failure::NoCredentials(NoCredentials::ClaimOver)));
    });
}

// ---- transfers ----

async fn fetch(http: &Http, url: &str, token: Option<&str>) -> Result<Bytes, TransferError> {
    http.get(&Secret::new(url), token.map(Secret::new).as_ref(), LIMITS).await?.collect().await
}

#[test]
fn redirects_are_followed_with_care() {
    let home = Server::start(|seen: &Seen, stream: &mut dyn Stream| {
        let (status, location) = match seen.target.split_once('=') {
            Some((_, "0")) => return stream.write_all(&answer(200, "", "end")).map(|()| After::Keep),
            Some(("/count?left", left)) => (302, format!("?left={}", left.parse::<u32>().unwrap() - 1)),
            Some((_, elsewhere)) => (303, elsewhere.to_owned()),
            None => (307, String::new()),
        };
        let header = if location.is_empty() { String::new() } else { format!("location: {location}\r\n") };
        stream.write_all(&answer(status, &header, "moved"))?;
        Ok(After::Keep)
    });
    let url = home.url();
    run(async {
        let http = client(HttpConfig::default());
        assert_eq!(fetch(&http, &format!("{url}/count?left=10"), Some("tok")).await.unwrap(), "end");
        assert!(home.take().iter().all(|seen| seen.headers["authorization"] == "tok"));

        let error = fetch(&http, &format!("{url}/count?left=11"), None).await.unwrap_err();
        assert!(matches!(error, TransferError::TooManyRedirects { limit: 10, .. }), "{error}");
        assert_eq!(home.take().len(), 11);

        // there and back again: what has been elsewhere gets no token any more
        let back = format!("{url}/count?left=0");
        let other = Server::saying(answer(301, &format!("location: {back}\r\n"), ""));
        let there = format!("{url}/to?x={}/", other.url());
        assert_eq!(fetch(&http, &there, Some("tok")).await.unwrap(), "end");
        let tokens = |seen: Vec<Seen>| -> Vec<bool> {
            seen.iter().map(|seen| seen.headers.contains_key("authorization")).collect()
        };
        assert_eq!((tokens(home.take()), tokens(other.take())), (vec![true, false], vec![false]));

        for (target, class) in [("/nowhere", RetryClass::Fatal), ("/to?x=ftp://a/", RetryClass::Fatal)] {
            let error = fetch(&http, &format!("{url}{target}"), None).await.unwrap_err();
            assert!(matches!(error, TransferError::BadRedirect { .. }), "{error}");
            assert_eq!(error.class(), class);
        }
    });
}

#[test]
fn content_is_decoded_when_it_says_so_and_bounded() {
    let packed = gzip(b"content");
    let served = |encoding: &str, bytes: &[u8]| {
        let mut all =
            format!("HTTP/1.1 200 OK\r\n{encoding}content-length: {}\r\n\r\n", bytes.len()).into_bytes();
        all.extend(bytes);
        Server::saying(all)
    };
    run(async {
        let http = client(HttpConfig::default());
        let get = async |server: Server| fetch(&http, &server.url(), None).await;
        assert_eq!(get(served("content-encoding: gzip\r\n", &packed)).await.unwrap(), "content");
        assert_eq!(get(served("", &packed)).await.unwrap(), packed);
        let two = [packed.clone(), packed.clone()].concat();
        assert_eq!(get(served("content-encoding: gzip\r\n", &two)).await.unwrap(), "contentcontent");
        assert_eq!(get(served("content-encoding: gzip\r\n", b"")).await.unwrap(), "");
        for (encoding, bytes) in [("br", &b"xx"[..]), ("gzip", b"no gzip at all")] {
            let error = get(served(&format!("content-encoding: {encoding}\r\n"), bytes)).await.unwrap_err();
            assert!(matches!(error, TransferError::Wire { error: WireError::Encoding(_), .. }), "{error}");
        }
        let bomb = gzip(&vec![0; 2 << 20]);
        let error = get(served("content-encoding: gzip\r\n", &bomb)).await.unwrap_err();
        assert!(matches!(error, TransferError::Wire { error: WireError::TooLarge { limit: 0x10_0000 }, .. }));
        let error = get(Server::saying(answer(404, "", "gone"))).await.unwrap_err();
        assert_eq!((error.status(), error.class()), (Some(404), RetryClass::Refused));
        assert!(error.to_string().ends_with("\"gone\""), "{error}");
    });
}

type Pieces = Vec<io::Result<Bytes>>;

async fn send(http: &Http, url: &str, len: u64, pieces: Pieces) -> Result<(), TransferError> {
    let headers = [("Content-Type".to_owned(), "text/plain".to_owned())];
    http.put(&Secret::new(url), &headers, len, stream::iter(pieces), LIMITS).await
}

fn pieces(texts: &[&'static str]) -> Pieces {
    texts.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect()
}

#[test]
fn a_put_sends_exactly_what_was_announced_or_fails() {
    let server = in_turn(vec![answer(200, "", ""), b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()]);
    let url = format!("{}/a%2Fb?X-Amz-Signature=canary", server.url());
    run(async {
        let http = client(HttpConfig::default());
        send(&http, &url, 6, pieces(&["abc", "", "def"])).await.unwrap();
        send(&http, &url, 0, pieces(&[""])).await.unwrap();
        let seen = server.take();
        assert_eq!(
            (seen[0].target.as_str(), &seen[0].body[..]),
            ("/a%2Fb?X-Amz-Signature=canary", &b"abcdef"[..])
        );
        assert_eq!(seen[0].headers["content-type"], "text/plain");
        assert_eq!(
            (seen[0].headers["content-length"].as_str(), seen[1].headers["content-length"].as_str()),
            ("6", "0")
        );

        for (announced, texts, found) in [
            (7, &["abc", "def"][..], 6),
            (5, &["abc", "def"], 6),
            (6, &["abcdef", "g"], 7),
            (0, &["a"], 1),
            (3, &[], 0),
        ] {
            let error = send(&http, &url, announced, pieces(texts)).await.unwrap_err();
            assert!(
                matches!(error, TransferError::Length { announced: a, found: f } if (a, f) == (announced, found)),
                "{error}"
            );
            assert_eq!(error.class(), RetryClass::Fatal);
        }
        let broken = vec![Ok(Bytes::from_static(b"a")), Err(io::ErrorKind::PermissionDenied.into())];
        let error = send(&http, &url, 2, broken).await.unwrap_err();
        assert!(matches!(&error, TransferError::Content(e) if e.kind() == io::ErrorKind::PermissionDenied));
    });
}

#[test]
fn a_refused_put_says_why_without_the_signature() {
    let page = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message><X>canary</X></Error>";
    let server = in_turn(vec![answer(403, "", page), answer(503, "", "slow down")]);
    let url = format!("{}/x?X-Amz-Signature=canary", server.url());
    run(async {
        let http = client(HttpConfig::default());
        let error = send(&http, &url, 1, pieces(&["a"])).await.unwrap_err();
        assert_eq!((error.status(), error.class()), (Some(403), RetryClass::Fatal));
        let text = format!("{error} {error:?}");
        assert!(text.contains("AccessDenied: Request has expired") && !text.contains("canary"), "{text}");
        let error = send(&http, &url, 1, pieces(&["a"])).await.unwrap_err();
        assert_eq!((error.status(), error.class()), (Some(503), RetryClass::Transient));
        let nobody =
            send(&http, "http://127.0.0.1:1/x?Signature=canary", 1, pieces(&["a"])).await.unwrap_err();
        assert!(matches!(nobody, TransferError::Wire { error: WireError::Connect { .. }, .. }), "{nobody}");
        assert!(!format!("{nobody} {nobody:?}").contains("canary"));
    });
}

#[test]
fn a_put_that_stalls_ends_on_either_side() {
    // The server reads the head (the body does not fit into the buffers between) and then nothing more.
    let deaf = Server::start_over(|tcp| Ok(Box::new(Deaf(tcp))), |_, _| Ok(After::Close));
    run(async {
        let http = client(quick());
        let phase = |error: TransferError| match error {
            TransferError::Wire { error: WireError::Timeout { phase, .. }, .. } => phase,
            other => panic!("{other}"),
        };
        let piece = Bytes::from(vec![0; 1 << 20]);
        let url = Secret::new(deaf.url());
        let large = stream::iter((0..64).map(move |_| Ok(piece.clone())));
        let error = http.put(&url, &[], 64 << 20, large, LIMITS).await.unwrap_err();
        assert_eq!(phase(error), Phase::Send);

        let silent = Server::start(|_, stream| hold(stream));
        let url = Secret::new(silent.url());
        let error = http.put(&url, &[], 9, stream::pending(), LIMITS).await.unwrap_err();
        assert_eq!(phase(error), Phase::Send, "content that never comes");
        let error = http.put(&url, &[], 1, stream::iter(pieces(&["a"])), LIMITS).await.unwrap_err();
        assert_eq!(phase(error), Phase::Headers);
        let short = TransferLimits { total: Duration::from_millis(200), ..LIMITS };
        let slow = client(HttpConfig::default());
        for len in [0, 9] {
            let error = slow.put(&url, &[], len, stream::pending(), short).await.unwrap_err();
            assert_eq!(phase(error), Phase::Total);
        }
    });
}

/// Gives out the first byte and then nothing.
struct Deaf(std::net::TcpStream);

impl io::Read for Deaf {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        // Looks without taking, so the client's bytes pile up until it gives up and closes.
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        let mut byte = [0];
        while !matches!(self.0.take_error(), Ok(Some(_))) && self.0.peek(&mut byte)? > 0 {
            let _timeout = wait.recv_timeout(Duration::from_millis(50));
            if self.0.write(b"").is_err() {
                break;
            }
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

impl Write for Deaf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn a_connection_is_used_again_and_a_closed_one_is_not_missed() {
    let body = status_json();
    let closing = AtomicUsize::new(0);
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let server = Server::start_over(
        move |tcp| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(tcp))
        },
        move |_, stream| {
            stream.write_all(&answer(200, "", &body))?;
            // the third answer is the connection's last, without a word about it
            Ok(if closing.fetch_add(1, Ordering::SeqCst) == 2 { After::Close } else { After::Keep })
        },
    );
    run(async {
        let queue = queue(HttpConfig::default(), &server, Auth::Anonymous);
        for _ in 0..3 {
            ask(&queue, Budget::once()).await.unwrap();
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
        ask(&queue, PATIENT).await.unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    });
}
