//! A release of the current generation: a push to a Mercurial tree, its decision task, an image, a build, and the signing
//! task that is to be verified.

use super::world::{ACTIONS, Generation, NOW, PARAMETERS, Source, World, at, id, key};
use rand::SeedableRng;
use rand::rngs::StdRng;
use scriptworker_core::cot::keys::Implementation;
use scriptworker_core::cot::template::{Rendering, render};
use scriptworker_core::json::DocumentKind;
use scriptworker_core::openpgp::{
    Expiry, KeyAlgorithm, KeyOwner, KeyPlan, Keyring, SecretKey, SignaturePolicy,
};
use scriptworker_core::yaml;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DECISION: &str = "DecisionQ0WAAAAAAAAAAA";
pub(crate) const IMAGE: &str = "ImageTskQ0WAAAAAAAAAAA";
pub(crate) const BUILD: &str = "BuildTskQ0WAAAAAAAAAAA";
pub(crate) const SIGNING: &str = "SigningTQ0WAAAAAAAAAAA";
pub(crate) const REPOSITORY: &str = "https://hg.mozilla.org/mozilla-central";
pub(crate) const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const ARTIFACT: &str = "public/build/target.tar.gz";
pub(crate) const IMAGE_FILE: &str = "public/image.tar.zst";
pub(crate) const SCOPE: &str = "project:releng:signing:cert:nightly-signing";
const CREATED: &str = "2026-11-25T20:00:00.000Z";

pub(crate) const TEMPLATE: &str = include_str!("hg.taskcluster.yml");

/// With what the queue fills in.
pub(crate) fn filled(mut task: Value) -> Value {
    let name = |key: &str| task[key].as_str().unwrap().to_owned();
    let pool = format!("{}/{}", name("provisionerId"), name("workerType"));
    let members = task.as_object_mut().unwrap();
    for (key, value) in [
        ("dependencies", json!([])),
        ("priority", json!("low")),
        ("projectId", json!("none")),
        ("requires", json!("all-completed")),
        ("retries", json!(5)),
        ("routes", json!([])),
        ("taskQueueId", json!(pool)),
    ] {
        members.entry(key).or_insert(value);
    }
    task
}

/// A task of the decision task's graph.
pub(crate) fn task(pool: &str, payload: Value, extra: Value, scopes: Value) -> Value {
    let (provisioner, worker) = pool.split_once('/').unwrap();
    filled(json!({
        "provisionerId": provisioner, "workerType": worker, "taskGroupId": DECISION, "schedulerId": "gecko-level-3",
        "created": "2026-11-25T20:10:00.000Z", "deadline": "2026-11-26T20:10:00.000Z", "dependencies": [DECISION],
        "expires": "2027-11-25T20:10:00.000Z", "payload": payload, "extra": extra, "scopes": scopes, "tags": {},
        "metadata": {
            "name": "task", "description": "A task", "owner": "pusher@mozilla.com",
            "source": format!("{REPOSITORY}/file/{REVISION}/taskcluster/ci"),
        },
    }))
}

/// What a template makes of an occasion, as the queue has it then.
pub(crate) fn rendered(template: &str, own: &str, decision: &str, context: Value) -> Value {
    let Value::Object(context) = context else { panic!("{context}") };
    let rendering = Rendering {
        template: yaml::read_strict(template.as_bytes(), DocumentKind::TaskTemplate).unwrap(),
        context,
        now: at(CREATED),
        decision: id(decision),
        own: id(own),
    };
    let mut made = render(&rendering).unwrap()["tasks"][0].clone();
    made.as_object_mut().unwrap().remove("taskId");
    filled(made)
}

fn decision() -> Value {
    let context = json!({
        "tasks_for": "hg-push", "ownTaskId": DECISION,
        "push": {"owner": "pusher@mozilla.com", "revision": REVISION},
        "repository": {"url": REPOSITORY, "level": "3"},
    });
    rendered(TEMPLATE, DECISION, DECISION, context)
}

/// Which keys sign for which implementation: the first three numbers.
pub(crate) fn keys() -> Value {
    json!({
        "docker-worker": [key(1).public().to_string()], "generic-worker": [key(2).public().to_string()],
        "scriptworker": [key(3).public().to_string()],
    })
}

fn graph() -> BTreeMap<&'static str, Value> {
    let image =
        json!({"image": "builder:1", "maxRunTime": 600, "features": {"chainOfTrust": true}, "env": {}});
    let build = json!({
        "image": {"type": "task-image", "taskId": IMAGE, "path": IMAGE_FILE}, "maxRunTime": 600,
        "features": {"chainOfTrust": true}, "env": {"GECKO_HEAD_REPOSITORY": REPOSITORY, "GECKO_HEAD_REV": REVISION},
    });
    let inputs = json!({"chainOfTrust": {"inputs": {"docker-image": IMAGE}}});
    let signing = json!({"maxRunTime": 600, "upstreamArtifacts": [
        {"taskId": BUILD, "taskType": "build", "paths": [ARTIFACT], "formats": ["autograph_gpg"]},
    ]});
    let mut build = task("gecko-3/b-linux", build, inputs, json!([]));
    build["dependencies"] = json!([DECISION, IMAGE]);
    let mut signing = task("scriptworker-k8s/gecko-3-signing", signing, json!({}), json!([SCOPE]));
    signing["dependencies"] = json!([BUILD]);
    BTreeMap::from([
        (IMAGE, task("gecko-3/images", image, json!({}), json!([]))),
        (BUILD, build),
        (SIGNING, signing),
    ])
}

impl World {
    /// An honest release.
    pub(crate) fn release() -> Self {
        let mut tasks = graph();
        tasks.insert(DECISION, decision());
        let mut world = Self {
            generation: Generation::Current,
            product: "firefox",
            subject: (SIGNING, "signing"),
            attested: false,
            check_signatures: true,
            now: at(NOW),
            queue_now: Some(at(NOW)),
            config: Map::new(),
            policy: BTreeMap::new(),
            tasks,
            graphs: BTreeMap::from([(DECISION, vec![IMAGE, BUILD, SIGNING])]),
            bodies: BTreeMap::new(),
            signers: BTreeMap::from([
                (DECISION, key(1)),
                (IMAGE, key(1)),
                (BUILD, key(1)),
                (SIGNING, key(3)),
            ]),
            clear_signers: BTreeMap::new(),
            artifacts: BTreeMap::from([
                ((IMAGE, IMAGE_FILE.to_owned()), b"an image".to_vec()),
                ((BUILD, ARTIFACT.to_owned()), b"a build".to_vec()),
                (
                    (DECISION, ACTIONS.to_owned()),
                    br#"{"actions": [], "variables": {}, "version": 1}"#.to_vec(),
                ),
                ((DECISION, PARAMETERS.to_owned()), b"level: '3'\n".to_vec()),
            ]),
            image_hashes: BTreeMap::new(),
            runs: BTreeMap::new(),
            source: Source {
                repository: REPOSITORY.to_owned(),
                revision: REVISION.to_owned(),
                template: TEMPLATE.to_owned(),
                pushlog: json!({"pushes": {"77": {"user": "pusher@mozilla.com", "date": 1_795_636_700, "changesets": [
                    {"node": REVISION, "parents": ["p"], "desc": "A change"},
                ]}}}),
                projects: format!(
                    "mozilla-central: {{repo: '{REPOSITORY}', repo_type: hg, access: scm_level_3}}\n"
                ),
                github: Vec::new(),
            },
            answers: BTreeMap::new(),
            silent: BTreeSet::new(),
        };
        world.attest();
        world
    }
}

/// The keyrings of the classic generation.
pub(crate) fn keyrings(generation: Generation) -> BTreeMap<Implementation, Keyring> {
    if generation == Generation::Current {
        return BTreeMap::new();
    }
    let flat =
        |number| Keyring::flat(vec![openpgp_key(number).certificate().clone()], SignaturePolicy::default());
    BTreeMap::from([
        (Implementation::DockerWorker, flat(1)),
        (Implementation::GenericWorker, flat(2)),
        (Implementation::Scriptworker, flat(3)),
    ])
}

/// An OpenPGP key; each number has its own.
pub(crate) fn openpgp_key(number: u64) -> SecretKey {
    let plan = KeyPlan {
        owner: KeyOwner::of_worker("worker", "host.example.com").unwrap(),
        algorithm: KeyAlgorithm::Ed25519,
        expiry: Expiry::Never,
    };
    SecretKey::generate(&plan, at("2026-01-01T00:00:00Z"), &mut StdRng::seed_from_u64(number)).unwrap()
}
