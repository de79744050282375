//! Scripts that behave badly, and a guardian, a pump and a worker that cope.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed step is a failed test"
)]

#[path = "process/support.rs"]
mod support;

#[path = "process/ends.rs"]
mod ends;
#[path = "process/killing.rs"]
mod killing;
#[path = "process/output.rs"]
mod output;
#[path = "process/surroundings.rs"]
mod surroundings;
