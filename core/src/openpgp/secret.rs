//! Secret keys: read, unlocked once, and kept in memory that is wiped. What is done with them is in the modules
//! `sign`, `certify` and `revoke`; where they come from and who may read their files is not decided here.

use super::{Certificate, CertificateError, Fingerprint};
use crate::secret::Secret;
use pgp::composed::{ArmorOptions, Deserializable, SignedSecretKey};
use pgp::ser::Serialize;
use pgp::types::{Password, S2kParams, SecretParams, StringToKey};
use rand::{CryptoRng, Rng};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The longest file that is read as a secret key. One with hundreds of certifications fits.
const MAX_BYTES: usize = 1 << 20;

/// Why bytes are no usable secret key. Never says anything of what the bytes are.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// More bytes than any secret key has.
    #[error("expected a secret key of at most {MAX_BYTES} bytes, found {found} bytes")]
    TooBig {
        /// How many there are.
        found: usize,
    },
    /// A public key where a secret one was expected.
    #[error("expected a secret key, found a public one")]
    PublicKey,
    /// No OpenPGP secret key, armored or binary, or a damaged one.
    #[error("expected an OpenPGP secret key, found something else or a damaged one")]
    Format,
    /// Several keys in one file: which one was meant?
    #[error("expected one secret key, found several")]
    MoreThanOne,
    /// The key is locked.
    #[error("the secret key {fingerprint} is locked: its passphrase is needed")]
    PassphraseNeeded {
        /// Whose.
        fingerprint: Fingerprint,
    },
    /// The passphrase does not open the key.
    #[error("the passphrase does not open the secret key {fingerprint}")]
    WrongPassphrase {
        /// Whose.
        fingerprint: Fingerprint,
    },
    /// Its secret parts were all left out when it was exported (`gpg --export-secret-subkeys`, a smart card).
    #[error("the secret parts of the key {fingerprint} are not in the file")]
    NoSecretPart {
        /// Whose.
        fingerprint: Fingerprint,
    },
    /// Its public part cannot be used.
    #[error("public part: {0}")]
    Certificate(#[from] CertificateError),
    /// The key could not be locked or written.
    #[error("failed to write the secret key: {0}")]
    Library(#[from] Library),
}

/// What the OpenPGP library says of itself.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Library(Box<pgp::errors::Error>);

impl From<pgp::errors::Error> for Library {
    fn from(error: pgp::errors::Error) -> Self {
        Self(Box::new(error))
    }
}

/// An unlocked secret key with its public part. Cloning shares it; the last one dropped wipes it.
#[derive(Clone)]
pub struct SecretKey {
    pub(super) key: Arc<SignedSecretKey>,
    pub(super) certificate: Certificate,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, ***)", self.certificate.fingerprint())
    }
}

impl SecretKey {
    /// Reads one secret key, armored or binary, and unlocks all of its parts, which takes some 160 ms for each locked
    /// one: keep the result. A passphrase that is not needed is not looked at.
    pub fn parse(bytes: &[u8], passphrase: Option<&Secret>) -> Result<Self, SecretKeyError> {
        let mut key = read(bytes)?;
        let certificate = certificate_of(&key)?;
        let lock = Lock { passphrase, fingerprint: certificate.fingerprint() };
        let primary = part(key.primary_key.secret_params());
        let mut any = lock.open(primary, |password| key.primary_key.remove_password(password))?;
        for subkey in &mut key.secret_subkeys {
            let part = part(subkey.key.secret_params());
            any |= lock.open(part, |password| subkey.key.remove_password(password))?;
        }
        if !any {
            return Err(lock.absent());
        }
        Ok(Self { key: Arc::new(key), certificate })
    }

    /// A key that was just made.
    pub(super) fn from_unlocked(key: SignedSecretKey) -> Result<Self, SecretKeyError> {
        let certificate = certificate_of(&key)?;
        Ok(Self { key: Arc::new(key), certificate })
    }

    /// The public part.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The fingerprint of the primary key.
    pub fn fingerprint(&self) -> &Fingerprint {
        self.certificate.fingerprint()
    }

    /// The secret key as an armored file, not locked: whoever has it can sign.
    pub fn to_armored(&self) -> Result<Zeroizing<String>, SecretKeyError> {
        armored(&self.key)
    }

    /// The secret key as an armored file, every part locked with a passphrase.
    pub fn to_armored_locked(
        &self,
        passphrase: &Secret,
        rng: &mut (impl Rng + CryptoRng),
    ) -> Result<Zeroizing<String>, SecretKeyError> {
        let mut key = SignedSecretKey::clone(&self.key);
        let password = password(passphrase);
        if part(key.primary_key.secret_params()) == Part::Open {
            key.primary_key.set_password(&mut *rng, &password).map_err(Library::from)?;
        }
        // a passphrase is a matter of each packet, not of the key
        for subkey in &mut key.secret_subkeys {
            if part(subkey.key.secret_params()) == Part::Open {
                subkey.key.set_password(&mut *rng, &password).map_err(Library::from)?;
            }
        }
        armored(&key)
    }
}

/// What a file has of one secret part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Open,
    /// All of it, behind a passphrase.
    Locked,
    /// Only a note that it is elsewhere (`gnu-dummy`, a card).
    Absent,
}

/// The state of a secret part.
pub(super) fn part(params: &SecretParams) -> Part {
    match params {
        SecretParams::Plain(_) => Part::Open,
        SecretParams::Encrypted(locked) => match locked.string_to_key_params() {
            S2kParams::Cfb { s2k: StringToKey::Private { .. }, .. }
            | S2kParams::MalleableCfb { s2k: StringToKey::Private { .. }, .. } => Part::Absent,
            S2kParams::Unprotected
            | S2kParams::LegacyCfb { .. }
            | S2kParams::Aead { .. }
            | S2kParams::Cfb { .. }
            | S2kParams::MalleableCfb { .. } => Part::Locked,
        },
    }
}

struct Lock<'a> {
    passphrase: Option<&'a Secret>,
    fingerprint: &'a Fingerprint,
}

impl Lock<'_> {
    /// Whether the part can be used now.
    fn open(
        &self,
        part: Part,
        unlock: impl FnOnce(&Password) -> pgp::errors::Result<()>,
    ) -> Result<bool, SecretKeyError> {
        let fingerprint = self.fingerprint.clone();
        match (part, self.passphrase) {
            (Part::Open, _) => Ok(true),
            (Part::Absent, _) => Ok(false),
            (Part::Locked, None) => Err(SecretKeyError::PassphraseNeeded { fingerprint }),
            (Part::Locked, Some(passphrase)) => unlock(&password(passphrase))
                .map(|()| true)
                .map_err(|_| SecretKeyError::WrongPassphrase { fingerprint }),
        }
    }

    fn absent(&self) -> SecretKeyError {
        SecretKeyError::NoSecretPart { fingerprint: self.fingerprint.clone() }
    }
}

fn password(passphrase: &Secret) -> Password {
    Password::from(passphrase.expose())
}

fn read(bytes: &[u8]) -> Result<SignedSecretKey, SecretKeyError> {
    if bytes.len() > MAX_BYTES {
        return Err(SecretKeyError::TooBig { found: bytes.len() });
    }
    let keys = SignedSecretKey::from_reader_many_buf(bytes);
    let mut keys = keys.map(|(keys, _)| keys).into_iter().flatten();
    match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => Ok(key),
        (Some(Ok(_)), Some(Ok(_))) => Err(SecretKeyError::MoreThanOne),
        (Some(_) | None, _) if Certificate::parse(bytes).is_ok() => Err(SecretKeyError::PublicKey),
        (Some(_) | None, _) => Err(SecretKeyError::Format),
    }
}

fn certificate_of(key: &SignedSecretKey) -> Result<Certificate, SecretKeyError> {
    Ok(Certificate::parse(&key.to_public_key().to_bytes().map_err(Library::from)?)?)
}

/// The buffer is as large as it will ever be: growing would leave copies of its content behind.
fn armored(key: &SignedSecretKey) -> Result<Zeroizing<String>, SecretKeyError> {
    let mut text = Zeroizing::new(Vec::with_capacity(2 * key.write_len() + 512));
    key.to_armored_writer(&mut *text, ArmorOptions::default()).map_err(Library::from)?;
    let text = String::from_utf8(std::mem::take(&mut *text)).map_err(|_| SecretKeyError::Format)?;
    Ok(Zeroizing::new(text))
}
