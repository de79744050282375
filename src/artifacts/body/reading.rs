//! One pass over a file: pieces in order, hashed on the way, with the size that was announced or not at all.
//!
//! Everything here blocks.

use super::BodyError;
use crate::fsio::Purpose;
use flate2::Compression;
use flate2::write::GzEncoder;
use scriptworker_core::ids::ArtifactName;
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes per read and per piece of a body.
pub(super) const CHUNK: usize = 128 * 1024;

/// How hard gzip tries. Level 6, zlib's default, would take nearly twice as long for 2 to 4 % fewer bytes of a log.
const COMPRESSION: Compression = Compression::new(5);

/// The digests of an artifact's original bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digests {
    /// SHA-256, for the attestation.
    pub sha256: [u8; 32],
    /// SHA-512, when it was asked for (the object service wants it).
    pub sha512: Option<[u8; 64]>,
}

impl Digests {
    /// Those of bytes in memory.
    pub(super) fn of(bytes: &[u8], sha512: bool) -> Self {
        Self { sha256: Sha256::digest(bytes).into(), sha512: sha512.then(|| Sha512::digest(bytes).into()) }
    }

    /// SHA-256 in lower-case hex.
    pub fn sha256_hex(&self) -> String {
        Hex(&self.sha256).to_string()
    }

    /// SHA-512 in lower-case hex, if it was asked for.
    pub fn sha512_hex(&self) -> Option<String> {
        self.sha512.as_ref().map(|digest| Hex(digest).to_string())
    }
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digests")
            .field("sha256", &self.sha256_hex())
            .field("sha512", &self.sha512_hex())
            .finish()
    }
}

/// One pass over a file that has to have exactly `size` bytes, hashed on the way.
pub(super) struct Reading<'a> {
    pub(super) name: &'a ArtifactName,
    file: &'a mut File,
    size: u64,
    done: u64,
    sha256: Sha256,
    sha512: Option<Sha512>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(name: &'a ArtifactName, file: &'a mut File, size: u64, sha512: bool) -> Self {
        Self { name, file, size, done: 0, sha256: Sha256::new(), sha512: sha512.then(Sha512::new) }
    }

    /// The next piece, and whether it is the last one. When it is, the file is known to have ended behind it.
    pub(super) fn next(&mut self) -> Result<(Vec<u8>, bool), BodyError> {
        let left = self.size.saturating_sub(self.done);
        let want = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let mut piece = Vec::with_capacity(want);
        self.read(want, &mut piece)?;
        self.done += piece.len() as u64;
        if piece.len() < want {
            return Err(self.changed(self.done));
        }
        self.sha256.update(&piece);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(&piece);
        }
        let last = self.done == self.size;
        if last {
            let mut more = Vec::new();
            self.read(1, &mut more)?;
            if !more.is_empty() {
                let now = size_of(self.file, self.name)?;
                return Err(self.changed(now.max(self.size.saturating_add(1))));
            }
        }
        Ok((piece, last))
    }

    fn read(&mut self, want: usize, into: &mut Vec<u8>) -> Result<(), BodyError> {
        let read = Read::by_ref(self.file).take(want as u64).read_to_end(into);
        read.map(drop).map_err(|source| BodyError::Read { name: self.name.clone(), source })
    }

    fn changed(&self, found: u64) -> BodyError {
        BodyError::Changed { name: self.name.clone(), expected: self.size, found }
    }

    /// The digests of what was read so far.
    pub(super) fn digests(&self) -> Digests {
        Digests {
            sha256: self.sha256.clone().finalize().into(),
            sha512: self.sha512.clone().map(|sha512| sha512.finalize().into()),
        }
    }
}

/// Writes the gzip form of a file: always the same bytes for the same file (no time, no name in the header).
pub(super) fn compress(
    read: &mut Reading<'_>,
    dir: &Path,
    wanted: &AtomicBool,
) -> Result<(File, u64), BodyError> {
    let name = read.name;
    let scratch = |source| BodyError::Scratch { name: name.clone(), dir: dir.to_owned(), source };
    let target = BufWriter::with_capacity(CHUNK, Purpose::Scratch.unlinked(dir).map_err(scratch)?);
    let mut encoder = GzEncoder::new(target, COMPRESSION);
    loop {
        if !wanted.load(Ordering::Relaxed) {
            return Err(BodyError::Abandoned { name: name.clone() });
        }
        let (piece, last) = read.next()?;
        encoder.write_all(&piece).map_err(scratch)?;
        if last {
            break;
        }
    }
    let written =
        encoder.finish().map_err(scratch)?.into_inner().map_err(|error| scratch(error.into_error()))?;
    let form = written.into_std();
    let length = form.metadata().map_err(scratch)?.len();
    Ok((form, length))
}

/// The gzip form of bytes in memory, made in the same way.
pub(super) fn gzip_bytes(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), COMPRESSION);
    encoder.write_all(bytes)?;
    encoder.finish()
}

pub(super) fn size_of(file: &File, name: &ArtifactName) -> Result<u64, BodyError> {
    match file.metadata() {
        Ok(metadata) => Ok(metadata.len()),
        Err(source) => Err(BodyError::Read { name: name.clone(), source }),
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
