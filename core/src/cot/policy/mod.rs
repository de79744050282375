//! Policies: what the rules of a chain of trust take as given, as data. Products, pools, key lists, source trees,
//! restricted scopes, forbidden features; the built-in ones are in `policies/`.
//!
//! A policy is read by its schema, and every mistake is told at once ([`Policy::parse`]); what fits the schema and still
//! cannot be meant is found by [`Policy::lint`]. A configuration may override tables ([`Policy::overridden`]). Which
//! policy is used, and whether one may follow another, is decided with [`Policy::may_follow`] and [`PolicyId`].
//!
//! What follows for a chain is not decided here.

mod attestations;
mod builtin;
mod document;
mod features;
mod identity;
mod lint;
mod overrides;
mod pools;
mod problem;
mod product;
#[cfg(test)]
mod tests;
mod trees;

pub use attestations::AcceptedForm;
pub use builtin::{CLASSIC, CURRENT};
pub use document::{IMPLEMENTATIONS, Policy, Switches, TryPushes};
pub use features::ForbiddenFeature;
pub use identity::{PolicyError, PolicyId, PolicySuccession};
pub use lint::{Lint, LintLevel};
pub use overrides::OVERRIDABLE;
pub use pools::{InvalidPool, PoolMap, PoolPattern};
pub use problem::PolicyProblem;
pub use product::{DecisionCommand, PrebuiltImages, Product, ProductType};
pub use trees::{RestrictedScope, Tree};
