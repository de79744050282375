//! The chain of trust.
pub mod attested;
pub mod chain;
pub mod evidence;
pub mod examine;
pub mod finding;
pub mod keys;
pub mod need;
pub mod reason;
pub mod role;
mod rules;
pub mod status;
pub mod task;
pub mod template;
