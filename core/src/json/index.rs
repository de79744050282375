//! A big document of which few members are wanted: one strict pass notes where each member is; a member is read when it
//! is asked for (the task graph, of 60 MB and more).
//!
//! Beside the text it takes memory for the keys alone.

use super::limits::DocumentKind;
use super::path::JsonPath;
use super::strict::{Cursor, StrictError, check_text};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;

/// The members of a document that is a map, checked throughout by the rules of [`super::read_strict`].
#[derive(Debug, Clone)]
pub struct JsonIndex {
    document: Bytes,
    kind: DocumentKind,
    /// Where the value of each is, without the space around it.
    members: BTreeMap<Box<str>, Range<usize>>,
}

impl JsonIndex {
    /// Reads a document through, and keeps where its members are.
    pub fn of(document: Bytes, kind: DocumentKind) -> Result<Self, StrictError> {
        let limits = kind.limits();
        let mut cursor = Cursor::new(check_text(&document, limits)?);
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
            members.insert(key.into_boxed_str(), begin..cursor.offset());
            more = cursor.peek() == Some(b',');
            if more {
                cursor.pass(b',', &root)?;
            }
        }
        cursor.pass(b'}', &root)?;
        cursor.end(&root)?;
        Ok(Self { document, kind, members })
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(|key| &**key)
    }

    /// Whether there is such a member.
    pub fn has(&self, key: &str) -> bool {
        self.members.contains_key(key)
    }

    /// Reads a member. `None`: there is none of this name.
    ///
    /// # Errors
    /// None that the pass over the whole would not have found.
    pub fn read(&self, key: &str) -> Result<Option<Value>, StrictError> {
        let Some(range) = self.members.get(key) else { return Ok(None) };
        super::read_strict(self.document.get(range.clone()).unwrap_or_default(), self.kind).map(Some)
    }
}

#[cfg(test)]
mod tests;
