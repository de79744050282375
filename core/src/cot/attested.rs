//! What a worker attested: the signed document, read (chain-of-trust.md 1.1).
//!
//! Only members that mean something to a rule are kept. Members that are not known are fine, and never used: a task may
//! have added them.

use super::finding::Finding;
use super::reason::Reason;
use crate::digest::{ArtifactDigests, DigestError, HashAlgorithm};
use crate::ids::{RunId, TaskId, WorkerGroup, WorkerId};
use crate::json::{DocumentKind, JsonPath, read_strict};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The versions that are understood.
const VERSION: u64 = 1;

/// An attestation's body.
#[derive(Debug, Clone, PartialEq)]
pub struct Attested {
    /// Which task.
    pub task_id: TaskId,
    /// Which run of it.
    pub run_id: RunId,
    /// The worker that ran it.
    pub worker_group: WorkerGroup,
    /// The same.
    pub worker_id: WorkerId,
    /// Its pool's name without the provisioner, where the worker says it: scriptworkers do, docker-worker and
    /// generic-worker do not (chain-of-trust.md 1.1).
    pub worker_type: Option<String>,
    /// The definition that it ran.
    pub task: Value,
    /// What the worker says about the place where it ran.
    pub environment: Map<String, Value>,
    /// The artifacts that it saw, by name. What is wrong with one matters only to whom it is needed by.
    artifacts: BTreeMap<String, Value>,
}

impl Attested {
    /// Reads a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, Finding> {
        let value = read_strict(bytes, DocumentKind::Attestation)
            .map_err(|error| Finding::new(Reason::of_json(&error)).because(error))?;
        Self::of(value)
    }

    /// What a body says that was read strictly.
    pub(super) fn of(value: Value) -> Result<Self, Finding> {
        let Value::Object(mut members) = value else {
            return Err(wrong("$", "a map", Some(&value)));
        };
        match members.get("chainOfTrustVersion") {
            Some(version) if version.as_f64().is_some_and(|number| number == VERSION as f64) => {}
            other => {
                let found = other.map_or_else(|| "nothing".to_owned(), Value::to_string);
                let finding = Finding::new(Reason::Version).at("chainOfTrustVersion");
                return Err(finding.expected(VERSION).found(found));
            }
        }
        let task = members.remove("task").filter(is_definition);
        let environment = map(members.remove("environment"), "environment")?;
        let artifacts = map(members.remove("artifacts"), "artifacts")?;
        let run_id = members.get("runId");
        Ok(Self {
            task_id: text(&members, "taskId", |text| TaskId::parse(text).ok())?,
            worker_group: text(&members, "workerGroup", |text| WorkerGroup::parse(text).ok())?,
            worker_id: text(&members, "workerId", |text| WorkerId::parse(text).ok())?,
            worker_type: worker_type(members.get("workerType"))?,
            run_id: run_id
                .and_then(Value::as_u64)
                .and_then(|number| RunId::new(number).ok())
                .ok_or_else(|| wrong("runId", "the number of a run", run_id))?,
            task: task.ok_or_else(|| {
                wrong("task", "a definition with dependencies, payload, scopes, taskGroupId", None)
            })?,
            environment,
            artifacts: artifacts.into_iter().collect(),
        })
    }

    /// The names of all artifacts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.artifacts.keys().map(String::as_str)
    }

    /// The digests of an artifact: at least one, and none that proves nothing.
    pub fn digests(&self, name: &str, accepted: &[HashAlgorithm]) -> Result<ArtifactDigests, Finding> {
        let place = || JsonPath::root().key("artifacts").key(name);
        let entry = self.artifacts.get(name).ok_or_else(|| Finding::new(Reason::NotAttested).at(place()))?;
        ArtifactDigests::parse(entry, accepted).map_err(|error| {
            let reason = match &error {
                DigestError::None => Reason::NoDigest,
                DigestError::Algorithm { .. } => Reason::WeakHash,
                DigestError::Format { .. } | DigestError::Prefix { .. } => Reason::DigestFormat,
                DigestError::Type { .. } => Reason::Schema,
            };
            Finding::new(reason).at(place()).because(error)
        })
    }
}

/// What the schema of the body demands of the definition in it.
fn is_definition(task: &Value) -> bool {
    let texts = |key: &str| {
        let list = task.get(key).and_then(Value::as_array);
        list.is_some_and(|items| items.iter().all(Value::is_string))
    };
    let group = task.get("taskGroupId").is_some_and(Value::is_string);
    let pool = task.get("workerType").or_else(|| task.get("taskQueueId")).is_some_and(Value::is_string);
    texts("dependencies")
        && texts("scopes")
        && group
        && pool
        && task.get("payload").is_some_and(Value::is_object)
}

fn map(value: Option<Value>, key: &str) -> Result<Map<String, Value>, Finding> {
    match value {
        Some(Value::Object(members)) => Ok(members),
        other => Err(wrong(key, "a map", other.as_ref())),
    }
}

fn text<T>(
    members: &Map<String, Value>,
    key: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Finding> {
    let value = members.get(key);
    value.and_then(Value::as_str).and_then(parse).ok_or_else(|| wrong(key, "an identifier", value))
}

fn worker_type(value: Option<&Value>) -> Result<Option<String>, Finding> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        other => Err(wrong("workerType", "a text", other)),
    }
}

fn wrong(place: &str, expected: &str, found: Option<&Value>) -> Finding {
    let found = found.map_or_else(|| "nothing of the kind".to_owned(), Value::to_string);
    Finding::new(Reason::Schema).at(place).expected(expected).found(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body() -> Value {
        json!({
            "artifacts": {"public/a": {"sha256": "a".repeat(64)}, "public/none": {}, "public/md5": {"md5": "x"}, "public/odd": {"sha256": "A"}},
            "chainOfTrustVersion": 1, "environment": {"imageHash": "x", "unknown": 1}, "runId": 0, "unknown": true,
            "task": {"dependencies": [], "scopes": ["a"], "payload": {}, "taskGroupId": "g", "workerType": "w"},
            "taskId": "Ypg6xKhKRU-pnkwylNQrMw", "workerGroup": "g", "workerId": "w", "workerType": "w",
        })
    }

    fn parse(body: &Value) -> Result<Attested, Reason> {
        Attested::parse(body.to_string().as_bytes()).map_err(|finding| finding.reason)
    }

    #[test]
    fn row_053_and_row_150_unknown_members_are_fine() {
        let attested = parse(&body()).unwrap();
        assert_eq!((attested.run_id.get(), attested.names().count()), (0, 4));
    }

    #[test]
    fn row_058_the_worker_type_may_be_said() {
        let of = |value: Option<Value>| {
            let mut changed = body();
            match value {
                Some(value) => changed["workerType"] = value,
                None => drop(changed.as_object_mut().unwrap().remove("workerType")),
            }
            parse(&changed).map(|attested| attested.worker_type)
        };
        assert_eq!(of(None), Ok(None));
        assert_eq!(of(Some(json!("b-linux"))), Ok(Some("b-linux".to_owned())));
        for odd in [json!(1), json!(null), json!(["b-linux"])] {
            assert_eq!(of(Some(odd)), Err(Reason::Schema));
        }
    }

    #[test]
    fn row_051_a_body_has_its_members_with_their_types() {
        for (key, value) in [
            ("artifacts", json!([])),
            ("environment", json!(null)),
            ("runId", json!("0")),
            ("runId", json!(-1)),
            ("taskId", json!("x")),
            ("workerGroup", json!(1)),
            ("workerId", json!("")),
            ("task", json!(null)),
            ("task", json!({})),
            (
                "task",
                json!({"dependencies": [1], "scopes": [], "payload": {}, "taskGroupId": "g", "workerType": "w"}),
            ),
        ] {
            let mut changed = body();
            changed[key] = value.clone();
            assert_eq!(parse(&changed), Err(Reason::Schema), "{key} {value}");
            changed.as_object_mut().unwrap().remove(key);
            assert_eq!(parse(&changed), Err(Reason::Schema), "without {key}");
        }
        assert_eq!(parse(&json!([])), Err(Reason::Schema));
    }

    #[test]
    fn row_052_only_version_1_is_understood() {
        for version in [json!(2), json!("1"), json!(null), json!(0)] {
            let mut changed = body();
            changed["chainOfTrustVersion"] = version;
            assert_eq!(parse(&changed), Err(Reason::Version));
        }
        let mut changed = body();
        changed.as_object_mut().unwrap().remove("chainOfTrustVersion");
        assert_eq!(parse(&changed), Err(Reason::Version));
    }

    #[test]
    fn row_044_to_row_046_a_body_is_strict_json() {
        let reason = |text: &str| Attested::parse(text.as_bytes()).unwrap_err().reason;
        assert_eq!(reason(r#"{"taskId": "a", "task\u0049d": "b"}"#), Reason::DuplicateKey);
        assert_eq!(reason("{} x"), Reason::Json);
        assert_eq!(reason("\u{feff}{}"), Reason::Json);
    }

    #[test]
    fn row_065_to_row_068_digests_are_judged_where_they_are_needed() {
        let attested = parse(&body()).unwrap();
        let digests = |name: &str| {
            attested.digests(name, &HashAlgorithm::ALL).map(|_| ()).map_err(|finding| finding.reason)
        };
        assert_eq!(digests("public/a"), Ok(()));
        assert_eq!(digests("public/none"), Err(Reason::NoDigest));
        assert_eq!(digests("public/md5"), Err(Reason::WeakHash));
        assert_eq!(digests("public/odd"), Err(Reason::DigestFormat));
        assert_eq!(digests("public/other"), Err(Reason::NotAttested));
    }
}
