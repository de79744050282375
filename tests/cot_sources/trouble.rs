//! Trouble on the way: it passes, or there is no answer. It never is one.

use crate::faults::{answer, in_turn, quick, run, saying};
use crate::server::{After, Seen, Server, Stream};
use crate::{TASK, artifact, document, place, queue, queue_with, run_key, settings, task};
use scriptworker::cot::gather::GatherError;
use scriptworker::cot::sources::{FetchError, SourceError};
use scriptworker::taskcluster::{HttpConfig, Phase};
use scriptworker_core::cot::evidence::Answer;
use scriptworker_core::cot::need::Need;
use scriptworker_core::json::DocumentKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const JSON: &str = "content-type: application/json\r\n";
const HTML: &str = "content-type: text/html; charset=utf-8\r\n";

fn unavailable(need: &Need, source: SourceError) -> bool {
    GatherError::Source { need: Box::new(need.clone()), source }.is_unavailable()
}

#[test]
fn row_062_an_empty_definition_is_asked_for_again_and_then_unavailable() {
    let full = answer(200, JSON, r#"{"payload": {}}"#);
    let queue = in_turn(vec![answer(200, JSON, "{}"), answer(200, JSON, " { }\n"), full]);
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let found = place.ask(&Need::Task { task: task() }).await.unwrap();
        assert_eq!(found, Answer::Present(br#"{"payload": {}}"#.as_slice().into()));
    });
    assert_eq!(queue.take().len(), 3);
    let queue = in_turn(vec![answer(200, JSON, "{}")]);
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let need = Need::Task { task: task() };
        let error = place.ask(&need).await.unwrap_err();
        assert!(matches!(&error, SourceError::Fetch(FetchError::Empty { attempts: 6, .. })), "{error:?}");
        assert!(error.to_string().contains(TASK), "{error}");
        assert!(unavailable(&need, error));
    });
}

#[test]
fn row_079_a_page_in_the_place_of_a_document_is_asked_for_again_and_then_unavailable() {
    let page = answer(200, HTML, "<html>be right back</html>");
    let body = answer(200, JSON, "{}");
    let turn = AtomicUsize::new(0);
    let (first, then) = (page.clone(), body);
    let passing = queue_with(move |_: &Seen, stream: &mut dyn Stream| {
        let turn = turn.fetch_add(1, Ordering::SeqCst);
        stream.write_all(if turn < 2 { &first } else { &then })?;
        Ok(After::Keep)
    });
    let need = document("public/chain-of-trust.json", DocumentKind::Attestation);
    run(async {
        let place = place(&passing.url(), HttpConfig::default(), settings(""));
        assert_eq!(place.ask(&need).await.unwrap(), Answer::Present(b"{}".as_slice().into()));
    });
    let lasting = queue_with(move |_: &Seen, stream: &mut dyn Stream| {
        stream.write_all(&page)?;
        Ok(After::Keep)
    });
    run(async {
        let place = place(&lasting.url(), HttpConfig::default(), settings(&lasting.url()));
        let pushlog =
            Need::Pushlog { repository: "https://hg.example/x".to_owned(), revision: "r".to_owned() };
        for need in [&need, &Need::Projects, &pushlog] {
            let error = place.ask(need).await.unwrap_err();
            assert!(matches!(&error, SourceError::Fetch(FetchError::Page { attempts: 6, .. })), "{error:?}");
            assert!(unavailable(need, error));
        }
    });
}

#[test]
fn row_132_limits_of_rates_outages_and_names_that_are_unknown_are_no_verdicts() {
    for status in [403, 429, 500, 502, 503, 504] {
        let trouble = answer(status, "", "later");
        let host = in_turn(vec![trouble.clone(), trouble, answer(200, "", "a: b")]);
        run(async {
            let place = place("https://tc.example", HttpConfig::default(), settings(&host.url()));
            let found = place.ask(&Need::Projects).await.unwrap();
            assert_eq!(found, Answer::Present(b"a: b".as_slice().into()), "{status}");
        });
    }
    let lasting = in_turn(vec![answer(403, "", "rate limit exceeded")]);
    run(async {
        let place = place("https://tc.example", HttpConfig::default(), settings(&lasting.url()));
        let error = place.ask(&Need::Projects).await.unwrap_err();
        assert!(matches!(&error, SourceError::Fetch(FetchError::Transfer { attempts: 6, .. })), "{error:?}");
        assert!(unavailable(&Need::Projects, error));
    });
    run(async {
        let place =
            place("https://tc.example", quick(Phase::Connect), settings("http://no-such-host.invalid"));
        let error = place.ask(&Need::Projects).await.unwrap_err();
        assert!(matches!(&error, SourceError::Fetch(FetchError::Transfer { attempts: 6, .. })), "{error:?}");
        assert!(unavailable(&Need::Projects, error));
    });
}

#[test]
fn a_host_that_says_how_long_to_wait_is_waited_for() {
    for reset in [None, Some(3)] {
        let header = match reset {
            None => "retry-after: 2".to_owned(),
            Some(seconds) => {
                let reset = chrono::Utc::now().timestamp() + seconds;
                format!("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: {reset}")
            }
        };
        let host = in_turn(vec![answer(429, &format!("{header}\r\n"), "later"), answer(200, "", "a: b")]);
        run(async {
            let place = place("https://tc.example", HttpConfig::default(), settings(&host.url()));
            let began = Instant::now();
            place.ask(&Need::Projects).await.unwrap();
            assert!(began.elapsed() >= Duration::from_millis(1500), "{header}: {:?}", began.elapsed());
        });
    }
}

/// A queue that says of each of these that it is of the type beside it, and whose storage has a page for everything.
/// The first few lists of artifacts are trouble.
fn told(artifacts: &[(&str, &str)], trouble: usize) -> Server {
    let entry = |(name, content_type): &(&str, &str)| {
        format!(
            r#"{{"storageType": "s3", "name": "{name}", "expires": "2030-01-01T00:00:00.000Z",
            "contentType": "{content_type}"}}"#
        )
    };
    let entries: Vec<_> = artifacts.iter().map(entry).collect();
    let list = answer(200, JSON, &format!(r#"{{"artifacts": [{}]}}"#, entries.join(", ")));
    let turn = AtomicUsize::new(0);
    Server::start(move |seen: &Seen, stream: &mut dyn Stream| {
        stream.write_all(&match seen.target.as_str() {
            target if target.contains("/artifacts/") => {
                answer(303, &format!("location: http://{}/content\r\n", seen.headers["host"]), "")
            }
            target if target.ends_with("/artifacts") => {
                let is_trouble = turn.fetch_add(1, Ordering::SeqCst) < trouble;
                if is_trouble { answer(400, JSON, "{}") } else { list.clone() }
            }
            _ => answer(200, HTML, "<html>be right back</html>"),
        })?;
        Ok(After::Keep)
    })
}

fn lists(queue: &Server) -> usize {
    queue.take().iter().filter(|seen| seen.target.ends_with("/artifacts")).count()
}

#[test]
fn a_run_is_asked_for_its_artifacts_once_however_many_of_them_come_as_pages() {
    let html = "text/html";
    let queue = told(&[("public/a", html), ("public/b", html), ("public/c", "application/zip")], 0);
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let (a, b, c) = (artifact("public/a"), artifact("public/b"), artifact("public/c"));
        let (a, b) = tokio::join!(place.ask(&a), place.ask(&b));
        assert!(matches!((a, b), (Ok(Answer::Stored(_)), Ok(Answer::Stored(_)))));
        // each attempt at it comes as a page
        let error = place.ask(&c).await.unwrap_err();
        assert!(matches!(&error, SourceError::Fetch(FetchError::Page { attempts: 6, .. })), "{error:?}");
        let names = place.ask(&Need::Listing { run: run_key() }).await.unwrap();
        assert_eq!(names, Answer::Present(br#"["public/a","public/b","public/c"]"#.as_slice().into()));
    });
    assert_eq!(lists(&queue), 1);
}

#[test]
fn a_list_of_artifacts_that_was_not_to_be_had_is_asked_for_again() {
    let queue = told(&[("public/a", "text/html")], 1);
    run(async {
        let place = place(&queue.url(), HttpConfig::default(), settings(""));
        let error = place.ask(&artifact("public/a")).await.unwrap_err();
        assert!(matches!(error, SourceError::Api(_)), "{error:?}");
        assert!(matches!(place.ask(&artifact("public/a")).await, Ok(Answer::Stored(_))));
    });
    assert_eq!(lists(&queue), 2);
}

#[test]
fn row_079_a_page_in_the_place_of_an_artifact_is_no_artifact() {
    run(async {
        let zip = told(&[("public/a", "application/zip")], 0);
        let html = told(&[("public/a", "text/html")], 0);
        let at = |queue: &Server| place(&queue.url(), HttpConfig::default(), settings(""));
        let need = artifact("public/a");
        let proxied = at(&zip);
        let error = proxied.ask(&need).await.unwrap_err();
        assert!(matches!(&error, SourceError::Fetch(FetchError::Page { attempts: 6, .. })), "{error:?}");
        assert!(unavailable(&need, error));
        assert_eq!(proxied.stored().len(), 0, "nothing of it is kept");
        // what is HTML by its creator's word or by its name
        assert!(matches!(at(&html).ask(&need).await.unwrap(), Answer::Stored(_)));
        assert!(matches!(at(&zip).ask(&artifact("public/a.html")).await.unwrap(), Answer::Stored(_)));
    });
}

#[test]
fn a_list_of_projects_that_was_moved_is_trouble() {
    let moved = in_turn(vec![answer(404, "", "no such file")]);
    run(async {
        let place = place("https://tc.example", HttpConfig::default(), settings(&moved.url()));
        let error = place.ask(&Need::Projects).await.unwrap_err();
        assert!(matches!(&error, SourceError::Fetch(FetchError::NoProjects { .. })), "{error:?}");
        assert!(unavailable(&Need::Projects, error));
    });
}

#[test]
fn row_081_an_artifact_that_cannot_be_had_is_trouble_and_one_that_is_gone_is_absent() {
    let broken = queue_with(|_: &Seen, stream: &mut dyn Stream| {
        stream.write_all(&answer(503, "", "later"))?;
        Ok(After::Keep)
    });
    let gone = saying(answer(404, JSON, r#"{"code": "ResourceNotFound", "message": "no"}"#));
    run(async {
        let need = artifact("public/a");
        let at = |queue: &Server| place(&queue.url(), HttpConfig::default(), settings(""));
        let error = at(&broken).ask(&need).await.unwrap_err();
        assert!(matches!(&error, SourceError::Fetch(FetchError::Transfer { attempts: 6, .. })), "{error:?}");
        assert!(unavailable(&need, error));
        assert_eq!(at(&gone).ask(&need).await.unwrap(), Answer::Absent);
    });
    assert_eq!(gone.take().len(), 1);
}

#[test]
fn row_134_secrets_in_addresses_are_never_told() {
    let canary = "canary-secret";
    for status in [400, 404, 500] {
        let queue = queue(
            move |host| format!("http://{host}/content?bewit={canary}&X-Amz-Signature={canary}"),
            move |seen: &Seen, stream: &mut dyn Stream| {
                let page = format!("<Error><Url>{}</Url>X-Amz-Credential={canary}</Error>", seen.target);
                stream.write_all(&answer(status, "", &page))?;
                Ok(After::Keep)
            },
        );
        run(async {
            let place = place(&queue.url(), HttpConfig::default(), settings(""));
            let shown =
                format!("{:?}", place.ask(&artifact("public/a")).await.map_err(|e| (e.to_string(), e)));
            assert!(!shown.contains(canary), "{shown}");
        });
        assert!(queue.take().iter().any(|seen| seen.target.contains(canary)), "it was used");
    }
    let forbidden =
        queue(move |_| format!("http://other.example/x?bewit={canary}"), |_, _| panic!("gone to"));
    run(async {
        let place = place(&forbidden.url(), HttpConfig::default(), settings(""));
        let shown = format!("{:?}", place.ask(&artifact("public/a")).await);
        assert!(shown.contains("other.example") && !shown.contains(canary), "{shown}");
    });
}
