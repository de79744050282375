//! The key repository: what is new there, and whether it may be trusted (keyrings.md 4.5; cot-attacks.md 42).
//!
//! The newest annotated tag on the main branch decides; when it was never tagged, the newest commit does. The tag (or
//! that commit) must be signed by a key of `git_commit_signing_pubkey_dir`, by OpenPGP, and is verified here: git only
//! moves objects. A state is never left for an older or another one, and a tag that was accepted once never moves.
//!
//! | file | what it does |
//! |---|---|
//! | `git` | calls the program, on a clone of the worker's own |
//! | `newest` | which tag or commit is the newest |
//! | `keys` | the key files of a commit |

mod git;
mod keys;
mod newest;

pub use git::GitError;

use self::git::Git;
use super::folder::FolderError;
use super::set::Keys;
use crate::config::{KeyRepositoryConfig, KeyringLayout};
use scriptworker_core::openpgp::git::{GitObjectError, ObjectId, SignatureForm, commit, tag};
use scriptworker_core::openpgp::{Keyring, Refusal, Signed};
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;
use std::fmt;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedObject {
    /// A tag, by its name.
    Tag(String),
    /// A commit that no tag names.
    Commit(ObjectId),
}

impl fmt::Display for SignedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Commit(id) => write!(f, "commit {id}"),
        }
    }
}

/// Why the key repository gives no new keys.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// Git gave no answer; the remote may be out of reach.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The newest state is not signed.
    #[error("accept {what} of the key repository: it is not signed")]
    Unsigned {
        /// What should be.
        what: SignedObject,
    },
    /// It is signed by an SSH key.
    #[error("accept {what} of the key repository: expected a signature by OpenPGP, found one by SSH")]
    SshSignature {
        /// What should be signed otherwise.
        what: SignedObject,
    },
    /// It is signed by an X.509 certificate.
    #[error("accept {what} of the key repository: expected a signature by OpenPGP, found one by X.509")]
    X509Signature {
        /// What should be signed otherwise.
        what: SignedObject,
    },
    /// Its signature does not count.
    #[error("accept {what} of the key repository: failed to {refusal}")]
    Signature {
        /// What is signed.
        what: SignedObject,
        /// Why it does not count.
        refusal: Box<Refusal>,
    },
    /// A tag was signed under another name than the one it is found by.
    #[error("accept tag {reference} of the key repository: it was signed as {signed:?}")]
    TagName {
        /// The name it is found by.
        reference: String,
        /// The name in it.
        signed: String,
    },
    /// A tag does not name the commit that git leads to.
    #[error(
        "accept tag {name} of the key repository: expected it to name commit {expected}, found {kind} {found}"
    )]
    TagTarget {
        /// The tag.
        name: String,
        /// The commit.
        expected: ObjectId,
        /// The type of what it names.
        kind: String,
        /// What it names.
        found: ObjectId,
    },
    /// A tag or commit object cannot be read.
    #[error("accept {what} of the key repository: failed to {source}")]
    Object {
        /// Which.
        what: SignedObject,
        /// Why not.
        source: GitObjectError,
    },
    /// There is more than one newest tag: what `git describe` would choose is chance.
    #[error("find the newest tag of the key repository: expected one, found {}", tags.join(", "))]
    AmbiguousTags {
        /// All of them.
        tags: Vec<String>,
    },
    /// A tag that was accepted once is another one now.
    #[error(
        "accept tag {name} of the key repository: it was {known} when it was accepted and is {found} now"
    )]
    TagMoved {
        /// Its name.
        name: String,
        /// What it was.
        known: ObjectId,
        /// What it is.
        found: ObjectId,
    },
    /// The newest signed state is older than the last good one.
    #[error("accept {what} of the key repository: {found} is older than the last good revision {last_good}")]
    Older {
        /// What names it.
        what: SignedObject,
        /// The revision.
        found: ObjectId,
        /// The one before.
        last_good: ObjectId,
    },
    /// The newest signed state does not follow the last good one.
    #[error(
        "accept {what} of the key repository: {found} does not follow the last good revision {last_good}"
    )]
    Diverged {
        /// What names it.
        what: SignedObject,
        /// The revision.
        found: ObjectId,
        /// The one before.
        last_good: ObjectId,
    },
    /// A folder of keys is not there.
    #[error("read the keys in {folder} of commit {commit}: there is no such folder")]
    NoFolder {
        /// The folder.
        folder: String,
        /// The commit.
        commit: ObjectId,
    },
    /// A folder has files that are no keys.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl RepositoryError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Git(_) => "git",
            Self::Unsigned { .. } => "unsigned",
            Self::SshSignature { .. } => "ssh-signature",
            Self::X509Signature { .. } => "x509-signature",
            Self::Signature { refusal, .. } => refusal.code(),
            Self::TagName { .. } | Self::TagTarget { .. } => "tag",
            Self::Object { .. } => "format",
            Self::AmbiguousTags { .. } => "ambiguous-tags",
            Self::TagMoved { .. } => "tag-moved",
            Self::Older { .. } | Self::Diverged { .. } => "rollback",
            Self::NoFolder { .. } | Self::Folder(_) => "key-repo",
        }
    }
}

/// The worker's clone of the key repository.
#[derive(Debug)]
pub struct KeyRepository(Git);

/// A state of the key repository that may be trusted: only [`KeyRepository::newest`] makes one.
#[derive(Debug)]
pub struct Verified {
    commit: ObjectId,
    what: SignedObject,
    /// The tag's own id, to know it again.
    object: ObjectId,
    signature: Signed,
}

impl Verified {
    /// The commit.
    pub fn commit(&self) -> &ObjectId {
        &self.commit
    }

    /// The tag that names it, if one does.
    pub fn tag(&self) -> Option<&str> {
        match &self.what {
            SignedObject::Tag(name) => Some(name),
            SignedObject::Commit(_) => None,
        }
    }

    /// Who signed it, and when.
    pub fn signature(&self) -> &Signed {
        &self.signature
    }
}

impl KeyRepository {
    /// Makes the worker's clone ready. Nothing is fetched yet.
    ///
    /// # Errors
    /// When that fails, or no URL may be fetched from.
    pub fn open(config: &KeyRepositoryConfig) -> Result<Self, RepositoryError> {
        Ok(Self(Git::open(config)?))
    }

    /// Fetches.
    ///
    /// # Errors
    /// When the remote is out of reach or does not answer in time.
    pub fn fetch(&self) -> Result<(), RepositoryError> {
        Ok(self.0.fetch()?)
    }

    /// The newest state that was fetched, verified with the keys of `signers` at a time. It follows each of the `last_good`
    /// revisions or is one of them.
    ///
    /// # Errors
    /// When the newest state must not be used. An older one is never offered instead.
    pub fn newest(
        &self,
        signers: &Keyring,
        last_good: &[ObjectId],
        at: UnixMillis,
    ) -> Result<Verified, RepositoryError> {
        let verified = match newest::tag(&self.0)? {
            Some(newest) => self.verify_tag(newest, signers, at)?,
            None => self.verify_commit(signers, at)?,
        };
        for last_good in last_good {
            self.follows(&verified, last_good)?;
        }
        Ok(verified)
    }

    /// Remembers that a state was accepted: its tag cannot move any more.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn remember(&self, verified: &Verified) -> Result<(), RepositoryError> {
        if let Some(name) = verified.tag() {
            let reference = format!("{}{name}", newest::ACCEPTED);
            self.0.call(&["update-ref", &reference, verified.object.as_str()])?;
        }
        Ok(())
    }

    /// The keys of a state, by worker implementation.
    ///
    /// # Errors
    /// When a folder is missing or has a bad file.
    pub fn keys(
        &self,
        verified: &Verified,
        layouts: &BTreeMap<String, KeyringLayout>,
    ) -> Result<BTreeMap<String, Keys>, RepositoryError> {
        let read = |(name, layout): (&String, &KeyringLayout)| {
            Ok((name.clone(), keys::read(&self.0, &verified.commit, name, layout)?))
        };
        layouts.iter().map(read).collect()
    }

    fn verify_tag(
        &self,
        newest: newest::Tag,
        signers: &Keyring,
        at: UnixMillis,
    ) -> Result<Verified, RepositoryError> {
        let newest::Tag { name, object, commit } = newest;
        let what = SignedObject::Tag(name.clone());
        let raw = self.0.call(&["cat-file", "tag", object.as_str()])?;
        let tag = tag(&raw).map_err(|source| RepositoryError::Object { what: what.clone(), source })?;
        if tag.name != name {
            return Err(RepositoryError::TagName { reference: name, signed: tag.name });
        }
        if tag.object != commit || tag.object_type != "commit" {
            let (kind, found) = (tag.object_type, tag.object);
            return Err(RepositoryError::TagTarget { name, expected: commit, kind, found });
        }
        let signature = verify(&what, &tag.payload, tag.signature, signers, at)?;
        Ok(Verified { commit, what, object, signature })
    }

    fn verify_commit(&self, signers: &Keyring, at: UnixMillis) -> Result<Verified, RepositoryError> {
        let id = newest::head(&self.0)?;
        let what = SignedObject::Commit(id.clone());
        let raw = self.0.call(&["cat-file", "commit", id.as_str()])?;
        let commit = commit(&raw).map_err(|source| RepositoryError::Object { what: what.clone(), source })?;
        let signature = verify(&what, &commit.payload, commit.signature, signers, at)?;
        Ok(Verified { commit: id.clone(), what, object: id, signature })
    }

    fn follows(&self, verified: &Verified, last_good: &ObjectId) -> Result<(), RepositoryError> {
        let (new, old) = (verified.commit.as_str(), last_good.as_str());
        if new == old {
            return Ok(());
        }
        let known = self.0.has(old, "commit")?;
        if known && self.0.asks(&["merge-base", "--is-ancestor", old, new])? {
            return Ok(());
        }
        let (what, found, last_good) = (verified.what.clone(), verified.commit.clone(), last_good.clone());
        if known && self.0.asks(&["merge-base", "--is-ancestor", new, old])? {
            return Err(RepositoryError::Older { what, found, last_good });
        }
        Err(RepositoryError::Diverged { what, found, last_good })
    }
}

fn verify(
    what: &SignedObject,
    payload: &[u8],
    signature: SignatureForm,
    signers: &Keyring,
    at: UnixMillis,
) -> Result<Signed, RepositoryError> {
    let what = what.clone();
    match signature {
        SignatureForm::OpenPgp(signature) => signers
            .verify_detached(payload, &signature, at)
            .map_err(|refusal| RepositoryError::Signature { what, refusal: Box::new(refusal) }),
        SignatureForm::Ssh => Err(RepositoryError::SshSignature { what }),
        SignatureForm::X509 => Err(RepositoryError::X509Signature { what }),
        SignatureForm::Unsigned => Err(RepositoryError::Unsigned { what }),
    }
}
