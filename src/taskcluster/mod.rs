//! The Taskcluster client: the calls that a worker or verifier makes, and the transfers they lead to.
//!
//! awc and hawk below, types above. In between, what they leave open: cut answers, limits for every phase,
//! signatures per attempt, credentials per request, errors as types without secrets.
//!
//! | module | what it holds |
//! |---|---|
//! | [`credentials`] | who signs: credentials, their sources, making temporary ones |
//! | [`model`] | the answers and requests as types |
//! | [`queue`], [`artifacts`] | the queue: runs and tasks, artifacts |
//! | [`objects`], [`auth`] | the object and auth services |
//! | [`transfer`], [`download`] | bodies: PUT with a known length, GET with redirects |
//! | [`error`] | what can go wrong, and what that means for a repetition |
//! | [`http`], [`tls`], [`url`] | one exchange, trust, addresses |
//!
//! Boundary: no decision about runs is made here, nothing is written to disk, and nothing outlives its call but
//! connections.

pub mod artifacts;
pub mod auth;
mod body;
mod call;
mod connect;
pub mod credentials;
pub mod download;
mod endpoints;
pub mod error;
mod hawk;
pub mod http;
pub mod model;
pub mod objects;
pub mod queue;
pub mod tls;
pub mod transfer;
pub mod url;

pub use auth::AuthService;
pub use call::{Answer, Budget};
pub use credentials::{Auth, CredentialSource, Credentials, NoCredentials, temporary};
pub use error::{ApiError, ErrorCode, Failure, Phase, Refusal, WireError};
pub use http::{Http, HttpConfig, HttpError};
pub use objects::Objects;
pub use queue::Queue;
pub use url::{InvalidUrl, PlainHosts, RootUrl};
