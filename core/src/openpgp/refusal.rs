//! Why a signature or a key does not count: stable codes (cot-attacks.md, section B) and the facts behind them.

use super::armor::ArmorError;
use super::packet::PacketError;
use super::{Fingerprint, Hash, KeyId};
use crate::time::UnixMillis;

/// Why a signed text or a detached signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is larger than the policy allows.
    #[error("accept the signed text: expected at most {limit} bytes, found {found}")]
    TooBig {
        /// The limit.
        limit: usize,
        /// Its size.
        found: usize,
    },
    /// It is no clear-signed text at all.
    #[error("accept the signed text: expected a clear-signed message, found {found}")]
    Format {
        /// What it looks like.
        found: &'static str,
    },
    /// Something stands before the signed text.
    #[error("accept the signed text: {bytes} bytes stand before it")]
    LeadingData {
        /// How many.
        bytes: usize,
    },
    /// Something stands behind the signature.
    #[error("accept the signed text: {bytes} bytes follow its signature")]
    TrailingData {
        /// How many.
        bytes: usize,
    },
    /// There is more than one signed text.
    #[error("accept the signed text: more than one message found")]
    MultipleMessages,
    /// A header of the signed text is not a `Hash` header with known names.
    #[error("accept the signed text: line {line} is no Hash header with known names")]
    ClearsignHeader {
        /// Counted from 1.
        line: usize,
    },
    /// The text claims not to be dash-escaped.
    #[error("accept the signed text: texts that are not dash-escaped are not supported")]
    NotDashEscaped,
    /// The text is not dash-escaped, or cut off, or has a carriage return inside a line.
    #[error("accept the signed text: line {line} is not in the form of a clear-signed text")]
    ClearsignFormat {
        /// Counted from 1.
        line: usize,
    },
    /// The signature's armor is broken.
    #[error("accept the signature: failed to {0}")]
    Armor(ArmorError),
    /// The signature's packets are broken or of another kind.
    #[error("accept the signature: failed to {0}")]
    Packet(PacketError),
    /// There is not exactly one signature that can be read.
    #[error("accept the signature: expected one signature, found {found}")]
    SignatureCount {
        /// How many.
        found: usize,
    },
    /// The signature wants something understood that is not known here.
    #[error("accept the signature: it has a critical part that is not known here")]
    Critical,
    /// It is not a signature over a document of this form.
    #[error("accept the signature: expected type {expected:#04x}, found {found:#04x}")]
    SignatureType {
        /// The type that is accepted here (RFC 9580 5.2.1).
        expected: u8,
        /// The type it has.
        found: u8,
    },
    /// The signature's hash is not accepted; `None`: not even known.
    #[error("accept the signature: its hash algorithm {number} ({}) is too weak or unknown", name_of(.hash))]
    WeakHash {
        /// The algorithm.
        hash: Option<Hash>,
        /// Its number.
        number: u8,
    },
    /// No key of the keyring has the key id that the signature names.
    #[error("accept the signature: no key {issuer} in the keyring")]
    UnknownKey {
        /// The key id in the signature.
        issuer: KeyId,
    },
    /// The signature is not by the key that it names, or the text was changed.
    #[error("accept the signature: it does not fit the text and key {key}")]
    BadSignature {
        /// The key.
        key: Fingerprint,
    },
    /// The signature is dated before the key was made.
    #[error("accept the signature: it is dated {made}, before its key {key} was made ({created})")]
    MadeBeforeKey {
        /// The key.
        key: Fingerprint,
        /// When the signature says it was made.
        made: UnixMillis,
        /// When the key says it was made.
        created: UnixMillis,
    },
    /// The signature is dated in the future.
    #[error("accept the signature: it is dated {made}, in the future of {at}")]
    MadeInFuture {
        /// When the signature says it was made.
        made: UnixMillis,
        /// The time it was checked at.
        at: UnixMillis,
    },
    /// The signature itself expired.
    #[error("accept the signature: it expired at {expired}")]
    SignatureExpired {
        /// When.
        expired: UnixMillis,
    },
    /// The key had expired when the signature was made.
    #[error("accept the signature: it is dated {made}, after its key {key} expired ({expired})")]
    MadeAfterExpiry {
        /// The key.
        key: Fingerprint,
        /// When the signature says it was made.
        made: UnixMillis,
        /// When the key expired.
        expired: UnixMillis,
    },
    /// The signature is genuine, but its key does not count.
    #[error("accept the signature by key {key}: {reason}")]
    Key {
        /// The key that made the signature.
        key: Fingerprint,
        /// Why not.
        reason: KeyReason,
    },
}

/// Why a key of a keyring does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyReason {
    /// Its algorithm is none that is accepted, or too small.
    #[error("its algorithm {algorithm} with {bits} bits is not accepted")]
    WeakKey {
        /// The number of the algorithm (RFC 9580 9.1).
        algorithm: u8,
        /// Its size; 0 where the algorithm has only one.
        bits: usize,
    },
    /// No user id has a valid signature by the key itself.
    #[error("no user id has a valid signature by the key itself")]
    NoSelfSignature,
    /// What the key says about itself is only signed with a hash that is not accepted.
    #[error("its own signatures only use {hash}")]
    WeakSelfSignature {
        /// The hash.
        hash: Hash,
    },
    /// It, or the certification that it depends on, was revoked.
    #[error("{what} was revoked at {made}{}", if *.hard { " for good" } else { "" })]
    Revoked {
        /// Which part.
        what: Revoked,
        /// When the revocation says it was made.
        made: UnixMillis,
        /// Whether the revocation reaches back: its reason is not that the key was retired or superseded.
        hard: bool,
    },
    /// It expired.
    #[error("it expired at {at}")]
    Expired {
        /// When.
        at: UnixMillis,
    },
    /// It was made in the future.
    #[error("it is dated {created}, in the future of {at}")]
    NotYetValid {
        /// When it says it was made.
        created: UnixMillis,
        /// The time it was checked at.
        at: UnixMillis,
    },
    /// No trusted key certified any of its user ids.
    #[error("no trusted key has certified any of its user ids")]
    UntrustedIssuer,
    /// A trusted key certified it, but that key does not count itself.
    #[error("trusted key {issuer}, which certified it, does not count: {reason}")]
    UnusableIssuer {
        /// The trusted key.
        issuer: Fingerprint,
        /// Why not.
        reason: Box<KeyReason>,
    },
    /// A trusted key certified it with a hash that is not accepted.
    #[error("its certification by {issuer} uses {hash}")]
    WeakCertification {
        /// The trusted key.
        issuer: KeyId,
        /// The hash.
        hash: Hash,
    },
    /// Its certification expired.
    #[error("its certification by {issuer} expired at {at}")]
    CertificationExpired {
        /// The trusted key.
        issuer: KeyId,
        /// When.
        at: UnixMillis,
    },
    /// It is not meant for this use.
    #[error("it is not meant to {0}")]
    KeyFlags(Use),
    /// The subkey is not bound to the primary key: the binding or the subkey's consent to it is missing or invalid.
    #[error("the subkey has no valid {missing}")]
    UnboundSubkey {
        /// What is missing: the binding by the primary key, or the subkey's signature back.
        missing: Binding,
    },
    /// It carries more signatures that look as if they mattered than are checked.
    #[error("more than {limit} signatures on it had to be checked")]
    TooMuchWork {
        /// The limit of the policy.
        limit: u32,
    },
}

/// What a key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// To sign documents.
    Sign,
    /// To certify other keys.
    Certify,
}

/// What was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The primary key, and with it everything.
    Key,
    /// The subkey that signed.
    Subkey,
    /// Every user id that counted.
    UserId,
    /// The certification by a trusted key.
    Certification,
}

/// One of the two signatures that tie a signing subkey to its primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// By the primary key: type 0x18.
    Binding,
    /// By the subkey: type 0x19.
    BackSignature,
}

/// What is accepted, but should be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyWarning {
    /// What the key says about itself is signed with a hash that is only accepted because of the key's place
    /// (cot-attacks.md 41).
    WeakSelfSignature {
        /// The hash.
        hash: Hash,
    },
}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooBig { .. } => "limit",
            Self::Format { .. } | Self::Armor(_) | Self::Packet(_) | Self::SignatureCount { .. } => "format",
            Self::LeadingData { .. } => "leading-data",
            Self::TrailingData { .. } => "trailing-data",
            Self::MultipleMessages => "multiple-messages",
            Self::ClearsignHeader { .. } => "clearsign-header",
            Self::NotDashEscaped | Self::Critical => "unsupported",
            Self::ClearsignFormat { .. } => "clearsign-format",
            Self::SignatureType { .. } => "signature-type",
            Self::WeakHash { .. } => "weak-hash",
            Self::UnknownKey { .. } => "unknown-key",
            Self::BadSignature { .. } => "signature",
            Self::MadeBeforeKey { .. }
            | Self::MadeInFuture { .. }
            | Self::SignatureExpired { .. }
            | Self::MadeAfterExpiry { .. } => "time",
            Self::Key { reason, .. } => reason.code(),
        }
    }
}

impl KeyReason {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WeakKey { .. } => "weak-key",
            Self::NoSelfSignature => "self-signature",
            Self::WeakSelfSignature { .. } => "weak-hash",
            Self::Revoked { .. } => "revoked",
            Self::Expired { .. } => "expired-key",
            Self::NotYetValid { .. } => "time",
            Self::UntrustedIssuer | Self::UnusableIssuer { .. } => "untrusted-issuer",
            Self::WeakCertification { .. } => "weak-certification",
            Self::CertificationExpired { .. } => "expired-certification",
            Self::KeyFlags(_) => "key-flags",
            Self::UnboundSubkey { .. } => "subkey-binding",
            Self::TooMuchWork { .. } => "limit",
        }
    }
}

impl KeyWarning {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::WeakSelfSignature { .. } => "weak-self-signature",
        }
    }
}

macro_rules! in_words {
    ($name:ident { $($variant:ident => $text:literal),+ }) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $text),+ })
            }
        }
    };
}

in_words!(Use { Sign => "sign", Certify => "certify other keys" });
in_words!(Revoked {
    Key => "the key",
    Subkey => "the subkey",
    UserId => "every user id",
    Certification => "its certification"
});
in_words!(Binding { Binding => "binding signature", BackSignature => "back-signature" });

fn name_of(hash: &Option<Hash>) -> String {
    hash.map_or_else(|| "unknown".to_owned(), |hash| hash.to_string())
}
