//! A world: everything that a verifier might ask for, to be changed at will before it is judged.
//!
//! Definitions, artifacts and keys are data; what honest workers attest follows from them ([`World::attest`]). Answers
//! that are wrong on their way are put over all of that at the end ([`World::answers`]).

use rand::SeedableRng;
use rand::rngs::StdRng;
use scriptworker_core::cot::evidence::{Answer, StoredArtifact};
use scriptworker_core::cot::need::{GitHubObject, Need};
use scriptworker_core::ed25519::PrivateKey;
use scriptworker_core::ids::{ArtifactName, RunId, RunKey, TaskId};
use scriptworker_core::json::{DocumentKind, format_json};
use scriptworker_core::openpgp::SecretKey;
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha512};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const ATTESTATION: &str = "public/chain-of-trust.json";
pub(crate) const SIGNATURE: &str = "public/chain-of-trust.json.sig";
pub(crate) const CLEAR_SIGNED: &str = "public/chainOfTrust.json.asc";
pub(crate) const GRAPH: &str = "public/task-graph.json";
pub(crate) const ACTIONS: &str = "public/actions.json";
pub(crate) const PARAMETERS: &str = "public/parameters.yml";
/// When everything is judged, if a case does not say otherwise.
pub(crate) const NOW: &str = "2026-11-25T22:00:00.000Z";

/// The generation of rules, and so the policy that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    Classic,
    Current,
}

impl Generation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Current => "current",
        }
    }
}

/// What somebody else than a task knows.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The repository whose template this is, in its normal form, and the revision.
    pub(crate) repository: String,
    pub(crate) revision: String,
    pub(crate) template: String,
    pub(crate) pushlog: Value,
    pub(crate) projects: String,
    /// Answers of GitHub: owner and name, what, and the answer's text.
    pub(crate) github: Vec<(String, GitHubObject, String)>,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) generation: Generation,
    pub(crate) product: &'static str,
    /// The task that is verified, and its type.
    pub(crate) subject: (&'static str, &'static str),
    /// Whether its own attestation is looked at.
    pub(crate) attested: bool,
    pub(crate) check_signatures: bool,
    pub(crate) now: UnixMillis,
    pub(crate) queue_now: Option<UnixMillis>,
    /// Tables that the configuration replaces, beside those of [`World::config`].
    pub(crate) config: Map<String, Value>,
    /// Changes to the built-in policy that no configuration can make: where, and to what.
    pub(crate) policy: BTreeMap<&'static str, Value>,
    /// Definitions, as the queue has them.
    pub(crate) tasks: BTreeMap<&'static str, Value>,
    /// The decision task or action in whose graph each task is.
    pub(crate) graphs: BTreeMap<&'static str, Vec<&'static str>>,
    /// What each task attests, before it is signed.
    pub(crate) bodies: BTreeMap<&'static str, Value>,
    /// Which key signs for a task.
    pub(crate) signers: BTreeMap<&'static str, PrivateKey>,
    /// The same in the classic generation.
    pub(crate) clear_signers: BTreeMap<&'static str, SecretKey>,
    /// Artifacts by task and name.
    pub(crate) artifacts: BTreeMap<(&'static str, String), Vec<u8>>,
    /// What docker-worker attests of an image that no task made.
    pub(crate) image_hashes: BTreeMap<&'static str, String>,
    /// The runs of a task, where they are not one that is completed.
    pub(crate) runs: BTreeMap<&'static str, Value>,
    pub(crate) source: Source,
    /// Answers that are not what the rest of the world gives.
    pub(crate) answers: BTreeMap<Need, Answer>,
    /// Questions that nobody answers: trouble on the way.
    pub(crate) silent: BTreeSet<Need>,
}

/// An ed25519 key; each number has its own.
pub(crate) fn key(number: u64) -> PrivateKey {
    PrivateKey::generate(&mut StdRng::seed_from_u64(number))
}

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::parse(text).unwrap()
}

pub(crate) fn at(text: &str) -> UnixMillis {
    UnixMillis::parse(text).unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The question for a document of a task's first run.
pub(crate) fn document(task: &str, name: &str) -> Need {
    let class = match name {
        ATTESTATION | CLEAR_SIGNED => DocumentKind::Attestation,
        SIGNATURE => DocumentKind::Signature,
        GRAPH => DocumentKind::TaskGraph,
        ACTIONS => DocumentKind::Actions,
        _ => DocumentKind::Parameters,
    };
    Need::Document { run: run(task), name: ArtifactName::parse(name).unwrap(), class }
}

/// The question for an artifact of a task's first run.
pub(crate) fn artifact(task: &str, name: &str) -> Need {
    Need::Artifact { run: run(task), name: ArtifactName::parse(name).unwrap(), sha512: false }
}

fn run(task: &str) -> RunKey {
    RunKey { task_id: id(task), run_id: RunId::new(0).unwrap() }
}

/// Some bytes, as an answer.
pub(crate) fn present(bytes: impl Into<Vec<u8>>) -> Answer {
    Answer::Present(bytes.into().into())
}

fn stored(bytes: &[u8], sha512: bool) -> Answer {
    Answer::Stored(StoredArtifact {
        sha256: Sha256::digest(bytes).into(),
        sha512: sha512.then(|| Sha512::digest(bytes).into()),
        length: u64::try_from(bytes.len()).unwrap(),
    })
}

impl World {
    /// What honest workers attest of the tasks and artifacts as they are now.
    pub(crate) fn attest(&mut self) {
        for (parent, members) in &self.graphs {
            let entry = |task: &&'static str| ((*task).to_owned(), graph_entry(task, &self.tasks[*task]));
            let graph: Map<_, _> = members.iter().map(entry).collect();
            self.artifacts.insert((parent, GRAPH.to_owned()), Value::Object(graph).to_string().into_bytes());
        }
        self.sign();
    }

    /// The same, graphs excepted: those keep what they say.
    pub(crate) fn sign(&mut self) {
        for (name, task) in &self.tasks {
            let artifacts: Map<_, _> = self
                .artifacts
                .iter()
                .filter(|((task, _), _)| task == name)
                .map(|((_, path), bytes)| (path.clone(), json!({"sha256": sha256(bytes)})))
                .collect();
            let body = json!({
                "artifacts": artifacts, "chainOfTrustVersion": 1, "environment": self.environment(name), "runId": 0,
                "task": task, "taskId": name, "workerGroup": "us-west1", "workerId": "w-1",
                "workerType": task["workerType"],
            });
            self.bodies.insert(name, body);
        }
    }

    /// What the worker says about the place where the task ran.
    fn environment(&self, name: &str) -> Value {
        let image = &self.tasks[name]["payload"]["image"];
        let made = image["taskId"].as_str().zip(image["path"].as_str());
        let digest = made.and_then(|(task, path)| {
            let key = self.artifacts.keys().find(|(of, name)| *of == task && name == path)?;
            Some(sha256(&self.artifacts[key]))
        });
        match (digest, self.image_hashes.get(name)) {
            (Some(digest), _) => json!({"imageArtifactHash": format!("sha256:{digest}")}),
            (None, Some(digest)) => json!({"imageHash": digest}),
            (None, None) if image.is_string() => {
                json!({"imageHash": format!("sha256:{}", sha256(image.to_string().as_bytes()))})
            }
            (None, None) => json!({}),
        }
    }

    /// Changes a definition everywhere: in the queue, in the graph, in the attestation.
    pub(crate) fn change_task(&mut self, name: &'static str, change: impl FnOnce(&mut Value)) {
        change(self.tasks.get_mut(name).unwrap());
        self.attest();
    }

    /// Changes the task that ran, while the graph says what it said before.
    pub(crate) fn change_run(&mut self, name: &'static str, change: impl FnOnce(&mut Value)) {
        change(self.tasks.get_mut(name).unwrap());
        self.sign();
    }

    /// Changes what a worker states, and signs.
    pub(crate) fn change_body(&mut self, name: &'static str, change: impl FnOnce(&mut Value)) {
        change(self.bodies.get_mut(name).unwrap());
    }

    /// Changes a graph, and what its maker attests of it.
    pub(crate) fn change_graph(&mut self, parent: &'static str, change: impl FnOnce(&mut Value)) {
        let place = self.artifacts.get_mut(&(parent, GRAPH.to_owned())).unwrap();
        let mut graph: Value = serde_json::from_slice(place).unwrap();
        change(&mut graph);
        *place = graph.to_string().into_bytes();
        self.sign();
    }

    /// Puts an artifact there, or another in its place, attested.
    pub(crate) fn make(&mut self, task: &'static str, name: &str, bytes: impl Into<Vec<u8>>) {
        self.artifacts.insert((task, name.to_owned()), bytes.into());
        self.sign();
    }

    /// Changes the bytes of an answer on their way. Nothing: there is no such thing.
    pub(crate) fn damage(&mut self, need: &Need, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
        let changed = self.bytes(need).and_then(change);
        let answer = match (changed, need) {
            (None, _) => Answer::Absent,
            (Some(bytes), Need::Artifact { sha512, .. }) => stored(&bytes, *sha512),
            (Some(bytes), _) => present(bytes),
        };
        self.answers.insert(need.clone(), answer);
    }

    /// Nobody answers this.
    pub(crate) fn silence(&mut self, need: Need) {
        self.silent.insert(need);
    }

    /// Every question that the world as it is has something to say about, beside those that somebody asks.
    pub(crate) fn questions(&self) -> Vec<Need> {
        let mut all = vec![Need::Projects];
        for task in self.tasks.keys() {
            all.extend([Need::Task { task: id(task) }, Need::Status { task: id(task) }]);
            if *task == self.subject.0 && !self.attested {
                continue;
            }
            let forms: &[&str] = match self.generation {
                Generation::Classic => &[CLEAR_SIGNED],
                Generation::Current => &[ATTESTATION, SIGNATURE],
            };
            all.extend(forms.iter().map(|name| document(task, name)));
            all.push(Need::Listing { run: run(task) });
        }
        // nobody asks for the empty ones, nor for those that no queue can have
        let askable = |(key, bytes): &(&(&str, String), &Vec<u8>)| !bytes.is_empty() && key.1.is_ascii();
        for ((task, name), _) in self.artifacts.iter().filter(askable) {
            let read = [GRAPH, ACTIONS, PARAMETERS].contains(&name.as_str());
            let listed = &self.bodies[task]["artifacts"][name];
            all.push(match artifact(task, name) {
                _ if read => document(task, name),
                Need::Artifact { run, name, .. } => {
                    Need::Artifact { run, name, sha512: listed.get("sha512").is_some() }
                }
                other => other,
            });
        }
        if self.generation == Generation::Current {
            let Source { repository, revision, github, pushlog, .. } = &self.source;
            let (repository, revision) = (repository.clone(), revision.clone());
            all.extend(
                github
                    .iter()
                    .map(|(of, what, _)| Need::GitHub { repository: of.clone(), what: what.clone() }),
            );
            if !pushlog.is_null() {
                all.push(Need::Pushlog { repository: repository.clone(), revision: revision.clone() });
            }
            all.push(Need::TreeFile { repository, revision, path: ".taskcluster.yml".to_owned() });
        }
        all
    }

    /// The answer to a question.
    pub(crate) fn answer(&self, need: &Need) -> Answer {
        if let Some(answer) = self.answers.get(need) {
            return answer.clone();
        }
        match (self.bytes(need), need) {
            (None, _) => Answer::Absent,
            (Some(bytes), Need::Artifact { sha512, .. }) => stored(&bytes, *sha512),
            (Some(bytes), _) => present(bytes),
        }
    }

    /// The bytes behind an answer that nobody has damaged.
    pub(crate) fn bytes(&self, need: &Need) -> Option<Vec<u8>> {
        let known = |task: &TaskId| self.tasks.keys().copied().find(|name| *name == task.as_str());
        match need {
            Need::Task { task } => known(task).map(|name| self.tasks[name].to_string().into_bytes()),
            Need::Status { task } => known(task).map(|name| self.status(name).to_string().into_bytes()),
            Need::Document { run, name, .. } | Need::Artifact { run, name, .. } => {
                self.artifact(known(&run.task_id)?, name.as_str())
            }
            Need::Listing { run } => {
                let names = self.artifacts.keys().filter(|(task, _)| *task == run.task_id.as_str());
                Some(serde_json::to_vec(&names.map(|(_, name)| name).collect::<Vec<_>>()).unwrap())
            }
            Need::TreeFile { repository, revision, path } => {
                let Source { repository: known, revision: at, template, .. } = &self.source;
                let is_it = repository == known && revision == at && path == ".taskcluster.yml";
                is_it.then(|| template.clone().into_bytes())
            }
            Need::Pushlog { repository, .. } => {
                let has = *repository == self.source.repository && !self.source.pushlog.is_null();
                has.then(|| self.source.pushlog.to_string().into_bytes())
            }
            Need::Projects => Some(self.source.projects.clone().into_bytes()),
            Need::GitHub { repository, what } => {
                let mut known = self.source.github.iter();
                let found = known.find(|(of, object, _)| of == repository && object == what);
                found.map(|(_, _, text)| text.clone().into_bytes())
            }
        }
    }

    fn artifact(&self, task: &'static str, name: &str) -> Option<Vec<u8>> {
        let body = || format_json(&self.bodies[task]).into_bytes();
        match name {
            ATTESTATION => self.signers.get(task).map(|_| body()),
            SIGNATURE => self.signers.get(task).map(|key| key.sign(&body()).as_bytes().to_vec()),
            CLEAR_SIGNED => self.clear_signers.get(task).map(|key| {
                let made = at("2026-11-25T20:30:00Z");
                key.clear_sign(&body(), made, &mut StdRng::seed_from_u64(5)).unwrap().into_bytes()
            }),
            _ => self.artifacts.get(&(task, name.to_owned())).cloned(),
        }
    }

    fn status(&self, name: &'static str) -> Value {
        let task = &self.tasks[name];
        let runs = self.runs.get(name).cloned().unwrap_or_else(|| json!([completed(0)]));
        let state = runs
            .as_array()
            .and_then(|runs| runs.last())
            .map_or(json!("unscheduled"), |run| run["state"].clone());
        json!({"status": {
            "taskId": name, "provisionerId": task["provisionerId"], "workerType": task["workerType"],
            "taskQueueId": format!("{}/{}", text(&task["provisionerId"]), text(&task["workerType"])),
            "schedulerId": task["schedulerId"], "taskGroupId": task["taskGroupId"], "deadline": task["deadline"],
            "expires": task["expires"], "retriesLeft": 5, "state": state, "runs": runs,
        }})
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A run as it should be.
pub(crate) fn completed(number: u64) -> Value {
    json!({
        "runId": number, "state": "completed", "workerGroup": "us-west1", "workerId": "w-1",
        "reasonCreated": "scheduled", "reasonResolved": "completed", "scheduled": "2026-11-25T20:10:00.000Z",
        "started": "2026-11-25T20:11:00.000Z", "resolved": "2026-11-25T21:00:00.000Z",
    })
}

/// An entry of a graph: the definition as the decision task wrote it, without what the queue fills in.
pub(crate) fn graph_entry(name: &str, task: &Value) -> Value {
    let mut written = task.clone();
    for filled in ["projectId", "taskQueueId", "retries", "requires"] {
        written.as_object_mut().unwrap().remove(filled);
    }
    json!({"task": written, "task_id": name, "label": name, "attributes": {}, "dependencies": {}})
}
