//! Other occasions than a push to a Mercurial tree: an action, a nightly job, and what happens on GitHub.

use super::release::{BUILD, DECISION, IMAGE, REPOSITORY, REVISION, SIGNING, TEMPLATE, rendered};
use super::world::{ACTIONS, PARAMETERS, World, key};
use scriptworker_core::cot::need::GitHubObject;
use serde_json::{Value, json};

pub(crate) const ACTION: &str = "ActionTsQ0WAAAAAAAAAAA";
pub(crate) const GITHUB: &str = "https://github.com/mozilla-releng/scriptworker-scripts";
pub(crate) const FORK: &str = "https://github.com/somebody/scriptworker-scripts";
pub(crate) const GITHUB_SCOPE: &str = "project:scriptworker:dockerhub:production";
const GITHUB_TEMPLATE: &str = include_str!("github.taskcluster.yml");
const PUSHED: &str = "2026-11-25T19:58:00Z";

/// The actions that the decision task offers.
pub(crate) fn actions() -> Value {
    json!({"version": 1, "variables": {}, "actions": [{
        "name": "release", "title": "Release", "description": "Makes a release", "kind": "hook",
        "hookGroupId": "project-gecko", "hookId": "in-tree-action-3-generic/0123456789",
        "hookPayload": {
            "decision": {
                "action": {
                    "cb_name": "release", "name": "release", "title": "Release", "description": "Makes a release",
                    "symbol": "rel", "taskGroupId": DECISION,
                },
                "parameters": {"$eval": "parameters"},
                "push": {"owner": "pusher@mozilla.com", "pushlog_id": "77", "revision": REVISION},
                "repository": {"level": "3", "project": "mozilla-central", "url": REPOSITORY},
            },
            "user": {
                "input": {"$eval": "input"}, "taskGroupId": {"$eval": "taskGroupId"}, "taskId": {"$eval": "taskId"},
            },
        },
    }]})
}

fn action_task() -> Value {
    let context = json!({
        "tasks_for": "action", "ownTaskId": ACTION, "taskId": null, "taskGroupId": DECISION, "input": {"version": 1},
        "push": {"owner": "pusher@mozilla.com", "pushlog_id": "77", "revision": REVISION},
        "repository": {"level": "3", "project": "mozilla-central", "url": REPOSITORY},
        "parameters": {"level": "3"},
        "action": {
            "name": "release", "title": "Release", "description": "Makes a release", "symbol": "rel",
            "taskGroupId": DECISION, "cb_name": "release", "action_perm": "generic",
            "repo_scope": format!("assume:repo:{}:action:generic", &REPOSITORY[8..]),
        },
    });
    rendered(TEMPLATE, ACTION, DECISION, context)
}

impl World {
    /// The signing task was made by an action on the push.
    pub(crate) fn action() -> Self {
        let mut world = Self::release();
        world.tasks.insert(ACTION, action_task());
        world.graphs.insert(DECISION, vec![IMAGE, BUILD]);
        world.graphs.insert(ACTION, vec![SIGNING]);
        world.signers.insert(ACTION, key(1));
        world.tasks.get_mut(SIGNING).unwrap()["extra"]["parent"] = json!(ACTION);
        let actions = actions().to_string().into_bytes();
        world.artifacts.insert((DECISION, ACTIONS.to_owned()), actions.clone());
        world.artifacts.insert((ACTION, ACTIONS.to_owned()), actions);
        world.artifacts.insert((ACTION, PARAMETERS.to_owned()), b"level: '3'\n".to_vec());
        world.attest();
        world
    }

    /// A nightly job, which no push starts.
    pub(crate) fn cron() -> Self {
        let mut world = Self::release();
        let cron = json!({"job_name": "nightly", "time": "20:00"});
        let context = json!({
            "tasks_for": "cron", "ownTaskId": DECISION, "cron": cron,
            "push": {"owner": "cron", "revision": REVISION},
            "repository": {"url": REPOSITORY, "level": "3"},
        });
        world.tasks.insert(DECISION, rendered(TEMPLATE, DECISION, DECISION, context));
        world.attest();
        world
    }

    /// A push to a branch on GitHub.
    pub(crate) fn github_push() -> Self {
        let event = json!({
            "before": "b".repeat(40), "after": REVISION, "base_ref": "main", "ref": "main",
            "pusher": {"email": "pusher@mozilla.com"}, "sender": {"login": "pusher"},
            "repository": {"html_url": GITHUB, "pushed_at": PUSHED},
        });
        let commit = json!({
            "sha": REVISION, "committer": {"login": "pusher"}, "author": {"login": "writer"},
            "commit": {"author": {"login": "writer", "email": "writer@example.com"}},
        });
        let mut world = on_github("github-push", GITHUB, event, GITHUB_SCOPE);
        world.source.github.push((
            name(),
            GitHubObject::Commit { revision: REVISION.to_owned() },
            commit.to_string(),
        ));
        world
    }

    /// A release that was published on GitHub: known by its tag.
    pub(crate) fn github_release() -> Self {
        let event = json!({
            "sender": {"login": "pusher"}, "repository": {"html_url": GITHUB},
            "release": {"tag_name": TAG, "target_commitish": "main", "published_at": PUSHED},
        });
        let release =
            json!({"target_commitish": "main", "published_at": PUSHED, "author": {"login": "pusher"}});
        let tags = json!([{"name": TAG, "commit": {"sha": REVISION}}, {"name": "0.9", "commit": {"sha": "0".repeat(40)}}]);
        let mut world = on_github("github-release", GITHUB, event, GITHUB_SCOPE);
        let (tag, text) = (TAG.to_owned(), release.to_string());
        world.source.github.push((name(), GitHubObject::Release { tag }, text));
        world.source.github.push((name(), GitHubObject::Tags, tags.to_string()));
        world
    }

    /// A pull request from a fork, which asks for nothing that is restricted.
    pub(crate) fn pull_request() -> Self {
        let pull = json!({
            "number": 12,
            "head": {
                "sha": REVISION, "ref": "mend", "updated_at": PUSHED, "repo": {"html_url": FORK}, "user": {"login": "somebody"},
            },
            "base": {"sha": "b".repeat(40), "ref": "main", "repo": {"html_url": GITHUB, "name": "scriptworker-scripts"}},
        });
        let event = json!({"pull_request": pull, "repository": pull["base"]["repo"], "sender": {"login": "somebody"}});
        let mut world = on_github("github-pull-request", FORK, event, "project:scriptworker:dep");
        let fork = json!({"fork": true, "parent": {"owner": {"login": "mozilla-releng"}, "name": "scriptworker-scripts"}});
        let of_fork = "somebody/scriptworker-scripts".to_owned();
        world.source.github.push((of_fork, GitHubObject::Repository, fork.to_string()));
        world.source.github.push((name(), GitHubObject::Pull { number: 12 }, pull.to_string()));
        world
    }
}

/// The tag of the release.
pub(crate) const TAG: &str = "1.0";

fn name() -> String {
    "mozilla-releng/scriptworker-scripts".to_owned()
}

/// A release from a repository on GitHub, for such an occasion.
fn on_github(tasks_for: &str, repository: &'static str, event: Value, scope: &str) -> World {
    let mut world = World::release();
    world.product = "scriptworker";
    let context = json!({"tasks_for": tasks_for, "ownTaskId": DECISION, "event": event});
    let decision = rendered(GITHUB_TEMPLATE, DECISION, DECISION, context);
    let revision = decision["payload"]["env"]["SCRIPTWORKER_HEAD_REV"].as_str().unwrap().to_owned();
    let level = if tasks_for == "github-pull-request" { "1" } else { "3" };
    world.tasks.insert(DECISION, decision);
    for name in [IMAGE, BUILD, SIGNING] {
        let task = world.tasks.get_mut(name).unwrap();
        task["schedulerId"] = json!("taskcluster-github");
        task["metadata"]["source"] = json!(format!("{repository}/blob/{revision}/taskcluster"));
    }
    let pooled = |world: &mut World, name: &'static str, worker: &str| {
        let task = world.tasks.get_mut(name).unwrap();
        task["provisionerId"] = json!(format!("scriptworker-{level}"));
        task["workerType"] = json!(worker);
        task["taskQueueId"] = json!(format!("scriptworker-{level}/{worker}"));
    };
    pooled(&mut world, IMAGE, "images");
    pooled(&mut world, BUILD, "b-linux");
    world.tasks.get_mut(BUILD).unwrap()["payload"]["env"] =
        json!({"SCRIPTWORKER_HEAD_REPOSITORY": repository, "SCRIPTWORKER_HEAD_REV": revision});
    world.tasks.get_mut(SIGNING).unwrap()["scopes"] = json!([scope]);
    let source = &mut world.source;
    source.repository = repository.to_owned();
    source.revision.clone_from(&revision);
    source.template = GITHUB_TEMPLATE.to_owned();
    source.pushlog = Value::Null;
    source.projects = format!(
        "scriptworker-scripts: {{repo: '{GITHUB}', repo_type: git, default_branch: main, branches: [{{name: main, level: 3}}]}}\n"
    );
    let branches = GitHubObject::BranchCommits { revision: REVISION.to_owned() };
    source.github.push((name(), branches, "<li>main</li>".to_owned()));
    world.attest();
    world
}
