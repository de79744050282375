//! Which ends of a script leave something to attest (design.md 3).

use super::{Policy, ScriptEnd, StopCause};

/// An end of the script after which it can be attested what it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It left by itself, whatever its exit code, or a signal ended it that did not come from us.
    Natural,
    /// It ran as long as it may, and was ended.
    TimeLimit,
}

impl Ending {
    /// The ending of a script that was told to end for `stop`, if it was. Nothing is attested after a shutdown, a lost
    /// claim or a fault of ours, nor for a script that never started or whose end nobody saw.
    pub(super) fn of(stop: Option<StopCause>, end: ScriptEnd) -> Option<Self> {
        match (end, stop) {
            (ScriptEnd::Exited { by_itself: true, .. }, _) | (ScriptEnd::Exited { .. }, None) => {
                Some(Self::Natural)
            }
            (ScriptEnd::Exited { by_itself: false, .. }, Some(StopCause::TimeLimit)) => Some(Self::TimeLimit),
            (
                ScriptEnd::Exited { by_itself: false, .. },
                Some(StopCause::Shutdown | StopCause::ClaimLost | StopCause::WorkerFault),
            )
            | (ScriptEnd::NotStarted | ScriptEnd::Deadline | ScriptEnd::Unknown, _) => None,
        }
    }
}

impl Policy {
    /// Whether what the script made is attested after this ending: after a time-out under the classic scheme only.
    pub(super) fn attests(self, ending: Ending) -> bool {
        match ending {
            Ending::Natural => self.attest,
            Ending::TimeLimit => self.attest && self.attest_time_outs,
        }
    }
}
