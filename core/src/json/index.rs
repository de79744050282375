//! A big document of which few members are wanted: one strict pass notes where each member is and what its bytes hash
//! to; a member is read when it is asked for (the task graph, of 60 MB and more).
//!
//! Beside the text it takes memory for the keys alone.

use super::limits::DocumentKind;
use super::path::JsonPath;
use super::strict::{Cursor, StrictError, check_text};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;

/// Where a member's value is, and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedMember {
    /// The bytes of the value, without the space around it.
    pub range: Range<usize>,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

/// The members of a document that is a map, checked throughout by the rules of [`super::read_strict`].
#[derive(Debug, Clone)]
pub struct JsonIndex {
    kind: DocumentKind,
    members: BTreeMap<Box<str>, IndexedMember>,
}

/// Why a member could not be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The bytes are not those that were indexed.
    #[error("the bytes of member {key:?} are not those that were indexed")]
    OtherBytes {
        /// The member.
        key: String,
    },
    /// The bytes are, and yet they cannot be read.
    #[error(transparent)]
    Strict(#[from] StrictError),
}

impl JsonIndex {
    /// Reads a document through, and keeps where its members are.
    pub fn of(bytes: &[u8], kind: DocumentKind) -> Result<Self, StrictError> {
        let limits = kind.limits();
        let text = check_text(bytes, limits)?;
        let mut cursor = Cursor::new(text);
        let root = JsonPath::root();
        if cursor.peek() != Some(b'{') {
            // no map: say first whether it is JSON at all
            cursor.read::<false>(&root, limits.depth)?;
            cursor.end(&root)?;
            return Err(StrictError::NotAMap);
        }
        cursor.pass(b'{', &root)?;
        let mut members = BTreeMap::new();
        let mut more = cursor.peek() != Some(b'}');
        while more {
            cursor.peek();
            let key_at = cursor.offset();
            let key = cursor.read_key(&root)?;
            let path = JsonPath::root().key(key.as_str());
            if members.contains_key(key.as_str()) {
                return Err(StrictError::DuplicateKey { path, place: cursor.place(key_at) });
            }
            cursor.pass(b':', &path)?;
            cursor.peek();
            let begin = cursor.offset();
            cursor.read::<false>(&path, limits.depth.saturating_sub(1))?;
            let range = begin..cursor.offset();
            let sha256 = Sha256::digest(bytes.get(range.clone()).unwrap_or_default()).into();
            members.insert(key.into_boxed_str(), IndexedMember { range, sha256 });
            more = cursor.peek() == Some(b',');
            if more {
                cursor.pass(b',', &root)?;
            }
        }
        cursor.pass(b'}', &root)?;
        cursor.end(&root)?;
        Ok(Self { kind, members })
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The keys, sorted, with their members.
    pub fn members(&self) -> impl Iterator<Item = (&str, &IndexedMember)> {
        self.members.iter().map(|(key, member)| (&**key, member))
    }

    /// Where a member is.
    pub fn get(&self, key: &str) -> Option<&IndexedMember> {
        self.members.get(key)
    }

    /// Reads a member out of the whole document, which must be the one that was indexed. `None`: there is no such
    /// member.
    pub fn read(&self, document: &[u8], key: &str) -> Result<Option<Value>, IndexError> {
        let Some(member) = self.members.get(key) else { return Ok(None) };
        self.read_member(document.get(member.range.clone()).unwrap_or_default(), key, member).map(Some)
    }

    /// Reads a member from its own bytes.
    pub fn read_member(&self, bytes: &[u8], key: &str, member: &IndexedMember) -> Result<Value, IndexError> {
        if Sha256::digest(bytes)[..] != member.sha256 {
            return Err(IndexError::OtherBytes { key: key.to_owned() });
        }
        Ok(super::read_strict(bytes, self.kind)?)
    }
}

#[cfg(test)]
mod tests;
