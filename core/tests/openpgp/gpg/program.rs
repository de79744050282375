//! The installed gpg, in a home of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A gpg home. Its agent ends with it.
pub(crate) struct Gpg {
    home: PathBuf,
    /// Seconds since 1970: what gpg takes for the time.
    pub(crate) now: u32,
}

/// What gpg says of a signature, as the classic worker asked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opinion {
    /// A good signature by a key of full or ultimate validity (keyrings.md 3).
    pub(crate) accepts: bool,
    /// The status lines, for messages.
    pub(crate) status: Vec<String>,
}

impl Gpg {
    /// Whether gpg is there at all.
    pub(crate) fn is_installed() -> bool {
        Command::new("gpg").arg("--version").output().is_ok_and(|output| output.status.success())
    }

    /// An empty home below this directory.
    pub(crate) fn new(parent: &Path, name: &str, now: u32) -> Self {
        use std::os::unix::fs::DirBuilderExt as _;
        let home = parent.join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&home).unwrap();
        Self { home, now }
    }

    /// A home with the same public keys and no trust.
    pub(crate) fn copy(&self, parent: &Path, name: &str) -> Self {
        let copy = Self::new(parent, name, self.now);
        std::fs::copy(self.home.join("pubring.kbx"), copy.home.join("pubring.kbx")).unwrap();
        copy
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Starts gpg; whether it succeeds is for the caller to see.
    pub(crate) fn try_run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let time = format!("{}!", self.now);
        let mut child = Command::new("gpg")
            .args(["--batch", "--yes", "--no-tty", "--status-fd", "2", "--no-auto-check-trustdb"])
            .args(["--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time", &time])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GNUPGHOME", &self.home)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gpg");
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // gpg may end before it has read everything
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        output
    }

    /// Starts gpg, which has to succeed; its standard output.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.try_run(arguments, input);
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {}\n{says}", output.status);
        output.stdout
    }

    /// Runs at another time.
    pub(crate) fn at<T>(&mut self, time: u32, act: impl FnOnce(&Self) -> T) -> T {
        let now = std::mem::replace(&mut self.now, time);
        let result = act(self);
        self.now = now;
        result
    }

    /// Makes a key without a passphrase; its fingerprint.
    pub(crate) fn generate(&self, user: &str, usage: &str, expires: &str) -> String {
        let output = self.try_run(&["--quick-generate-key", user, "ed25519", usage, expires], b"");
        let status = String::from_utf8_lossy(&output.stderr);
        let created = status.lines().find_map(|line| line.strip_prefix("[GNUPG:] KEY_CREATED P "));
        let created = created.unwrap_or_else(|| panic!("{status}"));
        created.split(' ').next().unwrap().to_owned()
    }

    /// Sets the trust of these keys and computes what follows from it.
    pub(crate) fn trust(&self, ultimate: &str, full: &[String]) {
        let full = full.iter().map(|fingerprint| format!("{fingerprint}:5:\n"));
        let lines = [format!("{ultimate}:6:\n")].into_iter().chain(full).collect::<String>();
        self.run(&["--import-ownertrust"], lines.as_bytes());
        self.run(&["--check-trustdb"], b"");
    }

    /// Verifies a clear-signed document, or one with its detached signature.
    pub(crate) fn verify(&self, document: &Path, signature: Option<&Path>) -> Opinion {
        let mut arguments = vec!["--verify"];
        arguments.extend(signature.map(|path| path.to_str().unwrap()));
        arguments.push(document.to_str().unwrap());
        let output = self.try_run(&arguments, b"");
        let text = String::from_utf8_lossy(&output.stderr);
        let status: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")).map(str::to_owned).collect();
        let says = |word: &str| status.iter().any(|line| line.split(' ').next() == Some(word));
        let genuine = says("GOODSIG") && says("VALIDSIG");
        Opinion { accepts: genuine && (says("TRUST_FULLY") || says("TRUST_ULTIMATE")), status }
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let kill =
            Command::new("gpgconf").args(["--kill", "gpg-agent"]).env("GNUPGHOME", &self.home).output();
        assert!(kill.is_ok_and(|output| output.status.success()) || std::thread::panicking(), "no gpgconf");
    }
}
