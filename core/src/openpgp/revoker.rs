//! Revocations by another key: a key can name keys that may revoke it (RFC 9580 5.2.3.23), and gpg heeds them.
//!
//! Only a revoker in the same keyring can be asked; what any other says cannot be checked and is passed over, by gpg, too.
//! As with a key's own revocation any hash counts: to forge it would only take a key away.

use super::certificate::SignatureAt;
use super::outline::kind;
use super::refusal::{KeyReason, Revoked};
use super::validity::Judge;
use super::{Certificate, Fingerprint, KeyId, Keyring};
use pgp::packet::SubpacketData;

impl Keyring {
    /// Refuses a key that was revoked by a key of this keyring that it names as one that may.
    pub(super) fn not_revoked_by_another(&self, judge: &mut Judge<'_>) -> Result<(), KeyReason> {
        let certificate = judge.certificate;
        let mine = certificate.key_id();
        let by_others: Vec<SignatureAt> = certificate
            .direct()
            .iter()
            .filter(|at| at.outline.kind == kind::KEY_REVOCATION && at.outline.issuer != mine)
            .filter(|at| self.primaries(at.outline.issuer).next().is_some())
            .copied()
            .collect();
        if by_others.is_empty() {
            return Ok(());
        }
        let named = judge.named_revokers()?;
        for found in by_others {
            for revoker in self.primaries(found.outline.issuer) {
                if named.contains(revoker.fingerprint()) {
                    judge.revocation(found, Revoked::Key, |signature| {
                        signature.verify_key_third_party(certificate.primary(), revoker.primary()).is_ok()
                    })?;
                }
            }
        }
        Ok(())
    }

    /// The primary keys with this key id, whatever their role.
    fn primaries(&self, key_id: KeyId) -> impl Iterator<Item = &Certificate> {
        self.candidates(key_id)
            .iter()
            .filter(|candidate| candidate.subkey.is_none())
            .filter_map(|candidate| self.certificate(*candidate))
    }
}

impl Judge<'_> {
    /// The keys that this key names as its revokers, in any of its valid signatures directly on itself.
    fn named_revokers(&mut self) -> Result<Vec<Fingerprint>, KeyReason> {
        let certificate = self.certificate;
        let mine = certificate.key_id();
        let mut named = Vec::new();
        for found in certificate.direct() {
            if found.outline.kind != kind::DIRECT_KEY || found.outline.issuer != mine {
                continue;
            }
            self.spend()?;
            let Some(signature) = certificate.signature(*found) else { continue };
            let Some(config) = signature.config() else { continue };
            let before = named.len();
            named.extend(config.hashed_subpackets().filter_map(|subpacket| match &subpacket.data {
                SubpacketData::RevocationKey(key) => Fingerprint::from_bytes(&key.fingerprint),
                _ => None,
            }));
            if named.len() > before && signature.verify_key(certificate.primary()).is_err() {
                named.truncate(before);
            }
        }
        Ok(named)
    }
}
