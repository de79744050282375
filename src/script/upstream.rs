//! Looking for upstream artifacts on the disk, without leaving the directory of their task.

use scriptworker_core::client::{ConfigError, CotFiles, UpstreamPlace};
use std::io;
use std::path::{Path, PathBuf};

/// How deep a directory of upstream artifacts may be: artifact names are 1024 characters at most.
const DEEPEST: usize = 512;

/// The disk did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum CotFileError {
    /// There is no `work_dir` to look in.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file or directory cannot be looked at.
    #[error("failed to look at {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A link leads out of the directory of its task.
    #[error("{path} is not under {parent} but at {real}", path = path.display(), parent = parent.display(), real = real.display())]
    Outside {
        /// The artifact.
        path: PathBuf,
        /// The directory of its task, links resolved.
        parent: PathBuf,
        /// Where it really is.
        real: PathBuf,
    },
    /// A file whose name no artifact can have.
    #[error("{path} has a name that is not UTF-8", path = path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
}

/// `<work_dir>/cot`. Its methods block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CotDirectory {
    work_dir: PathBuf,
}

impl CotDirectory {
    /// That of a work directory; a relative one starts at the current directory.
    pub fn of(work_dir: &Path) -> Result<Self, CotFileError> {
        let absolute = std::path::absolute(work_dir);
        absolute
            .map(|work_dir| Self { work_dir })
            .map_err(|source| CotFileError::Read { path: work_dir.to_owned(), source })
    }

    /// The work directory, absolute.
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    fn task_dir(&self, task_id: &str) -> PathBuf {
        self.work_dir.join("cot").join(task_id)
    }

    /// Where a path really is; `None` when nothing is there.
    fn real(path: &Path) -> Result<Option<PathBuf>, CotFileError> {
        match path.canonicalize() {
            Ok(real) => Ok(Some(real)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(source) => Err(CotFileError::Read { path: path.to_owned(), source }),
        }
    }

    fn walk(dir: &Path, root: &Path, depth: usize, found: &mut Vec<String>) -> Result<(), CotFileError> {
        let failed = |source| CotFileError::Read { path: dir.to_owned(), source };
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                if depth < DEEPEST {
                    Self::walk(&path, root, depth + 1, found)?;
                }
            } else {
                let name = path.strip_prefix(root).ok().and_then(Path::to_str);
                found.push(name.ok_or_else(|| CotFileError::Name { path: path.clone() })?.to_owned());
            }
        }
        Ok(())
    }
}

impl CotFiles for CotDirectory {
    type Error = CotFileError;

    fn has(&self, artifact: &UpstreamPlace<'_>) -> Result<bool, CotFileError> {
        let Some(parent) = Self::real(&self.task_dir(artifact.task_id))? else { return Ok(false) };
        match Self::real(artifact.full)? {
            Some(real) if real.starts_with(&parent) => Ok(true),
            Some(real) => Err(CotFileError::Outside { path: artifact.full.to_owned(), parent, real }),
            None => Ok(false),
        }
    }

    fn files(&self, task_id: &str) -> Result<Vec<String>, CotFileError> {
        let dir = self.task_dir(task_id);
        let mut found = Vec::new();
        if Self::real(&dir)?.is_some() {
            Self::walk(&dir, &dir, 0, &mut found)?;
        }
        // a link below the directory counts like the file it stands for, and like it only when it stays inside
        let mut there = Vec::with_capacity(found.len());
        for name in found {
            let full = dir.join(&name);
            if self.has(&UpstreamPlace { task_id, path: &name, full: &full })? {
                there.push(name);
            }
        }
        Ok(there)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use super::*;
    use scriptworker_core::client::{LookupError, Upstream, UpstreamArtifact, look_up};
    use serde_json::Map;
    use std::os::unix::fs::symlink;

    fn find(work: &Path, paths: &[&str]) -> Result<Upstream, LookupError<CotFileError>> {
        let entry = UpstreamArtifact {
            task_id: "ID".to_owned(),
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
            optional: paths.iter().any(|path| path.contains('*')),
            entry: Map::new(),
        };
        look_up(&[entry], work, &CotDirectory::of(work).unwrap())
    }

    fn site() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("cot/ID/public/build")).unwrap();
        for file in ["cot/ID/task.json", "cot/ID/public/build/a.apk", "outside"] {
            std::fs::write(dir.path().join(file), file).unwrap();
        }
        dir
    }

    #[test]
    fn files_and_patterns_are_found() {
        let dir = site();
        let found = find(dir.path(), &["task.json", "public/*", "*.none"]).unwrap().found;
        let place = |name: &str| dir.path().join("cot/ID").join(name);
        assert_eq!(found["ID"], [place("task.json"), place("public/build/a.apk")]);
        std::fs::remove_dir_all(dir.path().join("cot")).unwrap();
        assert_eq!(find(dir.path(), &["*"]).unwrap(), Upstream::default());
        assert!(
            matches!(find(dir.path(), &["task.json"]), Err(LookupError::Missing(paths)) if paths.len() == 1)
        );
    }

    #[test]
    fn links_may_point_around_inside_but_not_out() {
        let dir = site();
        symlink("build/a.apk", dir.path().join("cot/ID/public/link")).unwrap();
        assert_eq!(find(dir.path(), &["public/*"]).unwrap().found["ID"].len(), 2);
        symlink("../../outside", dir.path().join("cot/ID/out")).unwrap();
        for paths in [["out"], ["*"]] {
            let error = find(dir.path(), &paths).unwrap_err();
            assert!(matches!(&error, LookupError::Files(CotFileError::Outside { .. })), "{error}");
            assert_eq!(error.status().number(), 1);
        }
    }

    #[test]
    fn a_dangling_link_is_a_missing_file() {
        let dir = site();
        symlink("nothing", dir.path().join("cot/ID/dangling")).unwrap();
        assert!(matches!(find(dir.path(), &["dangling"]), Err(LookupError::Missing(_))));
    }
}
