//! Which key verb is wanted.

use super::create_gpg_keys::{self, create_gpg_keys};
use super::export_key::{self, export_key};
use super::gen_key::{GenKey, gen_key};
use super::list_keys::{self, list_keys};
use super::revoke_key::{self, revoke_key};
use super::sign_file::{self, sign_file};
use super::sign_key::{self, sign_key};
use super::verify_ed25519::{self, verify_ed25519_signature};
use super::verify_signature::{self, verify_signature};
use clap::Subcommand;
use std::process::ExitCode;

/// The verbs about keys.
#[derive(Subcommand)]
pub(in crate::cli) enum Verb {
    /// Make key pairs for workers.
    #[command(subcommand)]
    GenKey(GenKey),
    /// Certify a public key with a secret one.
    SignKey(sign_key::Options),
    /// Write a key as an armored file: from files, which are merged, from a secret key, or from a keyring.
    ExportKey(export_key::Options),
    /// Revoke a key, or the certification of another one.
    RevokeKey(revoke_key::Options),
    /// List the keys of a keyring, and which of them count.
    ListKeys(list_keys::Options),
    /// Sign a file with an OpenPGP key.
    SignFile(sign_file::Options),
    /// Check the signature of a file against a keyring: exit code 0, or 3 when it is refused.
    VerifySignature(verify_signature::Options),
    /// The old helper `create_gpg_keys`.
    #[command(hide = true)]
    CreateGpgKeys(create_gpg_keys::Options),
    /// The old helper `verify_ed25519_signature`.
    #[command(hide = true)]
    VerifyEd25519Signature(verify_ed25519::Options),
}

/// Does it; the result is the process's exit code.
pub(in crate::cli) fn run(verb: &Verb) -> ExitCode {
    match verb {
        Verb::GenKey(kind) => gen_key(kind),
        Verb::SignKey(options) => sign_key(options),
        Verb::ExportKey(options) => export_key(options),
        Verb::RevokeKey(options) => revoke_key(options),
        Verb::ListKeys(options) => list_keys(options),
        Verb::SignFile(options) => sign_file(options),
        Verb::VerifySignature(options) => verify_signature(options),
        Verb::CreateGpgKeys(options) => create_gpg_keys(options),
        Verb::VerifyEd25519Signature(options) => verify_ed25519_signature(options),
    }
}
