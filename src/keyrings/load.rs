//! The keyring of one worker implementation, for verbs that look at one.

use super::store::{Store, StoreError};
use crate::config::KeyringsConfig;
use scriptworker_core::openpgp::Keyring;
use std::path::Path;

/// Why there is no such keyring.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The configuration names no place for keyrings.
    #[error("find keyrings: base_gpg_home_dir is not set")]
    NotConfigured,
    /// There is no set of keyrings that counts.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The set has no keyring of this name.
    #[error("find the keyring {implementation:?}: there are {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        implementation: String,
        /// What there is.
        known: Vec<String>,
    },
}

/// Loads the keyring of a worker implementation from the set that is in force. Blocks.
///
/// # Errors
/// When there is none that counts.
pub fn load_keyring(config: &KeyringsConfig, implementation: &str) -> Result<Keyring, LoadError> {
    load_keyring_in(config.base.as_deref(), implementation)
}

/// The same for whoever knows nothing but `base_gpg_home_dir`.
///
/// # Errors
/// When there is none that counts.
pub fn load_keyring_in(base: Option<&Path>, implementation: &str) -> Result<Keyring, LoadError> {
    let base = base.ok_or(LoadError::NotConfigured)?;
    let set = Store::new(base).load()?;
    set.get(implementation).cloned().ok_or_else(|| LoadError::Unknown {
        implementation: implementation.to_owned(),
        known: set.implementations().map(str::to_owned).collect(),
    })
}
