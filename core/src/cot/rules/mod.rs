//! The rules, one to a file. Each looks at one link, and says what is wrong with it.
mod attestation;
mod definition;
mod graph;
mod identity;
mod image;
mod implementation;
mod interactive;
mod landed;
mod scopes;
mod source;
mod tree;
