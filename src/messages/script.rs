//! Supervisor → ScriptRunner: the work directory, and the script in it.

use crate::actors::RunCredentials;
use crate::actors::cot_verifier::Clearance;
use crate::actors::script_runner::Whereabouts;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::StopCause;
use scriptworker_core::time::BootMillis;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Wipe and make the directories; write what the script reads.
pub struct Prepare {
    /// Which run.
    pub key: RunKey,
    /// The task definition, exactly as it was claimed.
    pub definition: Arc<RawValue>,
    /// Why the task cannot be run, to be explained in its log.
    pub malformed: Option<String>,
}

/// Start the script.
pub struct StartScript {
    /// Which run.
    pub key: RunKey,
    /// How long it may run, in milliseconds.
    pub limit_ms: u64,
    /// When the guardian kills it whatever happens to us: the end of the claim.
    pub claim_end: BootMillis,
    /// What was proven about the task; nothing else lets it start when chains of trust are verified.
    pub clearance: Clearance,
    /// Where the script's credentials come from.
    pub credentials: Arc<RunCredentials>,
    /// Where its processes are to be found.
    pub whereabouts: Arc<Whereabouts>,
}

/// End the script.
#[derive(Debug)]
pub struct StopScript {
    /// Of which run.
    pub key: RunKey,
    /// Why.
    pub cause: StopCause,
    /// Whether it gets its time of grace first.
    pub grace: bool,
    /// Where its processes are to be found.
    pub whereabouts: Arc<Whereabouts>,
}

/// The claim was renewed: the guardian's deadline moves.
#[derive(Debug)]
pub struct ExtendDeadline(pub BootMillis);

/// Wipe the directories.
#[derive(Debug)]
pub struct CleanUp(pub RunKey);
