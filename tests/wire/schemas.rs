//! The schemas that Taskcluster publishes for the bodies of requests.

#[path = "../support/skip.rs"]
mod skip;

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Where the published references are: `TASKCLUSTER_REFERENCE`, or beside the project.
pub struct Schemas {
    folder: PathBuf,
    known: RefCell<BTreeMap<&'static str, Option<Rc<Validator>>>>,
}

impl Schemas {
    /// `None`, with a line that says so, where they are absent.
    pub fn find() -> Option<Self> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/taskcluster-reference");
        let folder = std::env::var_os("TASKCLUSTER_REFERENCE").map_or(beside, PathBuf::from);
        if folder.join("schemas").is_dir() {
            return Some(Self { folder, known: RefCell::default() });
        }
        skip::skip(&format!("request bodies are not validated, {folder:?} is absent"));
        None
    }

    /// The validator of a call's request body, by the service's own reference; `None` for a call without one.
    pub fn of_call(&self, service: &str, call: &'static str) -> Option<Rc<Validator>> {
        self.known.borrow_mut().entry(call).or_insert_with(|| self.load(service, call)).clone()
    }

    fn load(&self, service: &str, call: &str) -> Option<Rc<Validator>> {
        let reference = read(&self.folder.join(format!("references/{service}/v1/api.json")));
        let entries = reference["entries"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["name"] == call).unwrap_or_else(|| panic!("{call}"));
        let input = entry["input"].as_str()?.trim_end_matches('#');
        let root = serde_json::json!({ "$ref": format!("json-schema:///schemas/{service}/{input}") });
        let retriever = Files(self.folder.clone());
        Some(Rc::new(jsonschema::options().with_retriever(retriever).build(&root).unwrap()))
    }
}

struct Files(PathBuf);

impl Retrieve for Files {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let path = uri.path().as_str();
        let mut schema = read(&self.0.join(path.trim_start_matches('/')));
        // The ids are relative to a deployment, and the meta-schema is one of its own.
        let members = schema.as_object_mut().ok_or("no object")?;
        members.remove("$schema");
        members.insert("$id".to_owned(), format!("json-schema://{path}").into());
        Ok(schema)
    }
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap()
}
