//! A worker under test: its directories, its configuration, its process.

use crate::queue::{
    ACCESS_TOKEN, CLIENT_ID, PROVISIONER, Queue, WORKER_GROUP, WORKER_ID, WORKER_TYPE, monotonic,
};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What both workers sign with: a seed of nobody (RFC 8032, test 1).
const SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n";

/// A worker program.
pub struct Subject {
    pub name: &'static str,
    /// What it uploads of its own: the log, the attestation and its signature.
    pub own_artifacts: usize,
    program: PathBuf,
}

impl Subject {
    pub fn ours(program: &Path) -> Self {
        Self { name: "scriptworker", own_artifacts: 3, program: program.to_owned() }
    }

    pub fn python(program: &Path) -> Self {
        Self { name: "Python", own_artifacts: 3, program: program.to_owned() }
    }
}

/// A fresh queue process and fresh directories.
pub struct Site {
    pub queue: Queue,
    dir: TempDir,
}

impl Site {
    pub fn new(parent: &Path, long_poll: Duration) -> Self {
        let dir = TempDir::new_in(parent).unwrap();
        Self { queue: Queue::start(&dir.path().join("storage"), long_poll), dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Starts a worker as production does: one argument, almost no environment. Both get the same configuration.
    pub fn start(&self, subject: &Subject, script: &[&str]) -> Worker {
        let config = json!({
            "taskcluster_root_url": self.queue.root_url,
            "provisioner_id": PROVISIONER, "worker_type": WORKER_TYPE,
            "worker_group": WORKER_GROUP, "worker_id": WORKER_ID,
            "credentials": { "clientId": CLIENT_ID, "accessToken": ACCESS_TOKEN },
            "work_dir": self.text("work"),
            "artifact_dir": self.text("artifacts"),
            "task_log_dir": self.text("artifacts/public/logs"),
            "log_dir": self.text("log"),
            "task_script": script,
            "task_max_timeout": 600,
            "poll_interval": 1,
            "verbose": true,
            "sign_chain_of_trust": true,
            "verify_chain_of_trust": false,
            "ed25519_private_key_path": self.text("key"),
        });
        // as in production, every run is attested and signed
        std::fs::write(self.path("key"), SEED).unwrap();
        std::fs::set_permissions(self.path("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let path = self.path("scriptworker.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let mut command = Command::new(&subject.program);
        command
            .arg(&path)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // verbose copies the log there; where it goes is not what is measured
            .stderr(Stdio::null());
        let started = monotonic();
        Worker { child: command.spawn().unwrap(), started }
    }

    /// A script: marks its beginning, does this shell text (`$artifacts` is the directory), marks its end.
    pub fn script(&self, body: &str) -> Vec<String> {
        let text = format!(
            "set -e\nartifacts='{}'\ndate +%s%N >'{}'\n{body}\ndate +%s%N >'{}'\n",
            self.text("artifacts"),
            self.text("began"),
            self.text("ended")
        );
        std::fs::write(self.path("script.sh"), text).unwrap();
        vec!["sh".to_owned(), self.text("script.sh")]
    }

    /// A mark of the script, in nanoseconds of the monotonic clock.
    pub fn mark(&self, name: &str) -> u64 {
        let real: u64 = std::fs::read_to_string(self.path(name)).unwrap().trim().parse().unwrap();
        let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
        let now = now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64;
        monotonic() - (now - real)
    }
}

/// A worker's process. Killed when dropped.
pub struct Worker {
    child: Child,
    /// Just before its exec, in nanoseconds of the monotonic clock.
    pub started: u64,
}

impl Worker {
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Resident memory now and at its greatest, in bytes.
    pub fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// CPU time of all its threads so far, in nanoseconds. Not from `/proc/PID/stat`, whose unit of 10 ms is more than
    /// several polls take.
    pub fn cpu(&self) -> u64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of_thread = |path: PathBuf| {
            let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
        };
        threads.map(|thread| of_thread(thread.unwrap().path())).sum()
    }

    /// Waits for its own end.
    pub fn wait(mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
