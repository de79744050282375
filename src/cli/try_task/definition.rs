//! The task's definition: as somebody wrote it, or as a queue once had it.

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use scriptworker_core::ids::TaskQueueId;
use scriptworker_core::time::{NotADate, UnixMillis};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// The longest file that is read, in bytes: the queue takes 10 MiB of JSON for a task, and more is filled in here.
const LONGEST: u64 = 8 * 1024 * 1024;

/// What is wrong with a file that should hold a task's definition.
#[derive(Debug, thiserror::Error)]
pub(super) enum TaskFileError {
    #[error("read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("read {}: expected a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("read {}: expected a task's definition of at most {LONGEST} bytes", path.display())]
    TooLong { path: PathBuf },
    #[error("read {}: expected a task's definition in JSON: {source}", path.display())]
    NotJson { path: PathBuf, source: serde_json::Error },
    #[error("read {}: expected a JSON object with a task's definition, found {found}", path.display())]
    NotAnObject { path: PathBuf, found: &'static str },
    #[error("read {}: {key}: {source}", path.display())]
    Date { path: PathBuf, key: &'static str, source: NotADate },
    #[error("read {}: {key}: expected a date as text, found {found}", path.display())]
    DateType { path: PathBuf, key: &'static str, found: &'static str },
}

/// A definition, and the file that it came from.
#[derive(Debug, Clone)]
pub(super) struct TaskFile {
    path: PathBuf,
    pub(super) definition: Map<String, Value>,
}

/// Reads the file. Never waits for anybody's pipe.
pub(super) fn read(path: &Path) -> Result<TaskFile, TaskFileError> {
    let unreadable = |source| TaskFileError::Unreadable { path: path.to_owned(), source };
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file: File = open(path, flags, Mode::empty()).map_err(|errno| unreadable(errno.into()))?.into();
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(TaskFileError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let read = file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if read as u64 > LONGEST {
        return Err(TaskFileError::TooLong { path: path.to_owned() });
    }
    let value = serde_json::from_slice(&bytes)
        .map_err(|source| TaskFileError::NotJson { path: path.to_owned(), source })?;
    match value {
        Value::Object(definition) => Ok(TaskFile { path: path.to_owned(), definition }),
        other => Err(TaskFileError::NotAnObject { path: path.to_owned(), found: type_name(&other) }),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl TaskFile {
    /// The definition as it would be created now: all dates moved by the same time, so that what was long ago is over
    /// no sooner; what a queue wants and nobody gave is filled in. Its pool is `pool` unless it names one.
    pub(super) fn settle(
        self,
        pool: &TaskQueueId,
        now: UnixMillis,
    ) -> Result<Map<String, Value>, TaskFileError> {
        let created = self.date("created")?.unwrap_or(now);
        let deadline = self.date("deadline")?.unwrap_or(created.plus(DAY_MS));
        let expires = self.date("expires")?;
        let moved = |date: UnixMillis| json!(date.plus(now.since(created)));
        let mut definition = self.definition;
        definition.insert("created".to_owned(), moved(created));
        definition.insert("deadline".to_owned(), moved(deadline));
        if let Some(expires) = expires {
            definition.insert("expires".to_owned(), moved(expires));
        }
        if !["taskQueueId", "provisionerId", "workerType"].iter().any(|key| definition.contains_key(*key)) {
            definition.insert("taskQueueId".to_owned(), json!(pool));
        }
        definition.entry("metadata").or_insert_with(|| {
            json!({
                "name": "a trial",
                "description": "made by scriptworker try",
                "owner": "nobody@example.com",
                "source": "https://example.com/try",
            })
        });
        Ok(definition)
    }

    fn date(&self, key: &'static str) -> Result<Option<UnixMillis>, TaskFileError> {
        let path = || self.path.clone();
        match self.definition.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => UnixMillis::parse(text)
                .map(Some)
                .map_err(|source| TaskFileError::Date { path: path(), key, source }),
            Some(other) => Err(TaskFileError::DateType { path: path(), key, found: type_name(other) }),
        }
    }
}

/// The definition of a task that nobody described.
pub(super) fn unknown(name: &str) -> TaskFile {
    let definition = Map::from_iter([
        ("taskQueueId".to_owned(), json!("trial/upstream")),
        ("payload".to_owned(), json!({})),
    ]);
    TaskFile { path: PathBuf::from(name), definition }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn settle(definition: Value) -> Result<Map<String, Value>, TaskFileError> {
        let Value::Object(definition) = definition else { panic!("an object") };
        let pool = TaskQueueId::parse("prov/type").unwrap();
        TaskFile { path: PathBuf::from("task.json"), definition }.settle(&pool, NOW)
    }

    #[test]
    fn dates_keep_their_distances_and_begin_now() {
        let settled = settle(json!({
            "created": "2020-01-01T00:00:00Z", "deadline": "2020-01-02T00:00:00+00:00",
            "expires": "2020-02-01T00:00:00.000Z", "workerType": "w", "provisionerId": "p",
        }))
        .unwrap();
        assert_eq!(settled["created"], json!(NOW));
        assert_eq!(settled["deadline"], json!(NOW.plus(DAY_MS)));
        assert_eq!(settled["expires"], json!(NOW.plus(31 * DAY_MS)));
        assert!(!settled.contains_key("taskQueueId"));
    }

    #[test]
    fn a_payload_is_enough() {
        let settled = settle(json!({ "payload": {} })).unwrap();
        assert_eq!(settled["taskQueueId"], "prov/type");
        assert_eq!(settled["deadline"], json!(NOW.plus(DAY_MS)));
        assert_eq!(settled["metadata"]["owner"], "nobody@example.com");
        assert!(!settled.contains_key("expires"), "the queue fills it in");
    }

    #[test]
    fn what_is_no_date_is_named() {
        let error = settle(json!({ "deadline": "tomorrow" })).unwrap_err();
        assert!(matches!(error, TaskFileError::Date { key: "deadline", .. }), "{error}");
        let error = settle(json!({ "expires": 5 })).unwrap_err();
        assert!(
            matches!(error, TaskFileError::DateType { key: "expires", found: "a number", .. }),
            "{error}"
        );
    }
}
