//! A small world with one release in it: a push, its decision task, an image, a build, and the signing task that is to be
//! verified. Everything is signed with keys of its own, and can be tampered with before it is judged.

use super::super::{Case, InTurn, Judgement, Spread, judge, needs};
use crate::cot::chain::{ChainLimits, Subject};
use crate::cot::evidence::{Answer, Evidence, StoredArtifact};
use crate::cot::implementation::Implementation;
use crate::cot::keys::Keys;
use crate::cot::need::{GitHubObject, Need};
use crate::cot::policy::{CURRENT, Policy};
use crate::cot::reason::Reason;
use crate::cot::task::Definition;
use crate::cot::template::{InProcess, Rendering, render};
use crate::ed25519::PrivateKey;
use crate::ids::TaskId;
use crate::json::{DocumentKind, format_json};
use crate::openpgp::{Keyring, SecretKey};
use crate::time::UnixMillis;
use crate::yaml;
use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) const DECISION: &str = "DecisionQ0WAAAAAAAAAAA";
pub(super) const IMAGE: &str = "ImageTskQ0WAAAAAAAAAAA";
pub(super) const BUILD: &str = "BuildTskQ0WAAAAAAAAAAA";
pub(super) const SIGNING: &str = "SigningTQ0WAAAAAAAAAAA";
pub(super) const REPOSITORY: &str = "https://hg.mozilla.org/mozilla-central";
pub(super) const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";
pub(super) const NOW: &str = "2026-11-25T22:00:00.000Z";
pub(super) const ARTIFACT: &str = "public/build/target.tar.gz";
const SCOPE: &str = "project:releng:signing:cert:nightly-signing";

/// Everything that a verifier might ask for, to be changed at will.
pub(super) struct World {
    /// The policy, before it is read.
    pub(super) policy: Value,
    /// Definitions, as the queue has them.
    pub(super) tasks: BTreeMap<&'static str, Value>,
    /// What each task attests, before it is signed.
    pub(super) bodies: BTreeMap<&'static str, Value>,
    /// Which key signs for a task.
    pub(super) signers: BTreeMap<&'static str, PrivateKey>,
    /// The same in the classic generation.
    pub(super) clear_signers: BTreeMap<&'static str, SecretKey>,
    /// The keyrings of the classic generation.
    pub(super) keyrings: BTreeMap<Implementation, Keyring>,
    /// Artifacts by task and name.
    pub(super) artifacts: BTreeMap<(&'static str, String), Vec<u8>>,
    /// Changes to signed documents, after they were signed.
    pub(super) damage: Option<Damage>,
    pub(super) states: BTreeMap<&'static str, Value>,
    pub(super) template: String,
    pub(super) pushlog: Value,
    pub(super) projects: String,
    /// The task as it was claimed, when it is not the queue's.
    pub(super) claimed: Option<Value>,
    pub(super) check_signatures: bool,
    pub(super) queue_now: Option<UnixMillis>,
}

/// Task, artifact's name, and what becomes of its bytes.
pub(super) type Damage = (&'static str, &'static str, fn(Vec<u8>) -> Option<Vec<u8>>);

const TEMPLATE: &str = r#"
version: 1
tasks:
  - $let: {level: '${repository.level}'}
    in:
      taskId: '${ownTaskId}'
      provisionerId: 'gecko-${level}'
      workerType: decision
      taskGroupId: {$eval: as_slugid("decision")}
      schedulerId: 'gecko-level-${level}'
      created: {$fromNow: ''}
      deadline: {$fromNow: '1 day'}
      expires: {$fromNow: '1 year'}
      metadata: {owner: '${push.owner}', name: Decision, source: '${repository.url}/raw-file/${push.revision}/.taskcluster.yml'}
      tags: {worker-implementation: docker-worker, empty: ''}
      routes: {$if: 'tasks_for == "cron"', then: [x]}
      scopes: ['assume:repo:${repository.url[8:]}:branch:default']
      payload:
        image: 'mozillareleases/taskgraph:decision'
        features: {chainOfTrust: true}
        env:
          GECKO_HEAD_REPOSITORY: '${repository.url}'
          GECKO_HEAD_REV: '${push.revision}'
          GECKO_COMMIT_MSG: ' '
      extra: {tasks_for: '${tasks_for}', cron: {$if: 'tasks_for == "cron"', then: x}}
"#;

pub(super) fn key(number: u64) -> PrivateKey {
    PrivateKey::generate(&mut StdRng::seed_from_u64(number))
}

pub(super) fn id(text: &str) -> TaskId {
    TaskId::parse(text).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A task of the graph.
fn task(pool: &str, payload: Value, extra: Value, scopes: Value) -> Value {
    let (provisioner, worker) = pool.split_once('/').unwrap();
    json!({
        "provisionerId": provisioner, "workerType": worker, "taskGroupId": DECISION, "schedulerId": "gecko-level-3",
        "created": "2026-11-25T20:10:00.000Z", "deadline": "2026-11-26T20:10:00.000Z", "dependencies": [DECISION],
        "expires": "2027-11-25T20:10:00.000Z", "payload": payload, "extra": extra, "scopes": scopes,
        "metadata": {"source": format!("{REPOSITORY}/file/{REVISION}/taskcluster/ci")}, "tags": {},
    })
}

fn decision() -> Value {
    let rendering = Rendering {
        template: yaml::read_strict(TEMPLATE.as_bytes(), DocumentKind::TaskTemplate).unwrap(),
        context: Map::from_iter([
            ("tasks_for".to_owned(), json!("hg-push")),
            ("ownTaskId".to_owned(), json!(DECISION)),
            ("push".to_owned(), json!({"owner": "pusher@mozilla.com", "revision": REVISION})),
            ("repository".to_owned(), json!({"url": REPOSITORY, "level": "3"})),
        ]),
        now: UnixMillis::parse("2026-11-25T20:00:00.000Z").unwrap(),
        decision: id(DECISION),
        own: id(DECISION),
    };
    let mut made = render(&rendering).unwrap()["tasks"][0].clone();
    made.as_object_mut().unwrap().remove("taskId");
    made["dependencies"] = json!([]);
    made["priority"] = json!("low");
    made
}

impl World {
    pub(super) fn new() -> Self {
        let image = task(
            "gecko-3/images",
            json!({"image": "builder:1", "features": {"chainOfTrust": true}}),
            json!({}),
            json!([]),
        );
        let build_payload = json!({
            "image": {"type": "task-image", "taskId": IMAGE, "path": "public/image.tar.zst"},
            "features": {"chainOfTrust": true}, "env": {"GECKO_HEAD_REPOSITORY": REPOSITORY, "GECKO_HEAD_REV": REVISION},
        });
        let inputs = json!({"chainOfTrust": {"inputs": {"docker-image": IMAGE}}});
        let build = task("gecko-3/b-linux", build_payload, inputs, json!([]));
        let upstream = json!({"upstreamArtifacts": [
            {"taskId": BUILD, "taskType": "build", "paths": [ARTIFACT], "formats": ["autograph_gpg"]},
        ]});
        let signing = task("scriptworker-k8s/gecko-3-signing", upstream, json!({}), json!([SCOPE]));
        let graph = json!({IMAGE: {"task": image}, BUILD: {"task": build}, SIGNING: {"task": signing}});
        let mut world = Self {
            policy: yaml::read_strict(CURRENT.as_bytes(), DocumentKind::Policy).unwrap(),
            tasks: BTreeMap::from([
                (DECISION, decision()),
                (IMAGE, image),
                (BUILD, build),
                (SIGNING, signing),
            ]),
            bodies: BTreeMap::new(),
            signers: [DECISION, IMAGE, BUILD].map(|task| (task, key(1))).into(),
            clear_signers: BTreeMap::new(),
            keyrings: BTreeMap::new(),
            artifacts: BTreeMap::from([
                ((DECISION, "public/task-graph.json".to_owned()), graph.to_string().into_bytes()),
                ((IMAGE, "public/image.tar.zst".to_owned()), b"an image".to_vec()),
                ((BUILD, ARTIFACT.to_owned()), b"a build".to_vec()),
            ]),
            damage: None,
            states: BTreeMap::new(),
            template: TEMPLATE.to_owned(),
            pushlog: json!({"pushes": {"77": {"user": "pusher@mozilla.com", "date": 1_795_636_700, "changesets": [
                {"node": REVISION, "parents": ["p"], "desc": "A change"},
            ]}}}),
            projects: format!(
                "mozilla-central: {{repo: '{REPOSITORY}', repo_type: hg, access: scm_level_3}}\n"
            ),
            claimed: None,
            check_signatures: true,
            queue_now: Some(UnixMillis::parse(NOW).unwrap()),
        };
        world.policy["ed25519_public_keys"] = json!({
            "docker-worker": [key(1).public().to_string()], "generic-worker": [key(2).public().to_string()],
            "scriptworker": [key(3).public().to_string()],
        });
        world.policy["shared_ed25519_public_keys"] = json!([]);
        world.attest();
        world
    }

    /// What honest workers attest of the tasks and artifacts as they are now.
    pub(super) fn attest(&mut self) {
        for name in [DECISION, IMAGE, BUILD, SIGNING] {
            let artifacts: Map<_, _> = self
                .artifacts
                .iter()
                .filter(|((task, _), _)| *task == name)
                .map(|((_, path), bytes)| (path.clone(), json!({"sha256": hex(bytes)})))
                .collect();
            let image = self.artifacts.get(&(IMAGE, "public/image.tar.zst".to_owned()));
            let environment = match image.filter(|_| name == BUILD) {
                Some(bytes) => json!({"imageArtifactHash": format!("sha256:{}", hex(bytes))}),
                None => json!({"imageHash": "sha256:x"}),
            };
            let body = json!({
                "artifacts": artifacts, "chainOfTrustVersion": 1, "environment": environment, "runId": 0,
                "task": self.tasks[name], "taskId": name, "workerGroup": "us-west1", "workerId": "w-1",
                "workerType": self.tasks[name]["workerType"],
            });
            self.bodies.insert(name, body);
        }
    }

    /// Changes a definition everywhere: in the queue, in the graph, in the attestation.
    pub(super) fn change_task(&mut self, name: &'static str, change: impl FnOnce(&mut Value)) {
        let task = self.tasks.get_mut(name).unwrap();
        change(task);
        let task = task.clone();
        let place = self.artifacts.get_mut(&(DECISION, "public/task-graph.json".to_owned())).unwrap();
        let mut graph: Value = serde_json::from_slice(place).unwrap();
        if graph.get(name).is_some() {
            graph[name]["task"] = task;
        }
        *place = graph.to_string().into_bytes();
        self.attest();
    }

    fn artifact(&self, task: &'static str, name: &str) -> Option<Vec<u8>> {
        let body = || format_json(&self.bodies[task]).into_bytes();
        let made = match name {
            "public/chain-of-trust.json" => self.signers.get(task).map(|_| body()),
            "public/chain-of-trust.json.sig" => {
                self.signers.get(task).map(|key| key.sign(&body()).as_bytes().to_vec())
            }
            "public/chainOfTrust.json.asc" => self.clear_signers.get(task).map(|key| {
                let at = UnixMillis::parse("2026-11-25T20:30:00Z").unwrap();
                key.clear_sign(&body(), at, &mut StdRng::seed_from_u64(5)).unwrap().into_bytes()
            }),
            _ => self.artifacts.get(&(task, name.to_owned())).cloned(),
        };
        match self.damage {
            Some((damaged, artifact, damage)) if damaged == task && artifact == name => made.and_then(damage),
            _ => made,
        }
    }

    pub(super) fn answer(&self, need: &Need) -> Answer {
        let present =
            |bytes: Option<Vec<u8>>| bytes.map_or(Answer::Absent, |bytes| Answer::Present(bytes.into()));
        let known = |task: &TaskId| self.tasks.keys().copied().find(|name| *name == task.as_str());
        match need {
            Need::Task { task } => present(known(task).map(|name| self.tasks[name].to_string().into_bytes())),
            Need::Status { task } => {
                present(known(task).map(|name| self.status(name).to_string().into_bytes()))
            }
            Need::Document { run, name, .. } => {
                present(known(&run.task_id).and_then(|task| self.artifact(task, name.as_str())))
            }
            Need::Artifact { run, name, sha512 } => {
                let bytes = known(&run.task_id).and_then(|task| self.artifact(task, name.as_str()));
                bytes.map_or(Answer::Absent, |bytes| {
                    let length = u64::try_from(bytes.len()).unwrap();
                    Answer::Stored(StoredArtifact {
                        sha256: Sha256::digest(&bytes).into(),
                        sha512: sha512.then(|| Sha512::digest(&bytes).into()),
                        length,
                    })
                })
            }
            Need::Listing { run } => {
                let names: Vec<_> = self
                    .artifacts
                    .keys()
                    .filter(|(task, _)| *task == run.task_id.as_str())
                    .map(|(_, name)| name)
                    .collect();
                present(Some(serde_json::to_vec(&names).unwrap()))
            }
            Need::TreeFile { repository, revision, path } => {
                let known = repository == REPOSITORY && revision == REVISION && path == ".taskcluster.yml";
                present(known.then(|| self.template.clone().into_bytes()))
            }
            Need::Pushlog { .. } => present(Some(self.pushlog.to_string().into_bytes())),
            Need::Projects => present(Some(self.projects.clone().into_bytes())),
            Need::GitHub { what: GitHubObject::BranchCommits { .. }, .. } => present(Some(b" \n".to_vec())),
            Need::GitHub { .. } => Answer::Absent,
        }
    }

    fn status(&self, name: &'static str) -> Value {
        let pool = Definition::from_value(self.tasks[name].clone()).unwrap().pool().clone();
        let (provisioner, worker) = pool.as_str().split_once('/').unwrap();
        let runs = self.states.get(name).cloned().unwrap_or_else(|| {
            json!([{"runId": 0, "state": "completed", "workerGroup": "us-west1", "workerId": "w-1", "resolved": "2026-11-25T21:00:00.000Z"}])
        });
        json!({"status": {
            "taskId": name, "provisionerId": provisioner, "workerType": worker, "expires": "2027-11-25T20:10:00.000Z",
            "runs": runs,
        }})
    }

    /// Gathers what is needed, level by level, and judges.
    pub(super) fn judge(&self) -> Judgement {
        self.judge_after(|_, _| {})
    }

    /// As `judge`; every round's evidence and needs are shown first.
    pub(super) fn judge_after(&self, round: impl FnMut(&Evidence, &[Need])) -> Judgement {
        self.judge_spread(&InTurn, round)
    }

    /// As `judge_after`, with the work spread in another way.
    pub(super) fn judge_spread(
        &self,
        spread: &dyn Spread,
        mut round: impl FnMut(&Evidence, &[Need]),
    ) -> Judgement {
        let policy = Policy::from_value(self.policy.clone()).unwrap();
        let claimed = self.claimed.as_ref().unwrap_or_else(|| &self.tasks[SIGNING]);
        let task = Definition::from_value(claimed.clone()).unwrap();
        let subject = Subject { id: id(SIGNING), task_type: "signing".to_owned(), task };
        let keys = Keys { openpgp: &self.keyrings, ed25519: &policy.keys, check: self.check_signatures };
        let case = Case {
            subject: &subject,
            attested: false,
            policy: &policy,
            product: policy.product("firefox").unwrap(),
            keys: &keys,
            renderer: &InProcess,
            spread,
            limits: ChainLimits { hops: 20, links: 1000, inputs: 100 },
            now: UnixMillis::parse(NOW).unwrap(),
            queue_now: self.queue_now,
        };
        let mut evidence = Evidence::new();
        for _ in 0..30 {
            let wanted = needs(&case, &evidence);
            round(&evidence, &wanted);
            if wanted.is_empty() {
                return judge(&case, &evidence);
            }
            for need in wanted {
                let answer = self.answer(&need);
                evidence.add(need, answer).unwrap();
            }
        }
        unreachable!("needs without end");
    }

    /// The reasons of a refusal, with the task of each.
    pub(super) fn refusals(&self) -> Vec<(String, Reason)> {
        match self.judge() {
            Judgement::Refused(report) => report
                .findings()
                .map(|(link, _, finding)| (link.task_id.to_string(), finding.reason))
                .collect(),
            Judgement::Verified(..) => Vec::new(),
            Judgement::Incomplete(needs) => panic!("{needs:?}"),
        }
    }
}

/// Shared by tests that change one byte at a time.
pub(super) fn bytes_of(answer: &Answer) -> Option<Bytes> {
    match answer {
        Answer::Present(bytes) => Some(bytes.clone()),
        Answer::Stored(_) | Answer::Absent | Answer::TooLarge { .. } | Answer::Forbidden { .. } => None,
    }
}
