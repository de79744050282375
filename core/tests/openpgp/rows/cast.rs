//! Who appears in the cases: a worker whose key is in the keyring, the keeper who certified it, a stranger.

use super::case::{Case, Expected, Verdict};
use crate::forge::{Cert, Key, Sig, Use, armored_signature, canonical, clear_signed};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::SignatureType;
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;

const DAY: u32 = 86_400;
/// Every key is made on 2025-01-01.
pub(crate) const CREATED: u32 = 1_735_689_600;
/// Certified and bound a day later.
pub(crate) const BOUND: u32 = CREATED + DAY;
/// Documents are signed on 2026-01-01.
pub(crate) const MADE: u32 = CREATED + 365 * DAY;
/// Everything is judged on 2026-06-01, if the case does not say otherwise.
pub(crate) const NOW: u32 = MADE + 151 * DAY;

pub(crate) const WORKER: &str = "worker <worker@example.com>";
pub(crate) const KEEPER: &str = "keeper <keeper@example.com>";
/// What the documents say.
pub(crate) const TEXT: &str =
    "{\n  \"chainOfTrustVersion\": 1,\n  \"taskId\": \"AAAAAAAAAAAAAAAAAAAAAA\"\n}\n";

pub(crate) fn worker() -> Key {
    Key::new("the worker's", CREATED)
}

pub(crate) fn keeper() -> Key {
    Key::new("the keeper's", CREATED)
}

pub(crate) fn stranger() -> Key {
    Key::new("a stranger's", CREATED)
}

/// A signing subkey.
pub(crate) fn subkey() -> Key {
    Key::new("the worker's other", CREATED)
}

/// A self-signature as gpg makes it.
pub(crate) fn self_signature(usage: Use) -> Sig {
    Sig::new(SignatureType::CertPositive, CREATED).usage(usage)
}

/// A certificate with one user id and this self-signature.
pub(crate) fn certificate(key: &Key, user: &str, own: Sig) -> Cert {
    Cert::new(key).user(user).signature(&own.on_user(key, user, key))
}

/// A key that signs and certifies.
pub(crate) fn plain(key: &Key, user: &str) -> Cert {
    certificate(key, user, self_signature(Use::CertifyAndSign))
}

/// Somebody else's certification of a user id.
pub(crate) fn certification(key: &Key, user: &str, by: &Key) -> pgp::packet::Signature {
    certification_with(Sig::new(SignatureType::CertGeneric, BOUND), key, user, by)
}

pub(crate) fn certification_with(sig: Sig, key: &Key, user: &str, by: &Key) -> pgp::packet::Signature {
    sig.on_user(key, user, by)
}

/// A binding of a signing subkey, with its back-signature.
pub(crate) fn binding(key: &Key, subkey: &Key, usage: Use) -> Sig {
    binding_with(Some(Sig::new(SignatureType::KeyBinding, BOUND).on_subkey(key, subkey, subkey)), usage)
}

pub(crate) fn binding_with(back: Option<pgp::packet::Signature>, usage: Use) -> Sig {
    let sig = Sig::new(SignatureType::SubkeyBinding, BOUND).usage(usage);
    match back {
        Some(back) => sig.with(pgp::packet::SubpacketData::EmbeddedSignature(Box::new(back))),
        None => sig,
    }
}

/// The signature of a text document.
pub(crate) fn text_signature() -> Sig {
    Sig::new(SignatureType::Text, MADE)
}

/// The document, clear-signed.
pub(crate) fn signed(sig: Sig, signer: &Key) -> String {
    signed_text(TEXT, sig, signer)
}

pub(crate) fn signed_text(text: &str, sig: Sig, signer: &Key) -> String {
    let hash = match sig.hash {
        HashAlgorithm::Md5 => "MD5",
        HashAlgorithm::Sha1 => "SHA1",
        HashAlgorithm::Sha256 => "SHA256",
        _ => "SHA512",
    };
    clear_signed(text, hash, &armored_signature(&sig.over(&canonical(text), signer)))
}

/// A case as it stands before anything is tampered with.
#[derive(Clone)]
pub(crate) struct Scene {
    row: u16,
    name: &'static str,
    at: u32,
    files: BTreeMap<String, Vec<u8>>,
}

impl Scene {
    fn empty(row: u16, name: &'static str) -> Self {
        Self { row, name, at: NOW, files: BTreeMap::new() }
    }

    /// A pinned key and a document that it signed.
    pub(crate) fn flat(row: u16, name: &'static str) -> Self {
        Self::empty(row, name)
            .file("flat/worker.asc", plain(&worker(), WORKER).armored())
            .document(signed(text_signature(), &worker()))
    }

    /// The keeper, a worker that the keeper certified, and a document that the worker signed.
    pub(crate) fn certified(row: u16, name: &'static str) -> Self {
        let worker_cert = plain(&worker(), WORKER).signature(&certification(&worker(), WORKER, &keeper()));
        Self::empty(row, name)
            .file("trusted/keeper.asc", plain(&keeper(), KEEPER).armored())
            .file("valid/worker.asc", worker_cert.armored())
            .document(signed(text_signature(), &worker()))
    }

    /// Puts a file there, or another in its place.
    pub(crate) fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), content.into());
        self
    }

    pub(crate) fn document(self, content: impl Into<Vec<u8>>) -> Self {
        self.file("document.asc", content)
    }

    /// A document with a detached signature instead.
    pub(crate) fn detached(mut self, content: &[u8], signature: &str) -> Self {
        self.files.remove("document.asc");
        self.file("document", content).file("document.sig", signature)
    }

    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    pub(crate) fn at(mut self, at: u32) -> Self {
        self.at = at;
        self
    }

    /// As it stands it has to be accepted; a clear-signed document then says this.
    pub(crate) fn accepted(&self, what: &str, text: &str) -> Case {
        let mut case = self.case(self.name.to_owned(), what, Verdict::Accept);
        if case.files.contains_key("document.asc") {
            case.files.insert("text".to_owned(), canonical(text));
        }
        case
    }

    /// As it stands it has to be refused.
    pub(crate) fn refused(&self, variant: &str, what: &str, code: &str) -> Case {
        let separator = if variant.is_empty() { "" } else { "__" };
        let name = format!("{}{separator}{variant}_fail", self.name);
        self.case(name, what, Verdict::Reject(code.to_owned()))
    }

    fn case(&self, name: String, what: &str, verdict: Verdict) -> Case {
        let at = UnixMillis(i64::from(self.at) * 1000);
        Case {
            name: format!("{:03}_{name}", self.row),
            expected: Expected { row: self.row, what: what.to_owned(), at, verdict },
            files: self.files.clone(),
        }
    }
}
