//! Names of keys: fingerprints, which identify, and key ids, which only hint.

use pgp::types::KeyDetails;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// The fingerprint of a key: 20 bytes (version 4) or 32 (version 6), written as upper-case hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Box<[u8]>);

/// A key id: 16 upper-case hex digits. Anybody can make a key with the key id of another, so a key id finds candidates
/// and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

/// A text that is no fingerprint or no key id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct InvalidKeyName {
    /// The rule, in words.
    pub expected: &'static str,
    /// What stood there (at most 80 characters of it).
    pub found: String,
}

impl Fingerprint {
    /// Takes the bytes of a fingerprint; any other length than 20 or 32 is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 20 | 32).then(|| Self(bytes.into()))
    }

    /// The fingerprint of a key packet; `None` for version 3, whose fingerprints are MD5.
    pub(super) fn of(key: &impl KeyDetails) -> Option<Self> {
        Self::from_bytes(key.fingerprint().as_bytes())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key id that belongs to it: the last eight bytes in version 4, the first eight in version 6 (RFC 9580 5.5.4).
    pub fn key_id(&self) -> KeyId {
        let part = if self.0.len() == 20 { self.0.last_chunk::<8>() } else { self.0.first_chunk::<8>() };
        KeyId(part.copied().unwrap_or_default())
    }
}

impl KeyId {
    /// Takes the bytes of a key id.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidKeyName;

    /// Reads 40 or 64 hex digits of either case, as `gpg --with-colons` prints them (no blanks, no `0x`).
    fn from_str(text: &str) -> Result<Self, InvalidKeyName> {
        read_hex(text)
            .and_then(|bytes| Self::from_bytes(&bytes))
            .ok_or_else(|| invalid("a fingerprint (40 or 64 hex digits)", text))
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyName;

    /// Reads 16 hex digits of either case.
    fn from_str(text: &str) -> Result<Self, InvalidKeyName> {
        read_hex(text)
            .and_then(|bytes| bytes.try_into().ok().map(Self))
            .ok_or_else(|| invalid("a key id (16 hex digits)", text))
    }
}

fn invalid(expected: &'static str, found: &str) -> InvalidKeyName {
    InvalidKeyName { expected, found: found.chars().take(80).collect() }
}

/// At most 64 hex digits, in pairs.
fn read_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() > 64 || !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

macro_rules! text_in_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

text_in_serde!(Fingerprint);
text_in_serde!(KeyId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_prints_as_it_reads_and_knows_its_key_id() {
        let v4 = "0123456789abcdef0123456789ABCDEF01234567".parse::<Fingerprint>().unwrap();
        assert_eq!(v4.to_string(), "0123456789ABCDEF0123456789ABCDEF01234567");
        assert_eq!(v4.key_id().to_string(), "89ABCDEF01234567");
        assert_eq!(v4.key_id().as_bytes(), &[0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67]);
        let v6 = format!("0011223344556677{}", "F".repeat(48)).parse::<Fingerprint>().unwrap();
        assert_eq!(v6.key_id().to_string(), "0011223344556677");
    }

    #[test]
    fn nothing_else_is_a_name() {
        let long = "A".repeat(1_000_000);
        let (sign, signs) = ("+9ABCDEF01234567", "+A".repeat(20));
        for wrong in
            ["", "0x89ABCDEF01234567", "89AB CDEF", "ÄÄ", "A", "89ABCDEF012345678", sign, &signs, &long]
        {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong:.20}");
            assert!(wrong.parse::<KeyId>().is_err(), "{wrong:.20}");
        }
        assert_eq!("é".repeat(200).parse::<KeyId>().unwrap_err().found.chars().count(), 80);
    }
}
