//! Makes the tasks of a release, one after the other, and what they made and attested.

use super::content;
use super::signers::{Signer, Signers};
use super::tampering::Tampering;
use super::tasks::{Common, IMAGE_ARTIFACT, Inputs, artifact_of_build, image_hash};
use super::tree::LEVEL;
use super::{Build, Plan, Release, ReleaseError};
use crate::embedded_queue::EmbeddedQueue;
use crate::embedded_queue::past::{PastArtifact, WORKER};
use crate::embedded_queue::shared::new_task_id;
use crate::fsio;
use scriptworker_core::cot::implementation::Implementation;
use scriptworker_core::digest::Digest;
use scriptworker_core::ids::TaskId;
use scriptworker_core::json::format_json;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// How many other builds a build takes artifacts of.
const INPUTS_OF_A_BUILD: usize = 10;

/// A release while it is made.
pub(super) struct Making<'a> {
    pub(super) signers: &'a Signers,
    pub(super) queue: &'a EmbeddedQueue,
    pub(super) plan: &'a Plan,
    pub(super) common: &'a Common<'a>,
    /// Where its artifacts go.
    pub(super) dir: PathBuf,
}

/// A file that a task made.
struct Content {
    name: String,
    path: PathBuf,
    digest: Digest,
}

impl Making<'_> {
    /// Makes everything.
    pub(super) fn all(&self) -> Result<Release, ReleaseError> {
        let (image, signing) = (new_task_id()?, new_task_id()?);
        let mut graph = Map::new();
        let member = |task: &Map<String, Value>| json!({"task": task, "dependencies": {}, "attributes": {}});

        let image_task = self.common.image();
        graph.insert(image.to_string(), member(&image_task));
        let content = self.random(&image, IMAGE_ARTIFACT, self.plan.artifact_size.min(4096), false)?;
        let used = json!({"imageArtifactHash": content.digest});
        let from = json!({"imageHash": image_hash(self.common.generation, "docker-image")?});
        let signer = Signer::Known(Implementation::DockerWorker);
        let damaged = self.plan.tampering == Some(Tampering::Attestation);
        self.past(&image, image_task, &from, Attesting { signer, damaged, ..HONEST }, vec![content])?;

        let ids = (0..self.plan.builds).map(|_| new_task_id()).collect::<Result<Vec<_>, _>>()?;
        let direct = self.plan.direct.unwrap_or(ids.len()).min(ids.len());
        let (taken, others) = ids.split_at(direct);
        let mut taken_by_builds = others.chunks(INPUTS_OF_A_BUILD);
        let mut builds = Vec::new();
        for (id, number) in ids.iter().zip(1..) {
            let inputs = Inputs { image: &image, builds: taken_by_builds.next().unwrap_or_default() };
            let (build, task) = self.build(id, number, &inputs, &used)?;
            let mut task = member(&task);
            if number == 1 && self.plan.tampering == Some(Tampering::Graph) {
                let number = task.pointer_mut("/task/payload/env/BUILD_NUMBER");
                *number.ok_or(ReleaseError::NoDecision)? = json!("another");
            }
            graph.insert(build.id.to_string(), task);
            builds.push(build);
        }

        let upstream: Vec<_> = builds
            .iter()
            .take(taken.len())
            .map(|build| (build.id.clone(), build.artifacts.iter().map(|(name, _)| name.clone()).collect()))
            .collect();
        let signing_task = self.common.signing(&upstream, &self.plan.payload);
        graph.insert(signing.to_string(), member(&signing_task));
        self.decision(&Value::Object(graph))?;
        self.queue.create_task(&signing, Value::Object(signing_task))?;
        let (revision, decision) = (self.common.push.revision.clone(), self.common.decision.clone());
        Ok(Release { revision, decision, image, builds, signing })
    }

    fn decision(&self, graph: &Value) -> Result<(), ReleaseError> {
        let id = self.common.decision;
        let parameters =
            json!({"head_rev": self.common.push.revision, "level": LEVEL, "tasks_for": "hg-push"});
        let contents = [
            ("public/task-graph.json", graph.to_string()),
            ("public/actions.json", json!({"version": 1, "variables": {}, "actions": []}).to_string()),
            ("public/parameters.yml", parameters.to_string()),
        ];
        let contents =
            contents.map(|(name, text)| self.content(id, name, |path| content::write(path, text.as_bytes())));
        let contents = contents.into_iter().collect::<Result<_, _>>()?;
        let environment = json!({"imageHash": image_hash(self.common.generation, "decision")?});
        self.past(id, self.common.decision()?, &environment, HONEST, contents)
    }

    /// The first build is the one with which something may be wrong.
    fn build(
        &self,
        id: &TaskId,
        number: usize,
        inputs: &Inputs<'_>,
        environment: &Value,
    ) -> Result<(Build, Map<String, Value>), ReleaseError> {
        let task = self.common.build(number, inputs, self.plan.padding);
        let wrong = self.plan.tampering.filter(|_| number == 1);
        let mut contents = Vec::new();
        for artifact in 1..=self.plan.artifacts {
            let name = artifact_of_build(artifact);
            let exchanged = artifact == 1 && wrong == Some(Tampering::Artifact);
            contents.push(self.random(id, &name, self.plan.artifact_size, exchanged)?);
        }
        let artifacts = contents.iter().map(|content| (content.name.clone(), content.path.clone())).collect();
        let attesting = match wrong {
            Some(Tampering::SignerOfAnotherClass) => {
                Attesting { signer: Signer::Known(Implementation::GenericWorker), ..HONEST }
            }
            Some(Tampering::UnknownSigner) => Attesting { signer: Signer::Stranger, ..HONEST },
            Some(Tampering::NoSignature) => Attesting { signed: false, ..HONEST },
            Some(Tampering::OtherRun) => Attesting { run: 1, ..HONEST },
            _ => HONEST,
        };
        self.past(id, task.clone(), environment, attesting, contents)?;
        Ok((Build { id: id.clone(), artifacts }, task))
    }

    fn random(&self, task: &TaskId, name: &str, size: u64, exchanged: bool) -> Result<Content, ReleaseError> {
        self.content(task, name, |path| content::make(path, size, exchanged))
    }

    /// A file for an artifact.
    fn content(
        &self,
        task: &TaskId,
        name: &str,
        make: impl FnOnce(&Path) -> io::Result<Digest>,
    ) -> Result<Content, ReleaseError> {
        let path = self.dir.join(task.as_str()).join(name);
        let parent = path.parent().unwrap_or(&self.dir);
        fsio::create_dir_all(parent).map_err(ReleaseError::file(parent))?;
        let digest = make(&path).map_err(ReleaseError::file(&path))?;
        Ok(Content { name: name.to_owned(), path, digest })
    }

    /// Attests a task, and puts it into the queue.
    fn past(
        &self,
        id: &TaskId,
        task: Map<String, Value>,
        environment: &Value,
        attesting: Attesting,
        mut contents: Vec<Content>,
    ) -> Result<(), ReleaseError> {
        let artifacts: BTreeMap<_, _> = contents
            .iter()
            .map(|content| {
                (&content.name, json!({content.digest.algorithm().name(): content.digest.digits()}))
            })
            .collect();
        let body = format_json(&json!({
            "artifacts": artifacts,
            "chainOfTrustVersion": 1,
            "environment": environment,
            "runId": attesting.run,
            "task": task,
            "taskId": id,
            "workerGroup": WORKER,
            "workerId": WORKER,
            "workerType": task.get("workerType"),
        }));
        let mut documents = self.signers.attest(attesting.signer, &body, self.common.created)?;
        if !attesting.signed {
            // the signature comes last: alone, or around the body
            documents.pop();
        }
        for (name, mut bytes) in documents {
            if attesting.damaged {
                damage(&mut bytes);
            }
            contents.push(self.content(id, name, |path| content::write(path, &bytes))?);
        }
        let artifacts: Vec<_> = contents
            .into_iter()
            .map(|Content { name, path, .. }| PastArtifact {
                content_type: content_type(&name).to_owned(),
                name,
                path,
            })
            .collect();
        Ok(self.queue.create_past_task(id, task, &artifacts)?)
    }
}

/// How a task is attested.
#[derive(Clone, Copy)]
struct Attesting {
    signer: Signer,
    run: u16,
    signed: bool,
    damaged: bool,
}

const HONEST: Attesting =
    Attesting { signer: Signer::Known(Implementation::DockerWorker), run: 0, signed: true, damaged: false };

/// Changes a byte so that the document says the same.
fn damage(document: &mut [u8]) {
    let place = b"\"runId\": ";
    let found = document.windows(place.len()).position(|window| window == place);
    if let Some(blank) = found.and_then(|at| document.get_mut(at + place.len() - 1)) {
        *blank = b'\t';
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "json")) => "application/json",
        Some((_, "asc")) => "text/plain",
        _ => "application/octet-stream",
    }
}
