//! The keys and signatures of others, judged: attacks row by row, and gpg's opinion beside ours.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests read fixtures and call gpg")]

mod forge;
mod gpg;
mod rows;
#[path = "../../../tests/support/skip.rs"]
mod skip;
