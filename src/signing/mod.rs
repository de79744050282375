//! The keys that this worker signs with, and what it signs: one attestation for each run (chain-of-trust.md 1.2).
//!
//! | file | what it does |
//! |---|---|
//! | `keys` | opens the key files once, at start, by strict rules |
//! | `attester` | makes the artifacts of an attestation, signed or refused, never in between |
//!
//! What is stated is in `scriptworker_core::cot`; when a run is attested, in its state machine; uploading is the
//! Uploader's.

mod attester;
mod keys;
#[cfg(test)]
mod tests;

pub use attester::{AttestError, Attester, Run};
pub(crate) use keys::read_ed25519;
pub use keys::{CannotSign, SigningKeyError};
