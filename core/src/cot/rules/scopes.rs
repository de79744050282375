//! Restricted scopes: which of them a task asks for, and whether its tree gives them (chain-of-trust.md 5.6 and 6.7,
//! cot-attacks.md 125 to 129).

use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::cot::task::Definition;
use crate::scope::Scope;
use std::collections::{BTreeMap, BTreeSet};

/// What the policy says about restricted scopes.
pub(in crate::cot) struct ScopeRules<'a> {
    /// Scope, perhaps with `*` at its end → level.
    pub(in crate::cot) restricted: &'a BTreeMap<String, String>,
    /// Level → repository paths.
    pub(in crate::cot) trees: &'a BTreeMap<String, BTreeSet<String>>,
    /// Level → branches, where one repository has branches of several levels.
    pub(in crate::cot) branches: &'a BTreeMap<String, BTreeSet<String>>,
}

/// The restricted scopes that a task asks for.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cot) struct Asked<'a> {
    /// Each of its scopes that the policy restricts, with the level.
    levels: Vec<(&'a Scope, &'a str)>,
    /// Scopes that stand for more than can be seen: with a star, or a role.
    vague: Vec<&'a Scope>,
}

/// Which restricted scopes the task asks for. Scopes of parents are what their tree's template gives them, roles too.
pub(in crate::cot) fn asked<'a>(
    rules: &'a ScopeRules<'_>,
    task: &'a Definition,
    is_parent: bool,
) -> Asked<'a> {
    let mut levels = Vec::new();
    let mut vague = Vec::new();
    for scope in task.scopes() {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => scope.as_str().starts_with(prefix),
            None => scope.as_str() == pattern,
        };
        levels.extend(
            rules
                .restricted
                .iter()
                .filter(|(pattern, _)| fits(pattern))
                .map(|(_, level)| (scope, level.as_str())),
        );
        let is_role = scope.as_str().starts_with("assume:") && !is_parent;
        if is_role || (scope.as_str().ends_with('*') && could_satisfy(scope, rules.restricted)) {
            vague.push(scope);
        }
    }
    Asked { levels, vague }
}

/// Whether a scope with a star gives any restricted one.
fn could_satisfy(scope: &Scope, restricted: &BTreeMap<String, String>) -> bool {
    let prefix = scope.as_str().trim_end_matches('*');
    restricted.keys().any(|pattern| {
        let pattern = pattern.strip_suffix('*').unwrap_or(pattern);
        pattern.starts_with(prefix) || prefix.starts_with(pattern)
    })
}

impl Asked<'_> {
    /// Whether there are any.
    pub(in crate::cot) fn privileged(&self) -> bool {
        !self.levels.is_empty() || !self.vague.is_empty()
    }

    /// That the tree gives them.
    pub(in crate::cot) fn given_by(
        &self,
        rules: &ScopeRules<'_>,
        tree: Option<&str>,
        branch: Option<&str>,
    ) -> Result<(), Finding> {
        if let Some(scope) = self.vague.first() {
            let finding = Finding::new(Reason::Scope).at("scopes").found(scope);
            return Err(
                finding.expected("scopes that stand for themselves, as this one may give restricted ones")
            );
        }
        for (scope, level) in &self.levels {
            let finding =
                || Finding::new(Reason::Scope).at("scopes").because(format!("{scope} is of level {level}"));
            let trees = rules
                .trees
                .get(*level)
                .ok_or_else(|| Finding::new(Reason::Config).at(format!("level {level}")))?;
            if !tree.is_some_and(|tree| trees.contains(tree)) {
                let names: Vec<_> = trees.iter().map(String::as_str).collect();
                let found = tree.unwrap_or("no trusted tree");
                return Err(finding().expected(format!("a source in {}", names.join(", "))).found(found));
            }
            if let Some(branches) = rules.branches.get(*level)
                && !branch.is_some_and(|branch| branches.contains(branch))
            {
                let names: Vec<_> = branches.iter().map(String::as_str).collect();
                return Err(finding()
                    .expected(format!("a branch of {}", names.join(", ")))
                    .found(branch.unwrap_or("none")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(
        scopes: &[&str],
        tree: Option<&str>,
        branch: Option<&str>,
        is_parent: bool,
    ) -> Result<bool, Reason> {
        let map =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let sets = |pairs: &[(&str, &[&str])]| {
            let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            pairs.iter().map(|(level, names)| ((*level).to_owned(), set(names))).collect()
        };
        let restricted = map(&[
            ("project:releng:signing:cert:release-signing", "release"),
            ("project:releng:balrog:server:beta", "beta"),
            ("project:xpi:releng:github:project:mozilla-extensions/*", "xpi"),
            ("project:git", "git"),
            ("project:odd", "undefined"),
        ]);
        let trees =
            sets(&[("release", &["/r", "/b"]), ("beta", &["/b"]), ("xpi", &["/x"]), ("git", &["/g"])]);
        let branches = sets(&[("git", &["main"])]);
        let rules = ScopeRules { restricted: &restricted, trees: &trees, branches: &branches };
        let task = json!({
            "taskQueueId": "p/w", "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "created": "2026-11-25T20:00:00.000Z",
            "payload": {}, "scopes": scopes,
        });
        let task = Definition::from_value(task).unwrap();
        let asked = asked(&rules, &task, is_parent);
        asked.given_by(&rules, tree, branch).map(|()| asked.privileged()).map_err(|finding| finding.reason)
    }

    const RELEASE: &str = "project:releng:signing:cert:release-signing";

    #[test]
    fn scopes_that_nobody_restricts_need_no_tree() {
        for scopes in [
            &[][..],
            &["project:releng:signing:cert:dep-signing"],
            &["queue:x*"],
            &["project:releng:signing:cert:release-signing2"],
        ] {
            assert_eq!(check(scopes, None, None, false), Ok(false), "{scopes:?}");
        }
    }

    #[test]
    fn row_125_a_restricted_scope_needs_a_tree_of_its_level() {
        assert_eq!(check(&[RELEASE], Some("/r"), None, false), Ok(true));
        assert_eq!(check(&[RELEASE, "project:releng:balrog:server:beta"], Some("/b"), None, false), Ok(true));
        assert_eq!(
            check(&[RELEASE, "project:releng:balrog:server:beta"], Some("/r"), None, false),
            Err(Reason::Scope)
        );
        assert_eq!(check(&[RELEASE], Some("/other"), None, false), Err(Reason::Scope));
        assert_eq!(check(&[RELEASE], None, None, false), Err(Reason::Scope));
        assert_eq!(check(&["project:odd"], Some("/r"), None, false), Err(Reason::Config));
    }

    #[test]
    fn a_pattern_restricts_everything_below_it() {
        let scope = "project:xpi:releng:github:project:mozilla-extensions/a";
        assert_eq!(check(&[scope], Some("/x"), None, false), Ok(true));
        assert_eq!(check(&[scope], Some("/r"), None, false), Err(Reason::Scope));
    }

    #[test]
    fn row_126_a_star_that_gives_a_restricted_scope_is_refused() {
        for scope in [
            "project:releng:signing:cert:*",
            "project:releng:*",
            "*",
            "project:releng:signing:cert:release-signing*",
            "project:xpi:releng:github:project:mozilla-extensions/*",
            "project:xpi:releng:github:project:mozilla-extensions/a*",
        ] {
            assert_eq!(check(&[scope], Some("/r"), None, false), Err(Reason::Scope), "{scope}");
        }
    }

    #[test]
    fn row_127_a_role_may_give_anything() {
        for scope in ["assume:repo:hg.mozilla.org/x:branch:default", "assume:hook-id:a/b", "assume:*"] {
            assert_eq!(check(&[scope], Some("/r"), None, false), Err(Reason::Scope), "{scope}");
        }
        assert_eq!(
            check(&["assume:repo:hg.mozilla.org/x:branch:default"], None, None, true),
            Ok(false),
            "a parent's own"
        );
    }

    #[test]
    fn row_129_a_level_may_name_branches() {
        assert_eq!(check(&["project:git"], Some("/g"), Some("main"), false), Ok(true));
        assert_eq!(check(&["project:git"], Some("/g"), Some("evil"), false), Err(Reason::Scope));
        assert_eq!(check(&["project:git"], Some("/g"), None, false), Err(Reason::Scope));
    }
}
