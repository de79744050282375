//! What a certificate is worth at a time: revocations, self-signatures, expiry, key flags, subkeys.
//!
//! Everything is judged at one time, the time of the check, as gpg does (keyrings.md 8, K8): a key that has expired or
//! was revoked by then is refused, whenever it signed.
//!
//! - A **hard** revocation (no reason, compromised, or a reason not known here) holds at every time, also before its own
//!   date. A **soft** one (superseded, retired, user id no longer valid) holds from its date on; at the time of the check
//!   gpg sees no difference, an older time makes one. No later signature takes the revocation of a key or subkey back.
//! - A revocation that does not verify is ignored, whatever it says (cot-attacks.md 37). One that verifies counts with
//!   any hash: to forge it would only take a key away.
//! - Of the signatures of a key on one thing the newest valid one counts. What a signature directly on the key says
//!   about expiry and flags goes before what those on user ids say, as in gpg.
//! - Signatures dated after the time of the check do not exist yet, and expired ones no longer.

use super::certificate::{Certificate, SignatureAt, Subkey, UserId, seconds};
use super::outline::{Outline, kind};
use super::refusal::{Binding, KeyReason, KeyWarning, Revoked, Use};
use super::signature::{expiry, flags, has, has_unknown_critical, is_hard, signature_expiry, strong_enough};
use super::{Fingerprint, Hash, Role, SignaturePolicy, rsa};
use crate::time::UnixMillis;
use pgp::packet::{KeyFlags, PublicKey, Signature, SubpacketData};
use pgp::types::{KeyDetails, Tag};
use std::cmp::Reverse;

/// What a usable primary key says about itself.
#[derive(Debug, Clone)]
pub(super) struct Primary {
    /// What it is meant for; `None`: anything that its algorithm can.
    pub flags: Option<KeyFlags>,
    /// When it expires.
    pub expires: Option<UnixMillis>,
    /// What is only accepted because of the key's place.
    pub warning: Option<KeyWarning>,
    /// The user ids that count, by their place in the certificate.
    pub users: Vec<usize>,
}

impl Primary {
    /// Whether the primary key is meant for this.
    pub(super) fn may(&self, what: Use) -> Result<(), KeyReason> {
        let may = self.flags.as_ref().is_none_or(|flags| match what {
            Use::Sign => flags.sign(),
            Use::Certify => flags.certify(),
        });
        if may { Ok(()) } else { Err(KeyReason::KeyFlags(what)) }
    }
}

/// One look at one certificate at one time. It counts the signatures that it checks.
pub(super) struct Judge<'a> {
    pub certificate: &'a Certificate,
    pub role: Role,
    pub policy: &'a SignaturePolicy,
    pub at: UnixMillis,
    pub checks_left: u32,
}

/// The newest valid signature of several.
pub(super) struct Newest {
    pub outline: Outline,
    pub signature: Signature,
    /// The hash, when only the key's place makes it acceptable.
    weak: Option<Hash>,
}

/// What was found among the signatures on one thing by one key.
pub(super) struct Search {
    pub newest: Option<Newest>,
    /// A hash that kept a signature from counting.
    pub refused_hash: Option<Hash>,
    /// When the newest signature that would have counted expired.
    pub expired: Option<UnixMillis>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        certificate: &'a Certificate,
        role: Role,
        policy: &'a SignaturePolicy,
        at: UnixMillis,
    ) -> Self {
        Self { certificate, role, policy, at, checks_left: policy.most_checks }
    }

    /// The state of the primary key, expiry left to the caller: it depends on what the key is wanted for.
    pub(super) fn primary(&mut self) -> Result<Primary, KeyReason> {
        let key = self.certificate.primary();
        strong_enough(key, self.policy)?;
        self.not_in_future(key)?;
        self.not_revoked()?;
        let me = self.certificate.fingerprint().clone();
        let direct = self.newest(
            self.certificate.direct(),
            &me,
            |outline| outline.kind == kind::DIRECT_KEY,
            |signature| signature.verify_key(key).is_ok(),
        )?;
        let mut refused_hash = direct.refused_hash;
        let mut users = Vec::new();
        let mut newest_user: Option<Newest> = None;
        let mut revoked = None;
        let certificate = self.certificate;
        for (place, (_, user)) in certificate.users().enumerate() {
            let search = self.on_user(user, &me, key)?;
            refused_hash = refused_hash.or(search.refused_hash);
            let Some(newest) = search.newest else { continue };
            if newest.outline.kind == kind::CERTIFICATION_REVOCATION {
                revoked = Some(KeyReason::revoked(Revoked::UserId, &newest.signature, newest.outline.made));
                continue;
            }
            users.push(place);
            if newest_user.as_ref().is_none_or(|user| user.outline.made < newest.outline.made) {
                newest_user = Some(newest);
            }
        }
        if newest_user.is_none() && (direct.newest.is_none() || revoked.is_some()) {
            let weak = refused_hash.map(|hash| KeyReason::WeakSelfSignature { hash });
            return Err(revoked.or(weak).unwrap_or(KeyReason::NoSelfSignature));
        }
        Ok(self.summary(direct.newest, newest_user, users))
    }

    fn summary(&self, direct: Option<Newest>, user: Option<Newest>, users: Vec<usize>) -> Primary {
        let mut found = Primary { flags: None, expires: None, warning: None, users };
        let created = self.certificate.primary().created_at().as_secs();
        let mut expiry_known = false;
        for newest in [direct, user].into_iter().flatten() {
            let expires = expiry(&newest.signature, created);
            if !expiry_known
                && has(&newest.signature, |data| matches!(data, SubpacketData::KeyExpirationTime(_)))
            {
                (found.expires, expiry_known) = (expires, true);
            }
            if found.flags.is_none() {
                found.flags = flags(&newest.signature);
            }
            let warning = newest.weak.map(|hash| KeyWarning::WeakSelfSignature { hash });
            found.warning = found.warning.or(warning);
        }
        found
    }

    /// The newest valid certification or revocation of a user id by a key.
    pub(super) fn on_user(
        &mut self,
        user: &UserId,
        by: &Fingerprint,
        key: &PublicKey,
    ) -> Result<Search, KeyReason> {
        let certificate = self.certificate;
        let Some(packet) = certificate.user_id_packet(user) else {
            return Ok(Search { newest: None, refused_hash: None, expired: None });
        };
        let signee = certificate.primary();
        self.newest(
            &user.signatures,
            by,
            |_| true,
            |signature| {
                rsa::certainly_certifies(signature, signee, key, &packet)
                    || signature.verify_third_party_certification(signee, key, Tag::UserId, &packet).is_ok()
            },
        )
    }

    /// Refuses a key whose own revocation is in force.
    fn not_revoked(&mut self) -> Result<(), KeyReason> {
        let certificate = self.certificate;
        let key = certificate.primary();
        let mine = certificate.key_id();
        for found in certificate.direct() {
            if found.outline.kind == kind::KEY_REVOCATION && found.outline.issuer == mine {
                self.revocation(*found, Revoked::Key, |signature| signature.verify_key(key).is_ok())?;
            }
        }
        Ok(())
    }

    /// Refuses when this revocation is valid and in force.
    pub(super) fn revocation(
        &mut self,
        found: SignatureAt,
        what: Revoked,
        is_valid: impl Fn(&Signature) -> bool,
    ) -> Result<(), KeyReason> {
        self.spend()?;
        match self.certificate.signature(found) {
            Some(signature) if self.in_force(&signature, found.outline.made) && is_valid(&signature) => {
                Err(KeyReason::revoked(what, &signature, found.outline.made))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The newest valid signature by this key, revocations of user ids included, of those that are wanted.
    fn newest(
        &mut self,
        signatures: &[SignatureAt],
        by: &Fingerprint,
        wanted: impl Fn(&Outline) -> bool,
        is_valid: impl Fn(&Signature) -> bool,
    ) -> Result<Search, KeyReason> {
        let issuer = by.key_id();
        let mut candidates: Vec<SignatureAt> = signatures
            .iter()
            .filter(|at| at.outline.issuer == issuer && wanted(&at.outline))
            .copied()
            .collect();
        // Of two with the same date the revocation counts.
        candidates.sort_by_key(|at| Reverse((at.outline.made, at.outline.kind)));
        let mut search = Search { newest: None, refused_hash: None, expired: None };
        for candidate in candidates {
            let outline = candidate.outline;
            let is_revocation = outline.kind == kind::CERTIFICATION_REVOCATION;
            if !is_revocation && self.is_future(outline.made) {
                continue;
            }
            let weak = match self.hash(&outline, by) {
                Ok(weak) => weak,
                Err(_) if is_revocation => None,
                Err(hash) => {
                    search.refused_hash = search.refused_hash.or(hash);
                    continue;
                }
            };
            self.spend()?;
            let Some(signature) = self.certificate.signature(candidate) else { continue };
            let counts = if is_revocation {
                self.in_force(&signature, outline.made)
            } else {
                !has_unknown_critical(&signature)
            };
            if !counts || !is_valid(&signature) {
                continue;
            }
            match signature_expiry(&signature, outline.made) {
                Some(expired) if !is_revocation && expired <= self.at => {
                    search.expired = search.expired.or(Some(expired));
                }
                Some(_) | None => {
                    search.newest = Some(Newest { outline, signature, weak });
                    return Ok(search);
                }
            }
        }
        Ok(search)
    }

    /// Whether the hash is accepted in what the key says about itself: `Some` with a warning. The error is the hash, if
    /// it is known.
    fn hash(&self, outline: &Outline, by: &Fingerprint) -> Result<Option<Hash>, Option<Hash>> {
        let hash = Hash::numbered(outline.hash).ok_or(None)?;
        if self.policy.accepts(hash, by, seconds(outline.made)) {
            return Ok(None);
        }
        let pinned = self.role == Role::Flat && self.policy.flat_self_hashes.contains(&hash);
        if pinned { Ok(Some(hash)) } else { Err(Some(hash)) }
    }

    /// The subkey's state: bound both ways, not revoked, not expired, meant to sign.
    pub(super) fn signing_subkey(&mut self, subkey: &Subkey) -> Result<SigningSubkey, KeyReason> {
        strong_enough(&subkey.key, self.policy)?;
        self.not_in_future(&subkey.key)?;
        let certificate = self.certificate;
        let primary = certificate.primary();
        let binds = |signature: &Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
        for found in &subkey.signatures {
            if found.outline.kind == kind::SUBKEY_REVOCATION && found.outline.issuer == certificate.key_id() {
                self.revocation(*found, Revoked::Subkey, binds)?;
            }
        }
        let me = certificate.fingerprint().clone();
        let search =
            self.newest(&subkey.signatures, &me, |outline| outline.kind == kind::SUBKEY_BINDING, binds)?;
        let newest = match (search.newest, search.refused_hash) {
            (Some(newest), _) => newest,
            (None, Some(hash)) => return Err(KeyReason::WeakSelfSignature { hash }),
            (None, None) => return Err(KeyReason::UnboundSubkey { missing: Binding::Binding }),
        };
        if flags(&newest.signature).is_some_and(|flags| !flags.sign()) {
            return Err(KeyReason::KeyFlags(Use::Sign));
        }
        self.back_signature(&newest.signature, subkey, primary)?;
        Ok(SigningSubkey {
            expires: expiry(&newest.signature, subkey.key.created_at().as_secs()),
            warning: newest.weak.map(|hash| KeyWarning::WeakSelfSignature { hash }),
        })
    }

    /// The subkey has to say, too, that it belongs to the primary key; else one could adopt the subkey of another.
    fn back_signature(
        &mut self,
        binding: &Signature,
        subkey: &Subkey,
        primary: &PublicKey,
    ) -> Result<(), KeyReason> {
        self.spend()?;
        let missing = KeyReason::UnboundSubkey { missing: Binding::BackSignature };
        let Some(back) = binding.embedded_signature() else { return Err(missing) };
        let (Some(hash), Some(made)) = (back.hash_alg(), back.created()) else { return Err(missing) };
        let outline =
            Outline { kind: 0, hash: hash.into(), made: made.as_secs(), issuer: subkey.fingerprint.key_id() };
        match self.hash(&outline, &subkey.fingerprint) {
            Ok(_) => {}
            Err(Some(hash)) => return Err(KeyReason::WeakSelfSignature { hash }),
            Err(None) => return Err(missing),
        }
        let expired = signature_expiry(back, made.as_secs()).is_some_and(|expired| expired <= self.at);
        if expired
            || has_unknown_critical(back)
            || back.verify_primary_key_binding(&subkey.key, primary).is_err()
        {
            return Err(missing);
        }
        Ok(())
    }

    /// Takes one check from the budget.
    pub(super) fn spend(&mut self) -> Result<(), KeyReason> {
        match self.checks_left.checked_sub(1) {
            Some(left) => {
                self.checks_left = left;
                Ok(())
            }
            None => Err(KeyReason::TooMuchWork { limit: self.policy.most_checks }),
        }
    }

    pub(super) fn is_future(&self, made: u32) -> bool {
        seconds(made).since(self.at) > i64::from(self.policy.clock_skew_seconds) * 1000
    }

    fn not_in_future(&self, key: &impl KeyDetails) -> Result<(), KeyReason> {
        let created = key.created_at().as_secs();
        if self.is_future(created) {
            return Err(KeyReason::NotYetValid { created: seconds(created), at: self.at });
        }
        Ok(())
    }

    fn in_force(&self, revocation: &Signature, made: u32) -> bool {
        is_hard(revocation) || seconds(made) <= self.at
    }
}

/// What a usable signing subkey says about itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct SigningSubkey {
    pub expires: Option<UnixMillis>,
    pub warning: Option<KeyWarning>,
}

impl KeyReason {
    pub(super) fn revoked(what: Revoked, signature: &Signature, made: u32) -> Self {
        Self::Revoked { what, made: seconds(made), hard: is_hard(signature) }
    }
}
