//! Which policy it is, who vouches for it, and whether it may take another one's place.

use super::document::Policy;
use super::problem::PolicyProblem;
use crate::digest::HashAlgorithm;
use crate::ed25519::{PublicKey, Signature, SignatureFormat};
use crate::json::DocumentKind;
use crate::yaml::{self, YamlError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use std::fmt;

/// What stands in every verdict about the policy it was made by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyId {
    /// Its name.
    pub name: String,
    /// Its number.
    pub serial: u64,
    /// SHA-256 of the document, as it was signed or built in.
    #[serde(serialize_with = "as_hex", deserialize_with = "from_hex")]
    pub sha256: [u8; 32],
    /// The tables that the configuration replaced, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overridden: Vec<String>,
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The document cannot be read.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// It can, but is no policy.
    #[error("the policy has {} mistake(s), the first: {}", .0.len(), .0.first().map_or_else(String::new, ToString::to_string))]
    Document(Vec<PolicyProblem>),
    /// The signature is none.
    #[error(transparent)]
    SignatureFormat(#[from] SignatureFormat),
    /// None of the keys made the signature over this document.
    #[error("none of the {tried} keys for policies signed this document")]
    Unsigned {
        /// How many keys there are.
        tried: usize,
    },
}

/// Why a policy must not take another one's place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicySuccession {
    /// It is another one.
    #[error("expected a policy called {expected:?}, found {found:?}")]
    OtherName {
        /// The name so far.
        expected: String,
        /// The new name.
        found: String,
    },
    /// It is an old one.
    #[error("expected a serial of at least {expected}, found {found}")]
    OlderSerial {
        /// The serial so far.
        expected: u64,
        /// The new one.
        found: u64,
    },
    /// It has the same serial, and other content.
    #[error("expected a serial above {serial}: the policy's content has changed")]
    SameSerial {
        /// The serial of both.
        serial: u64,
    },
}

impl Policy {
    /// Reads a policy document: YAML, or JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let document = yaml::read_strict(bytes, DocumentKind::Policy)?;
        let mut policy = Self::from_value(document).map_err(PolicyError::Document)?;
        policy.id.sha256 = Sha256::digest(bytes).into();
        Ok(policy)
    }

    /// Reads a policy document that one of the keys has signed; `signature` is the content of the `.sig` file. Nothing
    /// of a document that is not signed is looked at.
    pub fn parse_signed(bytes: &[u8], signature: &[u8], keys: &[PublicKey]) -> Result<Self, PolicyError> {
        let signature = Signature::from_bytes(signature)?;
        if !keys.iter().any(|key| key.verify(bytes, &signature).is_ok()) {
            return Err(PolicyError::Unsigned { tried: keys.len() });
        }
        Self::parse(bytes)
    }

    /// Whether it may take the place of another one: of the same name, and never going back.
    pub fn may_follow(&self, before: &PolicyId) -> Result<(), PolicySuccession> {
        let own = &self.id;
        if own.name != before.name {
            let (expected, found) = (before.name.clone(), own.name.clone());
            return Err(PolicySuccession::OtherName { expected, found });
        }
        if own.serial < before.serial {
            return Err(PolicySuccession::OlderSerial { expected: before.serial, found: own.serial });
        }
        if own.serial == before.serial && own.sha256 != before.sha256 {
            return Err(PolicySuccession::SameSerial { serial: own.serial });
        }
        Ok(())
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, serial, sha256, overridden } = self;
        let digest = crate::digest::Digest::Sha256(*sha256);
        write!(f, "policy {name} {serial} ({digest}")?;
        match overridden.is_empty() {
            true => f.write_str(")"),
            false => write!(f, ", with own {})", overridden.join(", ")),
        }
    }
}

fn as_hex<S: Serializer>(sha256: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&crate::digest::Digest::Sha256(*sha256).digits())
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let digits = String::deserialize(deserializer)?;
    let digest = crate::digest::Digest::parse(HashAlgorithm::Sha256, &digits).map_err(de::Error::custom)?;
    digest.as_bytes().try_into().map_err(de::Error::custom)
}
