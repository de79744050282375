//! The status of a task, and what reaches the queue (worker.md 1; design.md 3).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How a phase of a run, or the whole run, ended. The order is the numeric one: the worst wins.
///
/// Number 6 (`superseded`) has no place here: today's queue refuses it, so a script's 6 becomes
/// [`TaskStatus::InternalError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskStatus {
    /// 0: everything went well.
    Success,
    /// 1: the task itself failed.
    Failure,
    /// 2: the worker had to go; the queue makes a new run.
    WorkerShutdown,
    /// 3: the task can never be run as it is written, or its chain of trust was refused.
    MalformedPayload,
    /// 4: something outside was not to be had.
    ResourceUnavailable,
    /// 5: the worker itself failed.
    InternalError,
    /// 7: try again; the queue makes a new run.
    IntermittentTask,
}

/// Why a run is reported as an exception: exactly the reasons that the queue's schema accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExceptionReason {
    /// The worker had to go.
    WorkerShutdown,
    /// The payload cannot be run.
    MalformedPayload,
    /// Something outside was not to be had.
    ResourceUnavailable,
    /// The worker itself failed.
    InternalError,
    /// Try again.
    IntermittentTask,
}

/// The one call that resolves a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// `reportCompleted`.
    Completed,
    /// `reportFailed`.
    Failed,
    /// `reportException` with its reason.
    Exception(ExceptionReason),
}

impl ExceptionReason {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkerShutdown => "worker-shutdown",
            Self::MalformedPayload => "malformed-payload",
            Self::ResourceUnavailable => "resource-unavailable",
            Self::InternalError => "internal-error",
            Self::IntermittentTask => "intermittent-task",
        }
    }

    /// Reads a name as configurations write it. `superseded`, which the queue no longer accepts, becomes
    /// [`ExceptionReason::InternalError`] (design.md 3); anything else unknown is `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "worker-shutdown" => Self::WorkerShutdown,
            "malformed-payload" => Self::MalformedPayload,
            "resource-unavailable" => Self::ResourceUnavailable,
            "internal-error" | "superseded" => Self::InternalError,
            "intermittent-task" => Self::IntermittentTask,
            _ => return None,
        })
    }

    /// The status that is reported with this reason.
    pub fn status(self) -> TaskStatus {
        match self {
            Self::WorkerShutdown => TaskStatus::WorkerShutdown,
            Self::MalformedPayload => TaskStatus::MalformedPayload,
            Self::ResourceUnavailable => TaskStatus::ResourceUnavailable,
            Self::InternalError => TaskStatus::InternalError,
            Self::IntermittentTask => TaskStatus::IntermittentTask,
        }
    }
}

impl TaskStatus {
    /// Every status, in order.
    pub const ALL: [Self; 7] = [
        Self::Success,
        Self::Failure,
        Self::WorkerShutdown,
        Self::MalformedPayload,
        Self::ResourceUnavailable,
        Self::InternalError,
        Self::IntermittentTask,
    ];

    /// The number that operators and scripts know it by.
    pub fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::WorkerShutdown => 2,
            Self::MalformedPayload => 3,
            Self::ResourceUnavailable => 4,
            Self::InternalError => 5,
            Self::IntermittentTask => 7,
        }
    }

    /// The status of a number from 0 to 7; 6 (`superseded`) becomes 5.
    pub fn from_number(number: i64) -> Option<Self> {
        match number {
            6 => Some(Self::InternalError),
            _ => Self::ALL.into_iter().find(|status| i64::from(status.number()) == number),
        }
    }

    /// The name that operators and scripts know it by.
    pub fn name(self) -> &'static str {
        match self.report() {
            Report::Completed => "success",
            Report::Failed => "failure",
            Report::Exception(reason) => reason.name(),
        }
    }

    /// The worse of two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }

    /// Which call reports it (worker.md 1.1, the current rule).
    pub fn report(self) -> Report {
        match self {
            Self::Success => Report::Completed,
            Self::Failure => Report::Failed,
            Self::WorkerShutdown => Report::Exception(ExceptionReason::WorkerShutdown),
            Self::MalformedPayload => Report::Exception(ExceptionReason::MalformedPayload),
            Self::ResourceUnavailable => Report::Exception(ExceptionReason::ResourceUnavailable),
            Self::InternalError => Report::Exception(ExceptionReason::InternalError),
            Self::IntermittentTask => Report::Exception(ExceptionReason::IntermittentTask),
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}

/// How the script's process ended, decoded from its raw wait status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScriptExit {
    /// It left with this code (0 to 255).
    Code(u8),
    /// This signal ended it.
    Signal(u8),
}

impl ScriptExit {
    /// Decodes the number that `waitpid` gave (POSIX: low seven bits the signal, else the code in the next byte).
    pub fn from_wait_status(raw: i32) -> Self {
        let [low, code, ..] = raw.to_le_bytes();
        match low & 0x7f {
            0 => Self::Code(code),
            signal => Self::Signal(signal),
        }
    }

    /// The last line of every task log, as Treeherder parses it (worker.md 7.4).
    pub fn last_log_line(self) -> String {
        match self {
            Self::Code(code) => format!("exit code: {code}"),
            Self::Signal(signal) => format!("Automation Error: python exited with signal -{signal}"),
        }
    }
}

/// Exit codes of scripts that mean something else than their number: configuration key `reversed_statuses`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExitCodes(BTreeMap<i64, ExceptionReason>);

impl Default for ExitCodes {
    /// 245 and 241 are what a shell shows for a child killed by SIGSEGV or SIGTERM; scripts pass them on on purpose.
    fn default() -> Self {
        Self(BTreeMap::from([
            (245, ExceptionReason::IntermittentTask),
            (241, ExceptionReason::IntermittentTask),
        ]))
    }
}

impl ExitCodes {
    /// A table from the configuration.
    pub fn new(table: BTreeMap<i64, ExceptionReason>) -> Self {
        Self(table)
    }

    /// The status of a script that ended by itself: `reversed_statuses` first, then 0 to 7 (6 becomes 5), any
    /// other code 1, a signal 1 (design.md 3).
    pub fn status_of(&self, exit: ScriptExit) -> TaskStatus {
        match exit {
            ScriptExit::Signal(_) => TaskStatus::Failure,
            ScriptExit::Code(code) => match self.0.get(&i64::from(code)) {
                Some(reason) => reason.status(),
                None => TaskStatus::from_number(i64::from(code)).unwrap_or(TaskStatus::Failure),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_has_its_status() {
        let codes = ExitCodes::default();
        for code in 0..=255u8 {
            let expected = match code {
                0 => TaskStatus::Success,
                2 => TaskStatus::WorkerShutdown,
                3 => TaskStatus::MalformedPayload,
                4 => TaskStatus::ResourceUnavailable,
                5 | 6 => TaskStatus::InternalError,
                7 | 241 | 245 => TaskStatus::IntermittentTask,
                _ => TaskStatus::Failure,
            };
            assert_eq!(codes.status_of(ScriptExit::Code(code)), expected, "exit code {code}");
        }
    }

    #[test]
    fn every_signal_is_a_failure_with_or_without_a_core() {
        let codes = ExitCodes::default();
        for signal in 1..=64u8 {
            for core in [0, 0x80] {
                let exit = ScriptExit::from_wait_status(i32::from(signal) | core);
                assert_eq!(exit, ScriptExit::Signal(signal));
                assert_eq!(codes.status_of(exit), TaskStatus::Failure);
                assert_eq!(
                    exit.last_log_line(),
                    format!("Automation Error: python exited with signal -{signal}")
                );
            }
        }
        assert_eq!(ScriptExit::from_wait_status(5 << 8), ScriptExit::Code(5));
        assert_eq!(ScriptExit::Code(5).last_log_line(), "exit code: 5");
    }

    #[test]
    fn the_configured_table_wins_over_the_numbers() {
        let codes = ExitCodes::new(BTreeMap::from([(1, ExceptionReason::ResourceUnavailable)]));
        assert_eq!(codes.status_of(ScriptExit::Code(1)), TaskStatus::ResourceUnavailable);
        assert_eq!(codes.status_of(ScriptExit::Code(245)), TaskStatus::Failure);
    }

    #[test]
    fn superseded_is_never_sent() {
        assert_eq!(TaskStatus::from_number(6), Some(TaskStatus::InternalError));
        assert_eq!(ExceptionReason::from_name("superseded"), Some(ExceptionReason::InternalError));
        assert_eq!(TaskStatus::from_number(8), None);
        assert_eq!(TaskStatus::from_number(-1), None);
    }

    #[test]
    fn names_and_reports_agree() {
        for status in TaskStatus::ALL {
            match status.report() {
                Report::Completed => assert_eq!(status, TaskStatus::Success),
                Report::Failed => assert_eq!(status, TaskStatus::Failure),
                Report::Exception(reason) => {
                    assert_eq!(reason.status(), status);
                    assert_eq!(ExceptionReason::from_name(reason.name()), Some(reason));
                    assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
                }
            }
            assert_eq!(TaskStatus::from_number(i64::from(status.number())), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }

    #[test]
    fn the_worst_is_the_numeric_maximum() {
        for a in TaskStatus::ALL {
            for b in TaskStatus::ALL {
                assert_eq!(a.worst(b).number(), a.number().max(b.number()));
            }
        }
    }
}
