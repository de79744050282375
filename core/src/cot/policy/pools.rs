//! Which pools a policy means, and which worker implementation runs them (design: docs/architecture.md; cot-attacks.md
//! row 6).

use crate::client::glob_matches;
use crate::cot::keys::Implementation;
use crate::ids::TaskQueueId;
use serde::{Serialize, Serializer};
use std::fmt;

/// Pools by name: `provisionerId/workerType`, where `*` stands for any letters of one half; or a `workerType` alone, of
/// whatever provisioner, as the classic generation knew them (config.md 9, C2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolPattern(String);

/// A text that names no pools.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a pool such as gecko-3/decision, perhaps with *, found {found:?}")]
pub struct InvalidPool {
    /// The text (at most 80 characters of it).
    pub found: String,
}

/// Which implementation runs which pools; the first pattern that fits counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolMap(Vec<(PoolPattern, Implementation)>);

impl PoolPattern {
    /// Checks the text and keeps it.
    pub fn parse(text: &str) -> Result<Self, InvalidPool> {
        let is_half = |half: &str| {
            (1..=38).contains(&half.len())
                && half.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_*".contains(&byte))
        };
        let fits = match text.split_once('/') {
            Some((provisioner, worker)) => is_half(provisioner) && is_half(worker),
            None => is_half(text),
        };
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPool { found: text.chars().take(80).collect() })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means this pool.
    pub fn matches(&self, pool: &TaskQueueId) -> bool {
        let Some((provisioner, worker)) = pool.as_str().split_once('/') else { return false };
        match self.0.split_once('/') {
            Some((its, other)) => glob_matches(its, provisioner) && glob_matches(other, worker),
            None => glob_matches(&self.0, worker),
        }
    }

    /// Whether it means every pool that `other` means.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.0.split_once('/'), other.0.split_once('/')) {
            (Some((a, b)), Some((c, d))) => half_covers(a, c) && half_covers(b, d),
            (None, Some((_, worker))) => half_covers(&self.0, worker),
            (None, None) => half_covers(&self.0, &other.0),
            (Some((provisioner, worker)), None) => provisioner == "*" && half_covers(worker, &other.0),
        }
    }
}

/// Whether a pattern means all that another one means: certain when the other's stars are read as a letter that no name
/// has.
fn half_covers(outer: &str, inner: &str) -> bool {
    glob_matches(outer, &inner.replace('*', "\u{1}"))
}

impl fmt::Display for PoolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PoolPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl PoolMap {
    pub(super) fn new(entries: Vec<(PoolPattern, Implementation)>) -> Self {
        Self(entries)
    }

    /// The implementation that runs a pool, if the policy says it.
    pub fn implementation(&self, pool: &TaskQueueId) -> Option<Implementation> {
        self.0.iter().find(|(pattern, _)| pattern.matches(pool)).map(|(_, implementation)| *implementation)
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[(PoolPattern, Implementation)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PoolPattern {
        PoolPattern::parse(text).unwrap()
    }

    fn pool(text: &str) -> TaskQueueId {
        TaskQueueId::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_is_written_as_it_was_read() {
        assert_eq!(pattern("gecko-3/b-*").as_str(), "gecko-3/b-*");
    }

    #[test]
    fn stars_stay_within_their_half() {
        for (text, name, expected) in [
            ("gecko-3/decision", "gecko-3/decision", true),
            ("gecko-3/decision", "gecko-3/decision-gcp", false),
            ("gecko-3/decision", "gecko-1/decision", false),
            ("gecko-*/decision*", "gecko-1/decision-gcp", true),
            ("gecko-*", "aws/gecko-decision", true),
            ("gecko-decision", "aws-provisioner-v1/gecko-decision", true),
            ("gecko-decision", "aws-provisioner-v1/gecko-decision-x", false),
            ("*/decision", "a/b-decision", false),
            ("*/*", "a/b", true),
            ("*", "a/b", true),
        ] {
            assert_eq!(pattern(text).matches(&pool(name)), expected, "{text} {name}");
        }
        for wrong in ["", "/", "a/", "/b", "a/b/c", "a b", "a?/b", "[a]/b", "a\n", &"a".repeat(39)] {
            assert!(PoolPattern::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_first_pattern_that_fits_counts() {
        let runs = |name: &str| Implementation::from_name(name).unwrap();
        let map = PoolMap::new(vec![
            (pattern("gecko-3/b-mac*"), runs("generic-worker")),
            (pattern("gecko-3/*"), runs("docker-worker")),
        ]);
        assert_eq!(map.implementation(&pool("gecko-3/b-mac-1")), Some(runs("generic-worker")));
        assert_eq!(map.implementation(&pool("gecko-3/b-linux")), Some(runs("docker-worker")));
        assert_eq!(map.implementation(&pool("gecko-1/b-linux")), None);
        assert_eq!(PoolMap::default().implementation(&pool("gecko-1/b-linux")), None);
    }

    #[test]
    fn a_pattern_covers_what_is_narrower() {
        for (outer, inner, expected) in [
            ("gecko-*/*", "gecko-3/b-*", true),
            ("*/*", "gecko-decision", true),
            ("*", "a/b", true),
            ("gecko-3/b", "gecko-3/b", true),
            ("gecko-3/b-*", "gecko-*/b-*", false),
            ("gecko-3/b", "gecko-3/*", false),
            ("a/*", "b", false),
        ] {
            assert_eq!(pattern(outer).covers(&pattern(inner)), expected, "{outer} {inner}");
        }
    }
}
