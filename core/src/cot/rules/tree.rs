//! Whether a parent task is what the source tree's template makes of its push (chain-of-trust.md 6.3 and 6.4).
//!
//! The template and everything it refers to are gathered from places that the task cannot write: the tree at the
//! revision, the push log, GitHub, and what its decision task attested. Then it is rendered again, and has to give the
//! task that ran.

mod action;
mod comparable;
mod facts;
mod github;
mod hg;
mod projects;
#[cfg(test)]
mod tests;

use crate::cot::chain::Link;
use crate::cot::examine::{Pass, Step};
use crate::cot::finding::Finding;
use crate::cot::policy::Product;
use crate::cot::reason::Reason;
use crate::cot::task::{Definition, SourceEnv};
use crate::cot::template::{Renderer, Rendering, TemplateError};
use crate::ids::{Revision, TaskId};
use crate::json::{DocumentKind, read_strict};
use crate::source_url::{RepoUrl, SourceUrl, SourceUrlError, UrlFault};
use crate::time::UnixMillis;
use action::OfferedAction;
use bytes::Bytes;
pub(in crate::cot) use facts::github;
use serde_json::{Map, Value};

const TEMPLATE: &str = ".taskcluster.yml";
const HG: &str = "hg.mozilla.org";
const GITHUB: &str = "github.com";

/// A parent task, and the decision task that it goes back to; often the same.
pub(in crate::cot) struct Parents<'a> {
    pub(in crate::cot) parent: &'a Link,
    pub(in crate::cot) decision: &'a Link,
    pub(in crate::cot) product: &'a Product,
}

/// Reads an attested document of a link.
pub(in crate::cot) type Documents<'a> = dyn Fn(&Link, &str, DocumentKind) -> Step<Bytes> + 'a;

impl<'a> Parents<'a> {
    fn source(&self) -> SourceEnv<'a> {
        self.decision.task.source_env(&self.product.env_prefix)
    }

    fn repository(&self) -> Result<RepoUrl, Finding> {
        let variable = format!("payload.env.{}_HEAD_REPOSITORY", self.product.env_prefix);
        let text = self.source().repository().ok_or_else(|| {
            Finding::new(Reason::SourceMismatch).at(&variable).expected("a repository").found("nothing")
        })?;
        let repository = RepoUrl::parse(text).map_err(|error| of_url(&error).at(&variable))?;
        if self.is_asked(&repository) {
            return Ok(repository);
        }
        let finding = Finding::new(Reason::Host).at(&variable).found(&repository);
        Err(finding.expected(format!("{HG}, {GITHUB}, or a host of a trusted tree")))
    }

    /// Whether anything is asked of a repository's host on behalf of a task: the two of chain-of-trust.md 6.3, and those
    /// of the policy.
    fn is_asked(&self, repository: &RepoUrl) -> bool {
        let host = repository.url().host();
        [HG, GITHUB].contains(&host) || self.product.trusted.has_host(host)
    }

    /// The revision in full; only releases are known by their tag (cot-attacks.md 106).
    fn revision(&self, tasks_for: &str) -> Result<&'a str, Finding> {
        let revision = self.source().revision().unwrap_or_default();
        let full = Revision::parse(revision).is_ok();
        if full || (self.product.tag_revisions_for.iter().any(|it| it == tasks_for) && !revision.is_empty()) {
            return Ok(revision);
        }
        let finding =
            Finding::new(Reason::Revision).at(format!("payload.env.{}_HEAD_REV", self.product.env_prefix));
        Err(finding.expected("40 hexadecimal digits").found(format!("{revision:?}")))
    }
}

/// What is wrong with an address, as a finding.
pub(in crate::cot) fn of_url(error: &SourceUrlError) -> Finding {
    let reason = match error.fault {
        UrlFault::Scheme => Reason::Scheme,
        UrlFault::NoUrl | UrlFault::User | UrlFault::Backslash | UrlFault::Tail => Reason::Url,
        UrlFault::Port | UrlFault::HostForm | UrlFault::PathForm => Reason::UrlForm,
    };
    Finding::new(reason).because(error)
}

/// The rule.
pub(in crate::cot) fn check(
    pass: &Pass<'_>,
    renderer: &dyn Renderer,
    documents: &Documents<'_>,
    parents: &Parents<'_>,
    window_hours: u64,
) -> Step<Option<String>> {
    let task = &parents.parent.task;
    let tasks_for = task.tasks_for().unwrap_or_default();
    let accepted = &parents.product.tasks_for;
    if !accepted.contains(tasks_for) {
        let finding = Finding::new(Reason::TasksFor).at("extra.tasks_for");
        return Err(finding
            .expected(format!(
                "one of {}",
                accepted.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            ))
            .found(format!("{tasks_for:?}"))
            .into());
    }
    let repository = parents.repository()?;
    let revision = parents.revision(tasks_for)?;
    // all that is needed is asked for before anything is looked at
    let template = facts::template(pass, &repository, revision);
    let action = matches!(tasks_for, "action" | "pr-action");
    let offered = if action { Some(offered(documents, parents)?) } else { None };
    let context = facts::context(pass, documents, parents, tasks_for, &repository)?;
    let template = template?;
    let rendered = match offered {
        None => render(renderer, parents, template, context)?,
        Some(offered) => {
            let payload = hook_payload(renderer, parents, &offered, &context)?;
            let mut hook =
                Map::from_iter([("payload".to_owned(), payload), ("taskId".to_owned(), own(parents))]);
            hook.insert("clientId".to_owned(), context.get("clientId").cloned().unwrap_or_default());
            render(renderer, parents, offered.wrap(template, tasks_for), hook)?
        }
    };
    let mut rebuilt = match rendered.get("tasks") {
        Some(Value::Array(tasks)) => tasks.clone(),
        _ => return Err(Finding::new(Reason::Template).at(TEMPLATE).expected("a map with tasks").into()),
    };
    if action {
        settle_group(&mut rebuilt, parents)?;
    }
    compare(&rebuilt, task)?;
    Ok(facts::pushed(pass, parents, &repository, tasks_for)
        .and_then(|pushed| late(task, pushed, window_hours)))
}

/// A parent task that was made long after its push is worth knowing of: templates may look at the time (cot-attacks.md
/// 105).
fn late(task: &Definition, pushed: UnixMillis, window_hours: u64) -> Option<String> {
    let hours = task.created().since(pushed).unsigned_abs() / 3_600_000;
    (hours > window_hours).then(|| format!("made {hours} hours from its push"))
}

fn own(parents: &Parents<'_>) -> Value {
    Value::from(parents.parent.name.task_id.as_str())
}

/// The action that the parent is, as the decision task offers it.
fn offered(documents: &Documents<'_>, parents: &Parents<'_>) -> Step<OfferedAction> {
    let bytes = documents(parents.decision, "public/actions.json", DocumentKind::Actions)?;
    let actions = read_strict(&bytes, DocumentKind::Actions)
        .map_err(|error| Finding::new(Reason::of_json(&error)).at("actions.json").because(error))?;
    let callback = parents.parent.task.env("ACTION_CALLBACK").unwrap_or_default();
    Ok(OfferedAction::find(&actions, callback)?)
}

/// Whether a task says that it comes from GitHub (chain-of-trust.md 6.7).
pub(in crate::cot) fn is_github(task: &Definition) -> bool {
    task.scheduler() == Some("taskcluster-github")
        || task.tasks_for().is_some_and(|tasks_for| tasks_for.starts_with("github-"))
        || task.source().and_then(|source| SourceUrl::parse(source).ok()).is_some_and(|url| url.is_github())
}

/// The payload that the action's hook was fired with.
fn hook_payload(
    renderer: &dyn Renderer,
    parents: &Parents<'_>,
    offered: &OfferedAction,
    context: &Map<String, Value>,
) -> Step<Value> {
    let group = Value::from(parents.parent.task.group().as_str());
    let part = |key: &str| context.get(key).cloned().unwrap_or_default();
    let given = [
        ("input", part("input")),
        ("parameters", part("parameters")),
        ("taskGroupId", group),
        ("taskId", part("taskId")),
    ];
    let given = given.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    render(renderer, parents, offered.hook_payload(), given)
}

fn render(
    renderer: &dyn Renderer,
    parents: &Parents<'_>,
    template: Value,
    context: Map<String, Value>,
) -> Step<Value> {
    let rendering = Rendering {
        template,
        context,
        now: parents.parent.task.created(),
        decision: parents.decision.name.task_id.clone(),
        own: parents.parent.name.task_id.clone(),
    };
    renderer.render(&rendering).map_err(|error| {
        let reason = match &error {
            TemplateError::Unsupported { .. } | TemplateError::Differs { .. } => Reason::TemplateUnsupported,
            // without a renderer nobody gets to see what is judged
            TemplateError::Unterminated { .. }
            | TemplateError::Refused { .. }
            | TemplateError::Unavailable { .. } => Reason::Template,
            TemplateError::TooMuch { .. } => Reason::Limit,
        };
        Finding::new(reason).at(TEMPLATE).because(error).into()
    })
}

/// An action acts on its own group or on its decision task's; which of the two, only the task says.
fn settle_group(rebuilt: &mut [Value], parents: &Parents<'_>) -> Result<(), Finding> {
    const PLACE: &str = "payload.env.ACTION_TASK_GROUP_ID";
    let accepted = [&parents.parent.name.task_id, &parents.decision.name.task_id].map(TaskId::as_str);
    let refused = |found: &str| {
        let finding = Finding::new(Reason::ActionGroup).at(PLACE);
        finding.expected(accepted.join(" or ")).found(format!("{found:?}"))
    };
    let said = parents.parent.task.env("ACTION_TASK_GROUP_ID").unwrap_or_default();
    if !accepted.contains(&said) {
        return Err(refused(said));
    }
    let place = rebuilt.first_mut().and_then(|task| task.pointer_mut("/payload/env/ACTION_TASK_GROUP_ID"));
    match place {
        Some(Value::String(made)) if accepted.contains(&made.as_str()) => {
            said.clone_into(made);
            Ok(())
        }
        Some(Value::String(made)) => Err(refused(made)),
        _ => Err(refused("")),
    }
}

/// One of the rebuilt definitions is the task's.
fn compare(rebuilt: &[Value], task: &Definition) -> Step<()> {
    let mut closest: Option<Vec<_>> = None;
    for definition in rebuilt {
        let differences = comparable::differences(definition, task.whole());
        if differences.is_empty() {
            return Ok(());
        }
        if closest.as_ref().is_none_or(|closest| differences.len() < closest.len()) {
            closest = Some(differences);
        }
    }
    let finding = Finding::new(Reason::TreeMismatch);
    let Some(differences) = closest else {
        return Err(finding.because("the template makes no task for this occasion").into());
    };
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    let place = differences.first().map(|difference| difference.path.to_string()).unwrap_or_default();
    Err(finding.at(place).because(lines.join("; ")).into())
}
