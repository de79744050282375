//! The key repository and the keyrings that come from it: real repositories, made with `git` and `gpg`, and the product's
//! own command. Each refusal keeps the keyrings as they are, says why, and is an exit code of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]
#![expect(dead_code, reason = "the support is shared with the tests of the worker")]

mod attacks;
mod command;
mod key_files;
#[cfg(feature = "fault")]
mod killed;
mod manager;
#[path = "../worker/support.rs"]
mod site;
mod support;
mod worker;
