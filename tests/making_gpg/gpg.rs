//! A gpg with a home of its own. Its agent ends with it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A home directory for gpg.
pub(crate) struct Gpg {
    home: TempDir,
}

impl Gpg {
    /// An empty one; `None` without gpg.
    pub(crate) fn new() -> Option<Self> {
        if Command::new("gpg").arg("--version").output().is_err() {
            crate::skip::skip("gpg is not installed");
            return None;
        }
        // short: the agent's socket is in it
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
        Some(Self { home })
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// Runs gpg; whatever it says is in the output.
    pub(crate) fn try_run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("gpg")
            .env("GNUPGHOME", self.path())
            .env("LC_ALL", "C")
            .args(["--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--trust-model", "always"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // gpg may have seen enough before all is written
        let _ = stdin.write_all(input);
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// Runs gpg, which has to succeed; its stdout.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.try_run(arguments, input);
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The same as text.
    pub(crate) fn text(&self, arguments: &[&str], input: &[u8]) -> String {
        String::from_utf8(self.run(arguments, input)).unwrap()
    }

    /// Makes a key without passphrase and gives its fingerprint.
    pub(crate) fn make(&self, user: &str, algorithm: &str, passphrase: &str) -> String {
        self.run(&["--passphrase", passphrase, "--quick-generate-key", user, algorithm, "sign", "1y"], b"");
        let listing = self.text(&["--with-colons", "--list-keys", user], b"");
        field(&listing, "fpr", 9)
    }

    /// Writes a file into the home and gives its path.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.path()).args(["--kill", "all"]).output();
    }
}

/// A field of the first line of this kind in a listing with colons; fields count from 0.
pub(crate) fn field(listing: &str, kind: &str, number: usize) -> String {
    let line = listing.lines().find(|line| line.split(':').next() == Some(kind)).unwrap();
    line.split(':').nth(number).unwrap().to_owned()
}
