//! An embedded queue, a worker process as production starts it, and a script that does what its task says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scriptworker::embedded_queue::{Call, CallRecord, ClientGrant, EmbeddedQueue, Options, StoredArtifact};
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing here takes this long on any machine that is alive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A deployment with one worker of a pool.
pub(crate) struct Site {
    pub(crate) queue: Arc<EmbeddedQueue>,
    dir: TempDir,
    config: Map<String, Value>,
    worker: Mutex<Option<Child>>,
}

/// The queue that most tests use: short polls, so that shutdown does not wait for them.
pub(crate) fn options() -> Options {
    let scopes = ["queue:claim-work:test-provisioner/test-worker", "queue:worker-id:test-group/*"];
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
        Self::at(Arc::new(EmbeddedQueue::start(options).unwrap()), "test-worker-1")
    }

    /// Another worker of the same pool, on the same queue, with directories of its own.
    pub(crate) fn beside(&self, worker_id: &str) -> Self {
        Self::at(Arc::clone(&self.queue), worker_id)
    }

    fn at(queue: Arc<EmbeddedQueue>, worker_id: &str) -> Self {
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
            "worker_id": worker_id,
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

    /// Takes a key out of the configuration before the worker starts.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.config.remove(key);
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
        self.start_onto(std::fs::File::create(self.path("stderr")).unwrap().into(), env)
    }

    /// The same with another stderr than a file.
    pub(crate) fn start_onto(&self, stderr: Stdio, env: &[(&str, &str)]) -> &Self {
        let config = self.path("scriptworker.json");
        std::fs::write(&config, Value::Object(self.config.clone()).to_string()).unwrap();
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
        let status = self.exit_status();
        status.code().unwrap_or_else(|| panic!("{status:?}\n{}", self.log()))
    }

    /// Waits until the worker has ended, in whatever way.
    pub(crate) fn exit_status(&self) -> ExitStatus {
        let mut worker = self.worker.lock().unwrap().take().expect("started");
        match until(PATIENCE, || worker.try_wait().unwrap()) {
            Some(status) => status,
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
        let mut payload = payload(command);
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
        self.wait_for_lines(text, 1);
    }

    /// Waits until the worker's log says this so many times.
    pub(crate) fn wait_for_lines(&self, text: &str, times: usize) {
        until(PATIENCE, || (self.log().matches(text).count() >= times).then_some(()))
            .unwrap_or_else(|| panic!("the log does not say {text:?} {times} time(s)\n{}", self.log()));
    }

    /// A file by which a test lets a waiting script go on.
    pub(crate) fn touch(&self, name: &str) {
        std::fs::write(self.path(name), "").unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The process whose number a script wrote into a file.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        read_pid(&self.path(name))
    }

    pub(crate) fn wait_until_dead(&self, pid: u32) {
        until(PATIENCE, || (!is_alive(pid)).then_some(()))
            .unwrap_or_else(|| panic!("process {pid} lives on\n{}", self.log()));
    }

    /// Waits until such a call is being answered. Calls that are over do not count.
    pub(crate) fn wait_for_open_call(&self, call: Call) {
        self.queue
            .wait_for_open_call(call, PATIENCE)
            .unwrap_or_else(|error| panic!("{call:?}: {error}\n{}", self.log()));
    }

    /// Waits for a call that was answered.
    pub(crate) fn wait_for_call(&self, wanted: impl Fn(&CallRecord) -> bool) -> CallRecord {
        self.queue.wait_for_call(wanted, PATIENCE).unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// Everything that was asked of the queue about one run, in the order of the answers.
    pub(crate) fn calls(&self, task: &TaskId, run: u16) -> Vec<CallRecord> {
        let RunKey { task_id, run_id } = key(task, run);
        let of_run =
            |record: &CallRecord| record.task_id.as_ref() == Some(&task_id) && record.run_id == Some(run_id);
        self.queue.calls().into_iter().filter(of_run).collect()
    }

    /// Nothing was uploaded for this run, and nothing reported: not even tried.
    pub(crate) fn assert_silence(&self, task: &TaskId, run: u16) {
        assert_eq!(self.calls_of(task, run, &UPLOADS), [], "{}", self.log());
        assert_eq!(self.calls_of(task, run, &REPORTS), [], "{}", self.log());
    }

    /// The calls of these kinds about one run.
    pub(crate) fn calls_of(&self, task: &TaskId, run: u16, kinds: &[Call]) -> Vec<CallRecord> {
        self.calls(task, run).into_iter().filter(|record| kinds.contains(&record.call)).collect()
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

    /// The same without the worker's own lines, which stand where the worker acted: what a script says at that moment
    /// may come before or after.
    pub(crate) fn said(&self, task: &TaskId, run: u16) -> String {
        let log = self.task_log(task, run);
        log.split_inclusive('\n').filter(|line| !line.starts_with("[scriptworker]")).collect()
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

/// Calls that make an artifact.
pub(crate) const UPLOADS: [Call; 2] = [Call::CreateArtifact, Call::FinishArtifact];
/// Calls that resolve a run.
pub(crate) const REPORTS: [Call; 3] = [Call::ReportCompleted, Call::ReportFailed, Call::ReportException];

/// The payload of a task whose script is this shell text.
pub(crate) fn payload(command: &str) -> Value {
    json!({ "command": STANDARD.encode(command) })
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

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

pub(crate) fn is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == 'T')
}

pub(crate) fn parent_of(pid: u32) -> u32 {
    stat(pid).expect("the process is alive").1
}

/// The number that a script wrote into a file.
pub(crate) fn read_pid(path: &Path) -> u32 {
    until(PATIENCE, || std::fs::read_to_string(path).ok()?.trim().parse().ok()).expect("a pid in the file")
}
