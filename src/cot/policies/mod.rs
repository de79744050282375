//! The policy in use: the one place that makes a policy of a configuration (docs/policy.md).
//!
//! | file | what it does |
//! |---|---|
//! | `load` | reads, checks the signature, replaces tables, checks the result: a policy, or everything that is wrong |
//! | `record` | remembers which policies were in use, so that none goes back |
//! | `store` | the policy of a worker: loaded at start, again on SIGHUP, taken once for each task |
//!
//! What a policy says, and whether it makes sense, is decided in `scriptworker_core::cot::policy`. All calls block, but
//! for [`PolicyStore::current`].

mod load;
mod record;
mod store;
#[cfg(test)]
mod tests;

pub use load::{
    Effective, LoadedPolicy, Origin, PolicyFault, PolicyLoadError, effective, load, read_policy,
    signature_path, takes_openpgp,
};
pub use record::RecordError;
pub use store::{PolicyStore, Unusable, check};
