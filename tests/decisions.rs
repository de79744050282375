//! `docs/differences.md` takes every decision that the behaviour's specification leaves open.
#![expect(clippy::unwrap_used, reason = "a test that reads documents")]

use std::collections::BTreeSet;
use std::path::Path;

/// The files with a table of questions, and the letter of their numbers.
const TABLES: [(&str, char); 4] =
    [("worker.md", 'W'), ("config.md", 'C'), ("artifacts.md", 'A'), ("client.md", 'L')];

/// The numbers that rows of tables begin with, and whether each row says something in all of its cells.
fn rows(text: &str, letter: char) -> Vec<(String, bool)> {
    let cells = |line: &str| -> Option<(String, bool)> {
        let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [id, rest @ ..] = &cells[..] else { return None };
        let number = id.strip_prefix(letter)?;
        number.parse::<u32>().ok()?;
        Some(((*id).to_owned(), rest.len() == 2 && rest.iter().all(|cell| !cell.is_empty())))
    };
    text.lines().filter_map(cells).collect()
}

fn decided(letter: char) -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/differences.md");
    let rows = rows(&std::fs::read_to_string(path).unwrap(), letter);
    assert!(rows.iter().all(|(_, whole)| *whole), "a question and a decision each: {rows:?}");
    let ids: BTreeSet<String> = rows.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids.len(), rows.len(), "each is decided once: {rows:?}");
    ids
}

#[test]
fn the_numbers_have_no_gap() {
    for (file, letter) in TABLES {
        let ids = decided(letter);
        assert!(!ids.is_empty(), "{file}");
        let expected: BTreeSet<String> = (1..=ids.len()).map(|number| format!("{letter}{number}")).collect();
        assert_eq!(ids, expected);
    }
}

/// The specification is no part of the repository: what cannot be had is no failure.
#[test]
fn every_question_of_the_specification_is_decided() {
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/spec");
    if !spec.is_dir() {
        println!("SKIPPED: the specification is not beside the repository");
        return;
    }
    for (file, letter) in TABLES {
        let text = std::fs::read_to_string(spec.join(file)).unwrap();
        let asked: BTreeSet<String> = rows(&text, letter).into_iter().map(|(id, _)| id).collect();
        assert!(!asked.is_empty(), "{file} has no table of questions");
        assert_eq!(decided(letter), asked, "{file}");
    }
}
