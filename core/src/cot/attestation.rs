//! The body of an attestation: which worker ran which task and made which artifacts (chain-of-trust.md 1.1).
//!
//! Both generations write the same bytes, so verifiers of both read it; only numbers stay as the task wrote them, where
//! Python reads and writes them (`1e2` becomes `100.0`). Here it is made and checked; which key signs it, in which form,
//! and where it goes is not known here.

use super::attested::Attested;
use super::finding::Finding;
use crate::client::{SchemaError, SchemaViolations, TaskSchema};
use crate::digest::Digest;
use crate::ids::{ArtifactName, RunKey, WorkerId};
use crate::json::{DocumentKind, RawJsonError, StrictError, format_raw, read_strict};
use crate::run::TaskStatus;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The schema that every worker of both generations bundles.
const V1: &str = include_str!("attestation_v1.schema.json");

/// The artifact in the classic form: the body, clear-signed with OpenPGP.
pub const CLASSIC_NAME: &str = "public/chainOfTrust.json.asc";
/// The artifact in the current form: the body alone.
pub const CURRENT_NAME: &str = "public/chain-of-trust.json";
/// The ed25519 signature of the current form.
pub const CURRENT_SIGNATURE_NAME: &str = "public/chain-of-trust.json.sig";
/// The names that belong to the worker: no artifact of a script has one, and no attestation states one.
pub const ATTESTATION_NAMES: [&str; 3] = [CLASSIC_NAME, CURRENT_NAME, CURRENT_SIGNATURE_NAME];

/// The version that is written.
const VERSION: u8 = 1;

/// What is to be stated about a run.
#[derive(Debug, Clone)]
pub struct Attestation<'a> {
    /// Which run.
    pub run: &'a RunKey,
    /// The worker group, as the claim says it.
    pub worker_group: &'a str,
    /// The worker's own id.
    pub worker_id: &'a WorkerId,
    /// The second half of the worker's queue id.
    pub worker_type: &'a str,
    /// The task definition, exactly as it was claimed.
    pub task: &'a RawValue,
    /// Every artifact that was uploaded, attestations themselves not.
    pub artifacts: &'a BTreeMap<ArtifactName, Digest>,
}

/// A body that fits its schema and that verifiers of this version read: the only thing that is ever signed as an attestation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationBody(String);

/// The schema that a body has to fit before it is signed.
#[derive(Debug, Clone)]
pub struct AttestationSchema(TaskSchema);

/// A schema file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaFileError {
    /// It is no JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is no schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// Why there is nothing to sign.
#[derive(Debug, thiserror::Error)]
pub enum AttestationError {
    /// The body could not be written.
    #[error("write the attestation: {0}")]
    Json(#[from] serde_json::Error),
    /// The task definition is no JSON that can be written.
    #[error("write the task definition into the attestation: {0}")]
    Task(#[from] RawJsonError),
    /// No verifier would read it, such as a number beyond ±2^53 in the definition.
    #[error("verifiers refuse the attestation: {0}")]
    Unreadable(#[from] StrictError),
    /// It would be read, and then refused: a schema of somebody's own may allow what no verifier takes.
    #[error("verifiers refuse the attestation: {0}")]
    Refused(Finding),
    /// It does not fit the schema.
    #[error(transparent)]
    Schema(#[from] SchemaViolations),
}

impl AttestationError {
    /// What it means for the run (chain-of-trust.md 1.2): a body that does not fit, or that nobody would take, is the
    /// task's fault.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Schema(violations) => violations.status(),
            Self::Unreadable(_) | Self::Refused(_) => TaskStatus::MalformedPayload,
            Self::Json(_) | Self::Task(_) => TaskStatus::InternalError,
        }
    }
}

impl AttestationSchema {
    /// The schema of version 1 that is built in.
    pub fn built_in() -> Result<Self, SchemaFileError> {
        Self::parse(V1)
    }

    /// The schema in a file (configuration key `cot_schema_path`).
    pub fn parse(text: &str) -> Result<Self, SchemaFileError> {
        Ok(Self(TaskSchema::new(&serde_json::from_str(text)?)?))
    }
}

impl Attestation<'_> {
    /// The body, in the form in which both generations write it: members sorted, two spaces, ASCII, no newline at the
    /// end. It is read as [`Attested::parse`] will read it: what a verifier refuses is not signed.
    pub fn body(&self, schema: &AttestationSchema) -> Result<AttestationBody, AttestationError> {
        let artifacts = self
            .artifacts
            .iter()
            .map(|(name, digest)| {
                (name.as_str(), BTreeMap::from([(digest.algorithm().name(), digest.digits())]))
            })
            .collect();
        let written = serde_json::value::to_raw_value(&Members {
            artifacts,
            chain_of_trust_version: VERSION,
            environment: BTreeMap::new(),
            run_id: self.run.run_id.get(),
            task: self.task,
            task_id: self.run.task_id.as_str(),
            worker_group: self.worker_group,
            worker_id: self.worker_id.as_str(),
            worker_type: self.worker_type,
        })?;
        let text = format_raw(&written)?;
        let read = read_strict(text.as_bytes(), DocumentKind::Attestation)?;
        schema.0.check(&read, "attestation")?;
        Attested::of(read).map_err(AttestationError::Refused)?;
        Ok(AttestationBody(text))
    }
}

impl AttestationBody {
    /// The text: these bytes are signed and uploaded.
    pub fn text(&self) -> &str {
        &self.0
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    artifacts: BTreeMap<&'a str, BTreeMap<&'static str, String>>,
    chain_of_trust_version: u8,
    /// A scriptworker has nothing to say about its environment.
    environment: BTreeMap<&'a str, &'a str>,
    run_id: u16,
    task: &'a RawValue,
    task_id: &'a str,
    worker_group: &'a str,
    worker_id: &'a str,
    worker_type: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cot::reason::Reason;
    use crate::ids::{RunId, TaskId};
    use serde_json::{Value, json};

    const TASK: &str = r#"{"workerType": "t", "scopes": ["a"], "dependencies": [], "taskGroupId": "g", "payload": {"maxRunTime": 3600, "ratio": 1e2, "big": 9007199254740992, "name": "ä\u0001😀"}}"#;

    const BODY: &str = r#"{
  "artifacts": {
    "public/b.txt": {
      "sha512": "BB"
    },
    "public/logs/live_backing.log": {
      "sha256": "AA"
    }
  },
  "chainOfTrustVersion": 1,
  "environment": {},
  "runId": 2,
  "task": {
    "dependencies": [],
    "payload": {
      "big": 9007199254740992,
      "maxRunTime": 3600,
      "name": "\u00e4\u0001\ud83d\ude00",
      "ratio": 1e2
    },
    "scopes": [
      "a"
    ],
    "taskGroupId": "g",
    "workerType": "t"
  },
  "taskId": "Ypg6xKhKRU-pnkwylNQrMw",
  "workerGroup": "group-of-the-claim",
  "workerId": "worker-1",
  "workerType": "type"
}"#;

    fn body_of(task: &str, schema: &AttestationSchema) -> Result<AttestationBody, AttestationError> {
        Attestation {
            run: &RunKey {
                task_id: TaskId::parse("Ypg6xKhKRU-pnkwylNQrMw").unwrap(),
                run_id: RunId::new(2).unwrap(),
            },
            worker_group: "group-of-the-claim",
            worker_id: &WorkerId::parse("worker-1").unwrap(),
            worker_type: "type",
            task: serde_json::from_str(task).unwrap(),
            artifacts: &[
                ("public/logs/live_backing.log", Digest::Sha256([0xaa; 32])),
                ("public/b.txt", Digest::Sha512([0xbb; 64])),
            ]
            .map(|(name, digest)| (ArtifactName::parse(name).unwrap(), digest))
            .into(),
        }
        .body(schema)
    }

    #[test]
    fn the_body_is_the_one_that_both_generations_write() {
        let schema = AttestationSchema::built_in().unwrap();
        let body = BODY.replace("BB", &"bb".repeat(64)).replace("AA", &"aa".repeat(32));
        assert_eq!(body_of(TASK, &schema).unwrap().text(), body);
    }

    #[test]
    fn a_body_that_does_not_fit_is_never_signed() {
        let schema = AttestationSchema::built_in().unwrap();
        let whole: Value = serde_json::from_str(TASK).unwrap();
        for member in ["dependencies", "payload", "scopes", "taskGroupId", "workerType"] {
            let mut task = whole.clone();
            task.as_object_mut().unwrap().remove(member);
            let error = body_of(&task.to_string(), &schema).unwrap_err();
            assert!(matches!(&error, AttestationError::Schema(_)), "{member}: {error}");
            assert_eq!(error.status(), TaskStatus::MalformedPayload, "{member}");
            assert!(error.to_string().contains(member), "{error}");
        }
        for (member, wrong) in [
            ("dependencies", json!(["a", "a"])),
            ("scopes", json!([1])),
            ("payload", json!([])),
            ("taskGroupId", json!(null)),
        ] {
            let mut task = whole.clone();
            task[member] = wrong;
            let error = body_of(&task.to_string(), &schema).unwrap_err();
            assert!(matches!(&error, AttestationError::Schema(_)), "{member}: {error}");
        }
    }

    #[test]
    fn a_body_that_no_verifier_reads_is_never_signed() {
        let schema = AttestationSchema::built_in().unwrap();
        let with = |value: &str| body_of(&TASK.replace("9007199254740992", value), &schema);
        for fine in ["-9007199254740992", "0.1", "9007199254740991.0", "1e-400"] {
            let body = with(fine).unwrap();
            assert!(Attested::parse(body.text().as_bytes()).is_ok(), "{fine}");
            assert!(body.text().contains(&format!("\"big\": {fine},")), "as it was written: {fine}");
        }
        for bad in ["9007199254740993", "-9007199254740993", "18446744073709551615", "1e16", "1e400"] {
            let error = with(bad).unwrap_err();
            assert!(matches!(&error, AttestationError::Unreadable(_)), "{bad}: {error}");
            assert_eq!(error.status(), TaskStatus::MalformedPayload, "{bad}");
            assert!(error.to_string().contains("task.payload.big"), "{error}");
        }
        let error = with(&format!("{}{}", "[".repeat(70), "]".repeat(70))).unwrap_err();
        assert!(matches!(&error, AttestationError::Unreadable(StrictError::TooDeep { .. })), "{error}");
    }

    #[test]
    fn another_schema_takes_the_place_of_the_built_in_one() {
        let strict = AttestationSchema::parse(r#"{"properties": {"workerType": {"enum": ["x"]}}}"#).unwrap();
        let error = body_of(TASK, &strict).unwrap_err();
        assert!(matches!(&error, AttestationError::Schema(found) if found.count == 1), "{error}");
        let lax = AttestationSchema::parse("{}").unwrap();
        let queue = TASK.replace("workerType", "taskQueueId");
        assert!(body_of(&queue, &lax).is_ok());
        let error = body_of("{}", &lax).unwrap_err();
        assert!(
            matches!(&error, AttestationError::Refused(found) if found.reason == Reason::Schema),
            "{error}"
        );
        assert_eq!(error.status(), TaskStatus::MalformedPayload);
        assert!(matches!(AttestationSchema::parse("{"), Err(SchemaFileError::Json(_))));
        assert!(matches!(AttestationSchema::parse(r#"{"type": 7}"#), Err(SchemaFileError::Schema(_))));
    }

    #[test]
    fn a_definition_that_is_no_text_is_an_error_of_ours() {
        let schema = AttestationSchema::parse("{}").unwrap();
        let error = body_of(r#"{"payload": "\ud800"}"#, &schema).unwrap_err();
        assert!(matches!(&error, AttestationError::Task(_)), "{error}");
        assert_eq!(error.status(), TaskStatus::InternalError);
    }
}
