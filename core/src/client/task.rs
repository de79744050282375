//! The task as its script finds it in `task.json` (client.md 1).

use crate::run::TaskStatus;
use serde_json::{Map, Value};

/// Why there is no task to be had from a text.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It is not JSON.
    #[error("the task is not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is JSON, but no definition.
    #[error("the task is not a JSON object but {found}")]
    NotAnObject {
        /// The type that it is.
        found: &'static str,
    },
}

impl TaskError {
    /// The worker wrote the file, so the task is not to blame: a plain failure (client.md 2).
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Syntax(_) | Self::NotAnObject { .. } => TaskStatus::Failure,
        }
    }
}

/// A part of the definition that a script needs is missing or of another type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task's {path} must be {expected}, found {found}")]
pub struct PayloadError {
    /// Where, as a path of keys.
    pub path: &'static str,
    /// The type that belongs there.
    pub expected: &'static str,
    /// The type that stands there.
    pub found: &'static str,
}

impl PayloadError {
    /// The task is wrong as it is written.
    pub fn status(&self) -> TaskStatus {
        TaskStatus::MalformedPayload
    }
}

/// A task definition, as the queue gave it with the claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptTask(Map<String, Value>);

impl ScriptTask {
    /// Reads the content of `task.json`.
    pub fn parse(text: &[u8]) -> Result<Self, TaskError> {
        Self::from_value(serde_json::from_slice(text)?)
    }

    /// The same from JSON that was read already.
    pub fn from_value(definition: Value) -> Result<Self, TaskError> {
        match definition {
            Value::Object(members) => Ok(Self(members)),
            other => Err(TaskError::NotAnObject { found: type_name(Some(&other)) }),
        }
    }

    /// The whole definition.
    pub fn definition(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The whole definition as one JSON value, for those who take such.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// `payload`.
    pub fn payload(&self) -> Result<&Map<String, Value>, PayloadError> {
        match self.0.get("payload") {
            Some(Value::Object(payload)) => Ok(payload),
            other => Err(PayloadError { path: "payload", expected: "an object", found: type_name(other) }),
        }
    }

    /// `scopes`; none when the definition has none. Scripts choose their behaviour from these.
    pub fn scopes(&self) -> Vec<&str> {
        self.texts("scopes")
    }

    /// The scopes that begin with this prefix, without it (`taskcluster_scope_prefix` in the
    /// configurations of scripts).
    pub fn scopes_below(&self, prefix: &str) -> Vec<&str> {
        self.scopes().into_iter().filter_map(|scope| scope.strip_prefix(prefix)).collect()
    }

    /// `dependencies`; none when the definition has none.
    pub fn dependencies(&self) -> Vec<&str> {
        self.texts("dependencies")
    }

    /// The id of the decision task: `taskGroupId`.
    pub fn decision_task_id(&self) -> Option<&str> {
        self.0.get("taskGroupId").and_then(Value::as_str)
    }

    /// The tasks that this one may download from when nobody says otherwise: its dependencies and its decision task
    /// (artifacts.md 5.1).
    pub fn valid_artifact_task_ids(&self) -> Vec<&str> {
        let mut ids = self.dependencies();
        ids.extend(self.decision_task_id().filter(|id| !id.is_empty()));
        ids
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        let list = self.0.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str).collect()
    }
}

/// What kind of JSON stands somewhere.
pub(super) fn type_name(value: Option<&Value>) -> &'static str {
    match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task(definition: Value) -> ScriptTask {
        ScriptTask::from_value(definition).unwrap()
    }

    #[test]
    fn a_task_is_read_whole() {
        let text = br#"{"payload": {"a": 1}, "unknown": [2]}"#;
        let task = ScriptTask::parse(text).unwrap();
        assert_eq!(task.payload().unwrap()["a"], 1);
        assert_eq!(task.to_value(), serde_json::from_slice::<Value>(text).unwrap());
    }

    #[test]
    fn what_is_no_task_is_a_failure_not_a_malformed_one() {
        let error = ScriptTask::parse(b"{\"a\": 1,}").unwrap_err();
        assert!(matches!(error, TaskError::Syntax(_)), "{error}");
        assert!(error.to_string().contains("line 1 column 9"), "{error}");
        assert_eq!(error.status(), TaskStatus::Failure);
        let error = ScriptTask::parse(b"[]").unwrap_err();
        assert!(matches!(error, TaskError::NotAnObject { found: "a list" }), "{error}");
    }

    #[test]
    fn a_payload_must_be_an_object() {
        for (definition, found) in
            [(json!({}), "nothing"), (json!({"payload": null}), "null"), (json!({"payload": []}), "a list")]
        {
            let error = task(definition).payload().unwrap_err();
            assert_eq!((error.found, error.status()), (found, TaskStatus::MalformedPayload));
        }
    }

    #[test]
    fn scopes_and_valid_task_ids() {
        let task = task(json!({
            "scopes": ["project:releng:sign:cert:dep", "project:releng:sign:format:gpg", "queue:x"],
            "dependencies": ["A", "B"], "taskGroupId": "D",
        }));
        assert_eq!(task.scopes_below("project:releng:sign:"), ["cert:dep", "format:gpg"]);
        assert_eq!(task.valid_artifact_task_ids(), ["A", "B", "D"]);
        let bare = ScriptTask::parse(b"{}").unwrap();
        assert!(bare.valid_artifact_task_ids().is_empty() && bare.scopes().is_empty());
    }
}
