//! The transition table of `docs/architecture.md` is the one of the code.
//!
//! `UPDATE_DOCS=1 cargo test -p scriptworker-core --test transition_table` writes it anew.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that reads and writes a document"
)]

use scriptworker_core::run::{
    Actor, Admission, Effect, Event, LossCause, Phase, Policy, ReportEnd, Run, ScriptEnd, TaskStatus,
    UploadEnd, Verdict,
};
use scriptworker_core::time::BootMillis;
use std::fmt::Write;

const BEGIN: &str = "<!-- transitions: begin -->\n";
const END: &str = "<!-- transitions: end -->\n";
const NOW: BootMillis = BootMillis(1);
const CLAIM_END: BootMillis = BootMillis(1_000);
const RENEWED: BootMillis = BootMillis(2_000);

fn script_exits(status: TaskStatus) -> Event {
    Event::ScriptEnded(ScriptEnd::Exited { status, by_itself: true })
}

fn phases() -> Vec<(Run, Vec<Effect>)> {
    let timeout_status = TaskStatus::Failure;
    let policy = Policy { verify: true, attest: true, attest_time_outs: false, timeout_status };
    let mut way = vec![Run::claimed(policy, Admission::Admitted, CLAIM_END)];
    for event in [
        Event::Prepared(true),
        Event::Verdict(Verdict::Verified),
        script_exits(TaskStatus::Success),
        Event::Uploaded(UploadEnd::Confirmed),
        Event::Attested(UploadEnd::Confirmed),
        Event::Reported(ReportEnd::Accepted),
    ] {
        let run = way.last().unwrap().0.clone();
        way.push(run.on(NOW, event));
    }
    way
}

fn events() -> Vec<(&'static str, Event)> {
    vec![
        ("prepared", Event::Prepared(true)),
        ("could not be prepared", Event::Prepared(false)),
        ("verified", Event::Verdict(Verdict::Verified)),
        ("chain refused", Event::Verdict(Verdict::Refused)),
        ("no verdict to be had", Event::Verdict(Verdict::Unavailable)),
        ("script exits 0", script_exits(TaskStatus::Success)),
        ("script exits 1", script_exits(TaskStatus::Failure)),
        ("script cannot start", Event::ScriptEnded(ScriptEnd::NotStarted)),
        ("guardian killed it at the end of the claim", Event::ScriptEnded(ScriptEnd::Deadline)),
        ("guardian lost", Event::ScriptEnded(ScriptEnd::Unknown)),
        ("time limit passes", Event::LimitPassed),
        ("all uploaded", Event::Uploaded(UploadEnd::Confirmed)),
        ("an upload failed (4)", Event::Uploaded(UploadEnd::Failed(TaskStatus::ResourceUnavailable))),
        ("upload: no longer ours", Event::Uploaded(UploadEnd::ClaimLost)),
        ("attested", Event::Attested(UploadEnd::Confirmed)),
        ("attesting failed (5)", Event::Attested(UploadEnd::Failed(TaskStatus::InternalError))),
        ("report taken", Event::Reported(ReportEnd::Accepted)),
        ("report: 409", Event::Reported(ReportEnd::Conflict)),
        ("report: other 4xx", Event::Reported(ReportEnd::Refused)),
        ("report: unreachable", Event::Reported(ReportEnd::Unreachable)),
        ("wiped", Event::Cleaned(true)),
        ("could not be wiped", Event::Cleaned(false)),
        ("claim renewed", Event::Renewed { end: RENEWED }),
        ("claim refused (409)", Event::ClaimLost(LossCause::Refused)),
        ("claim expired", Event::ClaimLost(LossCause::Expired)),
        ("first SIGTERM", Event::ShutdownAsked),
        ("second SIGTERM, or its time is up", Event::ShutdownNow),
        ("ScriptRunner fell", Event::ActorDied(Actor::ScriptRunner)),
        ("CotVerifier fell", Event::ActorDied(Actor::CotVerifier)),
        ("Uploader fell", Event::ActorDied(Actor::Uploader)),
        ("Claimer fell", Event::ActorDied(Actor::Claimer)),
        ("Reclaimer fell", Event::ActorDied(Actor::Reclaimer)),
        ("CredentialRefresher fell", Event::ActorDied(Actor::CredentialRefresher)),
    ]
}

fn render() -> String {
    let mut text = "| in phase | event | next phase | effects |\n|---|---|---|---|\n".to_owned();
    for (run, _) in phases() {
        for (name, event) in events() {
            let before = run.clone();
            let (after, effects) = run.clone().on(NOW, event);
            if effects.is_empty() && after.phase() == before.phase() {
                continue;
            }
            let effects: Vec<String> = effects.iter().map(|effect| format!("{effect:?}")).collect();
            let next = if after.phase() == before.phase() { "–" } else { after.phase().name() };
            let status = if after.status() == before.status() {
                String::new()
            } else {
                format!(" · {}", after.status())
            };
            let _ = writeln!(
                text,
                "| {} | {name} | {next}{status} | {} |",
                before.phase().name(),
                effects.join(", ")
            );
        }
    }
    text
}

#[test]
fn the_document_shows_the_table_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/architecture.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", render())).unwrap();
        return;
    }
    assert_eq!(table, render(), "run this test with UPDATE_DOCS=1 and look at the difference");
}

#[test]
fn the_way_goes_through_every_phase() {
    let names: Vec<&str> = phases().iter().map(|(run, _)| run.phase().name()).collect();
    let expected =
        ["preparing", "verifying", "running", "uploading", "attesting", "reporting", "cleaning up"];
    assert_eq!(names, expected);
    assert!(matches!(phases().last().unwrap().0.phase(), Phase::Cleaning));
}
