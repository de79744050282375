//! Where the next line goes: what the end of the file says.

use super::entry::sha256;
use super::{Entry, Head, LineError};
use crate::digest::Digest;

/// The end of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The last line; none in a file without lines.
    pub head: Option<Head>,
    /// SHA-256 of what stands behind it: lines whose writing was cut short.
    pub torn: Option<Digest>,
    /// The file does not end in a line break, so one has to be written first.
    pub open: bool,
}

/// Why nothing can be written after this.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// What stands at the end was not left there by a write that was cut short.
    #[error("expected a ledger, or the beginning of a line, at its end: {0}")]
    Damaged(#[from] LineError),
    /// There is no whole line in all that was looked at.
    #[error("expected a whole line within the last {looked} bytes")]
    NoLine {
        /// How much was looked at.
        looked: usize,
    },
}

impl Tail {
    /// So many bytes from the end of the file are enough: many times the length of the longest line.
    pub const BYTES: u64 = 1 << 16;

    /// Looks at the last bytes of a file; `all` when they are all that it has.
    pub fn of(bytes: &[u8], all: bool) -> Result<Self, TailError> {
        let whole_lines = match bytes.iter().position(|byte| *byte == b'\n') {
            _ if all => bytes,
            Some(end) => bytes.get(end.saturating_add(1)..).unwrap_or_default(),
            None => &[],
        };
        let text = whole_lines.strip_suffix(b"\n").unwrap_or(whole_lines);
        let mut tail =
            Self { head: None, torn: None, open: text.len() == whole_lines.len() && !text.is_empty() };
        let mut begins = text.len();
        // an empty file has no line, not an empty one
        for line in text.rsplit(|byte| *byte == b'\n').take_while(|_| !whole_lines.is_empty()) {
            match Entry::read(line) {
                Ok((_, head)) => {
                    tail.head = Some(head);
                    break;
                }
                Err(LineError::Torn) => begins = begins.saturating_sub(line.len()),
                Err(error) => return Err(error.into()),
            }
            tail.torn = text.get(begins..).map(sha256);
            // the line break before it
            begins = begins.saturating_sub(1);
        }
        match tail.head {
            None if !all => Err(TailError::NoLine { looked: bytes.len() }),
            _ => Ok(tail),
        }
    }
}
