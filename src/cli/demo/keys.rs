//! The keys that the demo's worker signs with, made anew for each demo; and the keyring in which others find them.

use super::places::Places;
use crate::config::{KeyringLayout, KeyringModel};
use crate::key_files::{self, KeyFileError, PUBLIC_MODE, SECRET_MODE};
use crate::keyrings::{Keys, Source, Store, StoreError};
use chrono::Utc;
use rand::rngs::OsRng;
use scriptworker_core::ed25519::{PrivateKey, PublicKey};
use scriptworker_core::openpgp::{
    Certificate, Expiry, GenerateError, InvalidOwner, KeyAlgorithm, KeyOwner, KeyPlan, SecretKey,
    SecretKeyError,
};
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;

/// The seed of the ed25519 key.
pub(super) const SEED: &str = "ed25519_private_key";
/// The OpenPGP secret key.
pub(super) const SECRET: &str = "worker.sec";
/// The OpenPGP public key.
pub(super) const PUBLIC: &str = "worker.pub";

/// The worker implementation that the keys are for.
pub(super) const IMPLEMENTATION: &str = "scriptworker";

/// A key could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    #[error(transparent)]
    File(#[from] KeyFileError),
    #[error(transparent)]
    Owner(#[from] InvalidOwner),
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Write(#[from] SecretKeyError),
    #[error(transparent)]
    Keyring(#[from] StoreError),
}

/// Makes both, as files; the ed25519 public key.
pub(super) fn make(places: &Places) -> Result<PublicKey, KeysError> {
    let ed25519 = PrivateKey::generate(&mut OsRng);
    let owner = KeyOwner::of_worker("demo", "worker-1.example.com")?;
    let plan = KeyPlan { owner, algorithm: KeyAlgorithm::Ed25519, expiry: Expiry::After(86_400) };
    let now = UnixMillis(Utc::now().timestamp_millis());
    let openpgp = SecretKey::generate(&plan, now, &mut OsRng)?;
    let at = |name| places.own_keys().join(name);
    publish(places, openpgp.certificate().clone(), now)?;
    key_files::write_new(&at(SEED), ed25519.to_base64().expose().as_bytes(), SECRET_MODE)?;
    key_files::write_new(&at(SECRET), openpgp.to_armored()?.as_bytes(), SECRET_MODE)?;
    key_files::write_new(&at(PUBLIC), openpgp.certificate().to_armored().as_bytes(), PUBLIC_MODE)?;
    Ok(ed25519.public())
}

/// Makes the keyring as `rebuild-keyrings` would, from a key repository with this one key.
fn publish(places: &Places, key: Certificate, now: UnixMillis) -> Result<(), KeysError> {
    let layout = KeyringLayout { model: KeyringModel::Flat, ignore_suffixes: Vec::new() };
    let source = Source { revision: "0".repeat(40), tag: None, signed_by: key.fingerprint().clone() };
    let keys = Keys { layout, by_place: vec![key], by_certification: Vec::new() };
    let store = Store::new(places.keyrings());
    store.stage(&BTreeMap::from([(IMPLEMENTATION.to_owned(), keys)]), &source, now)?;
    store.swap()?;
    Ok(())
}
