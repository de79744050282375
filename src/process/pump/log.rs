//! The file that the pump writes, and what becomes of output that it cannot or may not take.
//!
//! Output goes straight into the file until the file may not grow (`max_log_size`) or cannot (a fault of the disk).
//! From then on the last of it is held in memory, 1 MiB at most. When the disk works again, or in the end, it follows
//! in the file, after a line that says how much is missing. To have a place for it even on a full disk, as much space
//! is always set aside behind the end of the file.

use super::{Progress, PumpReport};
use crate::fsio::WriteFile;
use nix::errno::Errno;
use std::collections::VecDeque;
use std::io::{self, Write};

/// How much of the end is kept.
pub(super) const TAIL: u64 = 1024 * 1024;
/// Space for the lines of the worker's own, besides the tail.
const OWN_LINES: u64 = 64 * 1024;
/// Space is set aside in steps of this size.
const STEP: u64 = 1024 * 1024;

/// The file, and what went wrong with it.
pub(super) struct Log {
    file: WriteFile,
    progress: Progress,
    /// The greatest size of the output in the file.
    max: Option<u64>,
    /// How much of it is written as it comes.
    head: u64,
    bytes: u64,
    lost: u64,
    left_out: u64,
    cut: bool,
    error: Option<io::Error>,
    fresh_line: bool,
    /// Up to which offset space is set aside; `None` where the file system cannot do that.
    reserved: Option<u64>,
    held: Option<Held>,
}

impl Log {
    /// `max`: the greatest size of the output in the file.
    pub(super) fn new(file: WriteFile, progress: Progress, max: Option<u64>) -> Self {
        // of a small log, half is for its end
        let head = max.map_or(u64::MAX, |max| max.saturating_sub(TAIL.min(max / 2)));
        Self {
            file,
            progress,
            max,
            head,
            bytes: 0,
            lost: 0,
            left_out: 0,
            cut: false,
            error: None,
            fresh_line: true,
            reserved: Some(0),
            held: None,
        }
    }

    /// Takes output of the script.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        // after an error every later call tries again: the end of a log is worth most
        self.catch_up(bytes.len());
        let rest = match self.held {
            None => self.stream(bytes),
            Some(_) => bytes,
        };
        if let Some(held) = &mut self.held {
            held.push(rest);
        }
    }

    /// Takes a line of the worker's own.
    pub(super) fn note(&mut self, line: &str) {
        self.catch_up(0);
        let line = line.to_owned();
        if self.held.is_some() || !self.put_line(&line) {
            self.held.get_or_insert_with(|| Held::new(false, TAIL)).note(line);
        }
    }

    /// No more output comes: what is held goes into the file, whatever its size. Lines of the worker's own may still
    /// follow.
    pub(super) fn settle(&mut self) {
        if let Some(held) = &mut self.held {
            held.by_limit = false;
        }
        self.head = u64::MAX;
        self.catch_up(0);
    }

    /// The end. What cannot be written now is lost.
    pub(super) fn close(mut self) -> PumpReport {
        if let Some(mut held) = self.held.take() {
            // without asking for space: this is what it was set aside for
            self.release(&mut held);
            let notes: usize = held.notes.iter().map(|(_, line)| line.len() + 1).sum();
            let rest = length(held.tail.len() + notes);
            self.lost = self.lost.saturating_add(held.lost).saturating_add(rest);
            self.left_out = self.left_out.saturating_add(held.left_out);
        }
        self.progress.publish(self.bytes, true);
        let Self { bytes, lost, left_out, cut, error, .. } = self;
        PumpReport { bytes, lost, left_out, cut, error }
    }

    /// The output could not be read to its end.
    pub(super) fn cut(&mut self, error: io::Error) {
        self.cut = true;
        self.error.get_or_insert(error);
    }

    /// Writes what the file may and can take; returns the rest, for which there is a place to be held then.
    fn stream<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = usize::try_from(self.head.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let now = bytes.get(..room).unwrap_or(bytes);
        let left = if self.reserve(now.len()) { self.put(now).len() } else { now.len() };
        let rest = bytes.get(now.len().saturating_sub(left)..).unwrap_or_default();
        if !rest.is_empty() {
            let most = self.max.map_or(TAIL, |max| max.saturating_sub(self.head));
            self.held = Some(Held::new(left == 0, most));
        }
        rest
    }

    /// After a fault: lets what is held go on into the file, if there is room for it and for `coming` more bytes.
    fn catch_up(&mut self, coming: usize) {
        let Some(mut held) = self.held.take_if(|held| !held.by_limit) else { return };
        let needed = held.tail.len().saturating_add(coming);
        if self.bytes.saturating_add(length(needed)) > self.head {
            held.by_limit = true;
        } else if self.reserve(needed) {
            self.release(&mut held);
        }
        self.held = Some(held).filter(|held| held.by_limit || !held.is_empty());
    }

    /// Writes what is held: a line that says what is missing, then the rest with the notes at their places. Ends early
    /// when a write fails.
    fn release(&mut self, held: &mut Held) {
        if held.left_out > 0 {
            let max = self.max.unwrap_or_default();
            let mark = format!("[{} bytes of output left out: max_log_size is {max}]", held.left_out);
            if !self.put_line(&mark) {
                return;
            }
            self.left_out = self.left_out.saturating_add(std::mem::take(&mut held.left_out));
        }
        if held.lost > 0 {
            if !self.put_line(&format!("[{} bytes of output could not be written]", held.lost)) {
                return;
            }
            self.lost = self.lost.saturating_add(std::mem::take(&mut held.lost));
        }
        loop {
            let wanted = held.notes.front().map_or(held.tail.len(), |(place, _)| *place);
            let (first, second) = held.tail.as_slices();
            let first = first.get(..wanted).unwrap_or(first);
            let second = second.get(..wanted.saturating_sub(first.len())).unwrap_or(second);
            let left = self.put(first).len();
            let left = if left == 0 { self.put(second).len() } else { left.saturating_add(second.len()) };
            held.forget(wanted.saturating_sub(left));
            if left > 0 {
                return;
            }
            match held.notes.front() {
                Some((_, line)) if self.put_line(line) => drop(held.notes.pop_front()),
                _ => return,
            }
        }
    }

    /// Sets space aside for so many more bytes and for the end of the log.
    fn reserve(&mut self, coming: usize) -> bool {
        let Some(reserved) = self.reserved else { return true };
        let needed = self.bytes.saturating_add(length(coming)).saturating_add(TAIL + OWN_LINES);
        if needed <= reserved {
            return true;
        }
        let end = needed.saturating_add(STEP);
        match self.file.reserve(self.bytes, end.saturating_sub(self.bytes)) {
            Ok(()) => self.reserved = Some(end),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_of_the_disk(&error) => {
                self.error.get_or_insert(error);
                return false;
            }
            Err(_) => self.reserved = None,
        }
        true
    }

    /// Writes a line on a line of its own; `false`: not all of it.
    fn put_line(&mut self, line: &str) -> bool {
        let line_break = if self.fresh_line { "" } else { "\n" };
        self.put(format!("{line_break}{line}\n").as_bytes()).is_empty()
    }

    /// Returns what could not be written.
    fn put<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => {
                    self.error.get_or_insert_with(|| io::ErrorKind::WriteZero.into());
                    break;
                }
                Ok(count) => {
                    self.fresh_line = bytes.get(count.saturating_sub(1)) == Some(&b'\n');
                    bytes = bytes.get(count..).unwrap_or_default();
                    self.bytes = self.bytes.saturating_add(length(count));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error.get_or_insert(error);
                    break;
                }
            }
        }
        self.progress.publish(self.bytes, false);
        bytes
    }
}

/// Output that is not in the file.
struct Held {
    /// Because the file may not grow any more, rather than because it cannot.
    by_limit: bool,
    /// The last of it, at most so many bytes.
    tail: VecDeque<u8>,
    most: usize,
    /// Bytes that fell out of the tail, because of the limit and because of a fault.
    left_out: u64,
    lost: u64,
    /// Lines of the worker's own, each with the number of bytes of the tail that stand before it. They are kept
    /// whatever falls out: only they say why a script that floods its log was ended.
    notes: VecDeque<(usize, String)>,
}

impl Held {
    fn new(by_limit: bool, most: u64) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { by_limit, tail: VecDeque::new(), most, left_out: 0, lost: 0, notes: VecDeque::new() }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.tail.extend(bytes);
        let over = self.tail.len().saturating_sub(self.most);
        self.forget(over);
        let count = if self.by_limit { &mut self.left_out } else { &mut self.lost };
        *count = count.saturating_add(length(over));
    }

    fn note(&mut self, line: String) {
        self.notes.push_back((self.tail.len(), line));
    }

    /// Removes the first bytes of the tail.
    fn forget(&mut self, count: usize) {
        self.tail.drain(..count);
        for (place, _) in &mut self.notes {
            *place = place.saturating_sub(count);
        }
    }

    fn is_empty(&self) -> bool {
        self.tail.is_empty() && self.notes.is_empty() && self.left_out == 0 && self.lost == 0
    }
}

fn is_of_the_disk(error: &io::Error) -> bool {
    let disk = [Errno::ENOSPC, Errno::EDQUOT, Errno::EIO, Errno::EROFS];
    error.raw_os_error().is_some_and(|number| disk.contains(&Errno::from_raw(number)))
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
