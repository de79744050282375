//! How big and how deep a document may be, by its kind: the table that bounds what a stranger can make the worker read
//! (cot-attacks.md rows 49 and 50). Whoever fetches a document asks here first, so that too much of it is never in
//! memory.

use serde::{Deserialize, Serialize};

/// What a document is, as far as its limits are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// `chain-of-trust.json`, or the text inside `chainOfTrust.json.asc`.
    Attestation,
    /// A detached signature: no JSON, but a document with a size.
    Signature,
    /// The definition of a task, as the queue answers it or as a graph holds it.
    TaskDefinition,
    /// `task-graph.json`: read through [`super::JsonIndex`].
    TaskGraph,
    /// `actions.json`.
    Actions,
    /// `parameters.yml`.
    Parameters,
    /// `.taskcluster.yml`.
    TaskTemplate,
    /// Another answer of the queue: the state of a task, a page of a listing.
    QueueAnswer,
    /// An answer of a source host: a pushlog, a commit, a pull request, a release.
    SourceAnswer,
    /// `projects.yml`.
    Projects,
    /// A product policy.
    Policy,
    /// The index of a bundle of evidence.
    BundleIndex,
}

/// The bounds of one kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: u64,
    /// Lists and maps inside one another; a plain value has depth 0.
    pub depth: usize,
}

const MIB: u64 = 1 << 20;

impl DocumentKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Attestation,
        Self::Signature,
        Self::TaskDefinition,
        Self::TaskGraph,
        Self::Actions,
        Self::Parameters,
        Self::TaskTemplate,
        Self::QueueAnswer,
        Self::SourceAnswer,
        Self::Projects,
        Self::Policy,
        Self::BundleIndex,
    ];

    /// The bounds: several times what the largest known document of the kind needs.
    pub const fn limits(self) -> Limits {
        let (bytes, depth) = match self {
            // a task with tens of thousands of artifacts
            Self::Attestation => (16 * MIB, 64),
            Self::Signature => (MIB / 16, 8),
            // the queue itself takes no more than one
            Self::TaskDefinition => (4 * MIB, 64),
            // tens of MB in real life
            Self::TaskGraph => (256 * MIB, 72),
            Self::Actions => (16 * MIB, 72),
            // lists the changed files of a push
            Self::Parameters => (16 * MIB, 32),
            Self::TaskTemplate => (MIB, 64),
            Self::QueueAnswer => (16 * MIB, 64),
            // a merge with all its changesets and their files
            Self::SourceAnswer => (64 * MIB, 32),
            Self::Projects => (4 * MIB, 32),
            Self::Policy => (4 * MIB, 32),
            Self::BundleIndex => (64 * MIB, 72),
        };
        Limits { bytes, depth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_bounds_that_it_is_documented_with() {
        let found = DocumentKind::ALL.map(|kind| (kind.limits().bytes, kind.limits().depth));
        let expected = [
            (16_777_216, 64),
            (65_536, 8),
            (4_194_304, 64),
            (268_435_456, 72),
            (16_777_216, 72),
            (16_777_216, 32),
            (1_048_576, 64),
            (16_777_216, 64),
            (67_108_864, 32),
            (4_194_304, 32),
            (4_194_304, 32),
            (67_108_864, 72),
        ];
        assert_eq!(found, expected);
    }
}
