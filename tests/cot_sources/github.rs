//! The GitHub API: which token goes where, and every object.

use crate::faults::{answer, run};
use crate::server::{After, Seen, Server, Stream};
use crate::{Place, client, settings};
use scriptworker::cot::sources::{FetchError, SourceError, SourceSettings, Sources};
use scriptworker::cot::staging::Staging;
use scriptworker::taskcluster::{Auth, Credentials, HttpConfig, RootUrl};
use scriptworker_core::cot::evidence::Answer;
use scriptworker_core::cot::need::{GitHubObject, Need};
use scriptworker_core::retry::Backoff;
use scriptworker_core::secret::Secret;
use serde_json::{Value, json};

const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

fn need(what: GitHubObject) -> Need {
    Need::GitHub { repository: "owner/name".to_owned(), what }
}

/// An API that takes these tokens only (`""` stands for none), and an auth service that gives a token, or does not.
fn github(taken: &'static [&'static str], given: Option<&'static str>) -> Server {
    Server::start(move |seen: &Seen, stream: &mut dyn Stream| {
        let answer = if seen.target.starts_with("/api/auth/") {
            match given {
                Some(token) => answer(
                    200,
                    "",
                    &json!({"token": token, "expires": "2030-01-01T00:00:00.000Z"}).to_string(),
                ),
                None => answer(404, "", r#"{"code": "ResourceNotFound", "message": "not installed"}"#),
            }
        } else {
            let token = seen.headers.get("authorization").map_or("", String::as_str);
            match taken.contains(&token) {
                true => answer(200, "", "{}"),
                false => answer(401, "", r#"{"message": "Bad credentials"}"#),
            }
        };
        stream.write_all(&answer)?;
        Ok(After::Keep)
    })
}

/// With credentials, the app, and a token of its own.
fn worker(server: &Server) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let staging = Staging::below(dir.path()).unwrap();
    let root = RootUrl::parse(&server.url()).unwrap();
    let credentials = Credentials {
        client_id: "a-worker".to_owned(),
        access_token: Secret::new("access-token"),
        certificate: None,
    };
    let settings = SourceSettings {
        github_token: Some(Secret::new("own-token")),
        github_app: Some("read".to_owned()),
        ..settings("")
    };
    let http = client(HttpConfig::default());
    let sources = Sources::new(http, &root, Auth::fixed(credentials), settings, staging);
    Place { dir, sources: sources.with_github(&server.url()).with_backoff(Backoff::API) }
}

/// The headers that the API saw, in order.
fn tokens(server: &Server) -> Vec<String> {
    let seen = server.take().into_iter().filter(|seen| !seen.target.starts_with("/api/auth/"));
    seen.map(|seen| seen.headers.get("authorization").cloned().unwrap_or_default()).collect()
}

#[test]
fn the_app_gives_a_token_for_the_repository_once() {
    let server = github(&["token app-token"], Some("app-token"));
    run(async {
        let place = worker(&server);
        for what in [GitHubObject::Repository, GitHubObject::Pull { number: 7 }] {
            assert_eq!(place.ask(&need(what)).await.unwrap(), Answer::Present(b"{}".as_slice().into()));
        }
    });
    let seen = server.take();
    let asked: Vec<_> = seen.iter().filter(|seen| seen.target.starts_with("/api/auth/")).collect();
    assert_eq!(asked.len(), 1, "one token for a repository");
    assert_eq!(
        (asked[0].method.as_str(), asked[0].target.as_str()),
        ("POST", "/api/auth/v1/github/read/owner/repo-token")
    );
    let body: Value = serde_json::from_slice(&asked[0].body).unwrap();
    let permissions = json!({"contents": "read", "metadata": "read", "pull_requests": "read"});
    assert_eq!(body, json!({"repositories": ["name"], "permissions": permissions}));
    assert!(asked[0].headers.contains_key("authorization"), "with the worker's own credentials");
}

#[test]
fn a_token_that_is_not_taken_is_passed_over() {
    for (taken, given, expected) in [
        (&["token app-token"][..], Some("app-token"), vec!["token app-token"]),
        (&["token own-token"], Some("app-token"), vec!["token app-token", "token own-token"]),
        (&[""], Some("app-token"), vec!["token app-token", "token own-token", ""]),
        (&["token own-token"], None, vec!["token own-token"]),
        (&["token own-token"], Some(""), vec!["token own-token"]),
    ] {
        let server = github(taken, given);
        run(async {
            let place = worker(&server);
            let found = place.ask(&need(GitHubObject::Repository)).await.unwrap();
            assert_eq!(found, Answer::Present(b"{}".as_slice().into()));
        });
        assert_eq!(tokens(&server), expected, "{given:?}");
    }
    let server = github(&[], None);
    run(async {
        let error = worker(&server).ask(&need(GitHubObject::Repository)).await.unwrap_err();
        let SourceError::Fetch(FetchError::Transfer { attempts: 1, error }) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(error.status(), Some(401));
    });
}

/// What is asked with a token gets the first answer, what is asked as nobody the second.
fn answering(with_token: Vec<u8>, as_nobody: Vec<u8>) -> Server {
    Server::start(move |seen: &Seen, stream: &mut dyn Stream| {
        let has_token = seen.headers.contains_key("authorization");
        stream.write_all(match seen.target.starts_with("/api/auth/") {
            true => b"HTTP/1.1 404 X\r\ncontent-length: 2\r\n\r\n{}",
            false if has_token => &with_token,
            false => &as_nobody,
        })?;
        Ok(After::Keep)
    })
}

#[test]
fn a_token_that_may_not_is_passed_over_and_one_that_asked_too_much_is_waited_for() {
    let forbidden = answer(403, "", r#"{"message": "Resource not accessible by integration"}"#);
    let server = answering(forbidden.clone(), answer(200, "", "{}"));
    run(async {
        let found = worker(&server).ask(&need(GitHubObject::Repository)).await.unwrap();
        assert_eq!(found, Answer::Present(b"{}".as_slice().into()));
    });
    assert_eq!(tokens(&server), ["token own-token", ""]);
    // nobody is told of a private repository: that it is not there is no answer then
    let server = answering(forbidden, answer(404, "", "{}"));
    run(async {
        let error = worker(&server).ask(&need(GitHubObject::Repository)).await.unwrap_err();
        let SourceError::Fetch(FetchError::Transfer { error, .. }) = &error else { panic!("{error:?}") };
        assert_eq!(error.status(), Some(403));
    });
    for limited in [
        answer(403, "x-ratelimit-remaining: 0\r\n", "{}"),
        answer(403, "retry-after: 0\r\n", "{}"),
        answer(403, "", r#"{"message": "You have exceeded a secondary rate limit."}"#),
    ] {
        let server = answering(limited, answer(200, "", "{}"));
        run(async {
            let error = worker(&server).ask(&need(GitHubObject::Repository)).await.unwrap_err();
            let limited = matches!(&error, SourceError::Fetch(FetchError::Transfer { attempts: 6, .. }));
            assert!(limited, "{error:?}");
        });
        assert!(tokens(&server).iter().all(|token| token == "token own-token"));
    }
}

#[test]
fn a_commit_that_cannot_be_processed_is_not_there() {
    let server = answering(answer(422, "", r#"{"message": "No commit found for SHA"}"#), Vec::new());
    run(async {
        let place = worker(&server);
        let commit = need(GitHubObject::Commit { revision: REVISION.to_owned() });
        assert_eq!(place.ask(&commit).await.unwrap(), Answer::Absent);
        place.ask(&need(GitHubObject::Pull { number: 1 })).await.unwrap_err();
    });
}

#[test]
fn row_134_no_token_is_told_and_none_goes_to_a_mirror() {
    let server = Server::start(|seen: &Seen, stream: &mut dyn Stream| {
        let token = seen.headers.get("authorization").cloned().unwrap_or_default();
        stream.write_all(&answer(
            422,
            "",
            &format!("access_token={}", token.trim_start_matches("token ")),
        ))?;
        Ok(After::Keep)
    });
    run(async {
        let shown = format!("{:?}", worker(&server).ask(&need(GitHubObject::Repository)).await);
        assert!(!shown.contains("own-token"), "{shown}");
    });
    assert!(tokens(&server).contains(&"token own-token".to_owned()));
    run(async {
        let mirrors = vec![("https://api.github.com".to_owned(), server.url())];
        let settings =
            SourceSettings { github_token: Some(Secret::new("own-token")), mirrors, ..settings("") };
        let place = crate::place("https://tc.example", HttpConfig::default(), settings);
        place.ask(&need(GitHubObject::Repository)).await.unwrap_err();
    });
    assert_eq!(tokens(&server), [""]);
}

#[test]
fn every_object_has_its_address() {
    let server = github(&["token own-token", ""], None);
    let revision = REVISION.to_owned();
    let tree = Need::TreeFile {
        repository: "https://github.com/owner/name".to_owned(),
        revision: revision.clone(),
        path: ".taskcluster.yml".to_owned(),
    };
    for (need, expected) in [
        (need(GitHubObject::Repository), "/repos/owner/name".to_owned()),
        (
            need(GitHubObject::Commit { revision: revision.clone() }),
            format!("/repos/owner/name/commits/{REVISION}"),
        ),
        (need(GitHubObject::Pull { number: 12 }), "/repos/owner/name/pulls/12".to_owned()),
        (
            need(GitHubObject::Release { tag: "v1/../2?".to_owned() }),
            "/repos/owner/name/releases/tags/v1%2F..%2F2%3F".to_owned(),
        ),
        (need(GitHubObject::BranchCommits { revision }), format!("/owner/name/branch_commits/{REVISION}")),
        (tree, format!("/repos/owner/name/contents/.taskcluster.yml?ref={REVISION}")),
    ] {
        run(async {
            // what the content has to be is another matter
            let _ = worker(&server).ask(&need).await;
        });
        let seen = server.take().into_iter().filter(|seen| !seen.target.starts_with("/api/auth/"));
        assert_eq!(seen.map(|seen| seen.target).next(), Some(expected));
    }
}

#[test]
fn all_pages_of_tags_are_one_answer() {
    let server = Server::start(|seen: &Seen, stream: &mut dyn Stream| {
        let page = |count: usize| Value::from((0..count).map(|tag| json!({"name": tag})).collect::<Vec<_>>());
        let page = match seen.target.as_str() {
            "/repos/owner/name/tags?per_page=100&page=1" => page(100),
            "/repos/owner/name/tags?per_page=100&page=2" => page(3),
            _ => return Ok(After::Close),
        };
        stream.write_all(&answer(200, "", &page.to_string()))?;
        Ok(After::Keep)
    });
    run(async {
        let answer = worker(&server).ask(&need(GitHubObject::Tags)).await.unwrap();
        let Answer::Present(bytes) = answer else { panic!("{answer:?}") };
        let tags: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(tags.as_array().unwrap().len(), 103);
    });
}
