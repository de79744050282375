//! Tasks that are over before anybody asks: what another task depends on.

use super::control::{EmbeddedQueue, Refused};
use super::schema;
use super::state::artifact::{Content, Wish, WishKind};
use super::state::definition::{fill_defaults, fill_queue_name};
use super::state::object::Blob;
use super::state::run::WorkerName;
use super::state::worker::WorkerKey;
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use scriptworker_core::run::Report;
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

const CHUNK: usize = 64 * 1024;
/// Who is said to have run it.
pub(super) const WORKER: &str = "past";

/// An artifact of a task that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastArtifact {
    /// Its name.
    pub name: String,
    /// Its content type.
    pub content_type: String,
    /// The file that is served for it; it is never changed, and has to stay as it is.
    pub path: PathBuf,
}

/// Why a past task could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The queue's rules do not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A file cannot be read.
    #[error("failed to read {path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl EmbeddedQueue {
    /// Makes a task that was completed in its first run and has these artifacts. Its dependencies are forgotten: they
    /// are over, too, and nobody made them here.
    pub fn create_past_task(
        &self,
        task_id: &TaskId,
        mut definition: Map<String, Value>,
        artifacts: &[PastArtifact],
    ) -> Result<(), PastError> {
        definition.remove("dependencies");
        let stored = artifacts.iter().map(|artifact| Ok((artifact, blob(&artifact.path)?)));
        let stored = stored.collect::<Result<Vec<_>, PastError>>()?;
        let given = Value::Object(definition.clone());
        schema::CREATE_TASK.check(&given).map_err(|errors| Refused::Definition { errors })?;
        fill_defaults(&mut definition);
        fill_queue_name(&mut definition).map_err(Refused::from)?;
        let made = self.shared.update(|state, now| {
            state.create_task(task_id, &mut definition, now)?;
            let expires = state.task(task_id)?.expires;
            let queue_id = state.task(task_id)?.queue_id().to_owned();
            let run = RunKey { task_id: task_id.clone(), run_id: RunId::FIRST };
            let worker =
                WorkerKey { queue_id, name: WorkerName { group: WORKER.to_owned(), id: WORKER.to_owned() } };
            state.claim_task(&run, &worker, expires, now)?;
            for (PastArtifact { name, content_type, .. }, blob) in stored {
                let wish = wish(content_type, blob.size, expires);
                let made = state.create_artifact(&run, name, wish, String::new(), now)?;
                if let Content::S3 { key } = made.content {
                    state.store(&key, blob);
                }
            }
            state.report(&run, Report::Completed, now)
        });
        made.map_err(Refused::from)?;
        Ok(())
    }
}

fn wish(content_type: &str, length: u64, expires: UnixMillis) -> Wish {
    let kind = WishKind::S3 { length: Some(length) };
    Wish { kind, content_type: Some(content_type.to_owned()), expires }
}

fn blob(path: &Path) -> Result<Blob, PastError> {
    let failed = |source| PastError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let (mut digest, mut size, mut chunk) = (Sha256::new(), 0u64, vec![0; CHUNK]);
    loop {
        let count = file.read(&mut chunk).map_err(failed)?;
        let Some(bytes @ [_, ..]) = chunk.get(..count) else { break };
        digest.update(bytes);
        size = size.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    let sha256 = digest.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    Ok(Blob { path: path.to_owned(), size, content_encoding: None, sha256 })
}
