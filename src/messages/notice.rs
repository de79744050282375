//! What the Supervisor is told: by every actor, and by the process's signals.

use crate::actors::cot_verifier::Judged;
use crate::taskcluster::Credentials;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::lifecycle::Life;
use scriptworker_core::run::{Actor, Event};
use scriptworker_core::time::{BootMillis, UnixMillis};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Something that happened.
#[derive(Debug)]
pub enum Notice {
    /// A `claimWork` gave us a run.
    Claimed(Box<Claimed>),
    /// A `claimWork` gave us a run that is not worked on: the Claimer tells the queue.
    GivingBack(RunKey),
    /// That ended: the run is no longer ours (`true`), or it could not be reported and will expire.
    GaveBack(RunKey, bool),
    /// Something happened to a run; ignored when that run is no longer in hand.
    Run(RunKey, Event),
    /// The chain of trust of a run was judged, or could not be.
    Judged(RunKey, Box<Judged>),
    /// A claim was renewed.
    Renewed(RunKey, Renewal),
    /// A signal, the end of claiming, or time passing in the life of the process.
    Life(Life),
    /// What can be read anew is to be read anew (SIGHUP).
    Reload,
    /// An actor fell and was started again without its state.
    Died(Actor),
}

/// A run that was just claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Which.
    pub key: RunKey,
    /// The task definition, read.
    pub task: Arc<serde_json::Value>,
    /// The task definition, exactly as the queue gave it.
    pub definition: Arc<RawValue>,
    /// The worker group, as the queue says it.
    pub worker_group: String,
    /// The task's temporary credentials, and until when they and the claim last.
    pub renewal: Renewal,
    /// When the queue answered, by its own clock.
    pub claimed_at: UnixMillis,
    /// When the task, and with it every artifact, expires.
    pub expires: UnixMillis,
}

/// What a claim or a renewal gives us.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// The task's temporary credentials.
    pub credentials: Arc<Credentials>,
    /// The end of the claim on the boot clock.
    pub end: BootMillis,
}
