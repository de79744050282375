//! The replay: one recorded exchange after the other against an embedded queue, whose clock follows the recording.

use crate::client::{Answer, Request};
use crate::sign::{self, Creds, Signed};
use crate::wire::{self, Exchange, Recording};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, TimeDelta};
use scriptworker::embedded_queue::{ClientGrant, EmbeddedQueue, ManualClock, Options};
use scriptworker_core::ids::TaskId;
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// A queue, and what its answers have to do with the recorded ones.
pub(crate) struct Replay<'a> {
    pub(crate) recordings: &'a [Recording],
    pub(crate) queue: EmbeddedQueue,
    pub(crate) clock: Arc<ManualClock>,
    /// From recorded dates to dates of the replay, in milliseconds.
    pub(crate) delta: i64,
    /// Temporary credentials by the client id that was recorded.
    creds: HashMap<String, Creds>,
    /// The newest credentials of a run, by `<taskId>/<runId>`.
    of_run: HashMap<String, Creds>,
    /// Other texts of recorded answers: upload ids, URLs, continuation tokens.
    texts: HashMap<String, String>,
    known: HashSet<String>,
}

fn grant((id, token): (&str, &str), scopes: &[&str]) -> ClientGrant {
    ClientGrant {
        client_id: id.to_owned(),
        access_token: Secret::new(token),
        scopes: scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect(),
    }
}

/// Options with the clients of the recorded deployment; resolvers run only when told.
pub(crate) fn options(clock: Arc<ManualClock>) -> Options {
    Options {
        clients: vec![
            grant(
                wire::WORKER,
                &["queue:claim-work:test-dummy-provisioner/*", "queue:worker-id:test-dummy-workers/*"],
            ),
            grant(
                wire::CREATOR,
                &[
                    "queue:create-task:*",
                    "queue:scheduler-id:*",
                    "queue:cancel-task:*",
                    "queue:rerun-task:*",
                    "queue:get-artifact:*",
                    "queue:list-artifacts:*",
                    "test-dummy:*",
                ],
            ),
            grant(wire::ROOT, &["*"]),
            grant(wire::NOSCOPES, &[]),
        ],
        issuer: grant(wire::QUEUE, &["*"]),
        long_poll: Duration::from_millis(300),
        claim_resolver_interval: HOUR,
        deadline_resolver_interval: HOUR,
        clock,
        ..Options::default()
    }
}

impl<'a> Replay<'a> {
    pub(crate) fn new(
        recordings: &'a [Recording],
        clock: Arc<ManualClock>,
        delta: i64,
        options: Options,
    ) -> Self {
        let queue = EmbeddedQueue::start(options).unwrap();
        let (creds, of_run, texts, known) = Default::default();
        Self { recordings, queue, clock, delta, creds, of_run, texts, known }
    }

    pub(crate) fn address(&self) -> String {
        self.queue.root_url().strip_prefix("http://").unwrap().to_owned()
    }

    /// The replay's date for a recorded one.
    pub(crate) fn at(&self, recorded: UnixMillis) -> UnixMillis {
        recorded.plus(self.delta)
    }

    pub(crate) fn now(&self) -> UnixMillis {
        scriptworker::embedded_queue::Clock::now(&*self.clock)
    }

    /// Sends a signed request that was not recorded.
    pub(crate) fn call(&self, creds: &Creds, method: &str, target: &str, body: Option<Value>) -> Answer {
        let bytes = body.as_ref().map(Value::to_string).unwrap_or_default();
        let content_type = if body.is_some() { "application/json" } else { "" };
        let signed = Signed {
            method,
            target,
            address: &self.address(),
            at: self.now().0,
            hash: Some(sign::hash(content_type, bytes.as_bytes())),
        };
        let mut request =
            Request::new(method, target).header("authorization", &sign::header(creds, None, &signed));
        if let Some(body) = &body {
            request = request.json(body);
        }
        request.send(&self.address()).unwrap()
    }

    pub(crate) fn call_as_root(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        self.call(&Creds::permanent(wire::ROOT.0, wire::ROOT.1), method, target, body)
    }

    /// Makes a task that the recording uses but does not create, as far as the recordings know it.
    pub(crate) fn ensure_task(&mut self, task_id: &str) {
        if !self.known.insert(task_id.to_owned()) {
            return;
        }
        let id = TaskId::parse(task_id).unwrap();
        let status = wire::first_status(self.recordings, task_id).cloned().unwrap_or_default();
        let mut definition = wire::definition(self.recordings, task_id).cloned().unwrap_or_else(|| {
            json!({
                "provisionerId": "test-dummy-provisioner", "workerType": "dummy-worker-myname",
                "schedulerId": "test-scheduler", "priority": "low", "payload": {"command": ["true"]},
                "metadata": {"name": "n", "description": "d", "owner": "o", "source": "https://example.com/source"},
            })
        });
        let runs = status["runs"].as_array().map_or(1, Vec::len).max(1);
        if let Some(left) = status["retriesLeft"].as_u64() {
            let rerun = status["runs"].to_string().contains("\"rerun\"");
            definition["retries"] = json!(left + if rerun { 0 } else { runs as u64 - 1 });
        }
        let date = |key: &str| status[key].as_str().map(|text| self.at(UnixMillis::parse(text).unwrap()));
        let now = self.now();
        let deadline = date("deadline").unwrap_or_else(|| now.plus(3_600_000));
        // A task whose deadline has passed by now was made before that.
        let made = if deadline <= now { deadline.plus(-6000) } else { now };
        self.clock.set(made);
        definition["created"] = json!(made);
        definition["deadline"] = json!(deadline);
        definition["expires"] = json!(date("expires").unwrap_or_else(|| now.plus(2 * 86_400_000)));
        self.queue.create_task(&id, definition).unwrap_or_else(|error| panic!("{task_id}: {error}"));
        if deadline <= now {
            self.claim(task_id, "0", "test-dummy-workers", "worker1");
        }
        self.clock.set(now);
    }

    /// Claims a run for a worker by the deprecated call that names the run.
    pub(crate) fn claim(&mut self, task_id: &str, run_id: &str, group: &str, worker: &str) -> Creds {
        let answer = self.call_as_root(
            "POST",
            &format!("/api/queue/v1/task/{task_id}/runs/{run_id}/claim"),
            Some(json!({"workerGroup": group, "workerId": worker})),
        );
        assert_eq!(
            answer.status,
            200,
            "claim of {task_id}/{run_id}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        let creds = Creds::from_json(&answer.json().unwrap()["credentials"]).unwrap();
        self.of_run.insert(format!("{task_id}/{run_id}"), creds.clone());
        creds
    }

    /// The credentials in the place of the recorded temporary ones.
    pub(crate) fn creds(&mut self, recorded_id: &str) -> Creds {
        if let Some(token) = wire::token(recorded_id) {
            return Creds::permanent(recorded_id, token);
        }
        if let Some(creds) = self.creds.get(recorded_id) {
            return creds.clone();
        }
        let parts: Vec<&str> = recorded_id.split('/').collect();
        let ["task-client", task_id, run_id, "on", group, worker, "until", _] = parts[..] else {
            return Creds::permanent(recorded_id, "a token of nobody");
        };
        let creds = match self.of_run.get(&format!("{task_id}/{run_id}")) {
            Some(creds) => creds.clone(),
            None => {
                self.ensure_task(task_id);
                self.claim(task_id, run_id, group, worker)
            }
        };
        self.creds.insert(recorded_id.to_owned(), creds.clone());
        creds
    }

    /// Brings the queue to where the recorded one was before this exchange.
    pub(crate) fn prepare(&mut self, exchange: &Exchange) {
        let target = exchange.target().to_owned();
        let json = exchange.answer_json.clone().unwrap_or_default();
        for claim in json["tasks"].as_array().into_iter().flatten() {
            self.ensure_task(claim["status"]["taskId"].as_str().unwrap());
        }
        let Some(task_id) = target.strip_prefix("/api/queue/v1/task/").and_then(|rest| rest.get(..22)) else {
            return;
        };
        if TaskId::parse(task_id).is_err() || wire::never_existed(self.recordings, task_id) {
            return;
        }
        if exchange.method == "PUT" && target.ends_with(task_id) {
            if exchange.status == 200 {
                self.known.insert(task_id.to_owned());
            }
            return;
        }
        let new = !self.known.contains(task_id);
        self.ensure_task(task_id);
        let first_run = &json["status"]["runs"][0];
        if new
            && let Some(worker) = first_run["workerId"].as_str()
            && !self.of_run.contains_key(&format!("{task_id}/0"))
        {
            self.claim(task_id, "0", first_run["workerGroup"].as_str().unwrap(), worker);
        }
    }

    /// Sends a recorded request as it has to be now, and learns from the answer.
    pub(crate) fn send(&mut self, exchange: &Exchange, recorded_at: UnixMillis) -> Answer {
        let request = self.request(exchange, recorded_at);
        let answer = request.send(&self.address()).expect("no answer");
        self.learn(exchange, &answer);
        answer
    }

    /// A recorded request as it has to be now.
    pub(crate) fn request(&mut self, exchange: &Exchange, recorded_at: UnixMillis) -> Request {
        let target = self.target(exchange);
        let body = exchange.body.as_ref().map(|body| self.body(body));
        let mut request = Request::new(&exchange.method, &target);
        for name in ["content-type", "content-encoding"] {
            if let Some(value) = exchange.header(name) {
                request = request.header(name, value);
            }
        }
        let sized = exchange.header("content-length").is_some();
        request.body = body.clone().or_else(|| sized.then(Vec::new));
        match (exchange.hawk(), exchange.header("authorization")) {
            (Some(hawk), _) => {
                let header = self.authorization(exchange, &hawk, &target, body.as_deref(), recorded_at);
                request.header("authorization", &header)
            }
            (None, Some(other)) => request.header("authorization", other),
            (None, None) => request,
        }
    }

    fn target(&mut self, exchange: &Exchange) -> String {
        if let Some(url) = self.texts.get(&plain(&exchange.url)) {
            return url.strip_prefix(&self.queue.root_url()).expect("a URL of another host").to_owned();
        }
        let target = exchange.target();
        if let Some((path, token)) = target.split_once("continuationToken=") {
            return format!("{path}continuationToken={}", self.texts.get(token).expect("an unknown token"));
        }
        let Some((path, bewit)) = target.split_once("?bewit=") else { return target.to_owned() };
        let recorded = String::from_utf8(URL_SAFE_NO_PAD.decode(bewit).unwrap()).unwrap();
        let parts: Vec<&str> = recorded.split('\\').collect();
        let expires = parts[1].parse::<i64>().unwrap() + self.delta / 1000;
        let creds = self.creds(parts[0]);
        let address = self.address();
        let signed = Signed { method: "GET", target: path, address: &address, at: 0, hash: None };
        format!("{path}?bewit={}", sign::bewit(&creds, &signed, expires.unsigned_abs()))
    }

    /// A body with dates moved and texts replaced; a body that is no JSON stays as it is.
    fn body(&self, body: &[u8]) -> Vec<u8> {
        let Ok(mut json) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
        let before = json.clone();
        self.adapt(&mut json);
        if json == before { body.to_vec() } else { json.to_string().into_bytes() }
    }

    fn adapt(&self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.adapt(value)),
            Value::Object(object) => object.values_mut().for_each(|value| self.adapt(value)),
            Value::String(text) => {
                if let Some(other) = self.texts.get(text) {
                    text.clone_from(other);
                } else if let Ok(date) = DateTime::parse_from_rfc3339(text) {
                    let moved = date + TimeDelta::milliseconds(self.delta);
                    *text = moved.to_rfc3339_opts(SecondsFormat::Micros, text.ends_with('Z'));
                }
            }
            _ => {}
        }
    }

    /// Walks both answers side by side and keeps what stands where the recorded credentials, URLs and ids stood.
    fn learn(&mut self, exchange: &Exchange, answer: &Answer) {
        if let (Some(recorded), Some(came)) = (exchange.answer_header("location"), answer.header("location"))
        {
            self.texts.insert(plain(recorded), came.to_owned());
        }
        if let (Some(recorded), Some(came)) = (&exchange.answer_json, answer.json()) {
            self.pair(recorded, &came);
        }
    }

    fn pair(&mut self, recorded: &Value, came: &Value) {
        match (recorded, came) {
            (Value::Array(recorded), Value::Array(came)) => {
                recorded.iter().zip(came).for_each(|(recorded, came)| self.pair(recorded, came));
            }
            (Value::Object(recorded_object), Value::Object(came_object)) => {
                if let (Some(old), Some(new)) = (Creds::from_json(recorded), Creds::from_json(came)) {
                    if let ["task-client", task, run, ..] = old.client_id.split('/').collect::<Vec<_>>()[..] {
                        self.of_run.insert(format!("{task}/{run}"), new.clone());
                    }
                    self.creds.insert(old.client_id, new);
                }
                for (key, recorded) in recorded_object {
                    let Some(came) = came_object.get(key) else { continue };
                    if let (Some(recorded), Some(came)) = (recorded.as_str(), came.as_str())
                        && ["uploadId", "putUrl", "url", "continuationToken"].contains(&key.as_str())
                    {
                        self.texts.insert(plain(recorded), came.to_owned());
                    }
                    self.pair(recorded, came);
                }
            }
            _ => {}
        }
    }
}

/// A recorded text as its recorded user wrote it: one HTTP client decodes the slashes in the query of a signed URL.
fn plain(text: &str) -> String {
    text.replace("%2F", "/")
}

impl Replay<'_> {
    /// Makes a task that waits for another one.
    pub(crate) fn ensure_unscheduled(&mut self, task_id: &str, dependency: &str) {
        self.known.insert(task_id.to_owned());
        let now = self.now();
        let definition = json!({
            "provisionerId": "test-dummy-provisioner", "workerType": "dummy-worker-myname",
            "payload": {}, "dependencies": [dependency], "created": now, "deadline": now.plus(3_600_000),
            "metadata": {"name": "n", "description": "d", "owner": "o", "source": "https://example.com/source"},
        });
        self.queue.create_task(&TaskId::parse(task_id).unwrap(), definition).unwrap();
    }
}
