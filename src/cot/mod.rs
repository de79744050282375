//! Chains of trust, the part that acts: answers what the verifier has to know over the network, hands over what was
//! verified, and keeps what was seen.
//!
//! Nothing is decided here: the questions, the rules and the verdict are those of `scriptworker_core::cot`. What came
//! over the network is evidence only when it is certain: the bytes, or that there is nothing (404, 410, an artifact that
//! stands for an error). Trouble is repeated, and in the end an error.
//!
//! | module | what it does |
//! |---|---|
//! | [`case`] | what is to be judged and by what, owned |
//! | [`budgets`] | how much a verification may cost |
//! | [`bundles`] | bundles as files |
//! | [`gather`] | asks, fetches and judges until nothing is missing |
//! | [`policies`] | the policy in use, of the configuration |
//! | [`sources`] | which source answers which question |
//! | `queue`, `trees`, `github` | the sources |
//! | `fetch` | one address, with repetitions |
//! | `hashing` | what is known of an artifact whose bytes have gone by |
//! | [`staging`] | artifacts on disk: hashed as they come, visible only once they are verified |
//! | [`text`] | the verdict in words |
//! | [`renderer`] | renders templates in a process of its own, with limits |

pub mod budgets;
pub mod bundles;
pub mod case;
mod fetch;
pub mod gather;
mod github;
pub(crate) mod hashing;
pub mod policies;
mod queue;
pub mod renderer;
pub mod sources;
pub mod staging;
pub mod text;
mod trees;
