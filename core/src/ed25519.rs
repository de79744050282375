//! ed25519 keys and signatures as the current generation uses them (keyrings.md 7): seeds and public keys in base64,
//! signatures as exactly 64 raw bytes.
//!
//! Verification is strict: a signature has one form only, and neither it nor the key may hide a point of small order.
//! Here are the arithmetic and the forms; which key is accepted for what, and when, is decided in [`trust`].

#[cfg(test)]
mod tests;
pub mod trust;

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, DecodeSliceError};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand::{CryptoRng, Rng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use zeroize::Zeroizing;

/// The length of a seed and of a public key in bytes.
const KEY_LENGTH: usize = 32;

/// The length of a signature in bytes.
pub const SIGNATURE_LENGTH: usize = 64;

/// Room for anything that somebody may take for a key: more is not looked at.
const LONGEST_KEY: usize = 96;

/// A private key: wiped from memory when dropped, printed as `***`.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

/// A public key. It compares and sorts by its bytes, and prints as its base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A signature that has the right length; nothing else is known of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_LENGTH]);

/// A text that is no key. It never tells what the text was: it may be a secret in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Something that base64 has not.
    #[error("not base64: character {at} is none of its alphabet")]
    Character {
        /// Which character, from 1.
        at: usize,
    },
    /// Base64 that does not end as it has to.
    #[error("not base64: its end is cut off or wrongly padded with '='")]
    Padding,
    /// Not the bytes of a key.
    #[error("expected the base64 of 32 bytes, found that of {found}")]
    Length {
        /// How many there are; of a long text, how many fit in it.
        found: usize,
    },
    /// 32 bytes that are no point of the curve.
    #[error("these 32 bytes are no ed25519 public key")]
    NoPoint,
    /// A public key of small order: signatures by it prove nothing.
    #[error("this public key has a small order: anybody could sign for it")]
    SmallOrder,
}

/// Bytes that have not the form of a signature (cot-attacks rows 10 and 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a signature of 64 raw bytes, found {found} bytes{looks}", looks = looks.text())]
pub struct SignatureFormat {
    /// How many bytes there are.
    pub found: usize,
    /// What they look like.
    pub looks: Looks,
}

/// What a wrong signature file seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// Hexadecimal digits.
    Hex,
    /// Base64.
    Base64,
    /// Text in armor, of whatever kind.
    Armor,
    /// Nothing that we know.
    Raw,
}

/// The signature is not one by this key over these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not one by this key over these bytes")]
pub struct BadSignature;

impl PrivateKey {
    /// Reads the base64 of a seed of 32 bytes, as it stands in the file `ed25519_private_key_path`. White space around
    /// it (a newline at the end) does not matter.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Ok(Self(SigningKey::from_bytes(&*decode(text)?)))
    }

    /// Makes a new one.
    pub fn generate(rng: &mut (impl Rng + CryptoRng)) -> Self {
        let mut seed = Zeroizing::new([0; KEY_LENGTH]);
        rng.fill_bytes(&mut *seed);
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs bytes. The same key and bytes always give the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }

    /// The seed as it is kept in a file: base64, no newline.
    pub fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(self.0.as_bytes()))
    }

    /// Whether somebody wrote this secret where a public key belongs (cot-attacks row 17).
    pub fn is_mistaken_for(&self, public: &PublicKey) -> bool {
        self.0.as_bytes() == public.as_bytes()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl PublicKey {
    /// Reads the base64 of a public key of 32 bytes. White space around it does not matter.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(&*decode(text)?).map_err(|_| KeyError::NoPoint)?;
        if key.is_weak() { Err(KeyError::SmallOrder) } else { Ok(Self(key)) }
    }

    /// The key itself.
    pub fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        self.0.as_bytes()
    }

    /// Whether this key made this signature over exactly these bytes, by the strict rules: `S` below the group's
    /// order, neither key nor `R` of small order (cot-attacks row 12).
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).map_err(|_| BadSignature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Signature {
    /// Takes the content of a `.sig` file: 64 bytes, nothing before, between or behind.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureFormat> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| SignatureFormat { found: bytes.len(), looks: Looks::of(bytes) })
    }

    /// The content of a `.sig` file.
    pub fn as_bytes(&self) -> &[u8; SIGNATURE_LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", STANDARD.encode(self.0))
    }
}

impl Looks {
    fn of(bytes: &[u8]) -> Self {
        let text = bytes.trim_ascii();
        if text.is_empty() {
            Self::Raw
        } else if text.starts_with(b"-----BEGIN ") {
            Self::Armor
        } else if text.iter().all(u8::is_ascii_hexdigit) {
            Self::Hex
        } else if text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)) {
            Self::Base64
        } else {
            Self::Raw
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Hex => ", hexadecimal digits as it seems",
            Self::Base64 => ", base64 as it seems",
            Self::Armor => " of text in armor",
            Self::Raw => "",
        }
    }
}

/// Decodes without leaving a copy behind: the text may be a secret.
fn decode(text: &str) -> Result<Zeroizing<[u8; KEY_LENGTH]>, KeyError> {
    let text = text.trim_ascii();
    let mut room = Zeroizing::new([0; LONGEST_KEY]);
    let found = STANDARD.decode_slice(text, &mut *room).map_err(|error| match error {
        DecodeSliceError::DecodeError(DecodeError::InvalidByte(_, b'=')) => KeyError::Padding,
        DecodeSliceError::DecodeError(DecodeError::InvalidByte(at, _)) => {
            KeyError::Character { at: at.saturating_add(1) }
        }
        DecodeSliceError::DecodeError(
            DecodeError::InvalidLength(_) | DecodeError::InvalidLastSymbol(..) | DecodeError::InvalidPadding,
        ) => KeyError::Padding,
        DecodeSliceError::OutputSliceTooSmall => KeyError::Length { found: text.len() / 4 * 3 },
    })?;
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    match room.get(..found) {
        Some(bytes) if found == KEY_LENGTH => key.copy_from_slice(bytes),
        _ => return Err(KeyError::Length { found }),
    }
    Ok(key)
}
