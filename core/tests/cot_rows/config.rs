//! The configurations that the folders are judged by, and the keyrings of the classic generation.

use super::judging::shared_config;
use super::release::openpgp_key;
use super::world::Generation;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Every file, by its place below the root.
pub(crate) fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for (name, generation) in [("current", Generation::Current), ("classic", Generation::Classic)] {
        let text = serde_json::to_string_pretty(&configuration(generation)).unwrap() + "\n";
        files.push((Path::new("config").join(format!("{name}.json")), text.into_bytes()));
    }
    for (number, implementation) in [(1, "docker-worker"), (2, "generic-worker"), (3, "scriptworker")] {
        let path = Path::new("config/keyrings").join(implementation).join("worker.asc");
        files.push((path, openpgp_key(number).certificate().to_armored().into_bytes()));
    }
    files
}

/// What a worker needs to start, and what the folders need; `DIR` stands for a directory of the verifier's own.
fn configuration(generation: Generation) -> Value {
    let mut members = Map::from_iter([
        ("taskcluster_root_url".to_owned(), json!("https://taskcluster.example.com")),
        ("provisioner_id".to_owned(), json!("scriptworker-k8s")),
        ("worker_type".to_owned(), json!("gecko-3-signing")),
        ("worker_group".to_owned(), json!("group")),
        ("worker_id".to_owned(), json!("worker")),
        ("work_dir".to_owned(), json!("DIR/work")),
        ("artifact_dir".to_owned(), json!("DIR/artifacts")),
        ("task_log_dir".to_owned(), json!("DIR/artifacts/public/logs")),
        ("log_dir".to_owned(), json!("DIR/log")),
        ("task_script".to_owned(), json!(["true"])),
        ("verify_chain_of_trust".to_owned(), json!(true)),
        ("verify_cot_signature".to_owned(), json!(true)),
        ("sign_chain_of_trust".to_owned(), json!(false)),
        ("cot_product".to_owned(), json!("firefox")),
    ]);
    members.extend(shared_config(generation));
    if generation == Generation::Classic {
        members.insert("base_gpg_home_dir".to_owned(), json!("DIR/keyrings"));
    }
    Value::Object(members)
}
