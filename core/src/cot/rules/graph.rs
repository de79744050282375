//! Whether a task is what its parent's task graph says (chain-of-trust.md 5.3 and 6.2).
//!
//! The graph is one big document: `taskId → {"task": definition, …}`. Both generations leave out what changes when a
//! task is made again: dates, and what the queue itself adds or changes. Nothing else may differ, and nothing may be
//! there that the graph does not have, unless it says what its absence means anyway.

mod dates;
#[cfg(test)]
mod tests;

use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::cot::role::RuleSet;
use crate::cot::task::Definition;
use crate::ids::TaskId;
use crate::json::{Comparison, DocumentKind, ExtraMembers, JsonIndex, JsonPath};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A parent's `task-graph.json`, its members known by place.
#[derive(Debug)]
pub(in crate::cot) struct TaskGraph(JsonIndex);

/// The parent whose graph it is.
#[derive(Debug, Clone, Copy)]
pub(in crate::cot) struct Parent<'a> {
    /// Its id.
    pub(in crate::cot) id: &'a TaskId,
    /// Its task group.
    pub(in crate::cot) group: &'a TaskId,
}

/// Members that may differ in any way; and the pool, which is compared as a whole, however it is spelled.
const FREE: [&[&str]; 11] = [
    &["created"],
    &["deadline"],
    &["dependencies"],
    &["expires"],
    &["priority"],
    &["projectId"],
    &["schedulerId"],
    &["taskGroupId"],
    &["provisionerId"],
    &["workerType"],
    &["taskQueueId"],
];
/// Classic: how long an artifact is kept depends on when the task was made.
const ARTIFACT_EXPIRY: &[&str] = &["payload", "artifacts", "*", "expires"];

impl TaskGraph {
    /// Reads the document through.
    pub(in crate::cot) fn read(document: Bytes) -> Result<Self, Finding> {
        JsonIndex::of(document, DocumentKind::TaskGraph)
            .map(Self)
            .map_err(|error| Finding::new(Reason::of_json(&error)).at("task-graph.json").because(error))
    }

    /// Whether it has the task of exactly this id.
    pub(in crate::cot) fn has(&self, task: &TaskId) -> bool {
        self.0.has(task.as_str())
    }

    /// Whether the task is in the graph, and as the graph has it.
    pub(in crate::cot) fn check(
        &self,
        rule_set: RuleSet,
        id: &TaskId,
        task: &Definition,
        parent: Parent<'_>,
    ) -> Result<(), Finding> {
        if self.has(id) {
            return compare(rule_set, self.task(id.as_str())?, task, parent);
        }
        let missing = || Finding::new(Reason::NotInGraph).at(format!("the task graph of {}", parent.id));
        match rule_set {
            RuleSet::Current => Err(missing()),
            // a re-triggered task has an id of its own: it has to be like any that the graph has
            RuleSet::Classic => {
                for key in self.0.keys() {
                    if compare(rule_set, self.task(key)?, task, parent).is_ok() {
                        return Ok(());
                    }
                }
                Err(missing().because("it is like none of its tasks, either"))
            }
        }
    }

    /// The definition in one entry.
    fn task(&self, key: &str) -> Result<Map<String, Value>, Finding> {
        let place = || JsonPath::root().key(key).key("task");
        let entry =
            self.0.read(key).map_err(|error| Finding::new(Reason::Json).at(place()).because(error))?;
        match entry.and_then(|mut entry| Some(entry.get_mut("task")?.take())) {
            Some(Value::Object(task)) => Ok(task),
            _ => Err(Finding::new(Reason::Schema).at(place()).expected("a task definition")),
        }
    }
}

/// Whether a task is in a parent's `task-graph.json`, and as the graph has it; the parent's task group is its own id.
/// This is the rule alone, for documents of which nothing is known: how fast it is, or what is wrong with one graph.
///
/// # Errors
/// What is wrong: the graph cannot be read strictly, the task is not in it, or differs.
pub fn graph_has(
    document: Bytes,
    rule_set: RuleSet,
    id: &TaskId,
    task: &Definition,
    parent: &TaskId,
) -> Result<(), Finding> {
    TaskGraph::read(document)?.check(rule_set, id, task, Parent { id: parent, group: parent })
}

/// Compares a task with its entry.
fn compare(
    rule_set: RuleSet,
    mut expected: Map<String, Value>,
    task: &Definition,
    parent: Parent<'_>,
) -> Result<(), Finding> {
    dependencies(&expected, task, parent)?;
    group(&expected, task, parent)?;
    pool(&expected, task)?;
    for key in FREE.iter().flat_map(|path| path.iter()) {
        expected.remove(*key);
    }
    let mut ignored = FREE.to_vec();
    // what the queue fills in means the same as nothing
    let defaults = defaults();
    let means_nothing = |(path, default): &&Meaning| match path {
        [key] => !expected.contains_key(*key) && task.whole().get(*key) == Some(default),
        _ => false,
    };
    ignored.extend(defaults.iter().filter(means_nothing).map(|(path, _)| *path));
    match rule_set {
        RuleSet::Current => {
            expected.values_mut().try_for_each(|member| dates::resolve(member, task.created()))?;
        }
        RuleSet::Classic => ignored.push(ARTIFACT_EXPIRY),
    }
    let comparison = Comparison { ignored: &ignored, extra: ExtraMembers::Refused };
    match comparison.first_of_maps(&expected, task.whole()) {
        None => Ok(()),
        Some(difference) => {
            let nothing =
                |value: Option<Value>| value.map_or_else(|| "nothing".to_owned(), |it| it.to_string());
            let finding = Finding::new(Reason::GraphMismatch).at(&difference.path);
            Err(finding.expected(nothing(difference.expected)).found(nothing(difference.found)))
        }
    }
}

/// A member, and what its absence means.
type Meaning = (&'static [&'static str], Value);

/// What the queue fills in where a definition says nothing (its `create-task-request` schema).
fn defaults() -> [Meaning; 6] {
    [
        (&["requires"], json!("all-completed")),
        (&["retries"], json!(5)),
        (&["routes"], json!([])),
        (&["scopes"], json!([])),
        (&["tags"], json!({})),
        (&["extra"], json!({})),
    ]
}

/// The task depends on nothing that its entry does not have, except on its decision task. Fewer are fine.
fn dependencies(entry: &Map<String, Value>, task: &Definition, parent: Parent<'_>) -> Result<(), Finding> {
    let known: BTreeSet<&str> = match entry.get("dependencies") {
        None => BTreeSet::new(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(other) => {
            return Err(Finding::new(Reason::Schema).at("dependencies").expected("a list").found(other));
        }
    };
    let decision = |id: &TaskId| id == parent.id || id == parent.group;
    let unknown = task.dependencies().iter().find(|id| !known.contains(id.as_str()) && !decision(id));
    match unknown {
        None => Ok(()),
        Some(id) => Err(Finding::new(Reason::Dependencies).at("dependencies").found(id)),
    }
}

/// The group is the one that the entry has; without one, the parent's.
fn group(entry: &Map<String, Value>, task: &Definition, parent: Parent<'_>) -> Result<(), Finding> {
    let fits = match entry.get("taskGroupId") {
        None => task.group() == parent.id || task.group() == parent.group,
        Some(expected) => expected.as_str() == Some(task.group().as_str()),
    };
    if fits {
        return Ok(());
    }
    let expected = entry.get("taskGroupId").map_or_else(|| parent.group.to_string(), Value::to_string);
    Err(Finding::new(Reason::GraphMismatch).at("taskGroupId").expected(expected).found(task.group()))
}

/// The pool is the same, whichever of the two spellings each side has.
fn pool(entry: &Map<String, Value>, task: &Definition) -> Result<(), Finding> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let joined = text("provisionerId").zip(text("workerType")).map(|(a, b)| format!("{a}/{b}"));
    let spellings = [text("taskQueueId").map(str::to_owned), joined];
    let mut expected = spellings.into_iter().flatten().peekable();
    let mismatch = |expected: &str| {
        Finding::new(Reason::GraphMismatch).at("taskQueueId").expected(expected).found(task.pool())
    };
    if expected.peek().is_none() {
        return Err(mismatch("a pool in the graph"));
    }
    match expected.find(|pool| pool != task.pool().as_str()) {
        None => Ok(()),
        Some(pool) => Err(mismatch(&pool)),
    }
}
