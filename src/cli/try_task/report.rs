//! What came of the one run, on stdout: log, artifacts, status.

use super::stage::Stage;
use crate::cli::stored::{FoundContent, copy_out};
use crate::config::Config;
use crate::embedded_queue::StoredArtifact;
use scriptworker_core::run::{ExceptionReason, TaskStatus};
use serde_json::Value;
use std::fs::File;
use std::io::{self, Write as _};

/// The artifact that is the task's log; `None` when `task_log_dir` lies where nothing is uploaded.
pub(super) fn log_name(config: &Config) -> Option<String> {
    let dir = config.task_log_dir.strip_prefix(&config.artifact_dir).ok()?;
    dir.join("live_backing.log").to_str().map(str::to_owned)
}

/// The first run of a task's status.
fn first_run(status: &Value) -> Option<&Value> {
    status.get("runs")?.get(0)
}

/// Where the first run of a task stands.
pub(super) fn run_state(status: &Value) -> Option<&str> {
    first_run(status)?.get("state")?.as_str()
}

/// The status that the run was reported with, if it was.
fn status_of(status: &Value) -> Option<TaskStatus> {
    match run_state(status)? {
        "completed" => Some(TaskStatus::Success),
        "failed" => Some(TaskStatus::Failure),
        _ => {
            let reason = first_run(status)?.get("reasonResolved")?.as_str()?;
            ExceptionReason::from_name(reason).map(ExceptionReason::status)
        }
    }
}

/// Prints everything. That nobody reads it changes nothing: the exit code is a result, too.
pub(super) fn show(stage: &Stage, log_name: Option<&str>) -> Option<TaskStatus> {
    let task = stage.queue.status(&stage.run.task_id).unwrap_or_default();
    let status = status_of(&task);
    let _ = print(stage, &task, status, log_name);
    status
}

fn print(stage: &Stage, task: &Value, status: Option<TaskStatus>, log_name: Option<&str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let dir = stage.artifacts();
    let artifacts = stage.queue.artifacts(&stage.run);
    let lines: Vec<String> =
        artifacts.iter().map(|artifact| line(artifact, &copy_out(artifact, &dir))).collect();
    match log_name {
        Some(name) => {
            writeln!(out, "== log ({name})")?;
            match File::open(dir.join(name)) {
                Ok(mut log) => drop(io::copy(&mut log, &mut out)?),
                Err(_) => writeln!(out, "none")?,
            }
        }
        None => writeln!(out, "== log\nnot uploaded: task_log_dir lies outside of artifact_dir")?,
    }
    writeln!(out, "== artifacts ({})", dir.display())?;
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    let state = run_state(task).unwrap_or("unknown");
    match status {
        Some(status) => writeln!(out, "== status\n{state}: {status}")?,
        None => {
            let reason = first_run(task).and_then(|run| run.get("reasonResolved")).and_then(Value::as_str);
            writeln!(out, "== status\nnone: the run is {state} ({})", reason.unwrap_or("not resolved"))?;
        }
    }
    writeln!(out, "the worker's own log: {}", stage.output().join("worker.log").display())?;
    out.flush()
}

/// Name, content type, encoding, size and digest of the decoded bytes.
fn line(artifact: &StoredArtifact, content: &FoundContent) -> String {
    let StoredArtifact { name, content_type, content_encoding, .. } = artifact;
    let encoding = content_encoding.as_deref().unwrap_or("identity");
    match content {
        FoundContent::Bytes { size, sha256, .. } => {
            format!("{name}  {content_type}  {encoding}  {size} bytes  sha256:{sha256}")
        }
        FoundContent::Link { to } => format!("{name}  {content_type}  a link to {to}"),
        FoundContent::Unreadable(why) => format!("{name}  {content_type}  not readable: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_end_of_a_run_has_its_status() {
        for (state, reason, expected) in [
            ("completed", "completed", Some(TaskStatus::Success)),
            ("failed", "failed", Some(TaskStatus::Failure)),
            ("exception", "worker-shutdown", Some(TaskStatus::WorkerShutdown)),
            ("exception", "malformed-payload", Some(TaskStatus::MalformedPayload)),
            ("exception", "resource-unavailable", Some(TaskStatus::ResourceUnavailable)),
            ("exception", "internal-error", Some(TaskStatus::InternalError)),
            ("exception", "intermittent-task", Some(TaskStatus::IntermittentTask)),
            ("exception", "claim-expired", None),
            ("exception", "deadline-exceeded", None),
        ] {
            let status =
                json!({ "runs": [{ "state": state, "reasonResolved": reason }, { "state": "pending" }] });
            assert_eq!(status_of(&status), expected, "{reason}");
        }
        assert_eq!(status_of(&json!({ "runs": [{ "state": "running" }] })), None);
        assert_eq!(status_of(&Value::Null), None);
    }
}
