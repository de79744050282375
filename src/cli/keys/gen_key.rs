//! `scriptworker gen-key`: key pairs for workers, of both generations (keyrings.md 6 and 7).

use super::common::{KeyVerbError, finish, now, print};
use crate::fsio;
use crate::key_files::{self, NewFile, PUBLIC_MODE, SECRET_MODE};
use clap::{Args, Subcommand};
use rand::rngs::OsRng;
use scriptworker_core::ed25519::PrivateKey;
use scriptworker_core::openpgp::{Expiry, KeyAlgorithm, KeyOwner, KeyPlan, RevocationReason, SecretKey};
use scriptworker_core::secret::Secret;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

/// What kind of keys to make.
#[derive(Subcommand)]
pub(in crate::cli) enum GenKey {
    /// An OpenPGP key for each host: FQDN.pub and FQDN.sec, armored.
    Openpgp(OpenPgp),
    /// An ed25519 key: private_key and public_key, in base64.
    Ed25519(Ed25519),
}

#[derive(Args)]
pub(in crate::cli) struct OpenPgp {
    /// Local part of the address in the user id.
    #[arg(long, value_name = "NAME")]
    pub(super) user: String,
    /// The hosts, by their full names; the user id is `LABEL <NAME@FQDN>` with the first label of the host.
    #[arg(long = "host", value_name = "FQDN", num_args = 1.., required = true)]
    pub(super) hosts: Vec<HostName>,
    /// Where the files go.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// rsa4096, rsa3072, rsa2048 or ed25519 (the OpenPGP form, which gpg knows from 2.1 on).
    #[arg(long, default_value = "rsa4096")]
    pub(super) algorithm: KeyAlgorithm,
    /// How long the keys are good: YYYY-MM-DD, Nd, Nw, Nm, Ny, seconds=EPOCH, or 0 for ever.
    #[arg(long, value_name = "WHEN", default_value = "2y")]
    pub(super) expires: Expiry,
    /// Lock the secret keys with the first line of this file, which only its owner can read.
    #[arg(long, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Name the files by the first label of the host only.
    #[arg(long)]
    pub(super) short_names: bool,
    /// Write FQDN.rev, too: the public key, revoked. Keep it apart; published, it ends the key without its secret.
    #[arg(long)]
    pub(super) revocation: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Ed25519 {
    /// Where the files go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name the files PREFIX_private_key and PREFIX_public_key.
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<FilePrefix>,
}

/// The name of a host. It becomes the name of a file, so it is nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostName(String);

/// A text that is no host name.
#[derive(Debug, thiserror::Error)]
#[error("expected a host name: labels of letters, digits, - and _, separated by dots")]
pub(super) struct InvalidHostName;

impl FromStr for HostName {
    type Err = InvalidHostName;

    fn from_str(text: &str) -> Result<Self, InvalidHostName> {
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let is_label =
            |label: &str| !label.is_empty() && !label.starts_with('-') && label.chars().all(letter);
        let is_name = text.len() <= 253 && text.split('.').all(is_label);
        if is_name { Ok(Self(text.to_owned())) } else { Err(InvalidHostName) }
    }
}

/// The beginning of a file's name.
#[derive(Debug, Clone)]
struct FilePrefix(String);

/// A text that cannot begin a file's name.
#[derive(Debug, thiserror::Error)]
#[error("expected the beginning of a file name, without /")]
struct InvalidPrefix;

impl FromStr for FilePrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        if text.is_empty() || text.contains(['/', '\0']) {
            return Err(InvalidPrefix);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Makes keys.
pub(super) fn gen_key(kind: &GenKey) -> ExitCode {
    finish(
        "gen-key",
        match kind {
            GenKey::Openpgp(options) => openpgp(options),
            GenKey::Ed25519(options) => ed25519(options),
        },
    )
}

/// Makes all keys or none. The names are taken before the long work begins.
pub(super) fn openpgp(options: &OpenPgp) -> Result<ExitCode, KeyVerbError> {
    let passphrase = options.passphrase_file.as_deref().map(key_files::read_passphrase).transpose()?;
    make_directory(&options.out)?;
    let mut names = BTreeSet::new();
    let mut pairs = Vec::new();
    for host in &options.hosts {
        let name = if options.short_names { host.0.split('.').next().unwrap_or_default() } else { &host.0 };
        let owner = KeyOwner::of_worker(&options.user, &host.0)?;
        if !names.insert(name) {
            return Err(KeyVerbError::SameFile(options.out.join(name)));
        }
        pairs.push((owner, Pair::create(&options.out, name, options.revocation)?));
    }
    let mut report = String::new();
    for (owner, pair) in &mut pairs {
        let plan = KeyPlan { owner: owner.clone(), algorithm: options.algorithm, expiry: options.expires };
        let key = SecretKey::generate(&plan, now(), &mut OsRng)?;
        pair.fill(&key, passphrase.as_ref())?;
        report.push_str(&format!("{} {owner}\n", key.fingerprint()));
    }
    pairs.into_iter().for_each(|(_, pair)| pair.keep());
    print(&report)?;
    Ok(ExitCode::SUCCESS)
}

/// The files of one key.
struct Pair {
    secret: NewFile,
    public: NewFile,
    revocation: Option<NewFile>,
}

impl Pair {
    fn create(dir: &Path, name: &str, with_revocation: bool) -> Result<Self, KeyVerbError> {
        let file = |suffix, mode| NewFile::create(&dir.join(format!("{name}.{suffix}")), mode);
        Ok(Self {
            secret: file("sec", SECRET_MODE)?,
            public: file("pub", PUBLIC_MODE)?,
            revocation: with_revocation.then(|| file("rev", SECRET_MODE)).transpose()?,
        })
    }

    fn fill(&mut self, key: &SecretKey, passphrase: Option<&Secret>) -> Result<(), KeyVerbError> {
        let secret = match passphrase {
            Some(passphrase) => key.to_armored_locked(passphrase, &mut OsRng),
            None => key.to_armored(),
        };
        self.secret.fill(secret.map_err(KeyVerbError::Write)?.as_bytes())?;
        self.public.fill(key.certificate().to_armored().as_bytes())?;
        if let Some(file) = &mut self.revocation {
            let comment = "made together with the key";
            let revoked = key.revoke(RevocationReason::Unspecified, comment, now(), &mut OsRng)?;
            file.fill(revoked.to_armored().as_bytes())?;
        }
        Ok(())
    }

    fn keep(self) {
        self.secret.keep();
        self.public.keep();
        if let Some(file) = self.revocation {
            file.keep();
        }
    }
}

fn ed25519(options: &Ed25519) -> Result<ExitCode, KeyVerbError> {
    make_directory(&options.out)?;
    let path = |name: &str| match &options.prefix {
        Some(prefix) => options.out.join(format!("{}_{name}", prefix.0)),
        None => options.out.join(name),
    };
    let mut private = NewFile::create(&path("private_key"), SECRET_MODE)?;
    let mut public = NewFile::create(&path("public_key"), PUBLIC_MODE)?;
    let key = PrivateKey::generate(&mut OsRng);
    private.fill(key.to_base64().expose().as_bytes())?;
    public.fill(key.public().to_string().as_bytes())?;
    private.keep();
    public.keep();
    print(&format!("{}\n", key.public()))?;
    Ok(ExitCode::SUCCESS)
}

fn make_directory(path: &Path) -> Result<(), KeyVerbError> {
    fsio::create_dir_all(path).map_err(|source| KeyVerbError::Directory { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_a_file_name_and_nothing_else() {
        for name in ["host1.example.com", "localhost", "a-b.c_d", "1.2"] {
            assert!(name.parse::<HostName>().is_ok(), "{name}");
        }
        for name in ["", ".", "..", "../x", "/x", "a..b", ".a", "a.", "-a", "a b", "ä"] {
            assert!(name.parse::<HostName>().is_err(), "{name}");
        }
        assert!(("a".repeat(254)).parse::<HostName>().is_err());
    }
}
