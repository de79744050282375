//! What can be seen of the worker from outside: its log, and the journal of messages between actors.
//!
//! [`log`] is the file `worker.log` and its copy on stderr, written through `tracing`. [`journal`] knows every message
//! between actors that is open or was lately, does no I/O, and can be read while an actor hangs. [`ledger`] is the file
//! `runs.jsonl`, one line a run. None of them decides anything, and none can fail its caller.

mod bridge;
mod escape;
mod event;
mod format;
pub mod journal;
mod json_line;
pub mod ledger;
pub mod log;
mod log_file;
mod outlet;
pub mod watchdog;

pub(crate) use escape::escaped;
pub(crate) use json_line::printable as printable_json;

pub use format::{LineFormat, LineFormatError};
pub use log::{LogError, LogHandle, LogSettings};
