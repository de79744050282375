//! The task's own temporary credentials, which the worker keeps fresh in an inherited file (worker.md 7.3).

use crate::taskcluster::{CredentialSource, Credentials, NoCredentials};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Where the number of the descriptor stands.
const VARIABLE: &str = "TASKCLUSTER_CREDENTIALS_FD";
/// More than any credentials need.
const LARGEST: u64 = 1 << 20;

/// The credentials file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FdError {
    /// The variable is no number.
    #[error("expected the number of a file descriptor in {VARIABLE}, found {0:?}")]
    Number(String),
    /// The descriptor is not open, or may not be opened again by this user.
    #[error("failed to read the credentials in descriptor {number}: {source}")]
    Read {
        /// The descriptor.
        number: u32,
        /// Why.
        source: io::Error,
    },
    /// The content is something else. It is not shown.
    #[error("descriptor {number} holds no credentials")]
    Content {
        /// The descriptor.
        number: u32,
    },
}

/// The credentials of the task that this script runs for. Sharing it is cheap, and every request that is signed with it
/// uses what is current at that moment.
#[derive(Debug, Clone)]
pub struct TaskCredentials {
    file: Arc<File>,
    number: u32,
}

impl TaskCredentials {
    /// Those that the worker handed over; `None` when it handed over none.
    pub fn of_process() -> Result<Option<Self>, FdError> {
        match std::env::var(VARIABLE) {
            Err(_) => Ok(None),
            Ok(number) => Self::open(&number).map(Some),
        }
    }

    fn open(number: &str) -> Result<Self, FdError> {
        let number: u32 = number.parse().map_err(|_| FdError::Number(number.chars().take(32).collect()))?;
        // opening it anew gives an own offset; the file has no name, but /proc knows it
        let file = File::open(format!("/proc/self/fd/{number}"))
            .map_err(|source| FdError::Read { number, source })?;
        Ok(Self { file: Arc::new(file), number })
    }

    /// The credentials as they are now.
    pub fn read(&self) -> Result<Credentials, FdError> {
        let number = self.number;
        let failed = |source| FdError::Read { number, source };
        let size = self.file.metadata().map_err(failed)?.len().min(LARGEST);
        let mut text = vec![0; usize::try_from(size).map_err(|_| FdError::Content { number })?];
        self.file.read_exact_at(&mut text, 0).map_err(failed)?;
        serde_json::from_slice(&text).map_err(|_| FdError::Content { number })
    }
}

impl CredentialSource for TaskCredentials {
    fn credentials(&self) -> Result<Arc<Credentials>, NoCredentials> {
        self.read().map(Arc::new).map_err(|_| NoCredentials::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};
    use std::os::fd::AsRawFd;

    #[test]
    fn every_reading_is_of_the_file_as_it_is() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"{\"clientId\": \"a\", \"accessToken\": \"canary\"}   \n").unwrap();
        let credentials = TaskCredentials::open(&file.as_raw_fd().to_string()).unwrap();
        assert_eq!(credentials.read().unwrap().client_id, "a");
        file.rewind().unwrap();
        file.write_all(b"{\"clientId\": \"b\"").unwrap();
        assert_eq!(credentials.credentials().unwrap().client_id, "b");
        file.set_len(3).unwrap();
        let error = credentials.read().unwrap_err();
        assert!(matches!(error, FdError::Content { .. }) && !error.to_string().contains("canary"));
        assert_eq!(credentials.credentials().unwrap_err(), NoCredentials::Missing);
    }

    #[test]
    fn what_is_no_descriptor_is_an_error() {
        assert!(matches!(TaskCredentials::open("four"), Err(FdError::Number(_))));
        assert!(matches!(TaskCredentials::open("-1"), Err(FdError::Number(_))));
        assert!(matches!(
            TaskCredentials::open("4000000000"),
            Err(FdError::Read { number: 4_000_000_000, .. })
        ));
    }
}
