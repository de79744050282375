//! What the worker itself needs from a task definition (worker.md 5.1): everything else is the script's business.

use serde_json::Value;

/// The largest `maxRunTime` that is taken at its word: a year. More is a mistake, and would overflow nobody's timer.
const LONGEST_RUN_TIME_S: i64 = 366 * 24 * 3600;

/// What a runnable task says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskTerms {
    /// `payload.maxRunTime` in seconds; zero or negative means an immediate time-out. `None`: not given.
    pub max_run_time_s: Option<i64>,
}

/// Why a task cannot be run as it is written: always reported as `malformed-payload`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedTask {
    /// The definition, or a part of it, is missing or of another type.
    #[error("the task definition's {path} must be {expected}, found {found}")]
    WrongType {
        /// Where, as a path of keys.
        path: String,
        /// The type that belongs there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// An upstream artifact path leaves its directory.
    #[error(
        "payload.upstreamArtifacts[{index}] names the path {path:?}: a path must be relative and may not contain '..'"
    )]
    IllegalPath {
        /// Which entry.
        index: usize,
        /// The path.
        path: String,
    },
    /// A pattern where a pattern may match nothing unnoticed.
    #[error(
        "payload.upstreamArtifacts[{index}] uses the pattern {path:?}: only an entry with 'optional: true' may use '*'"
    )]
    PatternNotOptional {
        /// Which entry.
        index: usize,
        /// The pattern.
        path: String,
    },
}

impl TaskTerms {
    /// Checks a task definition as claimed.
    ///
    /// Rules (worker.md 5.1): `payload` is an object; `payload.maxRunTime`, if present and not null, an integer; no
    /// path of `payload.upstreamArtifacts` is absolute or contains `..`; patterns only in optional entries.
    pub fn check(definition: &Value) -> Result<Self, MalformedTask> {
        let payload = match definition.get("payload") {
            Some(Value::Object(payload)) => payload,
            other => return Err(wrong_type("payload", "an object", other)),
        };
        let max_run_time_s = match payload.get("maxRunTime") {
            None | Some(Value::Null) => None,
            Some(value) => match value.as_i64() {
                Some(seconds) => Some(seconds.min(LONGEST_RUN_TIME_S)),
                None => return Err(wrong_type("payload.maxRunTime", "an integer (seconds)", Some(value))),
            },
        };
        if let Some(upstream) = payload.get("upstreamArtifacts") {
            check_upstream(upstream)?;
        }
        Ok(Self { max_run_time_s })
    }

    /// How long the script may run, in milliseconds: the smaller of the configured limit and `maxRunTime`.
    pub fn limit_ms(&self, task_max_timeout_s: u64) -> u64 {
        let own = self.max_run_time_s.map(|seconds| u64::try_from(seconds).unwrap_or(0));
        own.unwrap_or(u64::MAX).min(task_max_timeout_s).saturating_mul(1000)
    }
}

fn check_upstream(upstream: &Value) -> Result<(), MalformedTask> {
    let Value::Array(entries) = upstream else {
        return Err(wrong_type("payload.upstreamArtifacts", "a list", Some(upstream)));
    };
    for (index, entry) in entries.iter().enumerate() {
        let at = || format!("payload.upstreamArtifacts[{index}]");
        if !entry.is_object() {
            return Err(wrong_type(&at(), "an object", Some(entry)));
        }
        let Some(Value::Array(paths)) = entry.get("paths") else {
            return Err(wrong_type(&format!("{}.paths", at()), "a list of texts", entry.get("paths")));
        };
        let optional = entry.get("optional") == Some(&Value::Bool(true));
        for path in paths {
            let Value::String(path) = path else {
                return Err(wrong_type(&format!("{}.paths", at()), "a list of texts", Some(path)));
            };
            if path.starts_with('/') || path.contains("..") {
                return Err(MalformedTask::IllegalPath { index, path: path.clone() });
            }
            if path.contains('*') && !optional {
                return Err(MalformedTask::PatternNotOptional { index, path: path.clone() });
            }
        }
    }
    Ok(())
}

fn wrong_type(path: &str, expected: &'static str, found: Option<&Value>) -> MalformedTask {
    let found = match found {
        None => "nothing".to_owned(),
        Some(value) => value.to_string().chars().take(80).collect(),
    };
    MalformedTask::WrongType { path: path.to_owned(), expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn takes_the_smaller_limit() {
        for (payload, limit_ms) in [
            (json!({}), 1_200_000),
            (json!({"maxRunTime": null}), 1_200_000),
            (json!({"maxRunTime": 60}), 60_000),
            (json!({"maxRunTime": 9999}), 1_200_000),
            (json!({"maxRunTime": 0}), 0),
            (json!({"maxRunTime": -5}), 0),
            (json!({"maxRunTime": i64::MAX}), 1_200_000),
        ] {
            let terms = TaskTerms::check(&json!({ "payload": payload })).unwrap();
            assert_eq!(terms.limit_ms(1200), limit_ms, "{payload}");
        }
    }

    #[test]
    fn names_what_is_malformed() {
        let path_of = |definition: Value| match TaskTerms::check(&definition).unwrap_err() {
            MalformedTask::WrongType { path, .. } => path,
            MalformedTask::IllegalPath { path, .. } => format!("illegal {path}"),
            MalformedTask::PatternNotOptional { path, .. } => format!("pattern {path}"),
        };
        let upstream = |entry: Value| json!({"payload": {"upstreamArtifacts": [entry]}});
        for (definition, expected) in [
            (json!({}), "payload"),
            (json!([]), "payload"),
            (json!({"payload": []}), "payload"),
            (json!({"payload": {"maxRunTime": "60"}}), "payload.maxRunTime"),
            (json!({"payload": {"maxRunTime": 1.5}}), "payload.maxRunTime"),
            (json!({"payload": {"maxRunTime": true}}), "payload.maxRunTime"),
            (json!({"payload": {"upstreamArtifacts": {}}}), "payload.upstreamArtifacts"),
            (upstream(json!("x")), "payload.upstreamArtifacts[0]"),
            (upstream(json!({})), "payload.upstreamArtifacts[0].paths"),
            (upstream(json!({"paths": [1]})), "payload.upstreamArtifacts[0].paths"),
            (upstream(json!({"paths": ["/etc/passwd"]})), "illegal /etc/passwd"),
            (upstream(json!({"paths": ["public/../x"]})), "illegal public/../x"),
            (upstream(json!({"paths": ["public/*"]})), "pattern public/*"),
            (upstream(json!({"paths": ["public/*"], "optional": 1})), "pattern public/*"),
        ] {
            assert_eq!(path_of(definition.clone()), expected, "{definition}");
        }
    }

    #[test]
    fn accepts_patterns_in_optional_entries() {
        let definition =
            json!({"payload": {"upstreamArtifacts": [{"paths": ["public/*"], "optional": true}]}});
        assert!(TaskTerms::check(&definition).is_ok());
    }
}
