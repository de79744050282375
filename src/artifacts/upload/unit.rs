//! One try: `createArtifact`, PUT, and for the object service the calls around it.

use super::{Storage, UploadError, UploadPlan};
use crate::artifacts::api::{ArtifactApi, Grant, INLINE_LIMIT, Put};
use crate::artifacts::body::{BodyError, Digests, PreparedArtifact};
use crate::taskcluster::model::{
    ArtifactRequest, ArtifactResponse, DataInline, Hashes, ProposedUploads, PutUrl, UploadMethod,
};
use crate::taskcluster::objects::UploadOf;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use scriptworker_core::ids::ArtifactName;
use scriptworker_core::secret::Secret;

/// Uploads an artifact once. The digests are of its original bytes.
pub(super) async fn upload<A: ArtifactApi>(
    api: &A,
    artifact: &PreparedArtifact,
    plan: &UploadPlan,
) -> Result<Digests, UploadError> {
    let (expires, content_type) = (plan.expires, artifact.media_type().to_owned());
    let request = match plan.storage {
        Storage::S3 => ArtifactRequest::S3 { expires, content_type, content_length: None },
        Storage::Object => ArtifactRequest::Object { expires, content_type, content_length: None },
    };
    let created = api.create_artifact(&plan.run, artifact.name(), &request).await;
    match (plan.storage, created.map_err(UploadError::of_queue)?) {
        (Storage::S3, ArtifactResponse::S3 { put_url, .. }) => {
            put(api, artifact, plan, put_url, s3_headers(artifact)).await
        }
        (Storage::Object, ArtifactResponse::Object { name, project_id, upload_id, credentials, expires }) => {
            let grant = Grant { upload: UploadOf { name, project_id, upload_id, expires }, credentials };
            object(api, artifact, plan, &grant).await
        }
        (Storage::S3, _) => Err(UploadError::StorageType { expected: "s3" }),
        (Storage::Object, _) => Err(UploadError::StorageType { expected: "object" }),
    }
}

/// Makes an artifact that has no bytes.
pub(super) async fn record<A: ArtifactApi>(
    api: &A,
    plan: &UploadPlan,
    name: &ArtifactName,
    request: &ArtifactRequest,
) -> Result<(), UploadError> {
    let created = api.create_artifact(&plan.run, name, request).await;
    match (request, created.map_err(UploadError::of_queue)?) {
        (ArtifactRequest::Link { .. }, ArtifactResponse::Link {})
        | (ArtifactRequest::Error { .. }, ArtifactResponse::Error {}) => Ok(()),
        _ => Err(UploadError::StorageType { expected: "link or error" }),
    }
}

/// The headers of a PUT to `s3`: the type exactly as it was announced, for the signature covers it (artifacts.md 3).
fn s3_headers(artifact: &PreparedArtifact) -> Vec<(String, String)> {
    let mut headers = vec![("Content-Type".to_owned(), artifact.media_type().to_owned())];
    if artifact.encoding().is_some() {
        headers.push(("Content-Encoding".to_owned(), "gzip".to_owned()));
    }
    headers
}

/// An `object` artifact: its bytes in the way that the object service chooses, then both services are told.
async fn object<A: ArtifactApi>(
    api: &A,
    artifact: &PreparedArtifact,
    plan: &UploadPlan,
    grant: &Grant,
) -> Result<Digests, UploadError> {
    let content_type = || artifact.media_type().to_owned();
    let small = match artifact.length() {
        0..=INLINE_LIMIT => Some(whole(artifact).await?),
        _ => None,
    };
    let proposed = ProposedUploads {
        data_inline: small.as_ref().map(|(bytes, _)| DataInline {
            content_type: content_type(),
            object_data: STANDARD.encode(bytes),
        }),
        put_url: Some(PutUrl { content_type: content_type(), content_length: artifact.length() }),
    };
    let method = api.create_upload(grant, &proposed).await.map_err(UploadError::Call)?;
    let digests = match (method, small) {
        (UploadMethod { data_inline: true, .. }, Some((_, digests))) => digests,
        (UploadMethod { put_url: Some(target), .. }, _) => {
            put(api, artifact, plan, target.url, target.headers.into_iter().collect()).await?
        }
        _ => return Err(UploadError::NoUploadMethod),
    };
    // sha512 was asked for when the artifact was made ready: without it the service would refuse, not misbehave
    let hashes = Hashes { sha256: digests.sha256_hex(), sha512: digests.sha512_hex().unwrap_or_default() };
    api.finish_upload(grant, &hashes).await.map_err(UploadError::Call)?;
    let finished = api.finish_artifact(&plan.run, artifact.name(), &grant.upload.upload_id).await;
    finished.map_err(UploadError::of_queue)?;
    Ok(digests)
}

/// A small artifact in memory.
async fn whole(artifact: &PreparedArtifact) -> Result<(Vec<u8>, Digests), BodyError> {
    let (stream, outcome) = artifact.body();
    let bytes = stream.try_fold(Vec::new(), |mut all, piece| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    let bytes = bytes.await;
    // the outcome has the cause of an error in the stream, with its facts
    let digests = outcome.wait().await?;
    let bytes = bytes.map_err(|source| BodyError::Read { name: artifact.name().clone(), source })?;
    Ok((bytes, digests))
}

/// One PUT of the whole artifact, within the plan's limit.
async fn put<A: ArtifactApi>(
    api: &A,
    artifact: &PreparedArtifact,
    plan: &UploadPlan,
    url: Secret,
    headers: Vec<(String, String)>,
) -> Result<Digests, UploadError> {
    let limit = plan.put_timeout;
    let transfer = async {
        let (body, outcome) = artifact.body();
        let answer = api.put(Put { url, headers, length: artifact.length(), body, limit }).await;
        (answer, outcome.wait().await)
    };
    // the limit is for the file as well: a read that hangs would keep the body open
    match actix_rt::time::timeout(limit, transfer).await {
        Err(_) => Err(UploadError::Timeout { limit }),
        // a wrong file breaks the transfer: then that is the cause, whatever the other side made of it
        Ok((_, Err(error))) if !matches!(error, BodyError::Abandoned { .. }) => Err(error.into()),
        Ok((Err(error), _)) => Err(UploadError::Transfer(error)),
        Ok((Ok(()), sent)) => Ok(sent?),
    }
}
