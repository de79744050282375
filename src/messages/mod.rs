//! What actors say to each other: one conversation per file.
//!
//! Messages form a star. Every actor reports to the Supervisor with a [`Notice`]; the Supervisor alone tells actors
//! what to do. No message has a reply: an answer is a notice of its own, so nobody ever waits inside a handler.
//! Every message travels as [`Traced`], which writes it into the journal.
//!
//! | file | from → to |
//! |---|---|
//! | [`notice`] | every actor → Supervisor |
//! | [`claims`] | Supervisor → Claimer |
//! | [`heartbeat`] | Supervisor → Reclaimer |
//! | [`credentials`] | Supervisor → CredentialRefresher |
//! | [`keyrings`] | Supervisor → KeyringManager |
//! | [`script`] | Supervisor → ScriptRunner |
//! | [`upload`] | Supervisor → Uploader |
//! | [`verification`] | Supervisor → CotVerifier |

pub mod claims;
pub mod credentials;
pub mod heartbeat;
pub mod keyrings;
pub mod notice;
pub mod script;
#[cfg(test)]
mod tests;
pub mod traced;
pub mod upload;
pub mod verification;

pub use notice::Notice;
pub use traced::{Member, Post, Receive, Staff, Traced, Undelivered, Work};
