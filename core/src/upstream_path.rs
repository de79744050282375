//! Where an upstream artifact may be stored: its name as a path below the directory of its task (cot-attacks.md rows 71
//! to 75). A script will open these paths, so a name that could lead anywhere else, or be taken for another one, is
//! refused here; how the file is written without following links is the business of whoever writes it.

use crate::cot::{CLASSIC_NAME, CURRENT_NAME, CURRENT_SIGNATURE_NAME};
use icu_normalizer::ComposingNormalizerBorrowed;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::fmt;

/// The most bytes of a path: the queue's own limit for the name of an artifact.
const MOST_BYTES: usize = 1024;

/// The most bytes of one name in it: the limit of the usual file systems.
const MOST_NAME_BYTES: usize = 255;

/// What the verifier itself writes into the directory of a task.
pub const RESERVED: [&str; 5] =
    ["task.json", "chainOfTrust.json", CURRENT_NAME, CURRENT_SIGNATURE_NAME, CLASSIC_NAME];

/// A relative path of plain names, separated by `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamPath(String);

/// A name of an artifact that is no path to store anything at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the artifact path {path:?} {fault}")]
pub struct PathError {
    /// The name (at most 200 characters of it).
    pub path: String,
    /// What is wrong with it.
    pub fault: PathFault,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// There is none.
    #[error("is empty")]
    Empty,
    /// More than 1024 bytes, or a name in it of more than 255.
    #[error("is longer than 1024 bytes, or a name in it longer than 255")]
    TooLong,
    /// It begins with `/`.
    #[error("is absolute")]
    Absolute,
    /// Two `/` meet, or one stands at the end.
    #[error("has an empty name in it")]
    EmptyName,
    /// A name is `.` or `..`.
    #[error("has the name '.' or '..' in it")]
    Dots,
    /// A backslash, which is a separator elsewhere.
    #[error("has a backslash in it")]
    Backslash,
    /// Who decodes its percent signs gets a path that is refused, or one with other separators.
    #[error("hides a forbidden character behind percent signs")]
    Encoded,
    /// NUL, a line break or another control character, or one that changes the direction of writing.
    #[error("has a control character in it")]
    Control,
    /// Not in Unicode's composed normal form (NFC): another name would look the same.
    #[error("is not in normal form (NFC)")]
    NotNormal,
    /// The verifier stores something of its own there.
    #[error("is one that the verifier itself uses")]
    Reserved,
}

/// Two artifacts of a task that cannot both be stored everywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the artifact paths {first} and {second} cannot both be stored")]
pub struct PathConflict {
    /// One, which may be the directory of the other.
    pub first: UpstreamPath,
    /// The other.
    pub second: UpstreamPath,
}

impl UpstreamPath {
    /// Checks the name of an artifact and keeps it.
    pub fn parse(name: &str) -> Result<Self, PathError> {
        match fault_of(name) {
            None => Ok(Self(name.to_owned())),
            Some(fault) => Err(PathError { path: name.chars().take(200).collect(), fault }),
        }
    }

    /// The path, with `/` between its names.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Two of these paths that cannot both be stored: one is the directory of the other, or they differ by case alone
    /// (row 74). A path that is there twice is no conflict.
    pub fn conflict<'a>(paths: impl IntoIterator<Item = &'a Self>) -> Option<PathConflict> {
        let mut by_folded: BTreeMap<String, &Self> = BTreeMap::new();
        for path in paths {
            if let Some(first) = by_folded.insert(folded(&path.0), path)
                && first != path
            {
                return Some(PathConflict { first: first.clone(), second: path.clone() });
            }
        }
        by_folded.iter().find_map(|(folded, path)| {
            let directories = folded.match_indices('/').filter_map(|(end, _)| folded.get(..end));
            let first = directories.filter_map(|directory| by_folded.get(directory)).next()?;
            Some(PathConflict { first: (*first).clone(), second: (*path).clone() })
        })
    }
}

impl fmt::Display for UpstreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fault_of(name: &str) -> Option<PathFault> {
    form_fault(name)
        .or_else(|| encoding_fault(name))
        .or_else(|| is_reserved(name).then_some(PathFault::Reserved))
}

/// What is wrong with a name as it stands.
fn form_fault(name: &str) -> Option<PathFault> {
    if name.is_empty() {
        return Some(PathFault::Empty);
    }
    if name.len() > MOST_BYTES || name.split('/').any(|part| part.len() > MOST_NAME_BYTES) {
        return Some(PathFault::TooLong);
    }
    if name.chars().any(is_control) {
        return Some(PathFault::Control);
    }
    if name.contains('\\') {
        return Some(PathFault::Backslash);
    }
    if name.starts_with('/') {
        return Some(PathFault::Absolute);
    }
    if name.split('/').any(|part| matches!(part, "." | "..")) {
        return Some(PathFault::Dots);
    }
    if name.split('/').any(str::is_empty) {
        return Some(PathFault::EmptyName);
    }
    (!ComposingNormalizerBorrowed::new_nfc().is_normalized(name)).then_some(PathFault::NotNormal)
}

/// Nobody who decodes the name, however often, gets one that is refused, or one with more separators.
fn encoding_fault(name: &str) -> Option<PathFault> {
    let separators = name.matches('/').count();
    let mut before = name.to_owned();
    loop {
        let decoded = percent_decode_str(&before).decode_utf8_lossy().into_owned();
        if decoded == before {
            return None;
        }
        if form_fault(&decoded).is_some() || decoded.matches('/').count() != separators {
            return Some(PathFault::Encoded);
        }
        // each turn takes at least two characters away
        before = decoded;
    }
}

/// Whether the verifier has a file of its own there, above or below, on a disk that may be blind to case.
fn is_reserved(name: &str) -> bool {
    let name = folded(name);
    let is_in =
        |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    RESERVED.iter().any(|reserved| {
        let reserved = folded(reserved);
        name == reserved || is_in(&name, &reserved) || is_in(&reserved, &name)
    })
}

/// What is left of a text when case does not count: upper case first, because some letters have two lower ones.
fn folded(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

/// Control characters, line and paragraph separators, and what changes the direction of writing or cannot be seen.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(name: &str) -> Option<PathFault> {
        UpstreamPath::parse(name).err().map(|error| error.fault)
    }

    #[test]
    fn row_071_a_path_stays_where_it_belongs() {
        let long = "a/".repeat(512) + "a";
        let long_name = "a".repeat(256);
        for (name, expected) in [
            ("", PathFault::Empty),
            ("../../x", PathFault::Dots),
            ("/etc/x", PathFault::Absolute),
            ("//x", PathFault::Absolute),
            ("a/../../x", PathFault::Dots),
            ("a/..", PathFault::Dots),
            ("..", PathFault::Dots),
            ("./x", PathFault::Dots),
            ("a//b", PathFault::EmptyName),
            ("a/", PathFault::EmptyName),
            ("a\\..\\x", PathFault::Backslash),
            ("C:\\x", PathFault::Backslash),
            ("%2e%2e/x", PathFault::Encoded),
            ("%2E./x", PathFault::Encoded),
            ("a/%252e%252e/x", PathFault::Encoded),
            ("a%2fb", PathFault::Encoded),
            ("a%5Cb", PathFault::Encoded),
            ("a%00", PathFault::Encoded),
            ("a%0ab", PathFault::Encoded),
            ("a%25250ab", PathFault::Encoded),
            ("a\0b", PathFault::Control),
            ("a\nb", PathFault::Control),
            ("a\rb", PathFault::Control),
            ("a\u{1b}[31mb", PathFault::Control),
            ("a\u{7f}", PathFault::Control),
            ("a\u{85}b", PathFault::Control),
            ("a\u{202e}b", PathFault::Control),
            ("a\u{2028}b", PathFault::Control),
            ("a\u{200b}b", PathFault::Control),
            ("e\u{301}", PathFault::NotNormal),
            ("\u{212b}", PathFault::NotNormal),
            ("e%CC%81", PathFault::Encoded),
            (&long, PathFault::TooLong),
            (&long_name, PathFault::TooLong),
        ] {
            assert_eq!(fault(name), Some(expected), "{name:?}");
        }
    }

    #[test]
    fn row_072_and_145_harmless_names_are_taken() {
        for name in [
            "public/foo..bar.txt",
            "public/foo..bar",
            "..a",
            "a..",
            "...",
            "public/a b",
            "public/a+b",
            "public/ä/ö.zip",
            "public/\u{e9}",
            "100%",
            "100%25",
            "a%20b",
            "%zz",
            "public/a;b",
            "public/[x]?.txt",
            "a:b",
            "~",
            "-rf",
            "public/build/target.tar.bz2",
            "public/task.json",
            "task.jsonx",
            "public/chain-of-trust.json.bak",
            "public/task-graph.json",
        ] {
            assert_eq!(UpstreamPath::parse(name).unwrap().as_str(), name);
        }
        let longest = format!("{}/x", vec!["x".repeat(MOST_NAME_BYTES); 3].join("/"));
        let longest = format!("{longest}/{}", "x".repeat(MOST_BYTES - longest.len() - 1));
        assert!(UpstreamPath::parse(&longest).is_ok());
        assert_eq!(fault(&format!("{longest}x")), Some(PathFault::TooLong));
    }

    #[test]
    fn row_075_the_verifiers_own_files_are_reserved() {
        for name in [
            "task.json",
            "Task.JSON",
            "task.json/x",
            "public",
            "PUBLIC",
            "public/chain-of-trust.json",
            "public/chain-of-trust.json.sig",
            "public/chain-of-trust.json/x",
            "public/chainOfTrust.json.asc",
            "public/chainoftrust.json.asc",
            "chainOfTrust.json",
            "task.j\u{17f}on",
        ] {
            assert_eq!(fault(name), Some(PathFault::Reserved), "{name}");
        }
        for reserved in RESERVED {
            assert_eq!(fault(reserved), Some(PathFault::Reserved), "{reserved}");
        }
    }

    #[test]
    fn row_074_paths_that_cannot_both_be_stored() {
        let conflict = |names: &[&str]| {
            let paths: Vec<_> = names.iter().map(|name| UpstreamPath::parse(name).unwrap()).collect();
            UpstreamPath::conflict(&paths).map(|found| (found.first.to_string(), found.second.to_string()))
        };
        for (names, expected) in [
            (&["public/a", "public/a/b"][..], Some(("public/a", "public/a/b"))),
            (&["public/a/b/c", "x", "public/a"], Some(("public/a", "public/a/b/c"))),
            (&["Public/A", "public/a"], Some(("Public/A", "public/a"))),
            (&["PUBLIC/a", "public/A/b"], Some(("PUBLIC/a", "public/A/b"))),
            (&["stra\u{df}e", "STRASSE"], Some(("stra\u{df}e", "STRASSE"))),
            (&["public/a", "public/ab", "public/a.b", "public/b/a", "public/a b"], None),
            (&["public/a", "public/a"], None),
            (&[], None),
        ] {
            let found = conflict(names);
            assert_eq!(found.as_ref().map(|(a, b)| (a.as_str(), b.as_str())), expected, "{names:?}");
        }
    }

    proptest! {
        /// A path that is taken leads to a file below its directory, for the operating system and for decoders.
        #[test]
        fn what_is_taken_stays_inside(name in "[a.%/2e5cfF\\\\\u{0}-\u{20}é\u{301}]{0,12}") {
            if let Ok(path) = UpstreamPath::parse(&name) {
                for text in [path.as_str().to_owned(), percent_decode_str(&name).decode_utf8_lossy().into_owned()] {
                    let inside = std::path::Path::new(&text)
                        .components()
                        .all(|part| matches!(part, std::path::Component::Normal(_)));
                    prop_assert!(inside, "{}", text);
                    prop_assert!(!text.contains(['\\', '\0']));
                }
            }
        }

        #[test]
        fn a_conflict_does_not_depend_on_the_order(names in prop::collection::vec("[aA](/[aAb]){0,2}", 0..6)) {
            let mut paths: Vec<_> = names.iter().map(|name| UpstreamPath::parse(name).unwrap()).collect();
            let found = UpstreamPath::conflict(&paths).is_some();
            paths.reverse();
            prop_assert_eq!(UpstreamPath::conflict(&paths).is_some(), found);
        }
    }
}
