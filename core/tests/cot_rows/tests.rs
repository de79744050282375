//! The folders are what the generator makes, have twins, and are judged as they say.

use super::case::{Case, Verdict};
use super::folders::{differences, files};
use super::judging::Court;
use super::rows::plan;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every file that belongs below the root, `README.md` excepted.
fn made() -> BTreeMap<PathBuf, Vec<u8>> {
    let plan = plan();
    let texts = plan.cases.iter().flat_map(files).map(|(path, text)| (path, text.into_bytes()));
    let blobs = plan.blobs.iter().map(|(sha256, bytes)| (Path::new("blobs").join(sha256), bytes.clone()));
    texts.chain(blobs).chain(super::config::files()).collect()
}

fn there() -> BTreeSet<PathBuf> {
    let root = Case::root();
    let mut all = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.insert(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    all.remove(Path::new("README.md"));
    all
}

#[test]
#[ignore = "writes the folders: just fixtures-cot"]
fn make_the_folders() {
    let (root, made) = (Case::root(), made());
    for stale in there().into_iter().filter(|path| !made.contains_key(path)) {
        let path = root.join(stale);
        std::fs::remove_file(&path).unwrap();
        // the folder goes with its last file
        let _ = std::fs::remove_dir(path.parent().unwrap());
    }
    for (path, bytes) in made {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn the_folders_are_what_is_made() {
    let (root, made, there) = (Case::root(), made(), there());
    let changed =
        |(path, bytes): &(&PathBuf, &Vec<u8>)| std::fs::read(root.join(path)).ok().as_ref() != Some(bytes);
    let changed: Vec<_> = made.iter().filter(changed).map(|(path, _)| path).collect();
    let stale: Vec<_> = there.iter().filter(|path| !made.contains_key(*path)).collect();
    assert!(changed.is_empty() && stale.is_empty(), "run just fixtures-cot: {changed:?} {stale:?}");
}

#[test]
fn every_folder_is_judged_as_it_says() {
    let cases = Case::read_all(&Case::read_blobs());
    let mut wrong = Vec::new();
    for case in &cases {
        let court = Court::of_case(case);
        let outcome = court.judge(&case.evidence());
        let mut found = outcome.findings(&case.expected.task_id);
        let mut expected = case.expected.findings.clone();
        found.sort();
        expected.sort();
        let noted =
            case.expected.note.as_ref().is_none_or(|note| outcome.notes().iter().any(|it| it.contains(note)));
        if (outcome.verdict(), &found, noted) != (case.expected.verdict, &expected, true) {
            wrong.push(format!(
                "{} ({})\n  expected {:?} {expected:?} {:?}\n  found    {:?} {found:?} {:?}\n  {:?}",
                case.name,
                case.expected.what,
                case.expected.verdict,
                case.expected.note,
                outcome.verdict(),
                outcome.notes(),
                detail(&outcome),
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} folders:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(!cases.is_empty());
}

/// The sentences, for whoever mends a folder.
fn detail(outcome: &super::judging::Outcome) -> Vec<String> {
    use scriptworker_core::cot::judge::Judgement;
    match outcome {
        super::judging::Outcome::Chain(Judgement::Refused(report)) => report
            .findings()
            .map(|(link, rule, finding)| format!("{link} {}: {finding}", rule.name()))
            .collect(),
        super::judging::Outcome::Chain(Judgement::Incomplete(needs)) => {
            needs.iter().map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_failing_folder_has_a_valid_twin_that_differs_only_by_the_tampering() {
    let cases = Case::read_all(&Case::read_blobs());
    let by_name: BTreeMap<_, _> = cases.iter().map(|case| (case.name.as_str(), case)).collect();
    for case in &cases {
        let valid = case.expected.verdict == Verdict::Verified;
        assert_eq!(valid, case.name.ends_with("_pass"), "{}", case.name);
        assert_eq!(!valid, case.name.ends_with("_fail"), "{}", case.name);
        let Some(twin) = &case.expected.twin else {
            assert!(valid, "{} has no twin", case.name);
            continue;
        };
        let twin = by_name.get(twin.as_str()).unwrap_or_else(|| panic!("{}: there is no {twin}", case.name));
        assert_eq!(twin.expected.verdict, Verdict::Verified, "{}", case.name);
        assert!(!case.expected.tampered.is_empty(), "{}", case.name);
        assert_eq!(differences(case, twin), case.expected.tampered, "{}", case.name);
    }
}
