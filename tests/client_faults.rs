//! API calls against servers that misbehave: cut, endless, silent, foreign and lying answers; and what is repeated.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the parts of this test are modules")]

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/server.rs"]
mod server;

use asking::{TASK, ask, queue, status_json};
use faults::{answer, client, gzip, hold, in_turn, quick, run, saying};
use scriptworker::taskcluster::artifacts::Of;
use scriptworker::taskcluster::model::Status;
use scriptworker::taskcluster::{
    Answer, ApiError, Auth, Budget, Failure, HttpConfig, Phase, Queue, RootUrl, WireError,
};
use scriptworker_core::ids::{TaskId, TaskQueueId, WorkerGroup, WorkerId};
use scriptworker_core::retry::RetryClass;
use server::{After, Server};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PATIENT: Budget = Budget { attempts: 3, total: Duration::from_secs(60) };

/// Asks a server that gives these bytes and closes.
fn asked(config: HttpConfig, bytes: impl Into<Vec<u8>>) -> Result<Answer<Status>, ApiError> {
    let server = saying(bytes);
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
    const LIMIT: usize = 512 * 1024;
    let long = "x".repeat(LIMIT + 1);
    let packed = gzip(&vec![b' '; 10_000_000]);
    let mut bomb = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
        packed.len()
    )
    .into_bytes();
    bomb.extend(packed);
    bomb.extend(b"\r\n0\r\n\r\n");
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n80001\r\n{long}\r\n0\r\n\r\n");
    for bytes in [answer(200, "", &long), chunked.into_bytes(), bomb] {
        let error = asked(HttpConfig::default(), bytes).unwrap_err();
        assert_eq!(error.class(), RetryClass::Fatal);
        assert!(matches!(wire(error), WireError::TooLarge { limit } if limit == LIMIT as u64));
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
    assert_eq!(phase(&mute, "https", quick(Phase::Connect), Budget::once()), Phase::Connect);
    assert_eq!(phase(&silent(), "http", quick(Phase::Headers), Budget::once()), Phase::Headers);
    assert_eq!(phase(&half, "http", quick(Phase::Body), Budget::once()), Phase::Body);
    assert_eq!(phase(&silent(), "http", HttpConfig::default(), short), Phase::Total);
    assert_eq!(phase(&half, "http", HttpConfig::default(), short), Phase::Total);
}

#[test]
fn a_claim_waits_out_the_long_poll() {
    // The answer comes later than any other call would wait for it.
    let server = Server::start(|_, stream| {
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        assert!(wait.recv_timeout(Duration::from_millis(2900)).is_err());
        stream.write_all(&answer(200, "", r#"{"tasks":[]}"#))?;
        Ok(After::Keep)
    });
    let claims = run(async {
        let queue = queue(quick(Phase::Headers), &server, Auth::Anonymous);
        let pool = TaskQueueId::parse("a/b").unwrap();
        let (group, worker) = (WorkerGroup::parse("g").unwrap(), WorkerId::parse("w").unwrap());
        queue.claim_work(&pool, &group, &worker, Budget::once()).await.unwrap().value
    });
    assert!(claims.is_empty());
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
    let seen = server.take();
    assert_eq!((seen[1].method.as_str(), seen[1].body.len()), ("GET", 0));
    assert!(seen[1].target.ends_with("/artifacts?continuationToken=a%2Fb%2Bc"));
    assert!(!seen[1].headers.contains_key("content-length"));
    let endless = in_turn(vec![page(r#","continuationToken":"again""#)]);
    let queue = || queue(HttpConfig::default(), &endless, Auth::Anonymous);
    let error =
        run(async { queue().list_artifacts(Of::Latest(&task), 5, Budget::once()).await }).unwrap_err();
    assert!(matches!(error.failure, Failure::TooManyPages { limit: 5 }));
    assert_eq!(endless.take().len(), 5);
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
