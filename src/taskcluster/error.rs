//! What can go wrong with a call, as types: on the wire ([`WireError`]) and in the conversation ([`ApiError`]).
//!
//! No text made here ever holds a token, a signed URL or a bewit: URLs are shown without their query, and what the
//! other side said is cut, escaped and scrubbed.

#[cfg(test)]
mod tests;

use super::credentials::NoCredentials;
use super::url::InvalidUrl;
use scriptworker_core::retry::{RetryClass, class_of_status};
use std::fmt;
use std::time::Duration;

/// The phases of a request that have limits of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Name, TCP and TLS.
    Connect,
    /// The body we send: no progress.
    Send,
    /// From the end of the request to the end of the answer's headers.
    Headers,
    /// The body of the answer: no progress.
    Body,
    /// The call as a whole, its repetitions included.
    Total,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Send => "sending the body",
            Self::Headers => "waiting for the answer",
            Self::Body => "reading the answer",
            Self::Total => "the call as a whole",
        })
    }
}

/// A request that got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A limit passed.
    #[error("time-out after {limit:?} while {phase}")]
    Timeout {
        /// In which phase.
        phase: Phase,
        /// The limit.
        limit: Duration,
    },
    /// No TCP connection.
    #[error("failed to connect to {origin}: {problem}")]
    Connect {
        /// Scheme, host and port.
        origin: String,
        /// What the system said.
        problem: String,
    },
    /// TCP, but no TLS.
    #[error("failed to establish TLS with {origin}: {problem}")]
    Tls {
        /// Scheme, host and port.
        origin: String,
        /// What the handshake said.
        problem: String,
    },
    /// The connection broke, or what came over it was no HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer's body ended early.
    #[error("the answer was cut after {received} bytes{}", expected.map(|n| format!(" of {n}")).unwrap_or_default())]
    Truncated {
        /// Bytes that came.
        received: u64,
        /// Bytes that were announced; `None` for chunked answers.
        expected: Option<u64>,
    },
    /// The answer says neither how long it is nor that it is chunked, so nobody can tell whether it is whole.
    #[error("the answer (status {status}) states no length")]
    Unframed {
        /// Its status.
        status: u16,
    },
    /// The answer is larger than the caller allows.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The caller's limit, for decoded bytes too.
        limit: u64,
    },
    /// The answer's content encoding is unknown, or its content does not decode.
    #[error("failed to decode the answer: {0}")]
    Encoding(String),
    /// The address is none.
    #[error("invalid address: {0}")]
    Url(#[from] InvalidUrl),
    /// A header that we were asked to send is none.
    #[error("invalid header {name:?}")]
    Header {
        /// Its name.
        name: String,
    },
}

impl WireError {
    /// Whether the same request may be tried again.
    pub fn class(&self) -> RetryClass {
        match self {
            Self::Timeout { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Broken(_)
            | Self::Truncated { .. }
            | Self::Unframed { .. }
            | Self::Encoding(_) => RetryClass::Transient,
            Self::TooLarge { .. } | Self::Url(_) | Self::Header { .. } => RetryClass::Fatal,
        }
    }
}

/// The error codes of Taskcluster (taskcluster-api.md 3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the queue's own and say it all")]
pub enum ErrorCode {
    MalformedPayload,
    InvalidRequestArguments,
    InputValidationError,
    InputError,
    AuthenticationFailed,
    InsufficientScopes,
    ResourceNotFound,
    RequestConflict,
    ResourceExpired,
    InputTooLarge,
    TooManyRequests,
    InternalServerError,
    /// A code that is not in the list, or none at all (empty).
    Other(String),
}

impl ErrorCode {
    /// Reads the code of an error body.
    pub fn from_name(name: &str) -> Self {
        match name {
            "MalformedPayload" => Self::MalformedPayload,
            "InvalidRequestArguments" => Self::InvalidRequestArguments,
            "InputValidationError" => Self::InputValidationError,
            "InputError" => Self::InputError,
            "AuthenticationFailed" => Self::AuthenticationFailed,
            "InsufficientScopes" => Self::InsufficientScopes,
            "ResourceNotFound" => Self::ResourceNotFound,
            "RequestConflict" => Self::RequestConflict,
            "ResourceExpired" => Self::ResourceExpired,
            "InputTooLarge" => Self::InputTooLarge,
            "TooManyRequests" => Self::TooManyRequests,
            "InternalServerError" => Self::InternalServerError,
            other => Self::Other(scrub(other, 64)),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(name) if name.is_empty() => f.write_str("no code"),
            Self::Other(name) => f.write_str(name),
            known => fmt::Debug::fmt(known, f),
        }
    }
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed after {attempts} attempt(s): {failure}")]
pub struct ApiError {
    /// The call, by the name that Taskcluster's reference gives it.
    pub call: &'static str,
    /// How many requests were sent, or tried to.
    pub attempts: u32,
    /// What went wrong with the last of them.
    #[source]
    pub failure: Failure,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The service answered with an error.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The artifact is an error artifact (424): its creator says that there is no content.
    #[error("the artifact has no content, by its own account ({reason}): {message}")]
    ErrorArtifact {
        /// Such as `file-missing-on-worker`.
        reason: String,
        /// In words.
        message: String,
    },
    /// There was no usable answer.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The answer is no JSON: something in front of the service spoke.
    #[error("expected JSON, found an answer (status {status}) that begins {start:?}")]
    NotJson {
        /// Its status.
        status: u16,
        /// Its first 200 characters, escaped.
        start: String,
    },
    /// The answer is JSON, but not that of this call.
    #[error("unexpected answer: {0}")]
    Schema(#[from] SchemaError),
    /// The answer needs a header that it does not have.
    #[error("the answer (status {status}) has no usable header {name:?}")]
    MissingHeader {
        /// Its status.
        status: u16,
        /// The header's name.
        name: &'static str,
    },
    /// More pages than the caller wants to read.
    #[error("the list has more than {limit} pages")]
    TooManyPages {
        /// The caller's limit.
        limit: u32,
    },
    /// The call could not be signed.
    #[error("{0}")]
    NoCredentials(#[from] NoCredentials),
}

/// The error answer of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Its code.
    pub code: ErrorCode,
    /// In words, without the block that repeats method, code and time; at most 2000 characters.
    pub message: String,
    /// How long the service asks us to wait.
    pub retry_after: Option<Duration>,
    /// For a refused signature: our clock minus the service's in seconds, when more than a minute apart.
    pub clock_skew_s: Option<i64>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {} ({}): {}", self.status, self.code, self.message)?;
        match self.clock_skew_s {
            Some(ahead @ 1..) => {
                write!(f, " (the clock of this machine is {ahead} s ahead of the service's)")
            }
            Some(behind) => {
                write!(f, " (the clock of this machine is {} s behind the service's)", behind.unsigned_abs())
            }
            None => Ok(()),
        }
    }
}

/// Where an answer differs from what the call promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {path}: {problem}")]
pub struct SchemaError {
    /// The path of keys to the place; `.` is the whole.
    pub path: String,
    /// What is missing or wrong.
    pub problem: String,
}

impl SchemaError {
    /// The same for the whole whose member `name` was read.
    pub(super) fn below(self, name: &str) -> Self {
        let path = if self.path == "." { name.to_owned() } else { format!("{name}.{}", self.path) };
        Self { path, ..self }
    }
}

impl ApiError {
    /// What the failure means for the call.
    pub fn class(&self) -> RetryClass {
        self.failure.class()
    }

    /// The HTTP status, when the other side answered.
    pub fn status(&self) -> Option<u16> {
        match &self.failure {
            Failure::Refused(refusal) => Some(refusal.status),
            Failure::ErrorArtifact { .. } => Some(424),
            Failure::NotJson { status, .. } | Failure::MissingHeader { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long the other side asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.failure.retry_after()
    }

    /// The error code, when the service itself refused.
    pub fn code(&self) -> Option<&ErrorCode> {
        match &self.failure {
            Failure::Refused(refusal) => Some(&refusal.code),
            _ => None,
        }
    }
}

impl Failure {
    /// What the failure means for the call.
    pub fn class(&self) -> RetryClass {
        match self {
            Self::Refused(refusal) => class_of_status(refusal.status),
            Self::ErrorArtifact { .. } => RetryClass::Refused,
            Self::Wire(error) => error.class(),
            // A page of a proxy in the place of an answer passes, unless its status says that it will not. It is
            // never the service's own no: a 409 of somebody else must not cost a claim.
            Self::NotJson { status: 200..=299, .. } => RetryClass::Transient,
            Self::NotJson { status, .. } => match class_of_status(*status) {
                RetryClass::Refused => RetryClass::Fatal,
                class => class,
            },
            Self::Schema(_)
            | Self::MissingHeader { .. }
            | Self::TooManyPages { .. }
            | Self::NoCredentials(_) => RetryClass::Fatal,
        }
    }

    /// The service did not take our credentials (401): they are over or wrong, a clock is, or its own auth is down.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == 401)
    }

    /// How long the other side asks us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

/// The words after which a secret follows in URLs and error pages (worker.md 12).
const MARKS: [&str; 8] = [
    "bewit=",
    "Signature=",
    "Credential=",
    "X-Amz-Security-Token=",
    "AWSAccessKeyId=",
    "access_token=",
    "mac=",
    "ext=",
];

/// The first `limit` characters of a foreign text, one line, without anything that could be a secret.
pub(crate) fn scrub(text: &str, limit: usize) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some((at, mark)) =
        MARKS.iter().filter_map(|mark| Some((rest.find(mark)?, mark))).min_by_key(|(at, _)| *at)
    {
        let (before, after) = rest.split_at(at);
        clean.push_str(before);
        clean.push_str(mark);
        clean.push_str("<snip>");
        let secret = after.get(mark.len()..).unwrap_or_default();
        let secret = secret.strip_prefix('"').unwrap_or(secret);
        let end = secret.find(|c: char| c.is_whitespace() || "&<>\"'`,)".contains(c)).unwrap_or(secret.len());
        rest = secret.get(end..).unwrap_or_default();
    }
    clean.push_str(rest);
    clean.chars().take(limit).flat_map(char::escape_debug).collect()
}
