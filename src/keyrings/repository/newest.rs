//! Which tag of the key repository is the newest: the one that all other tags of the main branch come before. Where
//! `git describe` would choose between several, there is none.

use super::RepositoryError;
use super::git::{Git, GitError};
use scriptworker_core::openpgp::git::ObjectId;
use std::collections::BTreeMap;

/// The main branch of the remote, as it was fetched last.
const HEAD: &str = "refs/incoming/head";
/// The tags of the remote, as they were fetched last.
const INCOMING: &str = "refs/incoming/tags/";
/// Tags that were accepted once.
pub(super) const ACCEPTED: &str = "refs/tags/";

/// An annotated tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) name: String,
    /// The tag itself.
    pub(super) object: ObjectId,
    /// The commit that it leads to.
    pub(super) commit: ObjectId,
}

/// The newest commit of the main branch.
pub(super) fn head(git: &Git) -> Result<ObjectId, GitError> {
    let text = git.text(&["rev-parse", "--verify", "--quiet", "refs/incoming/head^{commit}"])?;
    ObjectId::parse(text.trim()).ok_or_else(|| odd("rev-parse", "the id of a commit"))
}

/// The newest annotated tag of the main branch; `None` when it has none.
pub(super) fn tag(git: &Git) -> Result<Option<Tag>, RepositoryError> {
    let (accepted, incoming) = (objects(git, ACCEPTED)?, objects(git, INCOMING)?);
    for (name, known) in accepted {
        match incoming.get(&name) {
            Some(found) if *found != known => {
                return Err(RepositoryError::TagMoved { name, known, found: found.clone() });
            }
            Some(_) | None => {}
        }
    }
    // one that is gone from the remote still counts
    let mut all = tags(git, ACCEPTED)?;
    all.append(&mut tags(git, INCOMING)?);
    let commits: Vec<&str> = all.values().map(|tag| tag.commit.as_str()).collect();
    if commits.is_empty() {
        return Ok(None);
    }
    let newest = git.text(&[["merge-base", "--independent"].as_slice(), &commits].concat())?;
    let is_newest = |tag: &Tag| newest.lines().any(|line| line == tag.commit.as_str());
    let mut newest = all.into_values().filter(is_newest);
    match (newest.next(), newest.next()) {
        (Some(first), Some(second)) => {
            let tags = [first, second].into_iter().chain(newest).map(|tag| tag.name).collect();
            Err(RepositoryError::AmbiguousTags { tags })
        }
        (Some(only), None) => Ok(Some(only)),
        (None, _) => Err(odd("merge-base", "one of the commits that were asked about").into()),
    }
}

/// What every reference below a prefix names.
fn objects(git: &Git, prefix: &str) -> Result<BTreeMap<String, ObjectId>, GitError> {
    let listing = git.text(&["for-each-ref", "--format=%(objectname) %(refname)", prefix])?;
    let object = |line: &str| {
        let (object, reference) = line.split_once(' ')?;
        Some((reference.strip_prefix(prefix)?.to_owned(), ObjectId::parse(object)?))
    };
    listing.lines().map(|line| object(line).ok_or_else(|| odd("for-each-ref", "tags in UTF-8"))).collect()
}

/// The annotated tags below a prefix that lead to commits of the main branch.
fn tags(git: &Git, prefix: &str) -> Result<BTreeMap<String, Tag>, GitError> {
    const FORMAT: &str =
        "--format=%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)%00%(refname)";
    let listing = git.call(&["for-each-ref", "--merged", HEAD, FORMAT, prefix])?;
    let mut tags = BTreeMap::new();
    for line in listing.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let odd = || odd("for-each-ref", "tags in UTF-8");
        let fields: Vec<&str> = std::str::from_utf8(line).map_err(|_| odd())?.split('\0').collect();
        let [kind, object, "commit", commit, reference] = fields.as_slice() else { continue };
        if *kind != "tag" {
            continue;
        }
        let name = reference.strip_prefix(prefix).ok_or_else(odd)?.to_owned();
        let object = ObjectId::parse(object).ok_or_else(odd)?;
        let commit = ObjectId::parse(commit).ok_or_else(odd)?;
        tags.insert(name.clone(), Tag { name, object, commit });
    }
    Ok(tags)
}

fn odd(command: &str, expected: &'static str) -> GitError {
    GitError::Odd { command: command.to_owned(), expected }
}
