//! How a script says why it failed, and with which exit code.

use super::{ConfigError, LookupError, RuleError, SchemaError, SchemaViolations, TaskError, UpstreamError};
use super::{PayloadError, UrlRefused};
use crate::run::TaskStatus;
use std::error::Error;
use std::fmt;

/// The failure of a script: a cause, and the status that the run shall get from it.
///
/// The errors of this module convert into it with `?` and keep the status that the contract gives them; any other
/// error is wrapped by the function that is named for what it means to the task.
#[derive(Debug)]
pub struct ScriptError {
    status: TaskStatus,
    cause: Box<dyn Error + Send + Sync>,
}

impl ScriptError {
    /// A failure with any status. [`TaskStatus::Success`] is not one: it becomes [`TaskStatus::Failure`].
    pub fn new(status: TaskStatus, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { status: status.worst(TaskStatus::Failure), cause: cause.into() }
    }

    /// The task failed: exit code 1.
    pub fn failure(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(TaskStatus::Failure, cause)
    }

    /// The task is wrong as it is written: exit code 3.
    pub fn malformed_payload(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(TaskStatus::MalformedPayload, cause)
    }

    /// Something outside was not to be had: exit code 4.
    pub fn resource_unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(TaskStatus::ResourceUnavailable, cause)
    }

    /// The worker or this script is broken: exit code 5.
    pub fn internal_error(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(TaskStatus::InternalError, cause)
    }

    /// Another run may succeed; the queue makes one while retries are left: exit code 7.
    pub fn intermittent_task(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(TaskStatus::IntermittentTask, cause)
    }

    /// What the run shall become.
    pub fn status(&self) -> TaskStatus {
        self.status
    }

    /// The exit code that says so to the worker.
    pub fn exit_code(&self) -> u8 {
        self.status.number()
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for ScriptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

macro_rules! keeps_its_status {
    ($($error:ty),+) => { $(
        impl From<$error> for ScriptError {
            fn from(error: $error) -> Self {
                Self::new(error.status(), error)
            }
        }
    )+ };
}

keeps_its_status!(
    ConfigError,
    RuleError,
    SchemaError,
    SchemaViolations,
    TaskError,
    PayloadError,
    UpstreamError,
    UrlRefused
);

impl<E: Error + Send + Sync + 'static> From<LookupError<E>> for ScriptError {
    fn from(error: LookupError<E>) -> Self {
        Self::new(error.status(), error)
    }
}

/// A file that cannot be read or written fails the task.
impl From<std::io::Error> for ScriptError {
    fn from(error: std::io::Error) -> Self {
        Self::failure(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_exit_code() {
        for (error, code) in [
            (ScriptError::failure("a"), 1),
            (ScriptError::malformed_payload("a".to_owned()), 3),
            (ScriptError::resource_unavailable(std::io::Error::other("a")), 4),
            (ScriptError::internal_error("a"), 5),
            (ScriptError::intermittent_task("a"), 7),
            (ScriptError::new(TaskStatus::WorkerShutdown, "a"), 2),
            (ScriptError::new(TaskStatus::Success, "a"), 1),
            (ScriptError::from(std::io::Error::other("a")), 1),
        ] {
            assert_eq!((error.exit_code(), error.to_string().as_str()), (code, "a"));
        }
    }

    #[test]
    fn errors_of_the_library_keep_their_status_through_a_question_mark() {
        fn refused() -> Result<(), ScriptError> {
            Err(UrlRefused { url: "https://a".to_owned() })?
        }
        fn unreadable() -> Result<(), ScriptError> {
            super::super::ScriptTask::parse(b"{")?;
            Ok(())
        }
        assert_eq!(refused().unwrap_err().exit_code(), 3);
        assert_eq!(unreadable().unwrap_err().exit_code(), 1);
    }
}
