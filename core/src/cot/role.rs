//! What a task is in a chain, by its type.

use serde::{Deserialize, Serialize};

/// Which generation's rules judge a chain (chain-of-trust.md 5 and 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleSet {
    /// Task graphs are matched with some fuzziness, decision tasks are known by their command.
    Classic,
    /// Task graphs are matched by id, parent tasks are made again from the source tree.
    Current,
}

/// Which checks a type of task gets (chain-of-trust.md 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Makes a task graph for a push.
    Decision,
    /// Makes a task graph for somebody who asked a decision task's graph for more.
    Action,
    /// Makes an image that other tasks run in.
    DockerImage,
    /// Must have run on a scriptworker.
    Scriptworker,
    /// Anything else that is known.
    Plain,
}

impl Role {
    /// Whether other tasks are in its task graph.
    pub const fn is_parent(self) -> bool {
        matches!(self, Self::Decision | Self::Action)
    }
}
