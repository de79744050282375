//! Supervisor → Uploader.

use crate::actors::RunCredentials;
use scriptworker_core::ids::RunKey;
use scriptworker_core::time::UnixMillis;
use std::sync::Arc;

/// Upload every file of the artifact directory.
pub struct UploadArtifacts {
    /// Which run.
    pub key: RunKey,
    /// When the task, and with it every artifact, expires.
    pub task_expires: UnixMillis,
    /// When the queue gave us the claim, by its own clock.
    pub claimed_at: UnixMillis,
    /// Time is short: the log goes alone, before everything else.
    pub log_first: bool,
    /// The run's credentials.
    pub credentials: Arc<RunCredentials>,
}

/// End the upload early.
#[derive(Debug)]
pub struct AbortUpload;
