//! Supervisor → KeyringManager.

/// Look at the key repository now, not only when it is time.
#[derive(Debug)]
pub struct UpdateKeyrings;
