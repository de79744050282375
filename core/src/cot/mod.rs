//! The chain of trust: what a worker states about a run and signs (chain-of-trust.md 1).
//!
//! | file | what it does |
//! |---|---|
//! | `attestation` | the body that is signed, checked against its schema |
//! | `attestation_v1.schema.json` | that schema, in the form in which both generations have it |

mod attestation;

pub use attestation::{
    ATTESTATION_NAMES, Attestation, AttestationBody, AttestationError, AttestationSchema, CLASSIC_NAME,
    CURRENT_NAME, CURRENT_SIGNATURE_NAME, Digest, HashAlgorithm, SchemaFileError,
};
