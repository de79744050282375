//! Whether the lines of a ledger are what was written, and all of it.

use super::entry::sha256;
use super::{Entry, Head, LineError};
use crate::digest::Digest;
use crate::time::UnixMillis;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Goes through the lines of a ledger, one after the other.
#[derive(Debug)]
pub struct Audit {
    /// The digest that the first line is expected to follow.
    start: Digest,
    expected: Option<Digest>,
    /// The last line that could be read.
    last: Option<Head>,
    /// The lines since then that could not.
    unread: Option<Unread>,
    /// What stood before the next line is not known: it was changed, or cannot be read.
    gap: bool,
    report: AuditReport,
}

/// Lines that cannot be read.
#[derive(Debug)]
struct Unread {
    line: u64,
    text: Vec<u8>,
    /// Why the first of them that does not just break off cannot be read.
    error: Option<LineError>,
}

/// What an audit found.
#[derive(Debug)]
pub struct AuditReport {
    /// How many lines there are.
    pub lines: u64,
    /// The end of the run of the first line.
    pub first: Option<UnixMillis>,
    /// The end of the run of the last line.
    pub last: Option<UnixMillis>,
    /// How many runs ended in each way.
    pub endings: BTreeMap<&'static str, u64>,
    /// The last line that can be read; what stands before the first one when there is none.
    pub head: Head,
    /// Lines whose writing was cut short, by a crash or a full disk: nobody's doing. The line after each says so, except
    /// at the end of the file.
    pub torn: Vec<u64>,
    /// The line that the expected head was found in.
    pub expected_at: Option<u64>,
    /// What is not as it was written; nothing when the ledger is whole.
    pub breaks: Vec<Break>,
}

/// A place where the ledger is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Break {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The line itself.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The first line follows another one than expected.
    #[error(
        "expected the first line to follow {expected}, found that it follows {found}: lines before it are missing"
    )]
    Start {
        /// What it is expected to follow.
        expected: Digest,
        /// What it follows.
        found: Digest,
    },
    /// Numbers were left out.
    #[error("expected the number {expected}, found {found}: lines are missing before it")]
    Missing {
        /// The number after the one before.
        expected: u64,
        /// The number that stands there.
        found: u64,
    },
    /// A number was there before.
    #[error("expected the number {expected}, found {found}: the line was moved or is there twice")]
    Order {
        /// The number after the one before.
        expected: u64,
        /// The number that stands there.
        found: u64,
    },
    /// The number is right, but the line was written after another one.
    #[error(
        "expected that it follows {expected}, found that it follows {found}: the line before it was replaced, or this one"
    )]
    Link {
        /// The digest of the line before.
        expected: Digest,
        /// The digest of the line that it was written after.
        found: Digest,
    },
    /// It says that a torn line stands before it, and there is none.
    #[error("the torn line before it is missing")]
    TornMissing,
    /// The head that somebody kept is not there.
    #[error(
        "expected a line with the digest {expected}, found none; the last one has {found}: the end is missing, or all was written anew"
    )]
    Head {
        /// The head that was kept.
        expected: Digest,
        /// The one that is there.
        found: Digest,
    },
}

impl Problem {
    /// A name for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Line(LineError::Changed { .. }) => "changed",
            Self::Line(LineError::Torn) => "torn",
            Self::Line(LineError::Unreadable(_)) => "unreadable",
            Self::Line(LineError::Form) => "form",
            Self::Start { .. } => "start",
            Self::Missing { .. } => "missing",
            Self::Order { .. } => "order",
            Self::Link { .. } => "link",
            Self::TornMissing => "torn-missing",
            Self::Head { .. } => "head",
        }
    }
}

impl Default for Audit {
    /// Of a ledger from its very beginning.
    fn default() -> Self {
        Self::after(Head::START.digest)
    }
}

impl Audit {
    /// Of a file that goes on where another one ended: with this head.
    pub fn after(start: Digest) -> Self {
        let head = Head { sequence: 0, digest: start };
        let report = AuditReport {
            lines: 0,
            first: None,
            last: None,
            endings: BTreeMap::new(),
            head,
            torn: Vec::new(),
            expected_at: None,
            breaks: Vec::new(),
        };
        Self { start, expected: None, last: None, unread: None, gap: false, report }
    }

    /// Expects a line with this digest: a head that was kept elsewhere. Lines may have come after it.
    #[must_use]
    pub fn expecting(mut self, head: Digest) -> Self {
        self.expected = Some(head);
        self
    }

    /// The next line, without its line break.
    pub fn line(&mut self, line: &[u8]) {
        self.report.lines = self.report.lines.saturating_add(1);
        match Entry::read(line) {
            Ok((entry, head)) => self.entry(&entry, head),
            Err(error) => self.unread(line, error),
        }
    }

    /// The end of the file; `rest` is what stands behind the last line break.
    pub fn end(mut self, rest: &[u8]) -> AuditReport {
        if !rest.is_empty() {
            self.line(rest);
        }
        match self.unread.take_if(|unread| unread.error.is_none() && !rest.is_empty()) {
            Some(unread) => self.report.torn.extend(unread.line..=self.report.lines),
            None => self.give_up_unread(),
        }
        if let (Some(expected), None) = (self.expected, self.report.expected_at) {
            self.broken(self.report.lines, Problem::Head { expected, found: self.report.head.digest });
        }
        self.report
    }

    fn broken(&mut self, line: u64, problem: impl Into<Problem>) {
        self.report.breaks.push(Break { line, problem: problem.into() });
    }

    /// The lines that could not be read were not torn either.
    fn give_up_unread(&mut self) {
        if let Some(unread) = self.unread.take() {
            self.gap = true;
            self.broken(unread.line, unread.error.unwrap_or(LineError::Torn));
        }
    }

    fn unread(&mut self, line: &[u8], error: LineError) {
        let at = self.report.lines;
        if let LineError::Changed { .. } = error {
            self.give_up_unread();
            self.gap = true;
            return self.broken(at, error);
        }
        let unread = self.unread.get_or_insert_with(|| Unread { line: at, text: Vec::new(), error: None });
        if at > unread.line {
            unread.text.push(b'\n');
        }
        unread.text.extend_from_slice(line);
        if !matches!(error, LineError::Torn) {
            unread.error.get_or_insert(error);
        }
    }

    fn entry(&mut self, entry: &Entry, head: Head) {
        let line = self.report.lines;
        match (&self.unread, entry.torn) {
            (None, None) => {}
            (None, Some(_)) => self.broken(line, Problem::TornMissing),
            (Some(unread), Some(torn)) if unread.error.is_none() && sha256(&unread.text) == torn => {
                self.report.torn.extend(unread.line..line);
                self.unread = None;
            }
            (Some(_), _) => self.give_up_unread(),
        }
        let gap = std::mem::take(&mut self.gap);
        if let Some(problem) = self.misplaced(entry).filter(|_| !gap) {
            self.broken(line, problem);
        }
        self.last = Some(head);
        let report = &mut self.report;
        report.head = head;
        report.first.get_or_insert(entry.run.ended_at);
        report.last = Some(entry.run.ended_at);
        let runs = report.endings.entry(entry.run.ending()).or_default();
        *runs = runs.saturating_add(1);
        if self.expected == Some(head.digest) {
            report.expected_at.get_or_insert(line);
        }
    }

    /// What is wrong with the place of a line.
    fn misplaced(&self, entry: &Entry) -> Option<Problem> {
        let found = entry.sequence;
        let (before, expected) = match self.last {
            Some(last) => (last.digest, last.sequence.saturating_add(1)),
            None if entry.previous != self.start => {
                return Some(Problem::Start { expected: self.start, found: entry.previous });
            }
            // whoever names a head does not name its number
            None => (self.start, if self.start == Head::START.digest { 1 } else { found }),
        };
        match found.cmp(&expected) {
            Ordering::Greater => Some(Problem::Missing { expected, found }),
            Ordering::Less => Some(Problem::Order { expected, found }),
            Ordering::Equal if entry.previous != before => {
                Some(Problem::Link { expected: before, found: entry.previous })
            }
            Ordering::Equal => None,
        }
    }
}
