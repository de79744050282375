//! A release, and the queue that serves it: this very program, started again. It leaves when its input ends.

use scriptworker::embedded_queue::release::{Plan, Releases};
use scriptworker::embedded_queue::{EmbeddedQueue, Options};
use scriptworker_core::cot::role::RuleSet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// What is to be served.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wanted {
    pub generation: RuleSet,
    pub builds: usize,
    pub artifacts: usize,
    pub size: u64,
    pub direct: Option<usize>,
    pub padding: usize,
}

/// What is served.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Served {
    pub root_url: String,
    /// The source addresses that are read from somewhere else, and where.
    pub mirror: (String, String),
    /// The configuration of the worker.
    pub config: Value,
    /// The task to verify.
    pub signing: String,
    /// Task, name and file of every artifact that it is given.
    pub artifacts: Vec<(String, String, PathBuf)>,
}

/// The queue's process: makes what `dir/wanted.json` says, tells of it, and answers every line of its input with the
/// most requests that were in flight at once since the last one.
pub fn serve(dir: &Path) {
    let wanted: Wanted = serde_json::from_slice(&std::fs::read(dir.join("wanted.json")).unwrap()).unwrap();
    let queue = EmbeddedQueue::start(Options::default()).unwrap();
    let releases = Releases::start(wanted.generation, dir).unwrap();
    let plan = Plan {
        builds: wanted.builds,
        artifacts: wanted.artifacts,
        artifact_size: wanted.size,
        direct: wanted.direct,
        padding: wanted.padding,
        ..Plan::default()
    };
    let release = releases.make(&queue, &plan).unwrap();
    let mut config = releases.configuration();
    // given on the command line
    config.remove("source_mirrors");
    let at = |name: &str| json!(dir.join(name));
    let entries = [
        ("taskcluster_root_url", json!(queue.root_url())),
        ("worker_group", json!("g")),
        ("worker_id", json!("w")),
        ("work_dir", at("work")),
        ("artifact_dir", at("artifacts")),
        ("task_log_dir", at("artifacts/public/logs")),
        ("log_dir", at("log")),
        ("task_script", json!(["true"])),
    ];
    config.extend(entries.map(|(key, value)| (key.to_owned(), value)));
    let (from, to) = releases.mirror();
    let direct = wanted.direct.unwrap_or(wanted.builds);
    let artifacts = release.builds.iter().take(direct).flat_map(|build| {
        build.artifacts.iter().map(|(name, path)| (build.id.to_string(), name.clone(), path.clone()))
    });
    let served = Served {
        root_url: queue.root_url().to_string(),
        mirror: (from.to_owned(), to),
        config: Value::Object(config),
        signing: release.signing.to_string(),
        artifacts: artifacts.collect(),
    };
    println!("{}", json!(served));
    let mut since = Instant::now();
    for line in std::io::stdin().lock().lines() {
        line.unwrap();
        println!("{}", in_flight(&queue, since));
        since = Instant::now();
    }
}

/// The most calls that were open at once.
fn in_flight(queue: &EmbeddedQueue, since: Instant) -> usize {
    let calls = queue.calls().into_iter().filter(|call| call.began >= since);
    let mut edges: Vec<_> = calls.flat_map(|call| [(call.began, 1), (call.ended, -1)]).collect();
    // one that ends as another begins is over
    edges.sort_unstable();
    let (mut open, mut most) = (0_isize, 0);
    for (_, change) in edges {
        open += change;
        most = most.max(open);
    }
    most.unsigned_abs()
}

/// The queue's process, from outside. It ends when this is dropped, and everything it served goes.
pub struct Site {
    pub dir: PathBuf,
    pub served: Served,
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Site {
    pub fn start(dir: &Path, wanted: &Wanted) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("wanted.json"), json!(wanted).to_string()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--serve")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let served: Served = serde_json::from_value(read(&mut answers)).unwrap();
        std::fs::write(dir.join("scriptworker.json"), served.config.to_string()).unwrap();
        Self { dir: dir.to_owned(), served, child, orders, answers }
    }

    /// The most requests that were in flight at once since this was asked last.
    pub fn in_flight(&mut self) -> f64 {
        writeln!(self.orders.as_mut().unwrap()).unwrap();
        read(&mut self.answers).as_f64().unwrap()
    }
}

fn read(answers: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "the queue's process ended");
    serde_json::from_str(&line).unwrap()
}

impl Drop for Site {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
