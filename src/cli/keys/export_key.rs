//! `scriptworker export-key`: a key as an armored file, from files or from a keyring (keyrings.md 4.2).
//!
//! Several files of one key become one that has what any of them has, as when gpg imports a key again.

use super::common::{KeyVerbError, deliver, finish, read_certificate, read_secret_key};
use super::keyring::KeyringChoice;
use crate::key_files::{self, SECRET_MODE};
use clap::Args;
use rand::rngs::OsRng;
use scriptworker_core::openpgp::{Certificate, Fingerprint};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Which key, and where it goes.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// Files with the public key; several are merged.
    #[arg(value_name = "FILE", required_unless_present_any = ["secret", "fingerprint"], conflicts_with_all = ["secret", "fingerprint"])]
    files: Vec<PathBuf>,
    /// The secret key whose public part is exported.
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    secret: Option<PathBuf>,
    /// The file whose first line is the passphrase of the secret key; readable by its owner only.
    #[arg(long, value_name = "FILE", requires = "secret")]
    passphrase_file: Option<PathBuf>,
    /// Export the secret key itself, locked with the first line of this file; readable by its owner only.
    #[arg(long, value_name = "FILE", requires = "secret")]
    lock_with: Option<PathBuf>,
    /// Export the secret key itself, without a passphrase.
    #[arg(long, requires = "secret", conflicts_with = "lock_with")]
    unlocked: bool,
    /// The key of a keyring.
    #[arg(long, value_name = "FINGERPRINT", requires_all = ["config", "keyring"])]
    fingerprint: Option<Fingerprint>,
    /// The worker's configuration (YAML or JSON).
    #[arg(long, value_name = "FILE", requires = "fingerprint")]
    config: Option<PathBuf>,
    /// The worker implementation, such as scriptworker.
    #[arg(long, value_name = "IMPLEMENTATION", requires = "fingerprint")]
    keyring: Option<String>,
    /// The new file. Default for public keys: stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Exports. Local certifications stay behind.
pub(super) fn export_key(options: &Options) -> ExitCode {
    finish("export-key", export(options))
}

fn export(options: &Options) -> Result<ExitCode, KeyVerbError> {
    let certificate = match (&options.secret, &options.fingerprint) {
        (Some(secret), _) if options.unlocked || options.lock_with.is_some() => {
            return export_secret(options, secret);
        }
        (Some(secret), _) => {
            read_secret_key(secret, options.passphrase_file.as_deref())?.certificate().clone()
        }
        (None, Some(fingerprint)) => match (options.config.clone(), options.keyring.clone()) {
            (Some(config), Some(keyring)) => KeyringChoice { config, keyring }.certificate(fingerprint)?,
            (None, _) | (_, None) => return Err(KeyVerbError::NothingToExport),
        },
        (None, None) => merged(&options.files)?,
    };
    deliver(options.out.as_deref(), &certificate.to_armored())?;
    Ok(ExitCode::SUCCESS)
}

fn merged(files: &[PathBuf]) -> Result<Certificate, KeyVerbError> {
    let mut merged: Option<Certificate> = None;
    for path in files {
        let next = read_certificate(path)?;
        merged = Some(match merged {
            None => next,
            Some(known) if known.fingerprint() == next.fingerprint() => known.merge(&next),
            Some(known) => {
                return Err(KeyVerbError::OtherKey {
                    path: path.clone(),
                    expected: known.fingerprint().clone(),
                    found: next.fingerprint().clone(),
                });
            }
        });
    }
    merged.ok_or(KeyVerbError::NothingToExport)
}

fn export_secret(options: &Options, secret: &Path) -> Result<ExitCode, KeyVerbError> {
    let out = options.out.as_deref().ok_or(KeyVerbError::SecretToStdout)?;
    let key = read_secret_key(secret, options.passphrase_file.as_deref())?;
    let text = match &options.lock_with {
        Some(path) => key.to_armored_locked(&key_files::read_passphrase(path)?, &mut OsRng),
        None => key.to_armored(),
    };
    key_files::write_new(out, text.map_err(KeyVerbError::Write)?.as_bytes(), SECRET_MODE)?;
    Ok(ExitCode::SUCCESS)
}
