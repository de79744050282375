//! The calls that an upload makes, as one narrow trait, and what their failures mean.
//!
//! The trait keeps uploads testable against a storage that fails in chosen ways; the worker's implementation is the
//! Taskcluster client. Wire details are in taskcluster-api.md 4.3 and 4.4.

use super::body::{BodyStream, Digests, Gzip};
use bytes::Bytes;
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::retry::RetryClass;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;
use std::error::Error;

/// The queue, the object service and the storage behind them, as an upload sees them.
///
/// Every call is made with the newest credentials of the run. Implementations may repeat calls other than
/// [`ArtifactApi::put`] by themselves; what they return is final.
pub trait ArtifactApi {
    /// What the queue answers for an `object` artifact: its name and project there, the upload's id, and credentials
    /// for it. An upload only passes it on.
    type Grant;

    /// `createArtifact` of the queue.
    fn create_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        artifact: &NewArtifact<'_>,
    ) -> impl Future<Output = Result<Created<Self::Grant>, CallError>>;

    /// `createUpload` of the object service.
    fn create_upload(
        &self,
        grant: &Self::Grant,
        proposal: &UploadProposal,
    ) -> impl Future<Output = Result<UploadMethod, CallError>>;

    /// `finishUpload` of the object service; `digests` has both hashes.
    fn finish_upload(
        &self,
        grant: &Self::Grant,
        digests: &Digests,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// `finishArtifact` of the queue.
    fn finish_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        grant: &Self::Grant,
    ) -> impl Future<Output = Result<(), CallError>>;

    /// One PUT to the storage, never repeated: with exactly these headers besides `Host`, `User-Agent`, `Accept` and
    /// `Content-Length`, no redirects followed, no body encoding of its own. An error status is an answer, no error.
    fn put(&self, request: PutRequest) -> impl Future<Output = Result<PutAnswer, CallError>>;
}

/// The body of `createArtifact` (artifacts.md 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewArtifact<'a> {
    /// Until when the queue keeps it: not later than the task's own expiry.
    pub expires: UnixMillis,
    /// What it is.
    pub kind: ArtifactKind<'a>,
}

/// The storage types that the worker makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactKind<'a> {
    /// Bytes that are put to a signed URL.
    S3 {
        /// Its content type.
        content_type: &'a str,
    },
    /// Bytes that go through the object service.
    Object {
        /// Its content type.
        content_type: &'a str,
    },
    /// Another name of an artifact of the same run.
    Link {
        /// The name that it stands for.
        artifact: &'a ArtifactName,
        /// Its content type.
        content_type: Option<&'a str>,
    },
    /// The note that there is no such artifact, and why.
    Error {
        /// For programs.
        reason: ErrorReason,
        /// For people: at most 4096 characters.
        message: &'a str,
    },
}

/// Why an artifact that somebody may look for is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorReason {
    /// The file was not there.
    FileMissing,
    /// What was there is no file.
    InvalidResource,
    /// The file is too large.
    TooLarge,
    /// The file could not be read.
    NotReadable,
}

impl ErrorReason {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::FileMissing => "file-missing-on-worker",
            Self::InvalidResource => "invalid-resource-on-worker",
            Self::TooLarge => "too-large-file-on-worker",
            Self::NotReadable => "file-not-readable-on-worker",
        }
    }
}

/// The answer to `createArtifact`.
#[derive(Debug)]
pub enum Created<G> {
    /// `s3`: where to put the bytes. Whoever knows the URL can write there.
    Put(Secret),
    /// `object`: with what to ask the object service.
    Object(G),
    /// `link` and `error`: nothing more to do.
    Done,
}

/// The ways to upload that are offered to the object service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadProposal {
    /// The content type.
    pub content_type: &'static str,
    /// The number of bytes.
    pub content_length: u64,
    /// The bytes themselves, if there are at most [`INLINE_LIMIT`].
    pub inline: Option<Bytes>,
}

/// The largest content that is offered as part of `createUpload`.
pub const INLINE_LIMIT: u64 = 8192;

/// The way that the object service chose.
#[derive(Debug)]
pub enum UploadMethod {
    /// It took the bytes that were in the proposal.
    Inline,
    /// It wants them put to a URL, with exactly these headers.
    Put {
        /// Where. Whoever knows it can write there.
        url: Secret,
        /// Header names and values.
        headers: BTreeMap<String, String>,
    },
    /// It supports none of those that were offered.
    Unsupported,
}

/// One PUT.
#[derive(Debug)]
pub struct PutRequest {
    /// Where to: signed, never to be printed.
    pub url: Secret,
    /// Header names and values.
    pub headers: BTreeMap<String, String>,
    /// The `Content-Length`.
    pub length: u64,
    /// Exactly so many bytes, or an error.
    pub body: BodyStream,
}

/// What the storage said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The beginning of the body, for the log: without signatures, URLs or control characters.
    pub excerpt: String,
}

/// A call that failed for good, as far as the client is concerned.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed: {source}")]
pub struct CallError {
    /// The call, by the name that Taskcluster's reference gives it.
    pub call: &'static str,
    /// What the failure means for the call.
    pub class: RetryClass,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The client's own account of it.
    pub source: Box<dyn Error + Send + Sync>,
}

/// The headers of a PUT to `s3`: exactly what was announced, for the signature covers it (artifacts.md 3).
pub(super) fn s3_headers(content_type: &str, encoding: Option<Gzip>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::from([("Content-Type".to_owned(), content_type.to_owned())]);
    if let Some(Gzip) = encoding {
        headers.insert("Content-Encoding".to_owned(), "gzip".to_owned());
    }
    headers
}
