//! When the worker leaves, and with which exit code (worker.md 10; production-contract.md 1).

use super::Resolution;
use crate::time::BootMillis;

/// From the second SIGTERM to the end of the process: kill and report must be through by then.
pub const HALT_BUDGET_MS: u64 = 2_000;

/// The exit code of an orderly end: nothing claimed is left behind.
pub const EXIT_DONE: u8 = 0;
/// The exit code when a claimed run could be neither reported nor was already lost.
pub const EXIT_RUN_LEFT: u8 = 3;

/// The life of the process, as a pure reducer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lifecycle {
    shutdown_timeout_ms: u64,
    mode: Mode,
    run: Hand,
    /// Work is asked for, or may be at any moment: an answer on its way may hold a run.
    claiming: bool,
    /// Claimed runs that are being given back without ever having been in hand.
    giving_back: u32,
    /// A claimed run was lost while leaving: neither reported nor taken from us.
    lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mode {
    Serving,
    /// SIGUSR1: finish what is in hand, take no more.
    Draining,
    /// First SIGTERM.
    Stopping {
        halt_at: BootMillis,
    },
    /// Second SIGTERM, or the orderly end took too long.
    Halting {
        leave_at: BootMillis,
    },
    Left,
}

/// The run in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hand {
    Empty,
    Open,
    /// The queue knows, or the claim is gone; only clean-up is left.
    Settled,
    /// It could not be reported; only clean-up is left.
    Unsettled,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGUSR1.
    Drain,
    /// No `claimWork` is on its way, and none will be sent any more: the answer to [`LifeEffect::StopClaiming`].
    ClaimingEnded,
    /// `claimWork` gave us a run that is not worked on: the queue is being told.
    GivingBack,
    /// That ended: the run is no longer ours (`true`), or it could not be reported and will expire.
    GaveBack(bool),
    /// `claimWork` gave us a run.
    RunBegan,
    /// The queue and the worker parted over the run.
    RunSettled(Resolution),
    /// The run is cleaned up after.
    RunFinished,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LifeEffect {
    /// Take no more work, and say [`Life::ClaimingEnded`] once that is so.
    StopClaiming,
    /// Tell the run: stop in an orderly way.
    AskRunToStop,
    /// Tell the run: kill and report.
    HaltRun,
    /// Send [`Life::Tick`] at this time.
    WakeAt(BootMillis),
    /// End the process with this code.
    Exit(u8),
}

impl Lifecycle {
    /// A worker that serves; `shutdown_timeout_ms` bounds an orderly end.
    pub fn new(shutdown_timeout_ms: u64) -> Self {
        let (mode, run) = (Mode::Serving, Hand::Empty);
        Self { shutdown_timeout_ms, mode, run, claiming: true, giving_back: 0, lost: false }
    }

    /// Whether a run that is claimed now must be given back.
    pub fn gives_back(&self) -> bool {
        matches!(self.mode, Mode::Stopping { .. } | Mode::Halting { .. } | Mode::Left)
    }

    /// Whether new work is taken.
    pub fn serves(&self) -> bool {
        self.mode == Mode::Serving
    }

    /// When the process ends at the latest, once it was told to leave.
    pub fn deadline(&self) -> Option<BootMillis> {
        match self.mode {
            Mode::Serving | Mode::Draining | Mode::Left => None,
            Mode::Stopping { halt_at } => Some(halt_at.plus(HALT_BUDGET_MS)),
            Mode::Halting { leave_at } => Some(leave_at),
        }
    }

    /// What follows from an event that is handled at `now`.
    #[must_use]
    pub fn on(mut self, now: BootMillis, life: Life) -> (Self, Vec<LifeEffect>) {
        let mut effects = Vec::new();
        match life {
            Life::ClaimingEnded => self.claiming = false,
            Life::GivingBack => self.giving_back = self.giving_back.saturating_add(1),
            Life::GaveBack(reported) => {
                self.giving_back = self.giving_back.saturating_sub(1);
                // what was lost before does not colour the exit
                self.lost |= !reported && self.mode != Mode::Serving;
            }
            Life::RunBegan => self.run = Hand::Open,
            Life::RunSettled(Resolution::Unresolved) => self.run = Hand::Unsettled,
            Life::RunSettled(_) => self.run = Hand::Settled,
            Life::RunFinished => {
                self.lost |= self.run == Hand::Unsettled && self.mode != Mode::Serving;
                self.run = Hand::Empty;
            }
            Life::Terminate => self.terminate(now, &mut effects),
            Life::Drain if self.mode == Mode::Serving => {
                self.mode = Mode::Draining;
                effects.push(LifeEffect::StopClaiming);
            }
            Life::Drain => {}
            Life::Tick => match self.mode {
                Mode::Stopping { halt_at } if now >= halt_at => self.halt(now, &mut effects),
                _ => {}
            },
        }
        self.leave_if_done(now, &mut effects);
        (self, effects)
    }

    fn terminate(&mut self, now: BootMillis, effects: &mut Vec<LifeEffect>) {
        match self.mode {
            Mode::Serving | Mode::Draining => {
                let halt_at = now.plus(self.shutdown_timeout_ms.saturating_sub(HALT_BUDGET_MS));
                self.mode = Mode::Stopping { halt_at };
                effects.extend([
                    LifeEffect::StopClaiming,
                    LifeEffect::AskRunToStop,
                    LifeEffect::WakeAt(halt_at),
                ]);
            }
            Mode::Stopping { .. } => self.halt(now, effects),
            Mode::Halting { .. } | Mode::Left => {}
        }
    }

    fn halt(&mut self, now: BootMillis, effects: &mut Vec<LifeEffect>) {
        let leave_at = now.plus(HALT_BUDGET_MS);
        self.mode = Mode::Halting { leave_at };
        effects.extend([LifeEffect::HaltRun, LifeEffect::WakeAt(leave_at)]);
    }

    fn leave_if_done(&mut self, now: BootMillis, effects: &mut Vec<LifeEffect>) {
        let nothing_open = !self.claiming && self.giving_back == 0 && self.run == Hand::Empty;
        let code = match self.mode {
            Mode::Serving | Mode::Left => None,
            _ if nothing_open && !self.lost => Some(EXIT_DONE),
            _ if nothing_open => Some(EXIT_RUN_LEFT),
            // only our own house is not in order: the queue knows of everything that we were given
            Mode::Halting { leave_at }
                if now >= leave_at && self.run == Hand::Settled && self.giving_back == 0 && !self.lost =>
            {
                Some(EXIT_DONE)
            }
            Mode::Halting { leave_at } if now >= leave_at => Some(EXIT_RUN_LEFT),
            _ => None,
        };
        if let Some(code) = code {
            self.mode = Mode::Left;
            effects.push(LifeEffect::Exit(code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{LossCause, Report};

    const NOW: BootMillis = BootMillis(5_000);
    const RESOLVED: Life = Life::RunSettled(Resolution::Resolved(Report::Failed));

    fn after(lives: &[Life]) -> (Lifecycle, Vec<LifeEffect>) {
        lives.iter().fold((Lifecycle::new(120_000), Vec::new()), |(life, _), event| life.on(NOW, *event))
    }

    fn exit_of(lives: &[Life]) -> Option<u8> {
        after(lives).1.into_iter().find_map(|effect| match effect {
            LifeEffect::Exit(code) => Some(code),
            _ => None,
        })
    }

    #[test]
    fn an_idle_worker_leaves_as_soon_as_no_answer_can_hold_a_run() {
        for signal in [Life::Terminate, Life::Drain] {
            assert_eq!(exit_of(&[signal]), None, "a question may be on its way");
            assert_eq!(exit_of(&[signal, Life::ClaimingEnded]), Some(0));
            assert_eq!(exit_of(&[signal, Life::RunBegan]), None);
            assert_eq!(exit_of(&[signal, Life::RunBegan, RESOLVED, Life::RunFinished]), None);
            let lives = [signal, Life::RunBegan, RESOLVED, Life::RunFinished, Life::ClaimingEnded];
            assert_eq!(exit_of(&lives), Some(0));
        }
    }

    #[test]
    fn a_run_in_hand_is_finished_although_claiming_has_ended() {
        let lives = [Life::RunBegan, Life::Drain, Life::ClaimingEnded];
        assert_eq!(exit_of(&lives), None);
        assert_eq!(exit_of(&[&lives[..], &[RESOLVED, Life::RunFinished]].concat()), Some(0));
    }

    #[test]
    fn the_exit_code_tells_whether_the_run_was_left() {
        let begun = [Life::RunBegan, Life::Terminate, Life::ClaimingEnded];
        for (resolution, code) in [
            (Resolution::Resolved(Report::Completed), EXIT_DONE),
            (Resolution::ClaimLost(LossCause::Refused), EXIT_DONE),
            (Resolution::ClaimLost(LossCause::Expired), EXIT_DONE),
            (Resolution::Unresolved, EXIT_RUN_LEFT),
        ] {
            let lives = [&begun[..], &[Life::RunSettled(resolution), Life::RunFinished]].concat();
            assert_eq!(exit_of(&lives), Some(code), "{resolution:?}");
        }
    }

    #[test]
    fn a_run_lost_long_before_does_not_colour_the_exit() {
        let lost = [Life::RunBegan, Life::RunSettled(Resolution::Unresolved), Life::RunFinished];
        assert_eq!(exit_of(&lost), None);
        assert_eq!(exit_of(&[&lost[..], &[Life::Terminate, Life::ClaimingEnded]].concat()), Some(EXIT_DONE));
    }

    #[test]
    fn the_second_signal_and_the_spent_budget_halt() {
        let (life, effects) = after(&[Life::RunBegan, Life::Terminate]);
        let halt_at = NOW.plus(118_000);
        assert_eq!(
            effects,
            [LifeEffect::StopClaiming, LifeEffect::AskRunToStop, LifeEffect::WakeAt(halt_at)]
        );
        assert_eq!(life.deadline(), Some(NOW.plus(120_000)));
        assert!(life.gives_back());
        let (_, spent) = life.clone().on(halt_at, Life::Tick);
        assert_eq!(spent, [LifeEffect::HaltRun, LifeEffect::WakeAt(NOW.plus(120_000))]);
        let (halting, second) = life.on(NOW, Life::Terminate);
        assert_eq!(second, [LifeEffect::HaltRun, LifeEffect::WakeAt(NOW.plus(2_000))]);
        assert_eq!(halting.clone().on(NOW.plus(2_000), Life::Tick).1, [LifeEffect::Exit(EXIT_RUN_LEFT)]);
        let (settled, _) = halting.on(NOW.plus(100), RESOLVED);
        assert_eq!(settled.on(NOW.plus(2_000), Life::Tick).1, [LifeEffect::Exit(EXIT_DONE)]);
    }

    #[test]
    fn a_run_that_is_given_back_is_waited_for_and_its_loss_is_owned_up_to() {
        for signal in [Life::Terminate, Life::Drain] {
            let open = [signal, Life::GivingBack, Life::GivingBack, Life::ClaimingEnded];
            assert_eq!(exit_of(&open), None);
            let one = [&open[..], &[Life::GaveBack(true)]].concat();
            assert_eq!(exit_of(&one), None, "the other one is open");
            assert_eq!(exit_of(&[&one[..], &[Life::GaveBack(true)]].concat()), Some(EXIT_DONE));
            assert_eq!(exit_of(&[&one[..], &[Life::GaveBack(false)]].concat()), Some(EXIT_RUN_LEFT));
            // beside a run in hand that ends well
            let kept = [Life::GivingBack, Life::RunBegan, signal, RESOLVED, Life::RunFinished];
            let kept = [&kept[..], &[Life::ClaimingEnded]].concat();
            assert_eq!(exit_of(&kept), None);
            assert_eq!(exit_of(&[&kept[..], &[Life::GaveBack(false)]].concat()), Some(EXIT_RUN_LEFT));
        }
        let before = [Life::GivingBack, Life::GaveBack(false), Life::Terminate, Life::ClaimingEnded];
        assert_eq!(exit_of(&before), Some(EXIT_DONE), "lost long before");
        let (life, _) =
            after(&[Life::GivingBack, Life::RunBegan, Life::Terminate, Life::Terminate, RESOLVED]);
        let exit = [LifeEffect::Exit(EXIT_RUN_LEFT)];
        assert_eq!(life.on(NOW.plus(HALT_BUDGET_MS), Life::Tick).1, exit, "its time is up");
    }

    #[test]
    fn a_third_signal_and_repeated_drains_change_nothing() {
        let begun = [Life::RunBegan];
        let (_, effects) = after(&[&begun[..], &[Life::Drain, Life::Drain]].concat());
        assert_eq!(effects, []);
        let (_, effects) =
            after(&[&begun[..], &[Life::Terminate, Life::Terminate, Life::Terminate]].concat());
        assert_eq!(effects, []);
    }

    #[test]
    fn who_serves_takes_work_and_who_was_stopped_gives_it_back() {
        for (lives, serves, gives_back) in [
            (&[][..], true, false),
            (&[Life::Drain], false, false),
            (&[Life::Terminate], false, true),
            (&[Life::Drain, Life::Terminate], false, true),
            (&[Life::Terminate, Life::Terminate], false, true),
            (&[Life::Terminate, Life::ClaimingEnded], false, true),
        ] {
            let (life, _) = after(lives);
            assert_eq!((life.serves(), life.gives_back()), (serves, gives_back), "{lives:?}");
        }
        let (stopping, _) = after(&[Life::RunBegan, Life::Terminate]);
        assert_eq!(stopping.on(NOW.plus(117_999), Life::Tick).1, [], "not yet");
    }

    #[test]
    fn a_drain_turns_into_a_stop_on_sigterm() {
        let (_, effects) = after(&[Life::RunBegan, Life::Drain, Life::Terminate]);
        assert!(effects.contains(&LifeEffect::AskRunToStop));
    }

    #[test]
    fn a_claim_that_never_answers_may_hide_a_run() {
        let (life, _) = after(&[Life::Terminate, Life::Terminate]);
        assert_eq!(life.on(NOW.plus(2_000), Life::Tick).1, [LifeEffect::Exit(EXIT_RUN_LEFT)]);
    }
}
