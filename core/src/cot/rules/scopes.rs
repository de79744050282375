//! Restricted scopes: which of them a task asks for, and whether its tree gives them (chain-of-trust.md 5.6 and 6.7,
//! cot-attacks.md 125 to 129).

use crate::cot::finding::Finding;
use crate::cot::policy::{Product, ProductType, Switches, Tree};
use crate::cot::reason::Reason;
use crate::cot::task::Definition;
use crate::scope::Scope;

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
    product: &'a Product,
    switches: &Switches,
    task: &'a Definition,
    is_parent: bool,
) -> Asked<'a> {
    let mut levels = Vec::new();
    let mut vague = Vec::new();
    for scope in task.scopes() {
        let touched: Vec<_> = product.restricted_by(scope).collect();
        let is_role = scope.assumes_role() && !is_parent && !switches.allow_assumed_roles;
        if is_role || (scope.as_str().ends_with('*') && !touched.is_empty()) {
            vague.push(scope);
        }
        levels.extend(touched.into_iter().map(|restricted| (scope, restricted.level.as_str())));
    }
    Asked { levels, vague }
}

impl Asked<'_> {
    /// Whether there are any.
    pub(in crate::cot) fn privileged(&self) -> bool {
        !self.levels.is_empty() || !self.vague.is_empty()
    }

    /// That the tree gives them; with a note when that rests on a branch. Which branch was pushed to, nobody tells but the
    /// decision task: its template is rendered with what it says, and Mercurial trees have no branches here (row 129).
    pub(in crate::cot) fn given_by(
        &self,
        product: &Product,
        switches: &Switches,
        tree: Option<&str>,
        branch: Option<&str>,
    ) -> Result<Option<String>, Finding> {
        if let Some(scope) = self.vague.first() {
            let finding = Finding::new(Reason::Scope).at("scopes").found(scope);
            return Err(
                finding.expected("scopes that stand for themselves, as this one may give restricted ones")
            );
        }
        let mut note = None;
        for (scope, level) in &self.levels {
            let finding =
                || Finding::new(Reason::Scope).at("scopes").because(format!("{scope} is of level {level}"));
            let trees = product.trees.get(*level);
            let trees = trees.ok_or_else(|| Finding::new(Reason::Config).at(format!("level {level}")))?;
            let fitting = tree.and_then(|path| trees.iter().find(|tree| tree.fits(path, branch)));
            let Some(fitting) = fitting else {
                let names: Vec<_> = trees.iter().map(name).collect();
                let found =
                    tree.map_or_else(|| "no trusted tree".to_owned(), |tree| with_branch(tree, branch));
                return Err(finding().expected(format!("a source in {}", names.join(", "))).found(found));
            };
            let on_github = product.types.contains(&ProductType::GitHub);
            if switches.require_branches && on_github && fitting.branches.is_none() {
                return Err(finding()
                    .expected("a tree whose branches the policy names")
                    .found(&fitting.path));
            }
            if let (Some(_), Some(branch)) = (&fitting.branches, branch) {
                note = Some(format!("the branch {branch:?} is what the decision task says"));
            }
        }
        Ok(note)
    }
}

fn name(tree: &Tree) -> String {
    match &tree.branches {
        None => tree.path.clone(),
        Some(branches) => format!("{} (branches {})", tree.path, branches.join(", ")),
    }
}

fn with_branch(tree: &str, branch: Option<&str>) -> String {
    branch.map_or_else(|| tree.to_owned(), |branch| format!("{tree} (branch {branch})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cot::policy::{CURRENT, Policy};
    use crate::json::DocumentKind;
    use crate::yaml;
    use serde_json::json;

    fn check_by(
        switches: Switches,
        scopes: &[&str],
        tree: Option<&str>,
        branch: Option<&str>,
        is_parent: bool,
    ) -> Result<bool, Reason> {
        let mut document = yaml::read_strict(CURRENT.as_bytes(), DocumentKind::Policy).unwrap();
        let product = &mut document["products"]["firefox"];
        product["cot_restricted_scopes"] = json!({
            "project:releng:signing:cert:release-signing": "release",
            "project:releng:balrog:server:beta": "beta",
            "project:xpi:releng:github:project:mozilla-extensions/*": "xpi",
            "project:git": "git",
        });
        product["cot_restricted_trees"] = json!({
            "release": ["/r", "/b"], "beta": ["/b"], "xpi": ["/x"], "git": [{"path": "/g", "branches": ["main"]}],
        });
        let policy = Policy::from_value(document).unwrap();
        let product = policy.product("firefox").unwrap();
        let task = json!({
            "taskQueueId": "p/w", "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "created": "2026-11-25T20:00:00.000Z",
            "payload": {}, "scopes": scopes,
        });
        let task = Definition::from_value(task).unwrap();
        let asked = asked(product, &switches, &task, is_parent);
        let given = asked.given_by(product, &switches, tree, branch);
        if let Ok(note) = &given {
            let rests = scopes.contains(&"project:git");
            let said = |branch| format!("the branch {branch:?} is what the decision task says");
            assert_eq!(*note, branch.filter(|_| rests).map(said));
        }
        given.map(|_| asked.privileged()).map_err(|finding| finding.reason)
    }

    fn check(
        scopes: &[&str],
        tree: Option<&str>,
        branch: Option<&str>,
        is_parent: bool,
    ) -> Result<bool, Reason> {
        check_by(Switches::USUAL, scopes, tree, branch, is_parent)
    }

    const RELEASE: &str = "project:releng:signing:cert:release-signing";

    #[test]
    fn scopes_that_nobody_restricts_need_no_tree() {
        for scopes in [
            &[][..],
            &["project:releng:signing:cert:dep-signing"],
            &["queue:x*"],
            &["project:releng:signing:cert:release-signing2"],
            &["project:releng:signing:cert:release-signing2*"],
            &["project:assume:x", "assume"],
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
        let harmless = Switches { allow_assumed_roles: true, ..Switches::USUAL };
        for scope in [
            "assume:repo:hg.mozilla.org/x:branch:default",
            "assume:hook-id:a/b",
            "assume:*",
            "assume*",
            "ass*",
            "a*",
        ] {
            assert_eq!(check(&[scope], Some("/r"), None, false), Err(Reason::Scope), "{scope}");
            assert_eq!(check(&[scope], None, None, true), Ok(false), "a parent's own {scope}");
            assert_eq!(check_by(harmless.clone(), &[scope], None, None, false), Ok(false), "{scope}");
        }
        for is_parent in [true, false] {
            assert_eq!(check(&["*"], Some("/r"), None, is_parent), Err(Reason::Scope), "{is_parent}");
            let given = check_by(harmless.clone(), &["*"], Some("/r"), None, is_parent);
            assert_eq!(given, Err(Reason::Scope), "everything is no role");
        }
    }

    #[test]
    fn row_129_a_level_may_name_branches() {
        assert_eq!(check(&["project:git"], Some("/g"), Some("main"), false), Ok(true));
        assert_eq!(check(&[RELEASE], Some("/r"), Some("main"), false), Ok(true));
        assert_eq!(check(&["project:git"], Some("/g"), Some("evil"), false), Err(Reason::Scope));
        assert_eq!(check(&["project:git"], Some("/g"), None, false), Err(Reason::Scope));
        let strict = Switches { require_branches: true, ..Switches::USUAL };
        assert_eq!(check_by(strict.clone(), &["project:git"], Some("/g"), Some("main"), false), Ok(true));
        assert_eq!(check_by(strict, &[RELEASE], Some("/r"), None, false), Err(Reason::Scope));
    }
}
