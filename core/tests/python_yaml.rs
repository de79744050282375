//! YAML as PyYAML's safe loader reads it: `fixtures/yaml_scalars.json` has its answer to some thousands of documents,
//! scalars of every form in every place, and structures.
//!
//! Our reader gives the same value or refuses. What it refuses although PyYAML reads it is listed here with its reason;
//! what PyYAML refuses, it refuses, too. `just python-expectations` makes the table anew.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that reads a table"
)]

use scriptworker_core::json::DocumentKind;
use scriptworker_core::yaml::{YamlError, read_strict};
use serde_json::Value;
use std::collections::BTreeMap;

/// What our reader says of documents that PyYAML reads, how many of the table there are, and why they may be refused.
const REFUSED: &[(&str, usize, &str)] = &[
    ("a date without quotes", 28, "what looks like a date is a date for other readers"),
    ("a number that JSON does not have", 60, "a fraction by sixties is a text for other readers"),
    ("a tag", 53, "`!` and `!!int` of a text: readers of YAML 1.2 take `! 5` for a text"),
    ("a lone =", 3, "for YAML 1.1 no text, for PyYAML one as a key only"),
    ("a directive", 5, "`%YAML 1.2` asks for other rules than the ones we read by"),
    ("a line break that not every reader knows", 26, "U+0085, U+2028 and U+2029 end a line in YAML 1.1 only"),
    ("a byte order mark within the document", 10, "a letter for PyYAML, nothing for others"),
    ("a text whose last line the document does not end", 20, "others add the line break that is not there"),
    ("a document that is one text of several lines", 1, "where such a text may begin depends on the reader"),
    ("maps to merge that disagree about a key", 3, "which of them wins depends on the version of PyYAML"),
    ("a ? in brackets and without quotes", 3, "`[?a]` is a map for PyYAML"),
    ("plain scalar cannot start with '-' followed by ,[]{}", 3, "YAML 1.2: `[-, a]`"),
    ("comments must be separated from other tokens by whitespace", 2, "YAML 1.2: `'a'# c`"),
    ("invalid indentation in quoted scalar", 3, "YAML 1.2: a text in quotes goes on at the margin"),
    ("invalid indentation", 2, "YAML 1.2: brackets close at the margin"),
    ("invalid indentation in flow construct", 1, "YAML 1.2: a list in brackets goes on at the margin"),
];

/// One document.
struct Row {
    text: String,
    /// Its value; or "error", or what it is that JSON cannot hold.
    read: Result<Value, String>,
}

fn rows() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/yaml_scalars.json");
    let rows: Vec<Vec<Value>> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let row = |row: Vec<Value>| match row.as_slice() {
        [text, kind, value] if kind == "value" => Row { text: word(text), read: Ok(value.clone()) },
        [text, kind] => Row { text: word(text), read: Err(word(kind)) },
        other => panic!("{other:?}"),
    };
    rows.into_iter().map(row).collect()
}

#[test]
fn a_document_has_the_value_that_pyyaml_reads_or_none() {
    let (mut same, mut both_refuse, mut refused, mut wrong) = (0, 0, BTreeMap::new(), Vec::new());
    for Row { text, read } in rows() {
        match (read, read_strict(text.as_bytes(), DocumentKind::TaskTemplate)) {
            (Ok(expected), Ok(value)) if value == expected => same += 1,
            (Ok(_), Err(error)) => *refused.entry(reason(error)).or_insert(0) += 1,
            (Err(_), Err(_)) => both_refuse += 1,
            (Ok(expected), Ok(value)) => wrong.push(format!("{text:?}: {value} instead of {expected}")),
            (Err(what), Ok(value)) => wrong.push(format!("{text:?}: {value} instead of {what}")),
        }
    }
    assert!(wrong.is_empty(), "{} are not as PyYAML's:\n{}", wrong.len(), wrong.join("\n"));
    let listed: BTreeMap<String, usize> =
        REFUSED.iter().map(|(reason, count, _)| ((*reason).to_owned(), *count)).collect();
    assert_eq!(refused, listed, "what is refused although PyYAML reads it");
    assert!(same > 3500 && both_refuse > 1000, "{same} the same, {both_refuse} refused by both");
}

fn reason(error: YamlError) -> String {
    match error {
        YamlError::Ambiguous { found, .. } => found.to_owned(),
        YamlError::Syntax { found, .. } => found,
        other => other.to_string(),
    }
}
