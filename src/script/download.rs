//! Downloads into files: whole or not at all, and again when that may help (artifacts.md 5.2).

use crate::fsio;
use crate::taskcluster::Http;
use crate::taskcluster::transfer::{TransferError, TransferLimits};
use bytes::Bytes;
use scriptworker_core::client::ScriptError;
use scriptworker_core::retry::{Backoff, RetryClass};
use scriptworker_core::run::TaskStatus;
use scriptworker_core::secret::Secret;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// Pieces that wait for the disk; the network waits when there are more.
const PIECES_IN_FLIGHT: usize = 16;

/// A download that failed for good.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The other side, or the way there.
    #[error("{error} ({attempts} attempts)")]
    Transfer {
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        #[source]
        error: TransferError,
    },
    /// The disk.
    #[error("failed to write {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DownloadError {
    /// Something outside was not to be had.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Transfer { .. } => TaskStatus::ResourceUnavailable,
            Self::File { .. } => TaskStatus::Failure,
        }
    }
}

impl From<DownloadError> for ScriptError {
    fn from(error: DownloadError) -> Self {
        Self::new(error.status(), error)
    }
}

/// How to download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadPlan {
    /// For each attempt.
    pub limits: TransferLimits,
    /// Attempts at most; at least one is made.
    pub attempts: u32,
    /// The waits between them.
    pub backoff: Backoff,
}

impl Default for DownloadPlan {
    /// Five attempts of at most an hour and a terabyte, with waits of 5 to 15 s.
    fn default() -> Self {
        Self {
            limits: TransferLimits { total: Duration::from_secs(3600), max_bytes: 1 << 40 },
            attempts: 5,
            backoff: Backoff { max_ms: 15_000, ..Backoff::ARTIFACT },
        }
    }
}

/// What was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes in the file.
    pub size: u64,
    /// Their SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}

/// Downloads a URL into a file, whose directories are made. The content is written beside it and renamed when it is
/// whole, so whoever sees the file sees all of it. Failures that may pass are tried again; 404 is an answer.
///
/// `authorization` is the value of that header, for the URL's own origin only.
pub async fn download(
    http: &Http,
    url: &Secret,
    authorization: Option<&Secret>,
    to: &Path,
    plan: DownloadPlan,
) -> Result<Downloaded, DownloadError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match attempt(http, url, authorization, to, plan.limits).await {
            Ok(downloaded) => return Ok(downloaded),
            Err(Failed::Disk(source)) => return Err(DownloadError::File { path: to.to_owned(), source }),
            Err(Failed::Wire(error)) => error,
        };
        if error.class() != RetryClass::Transient || attempts >= plan.attempts {
            return Err(DownloadError::Transfer { attempts, error });
        }
        let [a, b, c, d, ..] = *uuid::Uuid::new_v4().as_bytes();
        let wait = plan.backoff.wait_ms(attempts, u32::from_le_bytes([a, b, c, d]));
        tracing::info!(%error, attempts, wait_ms = wait, "downloading again");
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

enum Failed {
    Wire(TransferError),
    Disk(io::Error),
}

async fn attempt(
    http: &Http,
    url: &Secret,
    authorization: Option<&Secret>,
    to: &Path,
    limits: TransferLimits,
) -> Result<Downloaded, Failed> {
    let mut content = http.get(url, authorization, limits).await.map_err(Failed::Wire)?;
    let (pieces, queue) = mpsc::channel(PIECES_IN_FLIGHT);
    let target = to.to_owned();
    let writer = actix_rt::task::spawn_blocking(move || write(&target, queue));
    let mut failed = None;
    loop {
        match content.next().await {
            Ok(Some(piece)) => {
                // a writer that is gone says why below
                if pieces.send(Piece::Bytes(piece)).await.is_err() {
                    break;
                }
            }
            Ok(None) => {
                let _ = pieces.send(Piece::End).await;
                break;
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    drop(pieces);
    let written = writer.await.map_err(|error| Failed::Disk(io::Error::other(error)))?;
    match (failed, written) {
        (Some(error), _) => Err(Failed::Wire(error)),
        (None, written) => written.map_err(Failed::Disk),
    }
}

enum Piece {
    Bytes(Bytes),
    /// There is no more; without this word the content is cut.
    End,
}

/// Writes pieces into a file beside `to`, and renames it when they are all there.
fn write(to: &Path, mut pieces: mpsc::Receiver<Piece>) -> io::Result<Downloaded> {
    if let Some(parent) = to.parent() {
        fsio::create_dir_all(parent)?;
    }
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    let part = PathBuf::from(name);
    let written = write_part(&part, &mut pieces).and_then(|downloaded| {
        fsio::rename(&part, to)?;
        Ok(downloaded)
    });
    if written.is_err() {
        // the failure to report is the first one
        let _ = fsio::remove_file(&part);
    }
    written
}

fn write_part(part: &Path, pieces: &mut mpsc::Receiver<Piece>) -> io::Result<Downloaded> {
    let mut file = fsio::create_new(part, 0o644)?;
    let (mut size, mut digest) = (0, Sha256::new());
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => {
                file.write_all(&bytes)?;
                digest.update(&bytes);
                size += bytes.len() as u64;
            }
            Piece::End => return Ok(Downloaded { size, sha256: hex(&digest.finalize()) }),
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // writing into a String cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}
