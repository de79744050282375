//! Invariant I5: the claim never expires while the queue is reachable.
#![expect(clippy::panic, reason = "tests")]

use proptest::prelude::*;
use scriptworker_core::retry::RetryClass;
use scriptworker_core::run::LossCause;
use scriptworker_core::run::heartbeat::{Beat, BeatEffect, Heartbeat};
use scriptworker_core::time::BootMillis;

/// What the queue does with one `reclaimTask`.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Renewed { after_ms: u64 },
    Failed { after_ms: u64, retry_after_ms: Option<u64> },
}

/// Plays a heartbeat against a queue for a while; returns when and why the claim was lost, if it was.
fn play(
    interval_ms: u64,
    life_ms: u64,
    until: BootMillis,
    answers: &[Answer],
) -> Option<(BootMillis, LossCause)> {
    let mut answers = answers.iter().cycle();
    let mut now = BootMillis(0);
    let (mut beat, mut effects) = Heartbeat::start(interval_ms, now.plus(life_ms), now);
    while now < until {
        let mut wake = None;
        let mut answer = None;
        for effect in &effects {
            match effect {
                BeatEffect::Lost(cause) => return Some((now, *cause)),
                BeatEffect::WakeAt(at) => wake = Some(*at),
                BeatEffect::Reclaim { .. } => answer = answers.next().copied(),
            }
        }
        let event = match answer {
            Some(Answer::Renewed { after_ms }) => {
                now = now.plus(after_ms);
                Beat::Renewed { end: now.plus(life_ms) }
            }
            Some(Answer::Failed { after_ms, retry_after_ms }) => {
                now = now.plus(after_ms);
                Beat::Failed { class: RetryClass::Transient, retry_after_ms }
            }
            None => {
                now = wake.map_or_else(|| panic!("neither asks nor wakes"), |at| at.max(now));
                Beat::Tick
            }
        };
        (beat, effects) = beat.on(now, event);
    }
    None
}

fn failing() -> impl Strategy<Value = Answer> {
    (0u64..1_000, prop::option::of(0u64..600_000))
        .prop_map(|(after_ms, retry_after_ms)| Answer::Failed { after_ms, retry_after_ms })
}

proptest! {
    /// Answers take up to 2 s and up to three in a row fail, whatever `Retry-After` they carry: the claim stays ours.
    #[test]
    fn a_reachable_queue_means_a_living_claim(
        interval_ms in 1_000u64..4_000_000,
        life_ms in 60_000u64..1_300_000,
        failures in prop::collection::vec(failing(), 0..4),
        after_ms in 0u64..2_000,
    ) {
        let mut answers = failures;
        answers.push(Answer::Renewed { after_ms });
        let until = BootMillis(life_ms * 5);
        prop_assert_eq!(play(interval_ms, life_ms, until, &answers), None);
    }

    /// A queue that never answers well loses the claim exactly at its end: not earlier, and never unnoticed.
    #[test]
    fn an_unreachable_queue_loses_the_claim_at_its_end(
        interval_ms in 1_000u64..4_000_000,
        life_ms in 1_000u64..1_300_000,
    ) {
        let answers = [Answer::Failed { after_ms: 0, retry_after_ms: None }];
        let lost = play(interval_ms, life_ms, BootMillis(life_ms * 2), &answers);
        prop_assert_eq!(lost, Some((BootMillis(life_ms), LossCause::Expired)));
    }
}
