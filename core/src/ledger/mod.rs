//! The ledger of runs: one line of JSON for each, in which every line holds the digest of the one before (docs/audit.md).
//!
//! | | |
//! |---|---|
//! | [`RunRecord`] | what is known about a run once it is over |
//! | [`Entry`] | a line: the record, its place in the chain, and its own digest |
//! | [`Tail`] | where the next line goes |
//! | [`Audit`] | whether lines are what was written, and all of it |
//!
//! What is written here can be changed by whoever may write the file: a line that was changed, removed or moved is found,
//! but a chain whose end was cut off, or that was made anew as a whole, is a chain. Only a head that was kept elsewhere
//! tells (`Audit::expecting`). Files are read and written elsewhere.

mod audit;
mod entry;
mod record;
mod tail;
#[cfg(test)]
mod tests;

pub use audit::{Audit, AuditReport, Break, Problem};
pub use entry::{Entry, Head, LineError};
pub use record::{PhaseTimes, RunRecord, VerdictRecord};
pub use tail::{Tail, TailError};
