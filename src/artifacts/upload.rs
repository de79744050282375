//! Uploads a list of files as artifacts of one run: bounded in parallel, retried, with one report at the end.
//!
//! What is retried is the unit "`createArtifact`, PUT, finish": a signed URL lives 45 minutes, so each try asks for
//! a fresh one (artifacts.md 3.3). A lost claim stops everything at once: nothing may be uploaded for a run that is
//! no longer ours.

mod error;
#[cfg(test)]
mod tests;
mod unit;

pub use error::UploadError;

use super::api::ArtifactApi;
use super::body::{Digests, Gzip, Preparation, PreparedArtifact};
use super::walk::{FoundFile, Listing};
use crate::random::random;
use crate::taskcluster::model::{ArtifactErrorReason, ArtifactRequest};
use futures_util::StreamExt;
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::retry::Backoff;
use scriptworker_core::run::TaskStatus;
use scriptworker_core::time::UnixMillis;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

/// Where the bytes of artifacts go (artifacts.md 9, decision A1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    /// A signed URL per artifact, compressed types as gzip. The default.
    S3,
    /// The object service, everything as it is: a PUT there takes no headers of ours, so no content encoding.
    Object,
}

/// How the artifacts of a run are uploaded.
#[derive(Debug, Clone)]
pub struct UploadPlan {
    /// Whose artifacts they are.
    pub run: RunKey,
    /// Until when they are kept: see [`expires`].
    pub expires: UnixMillis,
    /// Where they go.
    pub storage: Storage,
    /// Where compressed forms are kept while they are sent; not below `artifact_dir`.
    pub scratch: PathBuf,
    /// How many are in flight at most (at least one is).
    pub parallelism: usize,
    /// The limit of one PUT, from the connection to the answer (`artifact_upload_timeout`).
    pub put_timeout: Duration,
    /// How often each artifact is tried (at least once).
    pub attempts: u32,
    /// The waits between tries.
    pub backoff: Backoff,
    /// Whether SHA-512 is computed besides SHA-256, because it is to be attested.
    pub sha512: bool,
    /// The artifact that goes alone before all others: the task's log, so that there is one whatever happens later.
    pub first: Option<ArtifactName>,
}

/// What became of all of them.
#[derive(Debug, Default)]
pub struct UploadReport {
    /// Those that the storage has, by name.
    pub uploaded: Vec<Uploaded>,
    /// Those that it has not, by name; what the walk refused comes first. After a lost claim or an abort, those that
    /// were not tried or not finished are in neither list.
    pub failed: Vec<Failed>,
    /// The queue said that the run is no longer ours, or its claim is over by our own clock: abandon it.
    pub claim_lost: bool,
    /// The caller asked to stop.
    pub aborted: bool,
}

/// An artifact that the storage confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// Its name.
    pub name: ArtifactName,
    /// Its content type.
    pub media_type: &'static str,
    /// Whether it is stored compressed.
    pub encoding: Option<Gzip>,
    /// The digests of the original bytes.
    pub digests: Digests,
    /// The number of original bytes.
    pub length: u64,
    /// The number of bytes that were sent.
    pub sent: u64,
}

/// An artifact that could not be uploaded.
#[derive(Debug)]
pub struct Failed {
    /// Its name, or the escaped path of what can have no name.
    pub name: String,
    /// Why.
    pub error: UploadError,
    /// What that means for the task (artifacts.md 8).
    pub status: TaskStatus,
}

/// What happens during an upload, as it happens.
#[derive(Debug)]
pub enum Progress<'a> {
    /// An artifact is ready and its first try begins.
    Started {
        /// Its name.
        name: &'a ArtifactName,
        /// The bytes to send.
        length: u64,
    },
    /// A try failed and another one follows.
    Retrying {
        /// The name of the artifact.
        name: &'a ArtifactName,
        /// The number of the try that failed, from 1.
        attempt: u32,
        /// Why it failed.
        error: &'a UploadError,
        /// How long until the next.
        wait: Duration,
    },
    /// An artifact is stored.
    Uploaded(&'a Uploaded),
    /// An artifact will not be stored.
    Failed(&'a Failed),
}

impl UploadPlan {
    /// The usual plan: `s3`, ten in flight, five tries with the waits of artifacts.md 3.3, 1200 s per PUT.
    pub fn new(run: RunKey, expires: UnixMillis, scratch: PathBuf) -> Self {
        Self {
            run,
            expires,
            storage: Storage::S3,
            scratch,
            parallelism: 10,
            put_timeout: Duration::from_secs(1200),
            attempts: 5,
            backoff: Backoff::ARTIFACT,
            sha512: false,
            first: None,
        }
    }

    /// How the artifacts of this plan are made ready.
    pub fn preparation(&self) -> Preparation {
        let object = self.storage == Storage::Object;
        Preparation { scratch: self.scratch.clone(), compress: !object, sha512: object || self.sha512 }
    }
}

impl UploadReport {
    /// The status of the whole upload phase: the worst of all.
    pub fn status(&self) -> TaskStatus {
        self.failed.iter().map(|failed| failed.status).fold(TaskStatus::Success, TaskStatus::worst)
    }

    fn add_failed(&mut self, failed: Failed, progress: &dyn Fn(Progress<'_>)) {
        tracing::error!(artifact = failed.name, error = %failed.error, status = %failed.status, "not uploaded");
        progress(Progress::Failed(&failed));
        self.failed.push(failed);
    }
}

impl Failed {
    fn new(name: impl Into<String>, error: UploadError) -> Self {
        Self { name: name.into(), status: error.status(), error }
    }
}

/// Until when artifacts are kept: as long as the task itself, or `artifact_expiration_hours` from now if that is
/// sooner (artifacts.md 3.2; the queue refuses anything after the task's own expiry).
pub fn expires(
    task_expires: UnixMillis,
    artifact_expiration_hours: Option<u32>,
    now: UnixMillis,
) -> UnixMillis {
    match artifact_expiration_hours {
        Some(hours) => task_expires.min(now.plus(i64::from(hours) * 3_600_000)),
        None => task_expires,
    }
}

/// Uploads everything in the listing. What the walk refused is reported as failed without being touched.
///
/// Ends early when `abort` becomes true (or its sender is gone: then nobody could stop it any more), or when the
/// queue says that the claim is lost; what is in flight then is dropped.
pub async fn upload_all<A: ArtifactApi>(
    api: &A,
    listing: Listing,
    plan: &UploadPlan,
    mut abort: watch::Receiver<bool>,
    progress: &dyn Fn(Progress<'_>),
) -> UploadReport {
    let mut report = UploadReport::default();
    for refused in listing.refused {
        report.add_failed(Failed::new(refused.path.clone(), UploadError::Body(refused.into())), progress);
    }
    let (first, others): (Vec<_>, Vec<_>) =
        listing.files.into_iter().partition(|file| Some(file.name()) == plan.first.as_ref());
    let refused = report.failed.len();
    for files in [first, others] {
        tokio::select! {
            biased;
            _ = abort.wait_for(|stop| *stop) => report.aborted = true,
            () = in_parallel(
                files.into_iter().map(|file| upload_file(api, file, plan, progress)),
                plan,
                &mut report,
                progress,
            ) => {}
        }
        if report.aborted || report.claim_lost {
            break;
        }
    }
    report.uploaded.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if let Some(tried) = report.failed.get_mut(refused..) {
        tried.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    }
    report
}

/// Uploads what the worker itself made, in the same way and with the same early ends, but one after the other, and
/// nothing after one that failed: what comes first is there whenever what follows is.
pub async fn upload_made<A: ArtifactApi>(
    api: &A,
    artifacts: &[PreparedArtifact],
    plan: &UploadPlan,
    mut abort: watch::Receiver<bool>,
) -> UploadReport {
    let mut report = UploadReport::default();
    for artifact in artifacts {
        let upload = std::iter::once(upload_one(api, artifact, plan, &|_| {}));
        tokio::select! {
            biased;
            _ = abort.wait_for(|stop| *stop) => report.aborted = true,
            () = in_parallel(upload, plan, &mut report, &|_| {}) => {}
        }
        if report.aborted || !report.failed.is_empty() {
            break;
        }
    }
    report
}

async fn in_parallel<F: Future<Output = Result<Uploaded, Failed>>>(
    uploads: impl Iterator<Item = F>,
    plan: &UploadPlan,
    report: &mut UploadReport,
    progress: &dyn Fn(Progress<'_>),
) {
    let uploads = futures_util::stream::iter(uploads);
    let mut running = std::pin::pin!(uploads.buffer_unordered(plan.parallelism.max(1)));
    while let Some(result) = running.next().await {
        match result {
            Ok(uploaded) => {
                tracing::info!(artifact = %uploaded.name, sha256 = uploaded.digests.sha256_hex(), "uploaded");
                progress(Progress::Uploaded(&uploaded));
                report.uploaded.push(uploaded);
            }
            Err(failed) => {
                report.claim_lost = matches!(failed.error, UploadError::ClaimLost(_));
                report.add_failed(failed, progress);
                if report.claim_lost {
                    return;
                }
            }
        }
    }
}

async fn upload_file<A: ArtifactApi>(
    api: &A,
    file: FoundFile,
    plan: &UploadPlan,
    progress: &dyn Fn(Progress<'_>),
) -> Result<Uploaded, Failed> {
    let name = file.name().clone();
    let ready = PreparedArtifact::new(file, &plan.preparation()).await;
    let artifact = ready.map_err(|error| Failed::new(name.as_str(), error.into()))?;
    upload_one(api, &artifact, plan, progress).await
}

async fn upload_one<A: ArtifactApi>(
    api: &A,
    artifact: &PreparedArtifact,
    plan: &UploadPlan,
    progress: &dyn Fn(Progress<'_>),
) -> Result<Uploaded, Failed> {
    let name = artifact.name().clone();
    progress(Progress::Started { name: &name, length: artifact.length() });
    let digests = retried(plan, &name, progress, || unit::upload(api, artifact, plan)).await;
    Ok(Uploaded {
        digests: digests.map_err(|error| Failed::new(name.as_str(), error))?,
        media_type: artifact.media_type(),
        encoding: artifact.encoding(),
        length: artifact.original_length(),
        sent: artifact.length(),
        name,
    })
}

/// Makes `name` another name of the artifact `target` of the same run.
pub async fn create_link<A: ArtifactApi>(
    api: &A,
    plan: &UploadPlan,
    name: &ArtifactName,
    target: &ArtifactName,
    content_type: Option<&str>,
) -> Result<(), UploadError> {
    let (artifact, content_type) = (target.clone(), content_type.map(str::to_owned));
    let request = ArtifactRequest::Link { expires: plan.expires, artifact, content_type };
    retried(plan, name, &|_| {}, || unit::record(api, plan, name, &request)).await
}

/// Notes that there is no artifact of this name, and why. A message of more than 4096 characters is cut.
pub async fn create_error<A: ArtifactApi>(
    api: &A,
    plan: &UploadPlan,
    name: &ArtifactName,
    reason: ArtifactErrorReason,
    message: &str,
) -> Result<(), UploadError> {
    let message = message.chars().take(4096).collect();
    let request = ArtifactRequest::Error { expires: plan.expires, reason, message };
    retried(plan, name, &|_| {}, || unit::record(api, plan, name, &request)).await
}

/// Tries until it works, cannot work, or was tried often enough; then the last error counts.
async fn retried<T, F: Future<Output = Result<T, UploadError>>>(
    plan: &UploadPlan,
    name: &ArtifactName,
    progress: &dyn Fn(Progress<'_>),
    attempt_once: impl Fn() -> F,
) -> Result<T, UploadError> {
    let mut attempt = 1;
    loop {
        let error = match attempt_once().await {
            Ok(done) => return Ok(done),
            Err(error) if attempt >= plan.attempts || !error.may_pass() => return Err(error),
            Err(error) => error,
        };
        // the specification's formula counts the try that is about to come: 10 s or more before the second
        let wait = Duration::from_millis(plan.backoff.wait_ms(attempt.saturating_add(1), random()));
        tracing::warn!(artifact = %name, attempt, %error, ?wait, "upload failed, will try again");
        progress(Progress::Retrying { name, attempt, error: &error, wait });
        actix_rt::time::sleep(wait).await;
        attempt = attempt.saturating_add(1);
    }
}
