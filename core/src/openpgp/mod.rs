//! OpenPGP: which signature counts, and why not (keyrings.md, cot-attacks.md section B).
//!
//! `pgp` (rpgp) parses packets and does the arithmetic; it has no policy, so what a signature or a key is worth is
//! decided here: the form of signed texts, hashes, key sizes, dates, revocations, key flags, bindings, and who certified
//! whom. Files, folders and repositories belong to the worker.
//!
//! | module | what it does |
//! |---|---|
//! | [`Certificate`] | one public certificate, parsed, with bounded work |
//! | [`Keyring`] | which keys count (`flat` by their place, `signed` by certification), and the check of signatures |
//! | [`SignaturePolicy`] | what signatures have to be, as data |
//! | [`Refusal`], [`KeyReason`] | why not, with stable codes |
//! | [`SecretKey`] | signs texts and files, certifies and revokes, and is [made](SecretKey::generate) |
//! | [`git`] | raw tags and commits: what their signature covers |
//! | [`trust`] | ownertrust and certification listings of the classic worker, as values |

mod armor;
mod certificate;
mod certify;
mod clearsign;
mod expiry;
mod generate;
pub mod git;
mod id;
mod keyring;
mod merge;
mod outline;
mod packet;
mod policy;
mod refusal;
mod revoker;
mod rsa;
mod secret;
mod sign;
mod signature;
mod signing;
pub mod trust;
mod validity;
mod verify;

pub use armor::ArmorError;
pub use certificate::{Certificate, CertificateError};
pub use certify::{CertifyError, Exportable, RevocationReason, UnknownReason};
pub use expiry::{Expiry, ExpiryError, InvalidExpiry};
pub use generate::{GenerateError, InvalidOwner, KeyAlgorithm, KeyOwner, KeyPlan, UnknownAlgorithm};
pub use id::{Fingerprint, InvalidKeyName, KeyId};
pub use keyring::{KeyStatus, Keyring, Role};
pub use packet::PacketError;
pub use policy::{Hash, HashException, SignaturePolicy};
pub use refusal::{Binding, KeyReason, KeyWarning, Refusal, Revoked, Use};
pub use secret::{Library, SecretKey, SecretKeyError};
pub use sign::SignError;
pub use signing::InvalidTime;
pub use verify::{Signed, SignedText, unverified_text};
