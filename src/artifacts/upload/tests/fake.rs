//! A queue, an object service and a storage in memory, which fail in chosen ways.

use crate::artifacts::api::{ArtifactApi, Grant, Put};
use crate::artifacts::upload::{UploadPlan, UploadReport, upload_all};
use crate::artifacts::walk::{ArtifactDir, Listing};
use crate::taskcluster::error::{ApiError, ErrorCode, Failure, Refusal, WireError};
use crate::taskcluster::model::{
    ArtifactRequest, ArtifactResponse, Hashes, ProposedUploads, PutTarget, UploadMethod,
};
use crate::taskcluster::transfer::TransferError;
use crate::taskcluster::{Credentials, NoCredentials};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::retry::Backoff;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::sync::{Barrier, watch};

/// What the other side does with one call, in order; when nothing is planned, all goes well.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plan {
    /// `createArtifact` is refused with this status.
    Create(u16),
    /// `createArtifact` gets no answer.
    CreateBroken,
    /// The PUT is answered with this status after the whole body.
    Put(u16),
    /// The PUT is answered with this status before the body was read.
    Early(u16),
    /// The connection breaks before the body was read.
    Broken,
    /// The PUT never ends.
    Hangs,
    /// The answer is for another storage type.
    WrongType,
    /// `createArtifact` is answered by something in front of the queue.
    Proxy(u16),
    /// There are no credentials any more.
    ClaimOver,
}

impl Plan {
    fn is_for_put(&self) -> bool {
        matches!(self, Self::Put(_) | Self::Early(_) | Self::Broken | Self::Hangs)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) length: u64,
    pub(super) bytes: Vec<u8>,
}

#[derive(Default)]
pub(super) struct FakeStorage {
    plans: RefCell<BTreeMap<String, VecDeque<Plan>>>,
    /// Every call: what, and for which artifact.
    pub(super) calls: RefCell<Vec<(&'static str, String)>>,
    pub(super) requests: RefCell<Vec<String>>,
    pub(super) stored: RefCell<BTreeMap<String, Stored>>,
    /// URLs are used once only.
    urls: Cell<u32>,
    used: RefCell<Vec<String>>,
    in_flight: Cell<usize>,
    pub(super) most_in_flight: Cell<usize>,
    /// Every PUT waits until so many are there.
    together: Option<Barrier>,
    /// The object service supports none of the ways that are offered.
    no_method: bool,
    pub(super) finished: RefCell<Vec<Hashes>>,
}

fn refused(status: u16) -> ApiError {
    let refusal = Refusal {
        status,
        code: ErrorCode::Other("canned".to_owned()),
        message: String::new(),
        retry_after: None,
        clock_skew_s: None,
    };
    failed(Failure::Refused(Box::new(refusal)))
}

fn failed(failure: Failure) -> ApiError {
    ApiError { call: "createArtifact", attempts: 1, failure }
}

fn broken() -> TransferError {
    let error = WireError::Broken("canned".to_owned());
    TransferError::Wire { place: "https://storage/".to_owned(), error }
}

fn answered(status: u16) -> Result<(), TransferError> {
    let (place, start) = ("https://storage/".to_owned(), "SlowDown".to_owned());
    if matches!(status, 200 | 204) {
        Ok(())
    } else {
        Err(TransferError::Status { place, status, start, wait: None })
    }
}

impl FakeStorage {
    /// PUTs proceed only when `together` of them are there.
    pub(super) fn in_rounds_of(together: usize) -> Self {
        Self { together: Some(Barrier::new(together)), ..Self::default() }
    }

    /// The object service supports none of the ways that are offered.
    pub(super) fn without_methods() -> Self {
        Self { no_method: true, ..Self::default() }
    }

    pub(super) fn plan(self, name: &str, plans: &[Plan]) -> Self {
        self.plans.borrow_mut().insert(name.to_owned(), plans.iter().copied().collect());
        self
    }

    fn next(&self, name: &str, wanted: fn(&Plan) -> bool) -> Option<Plan> {
        let mut plans = self.plans.borrow_mut();
        let plans = plans.get_mut(name)?;
        if wanted(plans.front()?) { plans.pop_front() } else { None }
    }

    /// Reads the whole body, then answers as planned.
    async fn receive(&self, name: String, put: Put, planned: Option<Plan>) -> Result<(), TransferError> {
        let (mut bytes, mut body) = (Vec::new(), put.body);
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.map_err(TransferError::Content)?);
        }
        if let Some(Plan::Put(status)) = planned {
            return answered(status);
        }
        self.calls.borrow_mut().push(("stored", name.clone()));
        let headers = put.headers.into_iter().collect();
        self.stored.borrow_mut().insert(name, Stored { headers, length: put.length, bytes });
        Ok(())
    }

    pub(super) fn called(&self, call: &'static str) -> Vec<String> {
        self.calls.borrow().iter().filter(|(what, _)| *what == call).map(|(_, name)| name.clone()).collect()
    }

    fn new_url(&self, name: &str) -> Secret {
        self.urls.set(self.urls.get() + 1);
        Secret::new(format!("https://storage/{name}?X-Amz-Signature=canary{}", self.urls.get()))
    }
}

impl ArtifactApi for FakeStorage {
    async fn create_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        request: &ArtifactRequest,
    ) -> Result<ArtifactResponse, ApiError> {
        self.calls.borrow_mut().push(("createArtifact", name.to_string()));
        let body = serde_json::to_string(request).unwrap();
        self.requests.borrow_mut().push(format!("{run} {name} {body}"));
        match self.next(name.as_str(), |plan| !plan.is_for_put()) {
            Some(Plan::Create(status)) => return Err(refused(status)),
            Some(Plan::CreateBroken) => {
                return Err(failed(Failure::Wire(WireError::Broken("canned".to_owned()))));
            }
            Some(Plan::Proxy(status)) => {
                return Err(failed(Failure::NotJson { status, start: "<html>".to_owned() }));
            }
            Some(Plan::ClaimOver) => return Err(failed(Failure::NoCredentials(NoCredentials::ClaimOver))),
            Some(Plan::WrongType) => return Ok(ArtifactResponse::Reference {}),
            _ => {}
        }
        Ok(match request {
            ArtifactRequest::S3 { expires, content_type, .. } => ArtifactResponse::S3 {
                put_url: self.new_url(name.as_str()),
                expires: *expires,
                content_type: content_type.clone(),
            },
            ArtifactRequest::Object { expires, .. } => ArtifactResponse::Object {
                name: name.to_string(),
                project_id: "none".to_owned(),
                upload_id: format!("upload of {name}"),
                credentials: Credentials {
                    client_id: "object".to_owned(),
                    access_token: Secret::new("canary"),
                    certificate: None,
                },
                expires: *expires,
            },
            ArtifactRequest::Reference { .. } => ArtifactResponse::Reference {},
            ArtifactRequest::Link { .. } => ArtifactResponse::Link {},
            ArtifactRequest::Error { .. } => ArtifactResponse::Error {},
        })
    }

    async fn finish_artifact(
        &self,
        _: &RunKey,
        name: &ArtifactName,
        upload_id: &str,
    ) -> Result<(), ApiError> {
        assert_eq!(upload_id, format!("upload of {name}"));
        self.calls.borrow_mut().push(("finishArtifact", name.to_string()));
        Ok(())
    }

    async fn create_upload(
        &self,
        object: &Grant,
        proposed: &ProposedUploads,
    ) -> Result<UploadMethod, ApiError> {
        let name = object.upload.name.clone();
        self.calls.borrow_mut().push(("createUpload", name.clone()));
        let target = proposed.put_url.as_ref().unwrap();
        if self.no_method {
            return Ok(UploadMethod { data_inline: false, put_url: None });
        }
        if let Some(inline) = &proposed.data_inline {
            assert!(inline.object_data.len() <= 10_926);
            let bytes = STANDARD.decode(&inline.object_data).unwrap();
            let stored = Stored { headers: BTreeMap::new(), length: target.content_length, bytes };
            self.stored.borrow_mut().insert(name, stored);
            return Ok(UploadMethod { data_inline: true, put_url: None });
        }
        let headers = BTreeMap::from([("x-object".to_owned(), target.content_type.clone())]);
        let put_url = PutTarget { url: self.new_url(&name), expires: object.upload.expires, headers };
        Ok(UploadMethod { data_inline: false, put_url: Some(put_url) })
    }

    async fn finish_upload(&self, object: &Grant, hashes: &Hashes) -> Result<(), ApiError> {
        self.calls.borrow_mut().push(("finishUpload", object.upload.name.clone()));
        self.finished.borrow_mut().push(hashes.clone());
        Ok(())
    }

    async fn put(&self, put: Put) -> Result<(), TransferError> {
        let url = put.url.expose().to_owned();
        let name = url.strip_prefix("https://storage/").unwrap().split_once('?').unwrap().0.to_owned();
        assert!(!self.used.borrow().contains(&url), "a URL was used twice");
        self.used.borrow_mut().push(url);
        self.calls.borrow_mut().push(("PUT", name.clone()));
        self.in_flight.set(self.in_flight.get() + 1);
        self.most_in_flight.set(self.most_in_flight.get().max(self.in_flight.get()));
        if let Some(together) = &self.together {
            together.wait().await;
        }
        let result = match self.next(&name, Plan::is_for_put) {
            Some(Plan::Hangs) => std::future::pending().await,
            Some(Plan::Early(status)) => answered(status),
            Some(Plan::Broken) => Err(broken()),
            planned => self.receive(name, put, planned).await,
        };
        self.in_flight.set(self.in_flight.get() - 1);
        result
    }
}

/// `artifact_dir` with files in it, a scratch folder beside it, and a plan that does not wait between tries.
pub(super) struct Fixture {
    pub(super) dir: tempfile::TempDir,
    pub(super) plan: UploadPlan,
}

impl Fixture {
    pub(super) fn new(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["artifacts", "scratch"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        for (name, bytes) in files {
            let path = dir.path().join("artifacts").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let run = serde_json::from_str(r#"{"taskId": "Ypg6xKhKRU-pnkwylNQrMw", "runId": 0}"#).unwrap();
        let expires = UnixMillis::parse("2026-12-01T00:00:00+00:00").unwrap();
        let mut plan = UploadPlan::new(run, expires, dir.path().join("scratch"));
        plan.backoff = Backoff { base_ms: 0, max_ms: 0, jitter_percent: 0 };
        Self { dir, plan }
    }

    pub(super) fn listing(&self) -> Listing {
        ArtifactDir::open(&self.dir.path().join("artifacts"), nix::unistd::getuid()).unwrap().list()
    }

    /// Everything, to its end.
    pub(super) async fn upload(&self, storage: &FakeStorage) -> UploadReport {
        let (_running, abort) = watch::channel(false);
        let all = upload_all(storage, self.listing(), &self.plan, abort, &|_| {});
        actix_rt::time::timeout(Duration::from_secs(60), all).await.unwrap()
    }
}
