//! The keys of other workers: read from the key repository, kept on disk as a whole, loaded as immutable snapshots
//! (keyrings.md 2 to 5; design.md 7).
//!
//! Boundary: files, the `git` command and the clock are here; which key and which signature counts is decided in
//! `scriptworker_core::openpgp`. Nothing is ever trusted half: any failure leaves the last good set in force.
//!
//! | module | what it does |
//! |---|---|
//! | `folder` | one folder of key files: exactly one public key in each |
//! | `set` | the keyrings of all worker implementations at one revision |
//! | `index`, `store` | that set on disk: built beside, checked, swapped in as a whole |
//! | `lockfile` | the lock between whoever rebuilds keyrings and the worker |
//! | `repository` | the key repository: what is new there, and whether it may be trusted |
//! | `rebuild` | the way from there to the set on disk |
//! | `published` | the set in force in this process |
//! | `load` | one keyring, for verbs that look at one |

mod folder;
mod index;
mod load;
mod lockfile;
mod published;
mod rebuild;
mod repository;
mod set;
mod store;
#[cfg(test)]
mod tests;

pub use folder::{BadFile, BadFiles, FileFault, FolderError, read_folder};
pub use load::{LoadError, load_keyring, load_keyring_in};
pub use lockfile::{Lock, LockError, LockState};
pub use published::Published;
pub use rebuild::{RebuildError, Rebuilt, fetch_ready, is_ready, rebuild};
pub use repository::{GitError, KeyRepository, RepositoryError, SignedObject, Verified};
pub use set::{KeyringSet, Keys, Source};
pub use store::{Store, StoreError};
