//! What a trial reads and leaves must not lie where its worker wipes: it would be gone, or uploaded with the artifacts.

use crate::config::{self, Config};
use std::path::{Path, PathBuf};

/// A path of the command line, and one of the directories that are wiped around every task: one lies in the other.
#[derive(Debug, thiserror::Error)]
#[error(
    "use {option} {}: {key} ({}) is wiped around every task, and one of the two lies in the other: \
     name a place outside of it",
    path.display(),
    wiped.display()
)]
pub(super) struct Misplaced {
    option: &'static str,
    path: PathBuf,
    key: &'static str,
    wiped: PathBuf,
}

/// The directories that are wiped.
pub(super) struct Places<'a> {
    wiped: [(&'static str, PathBuf); 3],
    cwd: &'a Path,
}

impl<'a> Places<'a> {
    /// Those of a configuration; what is asked about is relative to `cwd`.
    pub(super) fn of(config: &Config, cwd: &'a Path) -> Self {
        let wiped = [
            ("work_dir", config::real_place(&config.work_dir)),
            ("artifact_dir", config::real_place(&config.artifact_dir)),
            ("task_log_dir", config::real_place(&config.task_log_dir)),
        ];
        Self { wiped, cwd }
    }

    /// Refuses a path that is wiped, or in which something is; it need not exist. Links are followed.
    pub(super) fn check(&self, option: &'static str, path: &Path) -> Result<(), Misplaced> {
        let real = config::real_place(&self.cwd.join(path));
        match self.wiped.iter().find(|(_, wiped)| real.starts_with(wiped) || wiped.starts_with(&real)) {
            None => Ok(()),
            Some((key, wiped)) => Err(Misplaced { option, path: real, key, wiped: wiped.clone() }),
        }
    }
}
