//! What a template refers to when the source tree is on GitHub: the events of its API, put together from what the API
//! tells later (chain-of-trust.md 6.3).

use super::Parents;
use super::projects::Project;
use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use serde_json::{Map, Value, json};

/// The repository that a decision task names, in the spellings that events have.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// As the task writes it.
    pub(super) url: String,
    /// The same, `git@github.com:` rewritten.
    pub(super) html_url: String,
    /// `owner/name`.
    pub(super) full_name: String,
    /// The name.
    pub(super) name: String,
}

fn of(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// What the API has to tell, but does not.
fn lacks(answer: &'static str, member: &str) -> Finding {
    Finding::new(Reason::Schema).at(format!("{answer} on GitHub")).expected(member)
}

/// `github-push`. Who pushed is not told by the API: the committer stands for them, or the author where GitHub itself
/// committed or nobody is named.
pub(super) fn push(parents: &Parents<'_>, repository: &Repository, commit: &Value) -> Map<String, Value> {
    let source = parents.source();
    let login = |path: &str| commit.pointer(path).and_then(Value::as_str);
    let committer = login("/committer/login").filter(|login| *login != "web-flow");
    let sender = committer
        .or_else(|| login("/author/login"))
        .or_else(|| login("/commit/author/login"))
        .unwrap_or("@@@unknown@@@");
    of(json!({"event": {
        "before": source.base_revision(),
        "after": source.revision(),
        "pusher": {"email": parents.decision.task.owner()},
        "base_ref": source.base_branch(),
        "ref": source.branch(),
        "repository": {
            "full_name": repository.full_name,
            "ssh_url": format!("git@github.com:{}.git", repository.full_name),
            "html_url": repository.html_url,
            "name": repository.name,
            "pushed_at": source.pushed_at(),
        },
        "sender": {"login": sender},
    }}))
}

/// `github-pull-request` and its untrusted form. What may have changed since is taken from the task.
pub(super) fn pull_request(parents: &Parents<'_>, mut pull: Value) -> Result<Map<String, Value>, Finding> {
    let source = parents.source();
    for (path, key, value) in [
        ("/head", "updated_at", source.pushed_at()),
        ("/base", "sha", source.base_revision()),
        ("/head", "sha", source.revision()),
    ] {
        match pull.pointer_mut(path) {
            Some(Value::Object(side)) => side.insert(key.to_owned(), value.into()),
            _ => return Err(lacks("the pull request", path)),
        };
    }
    let part = |path: &str| pull.pointer(path).cloned().ok_or_else(|| lacks("the pull request", path));
    let (repository, login) = (part("/base/repo")?, part("/head/user/login")?);
    Ok(of(json!({"event": {
        "action": "synchronize", "repository": repository, "pull_request": pull, "sender": {"login": login},
    }})))
}

/// `github-release`.
pub(super) fn release(
    parents: &Parents<'_>,
    repository: &Repository,
    release: &Value,
) -> Result<Map<String, Value>, Finding> {
    let part = |path: &str| release.pointer(path).cloned().ok_or_else(|| lacks("the release", path));
    Ok(of(json!({"event": {
        "action": "published",
        "repository": {
            "clone_url": format!("{}.git", repository.url),
            "full_name": repository.full_name,
            "html_url": repository.url,
            "name": repository.name,
        },
        "release": {
            "tag_name": parents.source().revision(),
            "target_commitish": part("/target_commitish")?,
            "published_at": part("/published_at")?,
        },
        "sender": {"login": part("/author/login")?},
    }})))
}

/// `cron`: both forms that projects expect, one like a release, one like a push to Mercurial.
pub(super) fn cron(
    parents: &Parents<'_>,
    repository: &Repository,
    project: &Project,
) -> Result<Map<String, Value>, Finding> {
    let source = parents.source();
    Ok(of(json!({
        "cron": super::facts::cron(&parents.decision.task)?,
        "event": {
            "repository": {
                "clone_url": repository.url,
                "full_name": repository.full_name,
                "html_url": repository.url,
                "name": repository.name,
            },
            "release": {
                "tag_name": source.revision(),
                "target_commitish": source.branch(),
                "published_at": source.pushed_at(),
            },
            "sender": {"login": source.triggered_by().unwrap_or("TaskclusterHook")},
        },
        "repository": {
            "url": repository.url, "project": repository.name, "level": project.level, "type": "git",
        },
        "push": {"revision": source.revision(), "branch": source.branch()},
    })))
}
