//! The keyring of one worker implementation, as a configuration names it: from `base_gpg_home_dir`, and the list in
//! `ed25519_public_keys`.
//!
//! Only these keys have to be right: a key keeper's configuration needs no credentials.

use super::common::{Findings, KeyVerbError};
use crate::config::{self, BuiltIn, Environment, Inspection};
use crate::keyrings::load_keyring_in;
use clap::Args;
use scriptworker_core::ed25519::trust::KeyLists;
use scriptworker_core::openpgp::{Certificate, Fingerprint, Keyring};
use serde_json::Value;
use std::path::PathBuf;

/// The keys that say where keyrings are.
const BASE: &str = "base_gpg_home_dir";
const ED25519: &str = "ed25519_public_keys";

/// Which keyring.
#[derive(Args)]
pub(super) struct KeyringChoice {
    /// The worker's configuration (YAML or JSON).
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The worker implementation, such as scriptworker.
    #[arg(long, value_name = "IMPLEMENTATION")]
    pub(super) keyring: String,
}

impl KeyringChoice {
    /// The OpenPGP keys in force.
    pub(super) fn open(&self) -> Result<Keyring, KeyVerbError> {
        let environment = environment()?;
        let inspection = self.inspect(&environment)?;
        let base = match setting(&inspection, BASE) {
            Some(Value::String(base)) => Some(environment.cwd.join(base)),
            Some(_) | None => None,
        };
        Ok(load_keyring_in(base.as_deref(), &self.keyring)?)
    }

    /// The ed25519 keys of all implementations.
    pub(super) fn ed25519(&self) -> Result<KeyLists, KeyVerbError> {
        let inspection = self.inspect(&environment()?)?;
        let lists = key_lists(setting(&inspection, ED25519).or_else(built_in))?;
        if !lists.lists.contains_key(&self.keyring) {
            return Err(KeyVerbError::UnknownKeyring {
                known: lists.lists.into_keys().collect(),
                found: self.keyring.clone(),
            });
        }
        Ok(lists)
    }

    /// One key.
    pub(super) fn certificate(&self, fingerprint: &Fingerprint) -> Result<Certificate, KeyVerbError> {
        let keyring = self.open()?;
        let mut keys = keyring.certificates();
        keys.find(|key| key.fingerprint() == fingerprint).cloned().ok_or_else(|| KeyVerbError::NoSuchKey {
            keyring: self.keyring.clone(),
            fingerprint: fingerprint.clone(),
        })
    }

    /// Reads the configuration; only what is wrong with it as a whole, or with these keys, matters.
    fn inspect(&self, environment: &Environment) -> Result<Inspection, KeyVerbError> {
        let mut inspection = config::inspect(Some(&self.config), environment);
        let matters = |key: &str| [BASE, ED25519].iter().any(|known| key.starts_with(known));
        if !inspection.settings.is_empty() {
            inspection.problems.retain(|problem| !problem.rule.is_a_note() && matters(&problem.key));
        }
        if inspection.problems.is_empty() {
            return Ok(inspection);
        }
        Err(KeyVerbError::Config(Findings(inspection.problems)))
    }
}

/// The built-in ed25519 keys of all implementations.
pub(super) fn built_in_ed25519() -> Result<KeyLists, KeyVerbError> {
    key_lists(built_in())
}

fn environment() -> Result<Environment, KeyVerbError> {
    Environment::of_process().map_err(KeyVerbError::CurrentDirectory)
}

fn setting(inspection: &Inspection, name: &str) -> Option<Value> {
    inspection.settings.iter().find(|setting| setting.spec.name == name)?.value.clone()
}

fn built_in() -> Option<Value> {
    match config::find_key(ED25519)?.default {
        BuiltIn::Json(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

fn key_lists(value: Option<Value>) -> Result<KeyLists, KeyVerbError> {
    let lists = serde_json::from_value(value.unwrap_or_default()).map_err(KeyVerbError::Ed25519List)?;
    Ok(KeyLists { lists, ..KeyLists::default() })
}
