//! Makes the artifacts of an attestation (chain-of-trust.md 1.2).
//!
//! Everything is made and signed before anything is given out: where signing fails, there is nothing, not even an
//! unsigned body.

use super::keys::{self, CannotSign, Opened};
use crate::artifacts::body::{Preparation, PreparedArtifact};
use crate::config::{Config, SignatureScheme, SigningKeyFiles};
use rand::rngs::OsRng;
use scriptworker_core::cot::{
    Attestation, AttestationBody, AttestationError, CLASSIC_NAME, CURRENT_NAME, CURRENT_SIGNATURE_NAME,
};
use scriptworker_core::digest::{Digest, HashAlgorithm};
use scriptworker_core::ids::{ArtifactName, InvalidId, RunKey, WorkerId};
use scriptworker_core::openpgp::SignError;
use scriptworker_core::run::{Ending, TaskStatus};
use scriptworker_core::time::UnixMillis;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Who states something about runs, and how: by the configuration, with the keys that were opened at start.
#[derive(Debug)]
pub struct Attester {
    pub(super) worker_id: WorkerId,
    pub(super) worker_type: String,
    pub(super) scheme: SignatureScheme,
    pub(super) algorithm: HashAlgorithm,
    pub(super) signs: bool,
    pub(super) opened: Opened,
}

/// The facts about a run that an attestation states.
#[derive(Debug)]
pub struct Run<'a> {
    /// Which.
    pub key: &'a RunKey,
    /// How its script ended.
    pub ending: Ending,
    /// The worker group, as the claim says it.
    pub worker_group: &'a str,
    /// The task definition, exactly as it was claimed.
    pub task: &'a RawValue,
    /// What was uploaded.
    pub artifacts: &'a BTreeMap<ArtifactName, Digest>,
}

/// Why there is no attestation.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// There is no body to sign.
    #[error(transparent)]
    Body(#[from] AttestationError),
    /// A name of ours is no artifact name.
    #[error("name the attestation: {0}")]
    Name(#[from] InvalidId),
    /// The key does not sign, such as one that has expired meanwhile.
    #[error("sign the attestation: {0}")]
    Sign(#[from] SignError),
    /// Signing is asked for, and there is no key for this form.
    #[error("no key to sign {name} with")]
    NoKey {
        /// The artifact.
        name: &'static str,
    },
}

impl AttestError {
    /// What it means for the run: never being able to sign is our fault, whatever the reason.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Body(error) => error.status(),
            Self::Name(_) | Self::Sign(_) | Self::NoKey { .. } => TaskStatus::InternalError,
        }
    }
}

impl Attester {
    /// Opens keys and schema; the keys have to be good for signing at `now`. Blocks.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn open(config: &Config, now: UnixMillis) -> Result<Self, Vec<CannotSign>> {
        let attestation = &config.attestation;
        let no_keys = SigningKeyFiles::default();
        let keys = if config.sign_chain_of_trust { &attestation.keys } else { &no_keys };
        Ok(Self {
            worker_id: config.worker_id.clone(),
            worker_type: config.task_queue_id.worker_type().to_owned(),
            scheme: attestation.scheme,
            algorithm: attestation.algorithm,
            signs: config.sign_chain_of_trust,
            opened: keys::open(attestation.schema.as_deref(), keys, now)?,
        })
    }

    /// How artifacts are to be hashed.
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Whether a run is attested after its script was ended at its time limit: the classic scheme does (design.md 3).
    pub fn attests_time_outs(&self) -> bool {
        self.scheme.is_classic()
    }

    /// Makes the artifacts; `at` is the time of the signature. After a time-out there is the classic form only, whatever
    /// else is configured. A body without a signature in it is the last one, behind its signature. Blocks.
    pub fn make(
        &self,
        run: &Run<'_>,
        at: UnixMillis,
        how: &Preparation,
    ) -> Result<Vec<PreparedArtifact>, AttestError> {
        let body = Attestation {
            run: run.key,
            worker_group: run.worker_group,
            worker_id: &self.worker_id,
            worker_type: &self.worker_type,
            task: run.task,
            artifacts: run.artifacts,
        }
        .body(&self.opened.schema)?;
        let mut made = Vec::new();
        if self.scheme.is_classic() {
            made.push(self.classic(&body, at)?);
        }
        if self.scheme.is_current() && run.ending == Ending::Natural {
            made.extend(self.current(&body)?);
        }
        made.into_iter()
            .map(|(name, bytes)| Ok(PreparedArtifact::made(ArtifactName::parse(name)?, bytes, how)))
            .collect()
    }

    fn current(&self, body: &AttestationBody) -> Result<Vec<(&'static str, Vec<u8>)>, AttestError> {
        let bytes = body.text().as_bytes();
        let mut made = Vec::new();
        if self.signs {
            let name = CURRENT_SIGNATURE_NAME;
            let key = self.opened.ed25519.as_ref().ok_or(AttestError::NoKey { name })?;
            made.push((name, key.sign(bytes).as_bytes().to_vec()));
        }
        made.push((CURRENT_NAME, bytes.to_vec()));
        Ok(made)
    }

    fn classic(
        &self,
        body: &AttestationBody,
        at: UnixMillis,
    ) -> Result<(&'static str, Vec<u8>), AttestError> {
        let (name, bytes) = (CLASSIC_NAME, body.text().as_bytes());
        if !self.signs {
            return Ok((name, bytes.to_vec()));
        }
        let key = self.opened.openpgp.as_ref().ok_or(AttestError::NoKey { name })?;
        Ok((name, key.clear_sign(bytes, at, &mut OsRng)?.into_bytes()))
    }
}
