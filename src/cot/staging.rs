//! Artifacts on disk: written to a private directory and hashed on the way, moved to where a script finds them only
//! once they are verified. What is moved is what was hashed: nobody else may enter the directory, no name in it is a
//! link, and files are read-only from the start.

use super::budgets::Spending;
use super::fetch::too_much;
use super::hashing::Hashing;
use crate::fsio::Purpose;
use crate::taskcluster::download::Download;
use crate::taskcluster::error::ApiError;
use crate::taskcluster::transfer::TransferError;
use bytes::Bytes;
use scriptworker_core::cot::ATTESTATION_NAMES;
use scriptworker_core::cot::evidence::{Answer, Evidence, StoredArtifact};
use scriptworker_core::cot::judge::{Report, VerifiedTask};
use scriptworker_core::cot::need::Need;
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::json::format_json;
use scriptworker_core::upstream_path::UpstreamPath;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::mpsc;

/// What goes to the disk at once, in bytes: the threads wake each other once for each.
const BLOCK: usize = 256 << 10;
/// Blocks that wait for the disk; the network waits when there are more.
const BLOCKS_IN_FLIGHT: usize = 4;
/// Files are read-only for everybody.
const MODE: u32 = 0o400;

/// Why an artifact is not stored.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The queue.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The transfer.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The disk.
    #[error("write below the work directory: {0}")]
    File(#[source] io::Error),
}

/// The directory of one verification.
#[derive(Debug)]
pub struct Staging {
    root: PathBuf,
    /// Whether the whole of `root` belongs to this verification.
    own: bool,
    /// Where artifacts are until they are verified.
    folder: PathBuf,
    files: Mutex<BTreeMap<(RunKey, ArtifactName), PathBuf>>,
    /// Read by threads while they write; whoever removes waits for them.
    writers: Arc<RwLock<()>>,
}

impl Staging {
    /// Makes the directory `root`, which must not exist. Blocks.
    ///
    /// # Errors
    /// When that fails.
    pub fn new(root: &Path) -> io::Result<Self> {
        Purpose::Other.create_private_dir(root)?;
        Self::at(root, true, root.join("staging"))
    }

    /// Uses `work_dir`, which is there and in which nobody else is at work: `cot` must not be in it yet. Blocks.
    ///
    /// # Errors
    /// When that fails.
    pub fn below(work_dir: &Path) -> io::Result<Self> {
        Self::at(work_dir, false, work_dir.join(format!(".cot-{}", unguessable())))
    }

    fn at(root: &Path, own: bool, folder: PathBuf) -> io::Result<Self> {
        Purpose::Other.create_private_dir(&folder)?;
        let (files, writers) = (Mutex::default(), Arc::default());
        Ok(Self { root: root.to_owned(), own, folder, files, writers })
    }

    /// Stores an artifact under a name that nobody looks for yet.
    pub(super) async fn store(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        sha512: bool,
        mut download: Download,
        spending: &mut Spending<'_>,
    ) -> Result<StoredArtifact, StageError> {
        if !spending.allows(download.content_length.unwrap_or(0)) {
            return Err(too_much(download.place(), spending).into());
        }
        let path = self.folder.join(unguessable());
        let (blocks, queue) = mpsc::channel(BLOCKS_IN_FLIGHT);
        let (target, writers) = (path.clone(), Arc::clone(&self.writers));
        let writer = actix_rt::task::spawn_blocking(move || {
            let _writing = writers.read().unwrap_or_else(PoisonError::into_inner);
            let written = write(&target, sha512, queue);
            if written.is_err() {
                // the failure to report is the first one; what is left goes with its directory
                let _ = Purpose::Other.remove_file(&target);
            }
            written
        });
        let mut block = Block::default();
        let failed = loop {
            match download.next().await {
                Ok(Some(piece)) => {
                    if !spending.add(piece.len()) {
                        break Some(too_much(download.place(), spending));
                    }
                    block.bytes += piece.len();
                    block.pieces.push(piece);
                    // a writer that is gone says why below
                    if block.bytes >= BLOCK && blocks.send(std::mem::take(&mut block)).await.is_err() {
                        break None;
                    }
                }
                Ok(None) => {
                    let _ = blocks.send(Block { last: true, ..block }).await;
                    break None;
                }
                Err(error) => break Some(error),
            }
        };
        drop(blocks);
        let written = writer.await.map_err(|error| StageError::File(io::Error::other(error)))?;
        match failed {
            Some(error) => Err(error.into()),
            None => {
                let stored = written.map_err(StageError::File)?;
                self.files().insert((run.clone(), name.clone()), path);
                Ok(stored)
            }
        }
    }

    /// Moves what was verified, and nothing else, to `cot/TASKID/PATH`, and removes the rest. Blocks.
    ///
    /// # Errors
    /// When the disk does not do as it is told, or there is a `cot` already; nothing is to be used then.
    pub fn hand_over(&self, task: &VerifiedTask) -> io::Result<()> {
        let cot = self.root.join("cot");
        // made here, so that no name in it can be a link
        Purpose::Other.create_private_dir(&cot)?;
        for artifact in task.artifacts() {
            let key = (artifact.run.clone(), artifact.name.clone());
            let Some(from) = self.files().remove(&key) else {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} of {}", key.1, key.0)));
            };
            let to = cot.join(artifact.run.task_id.as_str()).join(artifact.path.as_str());
            if let Some(parent) = to.parent() {
                Purpose::Other.create_dir_all(parent)?;
            }
            Purpose::Other.rename(&from, &to)?;
        }
        self.discard()
    }

    /// Writes the documents of the links beside their artifacts, as scripts of both generations find them: the
    /// definition as `cot/TASKID/task.json`, attestations and what was read of parents under their names (artifacts.md
    /// 6). Only for a verified task, and after [`Self::hand_over`]. Blocks.
    ///
    /// # Errors
    /// When the disk does not do as it is told; nothing is to be used then.
    pub fn lay_out(&self, report: &Report, evidence: &Evidence) -> io::Result<()> {
        let links: BTreeSet<_> = report.links.iter().map(|link| &link.name.task_id).collect();
        for (need, answer) in evidence.iter() {
            let (Some(task), Answer::Present(bytes)) =
                (need.task().filter(|task| links.contains(task)), answer)
            else {
                continue;
            };
            let dir = self.root.join("cot").join(task.as_str());
            match need {
                Need::Task { .. } => {
                    let definition: serde_json::Value = serde_json::from_slice(bytes)?;
                    lay(&dir.join("task.json"), format_json(&definition).as_bytes())?;
                }
                Need::Document { name, .. } => {
                    // a name that is no path below the directory is nothing that a script could ask for
                    let name = name.as_str();
                    if ATTESTATION_NAMES.contains(&name) || UpstreamPath::parse(name).is_ok() {
                        lay(&dir.join(name), bytes)?;
                    }
                }
                Need::Status { .. }
                | Need::Artifact { .. }
                | Need::Listing { .. }
                | Need::TreeFile { .. }
                | Need::Pushlog { .. }
                | Need::Projects
                | Need::GitHub { .. } => {}
            }
        }
        Ok(())
    }

    /// Removes what was not verified. Blocks.
    ///
    /// # Errors
    /// When that fails.
    pub fn discard(&self) -> io::Result<()> {
        let _alone = self.writers.write().unwrap_or_else(PoisonError::into_inner);
        self.files().clear();
        Purpose::Other.remove_tree(&self.folder)
    }

    /// Removes everything that was made here. Blocks.
    ///
    /// # Errors
    /// When that fails.
    pub fn remove(&self) -> io::Result<()> {
        self.discard()?;
        Purpose::Other.remove_tree(&if self.own { self.root.clone() } else { self.root.join("cot") })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn files(&self) -> std::sync::MutexGuard<'_, BTreeMap<(RunKey, ArtifactName), PathBuf>> {
        // a map is whole after every step, whoever panicked while it was held
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A document in its place, unless the same was handed over as an artifact.
fn lay(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        Purpose::Other.create_dir_all(parent)?;
    }
    match Purpose::Other.create_new(path, MODE) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made?.write_all(bytes),
    }
}

/// Content on its way to the disk.
#[derive(Default)]
struct Block {
    pieces: Vec<Bytes>,
    bytes: usize,
    /// There is no more; without this word the content is cut.
    last: bool,
}

fn unguessable() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Writes a block with as few calls as the system allows: the network gives 8 kB at once.
fn write_block(file: &mut impl Write, pieces: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn write(path: &Path, sha512: bool, mut blocks: mpsc::Receiver<Block>) -> io::Result<StoredArtifact> {
    let mut file = Purpose::Other.create_new(path, MODE)?;
    let mut hashing = Hashing::new(sha512);
    while let Some(block) = blocks.blocking_recv() {
        write_block(&mut file, &block.pieces)?;
        for piece in block.pieces {
            hashing.add(&piece);
        }
        if block.last {
            return Ok(hashing.finish());
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes at once, and is interrupted now and then.
    #[derive(Default)]
    struct Slow {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(2) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let piece = bytes.get(..3).unwrap_or(bytes);
            self.taken.extend_from_slice(piece);
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_block_is_written_whole_however_little_is_taken_at_once() {
        let mut slow = Slow::default();
        let pieces = ["ab", "c", "defghij", "k"].map(Bytes::from);
        write_block(&mut slow, &pieces).unwrap();
        assert_eq!(slow.taken, b"abcdefghijk");
        write_block(&mut slow, &[]).unwrap();
        let full = write_block(&mut [0_u8; 4].as_mut_slice(), &pieces).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::WriteZero);
    }
}
