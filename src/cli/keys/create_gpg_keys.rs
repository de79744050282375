//! `create_gpg_keys -u NAME -s FQDN…`, the old helper: the same keys by [`super::gen_key`], in the current directory
//! (keyrings.md 6).

use super::common::{finish, say};
use super::gen_key::{self, HostName, OpenPgp};
use clap::Args;
use scriptworker_core::openpgp::{Expiry, KeyAlgorithm};
use std::path::PathBuf;
use std::process::ExitCode;

/// The options of the old helper.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// Local part of the address in the user id.
    #[arg(short, long, value_name = "NAME")]
    username: String,
    /// The hosts, by their full names.
    #[arg(short = 's', long, value_name = "FQDN", num_args = 1.., required = true)]
    hosts: Vec<HostName>,
    /// How long the keys are good: YYYY-MM-DD, Nd, Nw, Nm, Ny, seconds=EPOCH, or 0 for ever.
    #[arg(short, long, value_name = "WHEN", default_value = "2y")]
    expires: Expiry,
    /// Name the files by the first label of the host only, as the old helper did.
    #[arg(long)]
    short_names: bool,
    /// No effect: keys are not kept in a gpg home.
    #[arg(short = 'o', long, value_name = "DIR")]
    gpghome: Option<PathBuf>,
    /// No effect: no gpg is called.
    #[arg(short = 'b', long, value_name = "FILE")]
    gpgbin: Option<PathBuf>,
    /// No effect: there is no gpg home to wipe.
    #[arg(long)]
    clean: bool,
}

/// Makes the keys as the old helper did.
pub(super) fn create_gpg_keys(options: &Options) -> ExitCode {
    let without_effect = [
        (options.gpghome.is_some(), "--gpghome", "keys are not kept in a gpg home, only in the files"),
        (options.gpgbin.is_some(), "--gpgbin", "no gpg is called"),
        (options.clean, "--clean", "there is no gpg home to wipe"),
    ];
    for (_, option, reason) in without_effect.into_iter().filter(|(given, _, _)| *given) {
        say(&format!("warning: {option} has no effect: {reason}"));
    }
    let made = gen_key::openpgp(&OpenPgp {
        user: options.username.clone(),
        hosts: options.hosts.clone(),
        out: PathBuf::from("."),
        algorithm: KeyAlgorithm::Rsa4096,
        expires: options.expires,
        passphrase_file: None,
        short_names: options.short_names,
        revocation: false,
    });
    finish("create_gpg_keys", made)
}
