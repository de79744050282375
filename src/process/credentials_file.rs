//! The file through which a script reads its task's credentials, renewals included (worker.md 7.3).
//!
//! The script inherits the descriptor of an unlinked regular file and reads it with `fstat` for the size and `pread`
//! at 0. So a renewal cannot swap the file, it has to rewrite it in place under the eyes of readers:
//!
//! * The file has one size for its whole life, from before the script starts. A size read earlier stays right, and
//!   no reader sees a cut file or bytes of an older document.
//! * A document shorter than that is followed by spaces and a newline, which JSON allows, so *the whole content* is
//!   one JSON value, also for a reader that does not stop at its end.
//! * Each renewal is one positional write of the whole size. Linux orders it against a concurrent `pread` on some file
//!   systems (XFS); on others (ext4, tmpfs) a reader in the same microsecond gets the beginning of one document
//!   and the end of the other. Nothing that a writer can do prevents that, so it is made harmless: the credentials of
//!   one run have the same lengths at every renewal, every value then starts and ends at the same place, and any
//!   mixture is one JSON value as well. The queue refuses mixed credentials; the script's next read is whole.
//! * Positional writes leave the file offset alone, which the script shares.

use crate::fsio::{Purpose, WriteFile};
use scriptworker_core::json::format_json;
use serde_json::{Map, Value};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The size of the file. Temporary credentials are around 1 KiB; a certificate with many scopes has some 10 KiB.
const SMALLEST: usize = 4 * 1024;

/// A credentials file could not be made or renewed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file system refused.
    #[error("write the credentials file: {source}")]
    File {
        /// The cause.
        #[from]
        source: io::Error,
    },
}

/// The worker's handle of the file.
#[derive(Debug)]
pub struct CredentialsFile {
    file: WriteFile,
    size: usize,
}

impl CredentialsFile {
    /// Makes the file, without a name, on the file system of `dir`, holding the first credentials. Blocks.
    pub fn create(dir: &Path, credentials: &Map<String, Value>) -> Result<Self, CredentialsError> {
        let document = document(credentials);
        // Room to grow: a renewed document may be longer.
        let size = document.len().saturating_mul(2).max(SMALLEST);
        let file = Purpose::Credentials.unlinked(dir)?;
        file.write_all_at(&padded(document, size), 0)?;
        Ok(Self { file, size })
    }

    /// Replaces the credentials. Blocks for one write into the page cache.
    ///
    /// A document that has outgrown the file makes it larger; a reader that asked for the size just before then gets
    /// a cut document once.
    pub fn renew(&mut self, credentials: &Map<String, Value>) -> Result<(), CredentialsError> {
        let document = document(credentials);
        self.size = self.size.max(document.len());
        self.file.write_all_at(&padded(document, self.size), 0)?;
        Ok(())
    }

    /// A descriptor of the same open file, to be handed to the script.
    pub fn for_script(&self) -> Result<OwnedFd, CredentialsError> {
        Ok(self.file.as_fd().try_clone_to_owned()?)
    }
}

/// Sorted keys, two spaces of indent, ASCII only.
fn document(credentials: &Map<String, Value>) -> Vec<u8> {
    format_json(&Value::Object(credentials.clone())).into_bytes()
}

fn padded(mut document: Vec<u8>, size: usize) -> zeroize::Zeroizing<Vec<u8>> {
    if document.len() < size {
        document.resize(size.saturating_sub(1), b' ');
        document.push(b'\n');
    }
    zeroize::Zeroizing::new(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;
    use std::os::unix::fs::FileExt;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn credentials(access_token: &str, certificate: &str) -> Map<String, Value> {
        [("clientId", "task-client/ä😀"), ("accessToken", access_token), ("certificate", certificate)]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect()
    }

    fn read_as_scripts_do(file: &std::fs::File) -> Vec<u8> {
        let mut content = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut content, 0).unwrap();
        content
    }

    #[test]
    fn has_the_format_that_scripts_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = CredentialsFile::create(dir.path(), &credentials("token", "{\"a\": 1}")).unwrap();
        let script = std::fs::File::from(file.for_script().unwrap());
        let content = String::from_utf8(read_as_scripts_do(&script)).unwrap();
        assert_eq!(
            content.trim_end(),
            "{\n  \"accessToken\": \"token\",\n  \"certificate\": \"{\\\"a\\\": 1}\",\n  \"clientId\": \
             \"task-client/\\u00e4\\ud83d\\ude00\"\n}"
        );
        assert_eq!(
            serde_json::from_str::<Map<String, Value>>(&content).unwrap(),
            credentials("token", "{\"a\": 1}")
        );
    }

    #[test]
    fn shorter_and_longer_renewals_leave_one_json_value_and_the_offset() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = CredentialsFile::create(dir.path(), &credentials("first", "")).unwrap();
        let mut script = std::fs::File::from(file.for_script().unwrap());
        script.seek(io::SeekFrom::Start(3)).unwrap();
        for length in [0, 10, 3000, 5, 100_000, 50, 4096] {
            let now = credentials("token", &"c".repeat(length));
            file.renew(&now).unwrap();
            let read: Map<String, Value> = serde_json::from_slice(&read_as_scripts_do(&script)).unwrap();
            assert_eq!(read, now);
        }
        assert_eq!(script.stream_position().unwrap(), 3);
    }

    #[test]
    fn is_valid_for_a_reader_during_renewals() {
        let dir = tempfile::tempdir().unwrap();
        let token = |n: usize| format!("{n:044}");
        let mut file = CredentialsFile::create(
            dir.path(),
            &credentials(&token(0), &format!("{{\"seed\": \"{}\"}}", token(0))),
        )
        .unwrap();
        let script = std::fs::File::from(file.for_script().unwrap());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) {
                    let content = read_as_scripts_do(&script);
                    let parsed = serde_json::from_slice::<Map<String, Value>>(&content);
                    assert!(parsed.is_ok(), "read {reads}: {}", String::from_utf8_lossy(&content));
                    reads += 1;
                }
                reads
            });
            for n in 1..=1000 {
                file.renew(&credentials(&token(n), &format!("{{\"seed\": \"{}\"}}", token(n * 7919))))
                    .unwrap();
            }
            done.store(true, Ordering::Relaxed);
            assert!(reader.join().unwrap() > 0);
        });
    }
}
