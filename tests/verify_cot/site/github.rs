//! A release from GitHub: a push or a pull request, its decision task, a build, and the signing task.

use super::{ARTIFACT, BUILD, DECISION, Release, SIGNING, Signer, filled, id, now, task};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scriptworker_core::cot::template::{Rendering, render};
use scriptworker_core::json::DocumentKind;
use scriptworker_core::time::UnixMillis;
use scriptworker_core::yaml;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(crate) const REPOSITORY: &str = "https://github.com/mozilla-releng/adhoc-signing";
const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";
const SCOPE: &str = "project:adhoc:signing:cert:release-signing";

const TEMPLATE: &str = r#"
version: 1
tasks:
  - $let:
      repository: {$if: 'tasks_for == "github-push"', then: '${event.repository.html_url}', else: '${event.pull_request.head.repo.html_url}'}
      revision: {$if: 'tasks_for == "github-push"', then: '${event.after}', else: '${event.pull_request.head.sha}'}
    in:
      taskId: '${ownTaskId}'
      provisionerId: adhoc-3
      workerType: decision
      taskGroupId: {$eval: as_slugid("decision")}
      schedulerId: adhoc-level-3
      created: {$fromNow: ''}
      deadline: {$fromNow: '1 day'}
      expires: {$fromNow: '1 year'}
      priority: low
      retries: 5
      requires: all-completed
      metadata:
        owner: '${event.sender.login}@users.noreply.github.com'
        name: Decision
        description: Makes the graph
        source: '${repository}/raw/${revision}/.taskcluster.yml'
      tags: {worker-implementation: docker-worker}
      scopes: ['assume:repo:${repository[8:]}:branch:main']
      payload:
        image: 'mozillareleases/taskgraph:decision'
        features: {chainOfTrust: true}
        env:
          ADHOC_HEAD_REPOSITORY: '${repository}'
          ADHOC_BASE_REPOSITORY: '${repository}'
          ADHOC_HEAD_REV: '${revision}'
          ADHOC_HEAD_REF: main
          ADHOC_PULL_REQUEST_NUMBER: {$if: 'tasks_for == "github-pull-request"', then: '${event.pull_request.number}'}
      extra: {tasks_for: '${tasks_for}'}
"#;

fn pull_request() -> Value {
    json!({
        "number": 7, "base": {"repo": {"html_url": REPOSITORY}, "sha": "x"},
        "head": {"repo": {"html_url": REPOSITORY}, "sha": REVISION, "user": {"login": "pusher"}},
    })
}

fn decision(created: UnixMillis, tasks_for: &str) -> Value {
    let event = match tasks_for {
        "github-push" => {
            json!({"repository": {"html_url": REPOSITORY}, "after": REVISION, "sender": {"login": "pusher"}})
        }
        _ => json!({"pull_request": pull_request(), "sender": {"login": "pusher"}}),
    };
    let rendering = Rendering {
        template: yaml::read_strict(TEMPLATE.as_bytes(), DocumentKind::TaskTemplate).unwrap(),
        context: Map::from_iter([
            ("tasks_for".to_owned(), json!(tasks_for)),
            ("ownTaskId".to_owned(), json!(DECISION)),
            ("event".to_owned(), event),
        ]),
        now: created,
        decision: id(DECISION),
        own: id(DECISION),
    };
    let mut made = render(&rendering).unwrap()["tasks"][0].clone();
    made.as_object_mut().unwrap().remove("taskId");
    filled(made)
}

/// An honest release for `github-push` or `github-pull-request`.
pub(crate) fn release(tasks_for: &str) -> Release {
    let created = now();
    let source = format!("{REPOSITORY}/blob/{REVISION}/taskcluster/ci");
    let build = json!({
        "image": "builder:1", "features": {"chainOfTrust": true},
        "env": {"ADHOC_HEAD_REPOSITORY": REPOSITORY, "ADHOC_HEAD_REV": REVISION},
    });
    let signing = json!({"upstreamArtifacts": [
        {"taskId": BUILD, "taskType": "build", "paths": [ARTIFACT], "formats": ["autograph_gpg"]},
    ]});
    let none = json!({});
    let of = |pool: &str, payload: &Value, scopes: &Value| {
        let mut made = task(created, pool, &source, payload, &none, scopes);
        made["schedulerId"] = json!("adhoc-level-3");
        made
    };
    let contents = json!({"type": "file", "encoding": "base64", "content": STANDARD.encode(TEMPLATE)});
    let commit = json!({"committer": {"login": "web-flow"}, "author": {"login": "pusher"}});
    let definition = json!({"fork": false, "html_url": REPOSITORY});
    let mut release = Release {
        product: "adhoc",
        tasks: BTreeMap::from([
            (DECISION, decision(created, tasks_for)),
            (BUILD, of("adhoc-3/b-linux", &build, &json!([]))),
            (SIGNING, of("scriptworker-k8s/adhoc-3-signing", &signing, &json!([SCOPE]))),
        ]),
        artifacts: BTreeMap::new(),
        served: BTreeMap::new(),
        environments: BTreeMap::from([
            (DECISION, json!({"imageHash": "sha256:x"})),
            (BUILD, json!({"imageHash": "sha256:x"})),
        ]),
        signers: [(DECISION, 1), (BUILD, 1), (SIGNING, 3)]
            .map(|(task, number)| (task, Signer::Ed25519(number)))
            .into(),
        damage: None,
        host: vec![
            ("/gh/repos/mozilla-releng/adhoc-signing", 200, definition.to_string()),
            ("/gh/repos/mozilla-releng/adhoc-signing/contents/.taskcluster.yml", 200, contents.to_string()),
            ("/gh/repos/mozilla-releng/adhoc-signing/commits/", 200, commit.to_string()),
            ("/gh/repos/mozilla-releng/adhoc-signing/pulls/7", 200, pull_request().to_string()),
            ("/site/mozilla-releng/adhoc-signing/branch_commits/", 200, "<li>main</li>".to_owned()),
        ],
        mirrors: vec![("https://api.github.com", "/gh"), ("https://github.com", "/site")],
        config: Map::new(),
    };
    release.graph();
    release.artifact(BUILD, ARTIFACT, b"a build");
    release.artifact(SIGNING, "public/signed.tar.gz", b"signed");
    release
}
