//! The rules, one to a file. Each looks at one link, and says what is wrong with it.
pub(super) mod attestation;
pub(super) mod command;
pub(super) mod definition;
pub(super) mod features;
pub(super) mod graph;
pub(super) mod identity;
pub(super) mod image;
pub(super) mod implementation;
pub(super) mod interactive;
pub(super) mod landed;
pub(super) mod pools;
pub(super) mod scopes;
pub(super) mod source;
pub(super) mod tree;
