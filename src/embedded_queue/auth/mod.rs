//! Who asks, and what they may do: Hawk signatures, temporary credentials, signed URLs, scopes (taskcluster-api.md 2).

mod certificate;
mod hawk;
mod identity;
mod scopes;

pub(crate) use certificate::{TemporaryCredentials, issue};
pub(crate) use hawk::{SignedRequest, payload_hash, url_signature, verify_url_signature};
pub(crate) use identity::{AuthError, Clients, Identity, Signature};
pub(crate) use scopes::Expression;

#[cfg(test)]
mod tests;
