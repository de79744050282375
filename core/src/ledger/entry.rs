//! A line of the ledger: written in one form, and read in that form only.

use super::RunRecord;
use crate::digest::Digest;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What stands between the text that a line's digest is made of, and the digest.
const SEAL: &str = ",\"digest\":\"";
/// What stands behind it.
const END: &str = "\"}";
/// The length of a digest as text: `sha256:` and 64 digits.
const DIGEST_LENGTH: usize = 71;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// Its number: 1 in the first line, one more in each.
    pub sequence: u64,
    /// The digest of the line before, zeros in the first line of all.
    pub previous: Digest,
    /// SHA-256 of what stands between that line and this one: lines whose writing was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<Digest>,
    /// The run.
    pub run: RunRecord,
}

/// A line that others may be written after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub sequence: u64,
    /// Its digest.
    pub digest: Digest,
}

/// Why a line is none of a ledger.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It has its digest, but says something else than was digested.
    #[error("the line was changed: expected {expected}, its text has {found}")]
    Changed {
        /// The digest that stands in it.
        expected: Digest,
        /// The digest that its text has.
        found: Digest,
    },
    /// It is the beginning of a line.
    #[error("the line breaks off")]
    Torn,
    /// It says nothing that a ledger says.
    #[error("the line cannot be read: {0}")]
    Unreadable(#[source] serde_json::Error),
    /// It says something, but not in the form in which it is written.
    #[error("the line is not in the form in which lines are written")]
    Form,
}

impl Head {
    /// What the first line of all is written after.
    pub const START: Self = Self { sequence: 0, digest: Digest::Sha256([0; 32]) };
}

impl Entry {
    /// The line of a run after `head`; `torn` is what stands between them, if anything does.
    pub fn after(head: Head, torn: Option<Digest>, run: RunRecord) -> Self {
        Self { sequence: head.sequence.saturating_add(1), previous: head.digest, torn, run }
    }

    /// The text, without the line break, and what the next line is written after.
    ///
    /// Fails for nothing that an entry can hold; the error only passes on what the serializer promises.
    pub fn write(&self) -> Result<(String, Head), LineError> {
        let mut line = serde_json::to_string(self).map_err(LineError::Unreadable)?;
        // the brace that closes it comes back behind the digest
        line.pop();
        let digest = sha256(line.as_bytes());
        line.push_str(SEAL);
        line.push_str(&digest.to_string());
        line.push_str(END);
        Ok((line, Head { sequence: self.sequence, digest }))
    }

    /// Reads a line, without its line break.
    pub fn read(line: &[u8]) -> Result<(Self, Head), LineError> {
        let Some((text, expected)) = std::str::from_utf8(line).ok().and_then(unseal) else {
            return Err(match serde_json::from_slice::<IgnoredAny>(line) {
                Err(error) if error.is_eof() => LineError::Torn,
                Err(error) => LineError::Unreadable(error),
                Ok(IgnoredAny) => LineError::Form,
            });
        };
        let found = sha256(text.as_bytes());
        if found != expected {
            return Err(LineError::Changed { expected, found });
        }
        let entry: Self = serde_json::from_str(&format!("{text}}}")).map_err(LineError::Unreadable)?;
        match entry.write()? {
            (form, head) if form.as_bytes() == line => Ok((entry, head)),
            _ => Err(LineError::Form),
        }
    }
}

/// The text that the digest is made of, and the digest.
fn unseal(line: &str) -> Option<(&str, Digest)> {
    let sealed = line.strip_suffix(END)?;
    let (text, digest) = sealed.split_at_checked(sealed.len().checked_sub(DIGEST_LENGTH)?)?;
    Some((text.strip_suffix(SEAL)?, Digest::parse_prefixed(digest).ok()?))
}

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    Digest::Sha256(Sha256::digest(bytes).into())
}
