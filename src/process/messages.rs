//! What worker and guardian say to each other: one JSON value a line.
//!
//! Both ends are the same binary, so there is no version to negotiate.

use nix::errno::Errno;
use scriptworker_core::time::BootMillis;
use serde::{Deserialize, Serialize};
use std::ffi::CString;

/// From the worker. No `Debug`: [`Launch`] holds the script's environment.
#[derive(Serialize, Deserialize)]
pub(super) enum ToGuardian {
    /// The first message, and only that: what to run. The descriptor that comes with it, if one does, is the
    /// credentials file.
    Launch(Launch),
    /// End the script: the signals in turn to its process group, a grace after each, then SIGKILL to everything.
    /// Ignored when a stop is under way or the script has ended.
    Stop { signals: Vec<StopSignal>, grace_ms: u64 },
    /// SIGKILL to everything, now.
    Kill,
    /// The deadline is now this one.
    Deadline(BootMillis),
    /// Kill what is left and answer [`FromGuardian::Empty`].
    Sweep,
}

/// What to run.
#[derive(Serialize, Deserialize)]
pub(super) struct Launch {
    /// Program and arguments.
    pub(super) argv: Vec<CString>,
    /// The whole environment, as `NAME=value`.
    pub(super) env: Vec<CString>,
    /// When to kill it, whatever happens.
    pub(super) deadline: Option<BootMillis>,
}

/// From the guardian.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromGuardian {
    /// The script runs.
    Started { pid: u32 },
    /// The script could not be started.
    NotStarted(NotStarted),
    /// The script has ended; processes that it started may still be there, unless it was `alone`.
    Ended { raw: i32, by: Option<KilledBy>, alone: bool },
    /// The answer to [`ToGuardian::Sweep`]: how many processes could not be killed.
    Empty { survivors: u32 },
}

/// A signal that asks a script to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopSignal {
    /// SIGINT.
    Int,
    /// SIGTERM.
    Term,
}

/// That the guardian, and not the worker, ended the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KilledBy {
    /// The deadline passed.
    Deadline,
}

/// The script could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("start {program:?}: {reason} ({})", Errno::from_raw(*errno).desc())]
pub struct NotStarted {
    /// The program, as a path where one was found.
    pub program: String,
    /// What the kernel said.
    pub errno: i32,
    /// What that means here, and what to do.
    pub reason: StartFailure,
}

/// Why a program could not be started; the text says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum StartFailure {
    /// There is no such program.
    #[error("no such program: check `task_script`, and PATH if the name has no slash")]
    Missing,
    /// The program is there, but what its first line names is not.
    #[error("its interpreter {interpreter:?} does not exist: install it or correct the program's first line")]
    InterpreterMissing {
        /// The first word after `#!`.
        interpreter: String,
    },
    /// The program is there, has no `#!` line, and the system still says that a file is missing.
    #[error("the loader that it was linked for does not exist: use a program built for this system")]
    LoaderMissing,
    /// It may not be executed.
    #[error(
        "it may not be executed: give it execute permission, its directories search permission, and check for a `noexec` mount"
    )]
    NotExecutable,
    /// It is no program.
    #[error(
        "neither a program for this machine nor a script with a `#!` line: add the line that names its interpreter"
    )]
    NotAProgram,
    /// Arguments and environment are too long together.
    #[error("arguments and environment are too long: shorten them")]
    TooLong,
    /// Anything else.
    #[error("the system refused: see the error, then limits and free memory")]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_the_bytes() {
        let launch = ToGuardian::Launch(Launch {
            argv: vec![CString::new(b"a\n\xff".to_vec()).unwrap()],
            env: vec![CString::new("A=\r\n").unwrap()],
            deadline: Some(BootMillis(7)),
        });
        let line = serde_json::to_string(&launch).unwrap();
        assert!(!line.contains('\n'));
        let ToGuardian::Launch(back) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        assert_eq!(back.argv.first().unwrap().to_bytes(), b"a\n\xff");
    }

    #[test]
    fn a_failed_start_says_what_and_what_to_do() {
        let error = NotStarted {
            program: "/opt/script".to_owned(),
            errno: Errno::ENOENT as i32,
            reason: StartFailure::InterpreterMissing { interpreter: "/no/python".to_owned() },
        };
        assert_eq!(
            error.to_string(),
            "start \"/opt/script\": its interpreter \"/no/python\" does not exist: install it or correct the \
             program's first line (No such file or directory)"
        );
    }
}
