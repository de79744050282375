//! What an embedded queue has got, decoded and copied to where people look at it.

use crate::embedded_queue::StoredArtifact;
use crate::fsio;
use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Component, Path};

/// How much of an artifact is kept as text.
const TEXT: usize = 64 * 1024;
const CHUNK: usize = 64 * 1024;

/// What an artifact holds, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FoundContent {
    /// Bytes; `text` is their beginning.
    Bytes { size: u64, sha256: String, text: String },
    /// A link to another artifact.
    Link { to: String },
    /// Not even readable, for this reason.
    Unreadable(String),
}

/// Bytes in hexadecimal, as digests are written.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an artifact holds. Leaves a decoded copy in `dir`, under its name.
pub(super) fn copy_out(artifact: &StoredArtifact, dir: &Path) -> FoundContent {
    match (artifact.storage_type, &artifact.path) {
        ("link", _) => FoundContent::Link { to: artifact.leads_to.clone().unwrap_or_default() },
        (_, None) => FoundContent::Unreadable("nothing was uploaded".to_owned()),
        (_, Some(path)) => {
            let gzip = artifact.content_encoding.as_deref() == Some("gzip");
            decode(path, gzip, dir, &artifact.name)
                .unwrap_or_else(|error| FoundContent::Unreadable(error.to_string()))
        }
    }
}

/// Decodes a stored file into `dir/name`, measuring it on the way.
fn decode(stored: &Path, gzip: bool, dir: &Path, name: &str) -> io::Result<FoundContent> {
    let name = Path::new(name);
    if !name.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(io::Error::other("its name leads out of its directory"));
    }
    let copy = dir.join(name);
    fsio::create_dir_all(copy.parent().unwrap_or(dir))?;
    let mut copy = fsio::create_new(&copy, 0o644)?;
    let file = File::open(stored)?;
    let mut source: Box<dyn Read> = if gzip { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    let (mut size, mut digest, mut text) = (0u64, Sha256::new(), Vec::new());
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = source.read(&mut chunk)?;
        let Some(bytes @ [_, ..]) = chunk.get(..count) else { break };
        copy.write_all(bytes)?;
        digest.update(bytes);
        text.extend(bytes.iter().take(TEXT.saturating_sub(text.len())));
        size = size.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(FoundContent::Bytes { size, sha256: hex(&digest.finalize()), text })
}
