//! For scripts in Rust: what the Python client libraries are for those in Python (client.md 7).
//!
//! The rules are `scriptworker_core::client`; this module reads the files they are about, downloads, and wraps a
//! script's main function. It knows nothing of the worker but the contract: a configuration with `work_dir` and
//! `artifact_dir`, the task in `work_dir/task.json`, upstream artifacts in `work_dir/cot`, an exit code at the end.
//!
//! ```no_run
//! use scriptworker::script::{self, Context, Options};
//! use scriptworker_core::client::ScriptError;
//!
//! fn main() -> std::process::ExitCode {
//!     script::main(Options::default(), async |context: Context| {
//!         for (task, files) in context.upstream()?.found {
//!             tracing::info!(task, ?files, "to be signed");
//!         }
//!         Err(ScriptError::resource_unavailable("the signing server does not answer"))
//!     })
//! }
//! ```
//!
//! Scripts in other languages get the same from `scriptworker client …`.

mod context;
mod credentials;
mod download;
mod main;
mod upstream;

pub use context::{Context, LoadError, ValidateError, read_value};
pub use credentials::{FdError, TaskCredentials};
pub use download::{DownloadError, DownloadPlan, Downloaded, download};
pub use main::{Options, main, run};
pub use upstream::{CotDirectory, CotFileError};
