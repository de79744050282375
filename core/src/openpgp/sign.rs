//! Signing documents: clear-signed text and detached signatures (keyrings.md 4.3), always with SHA-512.
//!
//! A clear-signed text is put together here, because what is shown must be what is hashed: blanks at the ends of lines,
//! which readers do not hash, are not shown either.

use super::armor;
use super::clearsign::SIGNATURE_BLOCK;
use super::keyring::not_expired;
use super::refusal::Use;
use super::secret::{Library, Part, SecretKey, part};
use super::signing::{self, InvalidTime};
use super::validity::Judge;
use super::{Fingerprint, KeyReason, Role, SignaturePolicy};
use crate::time::UnixMillis;
use pgp::packet::{self, PacketTrait, SignatureType};
use pgp::types::{KeyDetails, Password};
use rand::{CryptoRng, Rng};
use std::cmp::Reverse;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Clear-signed text is text.
    #[error("sign the text: it is not UTF-8 from byte {at} on")]
    NotText {
        /// Where, counted from 0.
        at: usize,
    },
    /// Readers differ in whether a carriage return inside a line ends it.
    #[error("sign the text: line {line} has a carriage return inside")]
    CarriageReturn {
        /// Counted from 1.
        line: usize,
    },
    /// Nobody would accept a signature by this key now.
    #[error("sign with the key {key}: {reason}")]
    Key {
        /// The primary key.
        key: Fingerprint,
        /// Why not.
        reason: KeyReason,
    },
    /// The secret parts that the file has are not for signing.
    #[error("sign with the key {key}: its file has no secret part that may sign")]
    NoSigningPart {
        /// The primary key.
        key: Fingerprint,
    },
    /// A time that OpenPGP cannot write.
    #[error(transparent)]
    Time(#[from] InvalidTime),
    /// The arithmetic, or the making of a packet, failed.
    #[error("OpenPGP library: {0}")]
    Library(#[from] Library),
    /// The secret part does not belong to the public one, or the arithmetic went wrong: nothing leaves.
    #[error("sign with the key {key}: the signature that was made does not fit the key")]
    DoesNotVerify {
        /// The primary key.
        key: Fingerprint,
    },
}

impl From<pgp::errors::Error> for SignError {
    fn from(error: pgp::errors::Error) -> Self {
        Self::Library(error.into())
    }
}

/// The secret part that signs.
enum Signer<'a> {
    Primary(&'a packet::SecretKey),
    Subkey(&'a packet::SecretSubkey),
}

impl SecretKey {
    /// The text with a signature around it. It ends with a newline, and so does the text in it; blanks and carriage
    /// returns at the ends of lines are left out.
    ///
    /// gpg cannot check texts with lines of 20 000 and more bytes.
    pub fn clear_sign(
        &self,
        text: &[u8],
        at: UnixMillis,
        rng: &mut (impl Rng + CryptoRng),
    ) -> Result<String, SignError> {
        let text =
            std::str::from_utf8(text).map_err(|error| SignError::NotText { at: error.valid_up_to() })?;
        let Canonical { shown, hashed } = canonical(text)?;
        let signature = self.signature(SignatureType::Text, hashed.as_bytes(), at, rng)?;
        Ok(format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{shown}{signature}"))
    }

    /// An armored signature over bytes.
    pub fn sign_detached(
        &self,
        data: &[u8],
        at: UnixMillis,
        rng: &mut (impl Rng + CryptoRng),
    ) -> Result<String, SignError> {
        self.signature(SignatureType::Binary, data, at, rng)
    }

    fn signature(
        &self,
        kind: SignatureType,
        data: &[u8],
        at: UnixMillis,
        rng: &mut (impl Rng + CryptoRng),
    ) -> Result<String, SignError> {
        let made = signing::timestamp(at)?;
        let unlocked = Password::empty();
        let (signature, fits) = match self.signer(at)? {
            Signer::Primary(key) => {
                let signature = signing::config(key, kind, made, rng)?.sign(key, &unlocked, data)?;
                let fits = signature.verify(key.public_key(), data).is_ok();
                (signature, fits)
            }
            Signer::Subkey(key) => {
                let signature = signing::config(key, kind, made, rng)?.sign(key, &unlocked, data)?;
                let fits = signature.verify(key.public_key(), data).is_ok();
                (signature, fits)
            }
        };
        if !fits {
            return Err(SignError::DoesNotVerify { key: self.fingerprint().clone() });
        }
        let mut packet = Vec::new();
        signature.to_writer_with_header(&mut packet)?;
        Ok(armor::encode(&packet, SIGNATURE_BLOCK))
    }

    /// The newest subkey that may sign and whose secret part is there, else the primary key, as gpg chooses.
    fn signer(&self, at: UnixMillis) -> Result<Signer<'_>, SignError> {
        let refused = |reason| SignError::Key { key: self.fingerprint().clone(), reason };
        let policy = SignaturePolicy::default();
        let mut judge = Judge::new(&self.certificate, Role::Flat, &policy, at);
        let primary = judge.primary().map_err(refused)?;
        not_expired(&primary, at).map_err(refused)?;
        let mut subkeys: Vec<&packet::SecretSubkey> =
            self.key.secret_subkeys.iter().map(|subkey| &subkey.key).collect();
        subkeys.retain(|subkey| part(subkey.secret_params()) == Part::Open);
        subkeys.sort_by_key(|subkey| Reverse(subkey.created_at().as_secs()));
        for subkey in subkeys {
            let name = Fingerprint::of(subkey);
            let public =
                self.certificate.all_subkeys().iter().find(|known| Some(&known.fingerprint) == name.as_ref());
            let state = public.map(|public| judge.signing_subkey(public));
            if let Some(Ok(state)) = state
                && state.expires.is_none_or(|expires| expires > at)
            {
                return Ok(Signer::Subkey(subkey));
            }
        }
        if part(self.key.primary_key.secret_params()) != Part::Open {
            return Err(SignError::NoSigningPart { key: self.fingerprint().clone() });
        }
        primary.may(Use::Sign).map_err(refused)?;
        Ok(Signer::Primary(&self.key.primary_key))
    }
}

/// A text as it is shown between the lines of a clear-signed one, and as it is hashed.
struct Canonical {
    shown: String,
    hashed: String,
}

/// RFC 9580 7.1 and 7.2: a line that begins with a dash is marked, the last line end is not signed.
fn canonical(text: &str) -> Result<Canonical, SignError> {
    let room = text.len() + text.len() / 16;
    let mut canonical = Canonical { shown: String::with_capacity(room), hashed: String::with_capacity(room) };
    for (number, line) in text.strip_suffix('\n').unwrap_or(text).split('\n').enumerate() {
        let line = line.trim_end_matches([' ', '\t', '\r']);
        if line.contains('\r') {
            return Err(SignError::CarriageReturn { line: number + 1 });
        }
        if line.starts_with('-') {
            canonical.shown.push_str("- ");
        }
        canonical.shown.push_str(line);
        canonical.shown.push('\n');
        if number > 0 {
            canonical.hashed.push_str("\r\n");
        }
        canonical.hashed.push_str(line);
    }
    Ok(canonical)
}
