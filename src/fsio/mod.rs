//! Files: every write, rename and removal of the product happens here, and nowhere else.
//!
//! Boundary: paths and bytes in, `io::Result` out; nothing here knows what a file means. Reading needs no place of
//! its own: `std::fs::File::open` is fine anywhere. Every call passes a [fault point](fault), so that a full or
//! broken disk can be tried out at each of them.
//!
//! All calls block: an async caller goes through `spawn_blocking`.

pub mod fault;
mod files;
mod lock;
mod remove;

pub use fault::Purpose;
pub use files::{WriteFile, append, create, create_dir_all, create_new, rename, unlinked, write_atomic};
pub use lock::{Lock, LockError};
pub use remove::{remove_file, remove_tree};
