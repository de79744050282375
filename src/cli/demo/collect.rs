//! Gathers what became of the tasks: from the queue, from its storage and from `/proc`.

use super::cases::Case;
use super::chains::VERDICT;
use super::compare::{Found, FoundArtifact, FoundRun};
use super::observe;
use super::places::Places;
use crate::cli::stored::copy_out;
use crate::embedded_queue::{EmbeddedQueue, StoredArtifact};
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use serde_json::Value;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// What became of a task. Leaves decoded copies of its artifacts below [`Places::tasks`].
pub(super) fn collect(
    queue: &EmbeddedQueue,
    case: &Case,
    task_id: &TaskId,
    status: &Value,
    places: &Places,
) -> Found {
    let dir = places.tasks().join(case.name);
    let runs = observe::outcomes(status).into_iter().zip(0u64..).map(|(outcome, number)| {
        let dir = dir.join(format!("run-{number}"));
        let artifacts = key(task_id, number).map(|key| queue.artifacts(&key)).unwrap_or_default();
        FoundRun { outcome, artifacts: artifacts.iter().map(|artifact| read(artifact, &dir)).collect() }
    });
    let runs = runs.collect();
    let document = || {
        let text = File::open(dir.join("run-0").join(VERDICT)).and_then(io::read_to_string).ok()?;
        serde_json::from_str::<Value>(&text).ok()
    };
    Found {
        runs,
        processes: None,
        started: places.started().join(task_id.as_str()).exists(),
        verdict: case.chain.as_ref().and_then(|proof| Some(proof.read(&document()?))),
    }
}

/// How many artifacts the last run of a task has.
pub(super) fn artifacts_so_far(queue: &EmbeddedQueue, task_id: &TaskId, status: &Value) -> usize {
    let runs = status.get("runs").and_then(Value::as_array).map_or(0, Vec::len);
    let last = u64::try_from(runs).ok().and_then(|runs| runs.checked_sub(1));
    last.and_then(|number| key(task_id, number)).map_or(0, |key| queue.artifacts(&key).len())
}

fn key(task_id: &TaskId, number: u64) -> Option<RunKey> {
    Some(RunKey { task_id: task_id.clone(), run_id: RunId::new(number).ok()? })
}

fn read(artifact: &StoredArtifact, dir: &Path) -> FoundArtifact {
    let content = copy_out(artifact, dir);
    FoundArtifact { name: artifact.name.clone(), content_type: artifact.content_type.clone(), content }
}

/// The processes that belong to a task's script, by the `TASK_ID` in their environment: children that it left behind
/// are among them.
pub(super) fn processes_of(task_id: &TaskId) -> Vec<u32> {
    let wanted = format!("TASK_ID={task_id}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // what cannot be read is somebody else's, or gone; the dead have no environment
    pids.filter(|pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    })
    .collect()
}

/// The process ids in a file that the script writes in one piece; `None` while it is not there.
pub(super) fn pids_in(path: &Path) -> Option<Vec<u32>> {
    let text = File::open(path).and_then(io::read_to_string).ok()?;
    text.split_whitespace().map(|pid| pid.parse().ok()).collect()
}
