//! Artifacts: creation and its idempotency, links, lists (taskcluster-api.md 4.2, 4.3).

use super::State;
use super::refusal::Refusal;
use super::run::RunState;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};

/// How long after an exception artifacts may still be created.
const AFTER_EXCEPTION_MS: i64 = 25 * 60 * 1000;
/// What an artifact without a content type is said to be.
const NO_CONTENT_TYPE: &str = "application/binary";

/// Where an artifact's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// In the storage, below this key.
    S3 { key: String },
    /// In the object service.
    Object { object: String, project_id: String, upload_id: String, finished: bool },
    /// At another place.
    Reference { url: String },
    /// In another artifact of the run.
    Link { artifact: String },
    /// Nowhere, for this reason.
    Error { reason: String, message: String },
}

impl Content {
    pub(crate) fn storage_type(&self) -> &'static str {
        match self {
            Self::S3 { .. } => "s3",
            Self::Object { .. } => "object",
            Self::Reference { .. } => "reference",
            Self::Link { .. } => "link",
            Self::Error { .. } => "error",
        }
    }
}

/// An artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    pub(crate) content: Content,
    pub(crate) content_type: String,
    /// As it was announced; whether it is true shows at the upload.
    pub(crate) content_length: Option<u64>,
    pub(crate) expires: UnixMillis,
}

impl Artifact {
    fn to_json(&self, name: &str) -> Value {
        let mut json = Map::new();
        json.insert("storageType".to_owned(), json!(self.content.storage_type()));
        json.insert("name".to_owned(), json!(name));
        json.insert("expires".to_owned(), json!(self.expires));
        json.insert("contentType".to_owned(), json!(self.content_type));
        if let Some(length) = self.content_length {
            json.insert("contentLength".to_owned(), json!(length));
        }
        Value::Object(json)
    }
}

/// What a `createArtifact` request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) kind: WishKind,
    pub(crate) content_type: Option<String>,
    pub(crate) expires: UnixMillis,
}

/// The kinds of artifacts that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WishKind {
    S3 { length: Option<u64> },
    Object { length: Option<u64> },
    Reference { url: String },
    Link { artifact: String },
    Error { reason: String, message: String },
}

/// The storage key of an `s3` artifact.
pub(crate) fn storage_key(run: &RunKey, name: &str) -> String {
    let bucket = if name.starts_with("public/") { "public" } else { "private" };
    format!("{bucket}/{}/{}/{name}", run.task_id, run.run_id)
}

impl State {
    /// `createArtifact`. `upload_id` is used if this makes a new object upload.
    pub(crate) fn create_artifact(
        &mut self,
        run: &RunKey,
        name: &str,
        wish: Wish,
        upload_id: String,
        now: UnixMillis,
    ) -> Result<Artifact, Refusal> {
        let project_id = self.may_create(run, wish.expires, now)?;
        let length = match wish.kind {
            WishKind::S3 { length } | WishKind::Object { length } => length,
            _ => None,
        };
        let place = (run.clone(), name.to_owned());
        let existing = self.artifacts.get(&place);
        let content = match (wish.kind, existing.map(|artifact| &artifact.content)) {
            (WishKind::S3 { .. }, _) => Content::S3 { key: storage_key(run, name) },
            (WishKind::Object { .. }, Some(Content::Object { object, project_id, upload_id, finished })) => {
                Content::Object {
                    object: object.clone(),
                    project_id: project_id.clone(),
                    upload_id: upload_id.clone(),
                    finished: *finished,
                }
            }
            (WishKind::Object { .. }, _) => Content::Object {
                object: format!("t/{}/{}/{name}", run.task_id, run.run_id),
                project_id,
                upload_id,
                finished: false,
            },
            (WishKind::Reference { url }, _) => Content::Reference { url },
            (WishKind::Link { artifact }, _) => Content::Link { artifact },
            (WishKind::Error { reason, message }, _) => Content::Error { reason, message },
        };
        let artifact = match existing {
            None => Artifact {
                content,
                content_type: wish.content_type.unwrap_or_else(|| NO_CONTENT_TYPE.to_owned()),
                content_length: length,
                expires: wish.expires,
            },
            Some(existing) => Artifact {
                content_length: length,
                ..replace(existing, content, wish.content_type.as_deref(), wish.expires)?
            },
        };
        if let Content::S3 { key } = &artifact.content {
            let slot = self.slots.entry(key.clone()).or_default();
            slot.content_type.clone_from(&artifact.content_type);
            slot.length = length;
        }
        self.artifacts.insert(place, artifact.clone());
        Ok(artifact)
    }

    /// Whether the run may have a new artifact that lives this long. Answers the task's project.
    fn may_create(&self, run: &RunKey, expires: UnixMillis, now: UnixMillis) -> Result<String, Refusal> {
        let task = self.tasks.get(&run.task_id).ok_or(Refusal::ArtifactNoTask)?;
        let found = task.run(run.run_id).ok_or(Refusal::ArtifactNoRun)?;
        if found.worker.is_none() {
            return Err(Refusal::ArtifactUnclaimed);
        }
        if expires > task.expires {
            return Err(Refusal::ArtifactOutlivesTask { artifact: expires, task: task.expires });
        }
        let after_exception = found.state == RunState::Exception
            && found.resolved.is_some_and(|resolved| now.since(resolved) <= AFTER_EXCEPTION_MS);
        if found.state != RunState::Running && !after_exception {
            return Err(Refusal::ArtifactTooLate { state: found.state, resolved: found.resolved });
        }
        Ok(task.project_id().to_owned())
    }

    /// `finishArtifact`: what was uploaded to the object service is complete.
    pub(crate) fn finish_artifact(
        &mut self,
        run: &RunKey,
        name: &str,
        given_id: &str,
    ) -> Result<(), Refusal> {
        let place = (run.clone(), name.to_owned());
        let artifact = self.artifacts.get_mut(&place).ok_or(Refusal::NoArtifact)?;
        let Content::Object { object, upload_id, finished, .. } = &mut artifact.content else {
            return Err(Refusal::NotAnObjectArtifact);
        };
        if upload_id != given_id {
            return Err(Refusal::WrongUploadId);
        }
        if !self.objects.get(object).is_some_and(|object| object.finished) {
            return Err(Refusal::ObjectUnfinished);
        }
        *finished = true;
        Ok(())
    }

    /// The run that a reading call means: the given one, or the last one.
    pub(crate) fn run_to_read(&self, task_id: &TaskId, run_id: Option<RunId>) -> Result<RunKey, Refusal> {
        let task = self.tasks.get(task_id).ok_or(Refusal::ArtifactOfNoTask)?;
        let run_id = match run_id {
            Some(run_id) if task.run(run_id).is_some() => run_id,
            Some(_) => return Err(Refusal::ArtifactOfNoRun),
            None => task
                .runs
                .len()
                .checked_sub(1)
                .and_then(|last| RunId::new(u64::try_from(last).ok()?).ok())
                .ok_or(Refusal::TaskWithoutRuns)?,
        };
        Ok(RunKey { task_id: task_id.clone(), run_id })
    }

    /// An artifact itself, links not followed; an object that is not finished does not exist yet.
    fn existing(&self, run: &RunKey, name: &str) -> Result<&Artifact, Refusal> {
        match self.artifacts.get(&(run.clone(), name.to_owned())) {
            None | Some(Artifact { content: Content::Object { finished: false, .. }, .. }) => {
                Err(Refusal::NoArtifact)
            }
            Some(artifact) => Ok(artifact),
        }
    }

    /// `artifactInfo`.
    pub(crate) fn artifact_info(&self, run: &RunKey, name: &str) -> Result<Value, Refusal> {
        self.existing(run, name).map(|artifact| artifact.to_json(name))
    }

    /// Follows links from an artifact to its content. Answers all names on the way (each needs a scope) and what is
    /// at the end.
    pub(crate) fn follow(&self, run: &RunKey, name: &str) -> Result<(Vec<String>, Artifact), Refusal> {
        let mut names = vec![name.to_owned()];
        loop {
            let last = names.last().map_or(name, String::as_str);
            let artifact = self.existing(run, last)?;
            let Content::Link { artifact: next } = &artifact.content else {
                return Ok((names, artifact.clone()));
            };
            if names.contains(next) {
                return Err(Refusal::LinkCycle);
            }
            names.push(next.clone());
        }
    }

    /// `listArtifacts`: one page, and the token for the next one.
    pub(crate) fn list_artifacts(
        &self,
        run: &RunKey,
        token: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Value>, Option<String>), Refusal> {
        let after = token.map(decode_token).transpose()?;
        let mut found = self
            .artifacts
            .range((run.clone(), String::new())..)
            .take_while(|((key, _), _)| key == run)
            .filter(|((_, name), _)| after.as_ref().is_none_or(|after| name > after))
            .filter(|((_, name), _)| self.existing(run, name).is_ok());
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let next = match (found.next(), page.last()) {
            (Some(_), Some(((_, name), _))) => Some(URL_SAFE_NO_PAD.encode(name)),
            _ => None,
        };
        Ok((page.into_iter().map(|((_, name), artifact)| artifact.to_json(name)).collect(), next))
    }
}

fn decode_token(token: &str) -> Result<String, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Refusal::BadContinuationToken)?;
    String::from_utf8(bytes).map_err(|_| Refusal::BadContinuationToken)
}

/// The artifact that a repeated `createArtifact` leaves, if it may be repeated so: same storage and content type and
/// same details, `expires` not earlier; a reference may change, and may become a link.
fn replace(
    existing: &Artifact,
    content: Content,
    content_type: Option<&str>,
    expires: UnixMillis,
) -> Result<Artifact, Refusal> {
    let same_content = match (&existing.content, &content) {
        (Content::Reference { .. }, Content::Reference { .. } | Content::Link { .. }) => true,
        (old, new) => old == new,
    };
    let same_type = content_type.is_none_or(|content_type| content_type == existing.content_type);
    if !same_content || !same_type || expires < existing.expires {
        let shown = json!({
            "storageType": existing.content.storage_type(),
            "contentType": existing.content_type,
            "expires": existing.expires,
        });
        return Err(Refusal::ArtifactConflict(format!("{shown:#}")));
    }
    Ok(Artifact { content, expires, ..existing.clone() })
}
