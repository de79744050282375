//! What is known about one run once it is over.

use crate::cot::policy::PolicyId;
use crate::cot::reason::Reason;
use crate::digest::Digest;
use crate::ids::{RunId, TaskId, TaskQueueId, WorkerGroup, WorkerId};
use crate::run::{Phase, Resolution, ScriptEnd, TaskStatus, Verdict};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The facts about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunRecord {
    /// The task.
    pub task_id: TaskId,
    /// The attempt at it.
    pub run_id: RunId,
    /// The queue that the worker claims from.
    pub task_queue_id: TaskQueueId,
    /// Who claimed it: the group.
    pub worker_group: WorkerGroup,
    /// Who claimed it: the worker.
    pub worker_id: WorkerId,
    /// SHA-256 of the task definition, exactly as it was claimed.
    pub definition: Digest,
    /// When it was claimed, by the queue's clock.
    pub claimed_at: UnixMillis,
    /// When it was over, by the worker's clock.
    pub ended_at: UnixMillis,
    /// How long it was in each phase.
    pub phases: PhaseTimes,
    /// What the verifier said; none when the chain of trust was not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictRecord>,
    /// How the script ended; none when it came to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptEnd>,
    /// The worst status of its phases.
    pub status: TaskStatus,
    /// How the queue and the worker parted over it.
    pub resolution: Resolution,
    /// Whether the directories were wiped after it.
    pub clean: bool,
    /// What the worker calls itself, with its version.
    pub by: String,
}

impl RunRecord {
    /// In one word: the status that the queue was told, or why it was not.
    pub fn ending(&self) -> &'static str {
        match self.resolution {
            Resolution::Resolved(_) => self.status.name(),
            Resolution::ClaimLost(_) => "claim-lost",
            Resolution::Unresolved => "unresolved",
        }
    }
}

/// A verdict on a chain of trust, in short; all of it is in the verdict that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerdictRecord {
    /// What it says.
    pub verdict: Verdict,
    /// Why it refuses: the reason of the first finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The link that this is about: what it is in the chain, and its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The policy that it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyId>,
    /// SHA-256 of the bundle of evidence, if one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Digest>,
}

impl VerdictRecord {
    /// A verdict of which nothing more is known.
    pub fn new(verdict: Verdict) -> Self {
        Self { verdict, reason: None, link: None, policy: None, bundle: None }
    }
}

/// Milliseconds in each phase of a run, on the clock that goes on while the machine sleeps; none where it never was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PhaseTimes {
    /// Making the directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preparing: Option<u64>,
    /// Verifying the chain of trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifying: Option<u64>,
    /// Running the script, and ending it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<u64>,
    /// Uploading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploading: Option<u64>,
    /// Signing and uploading the attestation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attesting: Option<u64>,
    /// Telling the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reporting: Option<u64>,
    /// Wiping the directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleaning: Option<u64>,
}

impl PhaseTimes {
    /// So many milliseconds more in a phase.
    pub fn add(&mut self, phase: Phase, millis: u64) {
        let time = match phase {
            Phase::Preparing => &mut self.preparing,
            Phase::Verifying { .. } => &mut self.verifying,
            Phase::Running { .. } => &mut self.running,
            Phase::Uploading { .. } => &mut self.uploading,
            Phase::Attesting { .. } => &mut self.attesting,
            Phase::Reporting { .. } => &mut self.reporting,
            Phase::Cleaning => &mut self.cleaning,
            Phase::Done => return,
        };
        *time = Some(time.unwrap_or(0).saturating_add(millis));
    }
}
