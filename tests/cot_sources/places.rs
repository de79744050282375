//! Addresses that are gone to, and places on disk.

use crate::faults::{answer, run};
use crate::server::{After, Seen, Stream};
use crate::{artifact, document, place, queue, queue_with, settings};
use scriptworker::cot::sources::{FetchError, SourceError};
use scriptworker::cot::staging::Staging;
use scriptworker::taskcluster::HttpConfig;
use scriptworker::taskcluster::transfer::TransferError;
use scriptworker_core::cot::evidence::Answer;
use scriptworker_core::cot::need::Need;
use scriptworker_core::json::DocumentKind;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};

const FORBIDDEN: [&str; 5] = [
    "http://other.example/x",
    "http://169.254.169.254/latest/meta-data",
    "https://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "ftp://other.example/x",
];

#[test]
fn row_077_no_address_is_gone_to_that_should_not_be() {
    for bad in FORBIDDEN {
        // at once, and one hop later
        let direct = queue(move |_| bad.to_owned(), |_, _| panic!("gone to"));
        let behind = queue_with(move |_: &Seen, stream: &mut dyn Stream| {
            stream.write_all(&answer(302, &format!("location: {bad}\r\n"), ""))?;
            Ok(After::Keep)
        });
        for queue in [direct, behind] {
            run(async {
                let place = place(&queue.url(), HttpConfig::default(), settings(&queue.url()));
                for need in [artifact("public/a"), document("public/x.json", DocumentKind::Attestation)] {
                    let answer = place.ask(&need).await.unwrap();
                    assert!(matches!(answer, Answer::Forbidden { .. }), "{bad}: {answer:?}");
                }
            });
        }
        let host = queue_with(move |_: &Seen, stream: &mut dyn Stream| {
            stream.write_all(&answer(302, &format!("location: {bad}\r\n"), ""))?;
            Ok(After::Keep)
        });
        run(async {
            let place = place("https://tc.example", HttpConfig::default(), settings(&host.url()));
            let answer = place.ask(&Need::Projects).await.unwrap();
            assert!(matches!(answer, Answer::Forbidden { .. }), "{bad}: {answer:?}");
        });
    }
}

#[test]
fn row_077_a_circle_of_redirects_ends_and_is_no_verdict() {
    let queue = queue_with(|seen: &Seen, stream: &mut dyn Stream| {
        stream.write_all(&answer(302, &format!("location: {}\r\n", seen.target), ""))?;
        Ok(After::Keep)
    });
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let error = place.ask(&artifact("public/a")).await.unwrap_err();
        let SourceError::Fetch(FetchError::Transfer { error, .. }) = &error else { panic!("{error:?}") };
        assert!(matches!(error, TransferError::TooManyRedirects { limit: 10, .. }), "{error}");
    });
}

#[test]
fn row_077_a_link_to_another_artifact_is_followed_and_hashed() {
    let queue = queue_with(|seen: &Seen, stream: &mut dyn Stream| {
        let answer = match seen.target.as_str() {
            "/content" => answer(303, "location: /elsewhere\r\n", ""),
            _ => answer(200, "", "content"),
        };
        stream.write_all(&answer)?;
        Ok(After::Keep)
    });
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let answer = place.ask(&artifact("public/a")).await.unwrap();
        assert!(matches!(answer, Answer::Stored(stored) if stored.length == 7));
    });
}

#[test]
fn row_076_what_is_not_verified_is_read_only_and_under_a_name_that_nobody_guesses() {
    let queue = queue_with(|_: &Seen, stream: &mut dyn Stream| {
        stream.write_all(&answer(200, "", "content"))?;
        Ok(After::Keep)
    });
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        for name in ["public/a", "public/b"] {
            place.ask(&artifact(name)).await.unwrap();
        }
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let stored = place.stored();
        assert_eq!(stored.len(), 2);
        for file in &stored {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
            assert_eq!(mode(file), 0o400);
        }
        assert_eq!(mode(stored[0].parent().unwrap()), 0o700, "nobody else may enter");
        assert!(!place.dir.path().join("cot").exists(), "nothing is where a script looks");
        place.sources.staging().remove().unwrap();
        assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 0);
    });
}

#[test]
fn row_073_a_directory_that_somebody_else_made_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let (target, link) = (dir.path().join("target"), dir.path().join("link"));
    std::fs::create_dir(&target).unwrap();
    symlink(&target, &link).unwrap();
    for taken in [&target, &link] {
        assert_eq!(Staging::new(taken).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0);
}
