//! Where the tasks of a chain come from (chain-of-trust.md 5.6 and 6.7): every link has a source address, in a form that
//! has one meaning, that fits the repository it names; the tasks of one graph come from one tree.

use super::tree::of_url;
use crate::cot::chain::{Chain, Link};
use crate::cot::finding::Finding;
use crate::cot::policy::{Policy, Product};
use crate::cot::reason::Reason;
use crate::cot::role::RuleSet;
use crate::cot::task::Definition;
use crate::ids::TaskId;
use crate::source_url::{RepoUrl, SourceUrl, Untrusted};
use std::collections::{BTreeMap, BTreeSet};

/// The repository path of a link, or why it has none.
pub(in crate::cot) type Place = Result<String, Untrusted>;

/// The places of all links, by task.
#[derive(Debug, Default)]
pub(in crate::cot) struct Places(BTreeMap<TaskId, Place>);

impl Places {
    /// The place of a link that has one.
    pub(in crate::cot) fn of(&self, link: &Link) -> Option<&Place> {
        self.0.get(&link.name.task_id)
    }

    /// As `of`, put there.
    pub(in crate::cot) fn add(&mut self, link: &Link, place: Place) {
        self.0.insert(link.name.task_id.clone(), place);
    }

    /// Mirrors count as what they mirror: a task of a Mercurial tree's graph may have its source on GitHub. Parents and
    /// tasks of other graphs are never mapped.
    pub(in crate::cot) fn map_mirrors(&mut self, product: &Product, chain: &Chain) {
        let Some(subject) = chain.links().first() else { return };
        let same_graph = |link: &&Link| link.task.group() == subject.task.group();
        let parents: BTreeSet<_> = chain
            .links()
            .iter()
            .filter(same_graph)
            .filter(|link| link.role.is_parent())
            .filter_map(|link| self.of(link)?.as_ref().ok().cloned())
            .collect();
        let own = || self.of(subject).and_then(|place| place.as_ref().ok().cloned());
        let parent = match parents.into_iter().collect::<Vec<_>>().as_slice() {
            [only] => Some(only.clone()),
            _ => own(),
        };
        let Some((parent, mirror)) =
            parent.and_then(|path| Some((path.clone(), product.mirrors.get(&path)?)))
        else {
            return;
        };
        for link in chain.links().iter().filter(same_graph).filter(|link| !link.role.is_parent()) {
            if let Some(Ok(path)) = self.0.get_mut(&link.name.task_id)
                && path == mirror
            {
                path.clone_from(&parent);
            }
        }
    }

    /// The tasks of the subject's graph come from the subject's tree.
    pub(in crate::cot) fn same_tree(&self, chain: &Chain, link: &Link) -> Result<(), Finding> {
        let Some(subject) = chain.links().first() else { return Ok(()) };
        let (own, its) = (self.of(subject), self.of(link));
        if link.task.group() != subject.task.group() || own == its {
            return Ok(());
        }
        let text = |place: Option<&Place>| match place {
            Some(Ok(path)) => path.clone(),
            Some(Err(_)) | None => "no trusted tree".to_owned(),
        };
        Err(Finding::new(Reason::SourceMismatch).at("metadata.source").expected(text(own)).found(text(its)))
    }

    /// Where restricted scopes are asked for, every link comes from a trusted tree.
    pub(in crate::cot) fn trusted(&self, link: &Link) -> Result<(), Finding> {
        let Some(Err(untrusted)) = self.of(link) else { return Ok(()) };
        let reason = match untrusted {
            Untrusted::Host => Reason::Host,
            Untrusted::Scheme => Reason::Scheme,
            Untrusted::Path => Reason::Untrusted,
        };
        let source = link.task.source().unwrap_or_default();
        Err(Finding::new(reason).at("metadata.source").found(format!("{source:?}")).because(untrusted))
    }
}

/// The place of one task.
pub(in crate::cot) fn place(policy: &Policy, product: &Product, task: &Definition) -> Result<Place, Finding> {
    let source = task.source().unwrap_or_default();
    let source = SourceUrl::parse(source).map_err(|error| of_url(&error).at("metadata.source"))?;
    let own = repository(task, &product.env_prefix)?;
    two_trees(policy, product, task, own.as_ref())?;
    let overriding = match &product.overriding_env_prefix {
        Some(prefix) => repository(task, prefix)?,
        None => None,
    };
    let counts = match overriding.as_ref().or(own.as_ref()) {
        Some(named) if !source.is_inside(named) => match policy.rules {
            // a hook's task has the hook as its source
            RuleSet::Classic => named.url(),
            RuleSet::Current => {
                let finding = Finding::new(Reason::SourceMismatch).at("metadata.source");
                return Err(finding.expected(format!("an address in {named}")).found(&source));
            }
        },
        _ => &source,
    };
    Ok(product.trusted.trusted_path(counts))
}

/// A task that names a second tree, as those of applications on top of another one do: both are trees that the policy
/// trusts for some product.
fn two_trees(
    policy: &Policy,
    product: &Product,
    task: &Definition,
    own: Option<&RepoUrl>,
) -> Result<(), Finding> {
    let prefixes: BTreeSet<_> = policy.products.values().map(|other| other.env_prefix.as_str()).collect();
    let Some(own) = own else { return Ok(()) };
    for prefix in prefixes.into_iter().filter(|prefix| *prefix != product.env_prefix) {
        let Some(other) = repository(task, prefix)?.filter(|other| other != own) else { continue };
        for (prefix, repository) in [(product.env_prefix.as_str(), own), (prefix, &other)] {
            let trusted = |product: &Product| product.trusted.trusted_path(repository.url()).is_ok();
            if !policy.products.values().any(trusted) {
                let finding =
                    Finding::new(Reason::SourceMismatch).at(format!("payload.env.{prefix}_HEAD_REPOSITORY"));
                return Err(finding
                    .expected("a trusted repository, as the task names two")
                    .found(repository));
            }
        }
    }
    Ok(())
}

fn repository(task: &Definition, prefix: &str) -> Result<Option<RepoUrl>, Finding> {
    let Some(text) = task.source_env(prefix).head_repository() else { return Ok(None) };
    let place = format!("payload.env.{prefix}_HEAD_REPOSITORY");
    RepoUrl::parse(text).map(Some).map_err(|error| of_url(&error).at(place))
}

#[cfg(test)]
mod tests;
