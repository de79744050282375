//! The verbs of a key keeper: making, certifying, revoking, showing and checking keys (keyrings.md 4, 6 and 7;
//! docs/keys.md). No gpg is called; what they write, gpg reads, and the other way round.
//!
//! None of them overwrites a file. Secrets are read from files that only their owner can read, and never printed.

pub(super) mod common;
mod create_gpg_keys;
mod export_key;
mod gen_key;
mod keyring;
mod list_keys;
mod revoke_key;
mod sign_file;
mod sign_key;
mod verb;
mod verify_ed25519;
mod verify_signature;

pub(super) use verb::{Verb, run};
