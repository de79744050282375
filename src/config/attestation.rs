//! The keys about attestations (config.md 5.4 to 5.7): from merged values to types. The files that they name are
//! opened by whoever signs, not here: other verbs read the same configuration without being allowed to.

use super::build::{Around, Raw};
use super::keys::Generation;
use super::problem::{ConfigProblem, Rule};
use scriptworker_core::digest::HashAlgorithm;
use std::path::PathBuf;

/// In which form runs are attested (configuration key `cot_signature_scheme`; config.md 9, decision C3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// The current form, with an ed25519 signature beside it.
    Ed25519,
    /// The classic form, clear-signed with OpenPGP.
    OpenPgp,
    /// Both.
    Both,
}

/// How runs are attested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationConfig {
    /// In which form.
    pub scheme: SignatureScheme,
    /// `chain_of_trust_hash_algorithm`.
    pub algorithm: HashAlgorithm,
    /// `cot_schema_path`; `None` for the schema that is built in.
    pub schema: Option<PathBuf>,
    /// The keys; none when nothing is signed.
    pub keys: SigningKeyFiles,
}

/// Files of the keys that the scheme needs. Paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SigningKeyFiles {
    /// `ed25519_private_key_path`.
    pub ed25519: Option<PathBuf>,
    /// The OpenPGP pair.
    pub openpgp: Option<OpenPgpKeyFiles>,
}

/// Files of the OpenPGP pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPgpKeyFiles {
    /// `privkey_path`.
    pub secret: PathBuf,
    /// `privkey_passphrase_path`, for a key that is locked.
    pub passphrase: Option<PathBuf>,
    /// `pubkey_path`; when it is given, it has to be the other half.
    pub public: Option<PathBuf>,
}

impl SignatureScheme {
    /// Whether there is the current form.
    pub fn is_current(self) -> bool {
        match self {
            Self::Ed25519 | Self::Both => true,
            Self::OpenPgp => false,
        }
    }

    /// Whether there is the classic form.
    pub fn is_classic(self) -> bool {
        match self {
            Self::OpenPgp | Self::Both => true,
            Self::Ed25519 => false,
        }
    }

    /// What the file says, else the scheme whose keys it names.
    fn of(name: Option<&str>, generation: Generation) -> Self {
        match name {
            Some("ed25519") => Self::Ed25519,
            Some("openpgp") => Self::OpenPgp,
            Some("both") => Self::Both,
            _ if generation == Generation::Classic => Self::OpenPgp,
            _ => Self::Ed25519,
        }
    }
}

/// Builds that part of the configuration, or reports why not.
pub(super) fn build(
    raw: &Raw,
    around: &Around<'_>,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<AttestationConfig> {
    let scheme = SignatureScheme::of(raw.cot_signature_scheme.as_deref(), around.generation);
    let absolute = |path: &Option<String>| path.as_ref().map(|path| around.env.cwd.join(path));
    let mut needed = |key: &'static str, path: Option<PathBuf>| {
        if path.is_none() && raw.sign_chain_of_trust && !around.refused.contains(&key) {
            let expected = format!(
                "a path, because sign_chain_of_trust is true and the scheme {}",
                match scheme {
                    SignatureScheme::Ed25519 => "ed25519",
                    SignatureScheme::OpenPgp => "openpgp",
                    SignatureScheme::Both => "both",
                }
            );
            let at = around.spots.find("sign_chain_of_trust");
            problems.push(ConfigProblem::new(Rule::NoSigningKey, key, expected, "none").at(at));
        }
        path.filter(|_| raw.sign_chain_of_trust)
    };
    let mut keys = SigningKeyFiles::default();
    if scheme.is_current() {
        keys.ed25519 = needed("ed25519_private_key_path", absolute(&raw.ed25519_private_key_path));
    }
    if scheme.is_classic() {
        keys.openpgp = needed("privkey_path", absolute(&raw.privkey_path)).map(|secret| OpenPgpKeyFiles {
            secret,
            passphrase: absolute(&raw.privkey_passphrase_path),
            public: absolute(&raw.pubkey_path),
        });
    }
    for (key, given, used) in [
        ("ed25519_private_key_path", raw.ed25519_private_key_path.is_some(), scheme.is_current()),
        ("privkey_path", raw.privkey_path.is_some(), scheme.is_classic()),
        ("pubkey_path", raw.pubkey_path.is_some(), scheme.is_classic()),
        ("privkey_passphrase_path", raw.privkey_passphrase_path.is_some(), scheme.is_classic()),
    ] {
        if given && !used {
            let other = if scheme.is_classic() { "openpgp" } else { "ed25519" };
            let expected = format!("no such key: the scheme is {other} (cot_signature_scheme)");
            warnings.push(ConfigProblem::new(Rule::NoEffect, key, expected, "a text"));
        }
    }
    let algorithm = HashAlgorithm::from_name(&raw.chain_of_trust_hash_algorithm)?;
    let schema = absolute(&raw.cot_schema_path);
    Some(AttestationConfig { scheme, algorithm, schema, keys })
}
