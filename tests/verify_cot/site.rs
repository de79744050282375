//! A deployment with one release in it. Everything is made and signed here; the queue and the hosts of sources are
//! servers in this process.
//!
//! | module | what it holds |
//! |---|---|
//! | `hg`, `classic`, `github` | releases: from Mercurial, of the classic generation, from GitHub |
//! | `host` | what source hosts say |

#[path = "site/classic.rs"]
pub(crate) mod classic;
#[path = "site/github.rs"]
pub(crate) mod github;
#[path = "site/hg.rs"]
pub(crate) mod hg;
#[path = "site/host.rs"]
mod host;

use host::Host;
use rand::SeedableRng;
use rand::rngs::StdRng;
use scriptworker::config::{KeyringLayout, KeyringModel};
use scriptworker::embedded_queue::{EmbeddedQueue, Options, PastArtifact};
use scriptworker::keyrings::{Keys, Source, Store};
use scriptworker_core::ed25519::PrivateKey;
use scriptworker_core::ids::TaskId;
use scriptworker_core::json::format_json;
use scriptworker_core::openpgp::SecretKey;
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::SystemTime;
use tempfile::TempDir;

pub(crate) const DECISION: &str = "DecisionQ0WAAAAAAAAAAA";
pub(crate) const IMAGE: &str = "ImageTskQ0WAAAAAAAAAAA";
pub(crate) const BUILD: &str = "BuildTskQ0WAAAAAAAAAAA";
pub(crate) const SIGNING: &str = "SigningTQ0WAAAAAAAAAAA";
pub(crate) const ARTIFACT: &str = "public/build/target.tar.gz";
const DAY: i64 = 86_400_000;

/// Who signs an attestation.
#[derive(Clone)]
pub(crate) enum Signer {
    Ed25519(u64),
    OpenPgp(Box<SecretKey>),
}

/// A task, and what becomes of its attestation's body.
pub(crate) type Damage = (&'static str, fn(String) -> String);

/// Everything that a release is: honest until a test changes it.
pub(crate) struct Release {
    pub(crate) product: &'static str,
    pub(crate) tasks: BTreeMap<&'static str, Value>,
    /// As they are attested, by task and name.
    pub(crate) artifacts: BTreeMap<(&'static str, String), Vec<u8>>,
    /// As they are served instead; nothing: not at all.
    pub(crate) served: BTreeMap<(&'static str, String), Option<Vec<u8>>>,
    pub(crate) environments: BTreeMap<&'static str, Value>,
    pub(crate) signers: BTreeMap<&'static str, Signer>,
    /// What becomes of a body after it is signed.
    pub(crate) damage: Option<Damage>,
    /// What hosts answer, by the beginning of the path.
    pub(crate) host: Vec<(&'static str, u16, String)>,
    /// Which addresses are read from the host, and below which path.
    pub(crate) mirrors: Vec<(&'static str, &'static str)>,
    /// Keys of the configuration.
    pub(crate) config: Map<String, Value>,
}

pub(crate) struct Site {
    pub(crate) queue: EmbeddedQueue,
    pub(crate) host: Host,
    pub(crate) dir: TempDir,
    product: &'static str,
    mirrors: Vec<String>,
    pub(crate) config: PathBuf,
}

pub(crate) fn key(number: u64) -> PrivateKey {
    PrivateKey::generate(&mut StdRng::seed_from_u64(number))
}

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::parse(text).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UnixMillis(i64::try_from(since.as_secs()).unwrap() * 1000)
}

/// With what the queue would fill in.
fn filled(mut task: Value) -> Value {
    let name = |key: &str| task[key].as_str().unwrap().to_owned();
    let queue = format!("{}/{}", name("provisionerId"), name("workerType"));
    let members = task.as_object_mut().unwrap();
    for (key, value) in [
        ("taskQueueId", json!(queue)),
        ("projectId", json!("none")),
        ("dependencies", json!([])),
        ("routes", json!([])),
    ] {
        members.entry(key).or_insert(value);
    }
    task
}

/// A task of the decision task's graph.
fn task(
    created: UnixMillis,
    pool: &str,
    source: &str,
    payload: &Value,
    extra: &Value,
    scopes: &Value,
) -> Value {
    let (provisioner, worker) = pool.split_once('/').unwrap();
    filled(json!({
        "provisionerId": provisioner, "workerType": worker, "taskGroupId": DECISION,
        "schedulerId": "gecko-level-3", "created": created, "deadline": created.plus(DAY),
        "expires": created.plus(300 * DAY), "priority": "low", "retries": 5, "requires": "all-completed",
        "payload": payload, "extra": extra, "scopes": scopes, "tags": {},
        "metadata": {"name": "a task", "description": "a task", "owner": "pusher@mozilla.com", "source": source},
    }))
}

impl Release {
    /// Changes a task before anybody attests it: in the queue, and in the graph of its decision task.
    pub(crate) fn change(&mut self, task: &'static str, change: impl FnOnce(&mut Value)) {
        let definition = self.tasks.get_mut(task).unwrap();
        change(definition);
        *definition = filled({
            let mut plain = definition.clone();
            plain.as_object_mut().unwrap().remove("taskQueueId");
            plain
        });
        self.graph();
    }

    /// The decision task's graph, of the tasks as they are.
    pub(crate) fn graph(&mut self) {
        let entries = self.tasks.iter().filter(|(name, _)| **name != DECISION);
        let graph: Map<_, _> =
            entries.map(|(name, task)| ((*name).to_owned(), json!({"task": task}))).collect();
        let place = (DECISION, "public/task-graph.json".to_owned());
        self.artifacts.insert(place, Value::Object(graph).to_string().into_bytes());
    }

    pub(crate) fn artifact(&mut self, task: &'static str, name: &str, bytes: &[u8]) {
        self.artifacts.insert((task, name.to_owned()), bytes.to_vec());
    }

    /// What an honest worker attests of a task, signed; by the names of its artifacts.
    fn attested(&self, name: &'static str) -> Vec<(String, Vec<u8>)> {
        let mine = self.artifacts.iter().filter(|((task, _), _)| *task == name);
        let artifacts: Map<_, _> =
            mine.map(|((_, path), bytes)| (path.clone(), json!({"sha256": hex(bytes)}))).collect();
        let body = format_json(&json!({
            "artifacts": artifacts, "chainOfTrustVersion": 1,
            "environment": self.environments.get(name).cloned().unwrap_or_else(|| json!({})), "runId": 0,
            "task": self.tasks[name], "taskId": name, "workerGroup": "past", "workerId": "past",
            "workerType": self.tasks[name]["workerType"],
        }));
        let given = match self.damage {
            Some((damaged, damage)) if damaged == name => damage(body.clone()),
            _ => body.clone(),
        };
        match &self.signers[name] {
            Signer::Ed25519(number) => vec![
                ("public/chain-of-trust.json".to_owned(), given.into_bytes()),
                (
                    "public/chain-of-trust.json.sig".to_owned(),
                    key(*number).sign(body.as_bytes()).as_bytes().to_vec(),
                ),
            ],
            Signer::OpenPgp(key) => {
                let signed = key.clear_sign(body.as_bytes(), now(), &mut StdRng::seed_from_u64(5)).unwrap();
                vec![("public/chainOfTrust.json.asc".to_owned(), signed.into_bytes())]
            }
        }
    }
}

impl Site {
    pub(crate) fn of(release: &Release) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let queue = EmbeddedQueue::start(Options::default()).unwrap();
        for (name, definition) in &release.tasks {
            let mut all: BTreeMap<String, Vec<u8>> = release.attested(name).into_iter().collect();
            let mine = release.artifacts.iter().filter(|((task, _), _)| task == name);
            all.extend(mine.map(|((_, path), bytes)| (path.clone(), bytes.clone())));
            for ((task, path), bytes) in &release.served {
                match bytes {
                    Some(bytes) if task == name => drop(all.insert(path.clone(), bytes.clone())),
                    None if task == name => drop(all.remove(path)),
                    Some(_) | None => {}
                }
            }
            let stored = all.into_iter().enumerate().map(|(number, (artifact, bytes))| {
                let path = dir.path().join(format!("{name}-{number}"));
                std::fs::write(&path, bytes).unwrap();
                PastArtifact { name: artifact, content_type: "application/octet-stream".to_owned(), path }
            });
            let stored: Vec<_> = stored.collect();
            queue.create_past_task(&id(name), definition.as_object().unwrap().clone(), &stored).unwrap();
        }
        let host = Host::start(&release.host);
        let config = dir.path().join("scriptworker.json");
        let mut keys = configuration(&dir, &queue, &host);
        keys.insert("cot_product".to_owned(), json!(release.product));
        keys.extend(release.config.clone());
        if let Some(keyrings) = keys.get_mut("base_gpg_home_dir") {
            *keyrings = json!(dir.path().join("keyrings"));
        }
        std::fs::write(&config, Value::Object(keys).to_string()).unwrap();
        let mirror = |(from, below): &(&str, &str)| format!("{from}={}{below}", host.url());
        let mirrors = release.mirrors.iter().map(mirror).collect();
        Self { queue, host, dir, product: release.product, mirrors, config }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts these keys in force, each for one worker implementation.
    pub(crate) fn keyrings(&self, keys: &[(&str, &SecretKey)]) {
        let flat = |key: &SecretKey| Keys {
            layout: KeyringLayout { model: KeyringModel::Flat, ignore_suffixes: Vec::new() },
            by_place: vec![key.certificate().clone()],
            by_certification: Vec::new(),
        };
        let all = keys.iter().map(|(name, key)| ((*name).to_owned(), flat(key))).collect();
        let signed_by = keys[0].1.fingerprint().clone();
        let source = Source { revision: "0".repeat(40), tag: None, signed_by };
        let store = Store::new(self.path("keyrings"));
        store.stage(&all, &source, now()).unwrap();
        store.swap().unwrap();
    }

    /// Runs the verb with the site's configuration, everything else of the process's environment gone.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        std::fs::create_dir_all(self.path("tmp")).unwrap();
        Command::new(env!("CARGO_BIN_EXE_scriptworker"))
            .arg("verify-cot")
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .env_clear()
            .env("TMPDIR", self.path("tmp"))
            .output()
            .unwrap()
    }

    /// Verifies the signing task as it should be done.
    pub(crate) fn verify(&self, more: &[&str]) -> Output {
        let usual = [SIGNING, "--task-type", "signing", "--cot-product", self.product, "--verify-sigs"];
        let mirrors = self.mirrors.iter().flat_map(|mirror| ["--mirror", mirror.as_str()]);
        self.run(&[&usual, mirrors.collect::<Vec<_>>().as_slice(), more].concat())
    }
}

fn configuration(dir: &TempDir, queue: &EmbeddedQueue, host: &Host) -> Map<String, Value> {
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let Value::Object(keys) = json!({
        "taskcluster_root_url": queue.root_url(),
        "provisioner_id": "test-provisioner", "worker_type": "test-worker", "worker_group": "g", "worker_id": "w",
        "work_dir": at("work"), "artifact_dir": at("artifacts"),
        "task_log_dir": at("artifacts/public/logs"), "log_dir": at("log"), "task_script": ["true"],
        "sign_chain_of_trust": false, "verify_chain_of_trust": true,
        "project_configuration_url": format!("{}/projects.yml", host.url()),
        "ed25519_public_keys": {
            "docker-worker": [key(1).public().to_string()],
            "generic-worker": [key(2).public().to_string()],
            "scriptworker": [key(3).public().to_string()],
        },
    }) else {
        panic!("a map")
    };
    keys
}
