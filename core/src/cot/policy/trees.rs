//! Restricted scopes, and the source trees that give them (chain-of-trust.md 5.6 and 6.7; cot-attacks.md rows 125 to
//! 129).

use super::problem::{At, Problems};
use crate::client::glob_matches;
use crate::scope::Scope;
use serde::Serialize;
use std::collections::BTreeMap;

/// A scope that only some source trees give. A `*` at its end stands for anything that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestrictedScope {
    /// The scope.
    pub scope: Scope,
    /// The level: which trees give it.
    pub level: String,
}

/// A source tree, or some of its branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// The path of the repository on its host.
    pub path: String,
    /// The branches, as names with `*` for anything; `None`: the repository has no branches that would matter, or all of
    /// them count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<Vec<String>>,
}

impl Tree {
    /// Whether it is this repository and this branch. A branch that is not known fits no tree that asks for one.
    pub fn fits(&self, path: &str, branch: Option<&str>) -> bool {
        self.path == path
            && self.branches.as_ref().is_none_or(|branches| {
                branch.is_some_and(|branch| branches.iter().any(|pattern| glob_matches(pattern, branch)))
            })
    }
}

pub(super) fn restricted(at: &At<'_>, problems: &mut Problems) -> Option<Vec<RestrictedScope>> {
    at.entries(problems, |problems, scope, level| {
        let Ok(parsed) = Scope::parse(scope) else {
            return problems.wrong(&level, "a scope as its key, of printable ASCII");
        };
        Some(RestrictedScope { scope: parsed, level: level.text(problems)?.to_owned() })
    })
}

pub(super) fn trees(at: &At<'_>, problems: &mut Problems) -> Option<BTreeMap<String, Vec<Tree>>> {
    let levels = at.entries(problems, |problems, level, list| {
        Some((level.to_owned(), list.list(problems, |problems, item| tree(&item, problems))?))
    });
    levels.map(|levels| levels.into_iter().collect())
}

fn tree(at: &At<'_>, problems: &mut Problems) -> Option<Tree> {
    if at.value.is_string() {
        return repo_path(at, problems).map(|path| Tree { path, branches: None });
    }
    let mut fields = at.fields(problems)?;
    let path = fields.required(problems, "path").and_then(|at| repo_path(&at, problems));
    let branches = fields.required(problems, "branches").and_then(|at| at.texts(problems));
    fields.finish(problems);
    Some(Tree { path: path?, branches: Some(branches?) })
}

fn repo_path(at: &At<'_>, problems: &mut Problems) -> Option<String> {
    at.parsed(problems, "the path of a repository, such as /mozilla-central", |text| {
        let fits = text.strip_prefix('/').is_some_and(|path| {
            path.split('/').all(|name| !matches!(name, "" | "." | "..")) && !path.ends_with(".git")
        });
        if fits { Ok(text.to_owned()) } else { Err(()) }
    })
}

pub(super) fn mirrors(at: &At<'_>, problems: &mut Problems) -> Option<BTreeMap<String, String>> {
    let pairs = at.entries(problems, |problems, path, mirror| {
        if !path.starts_with('/') {
            return problems.wrong(&mirror, "the path of a repository as its key");
        }
        Some((path.to_owned(), repo_path(&mirror, problems)?))
    });
    pairs.map(|pairs| pairs.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_129_a_tree_may_be_some_branches_only() {
        let tree = |branches: Option<&[&str]>| Tree {
            path: "/mozilla/glean".to_owned(),
            branches: branches.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
        };
        let named = tree(Some(&["main", "release-v*"]));
        for (path, branch, expected) in [
            ("/mozilla/glean", Some("main"), true),
            ("/mozilla/glean", Some("release-v60"), true),
            ("/mozilla/glean", Some("evil"), false),
            ("/mozilla/glean", Some("main2"), false),
            ("/mozilla/glean", None, false),
            ("/mozilla/glean2", Some("main"), false),
        ] {
            assert_eq!(named.fits(path, branch), expected, "{path} {branch:?}");
        }
        assert!(tree(None).fits("/mozilla/glean", None) && tree(None).fits("/mozilla/glean", Some("x")));
        assert!(!tree(Some(&[])).fits("/mozilla/glean", Some("main")));
    }
}
