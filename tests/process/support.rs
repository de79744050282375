//! Starting scripts and waiting for what they do.

use scriptworker::fsio;
use scriptworker::process::{Drained, LaunchSpec, Pump, PumpReport, Running, ScriptEnd, launch};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Far beyond what anything takes, so that only a hang runs into it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A script with its output going to a file.
pub(crate) struct Script {
    pub(crate) started: Option<u32>,
    pub(crate) exit: scriptworker::process::Exit,
    pub(crate) control: scriptworker::process::Control,
    pub(crate) guardian_pid: u32,
    pub(crate) pump: Pump,
    pub(crate) dir: tempfile::TempDir,
}

/// What a whole run leaves.
pub(crate) struct Whole {
    pub(crate) end: ScriptEnd,
    pub(crate) drained: Drained,
    pub(crate) survivors: u32,
    pub(crate) report: PumpReport,
    pub(crate) log: Vec<u8>,
}

pub(crate) fn shell(script: &str) -> LaunchSpec {
    spec(&["/bin/sh", "-c", script])
}

pub(crate) fn spec(argv: &[&str]) -> LaunchSpec {
    let env = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
    let mut spec = LaunchSpec::new(argv.iter().map(Into::into).collect(), env);
    spec.guardian = guardian();
    spec
}

pub(crate) fn guardian() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_scriptworker"))
}

pub(crate) async fn start(spec: LaunchSpec) -> Script {
    let dir = tempfile::tempdir().unwrap();
    let Running { started, exit, control, output, guardian_pid } = launch(spec).await.unwrap();
    let pump = Pump::start(output, fsio::create(&dir.path().join("log"), 0o600).unwrap(), None).unwrap();
    let started = within(started).await;
    Script { started, exit, control, guardian_pid, pump, dir }
}

impl Script {
    pub(crate) fn pid(&self) -> u32 {
        self.started.unwrap()
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Waits for a line of the script's output.
    pub(crate) async fn line(&self, start: &str) -> String {
        let path = self.log_path();
        eventually(&format!("a line that starts with {start:?}"), || {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let complete = text.get(..text.rfind('\n')? + 1)?;
            complete.lines().find(|line| line.starts_with(start)).map(str::to_owned)
        })
        .await
    }

    /// The number in a line such as `child 123`.
    pub(crate) async fn pid_in_line(&self, start: &str) -> u32 {
        self.line(start).await.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// To the end, as the worker does it.
    pub(crate) async fn whole(mut self, drain: Duration) -> Whole {
        let end = within(&mut self.exit).await;
        self.pump.script_ended(drain);
        let drained = within(self.pump.drained()).await;
        let survivors = within(self.control.sweep()).await.unwrap();
        let report = within(self.pump.finish()).await;
        let log = std::fs::read(self.dir.path().join("log")).unwrap();
        Whole { end, drained, survivors, report, log }
    }
}

pub(crate) async fn run(spec: LaunchSpec) -> Whole {
    start(spec).await.whole(PATIENCE).await
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing happened for a minute")
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process is there and not just a zombie.
pub(crate) fn alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !matches!(stat.rsplit_once(") ").unwrap().1.as_bytes()[0], b'Z' | b'X')
}

pub(crate) async fn gone(pid: u32) {
    eventually(&format!("the end of process {pid}"), || (!alive(pid)).then_some(())).await;
}

pub(crate) fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

pub(crate) fn write_script(path: &Path, text: &str, mode: u32) {
    use std::io::Write;
    fsio::create(path, mode).unwrap().write_all(text.as_bytes()).unwrap();
}
