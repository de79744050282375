//! Chains of trust, judged: whole honest worlds of both generations, and attacks on them, row by row.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests read and write fixtures")]

mod asking;
mod case;
mod classic;
mod config;
mod folders;
mod judging;
mod occasions;
mod properties;
mod release;
mod rows;
mod tests;
mod world;
