//! Key files of a commit: read from its tree, never from a work tree that somebody can change meanwhile.

use super::RepositoryError;
use super::git::{Git, GitError};
use crate::config::{KeyringLayout, KeyringModel};
use crate::keyrings::folder::{Collection, FileFault, FolderError, is_ignored};
use crate::keyrings::set::Keys;
use scriptworker_core::openpgp::Certificate;
use scriptworker_core::openpgp::git::ObjectId;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// What `cat-file --batch` prints around an object, at most.
const AROUND: usize = 128;

/// Reads the keys of a worker implementation (keyrings.md 4.4).
pub(super) fn read(
    git: &Git,
    commit: &ObjectId,
    name: &str,
    layout: &KeyringLayout,
) -> Result<Keys, RepositoryError> {
    let folder = |folder: &str| read_folder(git, commit, folder, &layout.ignore_suffixes);
    let (by_place, by_certification) = match layout.model {
        KeyringModel::Flat => (folder(name)?, Vec::new()),
        KeyringModel::Signed => (folder(&format!("{name}/trusted"))?, folder(&format!("{name}/valid"))?),
    };
    Ok(Keys { layout: layout.clone(), by_place, by_certification })
}

/// One file of a commit.
struct Entry<'a> {
    mode: &'a str,
    object: &'a str,
    size: u64,
    /// From the folder on.
    name: &'a OsStr,
}

fn read_folder(
    git: &Git,
    commit: &ObjectId,
    folder: &str,
    ignore_suffixes: &[String],
) -> Result<Vec<Certificate>, RepositoryError> {
    let path = format!("{folder}/");
    let listing =
        git.call(&["ls-tree", "-r", "-z", "--full-tree", "--long", commit.as_str(), "--", &path])?;
    let mut keys = Collection::of(folder);
    let (mut entries, mut contents) = (Vec::new(), Vec::new());
    for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let odd =
            || GitError::Odd { command: "ls-tree".to_owned(), expected: "mode, type, object, size and path" };
        let entry = entry(line, folder).ok_or_else(odd)?;
        keys.count()?;
        if !is_ignored(entry.name.as_bytes(), ignore_suffixes) {
            contents.push(fault(&entry));
            entries.push(entry);
        }
    }
    if listing.is_empty() {
        return Err(RepositoryError::NoFolder { folder: folder.to_owned(), commit: commit.clone() });
    }
    let wanted: Vec<&Entry<'_>> =
        entries.iter().zip(&contents).filter(|(_, fault)| fault.is_none()).map(|(entry, _)| entry).collect();
    let mut blobs = blobs(git, folder, &wanted)?.into_iter();
    for (entry, fault) in entries.iter().zip(contents) {
        match fault {
            Some(fault) => keys.add(entry.name, Err(fault))?,
            None => keys.add(entry.name, Ok(blobs.next().unwrap_or_default()))?,
        }
    }
    Ok(keys.finish()?)
}

/// `<mode> <type> <object> <size>\t<path>`, the size padded with blanks.
fn entry<'a>(line: &'a [u8], folder: &str) -> Option<Entry<'a>> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (facts, path) = (line.get(..tab)?, line.get(tab + 1..)?);
    let mut facts = std::str::from_utf8(facts).ok()?.split_ascii_whitespace();
    let (mode, _, object, size) = (facts.next()?, facts.next()?, facts.next()?, facts.next()?);
    let inside = path.strip_prefix(folder.as_bytes())?;
    // the folder itself may be something else
    let name = inside.strip_prefix(b"/").unwrap_or(path);
    // a submodule has no size
    Some(Entry { mode, object, size: size.parse().unwrap_or(0), name: OsStr::from_bytes(name) })
}

/// What the tree alone says against a file.
fn fault(entry: &Entry<'_>) -> Option<FileFault> {
    let limit = Certificate::MOST_BYTES as u64;
    match entry.mode {
        "120000" => Some(FileFault::Symlink),
        "160000" => Some(FileFault::NotAFile { found: "another repository" }),
        _ if entry.size > limit => Some(FileFault::TooBig { limit, found: entry.size }),
        _ => None,
    }
}

/// The contents of these files, in one call.
fn blobs(git: &Git, folder: &str, entries: &[&Entry<'_>]) -> Result<Vec<Vec<u8>>, RepositoryError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let sum = entries.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.size));
    let limit = crate::keyrings::folder::MOST_BYTES;
    if sum > limit {
        let folder = folder.to_owned();
        return Err(FolderError::TooMuch { folder, limit, what: "bytes" }.into());
    }
    let input = entries.iter().map(|entry| format!("{}\n", entry.object)).collect::<String>();
    let most =
        usize::try_from(sum).unwrap_or(usize::MAX).saturating_add(entries.len().saturating_mul(AROUND));
    let output = git.exchange(&["cat-file", "--batch"], input.into_bytes(), most)?;
    let mut rest = output.as_slice();
    let mut blobs = Vec::new();
    for entry in entries {
        let odd =
            || GitError::Odd { command: "cat-file".to_owned(), expected: "the files that were asked for" };
        let (blob, after) = blob(rest, entry).ok_or_else(odd)?;
        blobs.push(blob.to_vec());
        rest = after;
    }
    Ok(blobs)
}

/// `<object> blob <size>\n<content>\n`.
fn blob<'a>(output: &'a [u8], entry: &Entry<'_>) -> Option<(&'a [u8], &'a [u8])> {
    let rest = output.strip_prefix(format!("{} blob {}\n", entry.object, entry.size).as_bytes())?;
    let (content, rest) = rest.split_at_checked(usize::try_from(entry.size).ok()?)?;
    Some((content, rest.strip_prefix(b"\n")?))
}
