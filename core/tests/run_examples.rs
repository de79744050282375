//! What a run does in the cases that people ask about, event by event.

use scriptworker_core::run::{
    Actor, Admission, Effect, Ending, Event, LossCause, Outcome, Phase, Policy, Report, ReportEnd,
    Resolution, Run, ScriptEnd, StopCause, TaskStatus, UploadEnd, Verdict,
};
use scriptworker_core::time::BootMillis;

const START: BootMillis = BootMillis(1_000);
const END: BootMillis = BootMillis(10_000);

/// Plays events from the claim on and returns the run with the effects of the last one.
fn play(policy: Policy, events: &[Event]) -> (Run, Vec<Effect>) {
    let start = Run::claimed(policy, Admission::Admitted, END);
    events.iter().fold(start, |(run, _), event| run.on(START, *event))
}

const PLAIN: Policy =
    Policy { verify: false, attest: false, attest_time_outs: false, timeout_status: TaskStatus::Failure };

fn ended(status: TaskStatus) -> Event {
    Event::ScriptEnded(ScriptEnd::Exited { status, by_itself: true })
}

fn stopped(status: TaskStatus) -> Event {
    Event::ScriptEnded(ScriptEnd::Exited { status, by_itself: false })
}

#[test]
fn the_usual_life() {
    assert!(!Run::claimed(PLAIN, Admission::Admitted, END).0.is_done());
    let (run, effects) = play(PLAIN, &[Event::Prepared(true)]);
    assert_eq!(effects, [Effect::StartScript]);
    assert!(!run.is_done());
    let (run, effects) = run.on(START, ended(TaskStatus::Success));
    assert_eq!(effects, [Effect::Upload { log_first: false }]);
    let (run, effects) = run.on(START, Event::Uploaded(UploadEnd::Confirmed));
    assert_eq!(effects, [Effect::Report(Report::Completed)]);
    let (run, effects) = run.on(START, Event::Reported(ReportEnd::Accepted));
    assert_eq!(effects, [Effect::StopHeartbeat, Effect::CleanUp]);
    let (run, effects) = run.on(START, Event::Cleaned(true));
    let outcome = Outcome {
        status: TaskStatus::Success,
        resolution: Resolution::Resolved(Report::Completed),
        clean: true,
    };
    assert_eq!(effects, [Effect::Finish(outcome)]);
    assert!(run.is_done());
}

#[test]
fn the_cause_decides_when_the_worker_ended_the_script() {
    let timeout = Policy { timeout_status: TaskStatus::IntermittentTask, ..PLAIN };
    for (cause, expected) in [
        (Event::LimitPassed, TaskStatus::IntermittentTask),
        (Event::ShutdownAsked, TaskStatus::WorkerShutdown),
        (Event::ActorDied(Actor::ScriptRunner), TaskStatus::InternalError),
    ] {
        for late in [
            stopped(TaskStatus::Success),
            stopped(TaskStatus::Failure),
            Event::ScriptEnded(ScriptEnd::Unknown),
        ] {
            let (run, _) = play(timeout, &[Event::Prepared(true), cause, late]);
            assert_eq!(run.status(), expected, "{cause:?} then {late:?}");
        }
    }
}

#[test]
fn a_script_that_was_over_before_it_was_told_to_end_keeps_its_status() {
    for cause in [Event::LimitPassed, Event::ShutdownAsked, Event::ActorDied(Actor::ScriptRunner)] {
        let (run, _) = play(PLAIN, &[Event::Prepared(true), cause, ended(TaskStatus::IntermittentTask)]);
        assert_eq!(run.status(), TaskStatus::IntermittentTask, "{cause:?}");
    }
}

#[test]
fn the_worst_phase_wins_but_a_refused_chain_stays_3() {
    let failed = Event::Uploaded(UploadEnd::Failed(TaskStatus::InternalError));
    let (run, _) = play(PLAIN, &[Event::Prepared(true), ended(TaskStatus::Failure), failed]);
    assert_eq!(run.status(), TaskStatus::InternalError);
    let (run, _) = play(PLAIN, &[Event::Prepared(true), ended(TaskStatus::IntermittentTask), failed]);
    assert_eq!(run.status(), TaskStatus::IntermittentTask);
    let verify = Policy { verify: true, ..PLAIN };
    let (run, effects) = play(verify, &[Event::Prepared(true), Event::Verdict(Verdict::Refused), failed]);
    assert_eq!(run.status(), TaskStatus::MalformedPayload);
    assert_eq!(effects, [Effect::Report(TaskStatus::MalformedPayload.report())]);
}

#[test]
fn a_lost_claim_means_no_upload_and_no_report_in_every_phase() {
    let verify = Policy { verify: true, attest: true, ..PLAIN };
    let lost = Event::ClaimLost(LossCause::Refused);
    let up_to_running = [Event::Prepared(true), Event::Verdict(Verdict::Verified)];
    let up_to_upload = [&up_to_running[..], &[ended(TaskStatus::Success)]].concat();
    let up_to_attest = [&up_to_upload[..], &[Event::Uploaded(UploadEnd::Confirmed)]].concat();
    for (history, first, answer) in [
        (vec![], None, Event::Prepared(true)),
        (up_to_running[..1].to_vec(), Some(Effect::AbortVerify), Event::Verdict(Verdict::Aborted)),
        (up_to_running.to_vec(), Some(Effect::StopScript(StopCause::ClaimLost)), ended(TaskStatus::Success)),
        (up_to_upload, Some(Effect::AbortUpload), Event::Uploaded(UploadEnd::Confirmed)),
        (up_to_attest, Some(Effect::AbortUpload), Event::Attested(UploadEnd::Confirmed)),
    ] {
        let (run, effects) = play(verify, &[&history[..], &[lost]].concat());
        assert_eq!(effects.first().copied(), first, "{history:?}");
        let (run, effects) = run.on(START, answer);
        let expected = [Effect::StopHeartbeat, Effect::LogLoss(LossCause::Refused), Effect::CleanUp];
        assert_eq!(effects, expected, "{history:?}");
        assert_eq!(run.resolution(), Some(Resolution::ClaimLost(LossCause::Refused)));
    }
}

#[test]
fn shutdown_saves_the_log_first_and_the_second_signal_saves_nothing() {
    let (_, effects) =
        play(PLAIN, &[Event::Prepared(true), Event::ShutdownAsked, ended(TaskStatus::Failure)]);
    assert_eq!(effects, [Effect::Upload { log_first: true }]);
    let (run, effects) = play(PLAIN, &[Event::Prepared(true), Event::ShutdownAsked, Event::ShutdownNow]);
    assert_eq!(effects, [Effect::KillScript(StopCause::Shutdown)]);
    let (_, effects) = run.on(START, Event::ScriptEnded(ScriptEnd::Unknown));
    assert_eq!(effects, [Effect::Report(TaskStatus::WorkerShutdown.report())]);
}

#[test]
fn a_renewal_that_is_refused_while_reporting_leaves_the_verdict_to_the_report() {
    // our own report resolved the run, so the next renewal gets 409 before the report's answer is here
    let reporting = |cause| {
        [
            Event::Prepared(true),
            ended(TaskStatus::Success),
            Event::Uploaded(UploadEnd::Confirmed),
            Event::ClaimLost(cause),
        ]
    };
    let refused = Resolution::ClaimLost(LossCause::Refused);
    for (answer, resolution) in [
        (ReportEnd::Accepted, Resolution::Resolved(Report::Completed)),
        (ReportEnd::Conflict, refused),
        (ReportEnd::Refused, refused),
        (ReportEnd::Unreachable, refused),
    ] {
        let (run, effects) = play(PLAIN, &reporting(LossCause::Refused));
        assert_eq!(effects, [Effect::StopHeartbeat], "the report is repeated until it is answered");
        let (run, _) = run.on(START, Event::Reported(answer));
        assert_eq!(run.resolution(), Some(resolution), "{answer:?}");
    }
    let (_, effects) = play(PLAIN, &reporting(LossCause::Expired));
    assert_eq!(effects, [Effect::StopHeartbeat, Effect::AbandonReport]);
}

#[test]
fn what_is_attested_depends_on_how_the_script_ended() {
    let current = Policy { attest: true, ..PLAIN };
    let classic = Policy { attest_time_outs: true, ..current };
    let (limit, leave) = (Event::LimitPassed, Event::ShutdownAsked);
    let killed = stopped(TaskStatus::Failure);
    for (events, by_current, by_classic) in [
        (vec![ended(TaskStatus::Success)], Some(Ending::Natural), Some(Ending::Natural)),
        (vec![ended(TaskStatus::IntermittentTask)], Some(Ending::Natural), Some(Ending::Natural)),
        // over before it was told to end
        (vec![leave, ended(TaskStatus::Success)], Some(Ending::Natural), Some(Ending::Natural)),
        (vec![limit, killed], None, Some(Ending::TimeLimit)),
        (vec![limit, leave, killed], None, Some(Ending::TimeLimit)),
        (vec![limit, Event::ScriptEnded(ScriptEnd::Unknown)], None, None),
        (vec![leave, killed], None, None),
        (vec![leave, limit, killed], None, None),
        (vec![Event::ActorDied(Actor::ScriptRunner), killed], None, None),
        (vec![Event::ScriptEnded(ScriptEnd::NotStarted)], None, None),
    ] {
        for (policy, expected) in [(PLAIN, None), (current, by_current), (classic, by_classic)] {
            for end in [UploadEnd::Confirmed, UploadEnd::Failed(TaskStatus::ResourceUnavailable)] {
                let history = [&[Event::Prepared(true)][..], &events, &[Event::Uploaded(end)]].concat();
                let (_, effects) = play(policy, &history);
                let attests = effects.iter().find_map(|effect| match effect {
                    Effect::Attest(ending) => Some(*ending),
                    _ => None,
                });
                assert_eq!(attests, expected, "{policy:?} {history:?}");
            }
            let history = [&[Event::Prepared(true)][..], &events, &[Event::Uploaded(UploadEnd::Aborted)]];
            let (_, effects) = play(policy, &history.concat());
            assert!(!effects.iter().any(|effect| matches!(effect, Effect::Attest(_))), "{effects:?}");
        }
    }
}

#[test]
fn a_failed_clean_up_is_repeated_before_the_next_claim() {
    let cleaning = [
        Event::Prepared(true),
        ended(TaskStatus::Success),
        Event::Uploaded(UploadEnd::Confirmed),
        Event::Reported(ReportEnd::Accepted),
        Event::Cleaned(false),
    ];
    let (run, effects) = play(PLAIN, &cleaning);
    assert_eq!(effects, [Effect::CleanUpLater]);
    assert_eq!(run.phase(), Phase::Cleaning);
}

#[test]
fn what_follows_the_preparation_depends_on_what_is_known_by_then() {
    let verifying = Policy { verify: true, ..PLAIN };
    let shutdown = Effect::Report(TaskStatus::WorkerShutdown.report());
    for (policy, admission, before, expected) in [
        (PLAIN, Admission::Admitted, None, Effect::StartScript),
        (verifying, Admission::Admitted, None, Effect::Verify),
        (verifying, Admission::Malformed, None, Effect::Upload { log_first: false }),
        (verifying, Admission::Admitted, Some(Event::ShutdownAsked), shutdown),
        (PLAIN, Admission::Admitted, Some(Event::ShutdownAsked), shutdown),
        (
            verifying,
            Admission::Malformed,
            Some(Event::ShutdownAsked),
            Effect::Report(TaskStatus::MalformedPayload.report()),
        ),
    ] {
        let (run, _) = Run::claimed(policy, admission, END);
        let run = before.map_or(run.clone(), |event| run.on(START, event).0);
        let (_, effects) = run.on(START, Event::Prepared(true));
        assert_eq!(effects, [expected], "{policy:?}, {admission:?}, {before:?}");
    }
}

#[test]
fn an_actor_is_known_by_its_name() {
    for actor in Actor::ALL {
        assert_eq!(Actor::from_name(actor.name()), Some(actor));
    }
    assert_eq!(Actor::from_name("scriptrunner"), None);
}

#[test]
fn a_directory_that_cannot_be_wiped_is_tried_again_unless_the_worker_leaves() {
    let events = [
        Event::Prepared(true),
        ended(TaskStatus::Success),
        Event::Uploaded(UploadEnd::Confirmed),
        Event::Reported(ReportEnd::Accepted),
    ];
    let (cleaning, _) = play(PLAIN, &events);
    let (_, effects) = cleaning.clone().on(START, Event::Cleaned(false));
    assert_eq!(effects, [Effect::CleanUpLater]);
    let (leaving, _) = cleaning.on(START, Event::ShutdownAsked);
    let (run, effects) = leaving.on(START, Event::Cleaned(false));
    assert!(matches!(effects.as_slice(), [Effect::Finish(Outcome { clean: false, .. })]), "{effects:?}");
    assert!(run.is_done());
}
