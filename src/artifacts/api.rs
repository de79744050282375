//! The calls that an upload makes, as one narrow trait, and the Taskcluster client behind it.
//!
//! The trait keeps uploads testable against a storage that fails in chosen ways. Requests and answers are those of
//! the client; no decision is made here.

use super::body::BodyStream;
use crate::taskcluster::error::ApiError;
use crate::taskcluster::model::{ArtifactRequest, ArtifactResponse, Hashes, ProposedUploads, UploadMethod};
use crate::taskcluster::objects::UploadOf;
use crate::taskcluster::transfer::{TransferError, TransferLimits};
use crate::taskcluster::{Auth, Budget, Credentials, Http, Objects, Queue, RootUrl};
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::secret::Secret;
use std::time::Duration;

/// The queue, the object service and the storage behind them, as an upload sees them.
///
/// Calls to the services may be repeated by the implementation; what it returns is final. [`ArtifactApi::put`] is
/// never repeated: a repetition needs a fresh URL.
pub trait ArtifactApi {
    /// `createArtifact` of the queue.
    fn create_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        request: &ArtifactRequest,
    ) -> impl Future<Output = Result<ArtifactResponse, ApiError>>;

    /// `finishArtifact` of the queue.
    fn finish_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        upload_id: &str,
    ) -> impl Future<Output = Result<(), ApiError>>;

    /// `createUpload` of the object service.
    fn create_upload(
        &self,
        object: &Grant,
        proposed: &ProposedUploads,
    ) -> impl Future<Output = Result<UploadMethod, ApiError>>;

    /// `finishUpload` of the object service.
    fn finish_upload(&self, object: &Grant, hashes: &Hashes) -> impl Future<Output = Result<(), ApiError>>;

    /// One PUT to the storage with exactly these headers and this length. Status 200 and 204 are success.
    fn put(&self, put: Put) -> impl Future<Output = Result<(), TransferError>>;
}

/// What `createArtifact` answered for an `object` artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which upload it is.
    pub upload: UploadOf,
    /// Good for this upload at the object service, for nothing else.
    pub credentials: Credentials,
}

/// One PUT.
#[derive(Debug)]
pub struct Put {
    /// Where to. Signed: whoever knows it can write there.
    pub url: Secret,
    /// Header names and values, without the length.
    pub headers: Vec<(String, String)>,
    /// The `Content-Length`.
    pub length: u64,
    /// Exactly so many bytes, or an error.
    pub body: BodyStream,
    /// From the first byte of the request to the last of the answer.
    pub limit: Duration,
}

/// The largest content that is offered as part of `createUpload` (taskcluster-api.md 4.4: 10926 characters of base64).
pub const INLINE_LIMIT: u64 = 8192;

/// The Taskcluster deployment that the worker works for.
#[derive(Clone)]
pub struct Deployment {
    http: Http,
    root_url: RootUrl,
    queue: Queue,
    budget: Budget,
}

impl Deployment {
    /// `auth` gives the newest credentials of the run; `budget` is that of each call to a service.
    pub fn new(http: Http, root_url: RootUrl, auth: Auth, budget: Budget) -> Self {
        let queue = Queue::new(http.clone(), &root_url, auth);
        Self { http, root_url, queue, budget }
    }

    fn objects(&self, object: &Grant) -> Objects {
        Objects::new(self.http.clone(), &self.root_url, Auth::fixed(object.credentials.clone()))
    }
}

impl ArtifactApi for Deployment {
    async fn create_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        request: &ArtifactRequest,
    ) -> Result<ArtifactResponse, ApiError> {
        self.queue.create_artifact(run, name, request, self.budget).await
    }

    async fn finish_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        upload_id: &str,
    ) -> Result<(), ApiError> {
        self.queue.finish_artifact(run, name, upload_id, self.budget).await
    }

    async fn create_upload(
        &self,
        object: &Grant,
        proposed: &ProposedUploads,
    ) -> Result<UploadMethod, ApiError> {
        let created = self.objects(object).create_upload(&object.upload, None, proposed, self.budget).await;
        created.map(|answer| answer.value.upload_method)
    }

    async fn finish_upload(&self, object: &Grant, hashes: &Hashes) -> Result<(), ApiError> {
        self.objects(object).finish_upload(&object.upload, hashes, self.budget).await
    }

    async fn put(&self, put: Put) -> Result<(), TransferError> {
        // nothing of the answer's body is kept
        let limits = TransferLimits { total: put.limit, max_bytes: 0 };
        self.http.put(&put.url, &put.headers, put.length, put.body, limits).await
    }
}
