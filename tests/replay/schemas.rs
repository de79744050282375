//! The published JSON schemas, where they are at hand.

use jsonschema::{Draft, Registry, Validator};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What the schemas' relative ids are resolved against.
const BASE: &str = "http://taskcluster.invalid";

/// The schemas of answers by the name of the call.
pub(crate) struct Schemas(HashMap<String, Validator>);

impl Schemas {
    /// `None`: they are not there.
    pub(crate) fn load() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/taskcluster-reference");
        if !root.is_dir() {
            return None;
        }
        let mut all = HashMap::new();
        for service in ["queue", "object", "auth"] {
            let directory = root.join("schemas").join(service).join("v1");
            for entry in std::fs::read_dir(directory).unwrap() {
                let schema = localized(&entry.unwrap().path());
                all.insert(schema["$id"].as_str().unwrap().to_owned(), schema);
            }
        }
        let mut registry = Registry::new().draft(Draft::Draft6);
        for (id, schema) in &all {
            registry = registry.add(id.clone(), schema.clone()).unwrap();
        }
        let registry = registry.prepare().unwrap();
        let mut validators = HashMap::new();
        for service in ["queue", "object", "auth"] {
            let api = json_file(&root.join("references").join(service).join("v1/api.json"));
            for entry in api["entries"].as_array().unwrap() {
                let (Some(name), Some(output)) = (entry["name"].as_str(), entry["output"].as_str()) else {
                    continue;
                };
                let id = format!("{BASE}/schemas/{service}/{}", output.trim_end_matches('#'));
                let Some(schema) = all.get(&id) else { continue };
                let validator = jsonschema::options()
                    .with_draft(Draft::Draft6)
                    .should_validate_formats(true)
                    .with_registry(&registry)
                    .build(schema)
                    .unwrap_or_else(|error| panic!("{id}: {error}"));
                validators.insert(name.to_owned(), validator);
            }
        }
        Some(Self(validators))
    }

    /// What is wrong with an answer; `None` if there is no schema for the call.
    pub(crate) fn check(&self, call: &str, answer: &Value) -> Option<Vec<String>> {
        let validator = self.0.get(call)?;
        Some(
            validator
                .iter_errors(answer)
                .map(|error| format!("{error} at {}", error.instance_path()))
                .collect(),
        )
    }
}

fn json_file(path: &PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A schema whose id is absolute and whose meta-schema is the standard one.
fn localized(path: &PathBuf) -> Value {
    let mut schema = json_file(path);
    let id = format!("{BASE}{}", schema["$id"].as_str().unwrap().trim_end_matches('#'));
    let object = schema.as_object_mut().unwrap();
    object.insert("$id".to_owned(), Value::String(id));
    object.insert("$schema".to_owned(), Value::String("http://json-schema.org/draft-06/schema#".to_owned()));
    schema
}
