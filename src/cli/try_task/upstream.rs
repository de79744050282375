//! Upstream artifacts of a trial: `DIR/<taskId>/<name>`. A file `task.json` there is that task's definition, as the
//! worker leaves it in `work_dir/cot`, and no artifact.

use super::definition::{self, TaskFile, TaskFileError};
use crate::artifacts::content_type;
use crate::config::TrialFile;
use crate::embedded_queue::PastArtifact;
use scriptworker_core::client::{ScriptTask, UpstreamArtifact};
use scriptworker_core::ids::{ArtifactName, InvalidId, TaskId};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How deep a directory of upstream artifacts may be: artifact names are 1024 characters at most.
const DEEPEST: usize = 512;
const DEFINITION: &str = "task.json";

/// What is wrong with the directory.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("read the upstream artifacts {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("read the upstream artifacts: {} should be a directory with the name of a task: {source}", path.display())]
    NotATask { path: PathBuf, source: InvalidId },
    #[error("read the upstream artifacts: {} is no artifact: {source}", path.display())]
    Name { path: PathBuf, source: InvalidId },
    #[error("read the upstream artifacts: {} is neither a file nor a directory", path.display())]
    Special { path: PathBuf },
    #[error("read the upstream artifacts: {} lies too deep", path.display())]
    TooDeep { path: PathBuf },
    #[error(transparent)]
    Definition(#[from] TaskFileError),
}

/// One task, and what it left.
#[derive(Debug, Clone)]
pub(super) struct UpstreamTask {
    pub(super) id: TaskId,
    pub(super) definition: TaskFile,
    pub(super) artifacts: Vec<PastArtifact>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Upstream {
    pub(super) tasks: Vec<UpstreamTask>,
    files: Vec<TrialFile>,
}

impl Upstream {
    /// Reads what is there; the files themselves are read when they are used. Links are followed: it is the directory
    /// of whoever tries.
    pub(super) fn read(dir: &Path) -> Result<Self, UpstreamError> {
        let mut upstream = Self::default();
        let dir =
            dir.canonicalize().map_err(|source| UpstreamError::Read { path: dir.to_owned(), source })?;
        for path in entries(&dir)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let id = TaskId::parse(&name)
                .map_err(|source| UpstreamError::NotATask { path: path.clone(), source })?;
            let task = upstream.task(&path, id)?;
            upstream.tasks.push(task);
        }
        Ok(upstream)
    }

    fn task(&mut self, dir: &Path, id: TaskId) -> Result<UpstreamTask, UpstreamError> {
        let mut paths = Vec::new();
        walk(dir, 0, &mut paths)?;
        let mut definition = definition::unknown(id.as_str());
        let mut artifacts = Vec::new();
        for path in paths {
            let relative = path.strip_prefix(dir).unwrap_or(&path);
            let place = Path::new(id.as_str()).join(relative);
            self.files.push(TrialFile { place, from: path.clone() });
            if relative == Path::new(DEFINITION) {
                definition = definition::read(&path)?;
                continue;
            }
            let name = relative.to_string_lossy().into_owned();
            ArtifactName::parse(&name)
                .map_err(|source| UpstreamError::Name { path: path.clone(), source })?;
            let content_type = content_type::of(&name).media_type.to_owned();
            artifacts.push(PastArtifact { name, content_type, path });
        }
        Ok(UpstreamTask { id, definition, artifacts })
    }

    /// The files that are read; links among them are not resolved.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.from.as_path())
    }

    /// What the script finds in `work_dir/cot`.
    pub(super) fn into_files(self) -> Vec<TrialFile> {
        self.files
    }

    /// What the task names and nobody gave. A worker that verifies would refuse the task; a script will say for itself.
    pub(super) fn missing(&self, task: &TaskFile) -> Vec<String> {
        let definition = ScriptTask::from_value(Value::Object(task.definition.clone()));
        let Ok(entries) = definition.map(|task| UpstreamArtifact::of_task(&task)) else { return Vec::new() };
        let mut missing = Vec::new();
        // what is wrong with the entries themselves the worker says in the task's log
        for UpstreamArtifact { task_id, paths, optional, .. } in entries.unwrap_or_default() {
            for path in paths.iter().filter(|path| !optional && !path.contains('*')) {
                let place = Path::new(&task_id).join(path);
                if !self.files.iter().any(|file| file.place == place) {
                    missing.push(format!(
                        "the upstream artifact {path:?} of task {task_id} is not there (--upstream DIR/{task_id}/{path})"
                    ));
                }
            }
        }
        missing
    }
}

/// What lies in a directory, sorted.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, UpstreamError> {
    let failed = |source| UpstreamError::Read { path: dir.to_owned(), source };
    let entries = fs::read_dir(dir).map_err(failed)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), UpstreamError> {
    if depth > DEEPEST {
        return Err(UpstreamError::TooDeep { path: dir.to_owned() });
    }
    for path in entries(dir)? {
        let kind =
            fs::metadata(&path).map_err(|source| UpstreamError::Read { path: path.clone(), source })?;
        match (kind.is_dir(), kind.is_file()) {
            (true, _) => walk(&path, depth + 1, found)?,
            (_, true) => found.push(path),
            _ => return Err(UpstreamError::Special { path }),
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    const ID: &str = "Ypg6xKhKRU-pnkwylNQrMw";

    fn dir(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        dir
    }

    #[test]
    fn files_are_artifacts_and_task_json_is_none() {
        let dir = dir(&[&format!("{ID}/public/build/a.json"), &format!("{ID}/task.json")]);
        let upstream = Upstream::read(dir.path()).unwrap();
        let [task] = &upstream.tasks[..] else { panic!("one task") };
        let names: Vec<_> = task.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
        assert_eq!((task.id.as_str(), names), (ID, vec!["public/build/a.json"]));
        assert_eq!(task.artifacts[0].content_type, "application/json");
        let places: Vec<_> = upstream.into_files().into_iter().map(|file| file.place).collect();
        assert_eq!(places, ["public/build/a.json", "task.json"].map(|name| Path::new(ID).join(name)));
    }

    #[test]
    fn what_is_no_task_and_what_is_no_file_is_refused() {
        let error = Upstream::read(dir(&["public/a"]).path()).unwrap_err();
        assert!(matches!(error, UpstreamError::NotATask { .. }), "{error}");
        let error = Upstream::read(dir(&[ID]).path()).unwrap_err();
        assert!(matches!(error, UpstreamError::Read { .. }), "a file where a directory belongs: {error}");
        let special = dir(&[&format!("{ID}/a")]);
        let _socket = UnixListener::bind(special.path().join(ID).join("b")).unwrap();
        let error = Upstream::read(special.path()).unwrap_err();
        assert!(matches!(error, UpstreamError::Special { .. }), "{error}");
        let around = dir(&[&format!("{ID}/a")]);
        std::os::unix::fs::symlink(".", around.path().join(ID).join("again")).unwrap();
        assert!(Upstream::read(around.path()).is_err(), "a link to where it lies has no end");
    }

    #[test]
    fn what_is_named_and_not_there_is_told() {
        let dir = dir(&[&format!("{ID}/public/a")]);
        let upstream = Upstream::read(dir.path()).unwrap();
        let mut task = definition::unknown("t");
        let entry = |paths: &[&str], optional: bool| serde_json::json!({"taskId": ID, "paths": paths, "optional": optional});
        task.definition.insert(
            "payload".to_owned(),
            serde_json::json!({ "upstreamArtifacts": [entry(&["public/a", "public/b"], false), entry(&["public/c"], true)] }),
        );
        let missing = upstream.missing(&task);
        assert!(matches!(&missing[..], [one] if one.contains("\"public/b\"")), "{missing:?}");
    }
}
