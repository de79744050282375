//! `scriptworker verify-signature FILE`: whether a key of a keyring signed it. Exit code 0 or 3; 1 and 4 say that
//! there is no answer.

use super::common::{EXIT_REFUSED, KeyVerbError, finish, now, print, say};
use super::keyring::KeyringChoice;
use crate::key_files::{self, PUBLIC_MODE};
use clap::Args;
use scriptworker_core::ed25519::SIGNATURE_LENGTH;
use scriptworker_core::openpgp::Refusal;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How a clear-signed text begins.
const CLEAR_SIGNED: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";

/// What is checked, with which keys.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// A clear-signed text; or any other file, with its signature in FILE.sig.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    from: KeyringChoice,
    /// The file with the detached signature, instead of FILE.sig.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Write what was signed, once it is known to be, to this new file.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What counts.
struct Accepted {
    by: String,
    content: Vec<u8>,
}

/// Checks.
pub(super) fn verify_signature(options: &Options) -> ExitCode {
    finish("verify-signature", verify(options))
}

fn verify(options: &Options) -> Result<ExitCode, KeyVerbError> {
    let content = key_files::read_public(&options.file)?;
    let checked = match signature_file(options, &content) {
        Some(path) => detached(content, &key_files::read_public(&path)?, &options.from)?,
        None => clear_signed(&content, &options.from)?,
    };
    match checked {
        Ok(accepted) => {
            if let Some(path) = &options.output {
                key_files::write_new(path, &accepted.content, PUBLIC_MODE)?;
            }
            print(&format!("signed by {}\n", accepted.by))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(reason) => {
            say(&format!("refused: {reason}"));
            Ok(ExitCode::from(EXIT_REFUSED))
        }
    }
}

/// Where the signature stands apart. Nowhere: then the file itself has to be a signed text, whatever stands in front of
/// it.
fn signature_file(options: &Options, content: &[u8]) -> Option<PathBuf> {
    if options.signature.is_some() || content.starts_with(CLEAR_SIGNED) {
        return options.signature.clone();
    }
    let beside = beside(&options.file);
    beside.symlink_metadata().is_ok().then_some(beside)
}

/// Checked: what counts, or why it does not.
fn clear_signed(content: &[u8], from: &KeyringChoice) -> Result<Result<Accepted, String>, KeyVerbError> {
    let checked = from.open()?.verify_clear_signed(content, now());
    Ok(checked
        .map(|signed| Accepted {
            by: format!("{} at {}", signed.signature.signer, signed.signature.made),
            content: signed.body(),
        })
        .map_err(refused))
}

/// 64 bytes are an ed25519 signature: no OpenPGP signature is that short.
fn detached(
    content: Vec<u8>,
    signature: &[u8],
    from: &KeyringChoice,
) -> Result<Result<Accepted, String>, KeyVerbError> {
    if signature.len() == SIGNATURE_LENGTH {
        let checked = from.ed25519()?.verify(&from.keyring, &content, signature, now());
        return Ok(checked
            .map(|signed| Accepted { by: signed.key().to_string(), content })
            .map_err(|refusal| format!("{}: {refusal}", refusal.code())));
    }
    let checked = from.open()?.verify_detached(&content, signature, now());
    Ok(checked
        .map(|signed| Accepted { by: format!("{} at {}", signed.signer, signed.made), content })
        .map_err(refused))
}

/// The stable code, and the facts.
fn refused(refusal: Refusal) -> String {
    format!("{}: failed to {refusal}", refusal.code())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".sig");
    name.into()
}
