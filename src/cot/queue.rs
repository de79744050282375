//! The queue: definitions, states, artifacts of a run.

use super::fetch::{ATTEMPTS, FetchError, Found, may_pass, pause, settled};
use super::sources::{SourceError, Sources};
use super::staging::StageError;
use crate::taskcluster::artifacts::Of;
use crate::taskcluster::error::{ApiError, Failure, WireError};
use crate::taskcluster::transfer::{TransferError, TransferLimits};
use crate::taskcluster::{Answer as Reply, Budget, Queue};
use bytes::Bytes;
use scriptworker_core::cot::evidence::Answer;
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::json::DocumentKind;
use std::time::Duration;

/// Pages of a listing, of 1000 names each.
const PAGES: u32 = 100;
/// How long one attempt at an artifact may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The largest artifact, in bytes.
const LARGEST: u64 = 1 << 40;

/// What a failed call means for the question, if it means anything.
fn certain(error: &ApiError) -> Option<Answer> {
    match &error.failure {
        Failure::Refused(refusal) if matches!(refusal.status, 404 | 410) => Some(Answer::Absent),
        Failure::ErrorArtifact { .. } => Some(Answer::Absent),
        Failure::Wire(WireError::TooLarge { limit }) => Some(Answer::TooLarge { limit: *limit }),
        Failure::Refused(_)
        | Failure::Wire(_)
        | Failure::NotJson { .. }
        | Failure::Schema(_)
        | Failure::MissingHeader { .. }
        | Failure::TooManyPages { .. }
        | Failure::NoCredentials(_) => None,
    }
}

/// The answer of a call that gives a document of this kind.
pub(super) fn document(
    reply: Result<Reply<Bytes>, ApiError>,
    kind: DocumentKind,
) -> Result<Answer, SourceError> {
    let limit = kind.limits().bytes;
    match reply {
        Ok(reply) if reply.value.len() as u64 > limit => Ok(Answer::TooLarge { limit }),
        Ok(reply) => Ok(Answer::Present(reply.value.as_ref().into())),
        Err(error) => certain(&error).ok_or(SourceError::Api(error)),
    }
}

/// Where the bytes of an artifact go.
enum Target {
    Memory(u64),
    Disk,
}

impl Sources {
    /// The names of a run's artifacts, as a list.
    pub(super) async fn listing(&self, run: &RunKey) -> Result<Answer, SourceError> {
        match self.own.list_artifacts(Of::Run(run), PAGES, Budget::default()).await {
            Ok(artifacts) => {
                let names: Vec<_> = artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
                Ok(Answer::Present(serde_json::Value::from(names).to_string().into_bytes().into()))
            }
            Err(error) => certain(&error).ok_or(SourceError::Api(error)),
        }
    }

    /// The bytes of an artifact.
    pub(super) async fn artifact_bytes(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        limit: u64,
    ) -> Result<Answer, SourceError> {
        self.artifact(run, name, &Target::Memory(limit)).await
    }

    /// An artifact, to its place on disk.
    pub(super) async fn artifact_file(
        &self,
        run: &RunKey,
        name: &ArtifactName,
    ) -> Result<Answer, SourceError> {
        self.artifact(run, name, &Target::Disk).await
    }

    async fn artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        target: &Target,
    ) -> Result<Answer, SourceError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.attempt(run, name, target).await {
                Ok(answer) => return Ok(answer),
                Err(StageError::Api(error)) => {
                    return certain(&error).ok_or(SourceError::Api(error));
                }
                Err(StageError::File(source)) => return Err(SourceError::File(source)),
                Err(StageError::Transfer(error)) => error,
            };
            match settled(&error) {
                Some(Found::TooLarge) => return Ok(Answer::TooLarge { limit: target.limit() }),
                // what the queue has an entry for, its storage has: 404 there is trouble, except where it lasts
                Some(Found::Nothing) if attempts >= ATTEMPTS => return Ok(Answer::Absent),
                Some(Found::Nothing) => {}
                Some(Found::Content(_)) | None if may_pass(&error) && attempts < ATTEMPTS => {}
                Some(Found::Content(_)) | None => {
                    return Err(FetchError::Transfer { attempts, error }.into());
                }
            }
            pause(attempts).await;
        }
    }

    /// The queue is asked anew each time: the addresses that it gives are good for a while only.
    async fn attempt(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        target: &Target,
    ) -> Result<Answer, StageError> {
        let queue: &Queue = if name.is_public() { &self.anonymous } else { &self.own };
        let located = queue.get_artifact(Of::Run(run), name, Budget::default()).await?;
        let limits = TransferLimits { total: PATIENCE, max_bytes: target.limit() };
        let download = self.http.get(&located.url, None, limits).await?;
        match target {
            Target::Memory(_) => {
                let bytes = download.collect().await.map_err(|error: TransferError| error)?;
                Ok(Answer::Present(bytes.as_ref().into()))
            }
            Target::Disk => Ok(Answer::Stored(self.staging.store(run, name, download).await?)),
        }
    }
}

impl Target {
    fn limit(&self) -> u64 {
        match self {
            Self::Memory(limit) => *limit,
            Self::Disk => LARGEST,
        }
    }
}
