//! What a parsed signature or key packet says, read the way the policy needs it.

use super::certificate::seconds;
use super::{KeyReason, SignaturePolicy};
use crate::time::UnixMillis;
use pgp::packet::{KeyFlags, RevocationCode, Signature, SubpacketData};
use pgp::types::{Duration, KeyDetails, PublicParams};

/// Superseded, retired and "user id no longer valid" are soft; everything else, unknown reasons included, is hard
/// (RFC 9580 5.2.3.31).
pub(super) fn is_hard(revocation: &Signature) -> bool {
    !matches!(
        revocation.revocation_reason_code(),
        Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired | RevocationCode::CertUserIdInvalid)
    )
}

/// RSA from a size on, EdDSA, ECDSA (keyrings.md 8, K2); no DSA, no Elgamal, nothing unknown.
pub(super) fn strong_enough(key: &impl KeyDetails, policy: &SignaturePolicy) -> Result<(), KeyReason> {
    let algorithm = key.algorithm().into();
    match key.public_params() {
        PublicParams::RSA(_) => {
            let bits = rsa_bits(key.public_params());
            if bits < policy.smallest_rsa_bits {
                return Err(KeyReason::WeakKey { algorithm, bits });
            }
            Ok(())
        }
        PublicParams::ECDSA(_)
        | PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_) => Ok(()),
        _ => Err(KeyReason::WeakKey { algorithm, bits: 0 }),
    }
}

/// The size of the modulus, as the number in front of it says (RFC 9580 3.2).
fn rsa_bits(params: &PublicParams) -> usize {
    let mut bytes = Vec::new();
    match pgp::ser::Serialize::to_writer(params, &mut bytes) {
        Ok(()) => bytes.first_chunk::<2>().map_or(0, |bits| usize::from(u16::from_be_bytes(*bits))),
        Err(_) => 0,
    }
}

/// A critical subpacket that is not understood here makes its signature invalid (RFC 9580 5.2.3.7). No notation is.
pub(super) fn has_unknown_critical(signature: &Signature) -> bool {
    signature.config().is_none_or(|config| {
        config.hashed_subpackets().any(|subpacket| {
            subpacket.is_critical
                && matches!(
                    subpacket.data,
                    SubpacketData::Notation(_)
                        | SubpacketData::Experimental(..)
                        | SubpacketData::Other(..)
                        | SubpacketData::RegularExpression(_)
                )
        })
    })
}

pub(super) fn has(signature: &Signature, wanted: impl Fn(&SubpacketData) -> bool) -> bool {
    signature
        .config()
        .is_some_and(|config| config.hashed_subpackets().any(|subpacket| wanted(&subpacket.data)))
}

/// The key flags, `None` when the signature has none at all.
pub(super) fn flags(signature: &Signature) -> Option<KeyFlags> {
    has(signature, |data| matches!(data, SubpacketData::KeyFlags(_))).then(|| signature.key_flags())
}

/// When the key expires that a self-signature is about.
pub(super) fn expiry(signature: &Signature, created: u32) -> Option<UnixMillis> {
    after(created, signature.key_expiration_time())
}

/// When the signature itself expires.
pub(super) fn signature_expiry(signature: &Signature, made: u32) -> Option<UnixMillis> {
    after(made, signature.signature_expiration_time())
}

/// Zero means never.
fn after(start: u32, duration: Option<Duration>) -> Option<UnixMillis> {
    let duration = duration.map(|duration| duration.as_secs()).filter(|duration| *duration != 0)?;
    Some(seconds(start).plus(i64::from(duration) * 1000))
}
