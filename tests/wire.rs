//! The client against recordings of the real services (`tests/wire/README.md`): what we send is what they accepted,
//! and everything they answered is understood. Each recorded exchange is replayed by the call that it stands for,
//! against a local server that gives the recorded answer.
//!
//! That our signatures equal the recorded ones is tested beside the signing code, which is not public.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the parts of this test are modules")]

#[path = "wire/recording.rs"]
mod recording;
#[path = "wire/replay.rs"]
mod replay;
#[path = "wire/schemas.rs"]
mod schemas;
#[path = "wire/server.rs"]
mod server;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use recording::Exchange;
use replay::{Asked, Outcome, Route};
use schemas::Schemas;
use scriptworker::taskcluster::{Auth, Credentials, Failure, Http, HttpConfig, RootUrl};
use scriptworker_core::retry::class_of_status;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde_json::Value;
use server::{Seen, Server};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, Mutex};

/// Recorded calls that this project does not make: method, a part of the path, why.
const NOT_OURS: [(&str, &str, &str); 9] = [
    ("GET", "/v1/ping", "nobody asks"),
    ("GET", "/v1/task-group/", "the worker does not look at groups"),
    ("GET", "/v1/no-such-route", "no call"),
    ("HEAD", "/artifacts/", "content is wanted, not its headers"),
    ("PUT", "/v1/task/", "createTask: made by the one who set up the recordings"),
    ("PUT", "/v1/provisioners/", "quarantineWorker: an operator's"),
    ("POST", "/cancel", "cancelTask: an operator's"),
    ("POST", "/rerun", "rerunTask: an operator's"),
    ("POST", "/claim", "claimTask: deprecated"),
];

/// Recordings of requests that our types cannot make, on purpose: case, a part of the path, why. Their answers are understood all the same.
const UNSENDABLE: [(&str, &str, &str); 27] = [
    ("03l-createArtifact-missing-expires-400", "", "a request without expires"),
    ("03m-createArtifact-unknown-storageType-400", "", "an unknown storage type"),
    ("03n-createArtifact-error-bad-reason-400", "", "an unknown reason"),
    ("03o-createArtifact-name-nonascii-400", "", "an artifact name that is none"),
    ("03p-createArtifact-name-newline-400", "", "an artifact name that is none"),
    ("03q-createArtifact-name-empty", "", "an artifact name that is none"),
    ("042-listArtifacts-paged", "", "the client has no `limit` parameter"),
    ("065-reportException-superseded-400", "", "a reason that the queue does not take"),
    ("066-reportException-claim-expired-400", "", "a reason that the queue does not take"),
    ("067-reportException-no-body-400", "", "no reason"),
    ("068-malformed-json-400", "", "no JSON"),
    ("069-wrong-content-type-signed-401", "", "another content type"),
    ("069b-wrong-content-type-400", "", "another content type"),
    ("069c-no-payload-hash", "", "no payload hash"),
    ("06b-reportCompleted-with-body", "", "a body where none belongs"),
    ("080-claimWork-two-of-three", "", "more than one task"),
    ("081-claimWork-rest", "", "more than one task"),
    ("090-claimWork-tasks-33-400", "", "more than one task"),
    ("091-claimWork-tasks-0-400", "", "no task"),
    ("092-claimWork-missing-workerId-400", "", "no worker id"),
    ("093-claimWork-extra-property-400", "", "an unknown member"),
    ("094-claimWork-workerId-too-long-400", "", "a worker id that is none"),
    ("048-getLatestArtifact-bewit", "", "our own signature goes into a URL only when it is given away"),
    ("09b-claimWork-bearer-401", "", "another scheme"),
    ("09d-claimWork-bad-pool-name", "", "a task queue id that is none"),
    ("0ab-task-bad-slugid-400", "", "a task id that is none"),
    ("102-upstream-exit-6-superseded", "/exception", "a reason that the queue does not take"),
];

/// Recordings whose API requests were written with plain slashes in a path argument; the queue takes both.
const PLAIN_SLASHES: [&str; 24] = [
    "03t-createArtifact-name-unescaped-slashes",
    "045-getArtifact-anonymous-cycle",
    "045-getArtifact-anonymous-error",
    "045-getArtifact-anonymous-gzip",
    "045-getArtifact-anonymous-link",
    "045-getArtifact-anonymous-link-to-private",
    "045-getArtifact-anonymous-missing",
    "045-getArtifact-anonymous-object",
    "045-getArtifact-anonymous-private",
    "045-getArtifact-anonymous-reference",
    "045-getArtifact-anonymous-s3",
    "046-getLatestArtifact-cycle",
    "046-getLatestArtifact-error",
    "046-getLatestArtifact-gzip",
    "046-getLatestArtifact-link",
    "046-getLatestArtifact-link-to-private",
    "046-getLatestArtifact-missing",
    "046-getLatestArtifact-object",
    "046-getLatestArtifact-private",
    "046-getLatestArtifact-reference",
    "046-getLatestArtifact-s3",
    "04a-latest-artifacts-no-runs",
    "04b-artifacts-unknown-task-404",
    "095-claimWork-plain-slash",
];

#[test]
fn every_recorded_exchange_is_ours_or_excused_and_comes_out_as_recorded() {
    let schemas = Schemas::find();
    let current = Arc::new(Mutex::new(None::<Exchange>));
    let shared = Arc::clone(&current);
    let server = Server::start(move |_, stream| {
        let exchange = shared.lock().unwrap().clone().unwrap();
        exchange.answer(stream)
    });
    actix_rt::System::new().block_on(async {
        let http = Http::new(HttpConfig::default()).unwrap();
        let root = RootUrl::parse(&server.url()).unwrap();
        let mut replayed = 0;
        let mut excused = BTreeSet::new();
        for exchange in recording::all() {
            let context = format!("{} ({} {})", exchange.case, exchange.method(), exchange.path());
            let excuse = NOT_OURS
                .iter()
                .position(|(method, part, _)| exchange.method() == *method && exchange.path().contains(part));
            let asked = match (replay::asked(&exchange), excuse) {
                (Some(asked), _) => asked,
                (None, Some(excuse)) => {
                    excused.insert(excuse);
                    continue;
                }
                (None, None) => panic!("{context}: neither one of our calls nor excused"),
            };
            *current.lock().unwrap() = Some(exchange.clone());
            let outcome = asked.replay(&http, &root, auth_of(&exchange), &exchange).await;
            check_outcome(&context, &exchange, &outcome);
            let seen = server.take();
            assert_eq!(seen.len(), 1, "{context}: sent {} requests", seen.len());
            check_request(&context, &exchange, &seen[0]);
            check_schema(&context, schemas.as_ref(), &asked, &seen[0]);
            replayed += 1;
        }
        assert_eq!(excused.len(), NOT_OURS.len(), "excuses that nobody needs");
        for (case, part, _) in UNSENDABLE {
            let meant = |exchange: &Exchange| exchange.case == case && exchange.path().contains(part);
            assert!(recording::all().iter().any(meant), "an excuse for nothing: {case}");
        }
        for case in PLAIN_SLASHES {
            let needs = |exchange: &Exchange| {
                exchange.case == case && with_escaped_slashes(exchange) != exchange.path()
            };
            assert!(recording::all().iter().any(needs), "has no plain slash: {case}");
        }
        assert!(replayed > 250, "only {replayed} exchanges were replayed");
    });
}

/// Credentials with the recorded client id and certificate; the token does not matter, the server does not look.
fn auth_of(exchange: &Exchange) -> Auth {
    let Some(header) = exchange.header("authorization").filter(|header| header.starts_with("Hawk")) else {
        return Auth::Anonymous;
    };
    let recorded = attributes(header);
    let ext = String::from_utf8(URL_SAFE.decode(&recorded["ext"]).unwrap()).unwrap();
    let certificate = ext.strip_prefix("{\"certificate\":").and_then(|rest| rest.strip_suffix('}'));
    Auth::fixed(Credentials {
        client_id: recorded["id"].clone(),
        access_token: Secret::new("canary-token"),
        certificate: certificate.map(Secret::new),
    })
}

fn check_outcome(context: &str, exchange: &Exchange, outcome: &Outcome) {
    let status = exchange.status();
    let answer = &exchange.response["body"]["json"];
    match outcome {
        Outcome::Success => assert!(matches!(status, 200 | 204), "{context}"),
        Outcome::Location(url) => {
            assert_eq!(
                (status, Some(url.as_str())),
                (303, exchange.response["headers"]["location"].as_str())
            );
        }
        Outcome::Bytes(bytes) => {
            let recorded = exchange.content();
            // a body that was kept as it was on the wire is still compressed
            let on_wire = !exchange.response["body"]["base64"].is_null();
            let gzip = exchange.response["headers"]["content-encoding"] == "gzip";
            let expected = if on_wire && gzip { gunzip(&recorded) } else { recorded };
            assert_eq!((status, bytes), (200, &expected), "{context}");
        }
        Outcome::Api(error) => {
            assert_eq!(error.status(), Some(status), "{context}: {error}");
            assert_eq!(error.class(), class_of_status(status), "{context}");
            match &error.failure {
                Failure::Refused(refusal) => {
                    assert_eq!(Some(refusal.code.to_string().as_str()), answer["code"].as_str(), "{context}");
                    assert!(
                        !refusal.message.is_empty() && !refusal.message.contains("errorCode:"),
                        "{context}"
                    );
                }
                Failure::ErrorArtifact { reason, .. } => {
                    assert_eq!(Some(reason.as_str()), answer["reason"].as_str(), "{context}");
                }
                other => panic!("{context}: {other}"),
            }
            assert!(!error.to_string().contains("canary"), "{context}: {error}");
        }
        Outcome::Transfer(error) => panic!("{context}: {error}"),
    }
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

/// The recorded path, as we write it: where it is known to have plain slashes in its last argument, they are escaped.
fn with_escaped_slashes(exchange: &Exchange) -> String {
    let path = exchange.path();
    let escaped = ["/artifacts/", "/claim-work/"].iter().find_map(|before| {
        let (start, argument) = path.split_once(before)?;
        Some(format!("{start}{before}{}", argument.replace('/', "%2F")))
    });
    escaped
        .filter(|_| PLAIN_SLASHES.contains(&exchange.case.as_str()) && path.starts_with("/api/"))
        .unwrap_or_else(|| path.to_owned())
}

fn check_request(context: &str, exchange: &Exchange, seen: &Seen) {
    let case = exchange.case.as_str();
    let excused = UNSENDABLE.iter().any(|(name, part, _)| *name == case && exchange.path().contains(part));
    assert_eq!(seen.method, exchange.method(), "{context}");

    let same_target = seen.target == with_escaped_slashes(exchange);
    let same_body = same_body(exchange, seen);
    let same_head = same_target
        && seen.headers.get("content-type").map(String::as_str) == exchange.header("content-type")
        && seen.headers.get("content-encoding").map(String::as_str) == exchange.header("content-encoding")
        && same_signature(exchange, seen);
    // an excuse has to be needed, or it would hide what it does not name
    assert_eq!(
        same_head && same_body,
        !excused,
        "{context}: sent {} {:?} {:?}",
        seen.target,
        seen.headers,
        String::from_utf8_lossy(&seen.body)
    );

    let length = seen.headers.get("content-length").map(|length| length.parse::<usize>().unwrap());
    let expected = (seen.method != "GET").then_some(seen.body.len());
    assert_eq!(length, expected, "{context}");
    assert!(seen.headers["user-agent"].starts_with("scriptworker "), "{context}");
    assert!(seen.headers["host"].starts_with("127.0.0.1:"), "{context}");
    for forbidden in ["cookie", "expect", "upgrade", "te"] {
        assert!(!seen.headers.contains_key(forbidden), "{context}: {forbidden}");
    }
}

fn same_body(exchange: &Exchange, seen: &Seen) -> bool {
    if exchange.request["body"]["json"].is_null() {
        return seen.body == exchange.sent();
    }
    match serde_json::from_slice::<Value>(&seen.body) {
        Ok(ours) => dates(ours) == dates(exchange.request["body"]["json"].clone()),
        Err(_) => seen.body == exchange.sent(),
    }
}

/// Dates compare as the moments they are, in whole milliseconds: the other clients wrote microseconds.
fn dates(mut body: Value) -> Value {
    if let Some(date) = body.get("expires").and_then(Value::as_str) {
        body["expires"] = UnixMillis::parse(date).unwrap().to_string().into();
    }
    body
}

/// Whether the parts of the signature that do not depend on time and chance are the recorded ones.
fn same_signature(exchange: &Exchange, seen: &Seen) -> bool {
    let ours = seen.headers.get("authorization").map(|header| attributes(header));
    let Some(recorded) = exchange.header("authorization") else { return ours.is_none() };
    let Some(ours) = ours else { return false };
    let names: Vec<_> = ours.keys().map(String::as_str).collect();
    assert_eq!(names, ["ext", "hash", "id", "mac", "nonce", "ts"]);
    let content_type = seen.headers.get("content-type").map_or("", String::as_str);
    let mut payload = format!("hawk.1.payload\n{content_type}\n").into_bytes();
    payload.extend_from_slice(&seen.body);
    payload.push(b'\n');
    assert_eq!(ours["hash"], STANDARD.encode(Sha256::digest(&payload)));
    assert_eq!(STANDARD.decode(&ours["mac"]).unwrap().len(), 32);
    assert!(ours["nonce"].len() >= 6);
    let age = chrono::Utc::now().timestamp() - ours["ts"].parse::<i64>().unwrap();
    assert!((0..120).contains(&age), "a timestamp {age} s old");
    let recorded = attributes(recorded);
    ["id", "ext"].iter().all(|name| recorded.get(*name) == ours.get(*name)) && recorded.contains_key("hash")
}

fn attributes(header: &str) -> BTreeMap<String, String> {
    let Some(list) = header.strip_prefix("Hawk ") else { return BTreeMap::new() };
    let attribute = |part: &str| {
        let (name, value) = part.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    };
    list.split("\", ").map(attribute).collect()
}

fn check_schema(context: &str, schemas: Option<&Schemas>, asked: &Asked, seen: &Seen) {
    let (Some(schemas), Some((service, call))) = (schemas, asked.call()) else { return };
    match schemas.of_call(service, call) {
        None => assert!(seen.body.is_empty(), "{context}: a body where none belongs"),
        Some(validator) => {
            let body = serde_json::from_slice(&seen.body).unwrap();
            if let Err(error) = validator.validate(&body) {
                panic!("{context}: {body} is not what {call} takes: {error}");
            }
        }
    }
    assert!(asked.route != Route::Put && asked.route != Route::Download);
}
