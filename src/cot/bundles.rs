//! Bundles as files: what is written can be read again, and what is too large is called that.

use bytes::Bytes;
use scriptworker_core::cot::bundle::{self, BundleError, MOST_BYTES, Recorded};
use scriptworker_core::cot::evidence::Evidence;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How much of a file that is too large shows whether it is a bundle, in bytes.
const HEAD: usize = 4096;

/// A bundle larger than any that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bundle has {bytes} bytes, more than the {limit} that are read")]
pub struct Oversized {
    /// How large it is.
    pub bytes: u64,
    /// How large it may be.
    pub limit: u64,
}

/// Why there is no bundle to be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Nobody could read it.
    #[error(transparent)]
    Oversized(#[from] Oversized),
    /// Its index.
    #[error("failed to {0}")]
    Bundle(#[from] BundleError),
}

/// Why a file is no bundle that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk.
    #[error(transparent)]
    File(#[from] io::Error),
    /// It is one, and too large.
    #[error(transparent)]
    Oversized(#[from] Oversized),
    /// What is in it.
    #[error("failed to {0}")]
    Bundle(#[from] BundleError),
}

/// The bytes of a bundle that can be read again.
///
/// # Errors
/// When it is too large, or its index cannot be written as JSON.
pub fn write(recorded: &Recorded, evidence: &Evidence) -> Result<Vec<u8>, WriteError> {
    write_within(MOST_BYTES, recorded, evidence)
}

fn write_within(limit: u64, recorded: &Recorded, evidence: &Evidence) -> Result<Vec<u8>, WriteError> {
    let bytes = bundle::write(recorded, evidence)?;
    fits(size(&bytes), limit)?;
    Ok(bytes)
}

/// Reads a file that may be a bundle. Blocks.
///
/// # Errors
/// When it cannot be read, is none, is too large, or is not as it was written.
pub fn read(file: &Path) -> Result<(Recorded, Evidence), ReadError> {
    let open = File::open(file)?;
    let length = open.metadata()?.len();
    read_within(MOST_BYTES, length, open)
}

/// `length` is what the file is said to have; one that is no regular file may have more.
fn read_within(limit: u64, length: u64, file: impl Read) -> Result<(Recorded, Evidence), ReadError> {
    let most = if length > limit { HEAD as u64 } else { limit.saturating_add(1) };
    // one byte more, or reading would ask for space to see the end
    let space = most.min(length.saturating_add(1));
    let mut bytes = Vec::with_capacity(usize::try_from(space).unwrap_or_default());
    file.take(most).read_to_end(&mut bytes)?;
    let bytes = Bytes::from(bytes);
    match fits(length.max(size(&bytes)), limit) {
        Ok(()) => Ok(bundle::read(&bytes)?),
        // something else may be as large as it likes
        Err(oversized) => match bundle::read(&bytes.slice(..bytes.len().min(HEAD))) {
            Err(error @ BundleError::NoBundle) => Err(error.into()),
            Ok(_) | Err(_) => Err(oversized.into()),
        },
    }
}

fn fits(bytes: u64, limit: u64) -> Result<(), Oversized> {
    if bytes > limit { Err(Oversized { bytes, limit }) } else { Ok(()) }
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scriptworker_core::cot::evidence::Answer;
    use scriptworker_core::cot::need::Need;
    use scriptworker_core::ids::TaskId;
    use scriptworker_core::time::UnixMillis;

    fn recorded() -> (Recorded, Evidence) {
        let task = TaskId::parse("BuildTskQ0WAAAAAAAAAAA").unwrap();
        let mut evidence = Evidence::new();
        let definition = Answer::Present(b"{}".as_slice().into());
        evidence.add(Need::Task { task: task.clone() }, definition).unwrap();
        let recorded = Recorded {
            task_id: task,
            task_type: "build".to_owned(),
            product: "firefox".to_owned(),
            attested: true,
            signatures_checked: true,
            at: UnixMillis(0),
            queue_now: None,
            by: "a test".to_owned(),
            policy: None,
        };
        (recorded, evidence)
    }

    #[test]
    fn a_bundle_that_nobody_could_read_is_not_written() {
        let (recorded, evidence) = recorded();
        let whole = write(&recorded, &evidence).unwrap();
        let (bytes, limit) = (size(&whole), size(&whole) - 1);
        assert_eq!(write_within(bytes, &recorded, &evidence).unwrap(), whole);
        let error = write_within(limit, &recorded, &evidence).unwrap_err();
        assert!(matches!(error, WriteError::Oversized(found) if found == Oversized { bytes, limit }));
        let said = format!("the bundle has {bytes} bytes, more than the {limit} that are read");
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn a_bundle_that_is_too_large_is_called_that_and_is_not_cut() {
        let (recorded, evidence) = recorded();
        let whole = write(&recorded, &evidence).unwrap();
        let (bytes, limit) = (size(&whole), size(&whole) - 1);
        // what is no regular file does not say how long it is
        for length in [bytes, 0] {
            assert_eq!(read_within(bytes, length, whole.as_slice()).unwrap().0, recorded);
            let error = read_within(limit, length, whole.as_slice()).unwrap_err();
            assert!(
                matches!(error, ReadError::Oversized(found) if found == Oversized { bytes, limit }),
                "{error}"
            );
        }
        let cut = read_within(bytes, bytes, &whole[..whole.len() - 1]).unwrap_err();
        assert!(matches!(cut, ReadError::Bundle(BundleError::Blob { .. })), "{cut}");
    }

    #[test]
    fn a_large_file_that_is_something_else_is_no_bundle() {
        for length in [1 << 40, 0] {
            let error = read_within(100, length, [b'x'; 10_000].as_slice()).unwrap_err();
            assert!(matches!(error, ReadError::Bundle(BundleError::NoBundle)), "{error}");
        }
    }
}
