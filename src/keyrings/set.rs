//! The keyrings of all worker implementations at one revision of the key repository: what verifications read.

use crate::config::{KeyringLayout, KeyringModel};
use scriptworker_core::cot::keys::Implementation;
use scriptworker_core::openpgp::{Certificate, Fingerprint, Keyring, Role, SignaturePolicy};
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Where a set of keyrings comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The commit of the key repository.
    pub revision: String,
    /// The tag that names it; none when the commit itself is signed.
    pub tag: Option<String>,
    /// Who signed the tag, or the commit.
    pub signed_by: Fingerprint,
}

/// The keys of one worker implementation, as they come from the key repository or from the disk.
#[derive(Clone)]
pub struct Keys {
    /// How they lay in the key repository.
    pub layout: KeyringLayout,
    /// Of a flat keyring, all of them; of a signed one, the trusted keys.
    pub by_place: Vec<Certificate>,
    /// Of a signed keyring, the keys that need a certification by one of those.
    pub by_certification: Vec<Certificate>,
}

impl Keys {
    /// Every key with what makes it count.
    pub(super) fn with_roles(&self) -> impl Iterator<Item = (Role, &Certificate)> {
        let place = match self.layout.model {
            KeyringModel::Flat => Role::Flat,
            KeyringModel::Signed => Role::Trusted,
        };
        let by_place = self.by_place.iter().map(move |key| (place, key));
        by_place.chain(self.by_certification.iter().map(|key| (Role::Valid, key)))
    }

    fn into_keyring(self) -> Keyring {
        let policy = SignaturePolicy::default();
        match self.layout.model {
            KeyringModel::Flat => Keyring::flat(self.by_place, policy),
            KeyringModel::Signed => Keyring::signed(self.by_place, self.by_certification, policy),
        }
    }
}

/// A complete set of keyrings: never changed, replaced as a whole.
#[derive(Clone)]
pub struct KeyringSet {
    keyrings: BTreeMap<String, Keyring>,
    layouts: BTreeMap<String, KeyringLayout>,
    source: Source,
    built: UnixMillis,
}

impl KeyringSet {
    pub(super) fn new(keys: BTreeMap<String, Keys>, source: Source, built: UnixMillis) -> Self {
        let layouts = keys.iter().map(|(name, keys)| (name.clone(), keys.layout.clone())).collect();
        let keyrings = keys.into_iter().map(|(name, keys)| (name, keys.into_keyring())).collect();
        Self { keyrings, layouts, source, built }
    }

    /// The keyring of a worker implementation.
    pub fn get(&self, implementation: &str) -> Option<&Keyring> {
        self.keyrings.get(implementation)
    }

    /// The keyrings of the implementations whose attestations may be clear-signed, for whoever judges chains of trust.
    pub fn by_implementation(&self) -> BTreeMap<Implementation, Keyring> {
        let each = Implementation::ALL.into_iter();
        each.filter_map(|one| Some((one, self.get(one.name())?.clone()))).collect()
    }

    /// The names of all worker implementations.
    pub fn implementations(&self) -> impl Iterator<Item = &str> {
        self.keyrings.keys().map(String::as_str)
    }

    /// How the keys lay in the key repository, by worker implementation.
    pub fn layouts(&self) -> &BTreeMap<String, KeyringLayout> {
        &self.layouts
    }

    /// Where it comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// When it was built.
    pub fn built(&self) -> UnixMillis {
        self.built
    }
}

impl fmt::Debug for KeyringSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = |keyring: &Keyring| keyring.certificates().count();
        let counts: BTreeMap<&str, usize> =
            self.keyrings.iter().map(|(name, keyring)| (name.as_str(), keys(keyring))).collect();
        f.debug_struct("KeyringSet").field("source", &self.source).field("keys", &counts).finish()
    }
}
