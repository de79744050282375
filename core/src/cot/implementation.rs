//! The kinds of workers that run the tasks of a chain (chain-of-trust.md 2.2). Each has its own keys, its own form of
//! attestation and its own checks.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A worker implementation. There are no others: for one that is not known there would be neither keys nor checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Implementation {
    /// `docker-worker`.
    DockerWorker,
    /// `generic-worker`.
    GenericWorker,
    /// `scriptworker`.
    Scriptworker,
}

impl Implementation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::DockerWorker, Self::GenericWorker, Self::Scriptworker];

    /// The name, as in tags and key lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DockerWorker => "docker-worker",
            Self::GenericWorker => "generic-worker",
            Self::Scriptworker => "scriptworker",
        }
    }

    /// The implementation of a name, spelled exactly like that.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|implementation| implementation.name() == name)
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Implementation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Implementation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| de::Error::custom(format_args!("no implementation is called {name:?}")))
    }
}
