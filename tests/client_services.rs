//! The client's calls to the object and auth services: a whole upload and download through the embedded queue, and
//! requests that fit the published schemas where there is no service of ours to ask.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(unreachable_pub, dead_code, reason = "the parts of this test are modules, shared with other tests")]

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/schemas.rs"]
mod schemas;
#[path = "wire/server.rs"]
mod server;

use faults::{answer, in_turn, run};
use schemas::Schemas;
use scriptworker::embedded_queue::{ClientGrant, EmbeddedQueue, Options};
use scriptworker::taskcluster::artifacts::Of;
use scriptworker::taskcluster::auth::AccessLevel;
use scriptworker::taskcluster::model::{
    ArtifactContent, ArtifactRequest, ArtifactResponse, Hashes, ObjectDownload, ProposedUploads, PutUrl,
};
use scriptworker::taskcluster::objects::UploadOf;
use scriptworker::taskcluster::transfer::TransferLimits;
use scriptworker::taskcluster::{
    Auth, AuthService, Budget, Credentials, ErrorCode, Http, HttpConfig, Objects, Queue, RootUrl,
};
use scriptworker_core::ids::{ArtifactName, TaskId, TaskQueueId, WorkerGroup, WorkerId};
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;
use std::time::Duration;

const LIMITS: TransferLimits = TransferLimits { total: Duration::from_secs(60), max_bytes: 1 << 20 };

fn me() -> Credentials {
    Credentials { client_id: "me".to_owned(), access_token: Secret::new("token"), certificate: None }
}

fn queue_of_mine() -> EmbeddedQueue {
    let scopes = ["queue:claim-work:p/w", "queue:worker-id:g/i", "queue:get-artifact:*"];
    let scopes = scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect();
    let client = ClientGrant { client_id: "me".to_owned(), access_token: Secret::new("token"), scopes };
    EmbeddedQueue::start(Options { clients: vec![client], ..Options::default() }).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_object_goes_up_and_comes_down_again() {
    let embedded = queue_of_mine();
    let task = TaskId::parse("Ypg6xKhKRU-pnkwylNQrMw").unwrap();
    let now = chrono::Utc::now();
    let date =
        |hours| (now + chrono::Duration::hours(hours)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let definition = json!({
        "provisionerId": "p", "workerType": "w", "created": date(0), "deadline": date(1), "expires": date(2),
        "payload": {}, "metadata": { "name": "n", "description": "d", "owner": "a@example.com", "source": "https://example.com" },
    });
    embedded.create_task(&task, definition).unwrap();
    let root = RootUrl::parse(&embedded.root_url()).unwrap();
    let content = b"one object".as_slice();
    let name = ArtifactName::parse("private/an object.bin").unwrap();
    let downloaded = run(async {
        let http = Http::new(HttpConfig::default()).unwrap();
        let queue = Queue::new(http.clone(), &root, Auth::fixed(me()));
        let pool = TaskQueueId::parse("p/w").unwrap();
        let (group, worker) = (WorkerGroup::parse("g").unwrap(), WorkerId::parse("i").unwrap());
        let claims = queue.claim_work(&pool, &group, &worker, Budget::once()).await.unwrap().value;
        let claim = claims.into_iter().next().unwrap().unwrap();
        let (key, expires) = (claim.run(), claim.status.expires);
        let mine = Queue::new(http.clone(), &root, Auth::fixed(claim.credentials));
        let request = ArtifactRequest::Object {
            expires,
            content_type: "application/octet-stream".to_owned(),
            content_length: Some(content.len() as u64),
        };
        let created = mine.create_artifact(&key, &name, &request, Budget::default()).await.unwrap();
        let ArtifactResponse::Object { name: object, project_id, upload_id, credentials, expires } = created
        else {
            panic!("an object was asked for")
        };
        let upload = UploadOf { name: object, project_id, upload_id: upload_id.clone(), expires };
        let objects = Objects::new(http.clone(), &root, Auth::fixed(credentials));
        let put = PutUrl {
            content_type: "application/octet-stream".to_owned(),
            content_length: content.len() as u64,
        };
        let proposed = ProposedUploads { data_inline: None, put_url: Some(put) };
        let method = objects.create_upload(&upload, None, &proposed, Budget::default()).await.unwrap().value;
        let target = method.upload_method.put_url.unwrap();
        let headers: Vec<_> = target.headers.into_iter().collect();
        let body = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"one object"))]);
        http.put(&target.url, &headers, content.len() as u64, body, LIMITS).await.unwrap();
        let hashes = Hashes { sha256: hex(&Sha256::digest(content)), sha512: hex(&Sha512::digest(content)) };
        objects.finish_upload(&upload, &hashes, Budget::default()).await.unwrap();
        mine.finish_artifact(&key, &name, &upload_id, Budget::default()).await.unwrap();

        let found = queue.artifact(Of::Run(&key), &name, Budget::default()).await.unwrap().value;
        let ArtifactContent::Object { name: object, credentials } = found else {
            panic!("an object was stored")
        };
        let objects = Objects::new(http.clone(), &root, Auth::fixed(credentials));
        let way = objects.start_download(&object, Budget::default()).await.unwrap().value;
        let url = match way {
            ObjectDownload::Simple { url } => url,
            ObjectDownload::GetUrl { url, hashes: announced, .. } => {
                assert_eq!(announced.get("sha256"), Some(&hashes.sha256));
                url
            }
        };
        http.get(&url, None, LIMITS).await.unwrap().collect().await.unwrap()
    });
    assert_eq!(&downloaded[..], content);
}

#[test]
fn credentials_can_be_asked_what_they_may_do() {
    let embedded = queue_of_mine();
    let root = RootUrl::parse(&embedded.root_url()).unwrap();
    let scopes = run(async {
        let http = Http::new(HttpConfig::default()).unwrap();
        AuthService::new(http, &root, Auth::fixed(me()))
            .current_scopes(Budget::default())
            .await
            .unwrap()
            .value
    });
    assert!(scopes.contains(&Scope::parse("queue:worker-id:g/i").unwrap()), "{scopes:?}");
}

#[test]
fn a_token_for_github_is_asked_for_as_published() {
    let token = r#"{"token": "ghs_secret", "expires": "2026-01-01T01:00:00.000Z", "later": "ignored"}"#;
    let refused = r#"{"code": "InsufficientScopes", "message": "no", "requestInfo": {}}"#;
    let server = in_turn(vec![answer(200, "", token), answer(403, "", refused)]);
    let root = RootUrl::parse(&server.url()).unwrap();
    let permissions = BTreeMap::from([
        ("contents".to_owned(), AccessLevel::Read),
        ("metadata".to_owned(), AccessLevel::Read),
        ("workflows".to_owned(), AccessLevel::Write),
    ]);
    let (granted, denied) = run(async {
        let http = Http::new(HttpConfig::default()).unwrap();
        let auth = AuthService::new(http, &root, Auth::fixed(me()));
        let repositories = ["firefox".to_owned(), "a.b".to_owned()];
        let ask = || {
            auth.github_repo_token("read", "mozilla-firefox", &repositories, &permissions, Budget::default())
        };
        (ask().await.unwrap().value, ask().await.unwrap_err())
    });
    assert_eq!(granted.token.expose(), "ghs_secret");
    assert!(!format!("{granted:?}").contains("ghs_secret"));
    assert_eq!((denied.code(), denied.attempts), (Some(&ErrorCode::InsufficientScopes), 1));
    let seen = server.take();
    assert_eq!(seen[0].method, "POST");
    assert_eq!(seen[0].target, "/api/auth/v1/github/read/mozilla-firefox/repo-token");
    let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(body["repositories"], json!(["firefox", "a.b"]));
    if let Some(schemas) = Schemas::find() {
        let validator = schemas.of_call("auth", "githubRepoToken").unwrap();
        let problems: Vec<String> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new());
    }
}

#[test]
fn a_download_is_asked_for_as_published() {
    let way = r#"{"method": "simple", "url": "http://127.0.0.1:1/x"}"#;
    let server = in_turn(vec![answer(200, "", way)]);
    let root = RootUrl::parse(&server.url()).unwrap();
    run(async {
        let http = Http::new(HttpConfig::default()).unwrap();
        Objects::new(http, &root, Auth::fixed(me()))
            .start_download("t/a b/c", Budget::default())
            .await
            .unwrap()
    });
    let seen = server.take();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("PUT", "/api/object/v1/start-download/t%2Fa%20b%2Fc")
    );
    if let Some(schemas) = Schemas::find() {
        let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
        assert!(schemas.of_call("object", "startDownload").unwrap().is_valid(&body), "{body}");
    }
}
