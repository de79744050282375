//! The bytes of one artifact, read once: a file that is sent as it is, is hashed while it is sent; a file that is
//! compressed, is hashed while it is compressed into a nameless temporary file, which is then sent.
//!
//! So a digest always belongs to exactly the bytes that were sent, and memory stays constant whatever the size. A
//! file that grows, shrinks or is rewritten meanwhile fails the upload loudly: the last piece of the body is held
//! back until everything before it is known to be right, so the other side never sees a complete wrong body.
//!
//! Files are read on the blocking pool only; the async side sees a stream with a bounded read-ahead.

use super::content_type::{self, ContentType};
use super::walk::{FoundFile, Refused};
use bytes::Bytes;
use futures_util::Stream;
use scriptworker_core::ids::ArtifactName;
use scriptworker_core::run::TaskStatus;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

mod made;
mod reading;
#[cfg(test)]
mod tests;

pub use reading::Digests;
use reading::{CHUNK, Reading, compress, size_of};

/// Pieces that wait for the network at most.
const READ_AHEAD: usize = 4;

/// The worker's own compression of an artifact on the wire: `Content-Encoding: gzip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gzip;

/// How artifacts are made ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preparation {
    /// Where compressed forms are kept while they are sent, without a name. Not below `artifact_dir`.
    pub scratch: PathBuf,
    /// Whether the types of artifacts.md 2.1 are compressed.
    pub compress: bool,
    /// Whether SHA-512 is computed besides SHA-256.
    pub sha512: bool,
}

/// An artifact that is ready to be sent, as often as need be.
#[derive(Debug)]
pub struct PreparedArtifact {
    name: ArtifactName,
    media_type: &'static str,
    encoding: Option<Gzip>,
    original_length: u64,
    length: u64,
    sha512: bool,
    digests: Arc<OnceLock<Digests>>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// The file itself, opened anew for each try.
    Identity(FoundFile),
    /// The compressed form.
    Gzip(Arc<File>),
    /// What is sent, in memory: a compressed form of one piece, or what the worker made itself.
    Memory(Bytes),
}

/// Why the bytes of an artifact could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is no longer the file that was listed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Reading it failed.
    #[error("failed to read artifact {name}: {source}")]
    Read {
        /// The artifact.
        name: ArtifactName,
        /// What the system said.
        source: io::Error,
    },
    /// Its compressed form could not be written or read back.
    #[error("failed to keep the compressed form of artifact {name} in {dir}: {source}", dir = dir.display())]
    Scratch {
        /// The artifact.
        name: ArtifactName,
        /// The folder for such files.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file grew or shrank while it was read.
    #[error("artifact {name} changed while it was read: expected {expected} bytes, found {found}")]
    Changed {
        /// The artifact.
        name: ArtifactName,
        /// The size that was announced.
        expected: u64,
        /// The bytes that were there.
        found: u64,
    },
    /// The file had other bytes than at the try before.
    #[error("artifact {name} changed between two tries: expected sha256 {expected}, found {found}")]
    Rewritten {
        /// The artifact.
        name: ArtifactName,
        /// The digest of the try before, in hex.
        expected: String,
        /// The digest now, in hex.
        found: String,
    },
    /// The body was not read to its end: the transfer ended before.
    #[error("the transfer ended before the whole of artifact {name} was sent")]
    Abandoned {
        /// The artifact.
        name: ArtifactName,
    },
    /// The thread that read the file came to an end by itself.
    #[error("the reader of artifact {name} died")]
    Died {
        /// The artifact.
        name: ArtifactName,
    },
}

/// The body of one try. Ends with an error when the file is not what was announced, before it is complete.
#[derive(Debug)]
pub struct BodyStream {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
}

/// What became of a [`BodyStream`], known when it has ended.
#[derive(Debug)]
pub struct BodyOutcome {
    name: ArtifactName,
    result: oneshot::Receiver<Result<Digests, BodyError>>,
}

impl BodyError {
    /// What it means for the task when an upload fails for this reason: what the script left is the script's
    /// failure, everything else is the worker's.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Refused(refused) => refused.status(),
            Self::Read { .. }
            | Self::Scratch { .. }
            | Self::Changed { .. }
            | Self::Rewritten { .. }
            | Self::Died { .. } => TaskStatus::InternalError,
            Self::Abandoned { .. } => TaskStatus::IntermittentTask,
        }
    }
}

impl PreparedArtifact {
    /// Makes a file ready: compresses it when its type is one of those and there is room for the compressed form. Any
    /// other file is not looked at before it is sent; then it has to be of the size that was listed.
    pub async fn new(file: FoundFile, how: &Preparation) -> Result<Self, BodyError> {
        let name = file.name().clone();
        let ContentType { media_type, gzip } = content_type::of(name.as_str());
        if !(gzip && how.compress) {
            return Ok(Self::identity(file, media_type, how));
        }
        let how = how.clone();
        // dropping this future stops the compression soon: nobody waits for it any more
        let wanted = Wanted(Arc::new(AtomicBool::new(true)));
        let still = Arc::clone(&wanted.0);
        let task = actix_rt::task::spawn_blocking(move || Self::prepare(file, &how, &still));
        let result = task.await.unwrap_or(Err(BodyError::Died { name }));
        drop(wanted);
        result
    }

    fn prepare(file: FoundFile, how: &Preparation, wanted: &AtomicBool) -> Result<Self, BodyError> {
        let name = file.name().clone();
        let ContentType { media_type, .. } = content_type::of(name.as_str());
        let mut opened = file.open()?;
        let size = size_of(&opened, &name)?;
        let mut read = Reading::new(&name, &mut opened, size, how.sha512);
        match compress(&mut read, &how.scratch, wanted) {
            Ok((form, length)) => Ok(Self {
                media_type,
                encoding: Some(Gzip),
                original_length: size,
                length,
                sha512: how.sha512,
                digests: Arc::new(OnceLock::from(read.digests())),
                source: match length <= CHUNK as u64 {
                    true => Source::Memory(piece_of(&form, 0, length, &name)?.into()),
                    false => Source::Gzip(Arc::new(form)),
                },
                name,
            }),
            // a full disk must not cost the task its log: it is worth more bytes on the way
            Err(error @ BodyError::Scratch { .. }) => {
                tracing::warn!(artifact = %name, %error, "sending it as it is, uncompressed");
                Ok(Self::identity(file, media_type, how))
            }
            Err(error) => Err(error),
        }
    }

    /// A file that is sent as it is.
    fn identity(file: FoundFile, media_type: &'static str, how: &Preparation) -> Self {
        Self {
            name: file.name().clone(),
            media_type,
            encoding: None,
            original_length: file.size(),
            length: file.size(),
            sha512: how.sha512,
            digests: Arc::default(),
            source: Source::Identity(file),
        }
    }

    /// The name of the artifact.
    pub fn name(&self) -> &ArtifactName {
        &self.name
    }

    /// The content type to announce and to send.
    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Whether what is sent is compressed.
    pub fn encoding(&self) -> Option<Gzip> {
        self.encoding
    }

    /// The number of bytes that are sent: the `Content-Length`.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The number of bytes of the file itself.
    pub fn original_length(&self) -> u64 {
        self.original_length
    }

    /// The digests of the file itself: known from the start when it is compressed, otherwise after the first body
    /// that was read to its end.
    pub fn digests(&self) -> Option<Digests> {
        self.digests.get().copied()
    }

    /// Begins a try: the body, and what became of it. Must be called on a runtime.
    pub fn body(&self) -> (BodyStream, BodyOutcome) {
        let (into_pieces, pieces) = mpsc::channel(READ_AHEAD);
        let (into_result, result) = oneshot::channel();
        let (name, length, sha512) = (self.name.clone(), self.length, self.sha512);
        let (source, digests) = (self.source.clone(), Arc::clone(&self.digests));
        if let Source::Memory(bytes) = &source
            && bytes.len() <= CHUNK
        {
            // no thread for one piece: both have room for it, and their other ends are in hand
            let _ = into_pieces.try_send(Ok(bytes.clone()));
            let _ = into_result.send(digests.get().copied().ok_or(BodyError::Died { name }));
            let name = self.name.clone();
            return (BodyStream { pieces }, BodyOutcome { name, result });
        }
        actix_rt::task::spawn_blocking(move || {
            let sent = match &source {
                Source::Identity(file) => send_identity(file, length, sha512, &digests, &into_pieces),
                Source::Gzip(form) => send_compressed(&name, form, length, &digests, &into_pieces),
                Source::Memory(bytes) => made::send(&name, bytes, &digests, &into_pieces),
            };
            if let Err(error) = &sent {
                // fails when nobody reads any more, and then nobody needs to know
                let _ = into_pieces.blocking_send(Err(io::Error::other(error.to_string())));
            }
            let _ = into_result.send(sent);
        });
        (BodyStream { pieces }, BodyOutcome { name: self.name.clone(), result })
    }
}

impl Stream for BodyStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.poll_recv(context)
    }
}

impl BodyOutcome {
    /// The digests of the original bytes, if all of them were handed out. Ends only after the stream has ended or was
    /// dropped.
    pub async fn wait(self) -> Result<Digests, BodyError> {
        self.result.await.unwrap_or(Err(BodyError::Died { name: self.name }))
    }
}

/// Cleared when dropped.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn send_identity(
    file: &FoundFile,
    length: u64,
    sha512: bool,
    digests: &OnceLock<Digests>,
    into: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<Digests, BodyError> {
    let name = file.name();
    let mut opened = file.open()?;
    let mut read = Reading::new(name, &mut opened, length, sha512);
    loop {
        let (piece, last) = read.next()?;
        if last {
            let found = read.digests();
            let expected = digests.get_or_init(|| found);
            if *expected != found {
                let (expected, found) = (expected.sha256_hex(), found.sha256_hex());
                return Err(BodyError::Rewritten { name: name.clone(), expected, found });
            }
            hand_over(piece, name, into)?;
            return Ok(found);
        }
        hand_over(piece, name, into)?;
    }
}

fn send_compressed(
    name: &ArtifactName,
    form: &File,
    length: u64,
    digests: &OnceLock<Digests>,
    into: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<Digests, BodyError> {
    let mut at = 0;
    while at < length {
        let piece = piece_of(form, at, length, name)?;
        at += piece.len() as u64;
        hand_over(piece, name, into)?;
    }
    digests.get().copied().ok_or_else(|| BodyError::Died { name: name.clone() })
}

/// The piece of a compressed form that begins at `at`.
fn piece_of(form: &File, at: u64, length: u64, name: &ArtifactName) -> Result<Vec<u8>, BodyError> {
    let mut piece = vec![0; usize::try_from(length - at).unwrap_or(CHUNK).min(CHUNK)];
    let read = form.read_exact_at(&mut piece, at);
    read.map_err(|source| BodyError::Read { name: name.clone(), source })?;
    Ok(piece)
}

fn hand_over(
    piece: impl Into<Bytes>,
    name: &ArtifactName,
    into: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), BodyError> {
    let piece = piece.into();
    if piece.is_empty() {
        return Ok(());
    }
    into.blocking_send(Ok(piece)).map_err(|_| BodyError::Abandoned { name: name.clone() })
}
