//! What the client repeats, when, and as whom.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(unreachable_pub, dead_code, reason = "the parts of this test are modules, shared with other tests")]

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/server.rs"]
mod server;

use asking::{TASK, ask, queue, status_json};
use faults::{answer, in_turn, run, saying};
use scriptworker::taskcluster::artifacts::Of;
use scriptworker::taskcluster::{
    Auth, Budget, CredentialSource, Credentials, ErrorCode, Failure, HttpConfig, NoCredentials,
};
use scriptworker_core::ids::{ArtifactName, TaskId};
use scriptworker_core::retry::RetryClass;
use scriptworker_core::secret::Secret;
use server::Seen;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PATIENT: Budget = Budget { attempts: 3, total: Duration::from_secs(60) };

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

/// The same, and they may be renewed.
struct Renewable(Renewed);

impl CredentialSource for Renewable {
    fn credentials(&self) -> Result<Arc<Credentials>, NoCredentials> {
        self.0.credentials()
    }

    fn may_change(&self) -> bool {
        true
    }
}

#[test]
fn refused_credentials_are_tried_again_where_others_may_come() {
    let refused = answer(401, "", r#"{"code":"AuthenticationFailed","message":"y"}"#);
    let server = in_turn(vec![refused.clone(), answer(200, "", &status_json())]);
    let auth = Auth::As(Arc::new(Renewable(Renewed(AtomicUsize::new(0)))));
    run(async { ask(&queue(HttpConfig::default(), &server, auth), PATIENT).await }).unwrap();
    let seen = server.take();
    assert_eq!(seen.len(), 2);
    assert!(seen[1].headers["authorization"].contains("id=\"client-1\""), "with the newest");

    let server = in_turn(vec![refused.clone(); 3]);
    let auth = Auth::As(Arc::new(Renewable(Renewed(AtomicUsize::new(0)))));
    let error = run(async { ask(&queue(HttpConfig::default(), &server, auth), PATIENT).await }).unwrap_err();
    assert!(matches!(error.failure, Failure::NoCredentials(NoCredentials::ClaimOver)), "{error}");

    let server = in_turn(vec![refused; 3]);
    let error =
        run(async { ask(&queue(HttpConfig::default(), &server, fixed()), PATIENT).await }).unwrap_err();
    assert_eq!((error.status(), server.take().len()), (Some(401), 1), "others never come");
}

#[test]
fn a_signed_url_is_plain_for_the_anonymous() {
    let server = saying("");
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
