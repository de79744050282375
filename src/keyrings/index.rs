//! `index.json`: what belongs to a set of keyrings on disk, for people and tools, and for telling a whole set from a
//! part of one.

use super::set::{Keys, Source};
use crate::config::{KeyringLayout, KeyringModel};
use scriptworker_core::openpgp::{Certificate, Fingerprint, Role};
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The one form of the index that is known.
pub(super) const VERSION: u32 = 1;

/// The index. It is written last, so that a set without it is not whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    pub(super) version: u32,
    pub(super) built: UnixMillis,
    pub(super) source: Source,
    pub(super) keyrings: BTreeMap<String, KeyringEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyringEntry {
    #[serde(rename = "type")]
    pub(super) model: Model,
    pub(super) ignore_suffixes: Vec<String>,
    pub(super) keys: Vec<KeyEntry>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Model {
    Flat,
    Signed,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    /// Where its file is, from the base directory on.
    pub(super) file: String,
    pub(super) role: Role,
    pub(super) fingerprint: Fingerprint,
    /// For people: nothing depends on them.
    pub(super) user_ids: Vec<String>,
    /// Of the file.
    pub(super) sha256: String,
}

impl KeyringEntry {
    /// The entry of a keyring, with the content of each of its files.
    pub(super) fn of(name: &str, keys: &Keys) -> (Self, Vec<String>) {
        let mut contents = Vec::new();
        let mut entries = Vec::new();
        for (role, key) in keys.with_roles() {
            // a revocation that was made for this store only counts here, too
            let content = key.to_armored_with_locals();
            entries.push(KeyEntry::of(name, role, key, &content));
            contents.push(content);
        }
        let KeyringLayout { model, ignore_suffixes } = keys.layout.clone();
        let model = match model {
            KeyringModel::Flat => Model::Flat,
            KeyringModel::Signed => Model::Signed,
        };
        (Self { model, ignore_suffixes, keys: entries }, contents)
    }

    pub(super) fn layout(&self) -> KeyringLayout {
        let model = match self.model {
            Model::Flat => KeyringModel::Flat,
            Model::Signed => KeyringModel::Signed,
        };
        KeyringLayout { model, ignore_suffixes: self.ignore_suffixes.clone() }
    }

    /// Whether keys of such a keyring have this role.
    pub(super) fn knows(&self, role: Role) -> bool {
        match self.model {
            Model::Flat => role == Role::Flat,
            Model::Signed => matches!(role, Role::Trusted | Role::Valid),
        }
    }
}

impl KeyEntry {
    fn of(keyring: &str, role: Role, key: &Certificate, content: &str) -> Self {
        let fingerprint = key.fingerprint().clone();
        Self {
            file: format!("{}/{fingerprint}.asc", folder(keyring, role)),
            role,
            fingerprint,
            user_ids: key.user_ids(),
            sha256: sha256(content.as_bytes()),
        }
    }

    /// Whether the file is where a key like this belongs: an index leads nowhere else.
    pub(super) fn is_in_place(&self, keyring: &str) -> bool {
        self.file == format!("{}/{}.asc", folder(keyring, self.role), self.fingerprint)
    }
}

/// The directory of the keys of a role, from the base directory on.
pub(super) fn folder(keyring: &str, role: Role) -> String {
    match role {
        Role::Flat => keyring.to_owned(),
        Role::Trusted => format!("{keyring}/trusted"),
        Role::Valid => format!("{keyring}/valid"),
    }
}

/// The digest of a file, in hex.
pub(super) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::new(), |mut hex, byte| {
        // writing to a String cannot fail
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
