//! Opens what signing needs: once, when the worker starts. A key that is open to others, that is no key, or that does
//! not fit its public half is a mistake of the deployment, and no task is run with it.

use crate::config::{OpenPgpKeyFiles, SigningKeyFiles};
use crate::key_files::{self, KeyFileError};
use rand::rngs::OsRng;
use scriptworker_core::cot::{AttestationSchema, SchemaFileError};
use scriptworker_core::ed25519::{KeyError, PrivateKey};
use scriptworker_core::openpgp::{
    Certificate, CertificateError, Fingerprint, SecretKey, SecretKeyError, SignError,
};
use scriptworker_core::time::UnixMillis;
use std::io;
use std::path::{Path, PathBuf};

/// What signing needs, opened. Printing it shows no secret.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) schema: AttestationSchema,
    pub(super) ed25519: Option<PrivateKey>,
    pub(super) openpgp: Option<SecretKey>,
}

/// Something that a key of the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {error}")]
pub struct CannotSign {
    /// The key of the configuration.
    pub key: &'static str,
    /// What is wrong.
    pub error: SigningKeyError,
}

/// Why a file that signing needs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// It cannot be read, or others can read it, too.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// It holds no text.
    #[error("{}: expected text", .0.display())]
    NotText(PathBuf),
    /// It holds no ed25519 seed.
    #[error("{}: {error}", path.display())]
    Ed25519 {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyError,
    },
    /// It holds no OpenPGP secret key that can be unlocked.
    #[error("{}: {error}", path.display())]
    OpenPgp {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: SecretKeyError,
    },
    /// Its key does not sign, such as one that has expired.
    #[error("{}: {error}", path.display())]
    DoesNotSign {
        /// Which file.
        path: PathBuf,
        /// Why not.
        error: SignError,
    },
    /// It holds no OpenPGP public key.
    #[error("{}: {error}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// It is not the public half of the secret key.
    #[error("{}: expected the public half of the secret key {expected}, found the key {found}", path.display())]
    OtherKey {
        /// Which file.
        path: PathBuf,
        /// The secret key.
        expected: Fingerprint,
        /// The public one.
        found: Fingerprint,
    },
    /// It holds no schema.
    #[error("{}: {error}", path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: SchemaFileError,
    },
    /// The schema that is built in cannot be used.
    #[error("the built-in schema: {0}")]
    BuiltIn(SchemaFileError),
}

impl CannotSign {
    /// Whether the file is not there at all.
    pub fn is_missing(&self) -> bool {
        matches!(&self.error, SigningKeyError::File(KeyFileError::Io { source, .. })
            if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Opens everything, or says all that is wrong. `now` is the time at which the keys have to be good for signing.
pub(super) fn open(
    schema_file: Option<&Path>,
    files: &SigningKeyFiles,
    now: UnixMillis,
) -> Result<Opened, Vec<CannotSign>> {
    let mut problems = Vec::new();
    let mut keep = |key: &'static str, error: SigningKeyError| problems.push(CannotSign { key, error });
    let schema = schema(schema_file).map_err(|error| keep("cot_schema_path", error)).ok();
    let ed25519 = files
        .ed25519
        .as_deref()
        .and_then(|path| read_ed25519(path).map_err(|error| keep("ed25519_private_key_path", error)).ok());
    let openpgp = files.openpgp.as_ref().and_then(|files| openpgp(files, now, &mut keep));
    match schema {
        Some(schema) if problems.is_empty() => Ok(Opened { schema, ed25519, openpgp }),
        _ => Err(problems),
    }
}

fn schema(path: Option<&Path>) -> Result<AttestationSchema, SigningKeyError> {
    let Some(path) = path else { return AttestationSchema::built_in().map_err(SigningKeyError::BuiltIn) };
    let bytes = key_files::read_public(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SigningKeyError::NotText(path.to_path_buf()))?;
    AttestationSchema::parse(text)
        .map_err(|error| SigningKeyError::Schema { path: path.to_path_buf(), error })
}

pub(crate) fn read_ed25519(path: &Path) -> Result<PrivateKey, SigningKeyError> {
    let bytes = key_files::read_secret(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SigningKeyError::NotText(path.to_path_buf()))?;
    PrivateKey::parse(text).map_err(|error| SigningKeyError::Ed25519 { path: path.to_path_buf(), error })
}

/// The OpenPGP secret key, unlocked once and kept so: that takes a while. It signs once for nothing, so that a key that
/// cannot is found before there is a task.
fn openpgp(
    files: &OpenPgpKeyFiles,
    now: UnixMillis,
    keep: &mut impl FnMut(&'static str, SigningKeyError),
) -> Option<SecretKey> {
    let passphrase = match files.passphrase.as_deref().map(key_files::read_passphrase).transpose() {
        Ok(passphrase) => passphrase,
        Err(error) => {
            keep("privkey_passphrase_path", error.into());
            return None;
        }
    };
    let path = || files.secret.clone();
    let parsed = key_files::read_secret(&files.secret).map_err(SigningKeyError::from).and_then(|bytes| {
        SecretKey::parse(&bytes, passphrase.as_ref())
            .map_err(|error| SigningKeyError::OpenPgp { path: path(), error })
    });
    let tried = parsed.and_then(|key| match key.sign_detached(b"", now, &mut OsRng) {
        Ok(_) => Ok(key),
        Err(error) => Err(SigningKeyError::DoesNotSign { path: path(), error }),
    });
    let key = tried.map_err(|error| keep("privkey_path", error)).ok();
    if let Some(public) = &files.public
        && let Err(error) = fits(public, key.as_ref())
    {
        keep("pubkey_path", error);
    }
    key
}

/// Whether the public key in a file is the other half of the secret one, as far as that is known.
fn fits(path: &Path, secret: Option<&SecretKey>) -> Result<(), SigningKeyError> {
    let bytes = key_files::read_public(path)?;
    let public = Certificate::parse(&bytes)
        .map_err(|error| SigningKeyError::Certificate { path: path.to_path_buf(), error })?;
    let found = public.fingerprint().clone();
    match secret.map(|secret| secret.fingerprint().clone()) {
        Some(expected) if expected != found => {
            Err(SigningKeyError::OtherKey { path: path.to_path_buf(), expected, found })
        }
        Some(_) | None => Ok(()),
    }
}
