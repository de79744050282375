//! Supervisor → Claimer.

use crate::actors::RunCredentials;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::Report;
use std::sync::Arc;

/// Nothing is in hand: ask for work.
#[derive(Debug)]
pub struct TakeWork;

/// Take no more work. A `claimWork` that is already on its way is waited for: its answer may hold a run.
#[derive(Debug)]
pub struct StopClaiming;

/// Resolve a run. It is repeated until the queue answers or the claim is over.
pub struct SendReport {
    /// Which run.
    pub key: RunKey,
    /// What to say.
    pub report: Report,
    /// The run's credentials; revoking them ends the repeating.
    pub credentials: Arc<RunCredentials>,
}
