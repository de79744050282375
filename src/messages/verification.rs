//! Supervisor → CotVerifier.

use scriptworker_core::ids::RunKey;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Verify the chain of trust of a claimed task.
pub struct Verify {
    /// Which run.
    pub key: RunKey,
    /// The task definition, exactly as it was claimed.
    pub definition: Arc<RawValue>,
}

/// End the verification early.
#[derive(Debug)]
pub struct AbortVerify {
    /// Of which run.
    pub key: RunKey,
    /// Whether its log is still to be written; the run may be over before that otherwise.
    pub keep: bool,
}

/// Read the policy anew.
#[derive(Debug)]
pub struct ReloadPolicy;
