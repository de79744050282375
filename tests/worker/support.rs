//! An embedded queue, a worker process as production starts it, and a script that does what its task says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scriptworker::embedded_queue::{ClientGrant, EmbeddedQueue, Options, StoredArtifact};
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing here takes this long on any machine that is alive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A deployment with one worker pool.
pub(crate) struct Site {
    pub(crate) queue: EmbeddedQueue,
    dir: TempDir,
    config: Map<String, Value>,
    worker: Mutex<Option<Child>>,
}

/// The queue that most tests use: short polls, so that shutdown does not wait for them.
pub(crate) fn options() -> Options {
    let scopes =
        ["queue:claim-work:test-provisioner/test-worker", "queue:worker-id:test-group/test-worker-1"];
    let worker = ClientGrant {
        client_id: "test/worker".to_owned(),
        access_token: Secret::new("test-worker-token"),
        scopes: scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect(),
    };
    Options { clients: vec![worker], long_poll: Duration::from_secs(1), ..Options::default() }
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(options())
    }

    pub(crate) fn with(options: Options) -> Self {
        let queue = EmbeddedQueue::start(options).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let script = at("script.sh");
        // the command travels as base64, so that no quoting stands between a test and its shell
        let text = format!(
            "work='{}'\nartifacts='{}'\nexport work artifacts\n\
             sed -n 's/^ *\"command\": \"\\(.*\\)\",\\{{0,1\\}}$/\\1/p' \"$work/task.json\" | base64 -d > \"$work/command.sh\"\n\
             . \"$work/command.sh\"\n",
            at("work"),
            at("artifacts"),
        );
        std::fs::write(&script, text).unwrap();
        let config = json!({
            "taskcluster_root_url": queue.root_url(),
            "provisioner_id": "test-provisioner",
            "worker_type": "test-worker",
            "worker_group": "test-group",
            "worker_id": "test-worker-1",
            "credentials": { "clientId": "test/worker", "accessToken": "test-worker-token" },
            "work_dir": at("work"),
            "artifact_dir": at("artifacts"),
            "task_log_dir": at("artifacts/public/logs"),
            "log_dir": at("log"),
            "task_script": ["sh", script],
            "task_max_timeout": 60,
            "poll_interval": 1,
            "verbose": true,
            "sign_chain_of_trust": false,
            "ed25519_private_key_path": at("no-key"),
        });
        let Value::Object(config) = config else { panic!("an object") };
        Self { queue, dir, config, worker: Mutex::new(None) }
    }

    /// Changes the configuration before the worker starts.
    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config.insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the worker as production does: one argument, empty environment.
    pub(crate) fn start(&self) -> &Self {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, env: &[(&str, &str)]) -> &Self {
        let config = self.path("scriptworker.json");
        std::fs::write(&config, Value::Object(self.config.clone()).to_string()).unwrap();
        let stderr = std::fs::File::create(self.path("stderr")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
            .arg(&config)
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        *self.worker.lock().unwrap() = Some(child);
        self
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.worker_pid();
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }

    pub(crate) fn worker_pid(&self) -> u32 {
        self.worker.lock().unwrap().as_ref().expect("started").id()
    }

    /// Waits until the worker has left; its exit code.
    pub(crate) fn exit_code(&self) -> i32 {
        let mut worker = self.worker.lock().unwrap().take().expect("started");
        let code = until(PATIENCE, || worker.try_wait().unwrap());
        match code {
            Some(status) => status.code().unwrap_or_else(|| panic!("{status:?}\n{}", self.log())),
            None => {
                worker.kill().unwrap();
                panic!("the worker does not leave\n{}", self.log());
            }
        }
    }

    /// A task whose script is this shell text (`$work`, `$artifacts` are the directories).
    pub(crate) fn task(&self, command: &str) -> TaskId {
        self.task_with(command, json!({}))
    }

    /// The same with more in its payload.
    pub(crate) fn task_with(&self, command: &str, more: Value) -> TaskId {
        let mut payload = json!({ "command": STANDARD.encode(command) });
        for (key, value) in more.as_object().unwrap() {
            payload[key] = value.clone();
        }
        self.task_of(json!({ "payload": payload }))
    }

    /// A task of this definition; what is missing is filled in by the queue.
    pub(crate) fn task_of(&self, mut definition: Value) -> TaskId {
        let id = task_id();
        let now = chrono::Utc::now();
        let date = |hours| {
            (now + chrono::Duration::hours(hours)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        };
        let fill = json!({
            "provisionerId": "test-provisioner", "workerType": "test-worker",
            "created": date(0), "deadline": date(2), "expires": date(48),
            "metadata": { "name": "test", "description": "test", "owner": "a@example.com", "source": "https://example.com" },
        });
        for (key, value) in fill.as_object().unwrap() {
            definition.as_object_mut().unwrap().entry(key).or_insert(value.clone());
        }
        self.queue.create_task(&id, definition).unwrap();
        id
    }

    /// Waits for the run to be over: its state and reason, such as `failed failed` or `exception malformed-payload`.
    pub(crate) fn outcome(&self, task: &TaskId, run: usize) -> String {
        let status = self.wait(task, |status| status["runs"][run]["resolved"].is_string());
        let run = &status["runs"][run];
        format!("{} {}", run["state"].as_str().unwrap(), run["reasonResolved"].as_str().unwrap())
    }

    pub(crate) fn wait(&self, task: &TaskId, ready: impl Fn(&Value) -> bool) -> Value {
        self.queue.wait_for(task, ready, PATIENCE).unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    pub(crate) fn wait_running(&self, task: &TaskId) {
        self.wait(task, |status| status["state"] == "running");
    }

    /// Waits until a file of the task's own making is there: the way for a script to say how far it is.
    pub(crate) fn wait_for_file(&self, name: &str) {
        let path = self.path(name);
        until(PATIENCE, || path.exists().then_some(()))
            .unwrap_or_else(|| panic!("{name} does not appear\n{}", self.log()));
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        until(PATIENCE, || self.log().contains(text).then_some(()))
            .unwrap_or_else(|| panic!("the log never says {text:?}\n{}", self.log()));
    }

    pub(crate) fn artifact(&self, task: &TaskId, run: u16, name: &str) -> Option<StoredArtifact> {
        self.queue.artifact(&key(task, run), name)
    }

    pub(crate) fn artifact_names(&self, task: &TaskId, run: u16) -> Vec<String> {
        self.queue.artifacts(&key(task, run)).into_iter().map(|artifact| artifact.name).collect()
    }

    /// The task's log as the queue has it, decoded.
    pub(crate) fn task_log(&self, task: &TaskId, run: u16) -> String {
        let artifact = self.artifact(task, run, "public/logs/live_backing.log").expect("the task has a log");
        String::from_utf8(content(&artifact)).unwrap()
    }

    /// The worker's own log, and what it said on stderr before it had one.
    pub(crate) fn log(&self) -> String {
        let read = |name| std::fs::read(self.path(name)).unwrap_or_default();
        let log = read("log/worker.log");
        let text = if log.is_empty() { read("stderr") } else { log };
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Proves that the worker goes on: the next task is done.
    pub(crate) fn takes_the_next_task(&self) {
        let task = self.task("echo still here");
        assert_eq!(self.outcome(&task, 0), "completed completed", "{}", self.log());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut worker) = self.worker.lock().unwrap().take() {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

pub(crate) fn key(task: &TaskId, run: u16) -> RunKey {
    RunKey { task_id: task.clone(), run_id: RunId::new(run.into()).unwrap() }
}

/// The bytes of an artifact, decoded.
pub(crate) fn content(artifact: &StoredArtifact) -> Vec<u8> {
    let bytes = std::fs::read(artifact.path.as_ref().expect("stored")).unwrap();
    if artifact.content_encoding.as_deref() != Some("gzip") {
        return bytes;
    }
    let mut decoded = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut decoded).unwrap();
    decoded
}

/// A new slugid.
pub(crate) fn task_id() -> TaskId {
    let id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
    TaskId::parse(&id).unwrap()
}

/// Asks again and again until there is an answer or the time is over.
pub(crate) fn until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        match ask() {
            None if Instant::now() < end => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "files and other processes send no events to a test"
                )]
                std::thread::sleep(LOOK_EVERY);
            }
            answer => return answer,
        }
    }
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// The number that a script wrote into a file.
pub(crate) fn read_pid(path: &Path) -> u32 {
    until(PATIENCE, || std::fs::read_to_string(path).ok()?.trim().parse().ok()).expect("a pid in the file")
}
