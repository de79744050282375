//! Supervisor → CredentialRefresher.

use crate::actors::RunCredentials;
use crate::messages::notice::Renewal;
use std::sync::Arc;

/// Make these credentials the ones in use: for every request of the run from now on, and for the script.
pub struct PublishCredentials {
    /// The snapshot that uploads, reports and the heartbeat read.
    pub snapshot: Arc<RunCredentials>,
    /// What the queue gave us last.
    pub renewal: Renewal,
}
