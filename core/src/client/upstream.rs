//! Upstream artifacts: what a task asks for, and where it is on disk (artifacts.md 6).

use super::task::{ScriptTask, type_name};
use crate::run::TaskStatus;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Component, Path, PathBuf};

/// One entry of `payload.upstreamArtifacts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamArtifact {
    /// Whose artifacts.
    pub task_id: String,
    /// Which, as names of artifacts; in optional entries also patterns with `*`.
    pub paths: Vec<String>,
    /// Whether it is fine that some are missing.
    pub optional: bool,
    /// The whole entry: `taskType`, `formats`, and what else the script knows.
    pub entry: Map<String, Value>,
}

/// What is wrong with a task's `upstreamArtifacts`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// A part is missing or of another type.
    #[error("the task's {place} must be {expected}, found {found}")]
    WrongType {
        /// Where, as a path of keys.
        place: String,
        /// What belongs there.
        expected: &'static str,
        /// The type that stands there.
        found: &'static str,
    },
    /// A path that is none below the directory of its task.
    #[error("the upstream artifact {path:?} of task {task_id:?} is not under that task's directory")]
    Outside {
        /// Whose.
        task_id: String,
        /// The path.
        path: String,
    },
}

impl UpstreamError {
    /// The task is wrong as it is written.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::WrongType { .. } | Self::Outside { .. } => TaskStatus::MalformedPayload,
        }
    }
}

impl UpstreamArtifact {
    /// The entries of a task. Without the key there are none.
    pub fn of_task(task: &ScriptTask) -> Result<Vec<Self>, UpstreamError> {
        let payload = match task.definition().get("payload") {
            Some(Value::Object(payload)) => payload,
            other => return Err(wrong_type("payload".to_owned(), "an object", other)),
        };
        match payload.get("upstreamArtifacts") {
            None => Ok(Vec::new()),
            Some(Value::Array(entries)) => {
                entries.iter().enumerate().map(|(index, entry)| Self::read(index, entry)).collect()
            }
            other => Err(wrong_type("payload.upstreamArtifacts".to_owned(), "a list", other)),
        }
    }

    /// Reads one entry; `index` is where it stands.
    pub(crate) fn read(index: usize, entry: &Value) -> Result<Self, UpstreamError> {
        let at = |key: &str| format!("payload.upstreamArtifacts[{index}]{key}");
        let Value::Object(entry) = entry else {
            return Err(wrong_type(at(""), "an object", Some(entry)));
        };
        let task_id = match entry.get("taskId") {
            Some(Value::String(task_id)) => task_id.clone(),
            other => return Err(wrong_type(at(".taskId"), "a text", other)),
        };
        let texts = |list: &Vec<Value>| list.iter().map(|path| path.as_str().map(str::to_owned)).collect();
        let paths: Option<Vec<String>> = entry.get("paths").and_then(Value::as_array).and_then(texts);
        let Some(paths) = paths else {
            return Err(wrong_type(at(".paths"), "a list of texts", entry.get("paths")));
        };
        let optional = entry.get("optional") == Some(&Value::Bool(true));
        Ok(Self { task_id, paths, optional, entry: entry.clone() })
    }
}

fn wrong_type(place: String, expected: &'static str, found: Option<&Value>) -> UpstreamError {
    UpstreamError::WrongType { place, expected, found: type_name(found) }
}

/// Where an upstream artifact is, or would be: `<work_dir>/cot/<taskId>/<path>`. The answer is always below
/// `<work_dir>/cot/<taskId>` as far as the text tells; links are the business of whoever looks at the disk.
pub fn place_of(work_dir: &Path, task_id: &str, path: &str) -> Result<PathBuf, UpstreamError> {
    let outside = || UpstreamError::Outside { task_id: task_id.to_owned(), path: path.to_owned() };
    let mut id = Path::new(task_id).components();
    let is_name = matches!((id.next(), id.next()), (Some(Component::Normal(name)), None) if name == task_id);
    let path_inside =
        Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
            && Path::new(path).components().any(|part| matches!(part, Component::Normal(_)));
    if !is_name || !path_inside || task_id.contains('\0') || path.contains('\0') {
        return Err(outside());
    }
    Ok(work_dir.join("cot").join(task_id).join(path))
}

/// Whether a name fits a pattern, shell-style on the whole name and case-sensitive: `*` any characters, `/` too; `?`
/// one; `[abc]`, `[a-z]`, `[!a]` one of these or none of these (artifacts.md 6.1).
pub fn glob_matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // where to go on when what follows the last star does not fit: never further back than that star
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => fits_set(&pattern, p, name.get(n).copied()),
            Some(character) => (name.get(n) == Some(character)).then_some(p + 1),
            None => None,
        };
        match (step, retry) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((after_star, from))) => {
                retry = Some((after_star, from + 1));
                (p, n) = (after_star, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|character| *character == '*'))
}

/// Whether a character is in the set that begins at `at`; the place after the set. A `[` that nothing closes stands
/// for itself.
fn fits_set(pattern: &[char], at: usize, character: Option<char>) -> Option<usize> {
    let character = character?;
    let negated = pattern.get(at + 1) == Some(&'!');
    let begin = if negated { at + 2 } else { at + 1 };
    // a closing bracket that comes first belongs to the set
    let from = if pattern.get(begin) == Some(&']') { begin + 1 } else { begin };
    let Some(end) =
        pattern.get(from..).and_then(|rest| rest.iter().position(|c| *c == ']')).map(|at| from + at)
    else {
        return (character == '[').then_some(at + 1);
    };
    let mut set = pattern.get(begin..end).unwrap_or_default();
    let mut within = false;
    while let [first, rest @ ..] = set {
        set = match rest {
            ['-', last, rest @ ..] => {
                within |= (*first..=*last).contains(&character);
                rest
            }
            _ => {
                within |= *first == character;
                rest
            }
        };
    }
    (within != negated).then_some(end + 1)
}

/// Whoever can look at the directories of upstream tasks.
pub trait CotFiles {
    /// Why looking failed.
    type Error: Error + Send + Sync + 'static;

    /// Whether there is something at this path, and whether it is really below the task's directory.
    fn has(&self, artifact: &UpstreamPlace<'_>) -> Result<bool, Self::Error>;

    /// The names of all files below a task's directory, `/`-separated and relative to it. No directory: no files.
    fn files(&self, task_id: &str) -> Result<Vec<String>, Self::Error>;
}

/// One artifact, for [`CotFiles`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamPlace<'a> {
    /// Whose.
    pub task_id: &'a str,
    /// Its name.
    pub path: &'a str,
    /// Where it belongs.
    pub full: &'a Path,
}

/// Where everything is, by task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Full paths of what is there, in the order of the task; a pattern's matches sorted.
    pub found: BTreeMap<String, Vec<PathBuf>>,
    /// Names of optional artifacts that are not there. A pattern without a match is nobody's miss.
    pub missing_optional: BTreeMap<String, Vec<String>>,
}

/// Why upstream artifacts cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LookupError<E: Error + 'static> {
    /// The task asks for something impossible.
    #[error(transparent)]
    Task(#[from] UpstreamError),
    /// Artifacts that must be there are not.
    #[error("upstream artifacts do not exist: {}", .0.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    Missing(Vec<PathBuf>),
    /// The disk did not answer, or a link leads out.
    #[error(transparent)]
    Files(E),
}

impl<E: Error + 'static> LookupError<E> {
    /// 3 for a wrong task, else 1.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Task(error) => error.status(),
            Self::Missing(_) | Self::Files(_) => TaskStatus::Failure,
        }
    }
}

/// Finds all artifacts that a task asks for (`get_upstream_artifacts_full_paths_per_task_id`).
///
/// A path is optional for a task when any of the task's optional entries has it. Unlike the Python library it names all
/// missing artifacts, not only the first.
pub fn look_up<F: CotFiles>(
    wanted: &[UpstreamArtifact],
    work_dir: &Path,
    files: &F,
) -> Result<Upstream, LookupError<F::Error>> {
    let mut upstream = Upstream::default();
    let mut missing = Vec::new();
    let is_optional = |task_id: &str, path: &String| {
        wanted.iter().any(|entry| entry.optional && entry.task_id == task_id && entry.paths.contains(path))
    };
    for entry in wanted {
        let task_id = &entry.task_id;
        for path in &entry.paths {
            let full = place_of(work_dir, task_id, path)?;
            if path.contains('*') {
                let mut matches = files.files(task_id).map_err(LookupError::Files)?;
                matches.retain(|name| glob_matches(path, name));
                matches.sort();
                for name in matches {
                    let full = place_of(work_dir, task_id, &name)?;
                    upstream.found.entry(task_id.clone()).or_default().push(full);
                }
            } else if files.has(&UpstreamPlace { task_id, path, full: &full }).map_err(LookupError::Files)? {
                upstream.found.entry(task_id.clone()).or_default().push(full);
            } else if is_optional(task_id, path) {
                upstream.missing_optional.entry(task_id.clone()).or_default().push(path.clone());
            } else {
                missing.push(full);
            }
        }
    }
    if missing.is_empty() { Ok(upstream) } else { Err(LookupError::Missing(missing)) }
}

#[cfg(test)]
mod tests;
