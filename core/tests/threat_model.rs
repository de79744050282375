//! docs/threat-model.md: every row of the list of attacks is there once, with a verdict that the worker can give and the
//! tests or folders that show it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test reads sources")]

use scriptworker_core::cot::reason::Reason;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LAST: usize = 150;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every name of a test that says which row it is for, and every folder of a case.
fn known() -> BTreeSet<String> {
    let root = root();
    let mut known = BTreeSet::new();
    let mut folders = ["core/src", "core/tests", "src", "tests"].map(|folder| root.join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if path.join("case.json").exists() {
                    known.insert(name);
                } else {
                    folders.push(path);
                }
            } else if name != "threat_model.rs" && path.extension().is_some_and(|extension| extension == "rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let words =
                    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
                known.extend(words.filter(|word| !rows_of(word).is_empty()).map(str::to_owned));
            }
        }
    }
    known
}

/// The rows that a name is for: `row_016_and_row_017_…`, `row_109_to_row_115_…`, `021_…`.
fn rows_of(name: &str) -> Vec<usize> {
    let parts: Vec<_> = name.split('_').collect();
    let number = |at: usize| {
        let text = parts.get(at).filter(|text| text.len() == 3)?;
        text.parse::<usize>().ok().filter(|number| (1..=LAST).contains(number))
    };
    let mut rows: Vec<usize> = Vec::new();
    for at in 0..parts.len() {
        let is_first = at == 0;
        let named = at.checked_sub(1).is_some_and(|before| ["row", "and", "to"].contains(&parts[before]));
        let Some(row) = number(at).filter(|_| is_first || named) else { continue };
        let before = at.checked_sub(if parts[at - usize::from(at > 0)] == "row" { 2 } else { 1 });
        match (rows.last().copied(), before.map(|before| parts[before])) {
            (Some(first), Some("to")) => rows.extend(first + 1..=row),
            _ => rows.push(row),
        }
    }
    rows
}

#[test]
fn names_tell_their_rows() {
    for (name, rows) in [
        ("row_016_and_row_017_mistakes", &[16, 17][..]),
        ("row_109_to_row_112_payloads", &[109, 110, 111, 112]),
        ("row_097_and_098_pools", &[97, 98]),
        ("row_016_row_017_and_row_128_lint", &[16, 17, 128]),
        ("021_trailing_data_fail", &[21]),
        ("row_066_and_067_weak", &[66, 67]),
        ("rows_of", &[]),
        ("row_000_none", &[]),
        ("row_151_none", &[]),
    ] {
        assert_eq!(rows_of(name), rows, "{name}");
    }
}

#[test]
fn every_row_is_answered_by_tests_that_exist() {
    let document = std::fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let known = known();
    let mut numbers = Vec::new();
    for line in document.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Ok(number) = cells[0].parse::<usize>() else { continue };
        let [_, what, verdict, tests] = cells[..] else { panic!("four cells: {line}") };
        numbers.push(number);
        assert!(!what.is_empty() && !verdict.is_empty(), "{line}");
        let quoted =
            |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        for code in quoted(verdict) {
            assert!(Reason::from_code(&code).is_some(), "{number}: {code} is no reason");
        }
        let tests = quoted(tests);
        assert!(!tests.is_empty(), "{number} names no test");
        for test in tests {
            assert!(known.contains(&test), "{number}: there is no {test}");
            assert!(rows_of(&test).contains(&number), "{number}: {test} is for another row");
        }
    }
    assert_eq!(numbers, (1..=LAST).collect::<Vec<_>>());
}

#[test]
fn every_row_has_a_test_and_every_folder_its_place() {
    let known = known();
    let answered: BTreeSet<_> = known.iter().flat_map(|name| rows_of(name)).collect();
    let missing: Vec<_> = (1..=LAST).filter(|row| !answered.contains(row)).collect();
    assert!(missing.is_empty(), "rows without a test: {missing:?}");
}
