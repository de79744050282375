//! Reads a task's log back, line by line, for the worker's own log.
//!
//! It follows the file, not the pipe: however slow the worker's log is, it only lags behind. Constant memory. Lines go
//! on by the chunk: a script that prints millions of short ones costs no more for each than its bytes.

use super::pump::Progress;
use std::fs::File;
use std::io::{self, Read};
use tokio::sync::oneshot;

/// Longer lines are cut, with a mark.
const LONGEST_LINE: usize = 16 * 1024;
const CUT_MARK: &str = " [line cut]";
const CHUNK: usize = 64 * 1024;

/// A file being followed.
#[derive(Debug)]
pub struct Tail {
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Tail {
    /// Hands the lines of the file to `lines` on a thread of its own, as many at once as there are in up to 64 KiB,
    /// until the file is complete. Each is text with invalid UTF-8 replaced, white space at the end removed, cut at
    /// 16 KiB, and ends with a line feed; other control characters are as they were.
    pub fn start(
        mut file: File,
        progress: Progress,
        mut lines: impl FnMut(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (done, ended) = oneshot::channel();
        std::thread::Builder::new().name("log-tail".to_owned()).spawn(move || {
            let _ = done.send(follow(&mut file, &progress, &mut lines));
        })?;
        Ok(Self { ended })
    }

    /// Waits until the last line of the complete file was handed over, or the file could not be read.
    pub async fn finish(self) -> io::Result<()> {
        self.ended.await.unwrap_or_else(|_| Err(io::Error::other("the thread that follows the log died")))
    }
}

fn follow(file: &mut File, progress: &Progress, hand_over: &mut impl FnMut(&str)) -> io::Result<()> {
    let mut lines = Lines::default();
    let mut chunk = vec![0; CHUNK];
    let mut read = 0u64;
    loop {
        let (length, complete) = progress.wait_beyond(read);
        while read < length {
            let count = match file.read(&mut chunk) {
                Ok(0) => break, // cut from outside: what is not there cannot be shown
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            read = read.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            lines.push(chunk.get(..count).unwrap_or_default());
            lines.hand_over(hand_over);
        }
        if complete {
            lines.end();
            lines.hand_over(hand_over);
            return Ok(());
        }
        read = read.max(length);
    }
}

/// Cuts bytes into lines.
#[derive(Default)]
struct Lines {
    /// Whole lines that nobody has yet.
    whole: String,
    /// The line so far, at most [`LONGEST_LINE`].
    current: Vec<u8>,
    cut: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let last = pieces.next_back();
        for piece in pieces {
            self.extend(piece);
            self.end_line();
        }
        self.extend(last.unwrap_or_default());
    }

    fn end(&mut self) {
        if !self.current.is_empty() {
            self.end_line();
        }
    }

    fn hand_over(&mut self, to: &mut impl FnMut(&str)) {
        if !self.whole.is_empty() {
            to(&self.whole);
            self.whole.clear();
        }
    }

    fn extend(&mut self, piece: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.current.len());
        self.cut |= piece.len() > room;
        self.current.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    fn end_line(&mut self) {
        if self.cut {
            // Not in the middle of a character.
            if let Err(error) = std::str::from_utf8(&self.current)
                && error.error_len().is_none()
            {
                self.current.truncate(error.valid_up_to());
            }
        }
        self.whole.push_str(String::from_utf8_lossy(&self.current).trim_end());
        if self.cut {
            self.whole.push_str(CUT_MARK);
        }
        self.whole.push('\n');
        self.current.clear();
        self.cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut found = String::new();
        let mut lines = Lines::default();
        let mut collect = |whole: &str| found.push_str(whole);
        for chunk in chunks {
            lines.push(chunk);
            lines.hand_over(&mut collect);
        }
        lines.end();
        lines.hand_over(&mut collect);
        assert!(found.is_empty() || found.ends_with('\n'));
        found.split_terminator('\n').map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_stripped_and_lossy_and_else_as_they_are() {
        assert_eq!(lines_of(&[b"a \r\n\n b", b"c\t\nlast"]), ["a", "", " bc", "last"]);
        assert_eq!(lines_of(&[b"\x1b[31mred\x07\0\n"]), ["\u{1b}[31mred\u{7}\0"]);
        assert_eq!(lines_of(&["a\rb\u{202e}\n".as_bytes()]), ["a\rb\u{202e}"]);
        assert_eq!(lines_of(&[b"\xff\xfeok\n"]), ["\u{fffd}\u{fffd}ok"]);
        assert_eq!(lines_of(&[b"\xc3", b"\xa4\n"]), ["ä"]);
        assert_eq!(lines_of(&[]), [""; 0]);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let exact = vec![b'x'; LONGEST_LINE];
        assert_eq!(lines_of(&[&exact, b"\n"]), ["x".repeat(LONGEST_LINE)]);
        let euros = "€".repeat(LONGEST_LINE);
        let found = lines_of(&[euros.as_bytes(), b"\nnext\n"]);
        assert_eq!(found, [format!("{}{CUT_MARK}", "€".repeat(LONGEST_LINE / 3)), "next".to_owned()]);
    }
}
