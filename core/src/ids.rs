//! Identifiers of Taskcluster as types. Each is checked once, where it enters; inside, it can be trusted.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// A text that does not fit the identifier it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct InvalidId {
    /// The rule, in words.
    pub expected: &'static str,
    /// What stood there (at most 64 characters of it).
    pub found: String,
}

fn invalid(expected: &'static str, found: &str) -> InvalidId {
    InvalidId { expected, found: found.chars().take(64).collect() }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks the text and keeps it.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(invalid($expected, text)) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

text_id!(
    /// A task (or task group) id: a slugid, that is a version 4 UUID in 22 characters of URL-safe base64
    /// (taskcluster-api.md 1).
    TaskId,
    "a task id (22 characters, a slugid)",
    is_slugid
);

text_id!(
    /// The name of the queue that the worker claims from: `<provisionerId>/<workerType>`, today called worker pool
    /// id or task queue id.
    ///
    /// The check is the one of the configuration (config.md 3: both halves `^[a-zA-Z0-9-_]{1,38}$`); today's queue is
    /// stricter about the second half, which the worker warns about but leaves to the queue.
    TaskQueueId,
    "a task queue id (provisionerId/workerType, each 1 to 38 letters, digits, - or _)",
    |text| matches!(text.split_once('/'), Some((a, b)) if is_identifier(a) && is_identifier(b))
);

text_id!(
    /// The group part of a worker's identity.
    WorkerGroup,
    "a worker group (1 to 38 letters, digits, - or _)",
    is_identifier
);

text_id!(
    /// The id part of a worker's identity.
    WorkerId,
    "a worker id (1 to 38 letters, digits, - or _)",
    is_identifier
);

text_id!(
    /// The name of an artifact: printable ASCII, `/` separates folders (queue pattern `^[\x20-\x7e]+$`, at most 1024
    /// characters as the listing schema says).
    ArtifactName,
    "an artifact name (1 to 1024 printable ASCII characters)",
    |text| (1..=1024).contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
);

text_id!(
    /// A revision of a source tree: a full hash, never a branch, a tag or a beginning of a hash (cot-attacks.md row
    /// 106).
    Revision,
    "a revision (40 lower-case hexadecimal digits)",
    |text| text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
);

impl ArtifactName {
    /// Whether anybody may read it (names that start with `public/`).
    pub fn is_public(&self) -> bool {
        self.0.starts_with("public/")
    }
}

impl TaskQueueId {
    /// Joins the two halves as the configuration gives them.
    pub fn from_parts(provisioner_id: &str, worker_type: &str) -> Result<Self, InvalidId> {
        Self::parse(&format!("{provisioner_id}/{worker_type}"))
    }

    /// The second half: the worker type.
    pub fn worker_type(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, worker_type)| worker_type)
    }
}

/// The number of one attempt at a task: 0 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunId(u16);

impl RunId {
    /// The highest run id that the queue's schema knows.
    pub const MAX: u16 = 1000;
    /// The first attempt.
    pub const FIRST: Self = Self(0);

    /// Checks the range.
    pub fn new(number: u64) -> Result<Self, InvalidId> {
        match u16::try_from(number) {
            Ok(number) if number <= Self::MAX => Ok(Self(number)),
            _ => Err(invalid("a run id (0 to 1000)", &number.to_string())),
        }
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// One run of one task: what is claimed, renewed and reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunKey {
    /// The task.
    pub task_id: TaskId,
    /// The attempt at it.
    pub run_id: RunId,
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.task_id, self.run_id)
    }
}

/// 1 to 38 letters, digits, `-` or `_` (config.md 3).
fn is_identifier(text: &str) -> bool {
    (1..=38).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// `^[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]$`: the bits of a version 4 UUID
/// that are fixed leave only some letters at three places.
fn is_slugid(text: &str) -> bool {
    text.len() == 22
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => matches!(byte, b'Q'..=b'T'),
            10 => b"CGKOSWaeimquy26-".contains(&byte),
            21 => b"AQgw".contains(&byte),
            _ => byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_',
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_id_is_a_slugid() {
        assert_eq!(TaskId::parse("Ypg6xKhKRU-pnkwylNQrMw").unwrap().as_str(), "Ypg6xKhKRU-pnkwylNQrMw");
        for wrong in ["", "abc", "Ypg6xKhKRU-pnkwylNQrM", "Ypg6xKhKAU-pnkwylNQrMw", "Ypg6xKhKRU/pnkwylNQrMw"]
        {
            let error = TaskId::parse(wrong).unwrap_err();
            assert_eq!(error.found, wrong);
        }
    }

    #[test]
    fn a_queue_id_has_two_halves_of_at_most_38() {
        assert!(TaskQueueId::from_parts("scriptworker-k8s", "gecko-3-signing").is_ok());
        assert!(TaskQueueId::from_parts(&"a".repeat(38), &"b".repeat(38)).is_ok());
        for (a, b) in [("", "b"), ("a", ""), ("a/b", "c"), (&"a".repeat(39), "b"), ("a", "b\n")] {
            assert!(TaskQueueId::from_parts(a, b).is_err(), "{a:?}/{b:?}");
        }
    }

    #[test]
    fn artifact_names_are_printable_ascii() {
        assert!(ArtifactName::parse("public/a b%+//../c").unwrap().is_public());
        for wrong in ["", "a\nb", "ä", &"x".repeat(1025)] {
            assert!(ArtifactName::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn row_106_a_revision_is_a_full_hash() {
        let full = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(Revision::parse(full).unwrap().as_str(), full);
        for wrong in ["", "main", "v1.0", &full[..39], &full[..12], &full.to_uppercase(), &format!("{full}0")]
        {
            assert!(Revision::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(Revision::parse(&full.replace('0', "g")).is_err());
    }

    #[test]
    fn run_ids_have_a_range() {
        assert_eq!(RunId::new(1000).unwrap().get(), 1000);
        assert!(RunId::new(1001).is_err());
        assert!(serde_json::from_str::<RunId>("-1").is_err());
    }
}
