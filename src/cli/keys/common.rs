//! What the key verbs share: reading keys from files, writing results, the clock, and their errors.

use crate::key_files::{self, KeyFileError, PUBLIC_MODE};
use crate::keyrings::LoadError;
use clap::Args;
use scriptworker_core::ed25519::KeyError;
use scriptworker_core::openpgp::{
    Certificate, CertificateError, CertifyError, Fingerprint, GenerateError, InvalidOwner, SecretKey,
    SecretKeyError, SignError,
};
use scriptworker_core::time::UnixMillis;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// The exit code for what is wrong with the command, a file or the configuration.
const EXIT_TROUBLE: u8 = 1;
/// The exit code for a signature that is refused: `malformed-payload`, as the worker would report it.
pub(super) const EXIT_REFUSED: u8 = 3;
/// The exit code when there are no keyrings to look at: `resource-unavailable`.
const EXIT_NO_KEYRINGS: u8 = 4;

/// Why a key verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyVerbError {
    #[error(transparent)]
    File(#[from] KeyFileError),
    #[error("{}: {source}", path.display())]
    Secret { path: PathBuf, source: SecretKeyError },
    #[error("{}: failed to {source}", path.display())]
    Certificate { path: PathBuf, source: CertificateError },
    #[error("{}: {source}", path.display())]
    Ed25519 { path: PathBuf, source: KeyError },
    #[error("{}: expected the key {expected}, as in the first file, found {found}", path.display())]
    OtherKey { path: PathBuf, expected: Fingerprint, found: Fingerprint },
    #[error("user id: {0}")]
    Owner(#[from] InvalidOwner),
    #[error("two of the files to make have the same name: {}", .0.display())]
    SameFile(PathBuf),
    #[error("failed to make the key: {0}")]
    Generate(#[from] GenerateError),
    #[error("failed to write the secret key: {0}")]
    Write(SecretKeyError),
    #[error("failed to {0}")]
    Certify(#[from] CertifyError),
    #[error("failed to {0}")]
    Sign(#[from] SignError),
    #[error("a secret key goes into a file: --out is missing")]
    SecretToStdout,
    #[error("failed to make the directory {}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("failed to write the result: {0}")]
    Output(io::Error),
    #[error("failed to read the current directory: {0}")]
    CurrentDirectory(io::Error),
    #[error("the configuration cannot be used:\n{0}")]
    Config(Findings),
    #[error("failed to {0}")]
    Keyring(#[from] LoadError),
    #[error("expected one of {known:?} as the keyring, found {found:?}")]
    UnknownKeyring { known: Vec<String>, found: String },
    #[error("ed25519_public_keys: {0}")]
    Ed25519List(serde_json::Error),
    #[error("no key to export")]
    NothingToExport,
    #[error("the keyring {keyring:?} has no key {fingerprint}")]
    NoSuchKey { keyring: String, fingerprint: Fingerprint },
}

/// What is wrong with a configuration, a line each.
#[derive(Debug)]
pub(super) struct Findings(pub(super) Vec<crate::config::ConfigProblem>);

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, finding) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl KeyVerbError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Keyring(LoadError::Store(_)) => EXIT_NO_KEYRINGS,
            Self::Keyring(LoadError::NotConfigured | LoadError::Unknown { .. })
            | Self::File(_)
            | Self::Secret { .. }
            | Self::Certificate { .. }
            | Self::Ed25519 { .. }
            | Self::OtherKey { .. }
            | Self::Owner(_)
            | Self::SameFile(_)
            | Self::Generate(_)
            | Self::Write(_)
            | Self::Certify(_)
            | Self::Sign(_)
            | Self::SecretToStdout
            | Self::Directory { .. }
            | Self::Output(_)
            | Self::CurrentDirectory(_)
            | Self::Config(_)
            | Self::UnknownKeyring { .. }
            | Self::Ed25519List(_)
            | Self::NothingToExport
            | Self::NoSuchKey { .. } => EXIT_TROUBLE,
        }
    }
}

/// The end of a verb: what went wrong is a line on stderr.
pub(super) fn finish(verb: &str, result: Result<ExitCode, KeyVerbError>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            say(&format!("{verb}: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// A line for whoever watches.
#[expect(clippy::print_stderr, reason = "results are on stdout, everything else is here")]
pub(super) fn say(line: &str) {
    eprintln!("{line}");
}

/// Prints a result. A reader that has seen enough and closed the pipe is no reason to fail.
pub(super) fn print(text: &str) -> Result<(), KeyVerbError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(KeyVerbError::Output),
    }
}

/// Writes a public result to a new file, or to stdout.
pub(super) fn deliver(out: Option<&Path>, text: &str) -> Result<(), KeyVerbError> {
    match out {
        Some(path) => Ok(key_files::write_new(path, text.as_bytes(), PUBLIC_MODE)?),
        None => print(text),
    }
}

/// The world's date. A clock before 1970 is taken for 1970, where no key is valid.
pub(in crate::cli) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Reads a public key.
pub(super) fn read_certificate(path: &Path) -> Result<Certificate, KeyVerbError> {
    let bytes = key_files::read_public(path)?;
    Certificate::parse(&bytes)
        .map_err(|source| KeyVerbError::Certificate { path: path.to_path_buf(), source })
}

/// Reads a secret key, unlocked.
pub(super) fn read_secret_key(
    path: &Path,
    passphrase_file: Option<&Path>,
) -> Result<SecretKey, KeyVerbError> {
    let passphrase = passphrase_file.map(key_files::read_passphrase).transpose()?;
    let bytes = key_files::read_secret(path)?;
    SecretKey::parse(&bytes, passphrase.as_ref())
        .map_err(|source| KeyVerbError::Secret { path: path.to_path_buf(), source })
}

/// Which secret key to use.
#[derive(Args)]
pub(super) struct Signer {
    /// The secret key: a file that only its owner can read.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file whose first line is the passphrase, if the key has one; readable by its owner only.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Signer {
    pub(super) fn read(&self) -> Result<SecretKey, KeyVerbError> {
        read_secret_key(&self.key, self.passphrase_file.as_deref())
    }
}
