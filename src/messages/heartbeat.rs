//! Supervisor → Reclaimer.

use crate::actors::RunCredentials;
use scriptworker_core::ids::RunKey;
use scriptworker_core::time::BootMillis;
use std::sync::Arc;

/// Keep this claim alive.
pub struct KeepClaim {
    /// Which run.
    pub key: RunKey,
    /// When the claim ends as of now.
    pub end: BootMillis,
    /// The run's credentials.
    pub credentials: Arc<RunCredentials>,
}

/// Nobody needs the claim any more.
#[derive(Debug)]
pub struct LetClaimGo;
