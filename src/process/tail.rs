//! Reads a task's log back, line by line, for the worker's own log.
//!
//! It follows the file, not the pipe: however slow the worker's log is, it only lags behind. Constant memory.

use super::pump::Progress;
use std::fmt::Write;
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
    /// Hands each line of the file to `line` on a thread of its own, until the file is complete: text with invalid
    /// UTF-8 replaced, white space at the end removed, control characters escaped, cut at 16 KiB.
    pub fn start(
        mut file: File,
        progress: Progress,
        mut line: impl FnMut(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (done, ended) = oneshot::channel();
        std::thread::Builder::new().name("log-tail".to_owned()).spawn(move || {
            let _ = done.send(follow(&mut file, &progress, &mut line));
        })?;
        Ok(Self { ended })
    }

    /// Waits until the last line of the complete file was handed over, or the file could not be read.
    pub async fn finish(self) -> io::Result<()> {
        self.ended.await.unwrap_or_else(|_| Err(io::Error::other("the thread that follows the log died")))
    }
}

fn follow(file: &mut File, progress: &Progress, line: &mut impl FnMut(&str)) -> io::Result<()> {
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
            lines.push(chunk.get(..count).unwrap_or_default(), line);
        }
        if complete {
            lines.end(line);
            return Ok(());
        }
        read = read.max(length);
    }
}

/// Cuts bytes into lines.
#[derive(Default)]
struct Lines {
    /// The line so far, at most [`LONGEST_LINE`].
    current: Vec<u8>,
    cut: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], line: &mut impl FnMut(&str)) {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let last = pieces.next_back();
        for piece in pieces {
            self.extend(piece);
            self.hand_over(line);
        }
        self.extend(last.unwrap_or_default());
    }

    fn end(&mut self, line: &mut impl FnMut(&str)) {
        if !self.current.is_empty() {
            self.hand_over(line);
        }
    }

    fn extend(&mut self, piece: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.current.len());
        self.cut |= piece.len() > room;
        self.current.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    fn hand_over(&mut self, line: &mut impl FnMut(&str)) {
        if self.cut {
            // Not in the middle of a character.
            if let Err(error) = std::str::from_utf8(&self.current)
                && error.error_len().is_none()
            {
                self.current.truncate(error.valid_up_to());
            }
        }
        let mut text = printable(String::from_utf8_lossy(&self.current).trim_end());
        if self.cut {
            text.push_str(CUT_MARK);
        }
        line(&text);
        self.current.clear();
        self.cut = false;
    }
}

/// Escapes what would make a terminal or a log viewer show something else than what is there.
fn printable(text: &str) -> String {
    // nearly every line of a big log, and many times faster than looking at each character
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let deceives = matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        );
        if (character.is_control() && character != '\t') || deceives {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        let mut collect = |line: &str| found.push(line.to_owned());
        for chunk in chunks {
            lines.push(chunk, &mut collect);
        }
        lines.end(&mut collect);
        found
    }

    #[test]
    fn lines_are_stripped_escaped_and_lossy() {
        assert_eq!(lines_of(&[b"a \r\n\n b", b"c\t\nlast"]), ["a", "", " bc", "last"]);
        assert_eq!(lines_of(&[b"\x1b[31mred\x07\0\n"]), ["\\u{1b}[31mred\\u{7}\\u{0}"]);
        assert_eq!(lines_of(&["a\u{202e}b\n".as_bytes()]), ["a\\u{202e}b"]);
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
