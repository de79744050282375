//! YAML as the Python worker reads it (YAML 1.1 as PyYAML's safe loader knows it), where it has one meaning only.
//!
//! Templates, parameters and lists of projects are written for that reader: `yes` is a flag, `012` is ten, `<<` merges.
//! What other readers may take otherwise is refused instead: a key twice in a map, keys that are no texts, dates, tags,
//! numbers that a double cannot hold, tabs between values, line breaks that only some know. Aliases are bounded by what
//! they unfold to.

mod scalar;
mod source;
#[cfg(test)]
mod tests;

use crate::json::{DocumentKind, JsonPath, Limits};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};
use source::Source;
use std::collections::HashMap;
use std::fmt;

/// How many values a document may have once its aliases are replaced.
const MOST_VALUES: usize = 1_000_000;
/// How many characters a key may have; older readers know no longer ones.
const LONGEST_KEY: usize = 1000;
const MERGE: &str = "<<";

/// A place in a text; both numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It is larger than documents of its kind may be.
    #[error("the document has {found} bytes, more than the {limit} that its kind may have")]
    TooLarge {
        /// The most bytes.
        limit: u64,
        /// The bytes that are there.
        found: usize,
    },
    /// Lists and maps lie too deep in one another, or aliases unfold to too much.
    #[error("at {spot}: more values, or deeper ones, than a document of its kind may have")]
    TooMuch {
        /// Where it became too much.
        spot: Spot,
    },
    /// The bytes are no UTF-8.
    #[error("the document is no UTF-8 after {offset} bytes")]
    NotUtf8 {
        /// How many bytes are.
        offset: usize,
    },
    /// The text is no YAML.
    #[error("at {spot}: expected YAML, found {found}")]
    Syntax {
        /// Where.
        spot: Spot,
        /// What is wrong there.
        found: String,
    },
    /// A map has a key twice.
    #[error("at {path}, {spot}: the key stands there a second time")]
    DuplicateKey {
        /// The second one.
        path: JsonPath,
        /// Where it stands.
        spot: Spot,
    },
    /// Something that readers disagree about.
    #[error("at {spot}: expected a value that every reader understands alike, found {found}")]
    Ambiguous {
        /// Where.
        spot: Spot,
        /// What it is.
        found: &'static str,
    },
}

/// Reads a document, or says why it has no single meaning.
pub fn read_strict(bytes: &[u8], kind: DocumentKind) -> Result<Value, YamlError> {
    let limits = kind.limits();
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limits.bytes) {
        return Err(YamlError::TooLarge { limit: limits.bytes, found: bytes.len() });
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| YamlError::NotUtf8 { offset: error.valid_up_to() })?;
    let mut composer = Composer::new(limits, Source::new(text)?);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax(*error.marker(), error.info()))?;
        composer.take(event, span)?;
    }
    composer.finish()
}

fn spot(marker: Marker) -> Spot {
    Spot { line: marker.line(), column: marker.col().saturating_add(1) }
}

fn syntax(marker: Marker, found: impl Into<String>) -> YamlError {
    YamlError::Syntax { spot: spot(marker), found: found.into() }
}

/// How much a value unfolds to.
#[derive(Clone, Copy)]
struct Size {
    values: usize,
    depth: usize,
}

const ONE: Size = Size { values: 1, depth: 0 };

/// A list or map whose end has not come yet.
struct Open {
    anchor: usize,
    partial: Partial,
    size: Size,
}

enum Partial {
    List(Vec<Value>),
    Map { own: Map<String, Value>, merged: Option<Value>, key: Option<Key> },
}

/// A key whose value has not come yet.
enum Key {
    Own(String),
    Merge,
}

/// A complete value, and what it takes to know whether it may be a key.
struct Complete {
    value: Value,
    size: Size,
    anchor: usize,
    /// `<<` without quotes: a merge as a key, nothing otherwise.
    merge: bool,
    span: Span,
}

struct Composer {
    source: Source,
    /// Where a text of several lines begins whose last line break depends on the reader, were it the end of the document.
    open_end: Option<Marker>,
    limits: Limits,
    open: Vec<Open>,
    anchors: HashMap<usize, (Value, Size)>,
    values: usize,
    root: Option<Value>,
}

impl Composer {
    fn new(limits: Limits, source: Source) -> Self {
        let (open, anchors) = (Vec::new(), HashMap::new());
        Self { source, open_end: None, limits, open, anchors, values: 0, root: None }
    }

    fn finish(self) -> Result<Value, YamlError> {
        self.source.check()?;
        if let Some(marker) = self.open_end.filter(|_| self.source.ends_in_line()) {
            let found = "a text whose last line the document does not end";
            return Err(YamlError::Ambiguous { spot: spot(marker), found });
        }
        Ok(self.root.unwrap_or(Value::Null))
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let marker = span.start;
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => Err(syntax(marker, "a second document")),
            Event::DocumentStart(_) => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                self.source.add(span, style, text.is_empty());
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if block && self.open.is_empty() {
                    let found = "a document that is one text of several lines";
                    return Err(YamlError::Ambiguous { spot: spot(marker), found });
                }
                self.open_end = (block && text.ends_with('\n')).then_some(marker);
                let merge = text == MERGE && style == ScalarStyle::Plain && tag.is_none();
                let value = scalar::read(&text, style, tag.as_deref())
                    .map_err(|found| YamlError::Ambiguous { spot: spot(marker), found })?;
                self.add(Complete { value, size: ONE, anchor, merge, span })
            }
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let (value, size) =
                    known.ok_or_else(|| syntax(marker, "an alias of nothing that is complete"))?;
                self.add(Complete { value, size, anchor: 0, merge: false, span })
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(anchor, tag.as_deref(), "seq", Partial::List(Vec::new()), marker)
            }
            Event::MappingStart(anchor, tag) => {
                let map = Partial::Map { own: Map::new(), merged: None, key: None };
                self.begin(anchor, tag.as_deref(), "map", map, marker)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, partial, size }) = self.open.pop() else { return Ok(()) };
                let value = match partial {
                    Partial::List(items) => Value::Array(items),
                    Partial::Map { own, merged, .. } => Value::Object(merge(own, merged, marker)?),
                };
                let size = Size { values: size.values, depth: size.depth + 1 };
                self.add(Complete { value, size, anchor, merge: false, span })
            }
        }
    }

    fn begin(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        meant: &str,
        partial: Partial,
        marker: Marker,
    ) -> Result<(), YamlError> {
        if tag.is_some_and(|tag| !(tag.is_yaml_core_schema() && tag.suffix == meant)) {
            return Err(YamlError::Ambiguous { spot: spot(marker), found: "a tag" });
        }
        if self.open.len() >= self.limits.depth {
            return Err(YamlError::TooMuch { spot: spot(marker) });
        }
        self.open.push(Open { anchor, partial, size: ONE });
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn add(&mut self, complete: Complete) -> Result<(), YamlError> {
        let Complete { value, size, anchor, merge, span } = complete;
        let spot = spot(span.start);
        let ambiguous = |found| Err(YamlError::Ambiguous { spot, found });
        self.values = self.values.saturating_add(size.values);
        if self.values > MOST_VALUES || self.open.len().saturating_add(size.depth) > self.limits.depth {
            return Err(YamlError::TooMuch { spot });
        }
        let path = self.path();
        let is_key = matches!(self.open.last(), Some(Open { partial: Partial::Map { key: None, .. }, .. }));
        if merge && (!is_key || anchor != 0) {
            return ambiguous("a << that is no key");
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), size));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        parent.size.values = parent.size.values.saturating_add(size.values);
        parent.size.depth = parent.size.depth.max(size.depth);
        match &mut parent.partial {
            Partial::List(items) => items.push(value),
            Partial::Map { own, merged, key } => match key.take() {
                None => {
                    let Value::String(text) = value else { return ambiguous("a key that is no text") };
                    if text.chars().count() > LONGEST_KEY || span.end.line() != span.start.line() {
                        return ambiguous("a key that is too long, or not on one line");
                    }
                    let double = if merge { merged.is_some() } else { own.contains_key(&text) };
                    if double {
                        return Err(YamlError::DuplicateKey { path: path.key(text), spot });
                    }
                    *key = Some(if merge { Key::Merge } else { Key::Own(text) });
                }
                Some(Key::Merge) => *merged = Some(value),
                Some(Key::Own(text)) => {
                    own.insert(text, value);
                }
            },
        }
        Ok(())
    }

    /// Where the innermost open list or map is.
    fn path(&self) -> JsonPath {
        let outer = self.open.len().saturating_sub(1);
        self.open.iter().take(outer).fold(JsonPath::root(), |path, open| match &open.partial {
            Partial::List(items) => path.index(items.len()),
            Partial::Map { key: Some(Key::Own(key)), .. } => path.key(key),
            Partial::Map { .. } => path.key(MERGE),
        })
    }
}

/// What a map says itself wins over what is merged in. Which of several sources wins depends on the reader: older PyYAML
/// takes the first, 6.0.4 mostly the last.
fn merge(
    mut own: Map<String, Value>,
    merged: Option<Value>,
    marker: Marker,
) -> Result<Map<String, Value>, YamlError> {
    let sources = match merged {
        None => return Ok(own),
        Some(Value::Array(sources)) => sources,
        Some(source) => vec![source],
    };
    let mut others = Map::new();
    for source in sources {
        let Value::Object(source) = source else {
            return Err(syntax(marker, "a merge of something that is no map"));
        };
        for (key, value) in source {
            if own.contains_key(&key) {
                continue;
            }
            if others.get(&key).is_some_and(|other| *other != value) {
                let found = "maps to merge that disagree about a key";
                return Err(YamlError::Ambiguous { spot: spot(marker), found });
            }
            others.insert(key, value);
        }
    }
    own.append(&mut others);
    Ok(own)
}
