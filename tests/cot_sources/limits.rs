//! Sizes and times.

use crate::faults::{answer, gzip, hold, quick, run};
use crate::server::{After, Seen, Stream};
use crate::{artifact, document, place, queue_with, settings};
use scriptworker::cot::sources::{FetchError, SourceError};
use scriptworker::taskcluster::transfer::TransferError;
use scriptworker::taskcluster::{HttpConfig, Phase, WireError};
use scriptworker_core::cot::evidence::Answer;
use scriptworker_core::json::DocumentKind;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SIGNATURE: &str = "public/chain-of-trust.json.sig";
const PIECE: usize = 64 << 10;

/// Chunks without end, counted.
fn endless(stream: &mut dyn Stream, sent: &AtomicU64) -> io::Result<After> {
    stream.write_all(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let chunk = [format!("{PIECE:x}\r\n").as_bytes(), &vec![b'x'; PIECE], b"\r\n"].concat();
    loop {
        stream.write_all(&chunk)?;
        sent.fetch_add(PIECE as u64, Ordering::SeqCst);
    }
}

#[test]
fn row_050_a_document_stops_at_its_limit_before_it_is_in_memory() {
    let limit = DocumentKind::Signature.limits().bytes;
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let queue = queue_with(move |_: &Seen, stream: &mut dyn Stream| endless(stream, &counted));
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let answer = place.ask(&document(SIGNATURE, DocumentKind::Signature)).await.unwrap();
        assert_eq!(answer, Answer::TooLarge { limit });
    });
    // what the system had buffered already, and no more
    assert!(sent.load(Ordering::SeqCst) < 64 << 20, "{sent:?}");
    // one that says how long it is, is not even begun
    let head = "HTTP/1.1 200 X\r\ncontent-length: 1073741824\r\n\r\n";
    let queue = queue_with(move |_: &Seen, stream: &mut dyn Stream| {
        stream.write_all(head.as_bytes())?;
        hold(stream)
    });
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        for (class, limit) in [(DocumentKind::Attestation, 16 << 20), (DocumentKind::TaskGraph, 256 << 20)] {
            let answer = place.ask(&document("public/x.json", class)).await.unwrap();
            assert_eq!(answer, Answer::TooLarge { limit });
        }
    });
}

#[test]
fn row_078_a_body_without_end_and_a_bomb_are_cut_by_the_budget() {
    let queue = queue_with(move |_: &Seen, stream: &mut dyn Stream| endless(stream, &AtomicU64::new(0)));
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let answer = place.ask_within(&artifact("public/a"), 1 << 20).await.unwrap();
        assert_eq!(answer, Answer::TooLarge { limit: 1 << 20 });
        assert_eq!(place.stored(), [""; 0].map(std::path::PathBuf::from), "nothing of it stays");
    });
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let queue = queue_with(move |_: &Seen, stream: &mut dyn Stream| {
        let head =
            format!("HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(&bomb)?;
        Ok(After::Close)
    });
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let answer = place.ask(&document("public/x.json", DocumentKind::Attestation)).await.unwrap();
        assert_eq!(answer, Answer::TooLarge { limit: 16 << 20 });
        let answer = place.ask_within(&artifact("public/a"), 1 << 20).await.unwrap();
        assert_eq!(answer, Answer::TooLarge { limit: 1 << 20 });
    });
}

#[test]
fn row_078_a_lie_about_the_length_is_trouble_and_no_verdict() {
    let queue = queue_with(|_: &Seen, stream: &mut dyn Stream| {
        stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\nshort")?;
        Ok(After::Close)
    });
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let error = place.ask(&artifact("public/a")).await.unwrap_err();
        assert!(
            matches!(
                &error,
                SourceError::Fetch(FetchError::Transfer {
                    attempts: 6,
                    error: TransferError::Wire { error: WireError::Truncated { received: 5, .. }, .. }
                })
            ),
            "{error:?}"
        );
        assert_eq!(place.stored().len(), 0);
    });
    assert_eq!(queue.take().iter().filter(|seen| seen.target == "/content").count(), 6);
}

#[test]
fn row_078_a_body_that_stands_still_is_given_up() {
    let queue = queue_with(|_: &Seen, stream: &mut dyn Stream| {
        stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\nshort")?;
        hold(stream)
    });
    run(async {
        let place = place(&queue.url(), quick(Phase::Body), settings(""));
        let error = place.ask(&artifact("public/a")).await.unwrap_err();
        assert!(
            matches!(
                &error,
                SourceError::Fetch(FetchError::Transfer {
                    error: TransferError::Wire { error: WireError::Timeout { phase: Phase::Body, .. }, .. },
                    ..
                })
            ),
            "{error:?}"
        );
    });
}

#[test]
fn both_digests_are_those_of_the_content_and_the_longer_one_only_when_asked_for() {
    let content = "content".repeat(200_000);
    let served = content.clone();
    let queue = queue_with(move |_: &Seen, stream: &mut dyn Stream| {
        stream.write_all(&answer(200, "", &served))?;
        Ok(After::Keep)
    });
    run(async {
        use scriptworker_core::cot::need::Need;
        use sha2::{Digest as _, Sha256, Sha512};
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        for asked in [false, true] {
            let mut need = artifact("public/a");
            if let Need::Artifact { sha512, .. } = &mut need {
                *sha512 = asked;
            }
            let Answer::Stored(stored) = place.ask(&need).await.unwrap() else { panic!("not stored") };
            assert_eq!(stored.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
            assert_eq!(stored.sha512, asked.then(|| Sha512::digest(&content).into()));
            assert_eq!(stored.length, content.len() as u64);
        }
    });
}
