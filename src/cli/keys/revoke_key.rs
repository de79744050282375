//! `scriptworker revoke-key --key KEY.sec`: end a key, or take back that it certified another one.

use super::common::{KeyVerbError, Signer, deliver, finish, now, read_certificate};
use clap::Args;
use rand::rngs::OsRng;
use scriptworker_core::openpgp::RevocationReason;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is revoked, and why.
#[derive(Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    signer: Signer,
    /// Revoke the certification of this public key instead of the key itself.
    #[arg(long, value_name = "FILE")]
    certification_of: Option<PathBuf>,
    /// superseded or retired: from now on; compromised or unspecified: everything it ever did.
    #[arg(long)]
    reason: RevocationReason,
    /// A text for people; everybody can read it.
    #[arg(long, default_value = "")]
    comment: String,
    /// The new file with the public key and its revocation. Default: stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Revokes.
pub(super) fn revoke_key(options: &Options) -> ExitCode {
    finish("revoke-key", revoke(options))
}

fn revoke(options: &Options) -> Result<ExitCode, KeyVerbError> {
    let key = options.signer.read()?;
    let (reason, comment) = (options.reason, options.comment.as_str());
    let revoked = match &options.certification_of {
        None => key.revoke(reason, comment, now(), &mut OsRng)?,
        Some(path) => {
            key.revoke_certification(&read_certificate(path)?, reason, comment, now(), &mut OsRng)?
        }
    };
    deliver(options.out.as_deref(), &revoked.to_armored())?;
    Ok(ExitCode::SUCCESS)
}
