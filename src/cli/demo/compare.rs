//! What was found, and how it differs from what was expected.

use super::cases::{Case, Content, ExpectedArtifact, ExpectedRun};
use crate::cli::stored::FoundContent;
use std::fmt;

/// What became of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) runs: Vec<FoundRun>,
    /// Processes of a task that was cancelled; `None` for one that was not.
    pub(super) processes: Option<Processes>,
    /// Whether its script was ever started.
    pub(super) started: bool,
    /// The verdict on its chain of trust, in words.
    pub(super) verdict: Option<String>,
}

/// Processes of a script that was cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Processes {
    /// Those that were seen alive before: without them, none afterwards would prove nothing.
    pub(super) before: Vec<u32>,
    /// Those that are still alive at the end.
    pub(super) after: Vec<u32>,
}

/// What became of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FoundRun {
    /// State and reason, as [`super::observe::outcome`] puts them.
    pub(super) outcome: String,
    pub(super) artifacts: Vec<FoundArtifact>,
}

/// An artifact as the queue has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundArtifact {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) content: FoundContent,
}

/// One way in which a task differs from what was expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    Outcome { expected: String, found: String },
    Missing { run: usize, name: String },
    Unexpected { run: usize, name: String },
    ContentType { run: usize, name: String, expected: String, found: String },
    Bytes { run: usize, name: String, expected: String, found: String },
    Line { run: usize, name: String, line: String },
    Kind { run: usize, name: String, found: String },
    Signature { run: usize, name: String, by: &'static str, said: String },
    Stated { run: usize, expected: usize, found: usize },
    Target { run: usize, name: String, expected: &'static str, found: String },
    Verdict { expected: String, found: String },
    Started { expected: bool },
    NeverAlive,
    StillAlive(Vec<u32>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome { expected, found } => write!(f, "expected {expected}, happened: {found}"),
            Self::Missing { run, name } => write!(f, "run {run}: {name} is missing"),
            Self::Unexpected { run, name } => write!(f, "run {run}: {name} should not be there"),
            Self::ContentType { run, name, expected, found } => {
                write!(f, "run {run}: the type of {name} should be {expected}, it is {found}")
            }
            Self::Bytes { run, name, expected, found } => {
                write!(f, "run {run}: {name} should hold {expected}, it holds {found}")
            }
            Self::Line { run, name, line } => write!(f, "run {run}: {name} does not say {line:?}"),
            Self::Kind { run, name, found } => write!(f, "run {run}: {name} is {found}"),
            Self::Signature { run, name, by, said } => write!(f, "run {run}: {by} refuses {name}: {said}"),
            Self::Stated { run, expected, found } => {
                write!(f, "run {run}: {found} of {expected} artifacts are stated as they are")
            }
            Self::Target { run, name, expected, found } => {
                write!(f, "run {run}: {name} should lead to {expected}, it leads to {found}")
            }
            Self::Verdict { expected, found } => write!(f, "expected the verdict {expected}, found {found}"),
            Self::Started { expected: true } => write!(f, "its script was never started"),
            Self::Started { expected: false } => write!(f, "its script was started"),
            Self::NeverAlive => write!(f, "no process of its script was seen before it was cancelled"),
            Self::StillAlive(pids) => write!(f, "processes of its script are still alive: {pids:?}"),
        }
    }
}

/// The outcomes of some runs in words: `exception intermittent-task, then completed`.
pub(super) fn in_words<'a>(outcomes: impl IntoIterator<Item = &'a str>) -> String {
    let words = outcomes.into_iter().collect::<Vec<_>>().join(", then ");
    if words.is_empty() { "no run".to_owned() } else { words }
}

/// Everything in which a task differs from its case; nothing: it went as expected.
pub(super) fn differences(case: &Case, found: &Found) -> Vec<Difference> {
    let mut all = Vec::new();
    let expected = in_words(case.runs.iter().map(|run| run.outcome));
    let happened = in_words(found.runs.iter().map(|run| run.outcome.as_str()));
    if expected != happened {
        all.push(Difference::Outcome { expected, found: happened });
    }
    if case.starts != found.started {
        all.push(Difference::Started { expected: case.starts });
    }
    if let Some(proof) = &case.chain {
        let found = found.verdict.clone().unwrap_or_else(|| "none".to_owned());
        if found != proof.verdict {
            all.push(Difference::Verdict { expected: proof.verdict.clone(), found });
        }
    }
    for (number, (expected, found)) in case.runs.iter().zip(&found.runs).enumerate() {
        compare_artifacts(number, expected, found, &mut all);
    }
    if case.cancel {
        let Processes { before, after } = found.processes.clone().unwrap_or_default();
        if before.is_empty() {
            all.push(Difference::NeverAlive);
        }
        if !after.is_empty() {
            all.push(Difference::StillAlive(after));
        }
    }
    all
}

fn compare_artifacts(run: usize, expected: &ExpectedRun, found: &FoundRun, all: &mut Vec<Difference>) {
    for wanted in &expected.artifacts {
        match found.artifacts.iter().find(|artifact| artifact.name == wanted.name) {
            Some(artifact) => compare_artifact(run, wanted, artifact, all),
            None => all.push(Difference::Missing { run, name: wanted.name.to_owned() }),
        }
    }
    for artifact in &found.artifacts {
        if !expected.artifacts.iter().any(|wanted| wanted.name == artifact.name) {
            all.push(Difference::Unexpected { run, name: artifact.name.clone() });
        }
    }
}

fn compare_artifact(run: usize, wanted: &ExpectedArtifact, found: &FoundArtifact, all: &mut Vec<Difference>) {
    let name = || wanted.name.to_owned();
    if wanted.content_type != found.content_type {
        let (expected, found) = (wanted.content_type.to_owned(), found.content_type.clone());
        all.push(Difference::ContentType { run, name: name(), expected, found });
    }
    match (&wanted.content, &found.content) {
        (Content::Signed | Content::Verdict, FoundContent::Bytes { .. }) => {}
        (Content::Link(expected), FoundContent::Link { to }) if to == expected => {}
        (Content::Link(expected), FoundContent::Link { to }) => {
            all.push(Difference::Target { run, name: name(), expected, found: to.clone() });
        }
        (Content::FirstLine(part), FoundContent::Bytes { text, .. }) => {
            if !text.lines().next().is_some_and(|line| line.contains(part)) {
                all.push(Difference::Line { run, name: name(), line: part.clone() });
            }
        }
        (
            Content::Bytes { size, sha256 },
            FoundContent::Bytes { size: found_size, sha256: found_sha256, .. },
        ) => {
            if (size, sha256) != (found_size, found_sha256) {
                let words = |size: &u64, sha256: &str| format!("{size} bytes with SHA-256 {sha256}");
                let (expected, found) = (words(size, sha256), words(found_size, found_sha256));
                all.push(Difference::Bytes { run, name: name(), expected, found });
            }
        }
        (Content::Lines(lines), FoundContent::Bytes { text, .. }) => {
            let mut there = text.lines();
            for line in *lines {
                if !there.any(|found| found == *line) {
                    all.push(Difference::Line { run, name: name(), line: (*line).to_owned() });
                    break;
                }
            }
        }
        (Content::Link(_), FoundContent::Bytes { .. }) => {
            all.push(Difference::Kind { run, name: name(), found: "no link".to_owned() });
        }
        (_, FoundContent::Link { .. }) => {
            all.push(Difference::Kind { run, name: name(), found: "only a link".to_owned() });
        }
        (_, FoundContent::Unreadable(why)) => {
            all.push(Difference::Kind { run, name: name(), found: format!("not readable: {why}") });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{LOG, cases};
    use super::super::chains::CHAINS;
    use super::*;
    use crate::embedded_queue::release::Release;
    use scriptworker_core::ids::TaskId;

    /// What would be found if everything went as expected.
    fn as_expected(case: &Case) -> Found {
        let content = |content: &Content| match content {
            Content::Link(to) => FoundContent::Link { to: (*to).to_owned() },
            Content::Bytes { size, sha256 } => {
                FoundContent::Bytes { size: *size, sha256: sha256.clone(), text: String::new() }
            }
            Content::Signed | Content::Verdict => {
                FoundContent::Bytes { size: 64, sha256: String::new(), text: String::new() }
            }
            Content::FirstLine(part) => FoundContent::Bytes {
                size: 0,
                sha256: String::new(),
                text: format!("before {part} after\nmore\n"),
            },
            Content::Lines(lines) => FoundContent::Bytes {
                size: 0,
                sha256: String::new(),
                text: format!("before\n{}\nafter\n", lines.join("\nbetween\n")),
            },
        };
        let runs = case.runs.iter().map(|run| FoundRun {
            outcome: run.outcome.to_owned(),
            artifacts: run
                .artifacts
                .iter()
                .map(|artifact| FoundArtifact {
                    name: artifact.name.to_owned(),
                    content_type: artifact.content_type.to_owned(),
                    content: content(&artifact.content),
                })
                .collect(),
        });
        let processes = case.cancel.then(|| Processes { before: vec![1], after: Vec::new() });
        let verdict = case.chain.as_ref().map(|proof| proof.verdict.clone());
        Found { runs: runs.collect(), processes, started: case.starts, verdict }
    }

    /// All cases, those of releases included.
    fn all_cases() -> Vec<Case> {
        let id = |text: &str| TaskId::parse(text).unwrap();
        let release = Release {
            revision: String::new(),
            decision: id("DecisionQ0WAAAAAAAAAAA"),
            image: id("ImageTskQ0WAAAAAAAAAAA"),
            builds: Vec::new(),
            signing: id("SigningTQ0WAAAAAAAAAAA"),
        };
        let chains = CHAINS.iter().map(|chain| chain.case(release.clone()).unwrap());
        cases().into_iter().chain(chains).collect()
    }

    fn case(name: &str) -> Case {
        all_cases().into_iter().find(|case| case.name == name).unwrap()
    }

    /// The differences of a case after something was changed in what it should give.
    fn after(name: &str, change: impl FnOnce(&mut Found)) -> Vec<Difference> {
        let case = case(name);
        let mut found = as_expected(&case);
        change(&mut found);
        differences(&case, &found)
    }

    #[test]
    fn what_is_as_expected_has_no_differences() {
        for case in all_cases() {
            assert_eq!(differences(&case, &as_expected(&case)), [], "{}", case.name);
        }
    }

    #[test]
    fn any_other_outcome_is_a_difference() {
        for case in all_cases() {
            let mut found = as_expected(&case);
            found.runs[0].outcome = "exception internal-error".to_owned();
            let all = differences(&case, &found);
            assert!(matches!(&all[..], [Difference::Outcome { .. }]), "{}: {all:?}", case.name);
            assert!(!differences(&case, &Found::default()).is_empty(), "{}", case.name);
        }
        let outcome = |expected: &str, found: &str| Difference::Outcome {
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        assert_eq!(
            after("retry", |found| found.runs.truncate(1)),
            [outcome("exception intermittent-task, then completed", "exception intermittent-task")]
        );
    }

    fn link(to: &str) -> FoundContent {
        FoundContent::Link { to: to.to_owned() }
    }

    #[test]
    fn another_verdict_a_started_script_or_a_link_elsewhere_is_a_difference() {
        let all = after("artifact", |found| found.verdict = Some("verified".to_owned()));
        assert!(matches!(&all[..], [Difference::Verdict { .. }]), "{all:?}");
        let all = after("signing", |found| found.verdict = None);
        assert!(matches!(&all[..], [Difference::Verdict { .. }]), "{all:?}");
        let all = after("artifact", |found| found.started = true);
        assert_eq!(all, [Difference::Started { expected: false }]);
        assert_eq!(after("build", |found| found.started = false), [Difference::Started { expected: true }]);
        let all = after("artifact", |found| found.runs[0].artifacts[2].content = link("elsewhere"));
        assert!(matches!(&all[..], [Difference::Target { .. }]), "{all:?}");
        let all = after("artifact", |found| {
            if let FoundContent::Bytes { text, .. } = &mut found.runs[0].artifacts[0].content {
                *text = format!("first line\n{text}");
            }
        });
        assert!(matches!(&all[..], [Difference::Line { .. }]), "{all:?}");
    }

    #[test]
    fn artifacts_are_compared_by_name_type_and_content() {
        let name = || "public/README.txt".to_owned();
        let all = after("build", |found| found.runs[0].artifacts.retain(|one| one.name != name()));
        assert_eq!(all, [Difference::Missing { run: 0, name: name() }]);
        let all = after("build", |found| found.runs[0].artifacts[2].content_type = "x".to_owned());
        assert!(matches!(&all[..], [Difference::ContentType { .. }]), "{all:?}");
        let all = after("flood", |found| {
            if let FoundContent::Bytes { size, .. } = &mut found.runs[0].artifacts[0].content {
                *size -= 1;
            }
        });
        assert!(matches!(&all[..], [Difference::Bytes { .. }]), "{all:?}");
        let all = after("flood", |found| found.runs[0].artifacts[0].content = link(LOG));
        assert!(matches!(&all[..], [Difference::Kind { .. }]), "{all:?}");
        let all = after("slow", |found| {
            if let FoundContent::Bytes { text, .. } = &mut found.runs[0].artifacts[0].content {
                *text = text.replace("2 s", "3 s");
            }
        });
        assert!(matches!(&all[..], [Difference::Line { .. }]), "{all:?}");
    }

    #[test]
    fn a_cancelled_task_leaves_neither_processes_nor_artifacts() {
        let extra = FoundArtifact {
            name: "public/half-done.txt".to_owned(),
            content_type: "text/plain".to_owned(),
            content: link(LOG),
        };
        let all = after("cancel", |found| found.runs[0].artifacts.push(extra));
        assert!(matches!(&all[..], [Difference::Unexpected { .. }]), "{all:?}");
        let all = after("cancel", |found| found.processes.as_mut().unwrap().after.push(7));
        assert_eq!(all, [Difference::StillAlive(vec![7])]);
        assert_eq!(after("cancel", |found| found.processes = None), [Difference::NeverAlive]);
    }
}
