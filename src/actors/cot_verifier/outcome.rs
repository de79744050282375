//! What a verification comes to, for the Supervisor, the ScriptRunner and the record of runs.

use bytes::Bytes;
use scriptworker_core::cot::judge::VerifiedTask;
use scriptworker_core::cot::policy::PolicyId;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::Verdict;
use std::path::PathBuf;
use std::sync::Arc;

/// What became of a verification.
#[derive(Debug)]
pub struct Judged {
    /// In the words of the run's state machine.
    pub verdict: Verdict,
    /// What lets the script start.
    pub clearance: Clearance,
    /// What is kept about it.
    pub summary: Summary,
    /// The files that tell of it, to be uploaded as they were written here.
    pub files: Vec<VerdictFile>,
}

/// A file of the artifact directory that is the worker's own: a script that runs later may not change what it says.
#[derive(Debug, Clone)]
pub struct VerdictFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub content: Bytes,
}

/// Whether a script may start. Only a verdict of the core makes one that says so.
#[derive(Debug, Clone, Default)]
pub enum Clearance {
    /// Nothing was proven.
    #[default]
    None,
    /// The whole chain of a task is proven.
    Verified {
        /// The run that it was proven for: what a script may be given was handed over for this one.
        run: RunKey,
        /// What was proven.
        task: Arc<VerifiedTask>,
    },
}

impl Clearance {
    /// Whether it is for this run.
    pub fn covers(&self, run: &RunKey) -> bool {
        match self {
            Self::Verified { run: proven, task } => proven == run && task.task() == &run.task_id,
            Self::None => false,
        }
    }
}

/// A verification in a few words.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The policy that it was judged by, if it came that far.
    pub policy: Option<PolicyId>,
    /// The code of the first reason against it, and the link.
    pub reason: Option<(&'static str, String)>,
    /// SHA-256 of the bundle with the evidence, in hexadecimal, if one was written.
    pub bundle: Option<String>,
}
