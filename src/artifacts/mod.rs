//! The upload path below the actor and above the HTTP client: from what a script left in `artifact_dir` to artifacts
//! of its run (artifacts.md; design.md 8).
//!
//! | module | what it does |
//! |---|---|
//! | [`walk`] | lists `artifact_dir` without ever being led out of it, and opens exactly what was listed |
//! | [`content_type`] | what is announced about a file, from its name alone |
//! | [`body`] | reads a file once: hashed while it is sent, or hashed while it is compressed |
//! | [`api`] | the calls that an upload makes, as a trait, and the Taskcluster client behind it |
//! | [`upload`] | uploads a list of files: retries, bounds, one report at the end |
//!
//! Digests are always of the original bytes, whatever the encoding on the wire: they are what the chain of trust
//! attests, and a consumer decodes before it hashes.

pub mod api;
pub mod body;
pub mod content_type;
pub mod upload;
pub mod walk;
