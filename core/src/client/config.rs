//! A script's own configuration: defaults overlaid with its file (client.md 1 and 3).

use super::task::type_name;
use crate::run::TaskStatus;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::Path;

/// What is wrong with a script's configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file holds something else than keys and values.
    #[error("the script's configuration must be a map, found {found}")]
    NotAMap {
        /// The type that it is.
        found: &'static str,
    },
    /// A key is missing or its value is of another type.
    #[error("the script's configuration needs {expected} under {key:?}, found {found}")]
    Key {
        /// The key; dots descend.
        key: String,
        /// What belongs there.
        expected: &'static str,
        /// The type that stands there.
        found: &'static str,
    },
    /// The configuration does not fit the type that the script wants it in.
    #[error("the script's configuration does not fit: {0}")]
    Shape(#[from] serde_json::Error),
}

impl ConfigError {
    /// Whoever deployed the script is to blame, not the task: a plain failure.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::NotAMap { .. } | Self::Key { .. } | Self::Shape(_) => TaskStatus::Failure,
        }
    }
}

/// The configuration of a script: its own keys, and the few that the contract knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptConfig(Map<String, Value>);

impl ScriptConfig {
    /// The content of the file over the defaults: a key of the file replaces the whole default.
    pub fn overlay(defaults: Map<String, Value>, file: Value) -> Result<Self, ConfigError> {
        let mut values = defaults;
        match file {
            Value::Object(file) => values.extend(file),
            other => return Err(ConfigError::NotAMap { found: type_name(Some(&other)) }),
        }
        Ok(Self(values))
    }

    /// All keys.
    pub fn values(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The value of a key. Dots descend, as in `schema_files.beta`.
    pub fn lookup(&self, key: &str) -> Option<&Value> {
        let mut parts = key.split('.');
        let first = self.0.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// The text of a key. Dots descend.
    pub fn text(&self, key: &str) -> Result<&str, ConfigError> {
        match self.lookup(key) {
            Some(Value::String(text)) => Ok(text),
            other => {
                Err(ConfigError::Key { key: key.to_owned(), expected: "a text", found: type_name(other) })
            }
        }
    }

    /// Where the task, its upstream artifacts and the script's scratch files are.
    pub fn work_dir(&self) -> Result<&Path, ConfigError> {
        self.text("work_dir").map(Path::new)
    }

    /// What is there at the end is uploaded.
    pub fn artifact_dir(&self) -> Result<&Path, ConfigError> {
        self.text("artifact_dir").map(Path::new)
    }

    /// Whether to log at length: whether `verbose` is neither missing nor false, null, zero or empty.
    pub fn verbose(&self) -> bool {
        match self.0.get("verbose") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(verbose)) => *verbose,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::Object(map)) => !map.is_empty(),
        }
    }

    /// All of it as a type of the script's own.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        Ok(T::deserialize(Value::Object(self.0.clone()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn overlay(defaults: Value, file: Value) -> Result<ScriptConfig, ConfigError> {
        let Value::Object(defaults) = defaults else { panic!("defaults are a map") };
        ScriptConfig::overlay(defaults, file)
    }

    #[test]
    fn the_file_replaces_whole_defaults() {
        let config = overlay(
            json!({"work_dir": "/a", "map": {"x": 1}, "kept": true}),
            json!({"work_dir": "/b", "map": {"y": 2}}),
        )
        .unwrap();
        assert_eq!(config.work_dir().unwrap(), Path::new("/b"));
        assert_eq!(
            Value::Object(config.values().clone()),
            json!({"work_dir": "/b", "map": {"y": 2}, "kept": true})
        );
    }

    #[test]
    fn dots_descend() {
        let config = overlay(json!({}), json!({"schema_files": {"a": "/a.json"}, "list": ["x"]})).unwrap();
        assert_eq!(config.text("schema_files.a").unwrap(), "/a.json");
        for (key, found) in [
            ("schema_files", "an object"),
            ("schema_files.b", "nothing"),
            ("list.0", "nothing"),
            ("", "nothing"),
        ] {
            let error = config.text(key).unwrap_err();
            assert!(error.to_string().ends_with(&format!("found {found}")), "{error}");
            assert_eq!(error.status(), TaskStatus::Failure);
        }
    }

    #[test]
    fn verbose_is_as_true_as_python_says() {
        for (value, verbose) in [
            (json!(true), true),
            (json!(false), false),
            (json!(null), false),
            (json!(0), false),
            (json!(1), true),
            (json!(""), false),
            (json!("no"), true),
            (json!([]), false),
            (json!({"a": 1}), true),
        ] {
            assert_eq!(overlay(json!({}), json!({"verbose": value})).unwrap().verbose(), verbose, "{value}");
        }
        assert!(!overlay(json!({}), json!({})).unwrap().verbose());
    }

    #[test]
    fn a_script_may_have_a_type_of_its_own() {
        #[derive(serde::Deserialize)]
        struct Own {
            work_dir: String,
            level: u8,
        }
        let config = overlay(json!({"level": 3}), json!({"work_dir": "w", "other": 1})).unwrap();
        let own: Own = config.read().unwrap();
        assert_eq!((own.work_dir.as_str(), own.level), ("w", 3));
        let config = overlay(json!({}), json!({"work_dir": "w"})).unwrap();
        assert!(matches!(config.read::<Own>(), Err(ConfigError::Shape(_))));
        assert!(matches!(overlay(json!({}), json!([])), Err(ConfigError::NotAMap { found: "a list" })));
    }
}
