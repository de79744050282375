//! `scriptworker try` as a script's author uses it: one task, the real configuration, no deployment.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests make files of their own")]

#[path = "try/deployment.rs"]
mod deployment;
#[path = "try/lock.rs"]
mod lock;
#[path = "try/mistakes.rs"]
mod mistakes;
#[path = "try/results.rs"]
mod results;
#[path = "try/site.rs"]
mod site;
#[path = "try/upstream.rs"]
mod upstream;
