//! What can be wrong with a configuration, as facts: where, what was expected, what stood there.

use super::tree::Spot;
use std::fmt;
use std::path::PathBuf;

/// The rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The file cannot be read.
    Unreadable,
    /// The file is not UTF-8.
    NotUtf8,
    /// The file is neither YAML nor JSON.
    Syntax,
    /// The file is empty.
    Empty,
    /// The top of the file is no map.
    NotAMap,
    /// A key stands there twice.
    Duplicate,
    /// No generation of the worker knows the key.
    UnknownKey,
    /// A value of the wrong type; nothing is converted.
    WrongType,
    /// The right type, but not one of the allowed values.
    OutOfRange,
    /// The value is missing, null, or still the placeholder `...`.
    NeedsToBeDefined,
    /// A credential is still the placeholder `...`: right for a file that is filled in where it is deployed, and
    /// nothing to run with.
    ToBeFilledIn,
    /// An identifier with characters or a length that the queue refuses.
    BadIdentifier,
    /// Two directories must not be like this to each other.
    DirectoryConflict,
    /// Two keys do not go together.
    Contradiction,
    /// The script's configuration names another directory than the worker's.
    ScriptDiffers,
    /// Signing is asked for, and no key to sign with is named.
    NoSigningKey,
    /// A file that a key names is not what it has to be.
    UnusableFile,
    /// The policy, or a table that replaces one of its own, is not what it has to be.
    UnusablePolicy,
    /// A file that a key names is not there: right for a configuration that is not checked where it is deployed, and
    /// nothing to run with.
    FileMissing,
    /// The value is accepted and has no effect.
    NoEffect,
}

impl Rule {
    /// Whether a finding of this rule is no mistake of the file: the worker must not run with it, a check passes.
    pub fn is_a_note(self) -> bool {
        matches!(self, Self::ToBeFilledIn | Self::FileMissing)
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The file it was found in; none when it comes from elsewhere (environment).
    pub file: Option<PathBuf>,
    /// The line, from 1; none when the finding is about something that is not there.
    pub line: Option<u32>,
    /// The column in that line, from 1.
    pub column: Option<u32>,
    /// The place inside, such as `task_script[1]` or `credentials.clientId`; empty for the whole file.
    pub key: String,
    /// The broken rule.
    pub rule: Rule,
    /// What should stand there.
    pub expected: Box<str>,
    /// What stood there; secrets only by their type.
    pub found: Box<str>,
    /// For an unknown key: the known one that looks most like it.
    pub nearest: Option<&'static str>,
}

impl ConfigProblem {
    /// A finding about a place; file, line and nearest key are added where they are known.
    pub(super) fn new(
        rule: Rule,
        key: impl Into<String>,
        expected: impl Into<Box<str>>,
        found: impl Into<Box<str>>,
    ) -> Self {
        Self {
            file: None,
            line: None,
            column: None,
            key: key.into(),
            rule,
            expected: expected.into(),
            found: found.into(),
            nearest: None,
        }
    }

    pub(super) fn at(mut self, spot: Option<Spot>) -> Self {
        self.line = spot.map(|spot| spot.line);
        self.column = spot.map(|spot| spot.column);
        self
    }

    pub(super) fn near(mut self, nearest: Option<&'static str>) -> Self {
        self.nearest = nearest;
        self
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
                if let Some(column) = self.column {
                    write!(f, ":{column}")?;
                }
            }
            f.write_str(": ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key.escape_debug())?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)?;
        match self.nearest {
            Some(name) => write!(f, " (did you mean {name}?)"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration. Prints one finding per line, warnings included: whoever repairs
/// the file wants to see them all at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// What has to be repaired; never empty.
    pub problems: Vec<ConfigProblem>,
    /// What may be looked at, too.
    pub warnings: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let warnings = self.warnings.iter().map(|problem| ("warning: ", problem));
        for (mark, problem) in self.problems.iter().map(|problem| ("", problem)).chain(warnings) {
            if !first {
                f.write_str("\n")?;
            }
            first = false;
            write!(f, "{mark}{problem}")?;
        }
        Ok(())
    }
}

/// The name that is most like `name`, when one is like it at all: at most a third of its letters differ.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let most = (name.chars().count() / 3).clamp(1, 4);
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(far, _)| *far <= most)
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be changed, added or left out (Levenshtein), case and `-` for `_` not counted.
fn distance(a: &str, b: &str) -> usize {
    let fold = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    let b: Vec<char> = b.chars().map(fold).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().map(fold).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (above, other) in row.iter_mut().skip(1).zip(&b) {
            let cost = if letter == *other { diagonal } else { 1 + diagonal.min(left).min(*above) };
            diagonal = *above;
            left = cost;
            *above = cost;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("work-dir", "work_dir", 0),
            ("Verbose", "verbose", 0),
            ("poll_intervall", "poll_interval", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_like_it_is_proposed() {
        let known = ["work_dir", "log_dir", "poll_interval"];
        assert_eq!(nearest("worker_dir", known.into_iter()), Some("work_dir"));
        assert_eq!(nearest("log-dir", known.into_iter()), Some("log_dir"));
        assert_eq!(nearest("shoe_size", known.into_iter()), None);
    }

    #[test]
    fn prints_one_finding_per_line_with_its_place() {
        let mut problem =
            ConfigProblem::new(Rule::UnknownKey, "verbos", "a known key", "verbos").near(Some("verbose"));
        problem.file = Some("/a/b.yaml".into());
        problem.line = Some(3);
        problem.column = Some(7);
        let warning = ConfigProblem::new(Rule::NoEffect, "gpg_path", "nothing", "a text");
        let errors = ConfigErrors { problems: vec![problem], warnings: vec![warning] };
        assert_eq!(
            errors.to_string(),
            "/a/b.yaml:3:7: verbos: expected a known key, found verbos (did you mean verbose?)\n\
             warning: gpg_path: expected nothing, found a text"
        );
    }

    #[test]
    fn a_key_cannot_forge_a_line() {
        let problem = ConfigProblem::new(Rule::UnknownKey, "a\nb", "a known key", "\"a\\nb\"");
        assert!(!problem.to_string().contains('\n'));
    }
}
