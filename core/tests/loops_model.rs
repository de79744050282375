//! The loop that asks for work and the life of the process, under random histories: alone, and together with a run.

use proptest::prelude::*;
use scriptworker_core::run::claim_loop::{ClaimLoop, Poll, PollEffect};
use scriptworker_core::run::lifecycle::{HALT_BUDGET_MS, Life, LifeEffect, Lifecycle};
use scriptworker_core::run::{LossCause, Report, Resolution, TaskStatus};
use scriptworker_core::time::BootMillis;

fn poll() -> impl Strategy<Value = Poll> {
    prop_oneof![
        4 => Just(Poll::Wake),
        4 => Just(Poll::Claimed),
        2 => Just(Poll::Nothing),
        2 => (prop::option::of(any::<u64>()), any::<u32>())
            .prop_map(|(retry_after_ms, random)| Poll::Failed { retry_after_ms, random }),
        4 => Just(Poll::RunFinished),
        1 => Just(Poll::Stop),
    ]
}

fn resolution() -> impl Strategy<Value = Resolution> {
    prop::sample::select(vec![
        Resolution::Resolved(Report::Completed),
        Resolution::Resolved(TaskStatus::WorkerShutdown.report()),
        Resolution::ClaimLost(LossCause::Refused),
        Resolution::ClaimLost(LossCause::Expired),
        Resolution::Unresolved,
    ])
}

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![
        1 => Just(Life::Terminate),
        1 => Just(Life::Drain),
        1 => Just(Life::ClaimingEnded),
        2 => Just(Life::RunBegan),
        2 => resolution().prop_map(Life::RunSettled),
        2 => Just(Life::RunFinished),
        2 => Just(Life::Tick),
    ]
}

/// The code of the exit among the effects.
fn exit_code(effects: &[LifeEffect]) -> Option<u8> {
    effects.iter().find_map(|effect| match effect {
        LifeEffect::Exit(code) => Some(*code),
        _ => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// I7, and one question at a time, whatever comes late, doubled or out of turn.
    #[test]
    fn a_loop_never_asks_while_a_question_is_open_or_a_run_in_hand(
        interval_ms in 0u64..200_000,
        history in prop::collection::vec((0u64..100_000, poll()), 0..60),
    ) {
        let (mut claims, effects) = ClaimLoop::start(interval_ms);
        prop_assert_eq!(effects, [PollEffect::Ask]);
        let (mut asking, mut busy, mut stopped, mut told) = (true, false, false, false);
        let mut now = BootMillis(0);
        for (gap, poll) in history {
            now = now.plus(gap);
            let effects;
            (claims, effects) = claims.on(now, poll);
            match poll {
                Poll::Claimed if asking => (asking, busy) = (false, true),
                Poll::Nothing | Poll::Failed { .. } => asking = false,
                Poll::RunFinished => busy = false,
                Poll::Stop => told = true,
                Poll::Wake | Poll::Claimed => {}
            }
            prop_assert!(effects.len() <= 1, "{:?}", effects);
            for effect in effects {
                prop_assert!(!stopped && !asking && !busy, "{:?} after {:?}", effect, poll);
                match effect {
                    PollEffect::Ask => {
                        prop_assert!(!told, "asks although it was told to stop");
                        asking = true;
                    }
                    PollEffect::WakeAt(at) => prop_assert!(at >= now.plus(interval_ms)),
                    PollEffect::Stopped => {
                        prop_assert!(told, "stops by itself");
                        stopped = true;
                    }
                }
            }
            prop_assert_eq!(claims.is_asking(), asking);
        }
        // "take no more work" is answered as soon as what is open has ended
        let mut answers = Vec::new();
        for poll in [Poll::Stop, Poll::Nothing, Poll::RunFinished] {
            let effects;
            (claims, effects) = claims.on(now, poll);
            answers.extend(effects);
        }
        prop_assert_eq!(answers, if stopped { vec![] } else { vec![PollEffect::Stopped] });
    }

    /// Whatever happens after SIGTERM or before: the process leaves once, and by its own deadline.
    #[test]
    fn after_a_signal_an_exit_always_comes_in_time(
        shutdown_ms in HALT_BUDGET_MS..600_000,
        before in prop::collection::vec((0u64..100_000, life()), 0..20),
        after in prop::collection::vec((0u64..20_000, life()), 0..40),
    ) {
        let mut life = Lifecycle::new(shutdown_ms);
        let mut now = BootMillis(0);
        let mut exits = Vec::new();
        let mut wake: Option<BootMillis> = None;
        let before_signal = before.len();
        let history = before.into_iter().chain([(0, Life::Terminate)]).chain(after);
        let mut promised: Option<BootMillis> = None;
        for (index, (gap, event)) in history.enumerate() {
            let until = now.plus(gap);
            // the timer fires when it was asked to, between the events
            while let Some(at) = wake.filter(|at| *at <= until) {
                wake = None;
                now = at.max(now);
                let effects;
                (life, effects) = life.on(now, Life::Tick);
                wake = woken(&effects).or(wake);
                exits.extend(exit_code(&effects).map(|_| now));
            }
            now = until;
            let effects;
            (life, effects) = life.on(now, event);
            wake = woken(&effects).or(wake);
            exits.extend(exit_code(&effects).map(|_| now));
            if index >= before_signal && exits.is_empty() {
                let deadline = life.deadline();
                prop_assert!(deadline.is_some(), "no deadline after the signal");
                prop_assert!(promised.is_none_or(|first| deadline <= Some(first)), "the deadline moved away");
                promised = deadline;
            }
        }
        while let Some(at) = wake.take() {
            now = at.max(now);
            let effects;
            (life, effects) = life.on(now, Life::Tick);
            wake = woken(&effects);
            exits.extend(exit_code(&effects).map(|_| now));
        }
        prop_assert_eq!(exits.len(), 1, "leaves exactly once");
        if let (Some(promised), Some(exit)) = (promised, exits.first()) {
            prop_assert!(*exit <= promised, "left at {:?}, promised {:?}", exit, promised);
        }
    }
}

fn woken(effects: &[LifeEffect]) -> Option<BootMillis> {
    effects.iter().find_map(|effect| match effect {
        LifeEffect::WakeAt(at) => Some(*at),
        _ => None,
    })
}
