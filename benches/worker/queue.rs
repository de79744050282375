//! The embedded queue as a process of its own.
//!
//! It is this very program, started again: the product needs no verb that serves a queue to others, and a second
//! program for it would be one more thing to find and to keep in step. Commands are JSON lines on its standard
//! input, each answered by one JSON line; it leaves when its input ends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::time::{ClockId, clock_gettime};
use scriptworker::embedded_queue::{Call, CallRecord, ClientGrant, EmbeddedQueue, Fault, FaultKind, Options};
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes this long on any machine that is alive.
const PATIENCE: Duration = Duration::from_secs(900);

pub const CLIENT_ID: &str = "bench/worker";
pub const ACCESS_TOKEN: &str = "bench-worker-token";
pub const PROVISIONER: &str = "bench-provisioner";
pub const WORKER_TYPE: &str = "bench-worker";
pub const WORKER_GROUP: &str = "bench-group";
pub const WORKER_ID: &str = "bench-worker-1";

/// A call as the queue recorded it; times in nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    pub call: String,
    pub task: Option<String>,
    pub name: Option<String>,
    pub status: Option<u16>,
    pub began: u64,
    pub ended: u64,
}

#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Make so many tasks.
    Create(usize),
    /// Wait until so many calls of this kind were answered. `report` is every kind of report.
    Await { call: String, count: usize },
    /// Wait until such a call is open.
    AwaitOpen { call: String },
    /// Answer the next call of this kind so many milliseconds late.
    Hold { call: String, millis: u64 },
    /// All calls so far.
    Calls,
    /// How every task ended, and what was uploaded.
    Ends,
}

/// Nanoseconds of `CLOCK_MONOTONIC`, which all processes share.
pub fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

/// The queue's process.
pub fn serve(storage: &Path, long_poll: u64) {
    let scopes = [
        format!("queue:claim-work:{PROVISIONER}/{WORKER_TYPE}"),
        format!("queue:worker-id:{WORKER_GROUP}/{WORKER_ID}"),
    ];
    let worker = ClientGrant {
        client_id: CLIENT_ID.to_owned(),
        access_token: Secret::new(ACCESS_TOKEN),
        scopes: scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect(),
    };
    let queue = EmbeddedQueue::start(Options {
        clients: vec![worker],
        long_poll: Duration::from_millis(long_poll),
        storage_dir: Some(storage.to_owned()),
        ..Options::default()
    })
    .unwrap();
    let mut served = Served { queue, tasks: Vec::new(), zero: (Instant::now(), monotonic()) };
    println!("{}", json!(served.queue.root_url()));
    for line in std::io::stdin().lock().lines() {
        let order = serde_json::from_str(&line.unwrap()).unwrap();
        println!("{}", served.obey(order));
        std::io::stdout().flush().unwrap();
    }
}

struct Served {
    queue: EmbeddedQueue,
    tasks: Vec<TaskId>,
    /// The same moment by both clocks.
    zero: (Instant, u64),
}

impl Served {
    fn obey(&mut self, order: Order) -> Value {
        match order {
            Order::Create(count) => {
                (0..count).for_each(|_| self.create());
                json!(null)
            }
            Order::Await { call, count } => {
                let mut seen = 0;
                let wanted = |record: &CallRecord| {
                    let name = record.call.name();
                    let fits = name == call || (call == "report" && name.starts_with("report"));
                    seen += usize::from(fits && record.status == Some(200));
                    seen == count
                };
                json!(self.seen(self.queue.wait_for_call(wanted, PATIENCE).unwrap()))
            }
            Order::AwaitOpen { call } => {
                self.queue.wait_for_open_call(call_of(&call), PATIENCE).unwrap();
                json!(null)
            }
            Order::Hold { call, millis } => {
                let kind = FaultKind::DelayThenAnswer(Duration::from_millis(millis));
                self.queue.inject(Fault { times: Some(1), ..Fault::new(call_of(&call), kind) });
                json!(null)
            }
            Order::Calls => self.queue.calls().into_iter().map(|call| json!(self.seen(call))).collect(),
            Order::Ends => self.tasks.iter().map(|task| self.end_of(task)).collect(),
        }
    }

    fn create(&mut self) {
        let id = URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
        let id = TaskId::parse(&id).unwrap();
        let date = |hours| {
            let date = chrono::Utc::now() + chrono::Duration::hours(hours);
            date.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        };
        let definition = json!({
            "provisionerId": PROVISIONER, "workerType": WORKER_TYPE,
            "created": date(0), "deadline": date(2), "expires": date(48),
            "payload": { "upstreamArtifacts": [{ "taskId": id.as_str(), "paths": ["public/build/target.tar.bz2"] }] },
            "metadata": { "name": "bench", "description": "bench", "owner": "a@example.com", "source": "https://example.com" },
        });
        self.queue.create_task(&id, definition).unwrap();
        self.tasks.push(id);
    }

    fn seen(&self, record: CallRecord) -> Seen {
        let nanos = |at: Instant| match at.checked_duration_since(self.zero.0) {
            Some(after) => self.zero.1 + after.as_nanos() as u64,
            None => self.zero.1 - (self.zero.0 - at).as_nanos() as u64,
        };
        Seen {
            call: record.call.name().to_owned(),
            task: record.task_id.map(|task| task.to_string()),
            name: record.name,
            status: record.status,
            began: nanos(record.began),
            ended: nanos(record.ended),
        }
    }

    /// The reason that run 0 ended with, and the number and bytes of its uploads.
    fn end_of(&self, task: &TaskId) -> Value {
        let status = self.queue.status(task).unwrap();
        let run = RunKey { task_id: task.clone(), run_id: RunId::new(0).unwrap() };
        let artifacts = self.queue.artifacts(&run);
        let stored = artifacts.iter().filter_map(|artifact| artifact.size);
        json!([status["runs"][0]["reasonResolved"], stored.clone().count(), stored.sum::<u64>()])
    }
}

fn call_of(name: &str) -> Call {
    [Call::ClaimWork, Call::CreateArtifact, Call::StoragePut]
        .into_iter()
        .find(|call| call.name() == name)
        .unwrap()
}

/// The queue's process, from outside. It ends when this is dropped.
pub struct Queue {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub root_url: String,
}

impl Queue {
    pub fn start(storage: &Path, long_poll: Duration) -> Self {
        std::fs::create_dir_all(storage).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--queue")
            .arg(storage)
            .args(["--long-poll", &long_poll.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let root_url = read(&mut answers).as_str().unwrap().to_owned();
        Self { child, orders, answers, root_url }
    }

    fn order(&mut self, order: &Order) -> Value {
        writeln!(self.orders.as_mut().unwrap(), "{}", json!(order)).unwrap();
        read(&mut self.answers)
    }

    pub fn create(&mut self, count: usize) {
        self.order(&Order::Create(count));
    }

    /// Waits until `count` calls of this kind were answered with 200; answers the last of them.
    pub fn wait(&mut self, call: &str, count: usize) -> Seen {
        serde_json::from_value(self.order(&Order::Await { call: call.to_owned(), count })).unwrap()
    }

    pub fn wait_open(&mut self, call: &str) {
        self.order(&Order::AwaitOpen { call: call.to_owned() });
    }

    pub fn hold(&mut self, call: &str, time: Duration) {
        self.order(&Order::Hold { call: call.to_owned(), millis: time.as_millis() as u64 });
    }

    pub fn calls(&mut self) -> Vec<Seen> {
        serde_json::from_value(self.order(&Order::Calls)).unwrap()
    }

    /// Of every task: how run 0 was resolved, how many artifacts were stored, how many bytes.
    pub fn ends(&mut self) -> Vec<(String, usize, u64)> {
        serde_json::from_value(self.order(&Order::Ends)).unwrap()
    }
}

fn read(answers: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "the queue's process ended");
    serde_json::from_str(&line).unwrap()
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.wait();
    }
}
