//! Why an upload failed, whether another try may help, and what it means for the task.

use crate::artifacts::api::CallError;
use crate::artifacts::body::BodyError;
use scriptworker_core::retry::RetryClass;
use scriptworker_core::run::TaskStatus;
use std::time::Duration;

/// Why an artifact could not be uploaded.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The bytes could not be had, or were not the announced ones.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The queue refused because the run is over for us (409), or because our credentials are (401).
    #[error("the claim is lost: {0}")]
    ClaimLost(#[source] CallError),
    /// A call to the queue or the object service failed.
    #[error(transparent)]
    Call(CallError),
    /// The transfer to the storage broke.
    #[error(transparent)]
    Transfer(CallError),
    /// The storage refused the bytes.
    #[error("expected status 200 or 204 from the storage, found {status}: {excerpt}")]
    Put {
        /// The HTTP status.
        status: u16,
        /// What the storage said, without secrets.
        excerpt: String,
    },
    /// The transfer to the storage took too long.
    #[error("the transfer took longer than {limit:?}")]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The answer to `createArtifact` is for another storage type.
    #[error("expected an answer for storage type {expected} from createArtifact, found one for another")]
    StorageType {
        /// What was asked for.
        expected: &'static str,
    },
    /// The object service takes none of the ways to upload that this worker knows.
    #[error("the object service supports neither inline data nor a put URL")]
    NoUploadMethod,
}

impl UploadError {
    /// Whether another try may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Call(error) | Self::Transfer(error) => error.class == RetryClass::Transient,
            Self::Put { .. } | Self::Timeout { .. } | Self::Body(BodyError::Abandoned { .. }) => true,
            Self::Body(_) | Self::ClaimLost(_) | Self::StorageType { .. } | Self::NoUploadMethod => false,
        }
    }

    /// What it means for the task (artifacts.md 8). The status of a lost claim is reported to nobody.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Body(error) => error.status(),
            Self::Put { .. } => TaskStatus::ResourceUnavailable,
            Self::Timeout { .. } => TaskStatus::IntermittentTask,
            Self::Call(error) | Self::Transfer(error) => match error.class {
                RetryClass::Transient => TaskStatus::IntermittentTask,
                RetryClass::Fatal | RetryClass::Refused => TaskStatus::InternalError,
            },
            Self::ClaimLost(_) | Self::StorageType { .. } | Self::NoUploadMethod => TaskStatus::InternalError,
        }
    }

    /// The failure of a call to the queue: it alone knows whether the claim is lost.
    pub(super) fn of_queue(error: CallError) -> Self {
        match error.status {
            Some(401 | 409) => Self::ClaimLost(error),
            _ => Self::Call(error),
        }
    }
}
