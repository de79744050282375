//! Releases made on the spot: a push of a local source tree, its decision task, an image, builds, and the signing task
//! that a worker is to run once it has verified all of that. Everything is attested and signed by keys made here, so a
//! verifier has nothing to take on trust; or one thing is wrong on purpose.
//!
//! | module | what it does |
//! |---|---|
//! | `tree` | the source tree and its pushes |
//! | `source_host` | the host that tells of them |
//! | `tasks` | the definitions of the tasks |
//! | `making` | all of that together |
//! | `content` | artifacts of any size |
//! | `signers` | keys, keyrings, attestations |
//! | `tampering` | what may be wrong, and what has to come of it |

mod content;
mod making;
mod signers;
mod source_host;
mod tampering;
mod tasks;
mod tree;

use self::making::Making;
use self::signers::Signers;
pub use self::source_host::SourceHost;
pub use self::tampering::{Culprit, Tampering};
use self::tasks::{Common, PRODUCT, TASK_TYPE};
use self::tree::{HOST, PROJECTS, ROOT, Tree, exchange_template};
use super::control::{EmbeddedQueue, Refused};
use super::options::{Clock as _, SystemClock};
use super::past::PastError;
use super::shared::new_task_id;
use crate::key_files::KeyFileError;
use crate::keyrings::StoreError;
use scriptworker_core::cot::policy::PolicyError;
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::cot::template::TemplateError;
use scriptworker_core::ids::{InvalidId, TaskId};
use scriptworker_core::openpgp::{GenerateError, InvalidOwner, SecretKeyError, SignError};
use scriptworker_core::yaml::YamlError;
use serde_json::{Map, Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why there is no release.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// A file cannot be read or written.
    #[error("read or write {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no port or no thread for the source host.
    #[error("start a source host: {0}")]
    Host(#[source] io::Error),
    /// The source tree lost its template.
    #[error("push {}: there is no {} in it", tree.display(), tree::TEMPLATE)]
    NoTemplate {
        /// The source tree.
        tree: PathBuf,
    },
    /// The template of the source tree cannot be read.
    #[error("read the template of the source tree: {0}")]
    Template(#[from] YamlError),
    /// It cannot be rendered.
    #[error("render the template of the source tree: {0}")]
    Rendering(#[from] TemplateError),
    /// It makes nothing.
    #[error("render the template of the source tree: expected one task, found none")]
    NoDecision,
    /// The built-in policy allows no image for a type of task.
    #[error("choose an image for a task of type {task_type}: the policy allows none")]
    NoImage {
        /// The type.
        task_type: String,
    },
    /// The built-in policy cannot be read.
    #[error("read the built-in policy: {0}")]
    Policy(#[from] PolicyError),
    /// No task id could be made.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A key file could not be written.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The owner of a key has no name that a key can have.
    #[error(transparent)]
    Owner(#[from] InvalidOwner),
    /// A key could not be made.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A key could not be written.
    #[error(transparent)]
    Key(#[from] SecretKeyError),
    /// The keyrings could not be made.
    #[error(transparent)]
    Keyrings(#[from] StoreError),
    /// An attestation could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The queue does not take a task that is over.
    #[error(transparent)]
    Past(#[from] PastError),
    /// The queue does not take the signing task.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl ReleaseError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

/// What a release is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many builds; each is a link of the chain.
    pub builds: usize,
    /// How many artifacts each of them has.
    pub artifacts: usize,
    /// How long each of those is, in bytes. They are never in memory as a whole.
    pub artifact_size: u64,
    /// How many of the builds the signing task takes artifacts of; the others are taken by builds, ten by each. `None`:
    /// all of them.
    pub direct: Option<usize>,
    /// How many bytes the definition of each build is longer than it has to be.
    pub padding: usize,
    /// What the payload of the signing task has besides `upstreamArtifacts`.
    pub payload: Map<String, Value>,
    /// What is wrong.
    pub tampering: Option<Tampering>,
}

impl Default for Plan {
    /// Two builds with one small artifact each, and nothing wrong.
    fn default() -> Self {
        Self {
            builds: 2,
            artifacts: 1,
            artifact_size: 4096,
            direct: None,
            padding: 0,
            payload: Map::new(),
            tampering: None,
        }
    }
}

/// Makes releases of one generation that one worker can verify.
#[derive(Debug)]
pub struct Releases {
    generation: RuleSet,
    dir: PathBuf,
    signers: Signers,
    tree: Tree,
    host: SourceHost,
    made: AtomicU64,
}

/// A release: all of its tasks are completed, except for the signing task, which waits for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The push.
    pub revision: String,
    /// The decision task.
    pub decision: TaskId,
    /// The docker-image task.
    pub image: TaskId,
    /// The builds.
    pub builds: Vec<Build>,
    /// The task that signs what they made.
    pub signing: TaskId,
}

/// A build, and what the queue serves of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The task.
    pub id: TaskId,
    /// Its artifacts, without the attestation: names, and the files that are served.
    pub artifacts: Vec<(String, PathBuf)>,
}

impl Release {
    /// The task where something is wrong.
    pub fn culprit(&self, tampering: Tampering) -> &TaskId {
        match tampering.culprit() {
            Culprit::Decision => &self.decision,
            Culprit::Image => &self.image,
            Culprit::Build => self.builds.first().map_or(&self.signing, |build| &build.id),
            Culprit::Signing => &self.signing,
        }
    }
}

impl Releases {
    /// Makes keys, a source tree and a host for it. Everything on disk goes into `dir`: `keys`, `tree`, and what the
    /// queue serves, which has to stay there.
    ///
    /// # Errors
    /// When something cannot be written, or there is no port.
    pub fn start(generation: RuleSet, dir: &Path) -> Result<Self, ReleaseError> {
        Ok(Self {
            generation,
            dir: dir.join("served"),
            signers: Signers::make(generation, dir.join("keys"), SystemClock.now())?,
            tree: Tree::make(dir.join("tree"))?,
            host: SourceHost::start().map_err(ReleaseError::Host)?,
            made: AtomicU64::new(0),
        })
    }

    /// The host of the source tree.
    pub fn host(&self) -> &SourceHost {
        &self.host
    }

    /// The source tree: what is in there when a release is made is what it is made of.
    pub fn tree(&self) -> &Path {
        self.tree.path()
    }

    /// Keys and keyrings.
    pub fn keys(&self) -> &Path {
        self.signers.dir()
    }

    /// The pool of the signing tasks: `provisioner_id` and `worker_type`.
    pub fn pool(&self) -> (&'static str, &'static str) {
        Common::signing_pool(self.generation)
    }

    /// The source addresses that have to be read from the host, and where there.
    pub fn mirror(&self) -> (&'static str, String) {
        (HOST, format!("{}{ROOT}", self.host.url()))
    }

    /// What the configuration of a worker needs to verify, run and attest the signing tasks: pool, keys, keyrings,
    /// addresses.
    pub fn configuration(&self) -> Map<String, Value> {
        let (provisioner, worker_type) = self.pool();
        let (from, to) = self.mirror();
        let mut entries = self.signers.configuration();
        entries.extend(
            [
                ("provisioner_id", json!(provisioner)),
                ("worker_type", json!(worker_type)),
                ("verify_chain_of_trust", json!(true)),
                ("verify_cot_signature", json!(true)),
                ("cot_job_type", json!(TASK_TYPE)),
                ("cot_product", json!(PRODUCT)),
                ("source_mirrors", json!({from: to})),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        if self.generation == RuleSet::Current {
            let projects = format!("{}{PROJECTS}", self.host.url());
            entries.insert("project_configuration_url".to_owned(), json!(projects));
        }
        entries
    }

    /// Makes a release, and puts it into the queue.
    ///
    /// # Errors
    /// When something cannot be written, or the queue does not take it.
    pub fn make(&self, queue: &EmbeddedQueue, plan: &Plan) -> Result<Release, ReleaseError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let created = queue.shared.now();
        let push = self.tree.push(&self.host, number, created)?;
        let decision = new_task_id()?;
        let common = Common {
            generation: self.generation,
            created,
            push: &push,
            decision: &decision,
            tampering: plan.tampering,
        };
        let dir = self.dir.join(number.to_string());
        let release = Making { signers: &self.signers, queue, plan, common: &common, dir }.all()?;
        if plan.tampering == Some(Tampering::Template) {
            exchange_template(&self.host, &push);
        }
        Ok(release)
    }
}
