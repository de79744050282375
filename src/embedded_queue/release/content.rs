//! Files of any size whose content is nobody's: made piece by piece, hashed on the way.

use crate::fsio;
use rand::RngCore as _;
use rand::rngs::OsRng;
use scriptworker_core::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write as _};
use std::path::Path;

/// At most this much of a file is in memory.
const CHUNK: usize = 1 << 20;

/// Makes a file of `size` random bytes; no two pieces of it are alike, and no two files. Answers its digest; with
/// `exchanged`, that of another file: its first byte was changed.
pub(super) fn make(path: &Path, size: u64, exchanged: bool) -> io::Result<Digest> {
    let most = usize::try_from(size).map_or(CHUNK, |size| size.min(CHUNK));
    let mut chunk = vec![0; most];
    OsRng.fill_bytes(&mut chunk);
    let beginning: Vec<u8> = chunk.iter().copied().take(8).collect();
    let mut file = fsio::create_new(path, 0o644)?;
    let (mut digest, mut left) = (Sha256::new(), size);
    for number in 0u64.. {
        for ((byte, first), mark) in chunk.iter_mut().zip(&beginning).zip(number.to_le_bytes()) {
            *byte = first ^ mark;
        }
        let length = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
        let piece = chunk.get(..length).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        digest.update(piece);
        file.write_all(piece)?;
        left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
    }
    if let (true, Some(first)) = (exchanged, beginning.first()) {
        file.write_all_at(&[first ^ 1], 0)?;
    }
    Ok(Digest::Sha256(digest.finalize().into()))
}

/// Makes a file of these bytes.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<Digest> {
    let mut file = fsio::create_new(path, 0o644)?;
    file.write_all(bytes)?;
    Ok(Digest::Sha256(Sha256::digest(bytes).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_size_and_digest_unless_they_are_exchanged() {
        let dir = tempfile::tempdir().unwrap();
        for size in [0, 1, 7, 1 << 20, (2 << 20) + 3] {
            let path = dir.path().join(size.to_string());
            let digest = make(&path, size, false).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes.len() as u64, size);
            assert_eq!(digest, Digest::Sha256(Sha256::digest(&bytes).into()));
        }
        let path = dir.path().join("exchanged");
        let digest = make(&path, 20, true).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        assert_ne!(digest, Digest::Sha256(Sha256::digest(&bytes).into()));
        bytes[0] ^= 1;
        assert_eq!(digest, Digest::Sha256(Sha256::digest(&bytes).into()));
    }
}
