//! A release from Mercurial: a push, its decision task, an image, a build, and the signing task that is to be verified.

use super::{ARTIFACT, BUILD, DECISION, IMAGE, Release, SIGNING, Signer, filled, hex, id, now, task};
use scriptworker_core::cot::template::{Rendering, render};
use scriptworker_core::json::DocumentKind;
use scriptworker_core::time::UnixMillis;
use scriptworker_core::yaml;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(crate) const REPOSITORY: &str = "https://hg.mozilla.org/mozilla-central";
pub(crate) const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const SCOPE: &str = "project:releng:signing:cert:nightly-signing";

pub(crate) const TEMPLATE: &str = r#"
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

/// What the signing task asks for of the build.
pub(crate) struct Asking {
    pub(crate) paths: Vec<String>,
    pub(crate) optional: bool,
}

/// An honest release.
pub(crate) fn release() -> Release {
    asking(&Asking { paths: vec![ARTIFACT.to_owned()], optional: false })
}

/// The same with a signing task that asks for something else.
pub(crate) fn asking(asking: &Asking) -> Release {
    let created = now();
    let image = json!({"image": "builder:1", "features": {"chainOfTrust": true}});
    let build = json!({
        "image": {"type": "task-image", "taskId": IMAGE, "path": "public/image.tar.zst"},
        "features": {"chainOfTrust": true},
        "env": {"GECKO_HEAD_REPOSITORY": REPOSITORY, "GECKO_HEAD_REV": REVISION},
    });
    let inputs = json!({"chainOfTrust": {"inputs": {"docker-image": IMAGE}}});
    let signing = json!({"upstreamArtifacts": [
        {"taskId": BUILD, "taskType": "build", "paths": asking.paths, "formats": ["autograph_gpg"],
         "optional": asking.optional},
    ]});
    let source = format!("{REPOSITORY}/file/{REVISION}/taskcluster/ci");
    let (none, no_scopes) = (json!({}), json!([]));
    let pushlog = json!({"pushes": {"77": {
        "user": "pusher@mozilla.com", "date": created.plus(-60_000).0 / 1000,
        "changesets": [{"node": REVISION, "parents": ["p"], "desc": "A change"}],
    }}});
    let projects = format!("mozilla-central: {{repo: '{REPOSITORY}', repo_type: hg, access: scm_level_3}}\n");
    let mut release = Release {
        product: "firefox",
        tasks: BTreeMap::from([
            (DECISION, decision(created)),
            (IMAGE, task(created, "gecko-3/images", &source, &image, &none, &no_scopes)),
            (BUILD, task(created, "gecko-3/b-linux", &source, &build, &inputs, &no_scopes)),
            (
                SIGNING,
                task(created, "scriptworker-k8s/gecko-3-signing", &source, &signing, &none, &json!([SCOPE])),
            ),
        ]),
        artifacts: BTreeMap::new(),
        served: BTreeMap::new(),
        environments: BTreeMap::from([
            (DECISION, json!({"imageHash": "sha256:x"})),
            (IMAGE, json!({"imageHash": "sha256:x"})),
            (BUILD, json!({"imageArtifactHash": format!("sha256:{}", hex(b"an image"))})),
        ]),
        signers: [(DECISION, 1), (IMAGE, 1), (BUILD, 1), (SIGNING, 3)]
            .map(|(task, number)| (task, Signer::Ed25519(number)))
            .into(),
        damage: None,
        host: vec![
            ("/hg/mozilla-central/raw-file/", 200, TEMPLATE.to_owned()),
            ("/hg/mozilla-central/json-pushes", 200, pushlog.to_string()),
            ("/projects.yml", 200, projects),
        ],
        mirrors: vec![("https://hg.mozilla.org", "/hg")],
        config: Map::new(),
    };
    release.graph();
    release.artifact(IMAGE, "public/image.tar.zst", b"an image");
    release.artifact(BUILD, ARTIFACT, b"a build");
    release.artifact(SIGNING, "public/signed.tar.gz", b"signed");
    release
}

/// One that somebody tampered with.
pub(crate) fn tampered(tampering: Tampering) -> Release {
    let mut release = release();
    match tampering {
        Tampering::Nothing => {}
        Tampering::Artifact => {
            release.served.insert((BUILD, ARTIFACT.to_owned()), Some(b"a bulld".to_vec()));
        }
        Tampering::Signer => {
            release.signers.insert(BUILD, Signer::Ed25519(2));
        }
        Tampering::Attestation => {
            release.damage = Some((IMAGE, |body| body.replacen("\"runId\": 0", "\"runId\":  0", 1)));
        }
        Tampering::Graph => {
            let place = release.artifacts.get_mut(&(DECISION, "public/task-graph.json".to_owned())).unwrap();
            let mut graph: Value = serde_json::from_slice(place).unwrap();
            graph[BUILD]["task"]["payload"]["env"]["GECKO_HEAD_REV"] = json!("evil");
            *place = graph.to_string().into_bytes();
        }
        Tampering::Template => {
            release.host[0].2 = TEMPLATE.replace("taskgraph:decision", "taskgraph:evil");
        }
    }
    release
}
