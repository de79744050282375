//! A place with files and an environment, in which a configuration is loaded.

use scriptworker::config::{ConfigErrors, ConfigProblem, Environment, Loaded, Rule, load};
use scriptworker_core::secret::Secret;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) const CANARY: &str = "canary-token";

pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) env: Environment,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["cwd", "home", "etc"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let env = Environment {
            cwd: dir.path().join("cwd"),
            home: Some(dir.path().join("home")),
            system_dir: dir.path().join("etc"),
            vars: BTreeMap::new(),
        };
        Self { dir, env }
    }

    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.env.vars.insert(name.to_owned(), Secret::new(value));
        self
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn load(&self, text: &str) -> Result<Loaded, ConfigErrors> {
        let file = self.write("cwd/scriptworker.yaml", text);
        load(Some(&file), &self.env)
    }

    pub(crate) fn problems(&self, text: &str) -> Vec<ConfigProblem> {
        self.load(text).unwrap_err().problems
    }
}

/// The least that a worker without chain of trust needs.
pub(crate) const BASE: &str = "\
work_dir: w
artifact_dir: a
task_log_dir: a/public/logs
log_dir: l
sign_chain_of_trust: false
credentials: {clientId: me, accessToken: canary-token}
";

pub(crate) fn with(more: &str) -> String {
    format!("{BASE}{more}\n")
}

/// `BASE` without the lines that begin with `key`.
pub(crate) fn without(key: &str) -> String {
    BASE.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect()
}

pub(crate) fn summary(problems: &[ConfigProblem]) -> Vec<(&str, Rule)> {
    problems.iter().map(|problem| (problem.key.as_str(), problem.rule)).collect()
}
