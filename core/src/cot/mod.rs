//! The chain of trust: what a worker states about a run and signs (chain-of-trust.md 1).
//!
//! | file | what it does |
//! |---|---|
//! | `attestation` | the body that is signed, checked against its schema |
//! | `attestation_v1.schema.json` | that schema, in the form in which both generations have it |

mod attestation;

pub use attestation::{
    Attestation, AttestationBody, AttestationError, AttestationSchema, Digest, HashAlgorithm, SchemaFileError,
};
