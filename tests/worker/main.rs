//! The worker process against the embedded queue: the whole way from claim to report.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

mod artifacts;
mod attestation;
mod canary;
mod claims;
mod faults;
mod guardian;
mod happy;
mod limits;
mod logs;
mod signals;
#[path = "../support/skip.rs"]
mod skip;
mod statuses;
mod support;
mod verification;
