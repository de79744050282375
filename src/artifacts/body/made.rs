//! Artifacts that the worker makes itself and keeps in memory until they are sent: attestations and signatures.

use super::reading::{CHUNK, gzip_bytes};
use super::{BodyError, Digests, Gzip, Preparation, PreparedArtifact, Source, hand_over};
use crate::artifacts::content_type::{self, ContentType};
use bytes::Bytes;
use scriptworker_core::ids::ArtifactName;
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

impl PreparedArtifact {
    /// Makes bytes of our own ready, with type and encoding by the name as for any file. Compresses, so it may take
    /// its time.
    pub fn made(name: ArtifactName, bytes: Vec<u8>, how: &Preparation) -> Self {
        let ContentType { media_type, gzip } = content_type::of(name.as_str());
        let digests = Digests::of(&bytes, how.sha512);
        let original_length = bytes.len() as u64;
        // writing to memory cannot fail; if it did, they would be sent as they are
        let compressed = if gzip && how.compress { gzip_bytes(&bytes).ok() } else { None };
        let encoding = compressed.as_ref().map(|_| Gzip);
        let sent = Bytes::from(compressed.unwrap_or(bytes));
        Self {
            name,
            media_type,
            encoding,
            original_length,
            length: sent.len() as u64,
            sha512: how.sha512,
            digests: Arc::new(OnceLock::from(digests)),
            source: Source::Memory(sent),
        }
    }
}

pub(super) fn send(
    name: &ArtifactName,
    bytes: &Bytes,
    digests: &OnceLock<Digests>,
    into: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<Digests, BodyError> {
    let mut left = bytes.clone();
    while !left.is_empty() {
        hand_over(left.split_to(left.len().min(CHUNK)), name, into)?;
    }
    digests.get().copied().ok_or_else(|| BodyError::Died { name: name.clone() })
}
