//! JSON schemas: does a task look as its script needs it (client.md 2 and 3).

use crate::run::TaskStatus;
use jsonschema::{Draft, Validator};
use serde_json::Value;
use std::fmt;

/// As many violations are described; the rest is counted.
const MOST_DESCRIBED: usize = 20;
/// A value in a message is cut after as many characters.
const LONGEST_PROBLEM: usize = 300;

/// A schema that cannot be checked against: it is not one, or refers to something outside of itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema cannot be used: at {place:?}: {problem}")]
pub struct SchemaError {
    /// Where in the schema, as a JSON pointer; empty for the whole.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl SchemaError {
    /// Whoever deployed the script is to blame, not the task: a plain failure.
    pub fn status(&self) -> TaskStatus {
        TaskStatus::Failure
    }
}

/// One place where data and schema do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where in the data, as a JSON pointer; empty for the whole.
    pub place: String,
    /// Which part of the schema says so, as a JSON pointer.
    pub rule: String,
    /// What is wrong, in words.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { "/" } else { &self.place };
        write!(f, "{place}: {} (schema: {})", self.problem, self.rule)
    }
}

/// Data that violates its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaViolations {
    /// What the data is, for messages.
    pub name: String,
    /// The first of them, in the order of the schema.
    pub violations: Vec<Violation>,
    /// All of them, also those that are not described.
    pub count: usize,
}

impl SchemaViolations {
    /// The task is wrong as it is written.
    pub fn status(&self) -> TaskStatus {
        TaskStatus::MalformedPayload
    }
}

impl fmt::Display for SchemaViolations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} does not fit its schema:", self.name)?;
        for violation in &self.violations {
            write!(f, "\n  {violation}")?;
        }
        match self.count.saturating_sub(self.violations.len()) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl std::error::Error for SchemaViolations {}

/// A JSON schema, ready to check with. Drafts 4 to 2020-12 by its `$schema`; without one, or with one that nobody
/// knows, the newest. `format` is checked. References lead nowhere but into the schema itself.
#[derive(Debug, Clone)]
pub struct TaskSchema(Validator);

impl TaskSchema {
    /// Prepares a schema.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        let mut schema = schema.clone();
        if Draft::default().detect(&schema) == Draft::Unknown
            && let Value::Object(members) = &mut schema
        {
            members.remove("$schema");
        }
        jsonschema::options().should_validate_formats(true).build(&schema).map(Self).map_err(|error| {
            SchemaError { place: error.instance_path().to_string(), problem: cut(&error.to_string()) }
        })
    }

    /// Checks data; `name` says in messages what it is (the Python library says `task`).
    pub fn check(&self, data: &Value, name: &str) -> Result<(), SchemaViolations> {
        let mut violations = Vec::new();
        let mut count = 0;
        for error in self.0.iter_errors(data) {
            count += 1;
            if violations.len() < MOST_DESCRIBED {
                violations.push(Violation {
                    place: error.instance_path().to_string(),
                    rule: error.schema_path().to_string(),
                    problem: cut(&error.to_string()),
                });
            }
        }
        if count == 0 { Ok(()) } else { Err(SchemaViolations { name: name.to_owned(), violations, count }) }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_PROBLEM) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(schema: Value, data: Value) -> Vec<String> {
        match TaskSchema::new(&schema).unwrap().check(&data, "task") {
            Ok(()) => Vec::new(),
            Err(violations) => {
                assert_eq!(violations.status(), TaskStatus::MalformedPayload);
                violations.violations.into_iter().map(|violation| violation.place).collect()
            }
        }
    }

    #[test]
    fn every_violation_is_named_with_its_place() {
        let schema = json!({
            "type": "object", "required": ["payload"],
            "properties": {"payload": {"type": "object", "properties": {
                "maxRunTime": {"type": "integer"},
                "upstreamArtifacts": {"type": "array", "items": {"required": ["taskId"]}},
            }}},
        });
        assert!(places(schema.clone(), json!({"payload": {"maxRunTime": 1}})).is_empty());
        assert_eq!(places(schema.clone(), json!({})), [""]);
        let bad = json!({"payload": {"maxRunTime": "1", "upstreamArtifacts": [{"taskId": 1}, {}]}});
        let mut found = places(schema.clone(), bad.clone());
        found.sort();
        assert_eq!(found, ["/payload/maxRunTime", "/payload/upstreamArtifacts/1"]);
        let text = TaskSchema::new(&schema).unwrap().check(&bad, "task").unwrap_err().to_string();
        assert!(text.starts_with("the task does not fit its schema:\n  /payload/"), "{text}");
        assert!(text.contains("(schema: /properties/payload/properties/maxRunTime/type)"), "{text}");
    }

    #[test]
    fn formats_are_checked_in_every_draft() {
        for draft in [
            "http://json-schema.org/draft-04/schema#",
            "http://json-schema.org/draft-07/schema#",
            "https://json-schema.org/draft/2020-12/schema",
            "https://example.com/nobody/knows/this",
        ] {
            let schema = json!({"$schema": draft, "properties": {"at": {"format": "date-time"}, "to": {"format": "uri"}}});
            assert!(
                places(schema.clone(), json!({"at": "2026-11-23T18:00:00Z", "to": "https://a/b"})).is_empty()
            );
            assert_eq!(places(schema.clone(), json!({"at": "yesterday"})), ["/at"], "{draft}");
            assert_eq!(places(schema, json!({"to": "not a uri"})), ["/to"], "{draft}");
        }
    }

    #[test]
    fn drafts_keep_their_own_rules() {
        let schema = |draft: &str| json!({"$schema": draft, "minimum": 1, "exclusiveMinimum": true});
        assert_eq!(places(schema("http://json-schema.org/draft-04/schema#"), json!(1)), [""]);
        let error = TaskSchema::new(&schema("http://json-schema.org/draft-07/schema#")).unwrap_err();
        assert_eq!(error.place, "/exclusiveMinimum");
        assert_eq!(error.status(), TaskStatus::Failure);
    }

    #[test]
    fn references_stay_inside() {
        let schema = json!({"definitions": {"id": {"type": "string"}}, "additionalProperties": {"$ref": "#/definitions/id"}});
        assert_eq!(places(schema, json!({"a": 1})), ["/a"]);
        for outside in ["https://example.com/schema.json", "file:///etc/passwd", "other.json"] {
            let error = TaskSchema::new(&json!({"$ref": outside})).unwrap_err();
            assert!(!error.problem.is_empty(), "{outside}");
        }
    }

    #[test]
    fn messages_stay_short() {
        let schema = TaskSchema::new(&json!({"items": {"type": "integer"}})).unwrap();
        let data = json!(vec!["é".repeat(10_000); 1000]);
        let error = schema.check(&data, "task").unwrap_err();
        assert_eq!((error.violations.len(), error.count), (MOST_DESCRIBED, 1000));
        let text = error.to_string();
        assert!(text.len() < 20_000 && text.ends_with("\n  and 980 more"), "{}", text.len());
    }
}
