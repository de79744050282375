//! What holds for every folder: nothing that is done to the evidence of a refused chain makes it a verified one, and the
//! same evidence gives the same verdict however it was gathered.

use super::case::{Blobs, Case, Verdict};
use super::judging::Court;
use scriptworker_core::cot::bundle::{BundleError, read};
use scriptworker_core::cot::evidence::{Answer, Evidence};
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
        let (recorded, evidence) = read(&bundle.clone().into()).unwrap();
        assert_eq!((&recorded.task_id, recorded.at), (&case.expected.task_id, case.expected.now));
        assert_eq!(verdict(&case, &evidence), case.expected.verdict, "{}", case.name);
        // far more would be too slow; each folder has other places
        for at in (case.name.len()..bundle.len()).step_by(bundle.len() / 6 + 1) {
            let mut flipped = bundle.clone();
            flipped[at] ^= 0x01;
            let error = read(&flipped.into()).expect_err("a changed bundle");
            let known =
                matches!(error, BundleError::NoBundle | BundleError::Damaged | BundleError::Blob { .. });
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

/// Whoever changes a bundle of a refused chain and makes all its digests fit again does not get it verified. Every folder
/// has another answer changed, in another way.
#[test]
fn no_changed_field_of_a_bundle_makes_a_refusal_an_acceptance() {
    let mut tried = 0;
    for (number, case) in
        cases().iter().enumerate().filter(|(_, case)| case.expected.verdict == Verdict::Refused)
    {
        // what mends the one thing that is wrong is left alone
        let needs: Vec<_> = case.answers.keys().filter(|need| !is_tampered(case, need)).collect();
        let Some(need) = needs.get(number * 7 % needs.len()) else { continue };
        let other = case.answers.iter().find(|(other, _)| same_kind(other, need));
        let other = other.map(|(_, answer)| Some(answer.clone()));
        let changed = changes(&case.answers[*need]).into_iter().map(Some);
        let ways: Vec<_> = changed.chain(other).chain([Some(Answer::Absent), None]).collect();
        for way in ways.iter().cycle().skip(number % ways.len()).take(2) {
            let evidence = with(case, need, way.as_ref());
            assert_ne!(verdict(case, &evidence), Verdict::Verified, "{}: {need}: {way:?}", case.name);
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}

/// Whether the answer is one that was tampered with.
fn is_tampered(case: &Case, need: &Need) -> bool {
    case.expected.tampered.contains(&need.to_string())
}

fn same_kind(one: &Need, other: &Need) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other) && one != other
}

fn changes(answer: &Answer) -> Vec<Answer> {
    match answer {
        Answer::Present(bytes) => {
            let cut = bytes.get(..bytes.len().saturating_sub(1)).unwrap_or_default();
            let mut turned = bytes.to_vec();
            let middle = turned.len() / 2;
            if let Some(byte) = turned.get_mut(middle) {
                *byte ^= 0x04;
            }
            vec![Answer::Present(cut.to_vec().into()), Answer::Present(turned.into())]
        }
        Answer::Stored(stored) => {
            let mut turned = stored.clone();
            turned.sha256[0] ^= 1;
            vec![Answer::Stored(turned)]
        }
        Answer::Absent | Answer::TooLarge { .. } | Answer::Forbidden { .. } => Vec::new(),
    }
}

/// The case with one answer replaced, or taken away.
fn with(case: &Case, changed: &Need, answer: Option<&Answer>) -> Evidence {
    let mut evidence = Evidence::new();
    for (need, known) in &case.answers {
        if need != changed {
            evidence.add(need.clone(), known.clone()).unwrap();
        }
    }
    if let Some(answer) = answer {
        evidence.add(changed.clone(), answer.clone()).unwrap();
    }
    evidence
}
