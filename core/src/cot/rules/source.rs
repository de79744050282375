//! Where the tasks of a chain come from (chain-of-trust.md 5.6 and 6.7): every link has a source address, in a form that
//! has one meaning, that fits the repository it names; the tasks of one graph come from one tree.

use super::tree::of_url;
use crate::cot::chain::{Chain, Link};
use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::cot::role::RuleSet;
use crate::cot::task::Definition;
use crate::ids::TaskId;
use crate::source_url::{RepoUrl, SourceUrl, Untrusted, VcsRules};
use std::collections::{BTreeMap, BTreeSet};

/// What the policy says about sources.
pub(in crate::cot) struct SourceRules<'a> {
    pub(in crate::cot) rule_set: RuleSet,
    /// The prefix of the product's variables.
    pub(in crate::cot) prefix: &'a str,
    /// Prefixes of other trees that a task may name beside; the first that is set is the one that `metadata.source` is
    /// in, where `overrides` says so.
    pub(in crate::cot) other_prefixes: &'a [String],
    /// Whether another prefix, where set, takes the place of the product's own for `metadata.source`.
    pub(in crate::cot) overrides: bool,
    /// The trees of the product.
    pub(in crate::cot) trusted: &'a VcsRules,
    /// The trees of any product.
    pub(in crate::cot) trusted_anywhere: &'a VcsRules,
    /// Path of a Mercurial tree → path of its mirror on GitHub.
    pub(in crate::cot) mirrors: &'a BTreeMap<String, String>,
}

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
    pub(in crate::cot) fn map_mirrors(&mut self, rules: &SourceRules<'_>, chain: &Chain) {
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
        let Some((parent, mirror)) = parent.and_then(|path| Some((path.clone(), rules.mirrors.get(&path)?)))
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
pub(in crate::cot) fn place(rules: &SourceRules<'_>, task: &Definition) -> Result<Place, Finding> {
    let source = task.source().unwrap_or_default();
    let source = SourceUrl::parse(source).map_err(|error| of_url(&error).at("metadata.source"))?;
    let own = repository(task, rules.prefix)?;
    let mut others = Vec::new();
    for prefix in rules.other_prefixes.iter().filter(|prefix| *prefix != rules.prefix) {
        others.extend(repository(task, prefix)?.map(|repository| (prefix, repository)));
    }
    let differing = own.as_ref().zip(others.iter().find(|(_, other)| own.as_ref() != Some(other)));
    if let Some((own, (prefix, other))) = differing {
        for (prefix, repository) in [(rules.prefix, own), (prefix.as_str(), other)] {
            if let Err(untrusted) = rules.trusted_anywhere.trusted_path(repository.url()) {
                let finding =
                    Finding::new(Reason::SourceMismatch).at(format!("payload.env.{prefix}_HEAD_REPOSITORY"));
                return Err(finding
                    .expected("a trusted repository, as the task names two")
                    .found(repository)
                    .because(untrusted));
            }
        }
    }
    let named = match others.first() {
        Some((_, other)) if rules.overrides => Some(other),
        _ => own.as_ref(),
    };
    let counts = match named {
        Some(named) if !source.is_inside(named) => match rules.rule_set {
            // a hook's task has the hook as its source
            RuleSet::Classic => named.url(),
            RuleSet::Current => {
                let finding = Finding::new(Reason::SourceMismatch).at("metadata.source");
                return Err(finding.expected(format!("an address in {named}")).found(&source));
            }
        },
        _ => &source,
    };
    Ok(rules.trusted.trusted_path(counts))
}

fn repository(task: &Definition, prefix: &str) -> Result<Option<RepoUrl>, Finding> {
    let Some(text) = task.source_env(prefix).head_repository() else { return Ok(None) };
    let place = format!("payload.env.{prefix}_HEAD_REPOSITORY");
    RepoUrl::parse(text).map(Some).map_err(|error| of_url(&error).at(place))
}

#[cfg(test)]
mod tests;
