//! The files that tell of the chain of trust are the worker's own word: a script, which may write beside them, does not
//! change what they say.

use crate::actors::cot_verifier::VerdictFile;
use crate::fsio::Purpose;
use scriptworker_core::ids::RunKey;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Puts a file back as it was written, if it is another one now. Blocks.
pub(super) fn restore(run: &RunKey, file: &VerdictFile) -> io::Result<()> {
    if is_as_written(&file.path, &file.content)? {
        return Ok(());
    }
    tracing::warn!(%run, path = %file.path.display(), "the script has changed what tells of its chain of trust: restored");
    Purpose::Directories.remove_tree(&file.path)?;
    if let Some(folder) = file.path.parent() {
        Purpose::Directories.create_dir_all(folder)?;
    }
    Purpose::TaskLog.create_new(&file.path, 0o644)?.write_all(&file.content)
}

/// Whether a plain file with this content is there. A link, or anything else, is not.
fn is_as_written(path: &Path, content: &[u8]) -> io::Result<bool> {
    let is_plain = |found: &std::fs::Metadata| found.is_file() && found.len() == content.len() as u64;
    match std::fs::symlink_metadata(path) {
        Ok(found) if is_plain(&found) => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let mut found = Vec::new();
    // the script is dead: nothing is exchanged in between
    File::open(path)?.take(content.len() as u64 + 1).read_to_end(&mut found)?;
    Ok(found == content)
}
