//! What a signature has to be for it to count, as data.

use super::Fingerprint;
use crate::time::UnixMillis;
use pgp::crypto::hash::HashAlgorithm;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A hash algorithm of OpenPGP (RFC 9580 9.5), under the name that armor headers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hash {
    /// Broken.
    #[serde(rename = "MD5")]
    Md5,
    /// Collisions can be bought.
    #[serde(rename = "SHA1")]
    Sha1,
    /// As short as SHA-1.
    #[serde(rename = "RIPEMD160")]
    Ripemd160,
    /// SHA-2.
    #[serde(rename = "SHA224")]
    Sha224,
    /// SHA-2.
    #[serde(rename = "SHA256")]
    Sha256,
    /// SHA-2.
    #[serde(rename = "SHA384")]
    Sha384,
    /// SHA-2: what this worker signs with.
    #[serde(rename = "SHA512")]
    Sha512,
    /// SHA-3.
    #[serde(rename = "SHA3-256")]
    Sha3_256,
    /// SHA-3.
    #[serde(rename = "SHA3-512")]
    Sha3_512,
}

impl Hash {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Md5, "MD5"),
        (Self::Sha1, "SHA1"),
        (Self::Ripemd160, "RIPEMD160"),
        (Self::Sha224, "SHA224"),
        (Self::Sha256, "SHA256"),
        (Self::Sha384, "SHA384"),
        (Self::Sha512, "SHA512"),
        (Self::Sha3_256, "SHA3-256"),
        (Self::Sha3_512, "SHA3-512"),
    ];

    /// The algorithm with this name, in the spelling of `Hash:` headers.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, text)| *text == name).map(|(hash, _)| *hash)
    }

    /// The algorithm with this number (RFC 9580 9.5).
    pub fn numbered(number: u8) -> Option<Self> {
        match HashAlgorithm::from(number) {
            HashAlgorithm::Md5 => Some(Self::Md5),
            HashAlgorithm::Sha1 => Some(Self::Sha1),
            HashAlgorithm::Ripemd160 => Some(Self::Ripemd160),
            HashAlgorithm::Sha224 => Some(Self::Sha224),
            HashAlgorithm::Sha256 => Some(Self::Sha256),
            HashAlgorithm::Sha384 => Some(Self::Sha384),
            HashAlgorithm::Sha512 => Some(Self::Sha512),
            HashAlgorithm::Sha3_256 => Some(Self::Sha3_256),
            HashAlgorithm::Sha3_512 => Some(Self::Sha3_512),
            _ => None,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(hash, _)| hash == self).map(|(_, name)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

/// A hash that one key may use although the policy does not accept it otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashException {
    /// The key that made the signature (the primary key, or the subkey that signed).
    pub key: Fingerprint,
    /// The hash it may use, in every kind of signature.
    pub hash: Hash,
    /// Only in signatures that say they were made before this time.
    pub made_before: UnixMillis,
}

/// What signatures and keys have to be. The default is strict; everything that loosens it has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignaturePolicy {
    /// Hashes of signatures on documents, keys, user ids and subkeys. Default: SHA-2 and SHA-3 (cot-attacks.md 25, 31,
    /// 32).
    pub hashes: BTreeSet<Hash>,
    /// Hashes that a key of a flat keyring may have used on itself: its place in the folder is what makes it trusted.
    /// It gets a warning. Default: SHA-1 (cot-attacks.md 41).
    pub flat_self_hashes: BTreeSet<Hash>,
    /// What else some keys may use. Default: nothing.
    pub exceptions: Vec<HashException>,
    /// The smallest RSA key, in bits. Default: 2048 (keyrings.md 8, K2).
    pub smallest_rsa_bits: usize,
    /// How far in the future a signature may be dated, in seconds: clocks differ. Default: 300.
    pub clock_skew_seconds: u32,
    /// The largest signed text, in bytes. Default: 32 MiB.
    pub most_text_bytes: usize,
    /// How many signatures on one certificate are checked before it is refused with the code `limit`. Default: 1000.
    pub most_checks: u32,
}

impl Default for SignaturePolicy {
    fn default() -> Self {
        let sha2_or_better =
            [Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512, Hash::Sha3_256, Hash::Sha3_512];
        Self {
            hashes: BTreeSet::from(sha2_or_better),
            flat_self_hashes: BTreeSet::from([Hash::Sha1]),
            exceptions: Vec::new(),
            smallest_rsa_bits: 2048,
            clock_skew_seconds: 300,
            most_text_bytes: 32 << 20,
            most_checks: 1000,
        }
    }
}

impl SignaturePolicy {
    /// Whether this key may use this hash in a signature that says it was made then.
    pub(super) fn accepts(&self, hash: Hash, key: &Fingerprint, made: UnixMillis) -> bool {
        self.hashes.contains(&hash)
            || self.exceptions.iter().any(|exception| {
                exception.hash == hash && exception.key == *key && made < exception.made_before
            })
    }
}

#[cfg(test)]
mod tests;
