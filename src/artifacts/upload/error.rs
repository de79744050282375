//! Why an upload failed, whether another try may help, and what it means for the task.

use crate::artifacts::body::BodyError;
use crate::taskcluster::NoCredentials;
use crate::taskcluster::error::{ApiError, Failure};
use crate::taskcluster::transfer::TransferError;
use scriptworker_core::retry::RetryClass;
use scriptworker_core::run::TaskStatus;
use std::time::Duration;

/// Why an artifact could not be uploaded.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The bytes could not be had, or were not the announced ones.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The queue refused because the run is over for us (409), or there are no credentials left. A 401 is not that:
    /// while the claim is ours by our own clock, it may be a clock or the queue's auth that is wrong.
    #[error("the claim is lost: {0}")]
    ClaimLost(#[source] ApiError),
    /// A call to the queue or the object service failed.
    #[error(transparent)]
    Call(ApiError),
    /// The transfer to the storage broke, or the storage refused the bytes.
    #[error(transparent)]
    Transfer(TransferError),
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
    /// Whether another try may help. Any status from the storage may pass, even a refusal: the next try has a fresh
    /// URL.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Call(error) => error.class() == RetryClass::Transient,
            Self::Transfer(TransferError::Status { .. }) => true,
            Self::Transfer(error) => error.class() == RetryClass::Transient,
            Self::Timeout { .. } | Self::Body(BodyError::Abandoned { .. }) => true,
            Self::Body(_) | Self::ClaimLost(_) | Self::StorageType { .. } | Self::NoUploadMethod => false,
        }
    }

    /// What it means for the task (artifacts.md 8). The status of a lost claim is reported to nobody.
    pub fn status(&self) -> TaskStatus {
        let of_class = |class| match class {
            RetryClass::Transient => TaskStatus::IntermittentTask,
            RetryClass::Fatal | RetryClass::Refused => TaskStatus::InternalError,
        };
        match self {
            Self::Body(error) => error.status(),
            Self::Transfer(TransferError::Status { .. }) => TaskStatus::ResourceUnavailable,
            Self::Transfer(error) => of_class(error.class()),
            Self::Call(error) => of_class(error.class()),
            Self::Timeout { .. } => TaskStatus::IntermittentTask,
            Self::ClaimLost(_) | Self::StorageType { .. } | Self::NoUploadMethod => TaskStatus::InternalError,
        }
    }

    /// The failure of a call to the queue: it alone knows whether the claim is lost. An answer that is not the
    /// queue's own (a proxy's page) says nothing about the claim.
    pub(super) fn of_queue(error: ApiError) -> Self {
        let lost = match &error.failure {
            Failure::Refused(refusal) => refusal.status == 409,
            Failure::NoCredentials(cause) => *cause == NoCredentials::ClaimOver,
            _ => false,
        };
        if lost { Self::ClaimLost(error) } else { Self::Call(error) }
    }
}
