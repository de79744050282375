//! One try: `createArtifact`, PUT, and for the object service the calls around it.

use super::{Storage, UploadError, UploadPlan};
use crate::artifacts::api::{
    ArtifactApi, ArtifactKind, Created, INLINE_LIMIT, NewArtifact, PutRequest, UploadMethod, UploadProposal,
    s3_headers,
};
use crate::artifacts::body::{BodyError, Digests, PreparedArtifact};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use scriptworker_core::ids::ArtifactName;
use scriptworker_core::secret::Secret;
use std::collections::BTreeMap;

/// Uploads an artifact once. The digests are of its original bytes.
pub(super) async fn upload<A: ArtifactApi>(
    api: &A,
    artifact: &PreparedArtifact,
    plan: &UploadPlan,
) -> Result<Digests, UploadError> {
    let content_type = artifact.media_type();
    let kind = match plan.storage {
        Storage::S3 => ArtifactKind::S3 { content_type },
        Storage::Object => ArtifactKind::Object { content_type },
    };
    let request = NewArtifact { expires: plan.expires, kind };
    let created = api.create_artifact(&plan.run, artifact.name(), &request).await;
    match (plan.storage, created.map_err(UploadError::of_queue)?) {
        (Storage::S3, Created::Put(url)) => {
            put(api, artifact, plan, url, s3_headers(content_type, artifact.encoding())).await
        }
        (Storage::Object, Created::Object(grant)) => {
            let digests = object(api, artifact, plan, &grant).await?;
            api.finish_upload(&grant, &digests).await.map_err(UploadError::Call)?;
            let finished = api.finish_artifact(&plan.run, artifact.name(), &grant).await;
            finished.map_err(UploadError::of_queue)?;
            Ok(digests)
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
    artifact: &NewArtifact<'_>,
) -> Result<(), UploadError> {
    let created = api.create_artifact(&plan.run, name, artifact).await;
    match created.map_err(UploadError::of_queue)? {
        Created::Done => Ok(()),
        Created::Put(_) | Created::Object(_) => Err(UploadError::StorageType { expected: "link or error" }),
    }
}

/// The bytes of an `object` artifact, in the way that the object service chooses.
async fn object<A: ArtifactApi>(
    api: &A,
    artifact: &PreparedArtifact,
    plan: &UploadPlan,
    grant: &A::Grant,
) -> Result<Digests, UploadError> {
    let small = match artifact.length() {
        0..=INLINE_LIMIT => Some(whole(artifact).await?),
        _ => None,
    };
    let proposal = UploadProposal {
        content_type: artifact.media_type(),
        content_length: artifact.length(),
        inline: small.as_ref().map(|(bytes, _)| bytes.clone()),
    };
    let method = api.create_upload(grant, &proposal).await.map_err(UploadError::Call)?;
    match (method, small) {
        (UploadMethod::Inline, Some((_, digests))) => Ok(digests),
        (UploadMethod::Put { url, headers }, _) => put(api, artifact, plan, url, headers).await,
        (UploadMethod::Inline, None) | (UploadMethod::Unsupported, _) => Err(UploadError::NoUploadMethod),
    }
}

/// A small artifact in memory.
async fn whole(artifact: &PreparedArtifact) -> Result<(Bytes, Digests), BodyError> {
    let (stream, outcome) = artifact.body();
    let bytes: Result<BytesMut, _> = stream
        .try_fold(BytesMut::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await;
    // the outcome has the cause of an error in the stream, with its facts
    let digests = outcome.wait().await?;
    let bytes = bytes.map_err(|source| BodyError::Read { name: artifact.name().clone(), source })?;
    Ok((bytes.freeze(), digests))
}

/// One PUT of the whole artifact, within the plan's limit.
async fn put<A: ArtifactApi>(
    api: &A,
    artifact: &PreparedArtifact,
    plan: &UploadPlan,
    url: Secret,
    headers: BTreeMap<String, String>,
) -> Result<Digests, UploadError> {
    let limit = plan.put_timeout;
    let transfer = async {
        let (body, outcome) = artifact.body();
        let answer = api.put(PutRequest { url, headers, length: artifact.length(), body }).await;
        (answer, outcome.wait().await)
    };
    let Ok(ended) = actix_rt::time::timeout(limit, transfer).await else {
        return Err(UploadError::Timeout { limit });
    };
    match ended {
        // a wrong file breaks the transfer: then that is the cause, whatever the other side made of it
        (_, Err(error)) if !matches!(error, BodyError::Abandoned { .. }) => Err(error.into()),
        (Err(error), _) => Err(UploadError::Transfer(error)),
        (Ok(answer), sent) => match answer.status {
            200 | 204 => Ok(sent?),
            status => Err(UploadError::Put { status, excerpt: answer.excerpt }),
        },
    }
}
