//! Which policies were in use: `log_dir/policy.json`, which outlives the process, so that no policy goes back while the
//! worker is down.
//!
//! ```text
//! {"origin": "/etc/policy.yml", "name": "mine", "accepted": {"mine": {"serial": 7, "sha256": "…"}}}
//! ```
//!
//! `origin` is the file of the last policy, null for the built-in one. Serials are compared among policies of one name.
//! As long as the origin stays the same, the name has to stay the same, too: somebody who can replace the file must not
//! get around the serial with another policy. A new origin was chosen by whoever writes the configuration, and may have
//! a new name. The built-in policy changes with the program, and follows itself whatever its serial is: who replaces the
//! program needs no old policy.

use super::load::Origin;
use crate::fsio;
use scriptworker_core::cot::policy::{Policy, PolicyId, PolicySuccession};
use scriptworker_core::digest::{Digest, HashAlgorithm};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Longer than any record.
const MOST_BYTES: u64 = 1 << 20;
const MODE: u32 = 0o644;

/// Why nobody knows what was in use before.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read or written.
    #[error("{action} the record of policies {}: {source}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It is no record.
    #[error("read the record of policies {}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// A digest in it is none.
    #[error("read the record of policies {}: expected the digits of a SHA-256, found {found:?}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// What stands there.
        found: String,
    },
}

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    origin: Option<PathBuf>,
    name: String,
    accepted: BTreeMap<String, Accepted>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    serial: u64,
    sha256: String,
}

/// The record as it was read.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    /// Nothing before the first policy.
    content: Option<Content>,
}

impl Record {
    /// Reads it. A file that is not there is that of a worker which never had a policy.
    pub(super) fn read(path: &Path) -> Result<Self, RecordError> {
        let mut bytes = Vec::new();
        let opened = File::open(path).and_then(|open| open.take(MOST_BYTES).read_to_end(&mut bytes));
        let content = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(RecordError::Disk { action: "read", path: path.to_path_buf(), source });
            }
            Ok(_) => Some(
                serde_json::from_slice(&bytes)
                    .map_err(|source| RecordError::Content { path: path.to_path_buf(), source })?,
            ),
        };
        Ok(Self { path: path.to_path_buf(), content })
    }

    /// Whether a policy may take the place of the one that was in use before.
    pub(super) fn admits(
        &self,
        policy: &Policy,
        origin: &Origin,
    ) -> Result<Result<(), PolicySuccession>, RecordError> {
        let Some(content) = &self.content else { return Ok(Ok(())) };
        if content.origin.is_none() && *origin == Origin::BuiltIn {
            return Ok(Ok(()));
        }
        let name = if content.origin == path_of(origin) { &content.name } else { &policy.id.name };
        let Some(accepted) = content.accepted.get(name) else { return Ok(Ok(())) };
        let before = PolicyId {
            name: name.clone(),
            serial: accepted.serial,
            sha256: self.digest(&accepted.sha256)?,
            overridden: Vec::new(),
        };
        Ok(policy.may_follow(&before))
    }

    fn digest(&self, digits: &str) -> Result<[u8; 32], RecordError> {
        match Digest::parse(HashAlgorithm::Sha256, digits) {
            Ok(Digest::Sha256(sha256)) => Ok(sha256),
            Ok(Digest::Sha512(_)) | Err(_) => {
                Err(RecordError::Digest { path: self.path.clone(), found: digits.to_owned() })
            }
        }
    }

    /// Writes down that a policy is in use from now on, unless that stands there already.
    pub(super) fn accept(self, id: &PolicyId, origin: &Origin) -> Result<(), RecordError> {
        let mut content = self.content.clone().unwrap_or_default();
        content.origin = path_of(origin);
        content.name = id.name.clone();
        let accepted = Accepted { serial: id.serial, sha256: Digest::Sha256(id.sha256).digits() };
        content.accepted.insert(id.name.clone(), accepted);
        if self.content.as_ref() == Some(&content) {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&content)
            .map_err(|source| RecordError::Content { path: self.path.clone(), source })?;
        fsio::write_atomic(&self.path, &bytes, MODE).map_err(|source| RecordError::Disk {
            action: "write",
            path: self.path,
            source,
        })
    }
}

fn path_of(origin: &Origin) -> Option<PathBuf> {
    match origin {
        Origin::BuiltIn => None,
        Origin::File(path) => Some(path.clone()),
    }
}
