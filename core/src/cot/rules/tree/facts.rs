//! Everything that a template refers to, gathered from places that the task cannot write.

use super::github as events;
use super::github::Repository;
use super::hg;
use super::projects::{Project, Projects};
use super::{Documents, Parents, TEMPLATE, is_github, of_url, own};
use crate::cot::examine::{Pass, Step, Stop};
use crate::cot::finding::Finding;
use crate::cot::need::{GitHubObject, Need};
use crate::cot::policy::ProductType;
use crate::cot::reason::Reason;
use crate::cot::task::Definition;
use crate::json::{DocumentKind, read_strict};
use crate::source_url::{RepoUrl, SourceUrl};
use crate::time::UnixMillis;
use crate::yaml;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The tree's template.
pub(super) fn template(pass: &Pass<'_>, repository: &RepoUrl, revision: &str) -> Step<Value> {
    let need = Need::TreeFile {
        repository: repository.to_string(),
        revision: revision.to_owned(),
        path: TEMPLATE.to_owned(),
    };
    let parsed = pass.parsed(&need, |answer| match answer.content(TEMPLATE)? {
        Some(bytes) => yaml::read_strict(bytes, DocumentKind::TaskTemplate)
            .map_err(|error| Finding::new(Reason::Yaml).at(TEMPLATE).because(error)),
        None => Err(Finding::new(Reason::Template).at(TEMPLATE).found("no such file in the tree")),
    })?;
    Ok((*parsed).clone()?)
}

/// Everything that the template refers to.
pub(super) fn context(
    pass: &Pass<'_>,
    documents: &Documents<'_>,
    parents: &Parents<'_>,
    tasks_for: &str,
    repository: &RepoUrl,
) -> Step<Map<String, Value>> {
    let mut context = match product_type(parents, repository)? {
        ProductType::Hg => hg_context(pass, documents, parents, tasks_for, repository)?,
        ProductType::GitHub => github_context(pass, parents, tasks_for, repository)?,
    };
    for (key, value) in
        [("tasks_for", Value::from(tasks_for)), ("ownTaskId", own(parents)), ("taskId", Value::Null)]
    {
        context.entry(key).or_insert(value);
    }
    Ok(context)
}

/// Which kind of tree it is: with several kinds, what the decision task looks like decides.
fn product_type(parents: &Parents<'_>, repository: &RepoUrl) -> Result<ProductType, Finding> {
    let detected = match parents.product.types.as_slice() {
        [only] => return Ok(*only),
        _ if is_github(&parents.decision.task) || repository.url().is_github() => ProductType::GitHub,
        _ => ProductType::Hg,
    };
    if parents.product.types.contains(&detected) {
        return Ok(detected);
    }
    Err(Finding::new(Reason::Config).at("cot_product_type").found(format!("no rules for {detected:?}")))
}

fn hg_context(
    pass: &Pass<'_>,
    documents: &Documents<'_>,
    parents: &Parents<'_>,
    tasks_for: &str,
    repository: &RepoUrl,
) -> Step<Map<String, Value>> {
    let project = project(pass, parents);
    if tasks_for == "action" {
        let parameters = documents(parents.decision, "public/parameters.yml", DocumentKind::Parameters);
        let (project, parameters) = (project?, parameters?);
        let parameters = yaml::read_strict(&parameters, DocumentKind::Parameters)
            .map_err(|error| Finding::new(Reason::Yaml).at("parameters.yml").because(error))?;
        let mut context = action_context(parents)?;
        context.insert("parameters".to_owned(), parameters);
        context.insert("task".to_owned(), Value::Null);
        let fields = [
            ("url", parents.source().repository()),
            ("level", Some(&*project.level)),
            ("project", Some(&*project.alias)),
        ];
        let named = fields.map(|(key, value)| (key.to_owned(), value.into()));
        context.entry("repository").or_insert_with(|| Value::Object(named.into_iter().collect()));
        return Ok(context);
    }
    if !matches!(tasks_for, "hg-push" | "cron") {
        return Err(unknown_for(tasks_for, "Mercurial"));
    }
    let push = push(pass, parents, repository, tasks_for);
    let (project, push) = (project?, push?);
    Ok(hg::context(tasks_for, parents, &project, push.as_ref().as_ref().map_err(Clone::clone)?)?)
}

/// What the push log says of the revision.
fn push(
    pass: &Pass<'_>,
    parents: &Parents<'_>,
    repository: &RepoUrl,
    tasks_for: &str,
) -> Step<Arc<Result<hg::Push, Finding>>> {
    let need = Need::Pushlog {
        repository: repository.to_string(),
        revision: parents.revision(tasks_for)?.to_owned(),
    };
    pass.parsed(&need, |answer| match answer.content("the pushlog")? {
        Some(bytes) => hg::Push::read(bytes, parents.source().revision().unwrap_or_default()),
        None => Err(Finding::new(Reason::Revision).at("the pushlog").found("nothing")),
    })
}

fn unknown_for(tasks_for: &str, place: &str) -> Stop {
    Finding::new(Reason::TasksFor)
        .at("extra.tasks_for")
        .found(format!("{tasks_for:?} for a tree on {place}"))
        .into()
}

fn github_context(
    pass: &Pass<'_>,
    parents: &Parents<'_>,
    tasks_for: &str,
    url: &RepoUrl,
) -> Step<Map<String, Value>> {
    let Some((owner, name)) = url.url().owner_and_name() else {
        return Err(Finding::new(Reason::Host).expected("github.com").found(url).into());
    };
    let repository = Repository {
        url: parents.source().repository().unwrap_or_default().to_owned(),
        html_url: url.to_string(),
        full_name: format!("{owner}/{name}"),
        name: name.to_owned(),
    };
    let revision = || parents.revision(tasks_for).map(str::to_owned);
    match tasks_for {
        "github-push" => {
            let commit = github(pass, &repository.full_name, GitHubObject::Commit { revision: revision()? })?;
            Ok(events::push(parents, &repository, &commit))
        }
        "github-pull-request" | "github-pull-request-untrusted" => pull_request(pass, parents, &repository),
        "github-release" => {
            let release = github(pass, &repository.full_name, GitHubObject::Release { tag: revision()? })?;
            Ok(events::release(parents, &repository, &release)?)
        }
        "cron" => {
            let project = project_named(pass, name)?;
            Ok(events::cron(parents, &repository, &project)?)
        }
        "action" | "pr-action" => Ok(action_context(parents)?),
        _ => Err(unknown_for(tasks_for, "GitHub")),
    }
}

/// A pull request lives in the repository it was made for: of a fork, in its parent.
fn pull_request(pass: &Pass<'_>, parents: &Parents<'_>, repository: &Repository) -> Step<Map<String, Value>> {
    let source = parents.source();
    let number = source.pull_request().ok_or_else(|| {
        Finding::new(Reason::Schema)
            .at(format!("payload.env.{}_PULL_REQUEST_NUMBER", parents.product.env_prefix))
            .expected("a number")
    })?;
    let definition = github(pass, &repository.full_name, GitHubObject::Repository)?;
    let rewritten = |url: &str| RepoUrl::parse(url).map_or_else(|_| url.to_owned(), |url| url.to_string());
    let elsewhere = source.base_repository().map(rewritten).as_deref() != Some(&*repository.html_url);
    let home = if definition.get("fork") == Some(&Value::Bool(true)) && elsewhere {
        let text = |path: &str| definition.pointer(path).and_then(Value::as_str);
        let parent = text("/parent/owner/login").zip(text("/parent/name"));
        let (owner, name) = parent.ok_or_else(|| {
            Finding::new(Reason::Schema).at("the repository on GitHub").expected("the parent of a fork")
        })?;
        format!("{owner}/{name}")
    } else {
        repository.full_name.clone()
    };
    let pull = github(pass, &home, GitHubObject::Pull { number })?;
    Ok(events::pull_request(parents, (*pull).clone())?)
}

/// An answer of the GitHub API. That there is no such thing is final.
pub(in crate::cot) fn github(pass: &Pass<'_>, repository: &str, what: GitHubObject) -> Step<Arc<Value>> {
    let need = Need::GitHub { repository: repository.to_owned(), what };
    let place = need.to_string();
    let parsed = pass.parsed(&need, |answer| match answer.content(&place)? {
        Some(bytes) => read_strict(bytes, DocumentKind::SourceAnswer)
            .map(Arc::new)
            .map_err(|error| Finding::new(Reason::of_json(&error)).at(&place).because(error)),
        None => Err(Finding::new(Reason::Revision).at(&place).found("nothing")),
    })?;
    Ok((*parsed).clone()?)
}

fn projects(pass: &Pass<'_>) -> Step<Arc<Result<Projects, Finding>>> {
    pass.parsed(&Need::Projects, |answer| match answer.content("the list of projects")? {
        Some(bytes) => Projects::read(bytes),
        None => Err(Finding::new(Reason::Project).at("the list of projects").found("nothing")),
    })
}

/// The project of the decision task's source.
fn project(pass: &Pass<'_>, parents: &Parents<'_>) -> Step<Project> {
    let source = parents.decision.task.source().unwrap_or_default();
    let source = SourceUrl::parse(source).map_err(|error| of_url(&error).at("metadata.source"))?;
    let projects = projects(pass)?;
    Ok(projects.as_ref().as_ref().map_err(Clone::clone)?.find(&source)?)
}

fn project_named(pass: &Pass<'_>, name: &str) -> Step<Project> {
    let projects = projects(pass)?;
    Ok(projects.as_ref().as_ref().map_err(Clone::clone)?.named(name)?)
}

/// What an action was started with, as the hook noted it.
pub(super) fn action_context(parents: &Parents<'_>) -> Result<Map<String, Value>, Finding> {
    match parents.parent.task.at(&["extra", "action", "context"]) {
        Some(Value::Object(context)) => Ok(context.clone()),
        _ => Err(Finding::new(Reason::Schema).at("extra.action.context").expected("a map")),
    }
}

/// `extra.cron`: JSON in a text.
pub(super) fn cron(task: &Definition) -> Result<Value, Finding> {
    let refused = || Finding::new(Reason::Schema).at("extra.cron").expected("JSON in a text");
    let text = task.text(&["extra", "cron"]).ok_or_else(refused)?;
    read_strict(text.as_bytes(), DocumentKind::TaskDefinition).map_err(|error| refused().because(error))
}

/// When the push was made, where something tells that beside the task.
pub(super) fn pushed(
    pass: &Pass<'_>,
    parents: &Parents<'_>,
    repository: &RepoUrl,
    tasks_for: &str,
) -> Option<UnixMillis> {
    match tasks_for {
        "hg-push" => push(pass, parents, repository, tasks_for).ok()?.as_ref().as_ref().ok()?.date(),
        "github-push" | "github-pull-request" | "github-pull-request-untrusted" => {
            UnixMillis::parse(parents.source().pushed_at()?).ok()
        }
        _ => None,
    }
}
