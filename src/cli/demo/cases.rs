//! What the demo runs, and what has to come of it: one table.

use super::chains::Proof;
use super::places::Who;
use crate::cli::stored::hex;
use scriptworker_core::cot::{CLASSIC_NAME, CURRENT_NAME, CURRENT_SIGNATURE_NAME};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The task's log, as an artifact.
pub(super) const LOG: &str = "public/logs/live_backing.log";
/// The link to it.
pub(super) const LINK: &str = "public/logs/live.log";

/// The bytes of the `flood` task's log: 51200 numbered lines of 1024 bytes, and the line with the exit code.
const FLOOD_SIZE: u64 = 51_200 * 1024 + 13;
/// Their SHA-256.
const FLOOD_SHA256: &str = "e8be84bb7033b9a8e08ba5efb95d0facde871a023d3d39001a2e6d2f682af176";

/// One task.
pub(super) struct Case {
    /// Its name, and what its payload asks the script to do.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) story: &'static str,
    /// The worker that it is for.
    pub(super) who: Who,
    pub(super) payload: Value,
    /// Whether the demo cancels it once its script runs.
    pub(super) cancel: bool,
    /// Whether its script is ever started.
    pub(super) starts: bool,
    /// What is looked at besides the outcome, in a few words.
    pub(super) checked: &'static str,
    /// What has to be found, run by run.
    pub(super) runs: Vec<ExpectedRun>,
    /// The release that it signs, and what has to be found out about it.
    pub(super) chain: Option<Proof>,
}

/// How a run has to end, and with which artifacts: these and no others.
pub(super) struct ExpectedRun {
    pub(super) outcome: &'static str,
    pub(super) artifacts: Vec<ExpectedArtifact>,
}

/// One artifact.
#[derive(Clone)]
pub(super) struct ExpectedArtifact {
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) content: Content,
}

/// What has to be in an artifact, decoded.
#[derive(Clone)]
pub(super) enum Content {
    /// Exactly these bytes.
    Bytes { size: u64, sha256: String },
    /// Text with these lines, in this order.
    Lines(&'static [&'static str]),
    /// Text whose first line has this in it.
    FirstLine(String),
    /// Nothing of its own: it leads to this artifact.
    Link(&'static str),
    /// The verdict on a chain of trust: [`super::chains`] reads it.
    Verdict,
    /// A part of an attestation: [`super::signatures`] looks at it.
    Signed,
}

impl Content {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::Bytes { size: bytes.len().try_into().unwrap_or(u64::MAX), sha256: hex(&Sha256::digest(bytes)) }
    }
}

pub(super) fn artifact(name: &'static str, content_type: &'static str, content: Content) -> ExpectedArtifact {
    ExpectedArtifact { name, content_type, content }
}

/// A run that leaves a log, the link to it, `more`, and an attestation in these forms.
pub(super) fn run(
    outcome: &'static str,
    log: Content,
    more: Vec<ExpectedArtifact>,
    forms: &[Form],
) -> ExpectedRun {
    let mut artifacts =
        vec![artifact(LOG, "text/plain", log), artifact(LINK, "text/plain", Content::Link(LOG))];
    artifacts.extend(more);
    artifacts.extend(forms.iter().map(|(name, media_type)| artifact(name, media_type, Content::Signed)));
    ExpectedRun { outcome, artifacts }
}

/// A part of an attestation: name and type.
pub(super) type Form = (&'static str, &'static str);

/// Both forms: after an end of the script's own.
const BOTH: &[Form] = &[
    (CURRENT_NAME, "application/json"),
    (CURRENT_SIGNATURE_NAME, "application/binary"),
    (CLASSIC_NAME, "text/plain"),
];
/// The current form alone.
pub(super) const CURRENT: &[Form] =
    &[(CURRENT_NAME, "application/json"), (CURRENT_SIGNATURE_NAME, "application/binary")];
/// The classic form alone: after a time-out, too.
pub(super) const CLASSIC: &[Form] = &[(CLASSIC_NAME, "text/plain")];

/// Everything that `build` makes besides its log.
fn built() -> Vec<ExpectedArtifact> {
    let mut binary = vec![0xff, 0x00, 0x81, 0xfe];
    binary.resize(4 + 1_048_576, 0);
    vec![
        artifact("public/README.txt", "text/plain", Content::of(b"Built by the demo.\n")),
        artifact("public/build/info.json", "application/json", Content::of(b"{\"answer\": 42}\n")),
        artifact("public/build/deep/down/nested.txt", "text/plain", Content::of(b"a file deep down\n")),
        artifact("public/build/target.bin", "application/octet-stream", Content::of(&binary)),
        artifact("private/notes.txt", "text/plain", Content::of(b"not for everybody\n")),
    ]
}

/// Both runs of `retry`.
fn retried() -> Vec<ExpectedRun> {
    vec![
        run("exception intermittent-task", Content::of(b"not this time\nexit code: 7\n"), Vec::new(), BOTH),
        run("completed", Content::of(b"run 1 works\nexit code: 0\n"), Vec::new(), BOTH),
    ]
}

/// All tasks, in the order in which the worker gets them.
pub(super) fn cases() -> Vec<Case> {
    let case = |name, story, checked, runs| Case {
        name,
        story,
        who: Who::Plain,
        payload: json!({ "behaviour": name }),
        cancel: false,
        starts: true,
        checked,
        runs,
        chain: None,
    };
    vec![
        case(
            "build",
            "makes text, JSON and binary files in nested directories",
            "5 artifacts byte by byte, log, signatures",
            vec![run("completed", Content::of(b"building\nbuilt\nexit code: 0\n"), built(), BOTH)],
        ),
        case(
            "fail",
            "its script leaves with 1",
            "log, signatures",
            vec![run("failed", Content::of(b"this cannot work\nexit code: 1\n"), Vec::new(), BOTH)],
        ),
        Case {
            payload: json!({ "behaviour": "slow", "maxRunTime": 2 }),
            ..case(
                "slow",
                "may take 2 s, wants an hour and ignores SIGTERM",
                "time limit in the log, signature",
                vec![run("failed", Content::Lines(SLOW_LOG), Vec::new(), CLASSIC)],
            )
        },
        Case {
            cancel: true,
            ..case(
                "cancel",
                "cancelled while its script runs",
                "no process left, nothing uploaded",
                vec![ExpectedRun { outcome: "exception canceled", artifacts: Vec::new() }],
            )
        },
        Case {
            payload: json!({ "behaviour": "malformed", "maxRunTime": "ten minutes" }),
            starts: false,
            ..case(
                "malformed",
                "its maxRunTime is no number",
                "explanation in the log",
                vec![run("exception malformed-payload", Content::Lines(MALFORMED_LOG), Vec::new(), &[])],
            )
        },
        case(
            "retry",
            "its script leaves with 7 the first time: try again",
            "logs of both runs, signatures",
            retried(),
        ),
        case(
            "flood",
            "writes 50 MiB into its log",
            "length and SHA-256 of the log, signatures",
            vec![run(
                "completed",
                Content::Bytes { size: FLOOD_SIZE, sha256: FLOOD_SHA256.to_owned() },
                Vec::new(),
                BOTH,
            )],
        ),
    ]
}

const SLOW_LOG: &[&str] = &[
    "this takes an hour",
    "[scriptworker] the time limit of 2 s has passed",
    "Automation Error: python exited with signal -9",
];
const MALFORMED_LOG: &[&str] = &[
    "[scriptworker] this task cannot be run as it is written: the task definition's payload.maxRunTime must \
     be an integer (seconds), found \"ten minutes\"",
];

#[cfg(test)]
mod tests {
    use super::super::chains::{BEHAVIOUR, CHAINS};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_digest_of_the_flood_is_that_of_the_script() {
        let mut digest = Sha256::new();
        let mut size = 0;
        let mut feed = |line: String| {
            digest.update(&line);
            size += line.len();
        };
        for number in 100_001..=151_200 {
            feed(format!("{number} {:01016}\n", 0));
        }
        feed("exit code: 0\n".to_owned());
        assert_eq!((size as u64, hex(&digest.finalize())), (FLOOD_SIZE, FLOOD_SHA256.to_owned()));
    }

    #[test]
    fn every_behaviour_is_one_of_the_script() {
        let script = include_str!("script.sh");
        for case in cases() {
            let name = case.payload["behaviour"].as_str().unwrap();
            let known = script.contains(&format!("\n{name})\n"));
            assert_eq!(known, case.starts, "{name}");
        }
        assert!(script.contains(&format!("\n{BEHAVIOUR})\n")));
    }

    #[test]
    fn names_are_unique_and_every_case_expects_a_run() {
        let cases = cases();
        let names = cases.iter().map(|case| case.name).chain(CHAINS.iter().map(|chain| chain.name));
        assert_eq!(names.collect::<BTreeSet<_>>().len(), cases.len() + CHAINS.len());
        assert!(cases.iter().all(|case| !case.runs.is_empty()));
    }
}
