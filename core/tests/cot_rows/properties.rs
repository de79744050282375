//! What holds for every folder: nothing that is done to the evidence of a refused chain makes it a verified one, and the
//! same evidence gives the same verdict however it was gathered.

use super::case::{Blobs, Case, Verdict};
use super::judging::Court;
use scriptworker_core::cot::bundle::{BundleError, read};
use scriptworker_core::cot::evidence::Evidence;
use scriptworker_core::cot::need::Need;
use std::collections::BTreeSet;

fn cases() -> Vec<Case> {
    let blobs: Blobs = Case::read_blobs();
    Case::read_all(&blobs)
}

fn verdict(case: &Case, evidence: &Evidence) -> Verdict {
    Court::of_case(case).judge(evidence).verdict()
}

#[test]
fn a_bundle_gives_the_verdict_of_its_folder_and_any_flipped_byte_of_it_none() {
    for case in cases() {
        let bundle = case.bundle().unwrap();
        let (recorded, evidence) = read(&bundle).unwrap();
        assert_eq!((&recorded.task_id, recorded.at), (&case.expected.task_id, case.expected.now));
        assert_eq!(verdict(&case, &evidence), case.expected.verdict, "{}", case.name);
        // far more would be too slow; each folder has other places
        for at in (case.name.len()..bundle.len()).step_by(bundle.len() / 40 + 1) {
            let mut flipped = bundle.clone();
            flipped[at] ^= 0x01;
            let error = read(&flipped).expect_err("a changed bundle");
            let known = matches!(error, BundleError::NoBundle | BundleError::Damaged);
            assert!(known, "{}: byte {at}: {error}", case.name);
        }
    }
}

#[test]
fn the_same_evidence_gives_the_same_verdict_however_it_was_gathered() {
    for case in cases() {
        let court = Court::of_case(&case);
        let mut asked = BTreeSet::new();
        let mut first = Evidence::new();
        let subject = Need::Task { task: case.expected.task_id.clone() };
        if let Some(answer) = case.answers.get(&subject) {
            first.add(subject, answer.clone()).unwrap();
        }
        let gathered = court.gather(
            first,
            |need| case.answers.get(need).cloned(),
            |evidence, needs| {
                for need in needs {
                    assert!(evidence.get(need).is_none(), "{}: {need} has an answer", case.name);
                    let known = case.answers.contains_key(need);
                    assert!(asked.insert(need.clone()) || !known, "{}: {need} comes back", case.name);
                }
            },
        );
        let (by_steps, at_once) = (court.judge(&gathered), court.judge(&case.evidence()));
        assert_eq!(by_steps.verdict(), at_once.verdict(), "{}", case.name);
        let task = &case.expected.task_id;
        assert_eq!(by_steps.findings(task), at_once.findings(task), "{}", case.name);
    }
}
