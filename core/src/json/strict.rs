//! The one reader of documents that come signed or from strangers (cot-attacks.md rows 44 to 50).
//!
//! JSON as most readers take it has several readings: the first of two equal keys or the last, a number rounded or
//! refused, half a surrogate pair kept or replaced. Whoever can choose the reader chooses the meaning. Here a document
//! has one reading or none: no key twice in a map (escapes resolved), no number that a double cannot hold exactly as
//! an integer or at all, UTF-8 without byte order mark, no lone surrogates, nothing behind the value, and not bigger
//! or deeper than its kind may be.
//!
//! `serde_json` reads the text; the visitor here refuses what it would let pass.

use super::limits::{DocumentKind, Limits};
use super::members::{self, Members, Open};
use super::path::{JsonPath, Step};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use std::cell::RefCell;
use std::fmt;

/// The smallest integer whose successor is no double: at and above it two integers may look equal.
const TOO_GREAT: f64 = 9_007_199_254_740_992.0;
const GREATEST: u64 = 1 << 53;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Bytes before it.
    pub offset: usize,
    /// The line, counted from 1.
    pub line: usize,
    /// The byte within its line, counted from 1; 0 is the line break before it.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    /// It is larger than documents of its kind may be.
    #[error("the document has {found} bytes, more than the {limit} that its kind may have")]
    TooLarge {
        /// The most bytes.
        limit: u64,
        /// The bytes that are there.
        found: u64,
    },
    /// Lists and maps lie too deep in one another.
    #[error("at {path}, {place}: more than {limit} lists and maps inside one another")]
    TooDeep {
        /// The most levels.
        limit: usize,
        /// The first value that lies too deep.
        path: JsonPath,
        /// Where it begins.
        place: Place,
    },
    /// A map has a key twice, perhaps spelled in two ways.
    #[error("at {path}, {place}: the key stands there a second time")]
    DuplicateKey {
        /// The second one.
        path: JsonPath,
        /// Where it stands.
        place: Place,
    },
    /// A number that readers disagree about: an integer beyond 2^53, or no number that a double can hold.
    #[error("at {path}, {place}: expected a number within ±2^53")]
    Number {
        /// The number.
        path: JsonPath,
        /// Where it ends.
        place: Place,
    },
    /// The bytes are no UTF-8.
    #[error("the document is no UTF-8 after {offset} bytes")]
    NotUtf8 {
        /// How many bytes are.
        offset: usize,
    },
    /// The text is no JSON, or goes on behind the value.
    #[error("at {path}, {place}: expected JSON")]
    Syntax {
        /// The value that was being read.
        path: JsonPath,
        /// How far it could be read.
        place: Place,
        /// What is wrong; its own place may be counted from the middle of the text.
        #[source]
        source: serde_json::Error,
    },
    /// Something else stands between the members of a map.
    #[error("at {path}, {place}: expected {expected:?}")]
    Punctuation {
        /// The map or its member.
        path: JsonPath,
        /// Where the character belongs.
        place: Place,
        /// The character.
        expected: char,
    },
    /// The document is no map where only a map makes sense.
    #[error("expected a map as the whole document")]
    NotAMap,
}

/// Reads a document, or says why it has no single meaning.
pub fn read_strict(bytes: &[u8], kind: DocumentKind) -> Result<Value, StrictError> {
    let limits = kind.limits();
    let text = check_text(bytes, limits)?;
    let mut cursor = Cursor::new(text);
    let value = cursor.read::<true>(&JsonPath::root(), limits.depth)?;
    cursor.end(&JsonPath::root())?;
    Ok(value)
}

/// What can be said before the first value is read.
pub(super) fn check_text(bytes: &[u8], limits: Limits) -> Result<&str, StrictError> {
    let found = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if found > limits.bytes {
        return Err(StrictError::TooLarge { limit: limits.bytes, found });
    }
    std::str::from_utf8(bytes).map_err(|error| StrictError::NotUtf8 { offset: error.valid_up_to() })
}

/// A text, and how much of it has been read.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space, without passing it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = self.rest().trim_start_matches([' ', '\t', '\n', '\r']);
        self.at = self.text.len() - rest.len();
        rest.bytes().next()
    }

    /// Passes one byte of punctuation, which must be the next one.
    pub(super) fn pass(&mut self, byte: u8, path: &JsonPath) -> Result<(), StrictError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(StrictError::Punctuation {
            path: path.clone(),
            place: self.place(self.at),
            expected: char::from(byte),
        })
    }

    /// The next value. With `KEEP` false it is only checked, and what comes back is null.
    pub(super) fn read<const KEEP: bool>(
        &mut self,
        path: &JsonPath,
        depth: usize,
    ) -> Result<Value, StrictError> {
        let (trouble, open) = (RefCell::default(), members::none_open());
        let seed = Strict::<KEEP> { trouble: &trouble, open: &open, depth };
        let mut reader = serde_json::Deserializer::from_str(self.rest());
        match seed.deserialize(&mut reader) {
            Ok(value) => {
                self.at += reader.into_iter::<de::IgnoredAny>().byte_offset();
                Ok(value)
            }
            Err(error) => Err(self.explain(error, trouble.into_inner(), path, depth)),
        }
    }

    /// The next value, which must be a text: a key.
    pub(super) fn read_key(&mut self, path: &JsonPath) -> Result<String, StrictError> {
        let mut reader = serde_json::Deserializer::from_str(self.rest());
        match de::Deserialize::deserialize(&mut reader) {
            Ok(key) => {
                self.at += reader.into_iter::<de::IgnoredAny>().byte_offset();
                Ok(key)
            }
            Err(error) => Err(self.explain(error, Trouble::default(), path, 0)),
        }
    }

    /// Only white space may follow.
    pub(super) fn end(&self, path: &JsonPath) -> Result<(), StrictError> {
        serde_json::Deserializer::from_str(self.rest())
            .end()
            .map_err(|error| self.explain(error, Trouble::default(), path, 0))
    }

    /// The place so many bytes from the beginning.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Place { offset, line, column: offset - line_start + 1 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn explain(
        &self,
        error: serde_json::Error,
        trouble: Trouble,
        base: &JsonPath,
        limit: usize,
    ) -> StrictError {
        let steps = base.steps().iter().cloned().chain(trouble.inside_out.into_iter().rev());
        let path = JsonPath::from_iter(steps);
        // the library counts lines and columns of what it was given
        let lines = self.rest().split_inclusive('\n').take(error.line().saturating_sub(1));
        // behind what was refused, but at what could not be read
        let column = error.column().saturating_sub(usize::from(trouble.cause.is_none()));
        let offset = self.at + lines.map(str::len).sum::<usize>() + column;
        let place = self.place(offset.min(self.text.len()));
        match trouble.cause {
            Some(Cause::TooDeep) => StrictError::TooDeep { limit, path, place },
            Some(Cause::DuplicateKey) => StrictError::DuplicateKey { path, place },
            Some(Cause::Number) => StrictError::Number { path, place },
            None => StrictError::Syntax { path, place, source: error },
        }
    }
}

/// What went wrong, for the library's errors carry no more than a text.
#[derive(Debug, Default)]
struct Trouble {
    cause: Option<Cause>,
    inside_out: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
enum Cause {
    TooDeep,
    DuplicateKey,
    Number,
}

/// Reads one value of which lists and maps may begin `depth` more times inside one another.
#[derive(Clone, Copy)]
struct Strict<'t, const KEEP: bool> {
    trouble: &'t RefCell<Trouble>,
    /// The members of all maps that are not at their end yet, those of the innermost one last.
    open: &'t Open,
    depth: usize,
}

impl<const KEEP: bool> Strict<'_, KEEP> {
    fn refuse<E: de::Error>(self, cause: Cause) -> E {
        self.trouble.borrow_mut().cause = Some(cause);
        E::custom("")
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.refuse(Cause::TooDeep)),
        }
    }

    /// Whatever fails on the way out of a value adds where the value was.
    fn within(self, step: impl FnOnce() -> Step) {
        self.trouble.borrow_mut().inside_out.push(step());
    }
}

impl<'de, const KEEP: bool> DeserializeSeed<'de> for Strict<'_, KEEP> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, const KEEP: bool> Visitor<'de> for Strict<'_, KEEP> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > GREATEST { Err(self.refuse(Cause::Number)) } else { Ok(value.into()) }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        if value > GREATEST { Err(self.refuse(Cause::Number)) } else { Ok(value.into()) }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value).filter(|_| value.abs() < TOO_GREAT) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(self.refuse(Cause::Number)),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(if KEEP { Value::String(value.to_owned()) } else { Value::Null })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut list = Vec::new();
        let mut index = 0;
        while let Some(item) =
            items.next_element_seed(inside).inspect_err(|_| self.within(|| Step::Index(index)))?
        {
            if KEEP {
                list.push(item);
            }
            index += 1;
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut members = Members::new(self.open);
        while let Some(key) = entries.next_key::<String>()? {
            let is_sorted = members.is_beyond(&key);
            if !is_sorted && members.has(&key) {
                self.within(|| Step::Key(key));
                return Err(self.refuse(Cause::DuplicateKey));
            }
            let value =
                entries.next_value_seed(inside).inspect_err(|_| self.within(|| Step::Key(key.clone())))?;
            members.add(key, value, is_sorted);
        }
        Ok(Value::Object(members.into_map()))
    }
}

#[cfg(test)]
pub(super) mod tests;
