//! Places in a document, for messages and verdicts.

use serde::{Serialize, Serializer};
use std::fmt;

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Into the member of a map.
    Key(String),
    /// Into the item of a list, counted from 0.
    Index(usize),
}

/// The way from the root of a document to a value in it.
///
/// It is written like `payload.upstreamArtifacts[0].paths`; a key that is no plain word stands quoted in brackets, as
/// in `payload.artifacts["public/build"]`, so that no key can look like another path. The root is `$`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JsonPath(Vec<Step>);

impl JsonPath {
    /// The document itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// This path and one more step into a map.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Step::Key(key.into()));
        self
    }

    /// This path and one more step into a list.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    /// Goes one step down in place.
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// Goes back up.
    pub(super) fn pop(&mut self) {
        self.0.pop();
    }
}

impl FromIterator<Step> for JsonPath {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("$");
        }
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if is_word(key) && at == 0 => f.write_str(key)?,
                Step::Key(key) if is_word(key) => write!(f, ".{key}")?,
                // Rust's escapes: a newline or a terminal's escape in a key stays harmless
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for JsonPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn is_word(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_looks_like_another_path() {
        let root = JsonPath::root;
        for (path, text) in [
            (root(), "$"),
            (root().key("payload").key("paths").index(0), "payload.paths[0]"),
            (root().index(3).key("worker-type"), "[3].worker-type"),
            (root().key("payload.paths"), "[\"payload.paths\"]"),
            (root().key("a").key(""), "a[\"\"]"),
            (root().key("a").key("0]\"\n\u{1b}[31m"), r#"a["0]\"\n\u{1b}[31m"]"#),
        ] {
            assert_eq!(path.to_string(), text);
            assert_eq!(serde_json::to_value(&path).unwrap(), text);
        }
    }
}
