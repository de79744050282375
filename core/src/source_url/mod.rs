//! Addresses of source trees (cot-attacks.md rows 116 to 123; chain-of-trust.md 5.6 and 6.7): read in one form only, and
//! trusted by the rules of the policy.
//!
//! Which address a task has to have, and what follows from it, is for the rules of the chain to say.

mod parse;
mod rules;

pub use parse::{RepoUrl, SourceScheme, SourceUrl, SourceUrlError, UrlFault};
pub use rules::{Untrusted, VcsRule, VcsRuleError, VcsRules};
