//! The three directories that are wiped around every run, and the files that the script finds in them (worker.md 5
//! and 11). Everything here blocks.

use crate::config::{Config, TrialFile};
use crate::fsio::Purpose;
use crate::messages::script::Prepare;
use scriptworker_core::json::{format_json, format_raw};
use serde_json::json;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A directory or a file in it could not be made or removed.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {path:?}: {source}")]
pub struct DirectoryError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

pub(super) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    move |source| DirectoryError { doing, path: path.to_owned(), source }
}

/// Removes and makes anew `work_dir`, `artifact_dir` and `task_log_dir`, in this order.
pub fn wipe(config: &Config) -> Result<(), DirectoryError> {
    for path in [&config.work_dir, &config.artifact_dir, &config.task_log_dir] {
        Purpose::Directories.remove_tree(path).map_err(at("remove", path))?;
        Purpose::Directories.create_dir_all(path).map_err(at("create", path))?;
    }
    Ok(())
}

/// Wipes, then writes `task.json` and `current_task_info.json`; the upstream artifacts of a trial; for a
/// malformed task also the log that explains it.
pub(super) fn prepare(config: &Config, message: &Prepare) -> Result<(), DirectoryError> {
    wipe(config)?;
    let info = json!({ "taskId": message.key.task_id.as_str(), "runId": message.key.run_id.get() });
    let path = config.work_dir.join("task.json");
    let task = format_raw(&message.definition).map_err(io::Error::other).map_err(at("write", &path))?;
    write(&path, task.as_bytes())?;
    write(&config.work_dir.join("current_task_info.json"), format_json(&info).as_bytes())?;
    for TrialFile { place, from } in config.trial.iter().flat_map(|trial| &trial.upstream) {
        copy(from, &config.work_dir.join("cot").join(place))?;
    }
    if let Some(problem) = &message.malformed {
        let text = format!("[scriptworker] this task cannot be run as it is written: {problem}\n");
        write(&log_file(config), text.as_bytes())?;
    }
    Ok(())
}

/// Where the task's log goes (worker.md 7.4).
pub(super) fn log_file(config: &Config) -> PathBuf {
    config.task_log_dir.join("live_backing.log")
}

/// A copy: a script may change what it finds in its work directory.
fn copy(from: &Path, to: &Path) -> Result<(), DirectoryError> {
    let mut source = File::open(from).map_err(at("read", from))?;
    if let Some(parent) = to.parent() {
        Purpose::Directories.create_dir_all(parent).map_err(at("create", parent))?;
    }
    let mut file = Purpose::Input.create(to, 0o644).map_err(at("create", to))?;
    io::copy(&mut source, &mut file).map_err(at("write", to))?;
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), DirectoryError> {
    let mut file = Purpose::Input.create(path, 0o644).map_err(at("create", path))?;
    file.write_all(bytes).map_err(at("write", path))
}
