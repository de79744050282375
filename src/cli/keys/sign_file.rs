//! `scriptworker sign-file FILE --key KEY.sec`: a clear-signed text, or a detached signature (keyrings.md 4.3).

use super::common::{KeyVerbError, Signer, deliver, finish, now};
use crate::key_files;
use clap::Args;
use rand::rngs::OsRng;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is signed.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// The file to sign.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    signer: Signer,
    /// Write only a signature, for any kind of file, instead of the text with its signature.
    #[arg(long)]
    detached: bool,
    /// The new file. Default: stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Signs.
pub(super) fn sign_file(options: &Options) -> ExitCode {
    finish("sign-file", sign(options))
}

fn sign(options: &Options) -> Result<ExitCode, KeyVerbError> {
    let content = key_files::read_public(&options.file)?;
    let key = options.signer.read()?;
    let signed = if options.detached {
        key.sign_detached(&content, now(), &mut OsRng)?
    } else {
        key.clear_sign(&content, now(), &mut OsRng)?
    };
    deliver(options.out.as_deref(), &signed)?;
    Ok(ExitCode::SUCCESS)
}
