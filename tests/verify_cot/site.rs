//! A deployment with one release in it: a push, its decision task, an image, a build, and the signing task that is to be
//! verified. Everything is made and signed here; queue and source host are servers in this process.

use rand::SeedableRng;
use rand::rngs::StdRng;
use scriptworker::embedded_queue::{EmbeddedQueue, Options, PastArtifact};
use scriptworker_core::cot::template::{Rendering, render};
use scriptworker_core::ed25519::PrivateKey;
use scriptworker_core::ids::TaskId;
use scriptworker_core::json::{DocumentKind, format_json};
use scriptworker_core::time::UnixMillis;
use scriptworker_core::yaml;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tempfile::TempDir;

pub(crate) const DECISION: &str = "DecisionQ0WAAAAAAAAAAA";
pub(crate) const IMAGE: &str = "ImageTskQ0WAAAAAAAAAAA";
pub(crate) const BUILD: &str = "BuildTskQ0WAAAAAAAAAAA";
pub(crate) const SIGNING: &str = "SigningTQ0WAAAAAAAAAAA";
pub(crate) const ARTIFACT: &str = "public/build/target.tar.gz";
const REPOSITORY: &str = "https://hg.mozilla.org/mozilla-central";
const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";
const SCOPE: &str = "project:releng:signing:cert:nightly-signing";
const DAY: i64 = 86_400_000;

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
      priority: low
      retries: 5
      requires: all-completed
      metadata:
        owner: '${push.owner}'
        name: Decision
        description: Makes the graph
        source: '${repository.url}/raw-file/${push.revision}/.taskcluster.yml'
      tags: {worker-implementation: docker-worker}
      scopes: ['assume:repo:${repository.url[8:]}:branch:default']
      payload:
        image: 'mozillareleases/taskgraph:decision'
        features: {chainOfTrust: true}
        env:
          GECKO_HEAD_REPOSITORY: '${repository.url}'
          GECKO_HEAD_REV: '${push.revision}'
          GECKO_COMMIT_MSG: ' '
      extra: {tasks_for: '${tasks_for}'}
"#;

/// What is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tampering {
    Nothing,
    /// The build's artifact is another one than was attested.
    Artifact,
    /// The build's attestation is signed by a key of another class.
    Signer,
    /// One byte of the image's attestation was changed after it was signed.
    Attestation,
    /// The decision task's graph has another build in it.
    Graph,
    /// The source tree has another template.
    Template,
}

pub(crate) struct Site {
    pub(crate) queue: EmbeddedQueue,
    pub(crate) host: Host,
    pub(crate) dir: TempDir,
    config: PathBuf,
}

fn key(number: u64) -> PrivateKey {
    PrivateKey::generate(&mut StdRng::seed_from_u64(number))
}

fn id(text: &str) -> TaskId {
    TaskId::parse(text).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UnixMillis(i64::try_from(since.as_secs()).unwrap() * 1000)
}

fn decision(created: UnixMillis) -> Value {
    let rendering = Rendering {
        template: yaml::read_strict(TEMPLATE.as_bytes(), DocumentKind::TaskTemplate).unwrap(),
        context: Map::from_iter([
            ("tasks_for".to_owned(), json!("hg-push")),
            ("ownTaskId".to_owned(), json!(DECISION)),
            ("push".to_owned(), json!({"owner": "pusher@mozilla.com", "revision": REVISION})),
            ("repository".to_owned(), json!({"url": REPOSITORY, "level": "3"})),
        ]),
        now: created,
        decision: id(DECISION),
        own: id(DECISION),
    };
    let mut made = render(&rendering).unwrap()["tasks"][0].clone();
    made.as_object_mut().unwrap().remove("taskId");
    filled(made)
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

fn task(created: UnixMillis, pool: &str, payload: &Value, extra: &Value, scopes: &Value) -> Value {
    let (provisioner, worker) = pool.split_once('/').unwrap();
    filled(json!({
        "provisionerId": provisioner, "workerType": worker, "taskGroupId": DECISION,
        "schedulerId": "gecko-level-3", "created": created, "deadline": created.plus(DAY),
        "expires": created.plus(300 * DAY), "priority": "low", "retries": 5, "requires": "all-completed",
        "payload": payload, "extra": extra, "scopes": scopes, "tags": {},
        "metadata": {
            "name": "a task", "description": "a task", "owner": "pusher@mozilla.com",
            "source": format!("{REPOSITORY}/file/{REVISION}/taskcluster/ci"),
        },
    }))
}

fn tasks(created: UnixMillis) -> BTreeMap<&'static str, Value> {
    let image = json!({"image": "builder:1", "features": {"chainOfTrust": true}});
    let build = json!({
        "image": {"type": "task-image", "taskId": IMAGE, "path": "public/image.tar.zst"},
        "features": {"chainOfTrust": true},
        "env": {"GECKO_HEAD_REPOSITORY": REPOSITORY, "GECKO_HEAD_REV": REVISION},
    });
    let inputs = json!({"chainOfTrust": {"inputs": {"docker-image": IMAGE}}});
    let signing = json!({"upstreamArtifacts": [
        {"taskId": BUILD, "taskType": "build", "paths": [ARTIFACT], "formats": ["autograph_gpg"]},
    ]});
    let none = (json!({}), json!([]));
    BTreeMap::from([
        (DECISION, decision(created)),
        (IMAGE, task(created, "gecko-3/images", &image, &none.0, &none.1)),
        (BUILD, task(created, "gecko-3/b-linux", &build, &inputs, &none.1)),
        (SIGNING, task(created, "scriptworker-k8s/gecko-3-signing", &signing, &none.0, &json!([SCOPE]))),
    ])
}

impl Site {
    pub(crate) fn new(tampering: Tampering) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let queue = EmbeddedQueue::start(Options::default()).unwrap();
        let created = now();
        let tasks = tasks(created);
        let mut graph = json!({
            IMAGE: {"task": tasks[IMAGE]}, BUILD: {"task": tasks[BUILD]}, SIGNING: {"task": tasks[SIGNING]},
        });
        if tampering == Tampering::Graph {
            graph[BUILD]["task"]["payload"]["env"]["GECKO_HEAD_REV"] = json!("evil");
        }
        let made: BTreeMap<&str, (&str, Vec<u8>)> = BTreeMap::from([
            (DECISION, ("public/task-graph.json", graph.to_string().into_bytes())),
            (IMAGE, ("public/image.tar.zst", b"an image".to_vec())),
            (BUILD, (ARTIFACT, b"a build".to_vec())),
            (SIGNING, ("public/signed.tar.gz", b"signed".to_vec())),
        ]);
        for (name, definition) in &tasks {
            let (artifact, bytes) = &made[name];
            let environment = match *name {
                BUILD => json!({"imageArtifactHash": format!("sha256:{}", hex(&made[IMAGE].1))}),
                _ => json!({"imageHash": "sha256:x"}),
            };
            let body = format_json(&json!({
                "artifacts": {*artifact: {"sha256": hex(bytes)}}, "chainOfTrustVersion": 1,
                "environment": environment, "runId": 0, "task": definition, "taskId": name,
                "workerGroup": "past", "workerId": "past", "workerType": "x",
            }));
            let signer = match (*name, tampering) {
                (SIGNING, _) => key(3),
                (BUILD, Tampering::Signer) => key(2),
                _ => key(1),
            };
            let signature = signer.sign(body.as_bytes()).as_bytes().to_vec();
            let body = match (*name, tampering) {
                (IMAGE, Tampering::Attestation) => body.replacen("\"runId\": 0", "\"runId\":  0", 1),
                _ => body,
            };
            let given = match (*name, tampering) {
                (BUILD, Tampering::Artifact) => b"a bulld".to_vec(),
                _ => bytes.clone(),
            };
            let stored = [
                (*artifact, given),
                ("public/chain-of-trust.json", body.into_bytes()),
                ("public/chain-of-trust.json.sig", signature),
            ];
            let artifacts = stored.map(|(artifact, bytes)| {
                let path = dir.path().join(format!("{name}-{}", artifact.replace('/', "_")));
                std::fs::write(&path, bytes).unwrap();
                let content_type = "application/octet-stream".to_owned();
                PastArtifact { name: artifact.to_owned(), content_type, path }
            });
            let definition = definition.as_object().unwrap().clone();
            queue.create_past_task(&id(name), definition, &artifacts).unwrap();
        }
        let host = Host::start(created, tampering);
        let config = dir.path().join("scriptworker.json");
        std::fs::write(&config, configuration(&dir, &queue, &host).to_string()).unwrap();
        Self { queue, host, dir, config }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
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
        let mirror = format!("https://hg.mozilla.org={}/hg", self.host.url());
        let usual = [SIGNING, "--task-type", "signing", "--verify-sigs", "--mirror", mirror.as_str()];
        self.run(&[&usual, more].concat())
    }
}

fn configuration(dir: &TempDir, queue: &EmbeddedQueue, host: &Host) -> Value {
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    json!({
        "taskcluster_root_url": queue.root_url(),
        "provisioner_id": "test-provisioner", "worker_type": "test-worker", "worker_group": "g", "worker_id": "w",
        "work_dir": at("work"), "artifact_dir": at("artifacts"),
        "task_log_dir": at("artifacts/public/logs"), "log_dir": at("log"), "task_script": ["true"],
        "sign_chain_of_trust": false, "verify_chain_of_trust": true, "cot_product": "firefox",
        "project_configuration_url": format!("{}/projects.yml", host.url()),
        "ed25519_public_keys": {
            "docker-worker": [key(1).public().to_string()],
            "generic-worker": [key(2).public().to_string()],
            "scriptworker": [key(3).public().to_string()],
        },
    })
}

/// A host of source trees: answers by the beginning of the path.
pub(crate) struct Host {
    address: String,
    answers: Arc<Mutex<BTreeMap<&'static str, (u16, String)>>>,
}

impl Host {
    fn start(created: UnixMillis, tampering: Tampering) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let pushlog = json!({"pushes": {"77": {
            "user": "pusher@mozilla.com", "date": created.plus(-60_000).0 / 1000,
            "changesets": [{"node": REVISION, "parents": ["p"], "desc": "A change"}],
        }}});
        let template = match tampering {
            Tampering::Template => TEMPLATE.replace("taskgraph:decision", "taskgraph:evil"),
            _ => TEMPLATE.to_owned(),
        };
        let projects =
            format!("mozilla-central: {{repo: '{REPOSITORY}', repo_type: hg, access: scm_level_3}}\n");
        let answers = Arc::new(Mutex::new(BTreeMap::from([
            ("/hg/mozilla-central/raw-file/", (200, template)),
            ("/hg/mozilla-central/json-pushes", (200, pushlog.to_string())),
            ("/projects.yml", (200, projects)),
        ])));
        let served = Arc::clone(&answers);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let mut reader = BufReader::new(stream);
                let mut lines = Vec::new();
                loop {
                    let mut line = String::new();
                    match reader.read_line(&mut line) {
                        Ok(0) | Err(_) => break,
                        Ok(_) if line.trim().is_empty() => break,
                        Ok(_) => lines.push(line),
                    }
                }
                let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
                let known = served.lock().unwrap();
                let (status, body) = known
                    .iter()
                    .find(|(beginning, _)| path.starts_with(**beginning))
                    .map_or((404, String::new()), |(_, answer)| answer.clone());
                let kind = if body.starts_with('<') { "text/html" } else { "text/plain" };
                let head = format!(
                    "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let mut stream = reader.into_inner();
                // a client that is gone needs no answer
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            }
        });
        Self { address, answers }
    }

    pub(crate) fn url(&self) -> &str {
        &self.address
    }

    /// From now on, what begins like this is answered so.
    pub(crate) fn answer(&self, beginning: &'static str, status: u16, body: &str) {
        self.answers.lock().unwrap().insert(beginning, (status, body.to_owned()));
    }
}
