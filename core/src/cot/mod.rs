//! The chain of trust: whether a task descends from an allowed source tree, by statements that every worker involved
//! has signed (chain-of-trust.md).
//!
//! Nothing here fetches anything. Rules look at [`evidence`]; what is not there yet becomes a [`need`], which somebody
//! else answers. A broken rule leaves a [`finding`] with a [`reason`].
//!
//! | module | what it holds |
//! |---|---|
//! | [`chain`] | the links, and how the chain grows as definitions become known |
//! | `attestation`, `attestation_v1.schema.json` | what this worker states about a run and signs, and the schema of it |
//! | [`task`], [`status`], [`attested`] | the documents that rules look at, read strictly |
//! | [`need`], [`evidence`] | what has to be known, and what is |
//! | [`keys`] | whose signatures count |
//! | [`policy`] | what the rules take as given, as data |
//! | [`template`] | renders a source tree's template |
//! | [`role`] | what a type of task is in a chain |
//! | [`finding`], [`reason`] | what is wrong |
//! | [`bundle`] | a file with everything that a verdict rests on |
//! | [`picture`] | the verdict as an SVG |

mod attestation;
pub mod attested;
pub mod bundle;
pub mod chain;
pub mod evidence;
pub mod examine;
pub mod finding;
pub mod implementation;
pub mod judge;
pub mod keys;
pub mod need;
pub mod picture;
pub mod policy;
pub mod reason;
pub mod role;
mod rules;
pub mod status;
pub mod task;
pub mod template;

pub use attestation::{
    ATTESTATION_NAMES, Attestation, AttestationBody, AttestationError, AttestationSchema, CLASSIC_NAME,
    CURRENT_NAME, CURRENT_SIGNATURE_NAME, SchemaFileError,
};
pub use rules::graph::graph_has;
