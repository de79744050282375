//! A worker process.

use super::places::{Places, Who};
use super::site::{SiteError, at};
use crate::fsio;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The worker process. It is killed when it is dropped; its guardian then ends the script.
pub(super) struct Worker {
    pub(super) who: Who,
    child: Child,
    exit: Option<ExitStatus>,
}

impl Worker {
    /// Starts it as production does: its configuration is its argument, and of our environment it gets `PATH`, by
    /// which its script finds its programs.
    pub(super) fn start(places: &Places, who: Who) -> Result<Self, SiteError> {
        let program = std::env::current_exe().map_err(SiteError::Worker)?;
        let path = places.stderr(who);
        let stderr = fsio::create(&path, 0o644).map_err(at("create", &path))?.into_std();
        let child = Command::new(program)
            .arg("run")
            .arg(places.config(who))
            .current_dir(places.worker(who))
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            // Ctrl-C is for the demo, which stops the worker itself
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(SiteError::Worker)?;
        Ok(Self { who, child, exit: None })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(super) fn exit(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            // it is our child, so asking cannot fail
            self.exit = self.child.try_wait().ok().flatten();
        }
        self.exit
    }

    /// Sends a signal, unless it has ended: its number may be somebody else's by then.
    pub(super) fn signal(&mut self, signal: Signal) {
        if self.exit().is_none()
            && let Ok(pid) = i32::try_from(self.child.id())
        {
            // it may end at this moment; until it is waited for, its number stays its own
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.exit().is_none() {
            // nothing can be done about a process that cannot be killed
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The end of a text file, for people: at most `lines` lines.
pub(super) fn last_lines(path: &Path, lines: usize) -> String {
    let text = File::open(path).and_then(io::read_to_string).unwrap_or_default();
    let all: Vec<_> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
