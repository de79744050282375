//! Downloads and uploads against servers and contents that do not keep their word.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the parts of this test are modules")]

#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/server.rs"]
mod server;

use bytes::Bytes;
use faults::{answer, client, gzip, hold, in_turn, quick, run, saying};
use futures_util::stream;
use scriptworker::taskcluster::transfer::{TransferError, TransferLimits};
use scriptworker::taskcluster::{Http, HttpConfig, Phase, WireError};
use scriptworker_core::retry::RetryClass;
use scriptworker_core::secret::Secret;
use server::{After, Seen, Server, Stream};
use std::io::{self, Write};
use std::time::Duration;

const LIMITS: TransferLimits = TransferLimits { total: Duration::from_secs(60), max_bytes: 1 << 20 };

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
        let other = saying(answer(301, &format!("location: {back}\r\n"), ""));
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
        saying(all)
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
        let error = get(saying(answer(404, "", "gone"))).await.unwrap_err();
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
        assert!(seen.iter().all(|seen| seen.method == "PUT"));
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
        let http = client(quick(Phase::Send));
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
        let http = client(quick(Phase::Headers));
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
