//! Which tasks a task rests on, and which of their artifacts it wants (chain-of-trust.md 4, artifacts.md 6).

use super::{Definition, wrong};
use crate::client::UpstreamArtifact;
use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::ids::TaskId;
use crate::json::JsonPath;
use serde_json::Value;

/// A task that another one says it rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainInput {
    /// The type it is said to have.
    pub task_type: String,
    /// Which.
    pub task: TaskId,
}

/// An entry of `payload.upstreamArtifacts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamEntry {
    /// The type that the task is said to have.
    pub task_type: String,
    /// Whose artifacts.
    pub task: TaskId,
    /// Their names; in optional entries also patterns.
    pub paths: Vec<String>,
    /// Whether it is fine that some are missing.
    pub optional: bool,
}

impl Definition {
    /// `extra.chainOfTrust.inputs`. A task without `extra` is no task of a chain.
    pub fn inputs(&self) -> Result<Vec<ChainInput>, Finding> {
        let place = || JsonPath::root().key("extra");
        match self.at(&["extra"]) {
            Some(Value::Object(_)) => {}
            other => return Err(wrong(place(), "a map", other)),
        }
        let place = || place().key("chainOfTrust").key("inputs");
        let inputs = match self.at(&["extra", "chainOfTrust", "inputs"]) {
            None => return Ok(Vec::new()),
            Some(Value::Object(inputs)) => inputs,
            other => return Err(wrong(place(), "a map", other)),
        };
        let read = |(task_type, task): (&String, &Value)| {
            let parsed = task.as_str().and_then(|text| TaskId::parse(text).ok());
            let task = parsed.ok_or_else(|| wrong(place().key(task_type), "a task id", Some(task)))?;
            Ok(ChainInput { task_type: task_type.clone(), task })
        };
        inputs.iter().map(read).collect()
    }

    /// `payload.upstreamArtifacts`; none when the payload has none.
    pub fn upstream(&self) -> Result<Vec<UpstreamEntry>, Finding> {
        match self.at(&["payload", "upstreamArtifacts"]) {
            None => Ok(Vec::new()),
            Some(Value::Array(entries)) => entries.iter().enumerate().map(read_entry).collect(),
            other => Err(wrong(place_of_entries(), "a list", other)),
        }
    }
}

fn place_of_entries() -> JsonPath {
    JsonPath::root().key("payload").key("upstreamArtifacts")
}

fn read_entry((index, entry): (usize, &Value)) -> Result<UpstreamEntry, Finding> {
    let place = || place_of_entries().index(index);
    let payload = |error: &dyn std::fmt::Display| Finding::new(Reason::Payload).at(place()).because(error);
    let read = UpstreamArtifact::read(index, entry).map_err(|error| payload(&error))?;
    let task = TaskId::parse(&read.task_id).map_err(|error| payload(&error))?;
    let task_type = match entry.get("taskType") {
        Some(Value::String(text)) => text.clone(),
        other => return Err(wrong(place().key("taskType"), "a type of task", other)),
    };
    let pattern = |path: &&String| path.contains(['*', '?', '[']);
    if let Some(pattern) = read.paths.iter().find(pattern).filter(|_| !read.optional) {
        let finding = Finding::new(Reason::Payload).at(place().key("paths"));
        return Err(finding.expected("a name, as the entry is not optional").found(format!("{pattern:?}")));
    }
    Ok(UpstreamEntry { task_type, task, paths: read.paths, optional: read.optional })
}
