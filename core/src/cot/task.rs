//! A task definition as the verifier reads it (chain-of-trust.md 2.2, 2.3 and 4).
//!
//! What the queue guarantees of every definition is checked once, here. What only some rules need is read where it is
//! asked for: a strange member that no rule looks at harms nobody.

mod source;
#[cfg(test)]
mod tests;
mod upstream;

pub use source::SourceEnv;
pub use upstream::{ChainInput, UpstreamEntry};

use super::finding::Finding;
use super::reason::Reason;
use crate::ids::{TaskId, TaskQueueId};
use crate::json::{DocumentKind, JsonPath, read_strict};
use crate::scope::Scope;
use crate::time::UnixMillis;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A definition: what every one has, and the whole as JSON. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition(Arc<Parts>);

#[derive(Debug, PartialEq)]
struct Parts {
    whole: Map<String, Value>,
    facts: Facts,
}

/// What every definition has.
#[derive(Debug, PartialEq)]
struct Facts {
    pool: TaskQueueId,
    group: TaskId,
    scopes: Vec<Scope>,
    dependencies: Vec<TaskId>,
    created: UnixMillis,
}

impl Definition {
    /// Reads the bytes of a definition, as the queue gave them.
    pub fn parse(bytes: &[u8]) -> Result<Self, Finding> {
        let value = read_strict(bytes, DocumentKind::TaskDefinition)
            .map_err(|error| Finding::new(Reason::of_json(&error)).because(error))?;
        Self::from_value(value)
    }

    /// The same from JSON that was read strictly.
    pub fn from_value(value: Value) -> Result<Self, Finding> {
        let Value::Object(whole) = value else {
            return Err(wrong(JsonPath::root(), "a map", Some(&value)));
        };
        let facts = Facts::of(&whole)?;
        Ok(Self(Arc::new(Parts { whole, facts })))
    }

    /// The pool and the members of a definition that is only looked at. It has to be one all the same.
    pub(super) fn look(value: &Value) -> Result<(TaskQueueId, &Map<String, Value>), Finding> {
        match value {
            Value::Object(whole) => Ok((Facts::of(whole)?.pool, whole)),
            _ => Err(wrong(JsonPath::root(), "a map", Some(value))),
        }
    }

    /// All of it.
    pub fn whole(&self) -> &Map<String, Value> {
        &self.0.whole
    }

    /// All of it, as the value that comparisons take.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.whole.clone())
    }

    /// The pool: `taskQueueId`, or `provisionerId/workerType`; both are the same where both are given.
    pub fn pool(&self) -> &TaskQueueId {
        &self.0.facts.pool
    }

    /// `taskGroupId`: of most tasks the id of their decision task.
    pub fn group(&self) -> &TaskId {
        &self.0.facts.group
    }

    /// `scopes`.
    pub fn scopes(&self) -> &[Scope] {
        &self.0.facts.scopes
    }

    /// `dependencies`.
    pub fn dependencies(&self) -> &[TaskId] {
        &self.0.facts.dependencies
    }

    /// `created`.
    pub fn created(&self) -> UnixMillis {
        self.0.facts.created
    }

    /// `expires`, where it is a date.
    pub fn expires(&self) -> Option<UnixMillis> {
        UnixMillis::parse(self.text(&["expires"])?).ok()
    }

    /// The value at a path of keys; nothing where one of them leads nowhere.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.0.whole.get(*first)?, |value, key| value.get(*key))
    }

    /// The text at a path of keys.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// A variable of the payload's environment.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.text(&["payload", "env", name])
    }

    /// `schedulerId`.
    pub fn scheduler(&self) -> Option<&str> {
        self.text(&["schedulerId"])
    }

    /// `metadata.source`.
    pub fn source(&self) -> Option<&str> {
        self.text(&["metadata", "source"])
    }

    /// `metadata.owner`.
    pub fn owner(&self) -> Option<&str> {
        self.text(&["metadata", "owner"])
    }

    /// `extra.tasks_for`: the occasion that a parent task was made for.
    pub fn tasks_for(&self) -> Option<&str> {
        self.text(&["extra", "tasks_for"])
    }

    /// The parent: `extra.parent`, or the decision task.
    pub fn parent(&self) -> Result<TaskId, Finding> {
        match self.at(&["extra", "parent"]) {
            None | Some(Value::Null) => Ok(self.0.facts.group.clone()),
            Some(Value::String(text)) if TaskId::parse(text).is_ok() => {
                TaskId::parse(text).map_err(|error| Finding::new(Reason::Schema).because(error))
            }
            other => Err(wrong(JsonPath::root().key("extra").key("parent"), "a task id", other)),
        }
    }

    /// Whether it is an action: made by a hook for a task group that exists.
    pub fn is_action(&self) -> bool {
        self.env("ACTION_CALLBACK").is_some_and(|callback| !callback.is_empty())
            || self.at(&["extra", "action"]).is_some_and(|action| !action.is_null())
    }
}

impl Facts {
    fn of(whole: &Map<String, Value>) -> Result<Self, Finding> {
        let facts = Self {
            pool: pool(whole)?,
            group: read(whole, "taskGroupId", "a task id", |text| TaskId::parse(text).ok())?,
            scopes: list(whole, "scopes", "a list of scopes", |text| Scope::parse(text).ok())?,
            dependencies: list(whole, "dependencies", "a list of task ids", |text| TaskId::parse(text).ok())?,
            created: read(whole, "created", "a date", |text| UnixMillis::parse(text).ok())?,
        };
        if !whole.get("payload").is_some_and(Value::is_object) {
            return Err(wrong(JsonPath::root().key("payload"), "a map", whole.get("payload")));
        }
        Ok(facts)
    }
}

impl Reason {
    /// The reason for which a document is refused that is no strict JSON.
    pub fn of_json(error: &crate::json::StrictError) -> Self {
        use crate::json::StrictError as E;
        match error {
            E::TooLarge { .. } | E::TooDeep { .. } => Self::Limit,
            E::DuplicateKey { .. } => Self::DuplicateKey,
            E::Number { .. } | E::NotUtf8 { .. } | E::Syntax { .. } | E::Punctuation { .. } | E::NotAMap => {
                Self::Json
            }
        }
    }
}

/// The pool by both spellings (taskcluster-api.md 4).
fn pool(whole: &Map<String, Value>) -> Result<TaskQueueId, Finding> {
    let text = |key: &str| whole.get(key).and_then(Value::as_str);
    let halves = text("provisionerId").zip(text("workerType"));
    let joined = halves.map(|(provisioner, worker)| format!("{provisioner}/{worker}"));
    let spelled = match (text("taskQueueId"), joined) {
        (Some(id), Some(joined)) if id != joined => {
            let finding = Finding::new(Reason::Schema).at("taskQueueId");
            return Err(finding.expected(joined).found(id));
        }
        (Some(id), _) => id.to_owned(),
        (None, Some(joined)) => joined,
        (None, None) => return Err(wrong(JsonPath::root().key("taskQueueId"), "a task queue id", None)),
    };
    TaskQueueId::parse(&spelled)
        .map_err(|error| Finding::new(Reason::Schema).at("taskQueueId").because(error))
}

fn read<T>(
    whole: &Map<String, Value>,
    key: &str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Finding> {
    let value = whole.get(key);
    value
        .and_then(Value::as_str)
        .and_then(parse)
        .ok_or_else(|| wrong(JsonPath::root().key(key), expected, value))
}

/// A list of texts; none where there is no such member.
fn list<T>(
    whole: &Map<String, Value>,
    key: &str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Finding> {
    let Some(value) = whole.get(key) else { return Ok(Vec::new()) };
    let Value::Array(items) = value else {
        return Err(wrong(JsonPath::root().key(key), expected, Some(value)));
    };
    let read = |(index, item): (usize, &Value)| {
        let parsed = item.as_str().and_then(&parse);
        parsed.ok_or_else(|| wrong(JsonPath::root().key(key).index(index), expected, Some(item)))
    };
    items.iter().enumerate().map(read).collect()
}

/// What Python takes as true, as the workers do: anything but a false, empty or zero value.
pub(super) fn says_yes(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// A member that is not what it has to be.
fn wrong(place: JsonPath, expected: &'static str, found: Option<&Value>) -> Finding {
    let finding = Finding::new(Reason::Schema).at(place).expected(expected);
    match found {
        None => finding.found("nothing"),
        Some(value) => finding.found(value),
    }
}
