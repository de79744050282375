//! Which ed25519 key is accepted for which worker implementation, and when.
//!
//! The lists are data: keys with validity windows, and with the reason where one was taken out of use. They are looked
//! at as of a time that the caller gives (when the task was resolved), so an old attestation keeps its verdict.

use super::{PrivateKey, PublicKey, Signature, SignatureFormat};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The lists of all worker implementations, by the implementation's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyLists {
    /// The keys of each implementation.
    pub lists: BTreeMap<String, Vec<ListedKey>>,
    /// Keys that stand in more than one list on purpose.
    pub shared: BTreeSet<PublicKey>,
    /// Keys that are known and accepted for nothing: of test pools, of people, our own. A signature names no key, so
    /// one by a key that nobody ever told us of looks the same as one over other bytes.
    pub strangers: BTreeSet<PublicKey>,
}

/// A key of a list. As data it is the base64 alone, or a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct ListedKey {
    /// The key.
    pub key: PublicKey,
    /// The first moment at which it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<UnixMillis>,
    /// The last moment at which it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixMillis>,
    /// Why it is in use no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retirement>,
}

/// Why a key is in use no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retirement {
    /// Another key took its place, in good order: what it signed within its window stays good.
    Superseded,
    /// Its pool is gone, in good order: what it signed within its window stays good.
    Ceased,
    /// Somebody else may have it: nothing that it ever signed counts.
    Compromised,
    /// Taken out without a reason that would save its past: nothing that it ever signed counts.
    Withdrawn,
}

/// A statement that is signed by an accepted key. Only [`KeyLists::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    key: PublicKey,
}

/// Why a signature is not accepted. Each variant has its stable code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not the form of a signature.
    #[error(transparent)]
    Format(#[from] SignatureFormat),
    /// No key that we know made it over these bytes: they were changed after signing, it is not a strict signature,
    /// or a key made it that we were never told of.
    #[error(
        "none of the {tried} known keys made this signature over these bytes: they differ from what was signed, or its key is not listed"
    )]
    Signature {
        /// How many keys were tried, those of other lists included.
        tried: usize,
    },
    /// It was made by a key that is in no list, or there is no list to look at.
    #[error("{}", match key {
        Some(key) => format!("signed by {key}, which is accepted for no implementation"),
        None => "no key is listed for this implementation".to_owned(),
    })]
    UnknownKey {
        /// The key, if it is known.
        key: Option<PublicKey>,
    },
    /// It was made by a key of another implementation.
    #[error("signed by {key}, which is a key of {listed:?} and not of the implementation in question")]
    WrongKeyClass {
        /// The key.
        key: PublicKey,
        /// The implementation that lists it.
        listed: String,
    },
    /// It was made by a key that nothing is believed of any more.
    #[error("signed by {key}, which was revoked: {reason:?}")]
    RevokedKey {
        /// The key.
        key: PublicKey,
        /// Why.
        reason: Retirement,
    },
    /// It was made by a key that was not valid at the time.
    #[error("signed by {key}, which was not valid at {at}{}", retired.map_or_else(String::new, |reason| format!(" ({reason:?})")))]
    ExpiredKey {
        /// The key.
        key: PublicKey,
        /// The time in question.
        at: UnixMillis,
        /// Why the key is in use no more, if it says so.
        retired: Option<Retirement>,
    },
}

/// A mistake in the lists: an error of the configuration, found at start (cot-attacks rows 16 and 17).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListProblem {
    /// A list without keys.
    #[error("no key is listed for {class:?}")]
    Empty {
        /// The implementation.
        class: String,
    },
    /// The same key for two implementations, and nothing says that it is meant.
    #[error("{key} is listed for {first:?} and for {second:?}, and is not said to be shared")]
    InTwoLists {
        /// The key.
        key: PublicKey,
        /// An implementation that lists it.
        first: String,
        /// Another one.
        second: String,
    },
    /// The worker's own secret in a list: everybody who reads the configuration has it.
    #[error("the list of {class:?} holds the worker's private key where a public one belongs")]
    PrivateKey {
        /// The implementation. The key itself is not repeated.
        class: String,
    },
    /// A window that ends before it begins.
    #[error("{key} of {class:?} is valid at no time: its window ends before it begins")]
    NeverValid {
        /// The implementation.
        class: String,
        /// The key.
        key: PublicKey,
    },
    /// A key that was retired in good order, without the moment.
    #[error("{key} of {class:?} is retired, but no not_after says since when")]
    NoEnd {
        /// The implementation.
        class: String,
        /// The key.
        key: PublicKey,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Bare(PublicKey),
    Full(Full),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    key: PublicKey,
    not_before: Option<UnixMillis>,
    not_after: Option<UnixMillis>,
    retired: Option<Retirement>,
}

impl From<Written> for ListedKey {
    fn from(written: Written) -> Self {
        match written {
            Written::Bare(key) => Self::always(key),
            Written::Full(Full { key, not_before, not_after, retired }) => {
                Self { key, not_before, not_after, retired }
            }
        }
    }
}

impl Retirement {
    /// Whether nothing that the key ever signed counts any more.
    pub fn is_hard(self) -> bool {
        match self {
            Self::Superseded | Self::Ceased => false,
            Self::Compromised | Self::Withdrawn => true,
        }
    }
}

impl ListedKey {
    /// A key that is valid at any time.
    pub fn always(key: PublicKey) -> Self {
        Self { key, not_before: None, not_after: None, retired: None }
    }

    /// Whether what the key signed at that time counts.
    fn standing(&self, at: UnixMillis) -> Result<SignedBy, Refusal> {
        let (key, retired) = (self.key, self.retired);
        if let Some(reason) = retired.filter(|reason| reason.is_hard()) {
            return Err(Refusal::RevokedKey { key, reason });
        }
        let begun = self.not_before.is_none_or(|first| first <= at);
        let over = self.not_after.is_some_and(|last| last < at);
        if begun && !over { Ok(SignedBy { key }) } else { Err(Refusal::ExpiredKey { key, at, retired }) }
    }

    /// The first mistake in this entry.
    fn problem(&self, class: &str, own: Option<&PrivateKey>) -> Option<ListProblem> {
        let (class, key) = (class.to_owned(), self.key);
        let soft = self.retired.is_some_and(|reason| !reason.is_hard());
        if own.is_some_and(|own| own.is_mistaken_for(&key)) {
            Some(ListProblem::PrivateKey { class })
        } else if self.not_before.zip(self.not_after).is_some_and(|(first, last)| last < first) {
            Some(ListProblem::NeverValid { class, key })
        } else if soft && self.not_after.is_none() {
            Some(ListProblem::NoEnd { class, key })
        } else {
            None
        }
    }
}

impl SignedBy {
    /// The key that signed.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl Refusal {
    /// The stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Format(_) => "signature-format",
            Self::Signature { .. } => "signature",
            Self::UnknownKey { .. } => "unknown-key",
            Self::WrongKeyClass { .. } => "wrong-key-class",
            Self::RevokedKey { .. } => "revoked-key",
            Self::ExpiredKey { .. } => "expired-key",
        }
    }
}

impl KeyLists {
    /// Whether a key of the implementation `class`, valid `at` that time, signed exactly these bytes. `signature` is
    /// the content of the `.sig` file.
    ///
    /// A signature names no key, so all are tried: those of the implementation first, then the others, to say why.
    pub fn verify(
        &self,
        class: &str,
        message: &[u8],
        signature: &[u8],
        at: UnixMillis,
    ) -> Result<SignedBy, Refusal> {
        let signature = Signature::from_bytes(signature)?;
        let made_it = |key: &PublicKey| key.verify(message, &signature).is_ok();
        let own = self.lists.get(class).map(Vec::as_slice).unwrap_or_default();
        let standings: Vec<_> =
            own.iter().filter(|listed| made_it(&listed.key)).map(|listed| listed.standing(at)).collect();
        // a key that one entry revokes is saved by no other; one window of several is enough
        let best = standings.into_iter().min_by_key(|standing| match standing {
            Err(Refusal::RevokedKey { .. }) => 0,
            Ok(_) => 1,
            Err(_) => 2,
        });
        if let Some(standing) = best {
            return standing;
        }
        let others = || self.lists.iter().filter(|(name, _)| name.as_str() != class);
        for (name, list) in others() {
            if let Some(listed) = list.iter().find(|listed| made_it(&listed.key)) {
                return Err(Refusal::WrongKeyClass { key: listed.key, listed: name.clone() });
            }
        }
        if let Some(key) = self.strangers.iter().find(|key| made_it(key)) {
            return Err(Refusal::UnknownKey { key: Some(*key) });
        }
        if own.is_empty() {
            return Err(Refusal::UnknownKey { key: None });
        }
        let tried = own.len() + others().map(|(_, list)| list.len()).sum::<usize>() + self.strangers.len();
        Err(Refusal::Signature { tried })
    }

    /// Every mistake in the lists; `own` is the private key of this worker, if it has one.
    pub fn problems(&self, own: Option<&PrivateKey>) -> Vec<ListProblem> {
        let mut problems = Vec::new();
        let mut seen: BTreeMap<PublicKey, &String> = BTreeMap::new();
        for (class, list) in &self.lists {
            if list.is_empty() {
                problems.push(ListProblem::Empty { class: class.clone() });
            }
            for listed in list {
                problems.extend(listed.problem(class, own));
                let first = *seen.entry(listed.key).or_insert(class);
                if first != class && !self.shared.contains(&listed.key) {
                    let (key, first, second) = (listed.key, first.clone(), class.clone());
                    problems.push(ListProblem::InTwoLists { key, first, second });
                }
            }
        }
        problems
    }
}
