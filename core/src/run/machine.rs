//! The words of the run's state machine, and its state. What follows from what stands in `table.rs`.

use super::{Ending, Report, TaskStatus};
use crate::time::BootMillis;
use serde::{Deserialize, Serialize};

/// One run, from its claim to the end of its clean-up. Small on purpose: no payloads, no clocks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    pub(super) phase: Phase,
    pub(super) policy: Policy,
    /// When the claim ends, or why it is gone.
    pub(super) claim: Claim,
    /// The worst status so far.
    pub(super) status: TaskStatus,
    /// The chain of trust was refused: the status stays 3 whatever the upload does.
    pub(super) refused: bool,
    /// How the script ended, if that is something to attest.
    pub(super) ending: Option<Ending>,
    /// How urgently the worker has to go.
    pub(super) shutdown: Shutdown,
    /// What the queue said to the report.
    pub(super) resolution: Option<Resolution>,
}

/// What the configuration says about every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Verify the chain of trust before the script starts (`verify_chain_of_trust`).
    pub verify: bool,
    /// Attest what was made after a natural end (chain-of-trust.md 1).
    pub attest: bool,
    /// Attest it after a time-out, too: so does the classic scheme (design.md 3).
    pub attest_time_outs: bool,
    /// The status of a script that was stopped at its time limit (`task_max_timeout_status`).
    pub timeout_status: TaskStatus,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The work directory is being made.
    Preparing,
    /// The chain of trust is being verified; `stopping` once that was told to end early.
    Verifying {
        /// Told to end early.
        stopping: bool,
    },
    /// The script, or something it left behind, is alive; `stop` once the worker told it to end.
    Running {
        /// Why it was told to end.
        stop: Option<StopCause>,
    },
    /// Artifacts are on their way; `aborting` once that was told to end early.
    Uploading {
        /// Told to end early.
        aborting: bool,
    },
    /// The attestation is being signed and uploaded; `aborting` once that was told to end early.
    Attesting {
        /// Told to end early.
        aborting: bool,
    },
    /// The queue is being told.
    Reporting {
        /// What it is being told.
        report: Report,
    },
    /// The directories are being wiped.
    Cleaning,
    /// Over.
    Done,
}

/// The hold on the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    Held { end: BootMillis },
    Lost { cause: LossCause },
}

/// How urgently the worker has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Shutdown {
    No,
    /// First SIGTERM: stop what runs, save the log, report.
    Asked,
    /// Second SIGTERM, or the time for an orderly end is used up: kill and report.
    Now,
}

/// Why a claim is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossCause {
    /// The queue says that the run is no longer ours (409, or unknown to it): cancelled, past its deadline, or taken.
    Refused,
    /// It ended before a renewal came through.
    Expired,
}

/// Why the worker ended the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopCause {
    /// `maxRunTime` or `task_max_timeout` passed.
    TimeLimit,
    /// The worker has to go.
    Shutdown,
    /// The claim is gone.
    ClaimLost,
    /// A part of the worker that looks after the script died.
    WorkerFault,
}

/// Whether a claimed run may be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Admission {
    /// The task can be run.
    Admitted,
    /// The task can never be run as it is written: say so in its log and report `malformed-payload`.
    Malformed,
    /// The worker is leaving: give the run back as `worker-shutdown`.
    GivenBack,
}

/// An actor, as far as its death matters to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Owns the work directory and the script.
    ScriptRunner,
    /// Verifies chains of trust.
    CotVerifier,
    /// Uploads and attests.
    Uploader,
    /// Talks to the queue about claims: claims, reports.
    Claimer,
    /// Renews the claim.
    Reclaimer,
    /// Hands renewed credentials to the script.
    CredentialRefresher,
}

impl Actor {
    /// Every actor.
    pub const ALL: [Self; 6] = [
        Self::ScriptRunner,
        Self::CotVerifier,
        Self::Uploader,
        Self::Claimer,
        Self::Reclaimer,
        Self::CredentialRefresher,
    ];

    /// The name in logs and in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScriptRunner => "ScriptRunner",
            Self::CotVerifier => "CotVerifier",
            Self::Uploader => "Uploader",
            Self::Claimer => "Claimer",
            Self::Reclaimer => "Reclaimer",
            Self::CredentialRefresher => "CredentialRefresher",
        }
    }

    /// The actor of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|actor| actor.name() == name)
    }
}

/// The verifier's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every link is proven.
    Verified,
    /// A link is broken.
    Refused,
    /// Something needed for the verdict could not be had: no verdict.
    Unavailable,
    /// The verifier itself failed.
    Failed,
    /// It was told to end early.
    Aborted,
}

/// How the script, and everything it started, came to its end: none of its processes is alive any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ScriptEnd {
    /// It left, or a signal ended it.
    Exited {
        /// What its exit code or signal stands for.
        status: TaskStatus,
        /// It was over before the worker told it to end: then its own end counts, whatever was ordered later.
        by_itself: bool,
    },
    /// It never started.
    NotStarted,
    /// The guardian killed it at the end of the claim.
    Deadline,
    /// The guardian is gone, so how the script ended is not known.
    Unknown,
}

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadEnd {
    /// The queue and the storage confirmed every artifact.
    Confirmed,
    /// At least one failed; the worst status among them.
    Failed(TaskStatus),
    /// The queue says that the run is no longer ours.
    ClaimLost,
    /// It was told to end early.
    Aborted,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportEnd {
    /// The queue took it.
    Accepted,
    /// The queue says that the run is no longer ours (409).
    Conflict,
    /// The queue refuses it for another reason (4xx): repeating cannot help.
    Refused,
    /// The queue could not be reached while the claim lasted, or the report was abandoned.
    Unreachable,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The work directory is ready (`true`), or could not be made.
    Prepared(bool),
    /// The verifier answered.
    Verdict(Verdict),
    /// The script's time limit passed.
    LimitPassed,
    /// The script is over.
    ScriptEnded(ScriptEnd),
    /// The upload is over.
    Uploaded(UploadEnd),
    /// The attestation is over.
    Attested(UploadEnd),
    /// The report is over.
    Reported(ReportEnd),
    /// The directories are wiped (`true`), or could not be.
    Cleaned(bool),
    /// The claim was renewed and now ends at `end`; new credentials came with it.
    Renewed {
        /// The new end.
        end: BootMillis,
    },
    /// The claim is gone.
    ClaimLost(LossCause),
    /// First SIGTERM.
    ShutdownAsked,
    /// Second SIGTERM, or the time for an orderly end is used up.
    ShutdownNow,
    /// An actor died and was started again without its state.
    ActorDied(Actor),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Begin to renew the claim.
    StartHeartbeat,
    /// Stop renewing it.
    StopHeartbeat,
    /// Make the newest credentials the ones in use, the script's included.
    PublishCredentials,
    /// Tell the guardian the new end of the claim.
    ExtendDeadline(BootMillis),
    /// Wipe and make the directories, write the script's input.
    Prepare,
    /// Verify the chain of trust.
    Verify,
    /// End the verification early.
    AbortVerify,
    /// Start the script.
    StartScript,
    /// Ask the script to end, kill it when it does not.
    StopScript(StopCause),
    /// Kill the script at once.
    KillScript(StopCause),
    /// Upload what lies in the artifact directory; the log first when time is short.
    Upload {
        /// The worker has to go: the log matters most.
        log_first: bool,
    },
    /// End the upload or the attestation early.
    AbortUpload,
    /// Attest: sign and upload the chain-of-trust artifact.
    Attest(Ending),
    /// Tell the queue.
    Report(Report),
    /// Make no further attempt to tell the queue; the answer to the one on its way still counts.
    AbandonReport,
    /// The run is lost to us: say so, with the cause.
    LogLoss(LossCause),
    /// The run could not be reported: say so.
    LogUnresolved,
    /// Wipe the directories.
    CleanUp,
    /// Wiping failed: try again a little later, claim nothing until then.
    CleanUpLater,
    /// The run is over.
    Finish(Outcome),
}

/// How the queue and the worker parted over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// The queue took our report.
    Resolved(Report),
    /// The run was no longer ours.
    ClaimLost(LossCause),
    /// We could not report it: it stays claimed until the claim expires.
    Unresolved,
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// The worst status of its phases.
    pub status: TaskStatus,
    /// Who knows of it.
    pub resolution: Resolution,
    /// Whether the directories are wiped.
    pub clean: bool,
}

impl Run {
    /// The phase it is in.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The worst status so far.
    pub fn status(&self) -> TaskStatus {
        self.status
    }

    /// When the claim ends; `None` once it is gone.
    pub fn claim_end(&self) -> Option<BootMillis> {
        match self.claim {
            Claim::Held { end } => Some(end),
            Claim::Lost { .. } => None,
        }
    }

    /// How the queue and the worker parted, once that is known.
    pub fn resolution(&self) -> Option<Resolution> {
        self.resolution
    }

    /// Whether nothing more will happen.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }
}

impl Phase {
    /// The name for logs and status pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Verifying { stopping: false } => "verifying",
            Self::Verifying { stopping: true } => "stopping the verification",
            Self::Running { stop: None } => "running",
            Self::Running { stop: Some(_) } => "stopping the script",
            Self::Uploading { aborting: false } => "uploading",
            Self::Uploading { aborting: true } => "aborting the upload",
            Self::Attesting { aborting: false } => "attesting",
            Self::Attesting { aborting: true } => "aborting the attestation",
            Self::Reporting { .. } => "reporting",
            Self::Cleaning => "cleaning up",
            Self::Done => "done",
        }
    }
}
