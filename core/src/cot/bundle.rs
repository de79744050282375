//! A bundle: one file with everything that a verdict rests on, so that anybody can judge again without the network.
//!
//! ```text
//! scriptworker cot bundle 1
//! <SHA-256 of the index, in hexadecimal>
//! <bytes of the index>
//! <index: JSON>
//! <blobs, one after the other, in the order in which the index lists them>
//! ```
//!
//! The index lists the digest of every blob, so that each byte is hashed once.
//!
//! Policy and keys are not part of it, only which policy it was: whoever judges has their own. Signatures and digests in a bundle prove what they
//! always prove; what the queue and source hosts answered, and the digests of artifacts whose bytes are not in it, is
//! *taken as recorded* ([`taken_as_recorded`]), as is the time.

use crate::cot::evidence::{Answer, Evidence, StoredArtifact};
use crate::cot::need::Need;
use crate::cot::policy::PolicyId;
use crate::digest::{Digest, HashAlgorithm};
use crate::ids::TaskId;
use crate::json::{DocumentKind, StrictError, read_strict};
use crate::time::UnixMillis;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const MAGIC: &str = "scriptworker cot bundle 1";

/// The largest bundle that is read, in bytes.
pub const MOST_BYTES: u64 = 2 << 30;

/// What was judged, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recorded {
    /// The task.
    pub task_id: TaskId,
    /// Its type.
    pub task_type: String,
    /// The product whose rules were applied.
    pub product: String,
    /// Whether the task's own attestation was looked at.
    pub attested: bool,
    /// Whether signatures were checked. Bundles that do not say so are of a time when nobody asked.
    #[serde(default = "yes")]
    pub signatures_checked: bool,
    /// When, by the machine that recorded it.
    pub at: UnixMillis,
    /// When, by the queue.
    pub queue_now: Option<UnixMillis>,
    /// Who recorded it: program and version.
    pub by: String,
    /// The policy by which it was judged then; nothing where there was no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyId>,
}

fn yes() -> bool {
    true
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Another file, or another version.
    #[error("read the bundle: expected a file that begins with {MAGIC:?}")]
    NoBundle,
    /// Its index is not what was written.
    #[error("read the bundle: its index has another digest than its head says")]
    Damaged,
    /// The index cannot be read strictly.
    #[error("read the bundle's index: {0}")]
    Index(#[from] StrictError),
    /// The index is no index.
    #[error("read the bundle's index: {0}")]
    Shape(#[from] serde_json::Error),
    /// A blob is not the one that the index lists, or is cut.
    #[error("read the bundle: expected the blob {sha256}, found other bytes")]
    Blob {
        /// Its digest.
        sha256: String,
    },
    /// An answer refers to a blob that is not there.
    #[error("read the bundle: there is no blob {sha256}")]
    MissingBlob {
        /// Its digest.
        sha256: String,
    },
    /// A digest is none.
    #[error("read the bundle: {0:?} is no digest")]
    Digest(String),
    /// Bytes that nothing refers to, or two answers to one question.
    #[error("read the bundle: it has more in it than its index says")]
    Surplus,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    recorded: Recorded,
    answers: Vec<Entry>,
    blobs: Vec<Blob>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    need: Need,
    answer: Said,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Said {
    Present(String),
    Stored { sha256: String, sha512: Option<String>, length: u64 },
    Absent,
    TooLarge { limit: u64 },
    Forbidden { problem: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Blob {
    sha256: String,
    length: u64,
}

/// The bytes of a bundle.
///
/// # Errors
/// When the index cannot be written as JSON.
pub fn write(recorded: &Recorded, evidence: &Evidence) -> Result<Vec<u8>, BundleError> {
    let mut blobs: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut answers = Vec::new();
    for (need, answer) in evidence.iter() {
        let answer = match answer {
            Answer::Present(bytes) => {
                let sha256 = digits(bytes);
                blobs.entry(sha256.clone()).or_insert_with(|| bytes.clone());
                Said::Present(sha256)
            }
            Answer::Stored(stored) => Said::Stored {
                sha256: Digest::Sha256(stored.sha256).digits(),
                sha512: stored.sha512.map(|sha512| Digest::Sha512(sha512).digits()),
                length: stored.length,
            },
            Answer::Absent => Said::Absent,
            Answer::TooLarge { limit } => Said::TooLarge { limit: *limit },
            Answer::Forbidden { problem } => Said::Forbidden { problem: problem.clone() },
        };
        answers.push(Entry { need: need.clone(), answer });
    }
    let listed = |(sha256, bytes): (&String, &Bytes)| Blob {
        sha256: sha256.clone(),
        length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
    };
    let blob_list = blobs.iter().map(listed).collect();
    let index = serde_json::to_vec(&Index { recorded: recorded.clone(), answers, blobs: blob_list })?;
    let mut bundle = format!("{MAGIC}\n{}\n{}\n", digits(&index), index.len()).into_bytes();
    bundle.extend_from_slice(&index);
    bundle.push(b'\n');
    for bytes in blobs.values() {
        bundle.extend_from_slice(bytes);
    }
    Ok(bundle)
}

/// Reads a bundle; every digest in it is checked. The evidence shares its memory.
///
/// # Errors
/// When anything about it is not as it was written.
pub fn read(bundle: &Bytes) -> Result<(Recorded, Evidence), BundleError> {
    let (magic, rest) = line(bundle).ok_or(BundleError::NoBundle)?;
    if magic != MAGIC.as_bytes() {
        return Err(BundleError::NoBundle);
    }
    let (stated, rest) = line(rest).ok_or(BundleError::Damaged)?;
    let (length, rest) = line(rest).ok_or(BundleError::Damaged)?;
    let number = std::str::from_utf8(length).ok().and_then(|text| text.parse::<usize>().ok());
    // one form only
    let length = number.filter(|number| number.to_string().as_bytes() == length);
    let (index, rest) =
        length.and_then(|length| rest.split_at_checked(length)).ok_or(BundleError::Damaged)?;
    if stated != digits(index).as_bytes() {
        return Err(BundleError::Damaged);
    }
    let mut rest = rest.strip_prefix(b"\n").ok_or(BundleError::Damaged)?;
    let index: Index = serde_json::from_value(read_strict(index, DocumentKind::BundleIndex)?)?;
    let mut blobs: BTreeMap<[u8; 32], (Bytes, bool)> = BTreeMap::new();
    for blob in index.blobs {
        let wrong = || BundleError::Blob { sha256: blob.sha256.clone() };
        let length = usize::try_from(blob.length).map_err(|_| wrong())?;
        let (bytes, after) = rest.split_at_checked(length).ok_or_else(wrong)?;
        let sha256 = Sha256::digest(bytes).into();
        if Digest::Sha256(sha256).digits() != blob.sha256 {
            return Err(wrong());
        }
        rest = after;
        if blobs.insert(sha256, (bundle.slice_ref(bytes), false)).is_some() {
            return Err(BundleError::Surplus);
        }
    }
    let mut evidence = Evidence::new();
    for Entry { need, answer } in index.answers {
        if evidence.get(&need).is_some() {
            return Err(BundleError::Surplus);
        }
        let answer = match answer {
            Said::Present(text) => {
                let sha256 = sha256(&text)?;
                let Some((bytes, used)) = blobs.get_mut(&sha256) else {
                    return Err(BundleError::MissingBlob { sha256: text });
                };
                *used = true;
                evidence.add_hashed(need, bytes.clone(), sha256);
                continue;
            }
            Said::Stored { sha256: text, sha512, length } => {
                let sha512 = match sha512.map(|text| digest(HashAlgorithm::Sha512, &text)).transpose()? {
                    Some(Digest::Sha512(bytes)) => Some(bytes),
                    Some(Digest::Sha256(_)) | None => None,
                };
                Answer::Stored(StoredArtifact { sha256: sha256(&text)?, sha512, length })
            }
            Said::Absent => Answer::Absent,
            Said::TooLarge { limit } => Answer::TooLarge { limit },
            Said::Forbidden { problem } => Answer::Forbidden { problem },
        };
        evidence.add(need, answer).map_err(|_| BundleError::Surplus)?;
    }
    if !rest.is_empty() || blobs.values().any(|(_, used)| !used) {
        return Err(BundleError::Surplus);
    }
    Ok((index.recorded, evidence))
}

/// The answers that nothing in the bundle proves: those of the queue and of source hosts, and the digests of artifacts
/// whose bytes are somewhere else. Where signatures are not checked, nothing at all is proven.
pub fn taken_as_recorded(evidence: &Evidence, signatures_checked: bool) -> impl Iterator<Item = &Need> {
    evidence.iter().filter_map(move |(need, answer)| match (need, answer) {
        // signed, or of a signed digest
        (Need::Document { .. }, Answer::Present(_)) if signatures_checked => None,
        _ => Some(need),
    })
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.get(1..)?))
}

fn digits(bytes: &[u8]) -> String {
    Digest::Sha256(Sha256::digest(bytes).into()).digits()
}

fn digest(algorithm: HashAlgorithm, text: &str) -> Result<Digest, BundleError> {
    Digest::parse(algorithm, text).map_err(|_| BundleError::Digest(text.to_owned()))
}

fn sha256(text: &str) -> Result<[u8; 32], BundleError> {
    match digest(HashAlgorithm::Sha256, text)? {
        Digest::Sha256(bytes) => Ok(bytes),
        other @ Digest::Sha512(_) => Err(BundleError::Digest(other.digits())),
    }
}

#[cfg(test)]
mod tests;
