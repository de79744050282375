//! The answers, as they came: raw bytes and digests, or that there is nothing. Never a conclusion.

use super::finding::Finding;
use super::need::Need;
use super::reason::Reason;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What came back for a [`Need`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The bytes.
    Present(Bytes),
    /// An artifact whose bytes are somewhere else; these are its digests.
    Stored(StoredArtifact),
    /// There is no such thing, for certain: 404, 410, or an artifact that stands for an error. Trouble on the way is
    /// no answer at all.
    Absent,
    /// There is one, but it is larger than its limit, in bytes.
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// There may be one, but the way to it leads to an address that is not gone to (cot-attacks.md 77).
    Forbidden {
        /// Which, and why not; without anything that could be a secret.
        problem: String,
    },
}

impl Answer {
    /// The bytes, where bytes were asked for; nothing when there are none. `place` says what was asked for.
    ///
    /// # Errors
    /// When there are bytes that may not be read.
    pub(super) fn content(&self, place: impl fmt::Display) -> Result<Option<&Bytes>, Finding> {
        match self {
            Self::Present(bytes) => Ok(Some(bytes)),
            Self::Absent | Self::Stored(_) => Ok(None),
            Self::TooLarge { limit } => {
                Err(Finding::new(Reason::Limit).at(place).expected(format!("at most {limit} bytes")))
            }
            Self::Forbidden { problem } => Err(Finding::new(Reason::Url).at(place).because(problem)),
        }
    }
}

/// An artifact that was hashed while it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArtifact {
    /// SHA-256 of the decoded bytes.
    pub sha256: [u8; 32],
    /// SHA-512 of them, if somebody asked for it.
    pub sha512: Option<[u8; 64]>,
    /// Their number.
    pub length: u64,
}

/// Everything that is known. Parsed forms are kept beside the bytes they come from, because each is looked at often.
#[derive(Debug, Default)]
pub struct Evidence {
    entries: BTreeMap<Need, Known>,
}

#[derive(Debug)]
struct Known {
    answer: Answer,
    parsed: OnceLock<Arc<dyn Any + Send + Sync>>,
    sha256: OnceLock<[u8; 32]>,
}

/// An answer to something that was answered before, and differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one answer for the {need}, found a second that differs")]
pub struct Contradiction {
    /// The question.
    pub need: Box<Need>,
}

impl Evidence {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer. The first one stays.
    ///
    /// # Errors
    ///
    /// When the same question has another answer already.
    pub fn add(&mut self, need: Need, answer: Answer) -> Result<(), Contradiction> {
        match self.entries.entry(need) {
            Entry::Vacant(place) => {
                place.insert(Known { answer, parsed: OnceLock::new(), sha256: OnceLock::new() });
                Ok(())
            }
            Entry::Occupied(place) if place.get().answer == answer => Ok(()),
            Entry::Occupied(place) => Err(Contradiction { need: Box::new(place.key().clone()) }),
        }
    }

    /// Adds the first answer to a question, bytes whose SHA-256 was made already. Later ones change nothing.
    pub(super) fn add_hashed(&mut self, need: Need, bytes: Bytes, sha256: [u8; 32]) {
        self.entries.entry(need).or_insert_with(|| Known {
            answer: Answer::Present(bytes),
            parsed: OnceLock::new(),
            sha256: OnceLock::from(sha256),
        });
    }

    /// The answer to a question.
    pub fn get(&self, need: &Need) -> Option<&Answer> {
        self.entries.get(need).map(|known| &known.answer)
    }

    /// Everything, in the order of the questions.
    pub fn iter(&self) -> impl Iterator<Item = (&Need, &Answer)> {
        self.entries.iter().map(|(need, known)| (need, &known.answer))
    }

    /// The SHA-256 of bytes that are there, made once: some are large, and every pass looks at them.
    pub(super) fn sha256(&self, need: &Need) -> Option<[u8; 32]> {
        let known = self.entries.get(need)?;
        match &known.answer {
            Answer::Present(bytes) => Some(*known.sha256.get_or_init(|| Sha256::digest(bytes).into())),
            Answer::Stored(_) | Answer::Absent | Answer::TooLarge { .. } | Answer::Forbidden { .. } => None,
        }
    }

    /// What `parse` makes of the answer, made once. Each question has one parsed form only: asked for another type, the
    /// form is made anew every time.
    pub(super) fn parsed<T: Send + Sync + 'static>(
        &self,
        need: &Need,
        parse: impl FnOnce(&Answer) -> T,
    ) -> Option<Arc<T>> {
        let known = self.entries.get(need)?;
        if let Some(parsed) = known.parsed.get() {
            return Some(Arc::clone(parsed).downcast().unwrap_or_else(|_| Arc::new(parse(&known.answer))));
        }
        let made = Arc::new(parse(&known.answer));
        // two threads may both have made it: either will do
        let _ = known.parsed.set(Arc::clone(&made) as Arc<dyn Any + Send + Sync>);
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Answer {
        Answer::Present(text.to_owned().into())
    }

    #[test]
    fn the_first_answer_stays_and_another_one_is_told() {
        let mut evidence = Evidence::new();
        evidence.add(Need::Projects, bytes("a")).unwrap();
        evidence.add(Need::Projects, bytes("a")).unwrap();
        let error = evidence.add(Need::Projects, bytes("b")).unwrap_err();
        assert_eq!(error, Contradiction { need: Box::new(Need::Projects) });
        assert_eq!(evidence.get(&Need::Projects), Some(&bytes("a")));
    }

    #[test]
    fn a_parsed_form_is_made_once() {
        let mut evidence = Evidence::new();
        assert_eq!(evidence.parsed(&Need::Projects, |_| 1_u8), None);
        evidence.add(Need::Projects, bytes("a")).unwrap();
        assert_eq!(evidence.parsed(&Need::Projects, |_| 1_u8).as_deref(), Some(&1));
        assert_eq!(evidence.parsed(&Need::Projects, |_| -> u8 { unreachable!() }).as_deref(), Some(&1));
        assert_eq!(evidence.parsed(&Need::Projects, |_| "other").as_deref(), Some(&"other"));
    }

    #[test]
    fn a_hash_is_that_of_the_bytes_or_the_one_that_came_with_them() {
        let mut evidence = Evidence::new();
        assert_eq!(evidence.sha256(&Need::Projects), None);
        evidence.add_hashed(Need::Projects, "a".into(), [7; 32]);
        evidence.add_hashed(Need::Projects, "b".into(), [8; 32]);
        assert_eq!(evidence.get(&Need::Projects), Some(&bytes("a")));
        assert_eq!(evidence.sha256(&Need::Projects), Some([7; 32]));
        let mut evidence = Evidence::new();
        evidence.add(Need::Projects, bytes("a")).unwrap();
        assert_eq!(evidence.sha256(&Need::Projects), Some(Sha256::digest("a").into()));
        let mut evidence = Evidence::new();
        evidence.add(Need::Projects, Answer::Absent).unwrap();
        assert_eq!(evidence.sha256(&Need::Projects), None);
    }
}
