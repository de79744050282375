//! `scriptworker sign-key FILE --key TRUSTED.sec`: certify a public key (keyrings.md 4.2).

use super::common::{KeyVerbError, Signer, deliver, finish, now, read_certificate, say};
use clap::Args;
use rand::rngs::OsRng;
use scriptworker_core::openpgp::Exportable;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which key certifies which.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// The public key to certify, with all of its user ids.
    #[arg(value_name = "FILE")]
    target: PathBuf,
    #[command(flatten)]
    signer: Signer,
    /// Certify for the own store only: such a certification is left out when the key is exported.
    #[arg(long)]
    local: bool,
    /// The new file with the certified key. Default: stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Certifies. A key that is certified already is written as it is.
pub(super) fn sign_key(options: &Options) -> ExitCode {
    finish("sign-key", certify(options))
}

fn certify(options: &Options) -> Result<ExitCode, KeyVerbError> {
    let target = read_certificate(&options.target)?;
    let signer = options.signer.read()?;
    let exportable = if options.local { Exportable::No } else { Exportable::Yes };
    let certified = signer.certify(&target, exportable, now(), &mut OsRng)?;
    if certified == target {
        say(&format!("{} is certified by {} already", target.fingerprint(), signer.fingerprint()));
    }
    let text = if options.local { certified.to_armored_with_locals() } else { certified.to_armored() };
    deliver(options.out.as_deref(), &text)?;
    Ok(ExitCode::SUCCESS)
}
