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

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn a_trailing_star_is_a_prefix_and_only_there() {
        assert!(scope("queue:*").satisfies(&scope("queue:claim-work:a/b")));
        assert!(scope("*").satisfies(&scope("")));
        assert!(scope("a*").satisfies(&scope("a*")));
        assert!(!scope("a*b").satisfies(&scope("axb")));
        assert!(!scope("queue:a").satisfies(&scope("queue:*")));
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
