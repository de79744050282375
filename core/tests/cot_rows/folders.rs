//! Worlds become folders: what is answered, what has to come out of it, and in what a tampered one differs from its twin.

use super::case::{Blobs, Case, Entry, Expected, Found, Said, Verdict};
use super::judging::Court;
use super::world::{World, id, sha256};
use scriptworker_core::cot::evidence::{Answer, Evidence};
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::reason::Reason;
use scriptworker_core::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Something that must not be accepted: the row, a name, what it is, how it is done, and everything that is broken then.
pub(crate) type Attack = (u16, &'static str, &'static str, fn(&mut World), &'static [(&'static str, Reason)]);
/// Something that must be: the row, a name, what it is, how it is done, and what the verdict notes.
pub(crate) type Benign = (u16, &'static str, &'static str, fn(&mut World), Option<&'static str>);

/// All folders, with the bytes that they refer to.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) cases: Vec<Case>,
    pub(crate) blobs: Blobs,
}

impl Plan {
    /// A world that others are twins of.
    pub(crate) fn world(&mut self, name: &str, what: &str, world: &World) {
        self.add(name, Vec::new(), what, world, Verdict::Verified);
    }

    /// Worlds that differ from the one that `base` makes in something that is fine.
    pub(crate) fn benign(&mut self, base: fn() -> World, table: &[Benign]) {
        for (row, name, what, change, note) in table {
            let mut world = base();
            change(&mut world);
            let case =
                self.add(&format!("row_{row:03}_{name}_pass"), vec![*row], what, &world, Verdict::Verified);
            case.note = note.map(str::to_owned);
        }
    }

    /// Worlds that differ from their twin, which `base` makes, in something that is not.
    pub(crate) fn attacks(&mut self, twin: &str, base: impl Fn() -> World, table: &[Attack]) {
        for (row, name, what, change, findings) in table {
            let mut world = base();
            change(&mut world);
            let verdict = if findings.is_empty() { Verdict::Unavailable } else { Verdict::Refused };
            let found = |(task, reason): &(&str, Reason)| Found {
                reason: reason.code().to_owned(),
                task_id: (*task).to_owned(),
            };
            let findings = findings.iter().map(found).collect();
            let case = self.add(&format!("row_{row:03}_{name}_fail"), vec![*row], what, &world, verdict);
            case.findings = findings;
            case.twin = Some(twin.to_owned());
            self.compare_last(twin);
        }
    }

    fn add(
        &mut self,
        name: &str,
        rows: Vec<u16>,
        what: &str,
        world: &World,
        verdict: Verdict,
    ) -> &mut Expected {
        let answers = self.answers(world);
        let expected = Expected {
            rows,
            what: what.to_owned(),
            generation: world.generation.name().to_owned(),
            product: world.product.to_owned(),
            task_id: id(world.subject.0),
            task_type: world.subject.1.to_owned(),
            attested: world.attested,
            verify_signatures: world.check_signatures,
            now: world.now,
            queue_now: world.queue_now,
            config: world.config.clone(),
            policy: world.policy.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect(),
            verdict,
            findings: Vec::new(),
            note: None,
            twin: None,
            tampered: Vec::new(),
        };
        self.cases.push(Case { name: name.to_owned(), expected, answers });
        &mut self.cases.last_mut().unwrap().expected
    }

    /// What the world says by itself, and to what our own verifier asks.
    fn answers(&mut self, world: &World) -> BTreeMap<Need, Answer> {
        let mut evidence = Evidence::new();
        for need in world.questions().into_iter().filter(|need| !world.silent.contains(need)) {
            evidence.add(need.clone(), world.answer(&need)).unwrap();
        }
        for bytes in world.artifacts.values() {
            self.blobs.insert(sha256(bytes), bytes.clone());
        }
        let answer = |need: &Need| (!world.silent.contains(need)).then(|| world.answer(need));
        let evidence = Court::of_world(world).gather(evidence, answer, |_, _| {});
        for (_, answer) in evidence.iter() {
            if let Answer::Present(bytes) = answer {
                self.blobs.insert(sha256(bytes), bytes.to_vec());
            }
        }
        evidence.iter().map(|(need, answer)| (need.clone(), answer.clone())).collect()
    }

    fn compare_last(&mut self, twin: &str) {
        let twin = self
            .cases
            .iter()
            .find(|case| case.name == twin)
            .unwrap_or_else(|| panic!("no twin {twin}"))
            .clone();
        let case = self.cases.last_mut().unwrap();
        case.expected.tampered = differences(case, &twin);
    }
}

/// In what two cases differ, their own expectations excepted.
pub(crate) fn differences(case: &Case, twin: &Case) -> Vec<String> {
    let mut all = Vec::new();
    let (mine, its) = (&case.expected, &twin.expected);
    let mut differ = |name: &str, different: bool| {
        if different {
            all.push(format!("case: {name}"));
        }
    };
    differ("generation", mine.generation != its.generation);
    differ("product", mine.product != its.product);
    differ("taskId", mine.task_id != its.task_id);
    differ("taskType", mine.task_type != its.task_type);
    differ("attested", mine.attested != its.attested);
    differ("verifySignatures", mine.verify_signatures != its.verify_signatures);
    differ("now", mine.now != its.now);
    differ("queueNow", mine.queue_now != its.queue_now);
    differ("config", mine.config != its.config);
    differ("policy", mine.policy != its.policy);
    let needs: BTreeSet<_> = case.answers.keys().chain(twin.answers.keys()).collect();
    let differing = needs.into_iter().filter(|need| case.answers.get(need) != twin.answers.get(need));
    all.extend(differing.map(ToString::to_string));
    all
}

/// The files of a folder, as text.
pub(crate) fn files(case: &Case) -> [(PathBuf, String); 2] {
    let expected = serde_json::to_string_pretty(&case.expected).unwrap() + "\n";
    let line = |(need, answer): (&Need, &Answer)| {
        let entry = Entry { need: need.clone(), answer: said(answer) };
        serde_json::to_string(&entry).unwrap()
    };
    let lines: Vec<_> = case.answers.iter().map(line).collect();
    let folder = Path::new(&case.name);
    [
        (folder.join("case.json"), expected),
        (folder.join("index.json"), format!("[\n{}\n]\n", lines.join(",\n"))),
    ]
}

fn said(answer: &Answer) -> Said {
    match answer {
        Answer::Present(bytes) => Said::Present(sha256(bytes)),
        Answer::Stored(stored) => Said::Stored {
            sha256: Digest::Sha256(stored.sha256).digits(),
            sha512: stored.sha512.map(|sha512| Digest::Sha512(sha512).digits()),
            length: stored.length,
        },
        Answer::Absent => Said::Absent,
        Answer::TooLarge { limit } => Said::TooLarge { limit: *limit },
        Answer::Forbidden { problem } => Said::Forbidden { problem: problem.clone() },
    }
}
