//! What the loader may know about the process around it: handed in, so that nothing else is ever looked at.

use scriptworker_core::secret::Secret;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, io};

/// The variables that have a meaning for the configuration (config.md 7). No others are read: there is no generic
/// environment layer.
pub const VARIABLES: [&str; 5] = [
    "TASKCLUSTER_ROOT_URL",
    "SCRIPTWORKER_WORKER_ID",
    "TASKCLUSTER_CLIENT_ID",
    "TASKCLUSTER_ACCESS_TOKEN",
    "TASKCLUSTER_CERTIFICATE",
];

/// Current directory, home directory, system directory and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Where relative paths start; where `secrets.json` is looked for.
    pub cwd: PathBuf,
    /// `$HOME`, if set.
    pub home: Option<PathBuf>,
    /// Stands in for the home directory when there is none: `/etc`.
    pub system_dir: PathBuf,
    /// Variables by name. Their values count as secrets, because some of them are.
    pub vars: BTreeMap<String, Secret>,
}

impl Environment {
    /// Of this process.
    ///
    /// # Errors
    /// When the current directory is gone or not readable.
    pub fn of_process() -> io::Result<Self> {
        let vars =
            VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), Secret::new(env::var(name).ok()?))));
        Ok(Self {
            cwd: env::current_dir()?,
            home: env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from),
            system_dir: PathBuf::from("/etc"),
            vars: vars.collect(),
        })
    }

    /// A variable; an empty one counts as not set.
    pub fn var(&self, name: &str) -> Option<&Secret> {
        self.vars.get(name).filter(|value| !value.is_empty())
    }
}
