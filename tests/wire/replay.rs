//! Makes the call that a recorded request stands for.

use crate::recording::Exchange;
use futures_util::stream;
use percent_encoding::percent_decode_str;
use scriptworker::taskcluster::artifacts::Of;
use scriptworker::taskcluster::model::{
    ArtifactErrorReason, ArtifactRequest, Hashes, ProposedUploads, PutUrl,
};
use scriptworker::taskcluster::objects::UploadOf;
use scriptworker::taskcluster::transfer::{TransferError, TransferLimits};
use scriptworker::taskcluster::{ApiError, Auth, Budget, Failure, Http, Objects, Queue, RootUrl};
use scriptworker_core::ids::{ArtifactName, RunId, RunKey, TaskId, TaskQueueId, WorkerGroup, WorkerId};
use scriptworker_core::run::{ExceptionReason, Report};
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde_json::Value;
use std::time::Duration;

/// The calls that this project makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Claim,
    Reclaim,
    Completed,
    Failed,
    Exception,
    Create,
    Finish,
    Task,
    Status,
    List,
    Get,
    Content,
    Info,
    CreateUpload,
    FinishUpload,
    Put,
    Download,
}

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    Success,
    /// Where a redirect points to.
    Location(String),
    /// Downloaded content.
    Bytes(Vec<u8>),
    Api(Box<ApiError>),
    Transfer(Box<TransferError>),
}

/// What a recorded request asks for, and of what.
#[derive(Debug)]
pub struct Asked {
    pub route: Route,
    task: TaskId,
    /// `None`: the latest.
    run: Option<RunId>,
    /// Decoded: the queue, artifact or object.
    name: String,
}

/// Reads a recorded request; `None` is a call that this project does not make.
pub fn asked(exchange: &Exchange) -> Option<Asked> {
    let path = exchange.path().split('?').next().unwrap();
    let asked = |route, task: &str, run: Option<&str>, name: &str| {
        let run = run.map(|run| RunId::new(run.parse().unwrap()).unwrap());
        let name = percent_decode_str(name).decode_utf8().unwrap().into_owned();
        Some(Asked { route, task: TaskId::parse(task).unwrap_or_else(|_| dummy()), run, name })
    };
    let Some(api) = path.strip_prefix("/api/") else {
        return match exchange.method() {
            "PUT" => asked(Route::Put, "", None, ""),
            "GET" => asked(Route::Download, "", None, ""),
            _ => None,
        };
    };
    let (service, rest) = api.split_once("/v1/").unwrap();
    let (first, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let (id, rest) = match (exchange.method(), service, first) {
        ("POST", "queue", "claim-work") => return asked(Route::Claim, "", None, rest),
        ("PUT", "object", "upload") => return asked(Route::CreateUpload, "", None, rest),
        ("POST", "object", "finish-upload") => return asked(Route::FinishUpload, "", None, rest),
        (_, "queue", "task") => rest.split_once('/').unwrap_or((rest, "")),
        _ => return None,
    };
    let (run, rest) = match rest.strip_prefix("runs/") {
        Some(rest) => rest.split_once('/').map(|(run, rest)| (Some(run), rest)).unwrap(),
        None => (None, rest),
    };
    let (what, name) = rest.split_once('/').map_or((rest, None), |(what, name)| (what, Some(name)));
    let route = match (exchange.method(), what, name) {
        ("GET", "", None) => Route::Task,
        ("GET", "status", None) => Route::Status,
        ("POST", "reclaim", None) => Route::Reclaim,
        ("POST", "completed", None) => Route::Completed,
        ("POST", "failed", None) => Route::Failed,
        ("POST", "exception", None) => Route::Exception,
        ("GET", "artifacts", None) => Route::List,
        ("GET", "artifacts", Some(_)) => Route::Get,
        ("POST", "artifacts", Some(_)) => Route::Create,
        ("PUT", "artifacts", Some(_)) => Route::Finish,
        ("GET", "artifact-content", Some(_)) => Route::Content,
        ("GET", "artifact-info", Some(_)) => Route::Info,
        _ => return None,
    };
    asked(route, id, run, name.unwrap_or_default())
}

fn dummy() -> TaskId {
    TaskId::parse("Ypg6xKhKRU-pnkwylNQrMw").unwrap()
}

/// Generous, because the machine may be busy; no test waits for it to pass.
pub const LIMITS: TransferLimits = TransferLimits { total: Duration::from_secs(120), max_bytes: 1 << 20 };

impl Asked {
    /// The service, and the call's name in its reference.
    pub fn call(&self) -> Option<(&'static str, &'static str)> {
        let latest = self.run.is_none();
        Some(match self.route {
            Route::Claim => ("queue", "claimWork"),
            Route::Reclaim => ("queue", "reclaimTask"),
            Route::Completed => ("queue", "reportCompleted"),
            Route::Failed => ("queue", "reportFailed"),
            Route::Exception => ("queue", "reportException"),
            Route::Create => ("queue", "createArtifact"),
            Route::Finish => ("queue", "finishArtifact"),
            Route::Task => ("queue", "task"),
            Route::Status => ("queue", "status"),
            Route::List => ("queue", if latest { "listLatestArtifacts" } else { "listArtifacts" }),
            Route::Get => ("queue", if latest { "getLatestArtifact" } else { "getArtifact" }),
            Route::Content => ("queue", if latest { "latestArtifact" } else { "artifact" }),
            Route::Info => ("queue", if latest { "latestArtifactInfo" } else { "artifactInfo" }),
            Route::CreateUpload => ("object", "createUpload"),
            Route::FinishUpload => ("object", "finishUpload"),
            Route::Put | Route::Download => return None,
        })
    }

    /// Makes the call, as near to the recorded one as our types allow.
    pub async fn replay(&self, http: &Http, root: &RootUrl, auth: Auth, exchange: &Exchange) -> Outcome {
        let budget = Budget { attempts: 1, total: Duration::from_secs(120) };
        let queue = Queue::new(http.clone(), root, auth.clone());
        let objects = Objects::new(http.clone(), root, auth);
        let body = &exchange.request["body"]["json"];
        let run = RunKey { task_id: self.task.clone(), run_id: self.run.unwrap_or(RunId::new(0).unwrap()) };
        let of = if self.run.is_some() { Of::Run(&run) } else { Of::Latest(&self.task) };
        let name = ArtifactName::parse(&self.name).unwrap_or(ArtifactName::parse("public/x").unwrap());
        let report = async |report| outcome(queue.report(&run, report, budget).await);
        match self.route {
            Route::Claim => {
                let pool = TaskQueueId::parse(&self.name).unwrap_or(TaskQueueId::parse("a/b").unwrap());
                let group = body["workerGroup"].as_str().and_then(|text| WorkerGroup::parse(text).ok());
                let worker = body["workerId"].as_str().and_then(|text| WorkerId::parse(text).ok());
                let worker = worker.unwrap_or(WorkerId::parse("w").unwrap());
                let claims = queue.claim_work(&pool, &group.unwrap(), &worker, budget).await;
                outcome(claims.map(|claims| {
                    claims.value.iter().for_each(|claim| assert!(claim.is_ok(), "{claim:?}"));
                    let recorded = &exchange.response["body"]["json"]["tasks"];
                    assert_eq!(claims.value.len(), recorded.as_array().unwrap().len());
                }))
            }
            Route::Reclaim => outcome(queue.reclaim_task(&run, budget).await),
            Route::Completed => report(Report::Completed).await,
            Route::Failed => report(Report::Failed).await,
            Route::Exception => {
                let reason = body["reason"].as_str().and_then(ExceptionReason::from_name);
                report(Report::Exception(reason.unwrap_or(ExceptionReason::InternalError))).await
            }
            Route::Create => {
                outcome(queue.create_artifact(&run, &name, &artifact_request(body), budget).await)
            }
            Route::Finish => {
                let upload = body["uploadId"].as_str().unwrap();
                outcome(queue.finish_artifact(&run, &name, upload, budget).await)
            }
            Route::Task => outcome(queue.task(&self.task, budget).await),
            Route::Status => outcome(queue.status(&self.task, budget).await),
            Route::List => {
                let result = queue.list_artifacts(of, 1, budget).await;
                let more = exchange.response["body"]["json"]["continuationToken"].is_string();
                match result {
                    Err(error) if more => {
                        assert!(matches!(error.failure, Failure::TooManyPages { limit: 1 }), "{error}");
                        Outcome::Success
                    }
                    result => outcome(result),
                }
            }
            Route::Get => match queue.get_artifact(of, &name, budget).await {
                Ok(located) => Outcome::Location(located.url.expose().to_owned()),
                Err(error) => Outcome::Api(Box::new(error)),
            },
            Route::Content => outcome(queue.artifact(of, &name, budget).await),
            Route::Info => outcome(queue.artifact_info(of, &name, budget).await),
            Route::CreateUpload | Route::FinishUpload => self.object(&objects, body, budget).await,
            Route::Put => put(http, root, exchange).await,
            Route::Download => download(http, root, exchange).await,
        }
    }

    async fn object(&self, objects: &Objects, body: &Value, budget: Budget) -> Outcome {
        let upload = self.upload(body);
        if self.route == Route::FinishUpload {
            let hashes: Hashes = serde_json::from_value(body["hashes"].clone()).unwrap();
            return outcome(objects.finish_upload(&upload, &hashes, budget).await);
        }
        let put = &body["proposedUploadMethods"]["putUrl"];
        let content_length = put["contentLength"].as_u64().unwrap();
        let put_url = Some(PutUrl { content_type: text(&put["contentType"]), content_length });
        let proposed = ProposedUploads { data_inline: None, put_url };
        outcome(objects.create_upload(&upload, None, &proposed, budget).await)
    }

    fn upload(&self, body: &Value) -> UploadOf {
        UploadOf {
            name: self.name.clone(),
            project_id: text(&body["projectId"]),
            upload_id: text(&body["uploadId"]),
            // not part of every request
            expires: date(&body["expires"]).unwrap_or(UnixMillis(0)),
        }
    }
}

async fn download(http: &Http, root: &RootUrl, exchange: &Exchange) -> Outcome {
    let url = Secret::new(format!("{root}{}", exchange.path()));
    let content = match http.get(&url, None, LIMITS).await {
        Ok(download) => download.collect().await,
        Err(error) => Err(error),
    };
    match content {
        Ok(bytes) => Outcome::Bytes(bytes.to_vec()),
        Err(error) => Outcome::Transfer(Box::new(error)),
    }
}

async fn put(http: &Http, root: &RootUrl, exchange: &Exchange) -> Outcome {
    let url = Secret::new(format!("{root}{}", exchange.path()));
    let ours = ["content-type", "content-encoding"];
    let headers: Vec<_> = ours
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), exchange.header(name)?.to_owned())))
        .collect();
    let bytes = exchange.sent();
    let len = bytes.len() as u64;
    match http.put(&url, &headers, len, stream::iter([Ok(bytes.into())]), LIMITS).await {
        Ok(()) => Outcome::Success,
        Err(error) => Outcome::Transfer(Box::new(error)),
    }
}

fn outcome<T>(result: Result<T, ApiError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Success,
        Err(error) => Outcome::Api(Box::new(error)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn date(value: &Value) -> Option<UnixMillis> {
    UnixMillis::parse(value.as_str()?).ok()
}

/// The request that a recorded body stands for; one of our own where it is none that we can make.
fn artifact_request(body: &Value) -> ArtifactRequest {
    let fallback = UnixMillis::parse("2026-11-24T15:51:26.385Z").unwrap();
    let expires = date(&body["expires"]).unwrap_or(fallback);
    let content_type = body["contentType"].as_str().unwrap_or("text/plain").to_owned();
    let content_length = body["contentLength"].as_u64();
    match body["storageType"].as_str() {
        Some("object") => ArtifactRequest::Object { expires, content_type, content_length },
        Some("reference") => ArtifactRequest::Reference { expires, content_type, url: text(&body["url"]) },
        Some("link") => ArtifactRequest::Link {
            expires,
            artifact: ArtifactName::parse(body["artifact"].as_str().unwrap()).unwrap(),
            content_type: body["contentType"].as_str().map(str::to_owned),
        },
        Some("error") => ArtifactRequest::Error {
            expires,
            reason: serde_json::from_value(body["reason"].clone())
                .unwrap_or(ArtifactErrorReason::FileMissingOnWorker),
            message: text(&body["message"]),
        },
        _ => ArtifactRequest::S3 { expires, content_type, content_length },
    }
}
