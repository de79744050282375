//! Supervisor → Uploader.

use crate::actors::RunCredentials;
use crate::actors::cot_verifier::VerdictFile;
use crate::messages::notice::Claimed;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::Ending;
use scriptworker_core::time::UnixMillis;
use serde_json::value::RawValue;
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
    /// What tells of the chain of trust, as it was written before the script ran.
    pub verdict: Vec<VerdictFile>,
    /// The run's credentials.
    pub credentials: Arc<RunCredentials>,
}

/// State, sign and upload what the run made: after [`UploadArtifacts`], of which the Uploader keeps the digests.
pub struct Attest {
    /// Which run.
    pub key: RunKey,
    /// How its script ended.
    pub ending: Ending,
    /// The task definition, exactly as it was claimed.
    pub definition: Arc<RawValue>,
    /// The worker group, as the claim says it.
    pub worker_group: String,
    /// When the task, and with it every artifact, expires.
    pub task_expires: UnixMillis,
    /// When the queue gave us the claim, by its own clock.
    pub claimed_at: UnixMillis,
    /// The run's credentials.
    pub credentials: Arc<RunCredentials>,
}

impl Attest {
    /// Attest this run.
    pub fn new(claimed: &Claimed, ending: Ending, credentials: Arc<RunCredentials>) -> Self {
        let Claimed { key, definition, worker_group, claimed_at, expires: task_expires, .. } =
            claimed.clone();
        Self { key, ending, definition, worker_group, task_expires, claimed_at, credentials }
    }
}

/// End the upload, or the attesting, early.
#[derive(Debug)]
pub struct AbortUpload;
