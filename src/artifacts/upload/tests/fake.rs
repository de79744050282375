//! A queue, an object service and a storage in memory, which fail in chosen ways.

use crate::artifacts::api::*;
use crate::artifacts::body::Digests;
use crate::artifacts::upload::{UploadPlan, UploadReport, upload_all};
use crate::artifacts::walk::{ArtifactDir, Listing};
use futures_util::StreamExt;
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::retry::{Backoff, RetryClass, class_of_status};
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
    pub(super) finished: RefCell<Vec<(String, String)>>,
}

pub(super) fn error(call: &'static str, status: Option<u16>) -> CallError {
    let class = status.map_or(RetryClass::Transient, class_of_status);
    CallError { call, class, status, source: std::io::Error::other("canned").into() }
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

    pub(super) fn called(&self, call: &'static str) -> Vec<String> {
        self.calls.borrow().iter().filter(|(what, _)| *what == call).map(|(_, name)| name.clone()).collect()
    }

    fn new_url(&self, name: &str) -> Secret {
        self.urls.set(self.urls.get() + 1);
        Secret::new(format!("https://storage/{name}?X-Amz-Signature=canary{}", self.urls.get()))
    }
}

impl ArtifactApi for FakeStorage {
    type Grant = String;

    async fn create_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        artifact: &NewArtifact<'_>,
    ) -> Result<Created<String>, CallError> {
        self.calls.borrow_mut().push(("createArtifact", name.to_string()));
        self.requests.borrow_mut().push(format!("{run} {name} {} {:?}", artifact.expires, artifact.kind));
        let planned = self.next(name.as_str(), |plan| {
            matches!(plan, Plan::Create(_) | Plan::CreateBroken | Plan::WrongType)
        });
        match (planned, artifact.kind) {
            (Some(Plan::Create(status)), _) => Err(error("createArtifact", Some(status))),
            (Some(Plan::CreateBroken), _) => Err(error("createArtifact", None)),
            (Some(Plan::WrongType), _) => Ok(Created::Done),
            (_, ArtifactKind::S3 { .. }) => Ok(Created::Put(self.new_url(name.as_str()))),
            (_, ArtifactKind::Object { .. }) => Ok(Created::Object(name.to_string())),
            (_, ArtifactKind::Link { .. } | ArtifactKind::Error { .. }) => Ok(Created::Done),
        }
    }

    async fn create_upload(
        &self,
        grant: &String,
        proposal: &UploadProposal,
    ) -> Result<UploadMethod, CallError> {
        self.calls.borrow_mut().push(("createUpload", grant.clone()));
        if self.no_method {
            return Ok(UploadMethod::Unsupported);
        }
        if let Some(bytes) = &proposal.inline {
            let stored =
                Stored { headers: BTreeMap::new(), length: proposal.content_length, bytes: bytes.to_vec() };
            self.stored.borrow_mut().insert(grant.clone(), stored);
            return Ok(UploadMethod::Inline);
        }
        let headers = BTreeMap::from([("x-object".to_owned(), proposal.content_type.to_owned())]);
        Ok(UploadMethod::Put { url: self.new_url(grant), headers })
    }

    async fn finish_upload(&self, grant: &String, digests: &Digests) -> Result<(), CallError> {
        self.calls.borrow_mut().push(("finishUpload", grant.clone()));
        self.finished.borrow_mut().push((digests.sha256_hex(), digests.sha512_hex().unwrap()));
        Ok(())
    }

    async fn finish_artifact(
        &self,
        _: &RunKey,
        name: &ArtifactName,
        grant: &String,
    ) -> Result<(), CallError> {
        assert_eq!(name.as_str(), grant);
        self.calls.borrow_mut().push(("finishArtifact", grant.clone()));
        Ok(())
    }

    async fn put(&self, request: PutRequest) -> Result<PutAnswer, CallError> {
        let url = request.url.expose().to_owned();
        let name = url.strip_prefix("https://storage/").unwrap().split_once('?').unwrap().0.to_owned();
        assert!(!self.used.borrow().contains(&url), "a URL was used twice");
        self.used.borrow_mut().push(url);
        self.calls.borrow_mut().push(("PUT", name.clone()));
        self.in_flight.set(self.in_flight.get() + 1);
        self.most_in_flight.set(self.most_in_flight.get().max(self.in_flight.get()));
        if let Some(together) = &self.together {
            together.wait().await;
        }
        let planned = self
            .next(&name, |plan| matches!(plan, Plan::Put(_) | Plan::Early(_) | Plan::Broken | Plan::Hangs));
        let answer = |status| PutAnswer { status, excerpt: "<Code>SlowDown</Code>".to_owned() };
        let result = match planned {
            Some(Plan::Hangs) => std::future::pending().await,
            Some(Plan::Early(status)) => Ok(answer(status)),
            Some(Plan::Broken) => Err(error("put", None)),
            planned => {
                let mut bytes = Vec::new();
                let mut body = request.body;
                let mut broken = false;
                while let Some(piece) = body.next().await {
                    match piece {
                        Ok(piece) => bytes.extend_from_slice(&piece),
                        Err(_) => broken = true,
                    }
                }
                if broken {
                    Err(error("put", None))
                } else if let Some(Plan::Put(status)) = planned {
                    Ok(answer(status))
                } else {
                    self.calls.borrow_mut().push(("stored", name.clone()));
                    let stored = Stored { headers: request.headers, length: request.length, bytes };
                    self.stored.borrow_mut().insert(name, stored);
                    Ok(answer(200))
                }
            }
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
