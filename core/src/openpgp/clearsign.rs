//! Taking a clear-signed text apart (RFC 9580 7), in one linear pass.
//!
//! There is one accepted form; everything that two programs could read differently is refused (cot-attacks.md 21 to
//! 29). What comes out is the text that is hashed, and nothing else is ever shown to anybody.

use super::armor;
use super::refusal::Refusal;
use super::{Hash, armor::split_line};

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
/// The armor of signatures.
pub(super) const SIGNATURE_BLOCK: &str = "PGP SIGNATURE";
/// More `Hash` headers than anybody writes.
const MOST_HEADERS: usize = 8;

/// A clear-signed text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    /// The canonical text: dash-escaping undone, no blanks at the ends of lines, lines separated by `\r\n`, none at the
    /// end. These are the bytes that the signature is made over.
    pub text: Vec<u8>,
    /// The signature's packets.
    pub signature: Vec<u8>,
}

/// Takes exactly one clear-signed text apart.
pub(super) fn split(bytes: &[u8], most_bytes: usize) -> Result<Split, Refusal> {
    if bytes.len() > most_bytes {
        return Err(Refusal::TooBig { limit: most_bytes, found: bytes.len() });
    }
    let (first, rest) = split_line(bytes);
    if first != BEGIN {
        return Err(no_beginning(bytes));
    }
    let (rest, line) = headers(rest)?;
    let (text, rest) = body(rest, line)?;
    let (signature, rest) = armor::decode(rest, SIGNATURE_BLOCK).map_err(Refusal::Armor)?;
    match rest.trim_ascii().len() {
        0 => Ok(Split { text, signature }),
        _ if has_line(rest, BEGIN) => Err(Refusal::MultipleMessages),
        bytes => Err(Refusal::TrailingData { bytes }),
    }
}

fn no_beginning(bytes: &[u8]) -> Refusal {
    if armor::is_armored(bytes) && !bytes.starts_with(BEGIN) {
        return Refusal::Format { found: "another armored block" };
    }
    let mut before = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.strip_suffix(b"\r").unwrap_or(line) == BEGIN {
            return Refusal::LeadingData { bytes: before };
        }
        before += line.len() + 1;
    }
    Refusal::Format { found: if bytes.is_ascii() { "other text" } else { "binary data" } }
}

fn has_line(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| line.strip_suffix(b"\r").unwrap_or(line) == wanted)
}

/// Reads the headers and the empty line after them; the rest, and the number of the line it starts with.
fn headers(mut rest: &[u8]) -> Result<(&[u8], usize), Refusal> {
    for line in 2..=MOST_HEADERS + 2 {
        if rest.is_empty() {
            return Err(Refusal::ClearsignFormat { line });
        }
        let (header, after) = split_line(rest);
        rest = after;
        if header.is_empty() {
            return Ok((rest, line + 1));
        }
        if header.starts_with(b"NotDashEscaped:") {
            return Err(Refusal::NotDashEscaped);
        }
        if !is_hash_header(header) {
            return Err(Refusal::ClearsignHeader { line });
        }
    }
    Err(Refusal::ClearsignHeader { line: MOST_HEADERS + 2 })
}

/// `Hash: SHA256` or `Hash: SHA256,SHA512` (also with one blank after the comma). It is no evidence: which hash counts
/// is said in the signature.
fn is_hash_header(line: &[u8]) -> bool {
    let Some(names) = line.strip_prefix(b"Hash: ") else { return false };
    let Ok(names) = std::str::from_utf8(names) else { return false };
    names.split(',').enumerate().all(|(place, name)| {
        let name = if place == 0 { name } else { name.strip_prefix(' ').unwrap_or(name) };
        Hash::named(name).is_some()
    })
}

/// Reads the text up to the line that begins the signature; the canonical text, and the rest from that line on.
fn body(mut rest: &[u8], mut number: usize) -> Result<(Vec<u8>, &[u8]), Refusal> {
    let mut text = Vec::with_capacity(rest.len() + rest.len() / 16);
    let mut is_first = true;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if line == BEGIN_SIGNATURE {
            return Ok((text, rest));
        }
        let line = match line {
            [b'-', b' ', line @ ..] => line,
            [b'-', ..] => return Err(Refusal::ClearsignFormat { line: number }),
            line => line,
        };
        let line = without_blanks(line);
        // Readers differ in whether a carriage return ends a line.
        if line.contains(&b'\r') {
            return Err(Refusal::ClearsignFormat { line: number });
        }
        if !is_first {
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(line);
        is_first = false;
        rest = after;
        number += 1;
    }
    Err(Refusal::ClearsignFormat { line: number })
}

/// The line without blanks, tabs and carriage returns at its end, as gpg strips them.
fn without_blanks(mut line: &[u8]) -> &[u8] {
    while let [before @ .., b' ' | b'\t' | b'\r'] = line {
        line = before;
    }
    line
}

#[cfg(test)]
mod tests;
