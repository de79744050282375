//! Artifacts: creating and finding them (taskcluster-api.md 4.2 and 4.3, artifacts.md 3).

use super::super::credentials::Credentials;
use scriptworker_core::ids::ArtifactName;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// How the content of an artifact is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageType {
    /// In a bucket of the queue.
    S3,
    /// In the object service.
    Object,
    /// Elsewhere, at a URL.
    Reference,
    /// It stands for another artifact of the same run.
    Link,
    /// There is none, and the artifact says why.
    Error,
    /// A type that is older (`azure`) or newer than this program.
    #[serde(other)]
    Unknown,
}

/// The body of `createArtifact`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "storageType", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum ArtifactRequest {
    /// To be PUT to a signed URL.
    S3 {
        /// When it may be deleted; not after the task's own.
        expires: UnixMillis,
        /// At most 255 characters.
        content_type: String,
        /// For statistics only.
        #[serde(skip_serializing_if = "Option::is_none")]
        content_length: Option<u64>,
    },
    /// To be uploaded through the object service, then finished.
    Object {
        /// When it may be deleted; not after the task's own.
        expires: UnixMillis,
        /// At most 255 characters.
        content_type: String,
        /// For statistics only.
        #[serde(skip_serializing_if = "Option::is_none")]
        content_length: Option<u64>,
    },
    /// Kept elsewhere.
    Reference {
        /// When it may be deleted; not after the task's own.
        expires: UnixMillis,
        /// At most 255 characters.
        content_type: String,
        /// Where.
        url: String,
    },
    /// Another name for an artifact of the same run.
    Link {
        /// When it may be deleted; not after the task's own.
        expires: UnixMillis,
        /// The other artifact.
        artifact: ArtifactName,
        /// At most 255 characters.
        #[serde(skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
    },
    /// There is no content.
    Error {
        /// When it may be deleted; not after the task's own.
        expires: UnixMillis,
        /// Why, for programs.
        reason: ArtifactErrorReason,
        /// Why, for humans; at most 4096 characters.
        message: String,
    },
}

/// Why an artifact has no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the queue's own names")]
pub enum ArtifactErrorReason {
    FileMissingOnWorker,
    InvalidResourceOnWorker,
    TooLargeFileOnWorker,
    FileNotReadableOnWorker,
}

/// The answer of `createArtifact`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "storageType", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum ArtifactResponse {
    /// PUT the content there.
    S3 {
        /// A signed URL; anybody who has it may write.
        put_url: Secret,
        /// When the URL stops working.
        expires: UnixMillis,
        /// The `Content-Type` to send: it is part of the signature.
        content_type: String,
    },
    /// Upload through the object service, with these values unchanged, then finish.
    Object {
        /// The object's name.
        name: String,
        /// The project it is counted under.
        project_id: String,
        /// The name of this upload.
        upload_id: String,
        /// For the object service only.
        credentials: Credentials,
        /// When the object may be deleted.
        expires: UnixMillis,
    },
    /// Done.
    Reference {},
    /// Done.
    Link {},
    /// Done.
    Error {},
}

/// One line of a list of artifacts, and the answer of `artifactInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactInfo {
    /// How it is kept.
    pub storage_type: StorageType,
    /// Its name.
    pub name: ArtifactName,
    /// When it may be deleted.
    pub expires: UnixMillis,
    /// As its creator announced it.
    pub content_type: String,
    /// As its creator announced it.
    pub content_length: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArtifactPage {
    pub(crate) artifacts: Vec<ArtifactInfo>,
    pub(crate) continuation_token: Option<String>,
}

/// The answer of `artifact` and `latestArtifact`: how to get at the content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "storageType", rename_all = "lowercase")]
pub enum ArtifactContent {
    /// GET this URL.
    S3 {
        /// Possibly signed.
        url: Secret,
    },
    /// GET this URL, kept elsewhere.
    Reference {
        /// As its creator gave it.
        url: Secret,
    },
    /// Ask the object service.
    Object {
        /// The object's name.
        name: String,
        /// For the object service only.
        credentials: Credentials,
    },
    /// There is no content.
    Error {
        /// Why, for programs.
        reason: String,
        /// Why, for humans.
        message: String,
    },
}

/// Where the content of an artifact is: the redirect that `getArtifact` answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// GET this URL; possibly signed.
    pub url: Secret,
    /// How the content is kept, links followed; `None` if the queue did not say.
    pub storage_type: Option<StorageType>,
}
