//! How large an answer each call reads: the limits as a table, tried out at both sides of each.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(unreachable_pub, dead_code, reason = "the parts of this test are modules, shared with other tests")]

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/server.rs"]
mod server;

use asking::{TASK, queue};
use faults::{client, run};
use scriptworker::taskcluster::artifacts::Of;
use scriptworker::taskcluster::model::{ArtifactRequest, Hashes, ProposedUploads};
use scriptworker::taskcluster::objects::UploadOf;
use scriptworker::taskcluster::{
    ApiError, Auth, AuthService, Budget, Failure, HttpConfig, Objects, RootUrl, WireError,
};
use scriptworker_core::ids::{ArtifactName, RunId, RunKey, TaskId, TaskQueueId, WorkerGroup, WorkerId};
use scriptworker_core::run::{ExceptionReason, Report};
use scriptworker_core::time::UnixMillis;
use server::{After, Server};
use std::collections::BTreeMap;

const KIB: usize = 1024;
const ENTRY: usize = 64 * KIB;
const STATUS: usize = 512 * KIB;
const LIST: usize = 8 * KIB * KIB;
const DEFINITION: usize = 12 * KIB * KIB;

const LIMITS: &[(&str, usize)] = &[
    ("claimWork", DEFINITION + STATUS),
    ("reclaimTask", STATUS),
    ("reportCompleted", STATUS),
    ("reportFailed", STATUS),
    ("reportException", STATUS),
    ("status", STATUS),
    ("task", DEFINITION),
    ("createArtifact", ENTRY),
    ("finishArtifact", ENTRY),
    ("listArtifacts", LIST),
    ("listLatestArtifacts", LIST),
    ("getArtifact", ENTRY),
    ("getLatestArtifact", ENTRY),
    ("artifact", ENTRY),
    ("latestArtifact", ENTRY),
    ("artifactInfo", ENTRY),
    ("latestArtifactInfo", ENTRY),
    ("createUpload", ENTRY),
    ("finishUpload", ENTRY),
    ("startDownload", ENTRY),
    ("githubRepoToken", ENTRY),
    ("currentScopes", LIST),
];

async fn call(name: &str, server: &Server) -> Result<(), ApiError> {
    let once = Budget::once();
    let http = || client(HttpConfig::default());
    let (queue, root) =
        (queue(HttpConfig::default(), server, Auth::Anonymous), RootUrl::parse(&server.url()).unwrap());
    let (auth, objects) =
        (AuthService::new(http(), &root, Auth::Anonymous), Objects::new(http(), &root, Auth::Anonymous));
    let task = TaskId::parse(TASK).unwrap();
    let key = RunKey { task_id: task.clone(), run_id: RunId::new(0).unwrap() };
    let (of, latest) = (Of::Run(&key), Of::Latest(&task));
    let artifact = ArtifactName::parse("public/a").unwrap();
    let expires = UnixMillis(0);
    let text = || "a".to_owned();
    let upload = UploadOf { name: text(), project_id: text(), upload_id: text(), expires };
    let hashes = Hashes { sha256: text(), sha512: text() };
    let proposed = ProposedUploads { data_inline: None, put_url: None };
    match name {
        "claimWork" => {
            let pool = TaskQueueId::parse("p/w").unwrap();
            let (group, worker) = (WorkerGroup::parse("g").unwrap(), WorkerId::parse("w").unwrap());
            queue.claim_work(&pool, &group, &worker, once).await.map(drop)
        }
        "reclaimTask" => queue.reclaim_task(&key, once).await.map(drop),
        "reportCompleted" => queue.report(&key, Report::Completed, once).await,
        "reportFailed" => queue.report(&key, Report::Failed, once).await,
        "reportException" => {
            queue.report(&key, Report::Exception(ExceptionReason::InternalError), once).await
        }
        "status" => queue.status(&task, once).await.map(drop),
        "task" => queue.task(&task, once).await.map(drop),
        "createArtifact" => {
            let request = ArtifactRequest::Reference { expires, content_type: text(), url: text() };
            queue.create_artifact(&key, &artifact, &request, once).await.map(drop)
        }
        "finishArtifact" => queue.finish_artifact(&key, &artifact, "a", once).await,
        "listArtifacts" => queue.list_artifacts(of, 1, once).await.map(drop),
        "listLatestArtifacts" => queue.list_artifacts(latest, 1, once).await.map(drop),
        "getArtifact" => queue.get_artifact(of, &artifact, once).await.map(drop),
        "getLatestArtifact" => queue.get_artifact(latest, &artifact, once).await.map(drop),
        "artifact" => queue.artifact(of, &artifact, once).await.map(drop),
        "latestArtifact" => queue.artifact(latest, &artifact, once).await.map(drop),
        "artifactInfo" => queue.artifact_info(of, &artifact, once).await.map(drop),
        "latestArtifactInfo" => queue.artifact_info(latest, &artifact, once).await.map(drop),
        "createUpload" => objects.create_upload(&upload, Some(&hashes), &proposed, once).await.map(drop),
        "finishUpload" => objects.finish_upload(&upload, &hashes, once).await,
        "startDownload" => objects.start_download("a", once).await.map(drop),
        "githubRepoToken" => {
            let permissions = BTreeMap::new();
            auth.github_repo_token("a", "o", &[text()], &permissions, once).await.map(drop)
        }
        "currentScopes" => auth.current_scopes(once).await.map(drop),
        other => panic!("no such call: {other}"),
    }
}

/// The limit that an answer of so many bytes met, if it met one. It is no answer that the call can use otherwise.
fn met(name: &str, bytes: usize) -> Option<u64> {
    let server = Server::start(move |_, stream| {
        write!(stream, "HTTP/1.1 400 X\r\ncontent-length: {bytes}\r\n\r\n")?;
        let blanks = vec![b' '; bytes];
        stream.write_all(&blanks)?;
        Ok(After::Close)
    });
    let error = run(async { call(name, &server).await.unwrap_err() });
    assert_eq!(error.call, name);
    match error.failure {
        Failure::Wire(WireError::TooLarge { limit }) => Some(limit),
        Failure::NotJson { .. } => None,
        other => panic!("{name}: {other}"),
    }
}

#[test]
fn every_call_reads_as_much_as_its_limit_and_no_more() {
    for (name, limit) in LIMITS {
        assert_eq!(met(name, *limit), None, "{name}");
        assert_eq!(met(name, *limit + 1), Some(*limit as u64), "{name}");
    }
}
