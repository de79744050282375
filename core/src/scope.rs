//! Scopes and their satisfaction (taskcluster-api.md 2.3).

use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// One scope: printable ASCII. A `*` at its very end stands for anything that follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Scope(String);

/// A text with characters that no scope may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a scope (printable ASCII), found {0:?}")]
pub struct InvalidScope(pub String);

impl Scope {
    /// Checks the characters (`^[\x20-\x7e]*$`).
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        if text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidScope(text.chars().take(64).collect()))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether having this scope is enough where `required` is asked for.
    pub fn satisfies(&self, required: &Scope) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => required.0.starts_with(prefix),
            None => self.0 == required.0,
        }
    }

    /// Whether having this scope is enough for anything that `restricted` covers; there, too, a `*` at the end stands
    /// for anything that follows. So `*` touches every restriction, and a restriction of `a:*` is touched by `a:b`, by
    /// `a:b*` and by `a*` (cot-attacks.md row 126).
    pub fn touches(&self, restricted: &Scope) -> bool {
        match (self.0.strip_suffix('*'), restricted.0.strip_suffix('*')) {
            (None, None) => self.0 == restricted.0,
            (Some(mine), None) => restricted.0.starts_with(mine),
            (None, Some(its)) => self.0.starts_with(its),
            (Some(mine), Some(its)) => mine.starts_with(its) || its.starts_with(mine),
        }
    }

    /// Whether it stands for the scopes of a role, or for some that do: which those are, only the deployment knows
    /// (cot-attacks.md row 127).
    pub fn assumes_role(&self) -> bool {
        const ASSUME: &str = "assume:";
        self.0.starts_with(ASSUME)
            || self.0.strip_suffix('*').is_some_and(|prefix| ASSUME.starts_with(prefix))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// Whether every required scope is satisfied by one of those at hand (an `AllOf` expression).
pub fn satisfies_all(have: &[Scope], required: &[Scope]) -> bool {
    required.iter().all(|need| have.iter().any(|scope| scope.satisfies(need)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn a_trailing_star_is_a_prefix_and_only_there() {
        assert!(scope("queue:*").satisfies(&scope("queue:claim-work:a/b")));
        assert!(scope("*").satisfies(&scope("")));
        assert!(scope("a*").satisfies(&scope("a*")));
        assert_eq!(scope("a*").to_string(), "a*");
        assert!(!scope("a*b").satisfies(&scope("axb")));
        assert!(!scope("queue:a").satisfies(&scope("queue:*")));
    }

    #[test]
    fn row_126_a_scope_that_satisfies_a_restricted_one_touches_it() {
        const CERT: &str = "project:releng:signing:cert:release-signing";
        for (have, restricted, expected) in [
            (CERT, CERT, true),
            ("project:releng:signing:cert:*", CERT, true),
            ("project:releng:*", CERT, true),
            ("*", CERT, true),
            ("project:releng:signing:cert:release-signing*", CERT, true),
            ("project:releng:signing:cert:dep-signing", CERT, false),
            ("project:releng:signing:cert:release-signing-x", CERT, false),
            ("project:releng:signing:cert:release-signing-*", CERT, false),
            ("project:releng:signing:cert:release", CERT, false),
            ("", CERT, false),
            ("a:b", "a:*", true),
            ("a:", "a:*", true),
            ("a:*", "a:*", true),
            ("a:b*", "a:*", true),
            ("a*", "a:*", true),
            ("*", "a:*", true),
            ("a", "a:*", false),
            ("b*", "a:*", false),
            ("a", "*", true),
            // a star elsewhere is a letter
            ("a*b", "axb", false),
            ("a*b", "a*b", true),
        ] {
            assert_eq!(scope(have).touches(&scope(restricted)), expected, "{have} and {restricted}");
        }
    }

    #[test]
    fn row_127_scopes_of_roles_are_known() {
        for text in
            ["assume:repo:github.com/x:*", "assume:hook-id:a/b", "assume:*", "assume:", "assum*", "a*", "*"]
        {
            assert!(scope(text).assumes_role(), "{text}");
        }
        for text in ["assume", "project:assume:x", "", "project:*", "assumed:x"] {
            assert!(!scope(text).assumes_role(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn touching_is_satisfying_something_restricted(have in "[ab*]{0,4}", restricted in "[ab]{0,3}\\*?", one in "[ab]{0,5}") {
            let (have, restricted, one) = (scope(&have), scope(&restricted), scope(&one));
            if have.satisfies(&one) && restricted.satisfies(&one) {
                prop_assert!(have.touches(&restricted));
            }
            if have.satisfies(&restricted) {
                prop_assert!(have.touches(&restricted));
            }
        }
    }

    #[test]
    fn all_required_scopes_are_needed_and_none_is_always_satisfied() {
        let have = [scope("a:*"), scope("b")];
        assert!(satisfies_all(&have, &[]));
        assert!(satisfies_all(&[], &[]));
        assert!(satisfies_all(&have, &[scope("a:1"), scope("b")]));
        assert!(!satisfies_all(&have, &[scope("a:1"), scope("c")]));
        assert!(!satisfies_all(&[], &[scope("a")]));
    }
}
