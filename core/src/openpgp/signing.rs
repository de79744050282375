//! What every signature that we make has in common: SHA-512, the time, the issuer.

use super::secret::Library;
use crate::time::UnixMillis;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyVersion, SigningKey, Timestamp};
use rand::{CryptoRng, Rng};

/// A time before 1970 or after 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a time that OpenPGP can write (1970 to 2106), found {found}")]
pub struct InvalidTime {
    /// The time.
    pub found: UnixMillis,
}

/// A time in the whole seconds of OpenPGP.
pub(super) fn timestamp(at: UnixMillis) -> Result<Timestamp, InvalidTime> {
    u32::try_from(at.0.div_euclid(1000)).map(Timestamp::from_secs).map_err(|_| InvalidTime { found: at })
}

/// The beginning of a signature by a key.
pub(super) fn config(
    signer: &impl SigningKey,
    kind: SignatureType,
    made: Timestamp,
    rng: &mut (impl Rng + CryptoRng),
) -> Result<SignatureConfig, Library> {
    let (algorithm, hash) = (signer.algorithm(), HashAlgorithm::Sha512);
    let mut config = if signer.version() == KeyVersion::V6 {
        SignatureConfig::v6(rng, kind, algorithm, hash)?
    } else {
        let mut config = SignatureConfig::v4(kind, algorithm, hash);
        // older readers know no fingerprints here; in version 6 it must not be there
        config.unhashed_subpackets =
            vec![Subpacket::regular(SubpacketData::IssuerKeyId(signer.legacy_key_id()))?];
        config
    };
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(made))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(signer.fingerprint()))?,
    ];
    Ok(config)
}
