//! What `deploy/` says, done: the worker is started by the container's script, by the unit's command line and as
//! process 1, against the embedded queue.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

mod container;
mod init;
mod support;
mod unit;
