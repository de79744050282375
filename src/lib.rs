//! scriptworker: claims a task, runs the one script it was built for, accounts for what it did.

pub mod actors;
pub mod artifacts;
pub mod cli;
pub mod config;
pub mod cot;
pub mod embedded_queue;
pub mod fsio;
pub mod key_files;
pub mod keyrings;
pub mod messages;
pub mod process;
mod random;
pub mod script;
pub mod signing;
pub mod taskcluster;
pub mod telemetry;

/// The program and its version, as records and requests name them.
pub const PROGRAM: &str = concat!("scriptworker ", env!("CARGO_PKG_VERSION"));
