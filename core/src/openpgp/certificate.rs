//! One public certificate: parsed once, cheaply, and judged later (`validity.rs`), because only the signatures that
//! a verdict needs are worth their arithmetic.

use super::armor::{self, ArmorError};
use super::outline::{Outline, kind};
use super::packet::{PacketError, Packets, RawPacket, tag};
use super::{Fingerprint, KeyId};
use crate::time::UnixMillis;
use pgp::packet::{PublicKey, PublicSubkey, Signature};
use pgp::types::KeyDetails;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The armor of a public certificate.
pub(super) const PUBLIC_BLOCK: &str = "PGP PUBLIC KEY BLOCK";
/// The armor of a secret key.
pub(super) const SECRET_BLOCK: &str = "PGP PRIVATE KEY BLOCK";

/// The largest user id, in bytes: gpg's limit, too. Each check of a signature hashes it once more.
const MOST_USER_ID_BYTES: usize = 2048;

/// How many user ids, and how many subkeys, are kept: the first ones. Each costs more memory than its bytes.
const MOST_PARTS: usize = 4096;

/// Why bytes are not one public certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no key in it.
    #[error("read the certificate: no key found")]
    NoKey,
    /// It is, or holds, a secret key.
    #[error("read the certificate: it has a secret key")]
    SecretKey,
    /// It has several keys.
    #[error("read the certificate: more than one key found")]
    MoreThanOne,
    /// It is larger than any certificate may be.
    #[error("read the certificate: expected at most {limit} bytes, found {found}")]
    TooBig {
        /// The limit: [`Certificate::MOST_BYTES`].
        limit: usize,
        /// Its size.
        found: usize,
    },
    /// It has more signatures than any certificate may have. None is dropped instead: it might be a revocation.
    #[error("read the certificate: more than {limit} signatures found")]
    TooManySignatures {
        /// The limit: [`Certificate::MOST_SIGNATURES`].
        limit: usize,
    },
    /// The armor is broken.
    #[error(transparent)]
    Armor(#[from] ArmorError),
    /// The packets are broken, or of a kind that has no place in a certificate.
    #[error(transparent)]
    Packet(#[from] PacketError),
}

/// One public certificate ("public key"): the primary key, its user ids and subkeys, and the signatures on them.
///
/// That it parses says nothing about what it is worth: a [`Keyring`](super::Keyring) decides that. What cannot be used
/// is not kept: user attributes, user ids longer than 2048 bytes, user ids and subkeys after the first 4096, signatures
/// of unknown versions or without an issuer, trust packets. A clone is cheap.
#[derive(Clone)]
pub struct Certificate(Arc<Parts>);

struct Parts {
    /// The packets that are kept, in their order.
    packets: Vec<u8>,
    primary: PublicKey,
    fingerprint: Fingerprint,
    direct: Vec<SignatureAt>,
    users: Vec<UserId>,
    subkeys: Vec<Subkey>,
}

/// A user id and the signatures on it.
pub(super) struct UserId {
    /// The packet in [`Parts::packets`].
    packet: Range<usize>,
    body: Range<usize>,
    pub signatures: Vec<SignatureAt>,
}

/// A subkey and the signatures on it.
pub(super) struct Subkey {
    pub key: PublicSubkey,
    pub fingerprint: Fingerprint,
    pub signatures: Vec<SignatureAt>,
}

/// A signature that is not parsed yet.
#[derive(Clone, Copy)]
pub(super) struct SignatureAt {
    start: usize,
    pub outline: Outline,
}

impl Certificate {
    /// The largest certificate, as it comes (armored or not): 96 MiB. That holds 150 000 certifications by RSA-4096
    /// keys in binary, and by RSA-2048 keys in armor.
    pub const MOST_BYTES: usize = 96 << 20;
    /// The most signatures on its keys and user ids.
    pub const MOST_SIGNATURES: usize = 200_000;

    /// Reads exactly one public certificate, armored or binary. The work is linear in the size and checks no signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.len() > Self::MOST_BYTES {
            return Err(CertificateError::TooBig { limit: Self::MOST_BYTES, found: bytes.len() });
        }
        if bytes.trim_ascii().is_empty() {
            return Err(CertificateError::NoKey);
        }
        if !armor::is_armored(bytes) {
            return Self::from_packets(bytes, Self::MOST_SIGNATURES);
        }
        if armor::label(bytes) == Some(SECRET_BLOCK) {
            return Err(CertificateError::SecretKey);
        }
        let (packets, rest) = armor::decode(bytes, PUBLIC_BLOCK)?;
        match armor::label(rest.trim_ascii_start()) {
            Some(PUBLIC_BLOCK) => return Err(CertificateError::MoreThanOne),
            Some(SECRET_BLOCK) => return Err(CertificateError::SecretKey),
            Some(_) | None => armor::nothing_more(rest)?,
        }
        Self::from_packets(&packets, Self::MOST_SIGNATURES)
    }

    /// Reads exactly one public certificate from its packets.
    pub(super) fn from_packets(bytes: &[u8], most_signatures: usize) -> Result<Self, CertificateError> {
        let mut packets = Packets::new(bytes);
        let first = match packets.next() {
            Some(first) => first?,
            None => return Err(CertificateError::NoKey),
        };
        match first.tag {
            tag::PUBLIC_KEY => {}
            tag::SECRET_KEY | tag::SECRET_SUBKEY => return Err(CertificateError::SecretKey),
            _ => return Err(CertificateError::NoKey),
        }
        let content = |_| PacketError::Content { at: first.at };
        let primary = PublicKey::try_from_reader(first.header()?, first.body).map_err(content)?;
        let fingerprint = Fingerprint::of(&primary).ok_or(PacketError::Content { at: first.at })?;
        let mut reader = Reader {
            parts: Parts {
                packets: first.whole.to_vec(),
                primary,
                fingerprint,
                direct: Vec::new(),
                users: Vec::new(),
                subkeys: Vec::new(),
            },
            target: Target::Primary,
            places: HashMap::new(),
            subkey_places: HashMap::new(),
            signatures: 0,
            most_signatures,
        };
        packets.try_for_each(|packet| reader.take(packet?))?;
        Ok(Self(Arc::new(reader.parts)))
    }

    /// The fingerprint of the primary key.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0.fingerprint
    }

    /// The key id of the primary key.
    pub fn key_id(&self) -> KeyId {
        self.0.fingerprint.key_id()
    }

    /// When the primary key says that it was made.
    pub fn created(&self) -> UnixMillis {
        seconds(self.0.primary.created_at().as_secs())
    }

    /// The user ids as they stand in the certificate, certified or not. They are data: whoever made the key chose the
    /// text, control characters included (invalid UTF-8 is replaced).
    pub fn user_ids(&self) -> Vec<String> {
        self.users().map(|(id, _)| String::from_utf8_lossy(id).into_owned()).collect()
    }

    /// The fingerprints of the subkeys that are in the certificate, bound or not.
    pub fn subkeys(&self) -> Vec<Fingerprint> {
        self.0.subkeys.iter().map(|subkey| subkey.fingerprint.clone()).collect()
    }

    /// Who signed its user ids, as the signatures claim, in their order, itself included.
    pub fn certifications(&self) -> impl Iterator<Item = KeyId> {
        let all = self.0.users.iter().flat_map(|user| &user.signatures).map(|at| at.outline);
        all.filter(|outline| kind::CERTIFICATIONS.contains(&outline.kind)).map(|outline| outline.issuer)
    }

    /// Armored, without certifications that are marked as not exportable ("local" ones).
    pub fn to_armored(&self) -> String {
        let mut packets = Vec::with_capacity(self.0.packets.len());
        for packet in Packets::new(&self.0.packets).flatten() {
            if packet.tag != tag::SIGNATURE || is_exportable(&packet) {
                packets.extend_from_slice(packet.whole);
            }
        }
        armor::encode(&packets, PUBLIC_BLOCK)
    }

    /// Armored, with everything that is known about it: for a store, not for others.
    pub fn to_armored_with_locals(&self) -> String {
        armor::encode(&self.0.packets, PUBLIC_BLOCK)
    }

    /// The packets that are kept, local certifications included.
    pub fn packets(&self) -> &[u8] {
        &self.0.packets
    }

    pub(super) fn primary(&self) -> &PublicKey {
        &self.0.primary
    }

    pub(super) fn direct(&self) -> &[SignatureAt] {
        &self.0.direct
    }

    pub(super) fn users(&self) -> impl Iterator<Item = (&[u8], &UserId)> {
        self.0.users.iter().map(|user| (self.0.packets.get(user.body.clone()).unwrap_or_default(), user))
    }

    pub(super) fn all_subkeys(&self) -> &[Subkey] {
        &self.0.subkeys
    }

    /// Parses a signature, if it can be.
    pub(super) fn signature(&self, at: SignatureAt) -> Option<Signature> {
        let packet = Packets::new(self.0.packets.get(at.start..)?).next()?.ok()?;
        Signature::try_from_reader(packet.header().ok()?, packet.body).ok()
    }

    /// The user id packet that a certification is made over.
    pub(super) fn user_id_packet(&self, user: &UserId) -> Option<pgp::packet::UserId> {
        let packet = Packets::new(self.0.packets.get(user.packet.clone())?).next()?.ok()?;
        pgp::packet::UserId::try_from_reader(packet.header().ok()?, packet.body).ok()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.0.fingerprint)
    }
}

impl PartialEq for Certificate {
    /// The same packets in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.0.packets == other.0.packets
    }
}

impl Eq for Certificate {}

/// Seconds of OpenPGP as the worker's time.
pub(super) fn seconds(seconds: u32) -> UnixMillis {
    UnixMillis(i64::from(seconds) * 1000)
}

/// Whether the signature may leave the store. What does not parse is kept out.
fn is_exportable(packet: &RawPacket<'_>) -> bool {
    packet
        .header()
        .ok()
        .and_then(|header| Signature::try_from_reader(header, packet.body).ok())
        .is_some_and(|signature| signature.exportable_certification())
}

/// What the next signature packet is made over: a user id or subkey by its place.
enum Target {
    Primary,
    User(usize),
    Subkey(usize),
    /// Something that is not kept.
    Nothing,
}

struct Reader<'a> {
    parts: Parts,
    target: Target,
    /// The user ids so far: the second copy of one is the same one.
    places: HashMap<&'a [u8], usize>,
    subkey_places: HashMap<Fingerprint, usize>,
    /// Those that are kept.
    signatures: usize,
    most_signatures: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, packet: RawPacket<'a>) -> Result<(), CertificateError> {
        match packet.tag {
            tag::SIGNATURE => self.signature(&packet)?,
            tag::USER_ID => self.user_id(&packet),
            tag::PUBLIC_SUBKEY => self.subkey(&packet)?,
            tag::USER_ATTRIBUTE => self.target = Target::Nothing,
            tag::MARKER | tag::TRUST | tag::PADDING | tag::NOT_CRITICAL.. => {}
            tag::PUBLIC_KEY => return Err(CertificateError::MoreThanOne),
            tag::SECRET_KEY | tag::SECRET_SUBKEY => return Err(CertificateError::SecretKey),
            tag => return Err(PacketError::Unexpected { at: packet.at, tag }.into()),
        }
        Ok(())
    }

    /// Appends the packet; where it and its body are now.
    fn keep(&mut self, packet: &RawPacket<'_>) -> (Range<usize>, Range<usize>) {
        let start = self.parts.packets.len();
        self.parts.packets.extend_from_slice(packet.whole);
        let end = self.parts.packets.len();
        (start..end, end - packet.body.len()..end)
    }

    fn signature(&mut self, packet: &RawPacket<'_>) -> Result<(), CertificateError> {
        let Some(outline) = Outline::read(packet.body) else { return Ok(()) };
        let at = SignatureAt { start: self.parts.packets.len(), outline };
        let place = match outline.kind {
            // Wherever it stands: a revocation that somebody appended to the file must not be overlooked.
            kind::DIRECT_KEY | kind::KEY_REVOCATION => Some(&mut self.parts.direct),
            kind if fits(&self.target, kind) => match self.target {
                Target::User(place) => self.parts.users.get_mut(place).map(|user| &mut user.signatures),
                Target::Subkey(place) => {
                    self.parts.subkeys.get_mut(place).map(|subkey| &mut subkey.signatures)
                }
                Target::Primary | Target::Nothing => None,
            },
            _ => None,
        };
        if let Some(place) = place {
            if self.signatures >= self.most_signatures {
                return Err(CertificateError::TooManySignatures { limit: self.most_signatures });
            }
            self.signatures += 1;
            place.push(at);
            self.keep(packet);
        }
        Ok(())
    }

    fn user_id(&mut self, packet: &RawPacket<'a>) {
        let many = self.parts.users.len() >= MOST_PARTS && !self.places.contains_key(packet.body);
        if many || packet.body.len() > MOST_USER_ID_BYTES {
            self.target = Target::Nothing;
            return;
        }
        let (whole, body) = self.keep(packet);
        let users = &mut self.parts.users;
        let place = *self.places.entry(packet.body).or_insert(users.len());
        if place == users.len() {
            users.push(UserId { packet: whole, body, signatures: Vec::new() });
        }
        self.target = Target::User(place);
    }

    /// A subkey that cannot be read (of an algorithm or version that is not known) is left out with its signatures.
    fn subkey(&mut self, packet: &RawPacket<'_>) -> Result<(), PacketError> {
        self.target = Target::Nothing;
        if let Ok(key) = PublicSubkey::try_from_reader(packet.header()?, packet.body)
            && let Some(fingerprint) = Fingerprint::of(&key)
            && (self.parts.subkeys.len() < MOST_PARTS || self.subkey_places.contains_key(&fingerprint))
        {
            self.keep(packet);
            let subkeys = &mut self.parts.subkeys;
            let place = *self.subkey_places.entry(fingerprint.clone()).or_insert(subkeys.len());
            if place == subkeys.len() {
                subkeys.push(Subkey { key, fingerprint, signatures: Vec::new() });
            }
            self.target = Target::Subkey(place);
        }
        Ok(())
    }
}

/// Whether a signature of this type has a meaning after a packet of this kind.
fn fits(target: &Target, signature: u8) -> bool {
    match target {
        Target::User(_) => {
            kind::CERTIFICATIONS.contains(&signature) || signature == kind::CERTIFICATION_REVOCATION
        }
        Target::Subkey(_) => matches!(signature, kind::SUBKEY_BINDING | kind::SUBKEY_REVOCATION),
        Target::Primary | Target::Nothing => false,
    }
}
