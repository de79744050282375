//! When to ask for work (worker.md 3 and 4; invariant I7).

use crate::retry::Backoff;
use crate::time::BootMillis;

/// No wait between two polls is longer than this, however often the queue failed us.
const LONGEST_WAIT_MS: u64 = 120_000;

/// The loop that asks for work, as a pure reducer: one question at a time, none while a run is in hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimLoop {
    poll_interval_ms: u64,
    state: State,
    stopping: bool,
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Waiting,
    Asking,
    Busy,
    Stopped,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Poll {
    /// The time to wake has come.
    Wake,
    /// `claimWork` gave us a run.
    Claimed,
    /// `claimWork` had nothing for us.
    Nothing,
    /// `claimWork` failed.
    Failed {
        /// What the queue asked us to wait, if it did.
        retry_after_ms: Option<u64>,
        /// A random number for the jitter.
        random: u32,
    },
    /// The run in hand is over and cleaned up after.
    RunFinished,
    /// Take no more work.
    Stop,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PollEffect {
    /// Call `claimWork`.
    Ask,
    /// Send [`Poll::Wake`] at this time.
    WakeAt(BootMillis),
    /// No question is open and none will be asked.
    Stopped,
}

impl ClaimLoop {
    /// The loop at start: asks at once.
    pub fn start(poll_interval_ms: u64) -> (Self, Vec<PollEffect>) {
        (Self { poll_interval_ms, state: State::Asking, stopping: false, failures: 0 }, vec![PollEffect::Ask])
    }

    /// Whether a `claimWork` is on its way: its answer may hold a run even if we are leaving.
    pub fn is_asking(&self) -> bool {
        self.state == State::Asking
    }

    /// What follows from an event that is handled at `now`.
    #[must_use]
    pub fn on(mut self, now: BootMillis, poll: Poll) -> (Self, Vec<PollEffect>) {
        match (self.state, poll) {
            (State::Stopped, _) => (self, Vec::new()),
            (State::Waiting, Poll::Stop) => self.stop(),
            (_, Poll::Stop) => {
                self.stopping = true;
                (self, Vec::new())
            }
            (State::Waiting, Poll::Wake) => self.ask(),
            (State::Asking, Poll::Claimed) => {
                self.failures = 0;
                self.state = State::Busy;
                (self, Vec::new())
            }
            (State::Asking, Poll::Nothing | Poll::Failed { .. }) if self.stopping => self.stop(),
            (State::Asking, Poll::Nothing) => {
                self.failures = 0;
                let wait = self.poll_interval_ms;
                self.wait(now.plus(wait))
            }
            (State::Asking, Poll::Failed { retry_after_ms, random }) => {
                self.failures = self.failures.saturating_add(1);
                let backoff = Backoff {
                    base_ms: self.poll_interval_ms.max(100),
                    max_ms: LONGEST_WAIT_MS.max(self.poll_interval_ms),
                    jitter_percent: 25,
                };
                let asked = retry_after_ms.unwrap_or(0).min(10 * LONGEST_WAIT_MS);
                let wait = backoff.wait_ms(self.failures, random).max(asked);
                self.wait(now.plus(wait))
            }
            (State::Busy, Poll::RunFinished) if self.stopping => self.stop(),
            (State::Busy, Poll::RunFinished) => self.ask(),
            // late or doubled
            (_, Poll::Wake | Poll::Claimed | Poll::Nothing | Poll::Failed { .. } | Poll::RunFinished) => {
                (self, Vec::new())
            }
        }
    }

    fn ask(mut self) -> (Self, Vec<PollEffect>) {
        self.state = State::Asking;
        (self, vec![PollEffect::Ask])
    }

    fn wait(mut self, at: BootMillis) -> (Self, Vec<PollEffect>) {
        self.state = State::Waiting;
        (self, vec![PollEffect::WakeAt(at)])
    }

    fn stop(mut self) -> (Self, Vec<PollEffect>) {
        self.state = State::Stopped;
        (self, vec![PollEffect::Stopped])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: BootMillis = BootMillis(1_000_000);

    fn after(polls: &[Poll]) -> (ClaimLoop, Vec<PollEffect>) {
        polls.iter().fold(ClaimLoop::start(10_000), |(claims, _), poll| claims.on(NOW, *poll))
    }

    #[test]
    fn waits_one_interval_when_there_is_nothing_and_none_after_a_run() {
        assert_eq!(after(&[Poll::Nothing]).1, [PollEffect::WakeAt(NOW.plus(10_000))]);
        assert_eq!(after(&[Poll::Nothing, Poll::Wake]).1, [PollEffect::Ask]);
        assert_eq!(after(&[Poll::Claimed]).1, []);
        assert_eq!(after(&[Poll::Claimed, Poll::RunFinished]).1, [PollEffect::Ask]);
    }

    #[test]
    fn never_asks_while_a_run_is_in_hand() {
        assert_eq!(after(&[Poll::Claimed, Poll::Wake]).1, []);
        assert_eq!(after(&[Poll::Claimed, Poll::Nothing]).1, []);
    }

    #[test]
    fn backs_off_while_the_queue_fails_and_honours_retry_after() {
        let failed = Poll::Failed { retry_after_ms: None, random: 0 };
        assert_eq!(after(&[failed]).1, [PollEffect::WakeAt(NOW.plus(10_000))]);
        assert_eq!(after(&[failed, Poll::Wake, failed]).1, [PollEffect::WakeAt(NOW.plus(20_000))]);
        let many: Vec<Poll> =
            std::iter::repeat_n([failed, Poll::Wake], 40).flatten().chain([failed]).collect();
        assert_eq!(after(&many).1, [PollEffect::WakeAt(NOW.plus(120_000))]);
        let told = Poll::Failed { retry_after_ms: Some(60_000), random: 0 };
        assert_eq!(after(&[told]).1, [PollEffect::WakeAt(NOW.plus(60_000))]);
        let too_long = Poll::Failed { retry_after_ms: Some(u64::MAX), random: 0 };
        assert_eq!(after(&[too_long]).1, [PollEffect::WakeAt(NOW.plus(1_200_000))]);
        let (claims, _) = after(&[failed, Poll::Wake, Poll::Nothing, Poll::Wake]);
        assert_eq!(claims.on(NOW, failed).1, [PollEffect::WakeAt(NOW.plus(10_000))], "success resets it");
    }

    #[test]
    fn stops_only_when_no_question_is_open() {
        assert_eq!(after(&[Poll::Nothing, Poll::Stop]).1, [PollEffect::Stopped]);
        assert_eq!(after(&[Poll::Stop]).1, []);
        assert!(after(&[Poll::Stop]).0.is_asking());
        assert_eq!(after(&[Poll::Stop, Poll::Nothing]).1, [PollEffect::Stopped]);
        assert_eq!(after(&[Poll::Stop, Poll::Claimed]).1, [], "the run that came is handled first");
        assert_eq!(after(&[Poll::Stop, Poll::Claimed, Poll::RunFinished]).1, [PollEffect::Stopped]);
        assert_eq!(after(&[Poll::Claimed, Poll::Stop, Poll::RunFinished]).1, [PollEffect::Stopped]);
        assert_eq!(after(&[Poll::Nothing, Poll::Stop, Poll::Wake]).1, []);
    }
}
