//! What the verifier has to know before it can judge, as questions that somebody else answers: the worker over the
//! network, or a bundle that was recorded.

use crate::ids::{ArtifactName, RunKey, TaskId};
use crate::json::DocumentKind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One question. Questions are compared as values, so each is asked once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Need {
    /// The definition of a task, as the queue has it.
    Task {
        /// Which.
        task: TaskId,
    },
    /// The runs of a task, as the queue has them.
    Status {
        /// Which.
        task: TaskId,
    },
    /// The bytes of an artifact that the verifier reads itself.
    Document {
        /// Of which run.
        run: RunKey,
        /// Its name.
        name: ArtifactName,
        /// What it is, and so how large it may be.
        class: DocumentKind,
    },
    /// An artifact that the script will be given: fetched to its place, hashed meanwhile.
    Artifact {
        /// Of which run.
        run: RunKey,
        /// Its name.
        name: ArtifactName,
        /// Whether its SHA-512 was attested, too: it costs more than all else, so it is made where it is needed.
        #[serde(default, skip_serializing_if = "is_false")]
        sha512: bool,
    },
    /// The names of all artifacts of a run.
    Listing {
        /// Of which run.
        run: RunKey,
    },
    /// A file of a source tree at a revision.
    TreeFile {
        /// The repository, in its normal form.
        repository: String,
        /// The full hash.
        revision: String,
        /// The path in the tree.
        path: String,
    },
    /// What the push of a revision was, from the Mercurial server.
    Pushlog {
        /// The repository, in its normal form.
        repository: String,
        /// The full hash.
        revision: String,
    },
    /// The list of projects (`project_configuration_url`).
    Projects,
    /// Something that the GitHub API knows.
    GitHub {
        /// Owner and repository, as `owner/name`.
        repository: String,
        /// What.
        what: GitHubObject,
    },
}

/// What the verifier asks of GitHub (chain-of-trust.md 6.8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "object")]
pub enum GitHubObject {
    /// The repository itself.
    Repository,
    /// A commit.
    Commit {
        /// Its hash.
        revision: String,
    },
    /// A pull request.
    Pull {
        /// Its number.
        number: u64,
    },
    /// The release of a tag.
    Release {
        /// The tag.
        tag: String,
    },
    /// All tags.
    Tags,
    /// The branches that a commit is on, from the page that shows them.
    BranchCommits {
        /// The commit.
        revision: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Need {
    /// The task that the question is about, if it is about one.
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Task { task } | Self::Status { task } => Some(task),
            Self::Document { run, .. } | Self::Artifact { run, .. } | Self::Listing { run } => {
                Some(&run.task_id)
            }
            Self::TreeFile { .. } | Self::Pushlog { .. } | Self::Projects | Self::GitHub { .. } => None,
        }
    }
}

/// In the words of progress lines. Texts may come from tasks: whoever prints them escapes them.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task { task } => write!(f, "definition of {task}"),
            Self::Status { task } => write!(f, "status of {task}"),
            Self::Document { run, name, .. } | Self::Artifact { run, name, .. } => {
                write!(f, "{name} of {run}")
            }
            Self::Listing { run } => write!(f, "artifacts of {run}"),
            Self::TreeFile { repository, revision, path } => {
                write!(f, "{path} of {repository} at {revision}")
            }
            Self::Pushlog { repository, revision } => write!(f, "push of {revision} to {repository}"),
            Self::Projects => f.write_str("list of projects"),
            Self::GitHub { repository, what } => match what {
                GitHubObject::Repository => write!(f, "{repository} on GitHub"),
                GitHubObject::Commit { revision } => write!(f, "commit {revision} of {repository}"),
                GitHubObject::Pull { number } => write!(f, "pull request {number} of {repository}"),
                GitHubObject::Release { tag } => write!(f, "release {tag} of {repository}"),
                GitHubObject::Tags => write!(f, "tags of {repository}"),
                GitHubObject::BranchCommits { revision } => {
                    write!(f, "branches of {revision} in {repository}")
                }
            },
        }
    }
}
