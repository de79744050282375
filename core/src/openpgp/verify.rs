//! Signatures on documents: exactly one, by a key that counts.

use super::armor;
use super::certificate::seconds;
use super::clearsign::{self, SIGNATURE_BLOCK};
use super::keyring::{Candidate, not_expired};
use super::outline::{Outline, kind};
use super::packet::{PacketError, Packets, RawPacket, tag};
use super::refusal::{KeyReason, KeyWarning, Refusal, Use};
use super::signature::{has_unknown_critical, signature_expiry};
use super::validity::Judge;
use super::{Fingerprint, Hash, Keyring};
use crate::time::UnixMillis;
use pgp::packet::Signature;
use pgp::types::KeyDetails;

/// More packets than a signature file has.
const MOST_PACKETS: usize = 16;

/// A text whose signature counts. Only [`Keyring::verify_clear_signed`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedText {
    /// Exactly the bytes that were hashed: lines separated by `\r\n`, without blanks at their ends, none after the last.
    pub text: Vec<u8>,
    /// Who signed it, when, with which key.
    pub signature: Signed,
}

/// A signature that counts. Only [`Keyring`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The primary key of the signer.
    pub signer: Fingerprint,
    /// The key that signed: the primary key or a subkey of it.
    pub signing_key: Fingerprint,
    /// When the signature says it was made.
    pub made: UnixMillis,
    /// What is accepted but should be known.
    pub warnings: Vec<KeyWarning>,
}

/// The text of a clear-signed document, whoever signed it: for places where signatures are not checked. Nothing when it
/// is not in that form.
pub fn unverified_text(bytes: &[u8]) -> Option<Vec<u8>> {
    clearsign::split(bytes, bytes.len()).ok().map(|split| split.text)
}

impl SignedText {
    /// The text with plain line ends and one at the end, as the seed's `get_body` gives it (keyrings.md 4.3).
    pub fn body(&self) -> Vec<u8> {
        let mut body: Vec<u8> = self.text.iter().copied().filter(|byte| *byte != b'\r').collect();
        body.push(b'\n');
        body
    }
}

impl Keyring {
    /// Checks a clear-signed text at a time: one text with nothing around it, one signature of type "text", by a key
    /// that counts.
    pub fn verify_clear_signed(&self, bytes: &[u8], at: UnixMillis) -> Result<SignedText, Refusal> {
        let split = clearsign::split(bytes, self.policy().most_text_bytes)?;
        let signature = the_signature(&split.signature)?;
        let signature = self.check(&signature, kind::TEXT..=kind::TEXT, &split.text, at)?;
        Ok(SignedText { text: split.text, signature })
    }

    /// Checks a detached signature, armored or binary, of type "binary" or "text", by a key that counts.
    pub fn verify_detached(&self, data: &[u8], signature: &[u8], at: UnixMillis) -> Result<Signed, Refusal> {
        let limit = self.policy().most_text_bytes;
        for found in [data.len(), signature.len()] {
            if found > limit {
                return Err(Refusal::TooBig { limit, found });
            }
        }
        let packets = armor::packets(signature, SIGNATURE_BLOCK).map_err(Refusal::Armor)?;
        let signature = the_signature(&packets)?;
        self.check(&signature, kind::BINARY..=kind::TEXT, data, at)
    }

    fn check(
        &self,
        (outline, signature): &(Outline, Signature),
        kinds: std::ops::RangeInclusive<u8>,
        data: &[u8],
        at: UnixMillis,
    ) -> Result<Signed, Refusal> {
        if !kinds.contains(&outline.kind) {
            return Err(Refusal::SignatureType { expected: *kinds.start(), found: outline.kind });
        }
        if has_unknown_critical(signature) {
            return Err(Refusal::Critical);
        }
        let mut refusal = Refusal::UnknownKey { issuer: outline.issuer };
        for candidate in self.candidates(outline.issuer) {
            let Some(judge) = self.judge(*candidate, at) else { continue };
            match self.check_by(*candidate, judge, outline, signature, data) {
                Ok(signed) => return Ok(signed),
                // Of several keys with this key id, the one that did sign says why not.
                Err(Refusal::BadSignature { .. }) if !matches!(refusal, Refusal::UnknownKey { .. }) => {}
                Err(other) => refusal = other,
            }
        }
        Err(refusal)
    }

    fn check_by(
        &self,
        candidate: Candidate,
        mut judge: Judge<'_>,
        outline: &Outline,
        signature: &Signature,
        data: &[u8],
    ) -> Result<Signed, Refusal> {
        let certificate = judge.certificate;
        let subkey = candidate.subkey.and_then(|number| certificate.all_subkeys().get(number));
        let signing_key = subkey.map_or(certificate.fingerprint(), |subkey| &subkey.fingerprint).clone();
        let made = seconds(outline.made);
        let hash = Hash::numbered(outline.hash);
        if hash.is_none_or(|hash| !judge.policy.accepts(hash, &signing_key, made)) {
            return Err(Refusal::WeakHash { hash, number: outline.hash });
        }
        let fits = match subkey {
            Some(subkey) => signature.verify(&subkey.key, data),
            None => signature.verify(certificate.primary(), data),
        };
        if fits.is_err() {
            return Err(Refusal::BadSignature { key: signing_key });
        }
        let created = subkey.map_or(certificate.primary().created_at(), |subkey| subkey.key.created_at());
        in_time(&judge, &signing_key, outline.made, created.as_secs(), signature)?;
        let refused = |reason| key_refused(&signing_key, made, reason);
        let primary = self.primary(&mut judge).map_err(refused)?;
        not_expired(&primary, judge.at).map_err(refused)?;
        let mut warnings = Vec::from_iter(primary.warning);
        match subkey {
            Some(subkey) => {
                let state = judge.signing_subkey(subkey).map_err(refused)?;
                if let Some(at) = state.expires.filter(|expires| *expires <= judge.at) {
                    return Err(refused(KeyReason::Expired { at }));
                }
                warnings.extend(state.warning);
                warnings.dedup();
            }
            None => primary.may(Use::Sign).map_err(refused)?,
        }
        Ok(Signed { signer: certificate.fingerprint().clone(), signing_key, made, warnings })
    }
}

/// The dates of the signature itself.
fn in_time(
    judge: &Judge<'_>,
    key: &Fingerprint,
    made: u32,
    created: u32,
    signature: &Signature,
) -> Result<(), Refusal> {
    if made < created {
        return Err(Refusal::MadeBeforeKey {
            key: key.clone(),
            made: seconds(made),
            created: seconds(created),
        });
    }
    if judge.is_future(made) {
        return Err(Refusal::MadeInFuture { made: seconds(made), at: judge.at });
    }
    match signature_expiry(signature, made) {
        Some(expired) if expired <= judge.at => Err(Refusal::SignatureExpired { expired }),
        Some(_) | None => Ok(()),
    }
}

/// A signature made after the key expired is another matter than a key that expired since.
fn key_refused(key: &Fingerprint, made: UnixMillis, reason: KeyReason) -> Refusal {
    match reason {
        KeyReason::Expired { at } if at <= made => {
            Refusal::MadeAfterExpiry { key: key.clone(), made, expired: at }
        }
        reason => Refusal::Key { key: key.clone(), reason },
    }
}

/// The one signature among the packets; those of versions that are not known are passed over.
fn the_signature(packets: &[u8]) -> Result<(Outline, Signature), Refusal> {
    let mut found = Vec::new();
    for (number, packet) in Packets::new(packets).enumerate() {
        let packet = packet.map_err(Refusal::Packet)?;
        if number >= MOST_PACKETS {
            return Err(Refusal::SignatureCount { found: number + 1 });
        }
        match packet.tag {
            tag::SIGNATURE => found.extend(Outline::read(packet.body).map(|outline| (outline, packet))),
            tag::MARKER | tag::PADDING | tag::NOT_CRITICAL.. => {}
            tag => return Err(Refusal::Packet(PacketError::Unexpected { at: packet.at, tag })),
        }
    }
    match found.as_slice() {
        [(outline, packet)] => Ok((*outline, parse(packet).map_err(Refusal::Packet)?)),
        several => Err(Refusal::SignatureCount { found: several.len() }),
    }
}

fn parse(packet: &RawPacket<'_>) -> Result<Signature, PacketError> {
    Signature::try_from_reader(packet.header()?, packet.body)
        .map_err(|_| PacketError::Content { at: packet.at })
}
