//! The keys of the workers that are said to have run the tasks of a release, and of one that nobody knows.

use super::ReleaseError;
use crate::config::{KeyringLayout, KeyringModel};
use crate::key_files::{self, PUBLIC_MODE, SECRET_MODE};
use crate::keyrings::{Keys, Source, Store};
use rand::rngs::OsRng;
use scriptworker_core::cot::implementation::Implementation;
use scriptworker_core::cot::keys::Form;
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::ed25519::PrivateKey;
use scriptworker_core::openpgp::{Expiry, KeyAlgorithm, KeyOwner, KeyPlan, SecretKey};
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A key of one generation.
enum Key {
    Ed25519(Box<PrivateKey>),
    OpenPgp(Box<SecretKey>),
}

/// Who attests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    /// A worker whose key is known.
    Known(Implementation),
    /// A worker whose key is in no list.
    Stranger,
}

/// All keys, and the files in which others find them.
pub(super) struct Signers {
    keys: BTreeMap<Implementation, Key>,
    stranger: Key,
    dir: PathBuf,
}

impl std::fmt::Debug for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signers").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Signers {
    /// New keys. Those of the scriptworker, and the keyrings, become files in `dir`.
    pub(super) fn make(generation: RuleSet, dir: PathBuf, now: UnixMillis) -> Result<Self, ReleaseError> {
        crate::fsio::create_dir_all(&dir).map_err(ReleaseError::file(&dir))?;
        let mut keys = BTreeMap::new();
        for implementation in Implementation::ALL {
            keys.insert(implementation, Key::generate(generation, implementation.name(), now)?);
        }
        let stranger = Key::generate(generation, "stranger", now)?;
        let signers = Self { keys, stranger, dir };
        signers.write(now)?;
        Ok(signers)
    }

    fn write(&self, now: UnixMillis) -> Result<(), ReleaseError> {
        let mut keyrings = BTreeMap::new();
        let mut keeper = None;
        for (implementation, key) in &self.keys {
            let own = *implementation == Implementation::Scriptworker;
            match key {
                Key::Ed25519(key) if own => key_files::write_new(
                    &self.ed25519_path(),
                    key.to_base64().expose().as_bytes(),
                    SECRET_MODE,
                )?,
                Key::Ed25519(_) => {}
                Key::OpenPgp(key) => {
                    if own {
                        let armored = key.certificate().to_armored();
                        key_files::write_new(&self.secret_path(), key.to_armored()?.as_bytes(), SECRET_MODE)?;
                        key_files::write_new(&self.public_path(), armored.as_bytes(), PUBLIC_MODE)?;
                    }
                    let layout = KeyringLayout { model: KeyringModel::Flat, ignore_suffixes: Vec::new() };
                    let by_place = vec![key.certificate().clone()];
                    let ring = Keys { layout, by_place, by_certification: Vec::new() };
                    keyrings.insert(implementation.name().to_owned(), ring);
                    keeper = Some(key.fingerprint().clone());
                }
            }
        }
        if let Some(signed_by) = keeper {
            let source = Source { revision: "0".repeat(40), tag: None, signed_by };
            let store = Store::new(self.keyrings_path());
            store.stage(&keyrings, &source, now)?;
            store.swap()?;
        }
        Ok(())
    }

    fn ed25519_path(&self) -> PathBuf {
        self.dir.join("ed25519_private_key")
    }

    fn secret_path(&self) -> PathBuf {
        self.dir.join("worker.sec")
    }

    fn public_path(&self) -> PathBuf {
        self.dir.join("worker.pub")
    }

    fn keyrings_path(&self) -> PathBuf {
        self.dir.join("keyrings")
    }

    /// The directory of the files.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What a worker's configuration has to say: whose keys count, and which one is its own.
    pub(super) fn configuration(&self) -> Map<String, Value> {
        let mut entries = Map::new();
        let mut lists = Map::new();
        for (implementation, key) in &self.keys {
            match key {
                Key::Ed25519(key) => {
                    lists.insert(implementation.name().to_owned(), json!([key.public().to_string()]));
                    entries.insert("ed25519_private_key_path".to_owned(), json!(self.ed25519_path()));
                }
                Key::OpenPgp(_) => {
                    entries.insert("base_gpg_home_dir".to_owned(), json!(self.keyrings_path()));
                    entries.insert("privkey_path".to_owned(), json!(self.secret_path()));
                    entries.insert("pubkey_path".to_owned(), json!(self.public_path()));
                }
            }
        }
        if !lists.is_empty() {
            entries.insert("ed25519_public_keys".to_owned(), Value::Object(lists));
        }
        entries
    }

    /// The artifacts of an attestation: names and bytes.
    pub(super) fn attest(
        &self,
        signer: Signer,
        body: &str,
        now: UnixMillis,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, ReleaseError> {
        let key = match signer {
            Signer::Known(implementation) => self.keys.get(&implementation).unwrap_or(&self.stranger),
            Signer::Stranger => &self.stranger,
        };
        match key {
            Key::Ed25519(key) => {
                let signature = key.sign(body.as_bytes()).as_bytes().to_vec();
                let mut artifacts = vec![(Form::Ed25519.document(), body.as_bytes().to_vec())];
                artifacts.extend(Form::Ed25519.signature().map(|name| (name, signature)));
                Ok(artifacts)
            }
            Key::OpenPgp(key) => {
                let signed = key.clear_sign(body.as_bytes(), now, &mut OsRng)?;
                Ok(vec![(Form::OpenPgp.document(), signed.into_bytes())])
            }
        }
    }
}

impl Key {
    fn generate(generation: RuleSet, owner: &str, now: UnixMillis) -> Result<Self, ReleaseError> {
        match generation {
            RuleSet::Current => Ok(Self::Ed25519(Box::new(PrivateKey::generate(&mut OsRng)))),
            RuleSet::Classic => {
                let owner = KeyOwner::of_worker(owner, "worker-1.example.com")?;
                let expiry = Expiry::After(86_400);
                let plan = KeyPlan { owner, algorithm: KeyAlgorithm::Ed25519, expiry };
                Ok(Self::OpenPgp(Box::new(SecretKey::generate(&plan, now, &mut OsRng)?)))
            }
        }
    }
}
