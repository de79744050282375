//! The installed gpg in a fresh home.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A gpg home.
pub(crate) struct Gpg(PathBuf);

impl Gpg {
    /// An empty home in place of what is there.
    pub(crate) fn fresh(home: &Path) -> Self {
        use std::os::unix::fs::DirBuilderExt as _;
        let _ = std::fs::remove_dir_all(home);
        std::fs::DirBuilder::new().mode(0o700).create(home).unwrap();
        Self(home.to_path_buf())
    }

    /// Runs it; it has to succeed.
    pub(crate) fn run(&self, arguments: &[&str], files: &[PathBuf]) -> Vec<u8> {
        let output = Command::new("gpg")
            .args(["--batch", "--no-tty", "--quiet", "--no-auto-check-trustdb", "--no-autostart"])
            .args(arguments)
            .args(files)
            .env("GNUPGHOME", &self.0)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .expect("gpg, which has to be installed");
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {}\n{says}", output.status);
        output.stdout
    }
}
