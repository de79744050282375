//! A signature packet's outline: who claims to have made which kind of signature, when, with which hash.
//!
//! It is read without allocating anything, so that a certificate with 150 000 signatures costs little before the few
//! that matter are parsed and checked. Everything in it is a claim until the signature was verified.

use super::KeyId;

/// What a signature packet claims about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outline {
    /// The signature type (RFC 9580 5.2.1).
    pub kind: u8,
    /// The number of the hash algorithm (RFC 9580 9.5).
    pub hash: u8,
    /// When it was made, in seconds since 1970.
    pub made: u32,
    /// Who made it.
    pub issuer: KeyId,
}

/// The signature types that are used here.
pub(super) mod kind {
    pub(in super::super) const BINARY: u8 = 0x00;
    pub(in super::super) const TEXT: u8 = 0x01;
    pub(in super::super) const CERTIFICATIONS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
    pub(in super::super) const SUBKEY_BINDING: u8 = 0x18;
    pub(in super::super) const DIRECT_KEY: u8 = 0x1F;
    pub(in super::super) const KEY_REVOCATION: u8 = 0x20;
    pub(in super::super) const SUBKEY_REVOCATION: u8 = 0x28;
    pub(in super::super) const CERTIFICATION_REVOCATION: u8 = 0x30;
}

const CREATION_TIME: u8 = 2;
const ISSUER: u8 = 16;
const ISSUER_FINGERPRINT: u8 = 33;

/// The subpackets of one area that are looked for.
#[derive(Default)]
struct Found {
    made: Option<u32>,
    issuer: Option<KeyId>,
}

impl Outline {
    /// Reads the body of a signature packet of version 4 or 6. `None`: another version, cut off, undated, or without a
    /// word about who made it; such a signature cannot be used.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (&[version, kind, _algorithm, hash], rest) = body.split_first_chunk::<4>()?;
        let (hashed, rest) = area(version, rest)?;
        let (unhashed, _) = area(version, rest)?;
        let hashed = scan(hashed)?;
        let issuer = match hashed.issuer {
            Some(issuer) => issuer,
            None => scan(unhashed)?.issuer?,
        };
        Some(Self { kind, hash, made: hashed.made?, issuer })
    }
}

/// One area of subpackets, and what follows it.
fn area(version: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match version {
        4 => {
            let (length, rest) = bytes.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        6 => {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            (usize::try_from(u32::from_be_bytes(*length)).ok()?, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn scan(mut area: &[u8]) -> Option<Found> {
    let mut found = Found::default();
    while !area.is_empty() {
        let (length, rest) = subpacket_length(area)?;
        let (subpacket, rest) = rest.split_at_checked(length)?;
        area = rest;
        let (kind, content) = subpacket.split_first()?;
        match kind & 0x7F {
            CREATION_TIME if found.made.is_none() => {
                found.made = Some(u32::from_be_bytes(content.try_into().ok()?));
            }
            ISSUER => found.issuer = Some(KeyId::from_bytes(content.try_into().ok()?)),
            ISSUER_FINGERPRINT if found.issuer.is_none() => {
                found.issuer = super::Fingerprint::from_bytes(content.get(1..)?).map(|name| name.key_id());
            }
            _ => {}
        }
    }
    Some(found)
}

fn subpacket_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=191 => Some((usize::from(first), rest)),
        192..=254 => {
            let (&second, rest) = rest.split_first()?;
            Some((((usize::from(first) - 192) << 8) + usize::from(second) + 192, rest))
        }
        255 => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            Some((usize::try_from(u32::from_be_bytes(*length)).ok()?, rest))
        }
    }
}

#[cfg(test)]
mod tests;
