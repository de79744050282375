//! What can be seen of the worker from outside: its log, and the journal of messages between actors.
//!
//! [`log`] is the file `worker.log` and its copy on stderr, written through `tracing`. [`journal`] knows every message
//! between actors that is open or was lately, does no I/O, and can be read while an actor hangs. Neither decides
//! anything, and neither can fail its caller.

mod format;
pub mod journal;
pub mod log;
mod log_file;
pub mod watchdog;

pub use format::{LineFormat, LineFormatError};
pub use log::{LogError, LogHandle, LogSettings};
