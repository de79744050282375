//! Certifying the keys of others, and taking that back (keyrings.md 4.2): certifications are by the primary key, over
//! every user id that its owner stands by.

use super::keyring::not_expired;
use super::outline::kind;
use super::refusal::Use;
use super::secret::{Library, Part, SecretKey, part};
use super::signing::{self, InvalidTime};
use super::validity::{Judge, Primary};
use super::{Certificate, CertificateError, Fingerprint, KeyReason, Role, SignaturePolicy};
use crate::time::UnixMillis;
use pgp::packet::{
    PacketTrait, RevocationCode, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::types::{Password, Tag};
use rand::{CryptoRng, Rng};
use std::str::FromStr;

/// Whether a certification may leave the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exportable {
    /// For everybody.
    Yes,
    /// For the own store only ("lsign").
    No,
}

/// Why something is revoked. All but the first two reach back: what the key did before no longer counts either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReason {
    /// The key was replaced.
    Superseded,
    /// The key is no longer used.
    Retired,
    /// Somebody else has, or had, the secret.
    Compromised,
    /// None is given.
    Unspecified,
}

/// The names of the reasons.
const REASONS: [(&str, RevocationReason); 4] = [
    ("superseded", RevocationReason::Superseded),
    ("retired", RevocationReason::Retired),
    ("compromised", RevocationReason::Compromised),
    ("unspecified", RevocationReason::Unspecified),
];

/// A text that names no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {known}, found {found:?}", known = REASONS.map(|(name, _)| name).join(", "))]
pub struct UnknownReason {
    /// What stood there instead.
    pub found: String,
}

impl FromStr for RevocationReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let known = REASONS.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, reason)| *reason)
            .ok_or_else(|| UnknownReason { found: text.chars().take(64).collect() })
    }
}

/// Why nothing was certified or revoked.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// Nobody would accept a certification by this key now.
    #[error("certify with the key {key}: {reason}")]
    Signer {
        /// The key that should certify.
        key: Fingerprint,
        /// Why not.
        reason: KeyReason,
    },
    /// The secret part of the primary key is not in the file, and no other may certify.
    #[error("certify with the key {key}: the secret part of its primary key is not in the file")]
    NoPrimaryPart {
        /// The key that should certify.
        key: Fingerprint,
    },
    /// The key to be certified does not count, so that a certification would be worth nothing.
    #[error("certify the key {key}: {reason}")]
    Target {
        /// The key to be certified.
        key: Fingerprint,
        /// Why not.
        reason: KeyReason,
    },
    /// A revocation without anything to revoke.
    #[error("revoke the certification of {key}: {signer} has not certified it")]
    NotCertified {
        /// The key.
        key: Fingerprint,
        /// The key that should have certified it.
        signer: Fingerprint,
    },
    /// A time that OpenPGP cannot write.
    #[error(transparent)]
    Time(#[from] InvalidTime),
    /// The arithmetic, or the making of a packet, failed.
    #[error("OpenPGP library: {0}")]
    Library(#[from] Library),
    /// The secret part does not belong to the public one, or the arithmetic went wrong: nothing leaves.
    #[error("certify with the key {key}: the signature that was made does not fit the key")]
    DoesNotVerify {
        /// The key that certified.
        key: Fingerprint,
    },
    /// The certificate cannot be put together again.
    #[error("failed to {0}")]
    Certificate(#[from] CertificateError),
}

impl From<pgp::errors::Error> for CertifyError {
    fn from(error: pgp::errors::Error) -> Self {
        Self::Library(error.into())
    }
}

impl SecretKey {
    /// The certificate with a certification by this key on every user id that counts. Where there is one already (a
    /// local one is none for the world) nothing changes.
    pub fn certify(
        &self,
        target: &Certificate,
        exportable: Exportable,
        at: UnixMillis,
        rng: &mut (impl Rng + CryptoRng),
    ) -> Result<Certificate, CertifyError> {
        self.may_certify(at)?;
        let refused = |reason| CertifyError::Target { key: target.fingerprint().clone(), reason };
        let policy = SignaturePolicy::default();
        let mut judge = Judge::new(target, Role::Flat, &policy, at);
        let state = judge.primary().map_err(refused)?;
        not_expired(&state, at).map_err(refused)?;
        let mut certified = target.clone();
        for (place, (_, user)) in target.users().enumerate() {
            if !state.users.contains(&place) {
                continue;
            }
            let own = self.certificate();
            let newest = judge.on_user(user, own.fingerprint(), own.primary()).map_err(refused)?.newest;
            let is_done = newest.is_some_and(|newest| {
                newest.outline.kind != kind::CERTIFICATION_REVOCATION
                    && (exportable == Exportable::No || newest.signature.exportable_certification())
            });
            if is_done {
                continue;
            }
            let Some(id) = target.user_id_packet(user) else { continue };
            let mut config = self.begin(SignatureType::CertGeneric, at, rng)?;
            if exportable == Exportable::No {
                let local = SubpacketData::ExportableCertification(false);
                config.hashed_subpackets.push(Subpacket::critical(local)?);
            }
            certified = certified.merge(&self.over_user_id(config, target, &id)?);
        }
        Ok(certified)
    }

    /// The certificate with this key's certifications of it revoked.
    pub fn revoke_certification(
        &self,
        target: &Certificate,
        reason: RevocationReason,
        comment: &str,
        at: UnixMillis,
        rng: &mut (impl Rng + CryptoRng),
    ) -> Result<Certificate, CertifyError> {
        self.may_certify(at)?;
        let own = self.certificate();
        let policy = SignaturePolicy::default();
        let mut judge = Judge::new(target, Role::Flat, &policy, at);
        let mut revoked = target.clone();
        let mut any = false;
        for (_, user) in target.users() {
            let search = judge.on_user(user, own.fingerprint(), own.primary());
            let search = search
                .map_err(|reason| CertifyError::Target { key: target.fingerprint().clone(), reason })?;
            let Some(newest) = search.newest else { continue };
            any = true;
            let Some(id) = target.user_id_packet(user) else { continue };
            if newest.outline.kind == kind::CERTIFICATION_REVOCATION {
                continue;
            }
            let mut config = self.begin(SignatureType::CertRevocation, at, rng)?;
            config.hashed_subpackets.push(reason.subpacket(comment)?);
            let certifications = user.signatures.iter().filter(|at| {
                at.outline.issuer == own.key_id() && kind::CERTIFICATIONS.contains(&at.outline.kind)
            });
            let mut known = certifications.filter_map(|at| target.signature(*at));
            // whoever has a certification has to hear that it is revoked
            if !known.any(|signature| signature.exportable_certification()) {
                let local = SubpacketData::ExportableCertification(false);
                config.hashed_subpackets.push(Subpacket::critical(local)?);
            }
            revoked = revoked.merge(&self.over_user_id(config, target, &id)?);
        }
        if any {
            return Ok(revoked);
        }
        Err(CertifyError::NotCertified {
            key: target.fingerprint().clone(),
            signer: self.fingerprint().clone(),
        })
    }

    /// The certificate of this key with its own revocation: who has it no longer accepts the key. An expired key can be
    /// revoked, too.
    pub fn revoke(
        &self,
        reason: RevocationReason,
        comment: &str,
        at: UnixMillis,
        rng: &mut (impl Rng + CryptoRng),
    ) -> Result<Certificate, CertifyError> {
        self.has_primary_part()?;
        let primary = &self.key.primary_key;
        let mut config = self.begin(SignatureType::KeyRevocation, at, rng)?;
        config.hashed_subpackets.push(reason.subpacket(comment)?);
        let signature = config.sign_key(primary, &Password::empty(), primary.public_key())?;
        if signature.verify_key(primary.public_key()).is_err() {
            return Err(CertifyError::DoesNotVerify { key: self.fingerprint().clone() });
        }
        Ok(self.certificate().merge(&fragment(self.certificate(), None, &signature)?))
    }

    fn has_primary_part(&self) -> Result<(), CertifyError> {
        if part(self.key.primary_key.secret_params()) == Part::Open {
            return Ok(());
        }
        Err(CertifyError::NoPrimaryPart { key: self.fingerprint().clone() })
    }

    fn may_certify(&self, at: UnixMillis) -> Result<(), CertifyError> {
        self.has_primary_part()?;
        let policy = SignaturePolicy::default();
        let state = Judge::new(self.certificate(), Role::Flat, &policy, at).primary();
        let may = |primary: Primary| {
            not_expired(&primary, at)?;
            primary.may(Use::Certify)
        };
        state.and_then(may).map_err(|reason| CertifyError::Signer { key: self.fingerprint().clone(), reason })
    }

    fn begin(
        &self,
        kind: SignatureType,
        at: UnixMillis,
        rng: &mut (impl Rng + CryptoRng),
    ) -> Result<SignatureConfig, CertifyError> {
        Ok(signing::config(&self.key.primary_key, kind, signing::timestamp(at)?, rng)?)
    }

    /// A signature on one user id, with what it is about.
    fn over_user_id(
        &self,
        config: SignatureConfig,
        target: &Certificate,
        id: &pgp::packet::UserId,
    ) -> Result<Certificate, CertifyError> {
        let signer = &self.key.primary_key;
        let signee = target.primary();
        let signature =
            config.sign_certification_third_party(signer, &Password::empty(), signee, Tag::UserId, id)?;
        let check = signature.verify_third_party_certification(signee, signer.public_key(), Tag::UserId, id);
        if check.is_err() {
            return Err(CertifyError::DoesNotVerify { key: self.fingerprint().clone() });
        }
        fragment(target, Some(id), &signature)
    }
}

/// A certificate with nothing but its key, what a signature is made over, and that signature: for merging.
fn fragment(
    target: &Certificate,
    id: Option<&pgp::packet::UserId>,
    signature: &Signature,
) -> Result<Certificate, CertifyError> {
    let mut packets = Vec::new();
    target.primary().to_writer_with_header(&mut packets)?;
    if let Some(id) = id {
        id.to_writer_with_header(&mut packets)?;
    }
    signature.to_writer_with_header(&mut packets)?;
    Ok(Certificate::parse(&packets)?)
}

impl RevocationReason {
    fn subpacket(self, comment: &str) -> Result<Subpacket, CertifyError> {
        let code = match self {
            Self::Superseded => RevocationCode::KeySuperseded,
            Self::Retired => RevocationCode::KeyRetired,
            Self::Compromised => RevocationCode::KeyCompromised,
            Self::Unspecified => RevocationCode::NoReason,
        };
        Ok(Subpacket::regular(SubpacketData::RevocationReason(code, comment.as_bytes().to_vec().into()))?)
    }
}
