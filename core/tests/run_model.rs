//! The invariants of a run, on the very functions that the worker uses.
//!
//! Two ways: every state that any order of events can reach is visited (the state space is small because a run holds
//! no payloads), and random histories with times check what depends on the clock. A [`World`] runs beside the run and
//! knows what a correct history looks like; it is part of the visited state.
#![expect(clippy::panic, reason = "tests")]

use proptest::prelude::*;
use scriptworker_core::run::{
    Actor, Admission, Effect, Ending, Event, LossCause, Outcome, Phase, Policy, Report, ReportEnd,
    Resolution, Run, ScriptEnd, StopCause, TaskStatus, UploadEnd, Verdict,
};
use scriptworker_core::time::BootMillis;
use std::collections::{HashMap, HashSet, VecDeque};

const START: BootMillis = BootMillis(1_000);
const END: BootMillis = BootMillis(10_000);

/// What a bystander sees: the ghost state of the invariants.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct World {
    script_alive: bool,
    script_started: bool,
    script_green: bool,
    told_to_die: bool,
    /// Why it was told to end first.
    told_why: Option<StopCause>,
    /// How it ended, if that is to be attested whatever the policy says.
    ending: Option<Ending>,
    attested: bool,
    claim_lost: bool,
    uploads_confirmed: bool,
    uploading: bool,
    verified: bool,
    reported: Option<Report>,
    halted: bool,
    known_lost: bool,
    resolved: bool,
    heartbeat: bool,
    cleaned: bool,
    finished: bool,
    fresh_credentials: bool,
}

fn policies() -> Vec<Policy> {
    let mut all = Vec::new();
    for verify in [false, true] {
        for (attest, attest_time_outs) in [(false, false), (true, false), (true, true)] {
            for timeout_status in [TaskStatus::Failure, TaskStatus::IntermittentTask] {
                all.push(Policy { verify, attest, attest_time_outs, timeout_status });
            }
        }
    }
    all
}

/// Every event there is; `renewed_to` bounds the times of the model.
fn events() -> Vec<Event> {
    let mut all = vec![
        Event::Prepared(true),
        Event::Prepared(false),
        Event::LimitPassed,
        Event::Cleaned(true),
        Event::Cleaned(false),
        Event::Renewed { end: END },
        Event::ClaimLost(LossCause::Refused),
        Event::ClaimLost(LossCause::Expired),
        Event::ShutdownAsked,
        Event::ShutdownNow,
        Event::Tick,
    ];
    for verdict in
        [Verdict::Verified, Verdict::Refused, Verdict::Unavailable, Verdict::Failed, Verdict::Aborted]
    {
        all.push(Event::Verdict(verdict));
    }
    for end in [
        ScriptEnd::Exited { status: TaskStatus::Success, by_itself: true },
        ScriptEnd::Exited { status: TaskStatus::Success, by_itself: false },
        ScriptEnd::Exited { status: TaskStatus::Failure, by_itself: true },
        ScriptEnd::Exited { status: TaskStatus::IntermittentTask, by_itself: true },
        ScriptEnd::NotStarted,
        ScriptEnd::Deadline,
        ScriptEnd::Unknown,
    ] {
        all.push(Event::ScriptEnded(end));
    }
    for end in [
        UploadEnd::Confirmed,
        UploadEnd::Failed(TaskStatus::ResourceUnavailable),
        UploadEnd::ClaimLost,
        UploadEnd::Aborted,
    ] {
        all.push(Event::Uploaded(end));
        all.push(Event::Attested(end));
    }
    for end in [ReportEnd::Accepted, ReportEnd::Conflict, ReportEnd::Refused, ReportEnd::Unreachable] {
        all.push(Event::Reported(end));
    }
    for actor in [
        Actor::ScriptRunner,
        Actor::CotVerifier,
        Actor::Uploader,
        Actor::Claimer,
        Actor::Reclaimer,
        Actor::CredentialRefresher,
    ] {
        all.push(Event::ActorDied(actor));
    }
    all
}

impl World {
    /// What the event itself says about the world, before the run reacts.
    fn sees(&mut self, event: Event, phase: Phase) {
        match event {
            Event::ScriptEnded(end) => {
                if self.script_alive {
                    self.ending = match end {
                        ScriptEnd::Exited { by_itself: true, .. } => Some(Ending::Natural),
                        ScriptEnd::Exited { .. } => match self.told_why {
                            None => Some(Ending::Natural),
                            Some(StopCause::TimeLimit) => Some(Ending::TimeLimit),
                            Some(_) => None,
                        },
                        _ => None,
                    };
                    self.script_green = match end {
                        ScriptEnd::Exited { status: TaskStatus::Success, by_itself } => {
                            by_itself || !self.told_to_die
                        }
                        _ => false,
                    };
                    if end == ScriptEnd::Deadline {
                        self.claim_lost = true;
                    }
                }
                self.script_alive = false;
            }
            Event::ClaimLost(_) if !matches!(phase, Phase::Cleaning | Phase::Done) => self.claim_lost = true,
            Event::Uploaded(UploadEnd::ClaimLost) if matches!(phase, Phase::Uploading { .. }) => {
                self.claim_lost = true
            }
            Event::Attested(UploadEnd::ClaimLost) if matches!(phase, Phase::Attesting { .. }) => {
                self.claim_lost = true
            }
            Event::Uploaded(end) if matches!(phase, Phase::Uploading { .. }) => {
                self.uploading = false;
                self.uploads_confirmed = end == UploadEnd::Confirmed;
            }
            Event::Attested(end) if matches!(phase, Phase::Attesting { .. }) => {
                self.uploading = false;
                self.uploads_confirmed &= end == UploadEnd::Confirmed;
            }
            Event::Verdict(Verdict::Verified) if phase == (Phase::Verifying { stopping: false }) => {
                self.verified = true;
            }
            Event::Reported(ReportEnd::Accepted) if matches!(phase, Phase::Reporting { .. }) => {
                self.resolved = true
            }
            Event::Renewed { .. } => self.fresh_credentials = false,
            Event::ShutdownNow => self.halted = true,
            Event::Cleaned(ok) if phase == Phase::Cleaning => self.cleaned = ok,
            _ => {}
        }
    }

    /// Checks one effect against everything seen so far.
    fn judges(&mut self, effect: Effect, policy: Policy) {
        assert!(!self.finished, "after the end: {effect:?}");
        match effect {
            Effect::StartScript => {
                assert!(!self.script_started, "the script is started once");
                assert!(!policy.verify || self.verified, "I9: started without a verdict");
                assert!(!self.claim_lost, "started on a lost claim");
                self.script_alive = true;
                self.script_started = true;
            }
            Effect::StopScript(cause) | Effect::KillScript(cause) => {
                self.told_to_die = true;
                // a worse reason takes the place of the first one only where the claim is lost
                self.told_why = match cause {
                    StopCause::ClaimLost => Some(cause),
                    _ => self.told_why.or(Some(cause)),
                };
            }
            Effect::Attest(ending) => {
                assert!(policy.attest, "attested unasked");
                assert!(!self.attested, "attested twice");
                assert_eq!(self.ending, Some(ending), "attested another end than the script's");
                assert!(ending == Ending::Natural || policy.attest_time_outs, "attested a time-out");
                assert!(!self.claim_lost && !self.halted, "attested what is no longer ours");
                assert_eq!(self.reported, None, "I3: attested after a report");
                self.attested = true;
                self.uploading = true;
            }
            Effect::Upload { .. } => {
                assert!(!self.claim_lost, "I2: upload after the claim was lost");
                assert_eq!(self.reported, None, "I3: upload after a report");
                assert!(!self.script_alive, "upload beside a living script");
                assert!(!self.halted, "upload after the second SIGTERM");
                self.uploading = true;
            }
            Effect::AbortUpload => self.uploading = false,
            Effect::Report(report) => {
                assert!(!self.claim_lost, "I2: report after the claim was lost");
                assert!(!self.script_alive, "I4: a process of the script is alive");
                assert!(self.reported.is_none_or(|first| first == report), "I1: another report");
                if report == Report::Completed {
                    assert!(self.script_green, "I9: green without exit 0");
                    assert!(self.uploads_confirmed, "I9: green without every upload");
                    assert_eq!(self.attested, policy.attest, "I9: green without the attestation");
                    assert!(!policy.verify || self.verified, "I9: green without verification");
                }
                if matches!(report, Report::Completed | Report::Failed) {
                    assert!(!self.uploading, "I3: an upload is still under way");
                }
                self.reported = Some(report);
            }
            Effect::LogLoss(_) | Effect::LogUnresolved => self.known_lost = true,
            Effect::StartHeartbeat => self.heartbeat = true,
            Effect::StopHeartbeat => self.heartbeat = false,
            Effect::PublishCredentials => self.fresh_credentials = true,
            Effect::CleanUp => {
                assert!(!self.script_alive, "cleaning under a living script");
                assert!(self.resolved || self.known_lost, "I6: neither reported nor known to be lost");
            }
            Effect::Finish(Outcome { resolution, clean, .. }) => {
                assert_eq!(clean, self.cleaned, "I7: finished uncleaned without saying so");
                assert!(!self.heartbeat, "the heartbeat goes on after the end");
                assert!(self.resolved || self.known_lost, "I6");
                assert_eq!(matches!(resolution, Resolution::Resolved(_)), self.resolved);
                self.finished = true;
            }
            Effect::Prepare
            | Effect::Verify
            | Effect::AbortVerify
            | Effect::ExtendDeadline(_)
            | Effect::AbandonReport
            | Effect::CleanUpLater => {}
        }
    }

    fn rests(&self, run: &Run) {
        let running = matches!(run.phase(), Phase::Running { .. });
        assert_eq!(self.script_alive, running, "a script is alive exactly in the phase 'running'");
        if run.claim_end().is_none() && running {
            assert!(self.told_to_die, "I10: nobody kills the script of a lost claim");
        }
        let over = matches!(run.phase(), Phase::Cleaning | Phase::Done);
        if run.claim_end().is_some() && !over {
            assert!(self.heartbeat, "I5: nobody renews a claim that is still needed");
            assert!(self.fresh_credentials, "I8: older credentials than the last renewal");
        }
    }
}

fn step(run: Run, mut world: World, policy: Policy, now: BootMillis, event: Event) -> (Run, World) {
    let phase = run.phase();
    if run.claim_end().is_some_and(|end| now >= end)
        && !matches!(event, Event::Renewed { end } if now < end)
        && !matches!(phase, Phase::Cleaning | Phase::Done)
    {
        world.claim_lost = true;
    }
    world.sees(event, phase);
    let renewable = run.claim_end().is_some() && !matches!(phase, Phase::Cleaning | Phase::Done);
    if !renewable {
        world.fresh_credentials = true;
    }
    let (run, effects) = run.on(now, event);
    for effect in effects {
        world.judges(effect, policy);
    }
    world.rests(&run);
    (run, world)
}

fn begin(policy: Policy, admission: Admission) -> (Run, World) {
    let (run, effects) = Run::claimed(policy, admission, END);
    let mut world = World::default();
    for effect in effects {
        world.judges(effect, policy);
    }
    world.rests(&run);
    (run, world)
}

#[test]
fn every_reachable_state_keeps_the_invariants_and_can_end() {
    let events = events();
    let mut visited_in_all = 0;
    for policy in policies() {
        for admission in [Admission::Admitted, Admission::Malformed, Admission::GivenBack] {
            let mut graph: HashMap<(Run, World), Vec<(Run, World)>> = HashMap::new();
            let mut queue = VecDeque::from([begin(policy, admission)]);
            while let Some(state) = queue.pop_front() {
                if graph.contains_key(&state) {
                    continue;
                }
                let next: Vec<_> = events
                    .iter()
                    .map(|event| step(state.0.clone(), state.1.clone(), policy, START, *event))
                    .collect();
                queue.extend(next.iter().cloned());
                graph.insert(state, next);
            }
            visited_in_all += graph.len();
            assert_every_state_can_end(&graph);
        }
    }
    assert!(visited_in_all > 1_000, "the search reached only {visited_in_all} states");
}

/// No state is a trap: from each one some order of events leads to the end.
fn assert_every_state_can_end(graph: &HashMap<(Run, World), Vec<(Run, World)>>) {
    let mut ending: HashSet<&(Run, World)> = graph.keys().filter(|(run, _)| run.is_done()).collect();
    loop {
        let more: Vec<_> = graph
            .iter()
            .filter(|(state, next)| {
                !ending.contains(state) && next.iter().any(|state| ending.contains(state))
            })
            .map(|(state, _)| state)
            .collect();
        if more.is_empty() {
            break;
        }
        ending.extend(more);
    }
    if let Some((run, _)) = graph.keys().find(|state| !ending.contains(state)) {
        panic!("no way out of {run:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Random histories with a clock: renewals move the end, gaps run over it.
    #[test]
    fn random_histories_keep_the_invariants(
        policy in prop::sample::select(policies()),
        admission in prop::sample::select(vec![Admission::Admitted, Admission::Malformed, Admission::GivenBack]),
        history in prop::collection::vec((0u64..4_000, prop::sample::select(events())), 1..60),
    ) {
        let (mut run, mut world) = begin(policy, admission);
        let mut now = START;
        for (gap, event) in history {
            now = now.plus(gap);
            let event = match event {
                Event::Renewed { .. } => Event::Renewed { end: now.plus(9_000) },
                other => other,
            };
            (run, world) = step(run, world, policy, now, event);
        }
    }

    /// Whatever happens, a renewal that fails until the end of the claim ends the run without upload and report.
    #[test]
    fn a_claim_that_runs_out_ends_everything(
        policy in prop::sample::select(policies()),
        before in prop::collection::vec(prop::sample::select(events()), 0..12),
        after in prop::collection::vec(prop::sample::select(events()), 0..12),
    ) {
        let (mut run, mut world) = begin(policy, Admission::Admitted);
        for event in before {
            (run, world) = step(run, world, policy, START, event);
        }
        let reported = world.reported;
        (run, world) = step(run, world, policy, END, Event::Tick);
        for event in after.into_iter().filter(|event| !matches!(event, Event::Renewed { .. })) {
            (run, world) = step(run, world, policy, END, event);
        }
        prop_assert_eq!(world.reported, reported);
        prop_assert!(run.claim_end().is_none() || run.resolution().is_some());
    }
}
