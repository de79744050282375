//! What is known of an artifact whose bytes have gone by.

use scriptworker_core::cot::evidence::StoredArtifact;
use sha2::{Digest as _, Sha256, Sha512};

/// Hashes an artifact piece by piece.
pub(crate) struct Hashing {
    sha256: Sha256,
    sha512: Option<Sha512>,
    length: u64,
}

impl Hashing {
    /// Nothing yet; with its SHA-512, if that is needed.
    pub(crate) fn new(sha512: bool) -> Self {
        Self { sha256: Sha256::new(), sha512: sha512.then(Sha512::new), length: 0 }
    }

    /// The next bytes.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(piece);
        }
        self.length += piece.len() as u64;
    }

    /// That was all.
    pub(crate) fn finish(self) -> StoredArtifact {
        StoredArtifact {
            sha256: self.sha256.finalize().into(),
            sha512: self.sha512.map(|sha512| sha512.finalize().into()),
            length: self.length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_hashed_as_the_whole_is() {
        let whole = b"an artifact";
        let expected = |sha512| StoredArtifact { sha256: Sha256::digest(whole).into(), sha512, length: 11 };
        for (asked, sha512) in [(false, None), (true, Some(Sha512::digest(whole).into()))] {
            let mut hashing = Hashing::new(asked);
            for piece in [&b"an"[..], b"", b" artifact"] {
                hashing.add(piece);
            }
            assert_eq!(hashing.finish(), expected(sha512));
        }
    }
}
