//! Where everything of one demo lies. Nothing of it is removed.

use super::keys;
use super::site::{SiteError, at};
use crate::fsio;
use scriptworker_core::cot::role::RuleSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One of the workers of a demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Runs whatever it gets.
    Plain,
    /// Verifies the chain of trust of every task, by the rules of a generation.
    Verifying(RuleSet),
}

impl Who {
    /// All of them.
    pub(super) const ALL: [Self; 3] =
        [Self::Plain, Self::Verifying(RuleSet::Current), Self::Verifying(RuleSet::Classic)];

    /// What tells it from the others, in names.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "worker",
            Self::Verifying(RuleSet::Current) => "current",
            Self::Verifying(RuleSet::Classic) => "classic",
        }
    }
}

/// See the module.
pub(super) struct Places {
    root: PathBuf,
}

impl Places {
    /// Below `dir`, which must be empty or not exist; without one, below a new temporary directory.
    pub(super) fn make(dir: Option<&Path>) -> Result<Self, SiteError> {
        let root = match dir {
            Some(dir) => dir.to_owned(),
            None => std::env::temp_dir().join(format!("scriptworker-demo-{}", uuid::Uuid::new_v4().simple())),
        };
        fsio::create_dir_all(&root).map_err(at("create", &root))?;
        let root = fs::canonicalize(&root).map_err(at("find", &root))?;
        if fs::read_dir(&root).map_err(at("read", &root))?.next().is_some() {
            return Err(SiteError::NotEmpty(root));
        }
        if root.to_str().is_none() {
            return Err(SiteError::NotUtf8(root));
        }
        let places = Self { root };
        let workers = Who::ALL.map(|who| places.worker(who));
        let others =
            [places.tasks(), places.storage(), places.own_keys(), places.gpg_home(), places.started()];
        for dir in workers.into_iter().chain(others) {
            fsio::create_dir_all(&dir).map_err(at("create", &dir))?;
        }
        Ok(places)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything of a worker's own.
    pub(super) fn worker(&self, who: Who) -> PathBuf {
        match who {
            Who::Plain => self.root.join("worker"),
            Who::Verifying(_) => self.root.join(who.name()).join("worker"),
        }
    }

    pub(super) fn config(&self, who: Who) -> PathBuf {
        self.worker(who).join("scriptworker.yaml")
    }

    pub(super) fn log(&self, who: Who) -> PathBuf {
        self.worker(who).join("log/worker.log")
    }

    /// What a worker says before it has a log.
    pub(super) fn stderr(&self, who: Who) -> PathBuf {
        self.worker(who).join("stderr")
    }

    /// What the releases of a generation are made of and with.
    pub(super) fn releases(&self, generation: RuleSet) -> PathBuf {
        self.root.join(Who::Verifying(generation).name())
    }

    pub(super) fn script(&self) -> PathBuf {
        self.worker(Who::Plain).join("script.sh")
    }

    /// The keys that the plain worker signs with.
    pub(super) fn own_keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The keyrings in which others find them.
    pub(super) fn keyrings(&self) -> PathBuf {
        self.own_keys().join("keyrings")
    }

    /// The OpenPGP key that a worker signs with.
    pub(super) fn public_key(&self, who: Who) -> PathBuf {
        match who {
            Who::Plain => self.own_keys().join(keys::PUBLIC),
            Who::Verifying(generation) => self.releases(generation).join("keys").join(keys::PUBLIC),
        }
    }

    /// Where gpg keeps what it knows, when it is asked.
    pub(super) fn gpg_home(&self) -> PathBuf {
        self.root.join("gpg")
    }

    /// Decoded copies of what the queue has, by task and run.
    pub(super) fn tasks(&self) -> PathBuf {
        self.root.join("tasks")
    }

    /// What was uploaded, as it was uploaded.
    pub(super) fn storage(&self) -> PathBuf {
        self.root.join("queue")
    }

    /// The process ids that the script of the task to be cancelled writes down.
    pub(super) fn pids(&self) -> PathBuf {
        self.root.join("cancel.pids")
    }

    /// The script leaves a file here for every task that it is started for.
    pub(super) fn started(&self) -> PathBuf {
        self.root.join("started")
    }

    /// The picture of a verdict.
    pub(super) fn picture(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.svg"))
    }
}
