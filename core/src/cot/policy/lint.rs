//! What fits the schema of a policy and still cannot be meant.

use super::document::{IMPLEMENTATIONS, Policy};
use super::pools::PoolPattern;
use super::product::{PrebuiltImages, Product, ProductType};
use crate::cot::keys::{Form, Implementation};
use crate::ed25519::PrivateKey;
use crate::json::JsonPath;
use serde::Serialize;
use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LintLevel {
    /// The policy must not be used.
    Error,
    /// It refuses, or takes, something that it hardly means to.
    Warning,
    /// Something in it has no effect, or could say more.
    Note,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lint {
    /// How bad it is.
    pub level: LintLevel,
    /// Where.
    pub path: JsonPath,
    /// What.
    pub text: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.level, self.path, self.text)
    }
}

impl fmt::Display for LintLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl Policy {
    /// Every finding, the worst first; `own` is this worker's private key, if it has one, which stands in no list.
    pub fn lint(&self, own: Option<&PrivateKey>) -> Vec<Lint> {
        let mut lints = Vec::new();
        self.lint_keys(own, &mut lints);
        self.lint_pools(&mut lints);
        self.lint_d2g(&mut lints);
        for feature in &self.forbidden_features {
            let path = JsonPath::root().key("forbidden_features");
            self.lint_task_types(&path, &feature.except_task_types, &mut lints);
        }
        for (name, product) in &self.products {
            let path = JsonPath::root().key("products").key(name.as_str());
            lint_scopes(product, &path, &mut lints);
            lint_trees(product, &path, self.switches.require_branches, &mut lints);
            self.lint_product(product, &path, &mut lints);
        }
        lints.sort_by_key(|lint| lint.level);
        lints
    }

    /// Rows 16 and 17 of cot-attacks.md: lists without keys, and keys where they do not belong.
    fn lint_keys(&self, own: Option<&PrivateKey>, lints: &mut Vec<Lint>) {
        let root = || JsonPath::root().key("ed25519_public_keys");
        lints.extend(self.keys.problems(own).into_iter().map(|problem| error(root(), problem)));
        for name in IMPLEMENTATIONS {
            let forms = Implementation::from_name(name)
                .and_then(|name| self.attestations.get(&name))
                .map(Vec::as_slice)
                .unwrap_or_default();
            if forms.is_empty() {
                let path = JsonPath::root().key("attestations").key(name);
                lints.push(warning(path, "no attestation of this implementation is accepted"));
            }
            let wants_key = forms.iter().any(|accepted| accepted.form == Form::Ed25519);
            if wants_key && !self.keys.lists.contains_key(name) {
                let text = "no key is listed, although ed25519 attestations are accepted";
                lints.push(error(root().key(name), text));
            }
        }
    }

    /// Patterns that never count, because one before them covers them.
    fn lint_pools(&self, lints: &mut Vec<Lint>) {
        let entries = self.pools.entries();
        for (at, (pattern, _)) in entries.iter().enumerate() {
            if let Some((before, _)) = entries.iter().take(at).find(|(before, _)| before.covers(pattern)) {
                let path = JsonPath::root().key("pools").index(at);
                lints.push(warning(path, format!("{pattern} never counts: {before} stands before it")));
            }
        }
    }

    /// Row 114: what a task of generic-worker may have written itself counts in every pool. No more than a note, as the
    /// built-in policy knows no pools.
    fn lint_d2g(&self, lints: &mut Vec<Lint>) {
        let Ok(every) = PoolPattern::parse("*/*") else { return };
        for (at, _) in self.d2g_pools.iter().enumerate().filter(|(_, pattern)| pattern.covers(&every)) {
            let path = JsonPath::root().key("d2g_pools").index(at);
            let text = "every pool of generic-worker counts as one that runs tasks written for docker-worker";
            lints.push(note(path, text));
        }
    }

    fn lint_task_types(&self, path: &JsonPath, types: &[String], lints: &mut Vec<Lint>) {
        for unknown in types.iter().filter(|name| !self.task_types.contains_key(*name)) {
            lints.push(warning(path.clone(), format!("{unknown:?} is no known type of tasks")));
        }
    }

    fn lint_product(&self, product: &Product, path: &JsonPath, lints: &mut Vec<Lint>) {
        if let PrebuiltImages::Types(types) = &product.prebuilt_images {
            self.lint_task_types(&path.clone().key("prebuilt_docker_image_task_types"), types, lints);
        }
        let listed: Vec<_> =
            product.image_allowlists.iter().flat_map(|lists| lists.keys().cloned()).collect();
        self.lint_task_types(&path.clone().key("docker_image_allowlists"), &listed, lints);
        for occasion in product.tag_revisions_for.iter().filter(|name| !product.tasks_for.contains(*name)) {
            let text = format!("{occasion:?} is none of valid_tasks_for");
            lints.push(warning(path.clone().key("tag_revisions_for"), text));
        }
        for low in &product.level_1_pools {
            if !product.decision_pools.iter().any(|pool| low.covers(pool)) {
                let text = format!("{low} is no decision pool");
                lints.push(warning(path.clone().key("level_1_decision_worker_pools"), text));
            }
        }
        for (hg, mirror) in &product.mirrors {
            let path = path.clone().key("hg_git_mirrors").key(hg.as_str());
            for end in [hg, mirror] {
                if !product.trusted.can_give(end) {
                    lints.push(warning(path.clone(), format!("no trusted rule gives the path {end}")));
                }
            }
        }
    }
}

/// Row 128: a scope that matches two restrictions has no level; and levels that lead nowhere.
fn lint_scopes(product: &Product, path: &JsonPath, lints: &mut Vec<Lint>) {
    let path = path.clone().key("cot_restricted_scopes");
    for (at, one) in product.restricted.iter().enumerate() {
        let place = || path.clone().key(one.scope.as_str());
        if !product.trees.contains_key(&one.level) {
            let text = format!("the level {:?} is in no tree: nobody can have this scope", one.level);
            lints.push(error(place(), text));
        }
        for other in product.restricted.iter().skip(at + 1).filter(|other| one.scope.touches(&other.scope)) {
            let text = format!("a scope may match both this and {:?}", other.scope.as_str());
            lints.push(error(place(), text));
        }
    }
}

/// Levels that nothing uses, trees that no rule gives, and repositories that share a scope among all their branches.
fn lint_trees(product: &Product, path: &JsonPath, require_branches: bool, lints: &mut Vec<Lint>) {
    let path = path.clone().key("cot_restricted_trees");
    for (level, trees) in &product.trees {
        let place = path.clone().key(level.as_str());
        if !product.restricted.iter().any(|restricted| restricted.level == *level) {
            lints.push(note(place.clone(), "no scope has this level"));
        }
        for (at, tree) in trees.iter().enumerate() {
            let place = place.clone().index(at);
            if !product.trusted.can_give(&tree.path) {
                lints.push(note(place.clone(), format!("no trusted rule gives the path {}", tree.path)));
            }
            if tree.branches.is_none() && product.types == [ProductType::GitHub] {
                let text = format!("every branch of {} gets the scopes of this level", tree.path);
                lints.push(if require_branches { warning(place, text) } else { note(place, text) });
            }
        }
    }
}

fn error(path: JsonPath, text: impl fmt::Display) -> Lint {
    Lint { level: LintLevel::Error, path, text: text.to_string() }
}

fn warning(path: JsonPath, text: impl fmt::Display) -> Lint {
    Lint { level: LintLevel::Warning, path, text: text.to_string() }
}

fn note(path: JsonPath, text: impl fmt::Display) -> Lint {
    Lint { level: LintLevel::Note, path, text: text.to_string() }
}
