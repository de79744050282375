//! Opens what signing needs: once, when the worker starts. A key that is open to others, that is no key, or that does
//! not fit its public half is a mistake of the deployment, and no task is run with it.

use crate::config::AttestationConfig;
use crate::key_files::{self, KeyFileError};
use scriptworker_core::cot::{AttestationSchema, SchemaFileError};
use scriptworker_core::ed25519::{KeyError, PrivateKey};
use std::io;
use std::path::{Path, PathBuf};

/// What signing needs, opened. Printing it shows no secret.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) schema: AttestationSchema,
    pub(super) ed25519: Option<PrivateKey>,
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
    /// This version cannot sign with OpenPGP.
    #[error("this version cannot sign with OpenPGP")]
    OpenPgpUnsupported,
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

/// Opens everything, or says all that is wrong.
pub(super) fn open(config: &AttestationConfig) -> Result<Opened, Vec<CannotSign>> {
    let mut problems = Vec::new();
    let mut keep = |key: &'static str, error: SigningKeyError| problems.push(CannotSign { key, error });
    let schema = schema(config.schema.as_deref()).map_err(|error| keep("cot_schema_path", error)).ok();
    let ed25519 = config
        .keys
        .ed25519
        .as_deref()
        .and_then(|path| ed25519(path).map_err(|error| keep("ed25519_private_key_path", error)).ok());
    if let Some(files) = &config.keys.openpgp {
        let read = key_files::read_secret(&files.secret);
        keep("privkey_path", read.map_or_else(Into::into, |_| SigningKeyError::OpenPgpUnsupported));
    }
    match schema {
        Some(schema) if problems.is_empty() => Ok(Opened { schema, ed25519 }),
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

fn ed25519(path: &Path) -> Result<PrivateKey, SigningKeyError> {
    let bytes = key_files::read_secret(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SigningKeyError::NotText(path.to_path_buf()))?;
    PrivateKey::parse(text).map_err(|error| SigningKeyError::Ed25519 { path: path.to_path_buf(), error })
}
