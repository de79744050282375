//! `--artifacts DIR`: artifacts whose digests a bundle only recorded, hashed again from files.

use super::Error;
use crate::cot::hashing::Hashing;
use scriptworker_core::cot::evidence::{Answer, Evidence, StoredArtifact};
use scriptworker_core::cot::need::Need;
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::upstream_path::UpstreamPath;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// How much is read at once, in bytes.
const BLOCK: usize = 256 << 10;

/// What became of a bundle's evidence.
pub(super) struct Rehashed {
    /// With the digests of the files where there are any.
    pub(super) evidence: Evidence,
    /// The artifacts whose digests are those of files now.
    pub(super) found: BTreeSet<Need>,
    /// Those that have no file.
    pub(super) missing: Vec<Need>,
}

/// Hashes what is at `DIR/TASKID/PATH` or `DIR/cot/TASKID/PATH`. Blocks.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn rehash(evidence: &Evidence, dir: &Path) -> Result<Rehashed, Error> {
    let (mut found, mut missing) = (BTreeSet::new(), Vec::new());
    let mut renewed = Evidence::new();
    for (need, answer) in evidence.iter() {
        let mut answer = answer.clone();
        if let (Need::Artifact { run, name, sha512 }, Answer::Stored(_)) = (need, &answer) {
            match file_of(dir, run, name) {
                Some(path) => {
                    answer = Answer::Stored(
                        hashed(&path, *sha512).map_err(|source| Error::File { path, source })?,
                    );
                    found.insert(need.clone());
                }
                None => missing.push(need.clone()),
            }
        }
        renewed.add(need.clone(), answer).map_err(crate::cot::gather::GatherError::from)?;
    }
    Ok(Rehashed { evidence: renewed, found, missing })
}

/// The file of an artifact. A name that could lead elsewhere has none.
fn file_of(dir: &Path, run: &RunKey, name: &ArtifactName) -> Option<PathBuf> {
    let path = UpstreamPath::parse(name.as_str()).ok()?;
    [dir.to_owned(), dir.join("cot")]
        .into_iter()
        .map(|dir| dir.join(run.task_id.as_str()).join(path.as_str()))
        .find(|file| file.is_file())
}

fn hashed(path: &Path, sha512: bool) -> io::Result<StoredArtifact> {
    let mut file = File::open(path)?;
    let mut hashing = Hashing::new(sha512);
    let mut block = vec![0; BLOCK];
    loop {
        let count = match file.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hashing.add(block.get(..count).unwrap_or_default());
    }
    Ok(hashing.finish())
}
