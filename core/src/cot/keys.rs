//! Which keys the attestations of each worker implementation may be signed with, and in which form they may come.

use super::finding::Finding;
pub use super::implementation::Implementation;

use super::reason::Reason;
use super::{CLASSIC_NAME, CURRENT_NAME, CURRENT_SIGNATURE_NAME};
use crate::ed25519::trust::KeyLists;
use crate::openpgp::Keyring;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form of an attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `public/chain-of-trust.json` with an ed25519 signature beside it.
    Ed25519,
    /// `public/chainOfTrust.json.asc`, clear-signed with OpenPGP.
    #[serde(rename = "openpgp")]
    OpenPgp,
}

impl Form {
    /// The artifact that holds the body.
    pub const fn document(self) -> &'static str {
        match self {
            Self::Ed25519 => CURRENT_NAME,
            Self::OpenPgp => CLASSIC_NAME,
        }
    }

    /// The artifact that holds the signature, where it stands apart.
    pub const fn signature(self) -> Option<&'static str> {
        match self {
            Self::Ed25519 => Some(CURRENT_SIGNATURE_NAME),
            Self::OpenPgp => None,
        }
    }
}

/// Who signed an attestation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// In words, for the verdict.
    pub name: String,
    /// Whether generic-worker may have signed: the key stands in its list, too (cot-attacks.md 114).
    pub is_generic_worker: bool,
}

/// All keys, and whether signatures are checked at all (`verify_cot_signature`).
#[derive(Debug)]
pub struct Keys<'a> {
    /// By implementation.
    pub openpgp: &'a BTreeMap<Implementation, Keyring>,
    /// By implementation.
    pub ed25519: &'a KeyLists,
    /// False: bodies are read, whoever signed them.
    pub check: bool,
}

impl Keys<'_> {
    /// The body of a clear-signed attestation, once a key of the implementation signed it.
    pub fn clear_signed(
        &self,
        implementation: Implementation,
        document: &[u8],
        at: UnixMillis,
    ) -> Result<(Vec<u8>, Signer), Finding> {
        let nobody =
            || Finding::new(Reason::UnknownKey).because(format!("there is no keyring for {implementation}"));
        let keyring = self.openpgp.get(&implementation).ok_or_else(nobody)?;
        match keyring.verify_clear_signed(document, at) {
            Ok(signed) => {
                let name = format!("OpenPGP key {}", signed.signature.signer);
                let generic = Implementation::GenericWorker;
                let others = self.openpgp.get(&generic).filter(|_| implementation != generic);
                let is_generic_worker =
                    others.is_some_and(|keyring| keyring.verify_clear_signed(document, at).is_ok());
                Ok((signed.text, Signer { name, is_generic_worker }))
            }
            Err(refusal) => {
                let elsewhere = self.openpgp.iter().find(|(other, keyring)| {
                    **other != implementation && keyring.verify_clear_signed(document, at).is_ok()
                });
                let reason = match elsewhere {
                    Some(_) if refusal.code() == Reason::UnknownKey.code() => Reason::WrongKeyClass,
                    _ => of_code(refusal.code()),
                };
                let finding = Finding::new(reason).because(refusal);
                Err(match elsewhere {
                    Some((other, _)) => finding.expected(implementation).found(format!("a key of {other}")),
                    None => finding,
                })
            }
        }
    }

    /// That a key of the implementation signed these bytes; whose.
    pub fn detached(
        &self,
        implementation: Implementation,
        document: &[u8],
        signature: &[u8],
        at: UnixMillis,
    ) -> Result<Signer, Finding> {
        match self.ed25519.verify(implementation.name(), document, signature, at) {
            Ok(signed) => {
                let others = self.ed25519.lists.get(Implementation::GenericWorker.name());
                let is_generic_worker = implementation != Implementation::GenericWorker
                    && others.into_iter().flatten().any(|listed| listed.key == *signed.key());
                Ok(Signer { name: format!("ed25519 key {}", signed.key()), is_generic_worker })
            }
            Err(refusal) => Err(Finding::new(of_code(refusal.code())).because(refusal)),
        }
    }
}

/// The reason of a code that the key side gives. All of theirs are ours, too (a test compares them).
fn of_code(code: &str) -> Reason {
    Reason::from_code(code).unwrap_or(Reason::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code that the key side can give, as its sources have them: a new one needs an entry in the table of reasons.
    #[test]
    fn every_code_of_the_key_side_is_a_reason() {
        let sources = [include_str!("../openpgp/refusal.rs"), include_str!("../ed25519/trust.rs")];
        let mut codes = Vec::new();
        for source in sources {
            for body in source.split("pub fn code(").skip(1) {
                let body = body.split("\n    }\n").next().unwrap();
                codes.extend(body.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap()));
            }
        }
        // the warnings of keys are no refusals
        codes.retain(|code| *code != "weak-self-signature");
        assert!(codes.len() > 20, "{codes:?}");
        for code in codes {
            assert!(Reason::from_code(code).is_some(), "{code}");
        }
    }
}
