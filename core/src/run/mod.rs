//! The life of one run.

mod status;

pub use status::{ExceptionReason, ExitCodes, Report, ScriptExit, TaskStatus};
