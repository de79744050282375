//! Reading a document by its schema so that every mistake is found at once, each with its path, what belongs there and
//! what stands there.

use crate::json::JsonPath;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;

/// One mistake in a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{path}: expected {expected}, found {found}")]
pub struct PolicyProblem {
    /// Where.
    pub path: JsonPath,
    /// What belongs there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<PolicyProblem>);

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    pub(super) path: JsonPath,
    pub(super) value: &'a Value,
}

/// The members of a map, taken one after the other; those that nobody takes are mistakes.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    path: JsonPath,
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl Problems {
    /// Notes a mistake.
    pub(super) fn add(&mut self, path: &JsonPath, expected: impl fmt::Display, found: impl fmt::Display) {
        let (expected, found) = (expected.to_string(), found.to_string());
        self.0.push(PolicyProblem { path: path.clone(), expected, found });
    }

    /// Notes that a value is not what belongs there.
    pub(super) fn wrong<T>(&mut self, at: &At<'_>, expected: impl fmt::Display) -> Option<T> {
        self.add(&at.path, expected, brief(at.value));
        None
    }
}

/// A value for a message: short, in JSON's escapes.
pub(super) fn brief(value: &Value) -> String {
    const MOST: usize = 80;
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(members) => format!("a map of {}", members.len()),
        plain => {
            let text = plain.to_string();
            match text.char_indices().nth(MOST) {
                Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
                None => text,
            }
        }
    }
}

impl<'a> At<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { path: JsonPath::root(), value }
    }

    /// The members, if it is a map.
    pub(super) fn fields(&self, problems: &mut Problems) -> Option<Fields<'a>> {
        let Value::Object(map) = self.value else { return problems.wrong(self, "a map") };
        Some(Fields { path: self.path.clone(), map, known: Vec::new() })
    }

    pub(super) fn text(&self, problems: &mut Problems) -> Option<&'a str> {
        match self.value {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => problems.wrong(self, "a text"),
        }
    }

    pub(super) fn flag(&self, problems: &mut Problems) -> Option<bool> {
        self.value.as_bool().or_else(|| problems.wrong(self, "true or false"))
    }

    pub(super) fn number(&self, problems: &mut Problems) -> Option<u64> {
        self.value.as_u64().or_else(|| problems.wrong(self, "a whole number from 0 on"))
    }

    /// What `parse` makes of a text.
    pub(super) fn parsed<T, E>(
        &self,
        problems: &mut Problems,
        expected: impl fmt::Display,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Option<T> {
        let parsed = self.value.as_str().and_then(|text| parse(text).ok());
        parsed.or_else(|| problems.wrong(self, expected))
    }

    /// Every item of a list. An item that cannot be read is a mistake, and left out.
    pub(super) fn list<T>(
        &self,
        problems: &mut Problems,
        mut read: impl FnMut(&mut Problems, At<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Array(items) = self.value else { return problems.wrong(self, "a list") };
        let read_item = |(index, value)| read(problems, At { path: self.path.clone().index(index), value });
        Some(items.iter().enumerate().filter_map(read_item).collect())
    }

    /// Every member of a map whose keys are free, in order.
    pub(super) fn entries<T>(
        &self,
        problems: &mut Problems,
        mut read: impl FnMut(&mut Problems, &'a str, At<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Object(map) = self.value else { return problems.wrong(self, "a map") };
        let read_member = |(key, value): (&'a String, &'a Value)| {
            read(problems, key, At { path: self.path.clone().key(key.as_str()), value })
        };
        Some(map.iter().filter_map(read_member).collect())
    }

    /// A list of texts without a text twice.
    pub(super) fn texts(&self, problems: &mut Problems) -> Option<Vec<String>> {
        let mut seen = Vec::new();
        self.list(problems, |problems, item| {
            let text = item.text(problems)?;
            if seen.contains(&text) {
                return problems.wrong(&item, "each text once");
            }
            seen.push(text);
            Some(text.to_owned())
        })
    }

    /// A text or a list of texts; an empty text is an empty list.
    pub(super) fn text_or_texts(&self, problems: &mut Problems) -> Option<Vec<String>> {
        match self.value {
            Value::String(text) if text.is_empty() => Some(Vec::new()),
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(_) => self.texts(problems),
            _ => problems.wrong(self, "a text or a list of texts"),
        }
    }
}

impl<'a> Fields<'a> {
    /// The member of a key, if it is there.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<At<'a>> {
        self.known.push(key);
        let value = self.map.get(key)?;
        Some(At { path: self.path.clone().key(key), value })
    }

    /// The member of a key. That it is missing is a mistake.
    pub(super) fn required(&mut self, problems: &mut Problems, key: &'static str) -> Option<At<'a>> {
        let found = self.optional(key);
        if found.is_none() {
            problems.add(&self.path.clone().key(key), "a value", "nothing");
        }
        found
    }

    /// Notes every member that was not asked for.
    pub(super) fn finish(self, problems: &mut Problems) {
        for key in self.map.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let expected = format!("no key but {}", self.known.join(", "));
            problems.add(&self.path.clone().key(key.as_str()), expected, "this one");
        }
    }
}
