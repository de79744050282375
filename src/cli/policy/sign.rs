//! `scriptworker policy sign FILE --key KEY`: makes the detached signature that `policy_public_keys` asks for.

use super::{PolicyVerbError, print};
use crate::cot::policies::signature_path;
use crate::key_files::{self, PUBLIC_MODE};
use crate::signing;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is signed.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// The policy; it should be one that `policy check` finds nothing wrong with.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file with the ed25519 seed in base64, as `gen-key ed25519` makes it; nobody else may read it.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
}

/// Signs, and says for which public key that counts.
pub(super) fn sign(options: &Options) -> Result<ExitCode, PolicyVerbError> {
    let document = key_files::read_public(&options.file)?;
    let key = signing::read_ed25519(&options.key)?;
    let path = signature_path(&options.file);
    key_files::write_new(&path, key.sign(&document).as_bytes(), PUBLIC_MODE)?;
    print(&format!("{}\n", key.public()))?;
    Ok(ExitCode::SUCCESS)
}
