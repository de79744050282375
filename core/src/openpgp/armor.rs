//! ASCII armor (RFC 9580 6): one block, strictly read in linear time, and written.
//!
//! Who calls decides what a block is worth; nothing here looks into the packets. The checksum is read over, as RFC 9580
//! asks: what protects the content is a signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// What is wrong with an armored block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArmorError {
    /// The first line is no `-----BEGIN …-----` of a kind that belongs here.
    #[error("read the armor: the first line is none that begins a block of the expected kind")]
    NoBegin,
    /// A line between the first one and the blank one is no `Name: value` in printable characters.
    #[error("read the armor: line {line} is no header")]
    Header {
        /// Counted from 1.
        line: usize,
    },
    /// No line ends the block.
    #[error("read the armor: the line that ends the block is missing")]
    NoEnd,
    /// The content is not base64.
    #[error("read the armor: the content is no base64")]
    Base64,
    /// Something other than empty lines follows the block.
    #[error("read the armor: {bytes} bytes follow the block")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// More headers than anybody writes.
const MOST_HEADERS: usize = 16;

/// Whether the text begins an armored block, of any kind.
pub(super) fn is_armored(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-----BEGIN ")
}

/// The kind in the first line: `PGP PUBLIC KEY BLOCK` of `-----BEGIN PGP PUBLIC KEY BLOCK-----`.
pub(super) fn label(bytes: &[u8]) -> Option<&str> {
    let (line, _) = split_line(bytes);
    std::str::from_utf8(line.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?).ok()
}

/// The packets in the one block of this kind, and what follows the line that ends it.
pub(super) fn decode<'a>(bytes: &'a [u8], kind: &str) -> Result<(Vec<u8>, &'a [u8]), ArmorError> {
    if label(bytes) != Some(kind) {
        return Err(ArmorError::NoBegin);
    }
    let mut rest = split_line(bytes).1;
    let mut number = 1;
    loop {
        number += 1;
        let (line, after) = split_line(rest);
        if rest.is_empty() {
            return Err(ArmorError::NoEnd);
        }
        rest = after;
        if line.trim_ascii().is_empty() {
            break;
        }
        if number > MOST_HEADERS + 1 || !is_header(line) {
            return Err(ArmorError::Header { line: number });
        }
    }
    let end = find_end(rest).ok_or(ArmorError::NoEnd)?;
    let (body, tail) = rest.split_at_checked(end).ok_or(ArmorError::NoEnd)?;
    let (last, after) = split_line(tail);
    if last.strip_prefix(b"-----END ").and_then(|line| line.strip_suffix(b"-----")) != Some(kind.as_bytes()) {
        return Err(ArmorError::NoEnd);
    }
    Ok((decode_body(body)?, after))
}

/// Refuses anything but empty lines.
pub(super) fn nothing_more(rest: &[u8]) -> Result<(), ArmorError> {
    let bytes = rest.trim_ascii().len();
    if bytes == 0 { Ok(()) } else { Err(ArmorError::Trailing { bytes }) }
}

/// Where the first line starts that begins with a dash: base64 has none.
fn find_end(body: &[u8]) -> Option<usize> {
    if body.starts_with(b"-") {
        return Some(0);
    }
    body.windows(2).position(|pair| pair == b"\n-").map(|at| at + 1)
}

/// The base64 of the lines; a line that starts with `=` is the checksum and the last one.
fn decode_body(body: &[u8]) -> Result<Vec<u8>, ArmorError> {
    let mut text = Vec::with_capacity(body.len());
    let mut lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    for line in lines.by_ref() {
        if line.starts_with(b"=") && line.len() == 5 {
            break;
        }
        text.extend_from_slice(line);
    }
    if lines.any(|line| !line.is_empty()) {
        return Err(ArmorError::Base64);
    }
    STANDARD.decode(&text).map_err(|_| ArmorError::Base64)
}

/// `Name: value`, in printable ASCII for the name and without control characters in the value.
fn is_header(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let Some((name, value)) = line.split_at_checked(colon) else { return false };
    let value = value.trim_ascii_end();
    !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && (value == b":" || value.starts_with(b": "))
        && std::str::from_utf8(value).is_ok_and(|value| !value.chars().any(char::is_control))
}

/// The first line without its end (`\n` or `\r\n`), and the rest.
pub(super) fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => {
            let (line, rest) = bytes.split_at(at);
            (line, rest.strip_prefix(b"\n").unwrap_or(rest))
        }
        None => (bytes, &[][..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// The packets as one armored block, lines of 64 characters, with the checksum that old readers want.
pub(super) fn encode(packets: &[u8], kind: &str) -> String {
    let base64 = STANDARD.encode(packets);
    let mut text = format!("-----BEGIN {kind}-----\n\n");
    let mut rest = base64.as_str();
    while let Some((line, after)) = rest.split_at_checked(64) {
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        text.push_str(rest);
        text.push('\n');
    }
    let checksum = STANDARD.encode(crc24(packets));
    text.push_str(&format!("={checksum}\n-----END {kind}-----\n"));
    text
}

/// The checksum of RFC 9580 6.1.1.
fn crc24(bytes: &[u8]) -> [u8; 3] {
    let mut crc: u32 = 0x00B7_04CE;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4CFB;
            }
        }
    }
    let [_, a, b, c] = crc.to_be_bytes();
    [a, b, c]
}

/// The packets of bytes that may be armored as this kind or binary.
pub(super) fn packets<'a>(bytes: &'a [u8], kind: &str) -> Result<Cow<'a, [u8]>, ArmorError> {
    if !is_armored(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    let (packets, rest) = decode(bytes, kind)?;
    nothing_more(rest)?;
    Ok(Cow::Owned(packets))
}

#[cfg(test)]
mod tests;
