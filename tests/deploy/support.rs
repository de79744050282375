//! A queue with one pool, an application directory, and processes that are waited for.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scriptworker::embedded_queue::{ClientGrant, EmbeddedQueue, Options};
use scriptworker_core::ids::TaskId;
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use serde_json::json;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing here takes this long on any machine that is alive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The user of containers.
pub(crate) const APP_USER: u32 = 10001;
/// A token that every kind of quoting could spoil.
pub(crate) const TOKEN: &str = r#"to"ken\&$HOME`'%s"#;

/// The queue's pool is the one that `init.sh` makes of project `test`, product `firefox`, environment `dev`.
pub(crate) const PROVISIONER: &str = "scriptworker-k8s";
pub(crate) const WORKER_TYPE: &str = "gecko-1-test-dev";

pub(crate) fn queue() -> EmbeddedQueue {
    let scopes = [
        format!("queue:claim-work:{PROVISIONER}/{WORKER_TYPE}"),
        format!("queue:worker-id:{WORKER_TYPE}/{WORKER_TYPE}-*"),
    ];
    let worker = ClientGrant {
        client_id: "test/worker".to_owned(),
        access_token: Secret::new(TOKEN),
        scopes: scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect(),
    };
    let options = Options { clients: vec![worker], long_poll: Duration::from_secs(1), ..Options::default() };
    EmbeddedQueue::start(options).unwrap()
}

/// A task whose script is this shell text.
pub(crate) fn task(queue: &EmbeddedQueue, command: &str) -> TaskId {
    let id = URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
    let id = TaskId::parse(&id).unwrap();
    let now = chrono::Utc::now();
    let date =
        |hours| (now + chrono::Duration::hours(hours)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let definition = json!({
        "provisionerId": PROVISIONER, "workerType": WORKER_TYPE,
        "created": date(0), "deadline": date(2), "expires": date(48),
        "payload": { "command": STANDARD.encode(command) },
        "metadata": { "name": "test", "description": "test", "owner": "a@example.com", "source": "https://example.com" },
    });
    queue.create_task(&id, definition).unwrap();
    id
}

/// How the task's only run ended: its state and reason.
pub(crate) fn outcome(queue: &EmbeddedQueue, task: &TaskId, log: &Path) -> String {
    let ended = |status: &serde_json::Value| status["runs"][0]["resolved"].is_string();
    let status =
        queue.wait_for(task, ended, PATIENCE).unwrap_or_else(|error| panic!("{error}\n{}", read(log)));
    let run = &status["runs"][0];
    format!("{} {}", run["state"].as_str().unwrap(), run["reasonResolved"].as_str().unwrap())
}

/// A directory for an application, owned by its user when that is possible.
pub(crate) struct App {
    dir: TempDir,
}

impl App {
    pub(crate) fn new() -> Self {
        let app = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::set_permissions(app.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        app.own(app.dir.path());
        app
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn own(&self, path: &Path) {
        if is_root() {
            chown(path, Some(APP_USER), Some(APP_USER)).unwrap();
        }
    }

    pub(crate) fn mkdir(&self, name: &str) {
        let mut path = self.dir.path().to_owned();
        for part in Path::new(name) {
            path.push(part);
            if !path.exists() {
                std::fs::create_dir(&path).unwrap();
                self.own(&path);
            }
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) {
        if let Some(parent) = Path::new(name).parent() {
            self.mkdir(parent.to_str().unwrap());
        }
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        self.own(&path);
    }

    /// The worker under a path that the application's user can reach.
    pub(crate) fn install_worker(&self, name: &str) {
        self.mkdir(Path::new(name).parent().unwrap().to_str().unwrap());
        std::fs::copy(env!("CARGO_BIN_EXE_scriptworker"), self.path(name)).unwrap();
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// A script that does what its task says; `work` is the worker's `work_dir`.
    pub(crate) fn install_script(&self, name: &str, work: &Path) {
        let text = format!(
            "#!/bin/sh\nwork='{}'\n\
             sed -n 's/^ *\"command\": \"\\(.*\\)\",\\{{0,1\\}}$/\\1/p' \"$work/task.json\" | base64 -d > \"$work/command.sh\"\n\
             . \"$work/command.sh\"\n",
            work.display()
        );
        self.write(name, &text, 0o755);
    }
}

/// A process that does not outlive its test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        // the worker's copy of its log on stderr would only hide what a test says
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end.
    pub(crate) fn exit_code(&mut self, what: &str) -> i32 {
        let status = until(|| self.0.try_wait().unwrap()).unwrap_or_else(|| panic!("no end of {what}"));
        status.code().unwrap_or_else(|| panic!("{what}: {status:?}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// Asks again and again until there is an answer or the time is over.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        match ask() {
            // files and other processes send no events to a test
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            answer => return answer,
        }
    }
}

pub(crate) fn wait_for_text(path: &Path, text: &str) {
    until(|| read(path).contains(text).then_some(()))
        .unwrap_or_else(|| panic!("{} never says {text:?}:\n{}", path.display(), read(path)));
}

pub(crate) fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// A file of the repository.
pub(crate) fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether a test can have a namespace of its own; says so if not. It is a privilege: nobody has to have it.
pub(crate) fn can_unshare(what: &str, options: &[&str]) -> bool {
    let tried = Command::new("unshare").args(options).arg("true").output();
    if is_root() && tried.is_ok_and(|output| output.status.success()) {
        return true;
    }
    println!("SKIPPED: {what}: needs root and `unshare {}`", options.join(" "));
    false
}
