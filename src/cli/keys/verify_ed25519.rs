//! `verify_ed25519_signature [--pubkey PATH] FILE SIG`, the old helper: the given key, then all built-in ones
//! (keyrings.md 7).

use super::common::{KeyVerbError, finish, print, say};
use super::keyring::built_in_ed25519;
use crate::key_files::{self, KeyFileError};
use clap::Args;
use scriptworker_core::ed25519::{PublicKey, Signature};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is checked.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// A file with a public key in base64, tried first.
    #[arg(long, value_name = "PATH")]
    pubkey: Option<PathBuf>,
    /// The signed file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file with the signature: 64 bytes.
    #[arg(value_name = "SIG")]
    signature: PathBuf,
}

/// Checks, and says which key it was.
pub(super) fn verify_ed25519_signature(options: &Options) -> ExitCode {
    finish("verify_ed25519_signature", verify(options))
}

fn verify(options: &Options) -> Result<ExitCode, KeyVerbError> {
    let mut keys = Vec::new();
    if let Some(path) = &options.pubkey {
        keys.push((path.display().to_string(), read_key(path)?));
    }
    for (implementation, list) in built_in_ed25519()?.lists {
        keys.extend(list.into_iter().map(|listed| (implementation.clone(), listed.key)));
    }
    let content = key_files::read_public(&options.file)?;
    let signature = match Signature::from_bytes(&key_files::read_public(&options.signature)?) {
        Ok(signature) => signature,
        Err(error) => return refuse(&error.to_string()),
    };
    match keys.iter().find(|(_, key)| key.verify(&content, &signature).is_ok()) {
        Some((origin, key)) => {
            print(&format!("verified with the {origin} key {key}\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        None => refuse(&format!("none of {} keys made this signature", keys.len())),
    }
}

/// The old helper knows one exit code for everything that is wrong.
fn refuse(why: &str) -> Result<ExitCode, KeyVerbError> {
    say(&format!("refused: {why}"));
    Ok(ExitCode::FAILURE)
}

fn read_key(path: &Path) -> Result<PublicKey, KeyVerbError> {
    let bytes = key_files::read_public(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::NotText { path: path.to_path_buf() })?;
    PublicKey::parse(text).map_err(|source| KeyVerbError::Ed25519 { path: path.to_path_buf(), source })
}
