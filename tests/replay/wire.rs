//! The recordings, and facts found in them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use scriptworker_core::time::UnixMillis;
use serde_json::Value;
use std::path::Path;

pub(crate) const WORKER: (&str, &str) =
    ("static/test/worker", "throwaway-worker-token-000000000000000000000");
pub(crate) const CREATOR: (&str, &str) =
    ("static/test/creator", "throwaway-creator-token-00000000000000000000");
pub(crate) const ROOT: (&str, &str) =
    ("static/taskcluster/root", "throwaway-root-token-00000000000000000000000");
pub(crate) const NOSCOPES: (&str, &str) =
    ("static/test/noscopes", "throwaway-noscopes-token-0000000000000000000");
pub(crate) const QUEUE: (&str, &str) =
    ("static/taskcluster/queue", "throwaway-queue-token-0000000000000000000000");

/// The token of a client of the recorded deployment.
pub(crate) fn token(client_id: &str) -> Option<&'static str> {
    [WORKER, CREATOR, ROOT, NOSCOPES, QUEUE]
        .into_iter()
        .find(|(id, _)| *id == client_id)
        .map(|(_, token)| token)
}

/// One file.
pub(crate) struct Recording {
    pub(crate) file: String,
    pub(crate) recorded_at: UnixMillis,
    pub(crate) exchanges: Vec<Exchange>,
}

/// One request with its answer.
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// Milliseconds after the claim, in the conversations of upstream workers.
    pub(crate) after_claim: Option<i64>,
    pub(crate) status: u16,
    pub(crate) answer_headers: Vec<(String, String)>,
    pub(crate) answer_json: Option<Value>,
    pub(crate) answer_bytes: Option<Vec<u8>>,
}

/// A parsed recorded `Authorization` header.
pub(crate) struct RecordedHawk {
    pub(crate) id: String,
    pub(crate) ts: i64,
    pub(crate) nonce: String,
    pub(crate) mac: Vec<u8>,
    pub(crate) hash: Option<Vec<u8>>,
    pub(crate) ext_text: Option<String>,
    pub(crate) ext: Value,
}

impl Exchange {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn answer_header(&self, name: &str) -> Option<&str> {
        self.answer_headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        let start = self.url.match_indices('/').nth(2).unwrap().0;
        &self.url[start..]
    }

    pub(crate) fn hawk(&self) -> Option<RecordedHawk> {
        let text = self.header("authorization")?.strip_prefix("Hawk ")?;
        let find = |name: &str| {
            let attribute = text.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix("=\""))?;
            Some(attribute.strip_suffix('"')?.to_owned())
        };
        let ext_text = find("ext");
        let ext = ext_text.as_deref().and_then(|text| {
            let plain = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(plain).ok()?).ok()
        });
        Some(RecordedHawk {
            id: find("id")?,
            ts: find("ts")?.parse().unwrap(),
            nonce: find("nonce")?,
            mac: STANDARD.decode(find("mac")?).unwrap(),
            hash: find("hash").map(|hash| STANDARD.decode(hash).unwrap()),
            ext_text,
            ext: ext.unwrap_or(Value::Null),
        })
    }
}

fn headers(json: &Value) -> Vec<(String, String)> {
    let all = json.as_object().unwrap();
    all.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().unwrap().to_owned())).collect()
}

fn bytes(body: &Value) -> Option<Vec<u8>> {
    if let Some(json) = body.get("json") {
        return Some(json.to_string().into_bytes());
    }
    match (body.get("text"), body.get("base64")) {
        (Some(text), _) => Some(text.as_str().unwrap().as_bytes().to_vec()),
        (_, Some(base64)) => Some(STANDARD.decode(base64.as_str().unwrap()).unwrap()),
        _ => None,
    }
}

/// Every recording, in order.
pub(crate) fn load() -> Vec<Recording> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    files.sort();
    assert!(files.len() > 200, "the recordings are not complete: {} files", files.len());
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(directory.join(&file)).unwrap();
            let json: Value = serde_json::from_str(&text).unwrap();
            let exchanges = json["exchanges"].as_array().unwrap().iter().map(exchange).collect();
            let recorded_at = UnixMillis::parse(json["recordedAt"].as_str().unwrap()).unwrap();
            Recording { file, recorded_at, exchanges }
        })
        .collect()
}

fn exchange(json: &Value) -> Exchange {
    let (request, response) = (&json["request"], &json["response"]);
    Exchange {
        method: request["method"].as_str().unwrap().to_owned(),
        url: request["url"].as_str().unwrap().to_owned(),
        headers: headers(&request["headers"]),
        body: bytes(&request["body"]),
        after_claim: json["secondsAfterClaim"].as_f64().map(|seconds| (seconds * 1000.0).round() as i64),
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        answer_headers: headers(&response["headers"]),
        answer_json: response["body"].get("json").cloned(),
        answer_bytes: bytes(&response["body"]),
    }
}

/// Every value below this one, itself included.
pub(crate) fn walk<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Array(list) => list.iter().for_each(|value| walk(value, visit)),
        Value::Object(object) => object.values().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

/// The first status structure of a task anywhere in the recordings.
pub(crate) fn first_status<'a>(recordings: &'a [Recording], task_id: &str) -> Option<&'a Value> {
    let mut found = None;
    for exchange in recordings.iter().flat_map(|recording| &recording.exchanges) {
        let Some(json) = &exchange.answer_json else { continue };
        walk(json, &mut |value| {
            if found.is_none() && value["taskId"] == task_id && value.get("runs").is_some() {
                found = Some(value);
            }
        });
    }
    found
}

/// A task's definition as some recorded claim shows it.
pub(crate) fn definition<'a>(recordings: &'a [Recording], task_id: &str) -> Option<&'a Value> {
    let mut found = None;
    for exchange in recordings.iter().flat_map(|recording| &recording.exchanges) {
        let Some(json) = &exchange.answer_json else { continue };
        walk(json, &mut |value| {
            if value["status"]["taskId"] == task_id && value.get("task").is_some() {
                found = found.or(Some(&value["task"]));
            }
        });
    }
    found
}

/// Whether the recorded queue said that there is no such task.
pub(crate) fn never_existed(recordings: &[Recording], task_id: &str) -> bool {
    recordings.iter().flat_map(|recording| &recording.exchanges).any(|exchange| {
        let message =
            exchange.answer_json.as_ref().and_then(|json| json["message"].as_str()).unwrap_or_default();
        exchange.target().contains(task_id)
            && ["Task not found", "Are you sure it", "Are you sure this task"]
                .iter()
                .any(|text| message.contains(text))
    })
}
