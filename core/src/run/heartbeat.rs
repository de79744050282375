//! When to renew a claim, and when it is lost (design.md 3, worker.md 6; invariant I5).
//!
//! All times are of the boot clock: it goes on while the machine sleeps and never jumps, so a freeze or a stepped
//! wall clock causes neither an early nor a late renewal.

use super::LossCause;
use crate::retry::RetryClass;
use crate::time::{BootMillis, UnixMillis};

/// Never wait longer than this between looks at the claim: after a freeze its end is noticed within a second.
const LOOK_EVERY_MS: u64 = 1_000;
/// The first wait after a failed renewal.
const RETRY_BASE_MS: u64 = 500;
/// The longest wait after a failed renewal.
const RETRY_MAX_MS: u64 = 30_000;
/// The renewal begins at the latest this long before the end, or at half of a shorter claim.
const SAFE_MARGIN_MS: u64 = 180_000;

/// How much of a claim is left, from the two dates of the queue's answer: `takenUntil` and its `Date` header, or our
/// own clock where the header is missing. A claim that is already over has nothing left.
pub fn time_left_ms(taken_until: UnixMillis, answered_at: UnixMillis) -> u64 {
    u64::try_from(taken_until.since(answered_at)).unwrap_or(0)
}

/// The renewal of one claim, as a pure reducer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    interval_ms: u64,
    end: BootMillis,
    state: State,
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Waiting { due: BootMillis },
    Asking,
    Over,
}

/// What happened to the heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Beat {
    /// Time passed.
    Tick,
    /// The queue renewed the claim: it now ends at this time.
    Renewed {
        /// The new end.
        end: BootMillis,
    },
    /// The renewal failed.
    Failed {
        /// Whether trying again can help.
        class: RetryClass,
        /// What the queue asked us to wait, if it did.
        retry_after_ms: Option<u64>,
    },
    /// Nobody needs the claim any more.
    Stop,
}

/// What the heartbeat wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BeatEffect {
    /// Call `reclaimTask`; give up on the answer when the claim ends.
    Reclaim {
        /// The end of the claim.
        give_up_at: BootMillis,
    },
    /// Send [`Beat::Tick`] at this time.
    WakeAt(BootMillis),
    /// The claim is gone.
    Lost(LossCause),
}

impl Heartbeat {
    /// Begins to renew a claim that ends at `end`, every `interval_ms` (`reclaim_interval`) or earlier.
    pub fn start(interval_ms: u64, end: BootMillis, now: BootMillis) -> (Self, Vec<BeatEffect>) {
        let beat = Self { interval_ms, end, state: State::Over, failures: 0 };
        let due = beat.due_after(now);
        beat.wait(now, due)
    }

    /// When the claim ends, as far as is known.
    pub fn end(&self) -> BootMillis {
        self.end
    }

    /// What follows from an event that is handled at `now`.
    #[must_use]
    pub fn on(self, now: BootMillis, beat: Beat) -> (Self, Vec<BeatEffect>) {
        match (self.state, beat) {
            (State::Over, _) => (self, Vec::new()),
            (_, Beat::Stop) => self.over(&[]),
            // an answer that came late is still an answer: the queue says that the run is ours
            (_, Beat::Renewed { end }) if now < end => {
                let renewed = Self { end, failures: 0, ..self };
                let due = renewed.due_after(now);
                renewed.wait(now, due)
            }
            (_, Beat::Failed { class: RetryClass::Refused, .. }) => {
                self.over(&[BeatEffect::Lost(LossCause::Refused)])
            }
            _ if now >= self.end => self.over(&[BeatEffect::Lost(LossCause::Expired)]),
            (State::Waiting { due }, Beat::Tick) if now >= due => {
                let give_up_at = self.end;
                let asking = Self { state: State::Asking, ..self };
                let look = asking.next_look(now, give_up_at);
                (asking, vec![BeatEffect::Reclaim { give_up_at }, BeatEffect::WakeAt(look)])
            }
            (State::Waiting { due }, _) => self.wait(now, due),
            (State::Asking, Beat::Tick | Beat::Renewed { .. }) => {
                let look = self.next_look(now, self.end);
                (self, vec![BeatEffect::WakeAt(look)])
            }
            // Fatal ones too (a 401 while the queue's own auth is down): only the end of the claim ends the trying.
            (State::Asking, Beat::Failed { retry_after_ms, .. }) => {
                let failures = self.failures.saturating_add(1);
                let due = now.plus(self.retry_wait(now, failures, retry_after_ms));
                Self { failures, ..self }.wait(now, due)
            }
        }
    }

    /// The next renewal after a success at `now`.
    fn due_after(&self, now: BootMillis) -> BootMillis {
        let left = now.until(self.end);
        let margin = SAFE_MARGIN_MS.min(left.div_ceil(2));
        now.plus(self.interval_ms.min(left - margin))
    }

    /// Back-off that always leaves room for several more attempts before the end.
    fn retry_wait(&self, now: BootMillis, failures: u32, retry_after_ms: Option<u64>) -> u64 {
        let backoff = RETRY_BASE_MS.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(RETRY_MAX_MS);
        backoff.max(retry_after_ms.unwrap_or(0)).min(now.until(self.end) / 4).max(100)
    }

    fn next_look(&self, now: BootMillis, at: BootMillis) -> BootMillis {
        at.min(now.plus(LOOK_EVERY_MS))
    }

    fn wait(self, now: BootMillis, due: BootMillis) -> (Self, Vec<BeatEffect>) {
        let look = self.next_look(now, due.min(self.end));
        (Self { state: State::Waiting { due }, ..self }, vec![BeatEffect::WakeAt(look)])
    }

    fn over(self, effects: &[BeatEffect]) -> (Self, Vec<BeatEffect>) {
        (Self { state: State::Over, ..self }, effects.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: u64 = 1_200_000;

    fn first_reclaim(interval_ms: u64, life_ms: u64) -> u64 {
        let (mut beat, mut effects) = Heartbeat::start(interval_ms, BootMillis(life_ms), BootMillis(0));
        loop {
            let wake = effects.iter().find_map(|effect| match effect {
                BeatEffect::WakeAt(at) => Some(*at),
                _ => None,
            });
            let now = wake.expect("always wakes again");
            (beat, effects) = beat.on(now, Beat::Tick);
            if effects.iter().any(|effect| matches!(effect, BeatEffect::Reclaim { .. })) {
                return now.0;
            }
        }
    }

    #[test]
    fn renews_at_the_interval_or_at_a_safe_margin_before_the_end() {
        assert_eq!(first_reclaim(300_000, LIFE), 300_000);
        assert_eq!(first_reclaim(3_600_000, LIFE), LIFE - 180_000);
        assert_eq!(first_reclaim(300_000, 8_000), 4_000);
        assert_eq!(first_reclaim(300_000, 3), 1);
    }

    #[test]
    fn looks_at_the_claim_every_second() {
        let (_, effects) = Heartbeat::start(300_000, BootMillis(LIFE), BootMillis(0));
        assert_eq!(effects, [BeatEffect::WakeAt(BootMillis(1_000))]);
    }

    #[test]
    fn a_thaw_after_the_end_is_a_lost_claim() {
        let (beat, _) = Heartbeat::start(300_000, BootMillis(LIFE), BootMillis(0));
        let (beat, effects) = beat.on(BootMillis(LIFE), Beat::Tick);
        assert_eq!(effects, [BeatEffect::Lost(LossCause::Expired)]);
        assert_eq!(beat.on(BootMillis(LIFE + 1), Beat::Tick).1, []);
    }

    #[test]
    fn waits_longer_after_each_failure_but_never_more_than_a_quarter_of_what_is_left() {
        let failed = |retry_after_ms| Beat::Failed { class: RetryClass::Transient, retry_after_ms };
        let now = BootMillis(300_000);
        let waits = |end: u64, retry_after_ms, times: usize| {
            let (mut beat, _) = Heartbeat::start(300_000, BootMillis(end), BootMillis(0));
            beat = Heartbeat { state: State::Asking, ..beat };
            let mut waits = Vec::new();
            for _ in 0..times {
                beat = beat.on(now, failed(retry_after_ms)).0;
                let State::Waiting { due } = beat.state else { panic!("{beat:?}") };
                waits.push(now.until(due));
                beat = Heartbeat { state: State::Asking, ..beat };
            }
            waits
        };
        assert_eq!(waits(LIFE, None, 8), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(waits(LIFE, Some(1_500), 3), [1_500, 1_500, 2_000]);
        assert_eq!(waits(LIFE, Some(10_000_000), 1), [(LIFE - 300_000) / 4]);
        assert_eq!(waits(300_000 + 6_000, None, 4), [500, 1_000, 1_500, 1_500]);
        assert_eq!(waits(300_000 + 10, None, 2), [100, 100]);
    }

    #[test]
    fn after_a_renewal_failures_count_anew() {
        let (mut beat, _) = Heartbeat::start(300_000, BootMillis(LIFE), BootMillis(0));
        let now = BootMillis(300_000);
        let failed = Beat::Failed { class: RetryClass::Transient, retry_after_ms: None };
        let first_wait = |beat: &Heartbeat| {
            let asking = Heartbeat { state: State::Asking, ..beat.clone() };
            let (failed, _) = asking.on(now, failed);
            let State::Waiting { due } = failed.state else { panic!("{failed:?}") };
            (failed, now.until(due))
        };
        for wait in [500, 1_000, 2_000] {
            let (next, waited) = first_wait(&beat);
            assert_eq!(waited, wait);
            beat = next;
        }
        let (renewed, _) = beat.on(now, Beat::Renewed { end: BootMillis(2 * LIFE) });
        assert_eq!(first_wait(&renewed).1, 500);
    }

    #[test]
    fn an_answer_that_renews_nothing_changes_nothing() {
        let (beat, _) = Heartbeat::start(300_000, BootMillis(LIFE), BootMillis(0));
        let (asking, _) = beat.on(BootMillis(300_000), Beat::Tick);
        for (end, effects) in [(300_001, 1), (300_002, 1), (0, 1)] {
            let (beat, found) =
                asking.clone().on(BootMillis(300_001), Beat::Renewed { end: BootMillis(end) });
            assert_eq!(found.len(), effects);
            let (_, effects) = beat.on(BootMillis(LIFE - 1), Beat::Tick);
            let lost = effects.contains(&BeatEffect::Lost(LossCause::Expired));
            assert_eq!(lost, end == 300_002, "{end}");
        }
    }

    #[test]
    fn a_refusal_is_a_lost_claim_and_everything_else_is_tried_until_the_end() {
        for class in [RetryClass::Fatal, RetryClass::Transient] {
            let (mut beat, _) = Heartbeat::start(300_000, BootMillis(LIFE), BootMillis(0));
            let mut now = BootMillis(300_000);
            let mut asked = 0;
            let lost = loop {
                let (next, effects) = beat.on(now, Beat::Tick);
                beat = next;
                let mut wake = None;
                for effect in effects {
                    match effect {
                        BeatEffect::Reclaim { give_up_at } => {
                            assert_eq!(give_up_at, BootMillis(LIFE));
                            asked += 1;
                            let (next, effects) =
                                beat.clone().on(now, Beat::Failed { class, retry_after_ms: None });
                            beat = next;
                            wake = effects.iter().find_map(|effect| match effect {
                                BeatEffect::WakeAt(at) => Some(*at),
                                _ => None,
                            });
                        }
                        BeatEffect::WakeAt(at) => wake = wake.or(Some(at)),
                        BeatEffect::Lost(cause) => {
                            wake = None;
                            assert_eq!(cause, LossCause::Expired);
                        }
                    }
                }
                match wake {
                    Some(at) => now = at.max(now),
                    None => break now,
                }
            };
            assert_eq!(lost, BootMillis(LIFE), "{class:?}: given up exactly at the end");
            assert!(asked > 25, "{class:?}: asked {asked} times in 15 minutes");
        }
        let (beat, _) = Heartbeat::start(300_000, BootMillis(LIFE), BootMillis(0));
        let (beat, _) = beat.on(BootMillis(300_000), Beat::Tick);
        let refused = Beat::Failed { class: RetryClass::Refused, retry_after_ms: None };
        assert_eq!(beat.on(BootMillis(300_001), refused).1, [BeatEffect::Lost(LossCause::Refused)]);
    }

    #[test]
    fn a_long_retry_after_never_eats_the_claim() {
        let (beat, _) = Heartbeat::start(1_000, BootMillis(20_000), BootMillis(0));
        let (beat, _) = beat.on(BootMillis(1_000), Beat::Tick);
        let late = Beat::Failed { class: RetryClass::Transient, retry_after_ms: Some(3_600_000) };
        let (beat, _) = beat.on(BootMillis(1_000), late);
        let (_, effects) = beat.on(BootMillis(5_750), Beat::Tick);
        assert!(effects.contains(&BeatEffect::Reclaim { give_up_at: BootMillis(20_000) }));
    }

    #[test]
    fn a_renewal_that_comes_late_still_counts() {
        let (beat, _) = Heartbeat::start(1_000, BootMillis(5_000), BootMillis(0));
        let (beat, _) = beat.on(BootMillis(1_000), Beat::Tick);
        let (beat, effects) = beat.on(BootMillis(6_000), Beat::Renewed { end: BootMillis(30_000) });
        assert_eq!(beat.end(), BootMillis(30_000));
        assert_eq!(effects, [BeatEffect::WakeAt(BootMillis(7_000))]);
    }

    #[test]
    fn time_left_comes_from_the_answer_alone() {
        let date = |text| UnixMillis::parse(text).unwrap();
        assert_eq!(time_left_ms(date("2026-01-01T00:20:00Z"), date("2026-01-01T00:00:00Z")), LIFE);
        assert_eq!(time_left_ms(date("2026-01-01T00:00:00Z"), date("2026-01-01T00:20:00Z")), 0);
    }
}
