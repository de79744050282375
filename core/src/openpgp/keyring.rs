//! Keyrings: which keys count for one worker implementation, and for which reason (keyrings.md 3).

use super::refusal::{KeyReason, KeyWarning, Revoked, Use};
use super::validity::{Judge, Primary};
use super::{Certificate, Fingerprint, KeyId, SignaturePolicy};
use crate::openpgp::outline::kind;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// What makes a key of a keyring count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Its place: every key of a flat keyring counts.
    Flat,
    /// Its place: a trusted key of a signed keyring counts, and makes others count.
    Trusted,
    /// A certification by a trusted key.
    Valid,
}

/// One key of a keyring, and whether it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// The fingerprint of the primary key.
    pub fingerprint: Fingerprint,
    /// Its user ids, as data (see [`Certificate::user_ids`]).
    pub user_ids: Vec<String>,
    /// What makes it count, if it does.
    pub role: Role,
    /// Why it does not count.
    pub state: Result<(), KeyReason>,
    /// What is accepted but should be known.
    pub warnings: Vec<KeyWarning>,
}

/// The keys of one worker implementation: never changed, replaced as a whole. A clone is cheap.
///
/// Making one checks nothing; each question checks what it needs, at the time that it is asked about.
#[derive(Clone)]
pub struct Keyring(Arc<Parts>);

struct Parts {
    keys: Vec<(Certificate, Role)>,
    /// Primary keys and subkeys by key id: the place in `keys`, and for a subkey its place in the certificate.
    by_key_id: HashMap<KeyId, Vec<Candidate>>,
    policy: SignaturePolicy,
}

/// A key that may have made a signature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    key: usize,
    pub subkey: Option<usize>,
}

/// The states of trusted keys that were needed so far.
type TrustedStates = HashMap<Fingerprint, Result<Primary, KeyReason>>;

impl Keyring {
    /// A keyring whose keys all count, because of where they are.
    pub fn flat(keys: Vec<Certificate>, policy: SignaturePolicy) -> Self {
        Self::new(keys.into_iter().map(|key| (key, Role::Flat)), policy)
    }

    /// A keyring whose `trusted` keys count because of where they are, and its `valid` keys because a trusted key
    /// certified one of their user ids. A key that is in both is trusted.
    pub fn signed(trusted: Vec<Certificate>, valid: Vec<Certificate>, policy: SignaturePolicy) -> Self {
        let trusted = trusted.into_iter().map(|key| (key, Role::Trusted));
        Self::new(trusted.chain(valid.into_iter().map(|key| (key, Role::Valid))), policy)
    }

    /// The same key twice becomes one with all signatures of both, so that no copy can hide a revocation.
    fn new(all: impl Iterator<Item = (Certificate, Role)>, policy: SignaturePolicy) -> Self {
        let mut places: BTreeMap<Fingerprint, usize> = BTreeMap::new();
        let mut keys: Vec<(Certificate, Role)> = Vec::new();
        for (key, role) in all {
            let place = *places.entry(key.fingerprint().clone()).or_insert(keys.len());
            match keys.get_mut(place) {
                Some((known, _)) => *known = known.merge(&key),
                None => keys.push((key, role)),
            }
        }
        let mut by_key_id: HashMap<KeyId, Vec<Candidate>> = HashMap::new();
        for (place, (key, _)) in keys.iter().enumerate() {
            by_key_id.entry(key.key_id()).or_default().push(Candidate { key: place, subkey: None });
            for (number, subkey) in key.all_subkeys().iter().enumerate() {
                let candidate = Candidate { key: place, subkey: Some(number) };
                by_key_id.entry(subkey.fingerprint.key_id()).or_default().push(candidate);
            }
        }
        Self(Arc::new(Parts { keys, by_key_id, policy }))
    }

    /// What signatures have to be for this keyring.
    pub fn policy(&self) -> &SignaturePolicy {
        &self.0.policy
    }

    /// The certificates, in the order they were given.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.0.keys.iter().map(|(key, _)| key)
    }

    /// Every key with its state at a time. That a subkey counts is not looked at: that is judged when it signs.
    pub fn keys(&self, at: UnixMillis) -> Vec<KeyStatus> {
        let mut trusted = TrustedStates::new();
        let state = |(certificate, role): &(Certificate, Role)| {
            let mut judge = Judge::new(certificate, *role, &self.0.policy, at);
            let state = self.state(&mut judge, &mut trusted);
            KeyStatus {
                fingerprint: certificate.fingerprint().clone(),
                user_ids: certificate.user_ids(),
                role: *role,
                warnings: state.iter().filter_map(|primary| primary.warning).collect(),
                state: state.and_then(|primary| not_expired(&primary, at)),
            }
        };
        self.0.keys.iter().map(state).collect()
    }

    /// The keys that may have this key id, primary keys and subkeys.
    pub(super) fn candidates(&self, key_id: KeyId) -> &[Candidate] {
        self.0.by_key_id.get(&key_id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The certificate that it belongs to.
    pub(super) fn certificate(&self, candidate: Candidate) -> Option<&Certificate> {
        self.0.keys.get(candidate.key).map(|(certificate, _)| certificate)
    }

    pub(super) fn judge(&self, candidate: Candidate, at: UnixMillis) -> Option<Judge<'_>> {
        let (certificate, role) = self.0.keys.get(candidate.key)?;
        Some(Judge::new(certificate, *role, &self.0.policy, at))
    }

    /// The state of a primary key, its expiry left to the caller; of a `valid` one with its certification.
    pub(super) fn primary(&self, judge: &mut Judge<'_>) -> Result<Primary, KeyReason> {
        self.state(judge, &mut TrustedStates::new())
    }

    fn state(&self, judge: &mut Judge<'_>, trusted: &mut TrustedStates) -> Result<Primary, KeyReason> {
        let primary = judge.primary()?;
        self.not_revoked_by_another(judge)?;
        match judge.role {
            Role::Flat | Role::Trusted => {}
            Role::Valid => self.certified(judge, &primary, trusted)?,
        }
        Ok(primary)
    }

    /// A `valid` key counts when on one user id that it vouches for itself, the newest signature of one usable trusted
    /// key is a certification that is neither expired nor weak.
    fn certified(
        &self,
        judge: &mut Judge<'_>,
        primary: &Primary,
        states: &mut TrustedStates,
    ) -> Result<(), KeyReason> {
        let mut reason = KeyReason::UntrustedIssuer;
        let certificate = judge.certificate;
        for (_, user) in certificate.users().enumerate().filter(|(place, _)| primary.users.contains(place)) {
            let mut issuers: Vec<KeyId> = user.1.signatures.iter().map(|at| at.outline.issuer).collect();
            issuers.retain(|issuer| *issuer != certificate.key_id() && self.0.by_key_id.contains_key(issuer));
            issuers.sort_unstable();
            issuers.dedup();
            for issuer in issuers.iter().flat_map(|issuer| self.trusted(*issuer)) {
                match self.certified_by(judge, user.1, issuer, states) {
                    Ok(()) => return Ok(()),
                    Err(KeyReason::TooMuchWork { limit }) => return Err(KeyReason::TooMuchWork { limit }),
                    Err(other) if says_more(&other) >= says_more(&reason) => reason = other,
                    Err(_) => {}
                }
            }
        }
        Err(reason)
    }

    fn certified_by(
        &self,
        judge: &mut Judge<'_>,
        user: &super::certificate::UserId,
        issuer: &Certificate,
        states: &mut TrustedStates,
    ) -> Result<(), KeyReason> {
        let search = judge.on_user(user, issuer.fingerprint(), issuer.primary())?;
        let newest = match (search.newest, search.expired, search.refused_hash) {
            (Some(newest), _, _) => newest,
            (None, Some(at), _) => {
                return Err(KeyReason::CertificationExpired { issuer: issuer.key_id(), at });
            }
            (None, None, Some(hash)) => {
                return Err(KeyReason::WeakCertification { issuer: issuer.key_id(), hash });
            }
            (None, None, None) => return Err(KeyReason::UntrustedIssuer),
        };
        if newest.outline.kind == kind::CERTIFICATION_REVOCATION {
            return Err(KeyReason::revoked(Revoked::Certification, &newest.signature, newest.outline.made));
        }
        let at = judge.at;
        let state = states.entry(issuer.fingerprint().clone()).or_insert_with(|| {
            let mut judge = Judge::new(issuer, Role::Trusted, &self.0.policy, at);
            let primary = judge.primary()?;
            self.not_revoked_by_another(&mut judge)?;
            Ok(primary)
        });
        state
            .clone()
            .and_then(|primary| {
                primary.may(Use::Certify)?;
                not_expired(&primary, at)
            })
            .map_err(|reason| KeyReason::UnusableIssuer {
                issuer: issuer.fingerprint().clone(),
                reason: Box::new(reason),
            })
    }

    /// The trusted primary keys with this key id.
    fn trusted(&self, key_id: KeyId) -> impl Iterator<Item = &Certificate> {
        self.candidates(key_id).iter().filter(|candidate| candidate.subkey.is_none()).filter_map(
            |candidate| {
                let (certificate, role) = self.0.keys.get(candidate.key)?;
                (*role == Role::Trusted).then_some(certificate)
            },
        )
    }
}

/// Refuses a primary key that has expired.
pub(super) fn not_expired(primary: &Primary, at: UnixMillis) -> Result<(), KeyReason> {
    match primary.expires {
        Some(expires) if expires <= at => Err(KeyReason::Expired { at: expires }),
        Some(_) | None => Ok(()),
    }
}

/// Of several reasons why no certification counts, the one nearest to counting is told.
fn says_more(reason: &KeyReason) -> u8 {
    match reason {
        KeyReason::UntrustedIssuer => 0,
        KeyReason::WeakCertification { .. } => 1,
        KeyReason::UnusableIssuer { .. } => 2,
        KeyReason::CertificationExpired { .. } => 3,
        KeyReason::Revoked { .. } => 4,
        KeyReason::WeakKey { .. }
        | KeyReason::NoSelfSignature
        | KeyReason::WeakSelfSignature { .. }
        | KeyReason::Expired { .. }
        | KeyReason::NotYetValid { .. }
        | KeyReason::KeyFlags(_)
        | KeyReason::UnboundSubkey { .. }
        | KeyReason::TooMuchWork { .. } => 5,
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys.iter().map(|(key, role)| (key.fingerprint(), role))).finish()
    }
}
