//! Ownertrust, and the look-ups between key ids and fingerprints.

use crate::openpgp::{Certificate, Fingerprint, KeyId};
use std::collections::BTreeSet;
use std::fmt;

/// Who is trusted to certify: the own key ultimately (6), others fully (5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerTrust {
    own: Fingerprint,
    trusted: BTreeSet<Fingerprint>,
}

/// Why an exported trust list is not the wanted one, or a key is not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The lists differ.
    #[error("verify the ownertrust: missing {missing:?}, not expected {extra:?}")]
    Differs {
        /// Lines that should be there.
        missing: Vec<String>,
        /// Lines that should not (each at most 100 characters).
        extra: Vec<String>,
    },
    /// No key has the key id.
    #[error("find a key with the key id {0}")]
    NoSuchKeyId(KeyId),
    /// No key has the fingerprint.
    #[error("find a key with the fingerprint {0}")]
    NoSuchKey(Fingerprint),
}

impl OwnerTrust {
    /// The own key and those that are fully trusted; the own key among these is left out, and so are repetitions.
    pub fn new(own: Fingerprint, trusted: impl IntoIterator<Item = Fingerprint>) -> Self {
        let mut trusted: BTreeSet<_> = trusted.into_iter().collect();
        trusted.remove(&own);
        Self { own, trusted }
    }

    /// Compares a list as `gpg --export-ownertrust` writes it (comments aside) with this one: exactly the same lines, in
    /// any order.
    pub fn verify(&self, exported: &str) -> Result<(), TrustError> {
        let found =
            exported.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let found: BTreeSet<&str> = found.collect();
        let wanted = self.to_string();
        let wanted: BTreeSet<&str> = wanted.lines().collect();
        if found == wanted {
            return Ok(());
        }
        Err(TrustError::Differs {
            missing: wanted.difference(&found).map(|line| (*line).to_owned()).collect(),
            extra: found.difference(&wanted).map(|line| line.chars().take(100).collect()).collect(),
        })
    }
}

impl fmt::Display for OwnerTrust {
    /// One line `FINGERPRINT:6:` for the own key, `FINGERPRINT:5:` for each other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:6:", self.own)?;
        self.trusted.iter().try_for_each(|trusted| writeln!(f, "{trusted}:5:"))
    }
}

/// The fingerprint of the primary key with this key id. Of several the first is taken.
pub fn keyid_to_fingerprint<'a>(
    keys: impl IntoIterator<Item = &'a Certificate>,
    key_id: KeyId,
) -> Result<Fingerprint, TrustError> {
    let mut keys = keys.into_iter();
    let found = keys.find(|key| key.key_id() == key_id).ok_or(TrustError::NoSuchKeyId(key_id))?;
    Ok(found.fingerprint().clone())
}

/// The key id of the primary key with this fingerprint, if it is among the keys.
pub fn fingerprint_to_keyid<'a>(
    keys: impl IntoIterator<Item = &'a Certificate>,
    fingerprint: &Fingerprint,
) -> Result<KeyId, TrustError> {
    let mut keys = keys.into_iter();
    let found = keys.find(|key| key.fingerprint() == fingerprint);
    Ok(found.ok_or_else(|| TrustError::NoSuchKey(fingerprint.clone()))?.key_id())
}
