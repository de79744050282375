//! Making a key: one primary key that certifies and signs, one user id, no subkeys, as gpg made them for workers
//! (keyrings.md 4.2 and 6).

use super::expiry::{Expiry, ExpiryError};
use super::secret::{Library, SecretKey, SecretKeyError};
use super::signing::{self, InvalidTime};
use crate::time::UnixMillis;
use pgp::composed::{KeyType, SignedKeyDetails, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{self, KeyFlags, PubKeyInner, SignatureType, SubpacketData, UserId};
use pgp::types::{
    CompressionAlgorithm, Duration, KeyVersion, PacketHeaderVersion, Password, SignedUser, Tag,
};
use rand::{CryptoRng, Rng};
use std::fmt;
use std::str::FromStr;

/// What kind of key to make. Version 4 packets throughout: gpg 2.2 knows no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyAlgorithm {
    /// What gpg made for workers; takes about a second.
    #[default]
    Rsa4096,
    /// RSA, faster to make.
    Rsa3072,
    /// RSA of the smallest size that is still accepted.
    Rsa2048,
    /// EdDSA on Curve25519, in the form that gpg 2.1 and newer know.
    Ed25519,
}

/// The names of the kinds.
const ALGORITHMS: [(&str, KeyAlgorithm); 4] = [
    ("rsa4096", KeyAlgorithm::Rsa4096),
    ("rsa3072", KeyAlgorithm::Rsa3072),
    ("rsa2048", KeyAlgorithm::Rsa2048),
    ("ed25519", KeyAlgorithm::Ed25519),
];

/// A text that names no kind of key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {known}, found {found:?}", known = ALGORITHMS.map(|(name, _)| name).join(", "))]
pub struct UnknownAlgorithm {
    /// What stood there instead.
    pub found: String,
}

impl FromStr for KeyAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        let known = ALGORITHMS.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, algorithm)| *algorithm)
            .ok_or_else(|| UnknownAlgorithm { found: text.chars().take(64).collect() })
    }
}

/// The text that says whose a key is: `name (comment) <email>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOwner(String);

/// A part of a user id that would not be read back as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOwner {
    /// Brackets, control characters, blanks at an end, or no name at all.
    #[error("expected a name without brackets and control characters, found {found:?}")]
    Name {
        /// The name.
        found: String,
    },
    /// The same in the comment; empty is no comment.
    #[error("expected a comment without brackets and control characters, found {found:?}")]
    Comment {
        /// The comment.
        found: String,
    },
    /// Not `local@domain`.
    #[error("expected an e-mail address, found {found:?}")]
    Email {
        /// The address.
        found: String,
    },
}

impl KeyOwner {
    /// A user id; an empty comment is left out.
    pub fn new(name: &str, comment: &str, email: &str) -> Result<Self, InvalidOwner> {
        if name.is_empty() || !plain(name) {
            return Err(InvalidOwner::Name { found: name.to_owned() });
        }
        if !plain(comment) {
            return Err(InvalidOwner::Comment { found: comment.to_owned() });
        }
        let address = email
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
        if !address || !plain(email) || email.contains(char::is_whitespace) {
            return Err(InvalidOwner::Email { found: email.to_owned() });
        }
        let comment = if comment.is_empty() { String::new() } else { format!("({comment}) ") };
        Ok(Self(format!("{name} {comment}<{email}>")))
    }

    /// The key of one worker: the first label of the host as the name, `user@host` as the address (keyrings.md 6).
    pub fn of_worker(user: &str, host: &str) -> Result<Self, InvalidOwner> {
        let name = host.split('.').next().unwrap_or(host);
        Self::new(name, "", &format!("{user}@{host}"))
    }
}

impl fmt::Display for KeyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn plain(text: &str) -> bool {
    text.trim() == text && !text.contains(|c: char| c.is_control() || "()<>".contains(c))
}

/// What key to make.
#[derive(Debug, Clone)]
pub struct KeyPlan {
    /// Whose it is.
    pub owner: KeyOwner,
    /// What kind.
    pub algorithm: KeyAlgorithm,
    /// Until when it is good.
    pub expiry: Expiry,
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The expiry cannot be had.
    #[error(transparent)]
    Expiry(#[from] ExpiryError),
    /// A time that OpenPGP cannot write.
    #[error(transparent)]
    Time(#[from] InvalidTime),
    /// The arithmetic, or the making of a packet, failed.
    #[error("OpenPGP library: {0}")]
    Library(#[from] Library),
    /// What was made cannot be read back.
    #[error("failed to read the new key back: {0}")]
    Unreadable(#[from] SecretKeyError),
}

impl From<pgp::errors::Error> for GenerateError {
    fn from(error: pgp::errors::Error) -> Self {
        Self::Library(error.into())
    }
}

impl SecretKey {
    /// Makes a key. It is created at `at`.
    pub fn generate(
        plan: &KeyPlan,
        at: UnixMillis,
        rng: &mut (impl Rng + CryptoRng),
    ) -> Result<Self, GenerateError> {
        let created = signing::timestamp(at)?;
        let life = plan.expiry.seconds_from(created.as_secs())?;
        let kind = plan.algorithm.key_type();
        let (public, secret) = kind.generate(&mut *rng)?;
        let public = PubKeyInner::new(KeyVersion::V4, kind.to_alg(), created, None, public)?;
        let primary = packet::SecretKey::new(packet::PublicKey::from_inner(public)?, secret)?;
        let user = UserId::from_str(PacketHeaderVersion::New, &plan.owner.0)?;

        let mut config = signing::config(&primary, SignatureType::CertPositive, created, rng)?;
        for data in self_description(life) {
            config.hashed_subpackets.push(packet::Subpacket::regular(data)?);
        }
        let signature = config.sign_certification(
            &primary,
            primary.public_key(),
            &Password::empty(),
            Tag::UserId,
            &user,
        )?;
        let users = vec![SignedUser::new(user, vec![signature])];
        let details = SignedKeyDetails::new(Vec::new(), Vec::new(), users, Vec::new());
        Ok(Self::from_unlocked(SignedSecretKey::new(primary, details, Vec::new(), Vec::new()))?)
    }
}

/// What the owner says of the key; the preferences are those of `gpg.conf` (keyrings.md 2).
fn self_description(life: Option<u32>) -> Vec<SubpacketData> {
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let mut all = vec![
        SubpacketData::KeyFlags(flags),
        SubpacketData::IsPrimary(true),
        SubpacketData::PreferredHashAlgorithms(
            [HashAlgorithm::Sha512, HashAlgorithm::Sha384].into_iter().collect(),
        ),
        SubpacketData::PreferredSymmetricAlgorithms([SymmetricKeyAlgorithm::AES256].into_iter().collect()),
        SubpacketData::PreferredCompressionAlgorithms(
            [
                CompressionAlgorithm::ZLIB,
                CompressionAlgorithm::BZip2,
                CompressionAlgorithm::ZIP,
                CompressionAlgorithm::Uncompressed,
            ]
            .into_iter()
            .collect(),
        ),
    ];
    all.extend(life.map(|seconds| SubpacketData::KeyExpirationTime(Duration::from_secs(seconds))));
    all
}

impl KeyAlgorithm {
    fn key_type(self) -> KeyType {
        match self {
            Self::Rsa4096 => KeyType::Rsa(4096),
            Self::Rsa3072 => KeyType::Rsa(3072),
            Self::Rsa2048 => KeyType::Rsa(2048),
            Self::Ed25519 => KeyType::Ed25519Legacy,
        }
    }
}
