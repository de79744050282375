//! The effective values with their origin, as `show-config` prints them. Secrets are masked here, before anything
//! can print them.

use super::check::Checked;
use super::credentials::{CredentialsConfig, Source};
use super::environment::Environment;
use super::keys::{BuiltIn, KEYS, KeySpec, RENAMED, State, is_secret};
use super::load::{BUILT_IN, default_value, in_file};
use super::spots::Spots;
use crate::telemetry::printable_json;
use config::{Map, Value, ValueKind};
use serde_json::json;
use std::fmt;

/// What stands for a secret.
const MASK: &str = "***";

/// The effective value of one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The key.
    pub spec: &'static KeySpec,
    /// Its value, secrets masked; `None` where the tables of the policy hold.
    pub value: Option<serde_json::Value>,
    /// Who gave it: `built-in`, `environment variable NAME`, `file line N`, or another file.
    pub origin: String,
    /// Whether it differs from the built-in value; a key without a built-in value never does.
    pub differs: bool,
}

impl Setting {
    /// Whether somebody gave it: it is not the built-in value, even if it is equal to it.
    pub(super) fn is_given(&self) -> bool {
        self.origin != BUILT_IN
    }
}

/// One line of YAML with the origin as a comment; `*` marks what differs.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.differs { "* " } else { "" };
        match &self.value {
            Some(value) => write!(f, "{}: {}  # {mark}{}", self.spec.name, yaml(value), self.origin),
            None => write!(f, "# {}: as the policy has it", self.spec.name),
        }
    }
}

/// JSON is YAML, except for characters that YAML does not take as they are.
fn yaml(value: &serde_json::Value) -> String {
    printable_json(&value.to_string())
}

/// The values of every key that the file has or that its scheme knows.
pub(super) fn settings(
    checked: &Checked,
    merged: Map<String, Value>,
    credentials: Option<&(CredentialsConfig, Source)>,
    spots: &Spots,
    env: &Environment,
) -> Vec<Setting> {
    let given = |name: &str| checked.entries.iter().find(|(spec, _)| spec.name == name);
    // what has an old name is shown under its new one, whichever generation knows that
    let old = |spec: &KeySpec| RENAMED.iter().any(|(old, _)| *old == spec.name);
    let mut settings = Vec::new();
    for spec in KEYS.iter().filter(|spec| !old(spec)) {
        let in_the_file = given(spec.name).is_some();
        if !in_the_file && (!spec.belongs_to(checked.generation) || matches!(spec.state, State::Gone(_))) {
            continue;
        }
        if spec.name == "credentials" {
            settings.extend(credentials.map(|(credentials, source)| Setting {
                spec,
                value: Some(masked(credentials)),
                origin: origin(source, spots),
                differs: false,
            }));
            continue;
        }
        let default = default_value(spec.default, checked.generation, env).ok().flatten().map(to_json);
        let (value, origin) = match (merged.get(spec.name), given(spec.name)) {
            _ if is_secret(spec.name) => match given(spec.name) {
                Some((_, value)) if value.is_truthy() => (Some(json!(MASK)), in_file(spots, spec.name)),
                Some(_) => (Some(json!("")), in_file(spots, spec.name)),
                None => (default.clone(), BUILT_IN.to_owned()),
            },
            (Some(value), given) => {
                // the merge of the `config` crate keeps the origin of what is in a table, not of the table
                let of_table = || given.map_or_else(|| BUILT_IN.to_owned(), |_| in_file(spots, spec.name));
                (Some(to_json(value.kind.clone())), value.origin().map_or_else(of_table, str::to_owned))
            }
            // null in the file does not survive the merge of the `config` crate everywhere
            (None, Some(_)) => (Some(serde_json::Value::Null), in_file(spots, spec.name)),
            (None, None) if spec.default == BuiltIn::Policy => (None, BUILT_IN.to_owned()),
            (None, None) if spec.default == BuiltIn::MustBeGiven => continue,
            (None, None) => (Some(serde_json::Value::Null), BUILT_IN.to_owned()),
        };
        let differs = match spec.default {
            BuiltIn::MustBeGiven => false,
            BuiltIn::Policy => value.is_some(),
            _ => value != Some(default.unwrap_or_default()),
        };
        settings.push(Setting { spec, value, origin, differs });
    }
    settings
}

fn masked(credentials: &CredentialsConfig) -> serde_json::Value {
    let mut shown = json!({ "clientId": credentials.client_id, "accessToken": MASK });
    if credentials.certificate.is_some()
        && let Some(shown) = shown.as_object_mut()
    {
        shown.insert("certificate".to_owned(), json!(MASK));
    }
    shown
}

fn origin(source: &Source, spots: &Spots) -> String {
    match source {
        Source::Config => in_file(spots, "credentials"),
        Source::File(path) => format!("file {}", path.display()).escape_debug().to_string(),
        Source::Variables => {
            "environment variables TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN".to_owned()
        }
    }
}

fn to_json(kind: ValueKind) -> serde_json::Value {
    match kind {
        ValueKind::Nil => serde_json::Value::Null,
        ValueKind::Boolean(value) => value.into(),
        ValueKind::I64(value) => value.into(),
        ValueKind::U64(value) => value.into(),
        // beyond 64 bits only where any value is accepted
        ValueKind::I128(value) => i64::try_from(value).map_or_else(|_| value.to_string().into(), Into::into),
        ValueKind::U128(value) => u64::try_from(value).map_or_else(|_| value.to_string().into(), Into::into),
        ValueKind::Float(value) => value.into(),
        ValueKind::String(text) => text.into(),
        ValueKind::Table(table) => table.into_iter().map(|(key, value)| (key, to_json(value.kind))).collect(),
        ValueKind::Array(items) => items.into_iter().map(|item| to_json(item.kind)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_holds_its_line_stays_one_line_of_yaml() {
        let value = json!({"a": "x\n# y\u{7f}\u{85}\u{2028}\u{feff} ä \"", "b": [1, -2, 1.5, null, true]});
        let text = yaml(&value);
        assert_eq!(text.lines().count(), 1, "{text}");
        let back: serde_json::Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!(back, value);
    }
}
