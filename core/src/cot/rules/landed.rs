//! Try pushes and pull requests, which anybody can make: no part of a chain that asks for restricted scopes may be one
//! (chain-of-trust.md 5.6 and 6.7).

use super::tree::{github, is_github, of_url};
use crate::cot::examine::{Pass, Step, all};
use crate::cot::finding::Finding;
use crate::cot::need::{GitHubObject, Need};
use crate::cot::policy::{Policy, Product};
use crate::cot::reason::Reason;
use crate::cot::role::RuleSet;
use crate::cot::task::Definition;
use crate::ids::Revision;
use crate::source_url::{RepoUrl, SourceUrl};
use serde_json::Value;
use std::collections::BTreeSet;

/// The rule.
pub(in crate::cot) fn check(
    pass: &Pass<'_>,
    policy: &Policy,
    product: &Product,
    task: &Definition,
) -> Step<()> {
    match policy.rules {
        RuleSet::Current if is_github(task) => on_github(pass, policy, product, task),
        RuleSet::Current | RuleSet::Classic => Ok(no_try(policy, product, task)?),
    }
}

fn refused() -> Finding {
    Finding::new(Reason::UntrustedSource)
}

fn no_try(policy: &Policy, product: &Product, task: &Definition) -> Result<(), Finding> {
    let tries = &policy.try_pushes;
    let is_try = |text: &str| match policy.rules {
        RuleSet::Classic => text == tries.word,
        RuleSet::Current => text.contains(&tries.word),
    };
    if let Some(scheduler) = tries.schedulers.iter().find(|name| task.scheduler() == Some(name.as_str())) {
        return Err(refused().at("schedulerId").found(scheduler));
    }
    for variable in &tries.branch_variables {
        if let Some(branch) = task.env(variable).filter(|branch| is_try(branch)) {
            return Err(refused().at(format!("payload.env.{variable}")).found(branch));
        }
    }
    let repository = task.source_env(&product.env_prefix).head_repository();
    for (place, url) in [("the head repository", repository), ("metadata.source", task.source())] {
        let Some(url) = url else { continue };
        let url = SourceUrl::parse(url).map_err(|error| of_url(&error).at(place))?;
        if url.segments().first().is_some_and(|first| is_try(first)) {
            return Err(refused().at(place).found(url));
        }
    }
    Ok(())
}

fn on_github(pass: &Pass<'_>, policy: &Policy, product: &Product, task: &Definition) -> Step<()> {
    let tasks_for = task.tasks_for().unwrap_or_default();
    if tasks_for.starts_with("github-pull-request") {
        return Err(refused().at("extra.tasks_for").found(tasks_for).into());
    }
    if product.official_owners.is_empty() {
        return Err(Finding::new(Reason::Config).at("official_github_repos_owner").found("nothing").into());
    }
    let env = task.source_env(&product.env_prefix);
    let mut pairs = Vec::new();
    if let Some(repository) = env.repository() {
        let url = RepoUrl::parse(repository).map_err(|error| of_url(&error).at("the head repository"))?;
        let revision = env.revision().ok_or_else(|| {
            Finding::new(Reason::Revision)
                .at(format!("payload.env.{}_HEAD_REV", product.env_prefix))
                .found("nothing")
        })?;
        pairs.push(("the head repository", url.url().clone(), revision.to_owned()));
    }
    let source = SourceUrl::parse(task.source().unwrap_or_default())
        .map_err(|error| of_url(&error).at("metadata.source"))?;
    let revision = source.github_revision().map(str::to_owned).ok_or_else(|| {
        let finding = Finding::new(Reason::Revision).at("metadata.source");
        finding.expected("an address on GitHub with a revision").found(&source)
    })?;
    pairs.push(("metadata.source", source, revision));
    let results =
        pairs.iter().map(|(place, url, revision)| landed(pass, policy, product, place, url, revision));
    all(results).map(drop)
}

/// The commit is on a branch of an official repository.
fn landed(
    pass: &Pass<'_>,
    policy: &Policy,
    product: &Product,
    place: &str,
    url: &SourceUrl,
    revision: &str,
) -> Step<()> {
    let Some((owner, name)) = url.owner_and_name() else {
        return Err(refused().at(place).expected("a repository on GitHub").found(url).into());
    };
    if !product.official_owners.contains(owner) {
        let finding =
            refused().at(place).expected(format!("a repository of {}", joined(&product.official_owners)));
        return Err(finding.found(url).into());
    }
    // private repositories are written to by members only, and GitHub shows their pages to nobody else
    if !policy.switches.check_landed || product.trusted.require_secret() {
        return Ok(());
    }
    let repository = format!("{owner}/{name}");
    let revision = if Revision::parse(revision).is_ok() {
        revision.to_owned()
    } else {
        of_tag(pass, &repository, revision)?
    };
    let need = Need::GitHub { repository, what: GitHubObject::BranchCommits { revision } };
    let page = pass.ask(&need)?.content(place)?;
    if page.is_none_or(|page| page.iter().all(u8::is_ascii_whitespace)) {
        return Err(Finding::new(Reason::NotLanded).at(place).found(need).into());
    }
    Ok(())
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The hash of a tag: exactly one tag has the name.
fn of_tag(pass: &Pass<'_>, repository: &str, tag: &str) -> Step<String> {
    let tags = github(pass, repository, GitHubObject::Tags)?;
    let named = |entry: &&Value| entry.get("name").and_then(Value::as_str) == Some(tag);
    let mut found = tags.as_array().into_iter().flatten().filter(named);
    let hash = match (found.next(), found.next()) {
        (Some(only), None) => only.pointer("/commit/sha").and_then(Value::as_str),
        _ => None,
    };
    let refused = || {
        Finding::new(Reason::Revision)
            .at(format!("tag {tag:?} of {repository}"))
            .expected("exactly one commit")
    };
    Ok(hash.map(str::to_owned).ok_or_else(refused)?)
}
