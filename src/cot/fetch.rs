//! One address, fetched until there is an answer that counts.

use super::budgets::{Purse, Spending};
use super::sources::Sources;
use crate::random::random;
use crate::taskcluster::download::Download;
use crate::taskcluster::error::WireError;
use crate::taskcluster::transfer::{TransferError, TransferLimits};
use bytes::Bytes;
use scriptworker_core::ids::TaskId;
use scriptworker_core::retry::RetryClass;
use scriptworker_core::secret::Secret;
use std::time::Duration;

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often an address is tried.
pub(super) const ATTEMPTS: u32 = 6;

/// What an answer has to look like. Something else is a page of a proxy, or of a host that is in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// JSON.
    Json,
    /// Anything but HTML.
    Text,
    /// A page.
    Page,
}

/// What there is at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The content.
    Content(Bytes),
    /// Nothing, for certain.
    Nothing,
    /// More than a limit, in bytes.
    TooLarge(u64),
    /// An address that is not gone to, and why.
    Forbidden(String),
}

/// No answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The other side, or the way there.
    #[error("{error} ({attempts} attempts)")]
    Transfer {
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        #[source]
        error: TransferError,
    },
    /// A page in the place of the answer.
    #[error(
        "{place} answered with HTML or other text in the place of what was asked for ({attempts} attempts)"
    )]
    Page {
        /// The address without its query.
        place: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The list of projects is not where it should be.
    #[error("project_configuration_url: expected the list of projects at {place}, found nothing there")]
    NoProjects {
        /// The address without its query.
        place: String,
    },
    /// A definition with nothing in it, which no task has.
    #[error("the queue answered with an empty definition of {task} ({attempts} attempts)")]
    Empty {
        /// The task.
        task: TaskId,
        /// How often it was tried.
        attempts: u32,
    },
}

impl FetchError {
    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Transfer { error, .. } => error.wait(),
            Self::Page { .. } | Self::NoProjects { .. } | Self::Empty { .. } => None,
        }
    }
}

/// What a failed transfer means for the question.
pub(super) fn settled(error: &TransferError) -> Option<Found> {
    match error {
        TransferError::Status { status: 404 | 410, .. } => Some(Found::Nothing),
        TransferError::Wire { error: WireError::TooLarge { limit }, .. } => Some(Found::TooLarge(*limit)),
        TransferError::Forbidden { problem } => Some(Found::Forbidden(problem.clone())),
        TransferError::Status { .. }
        | TransferError::Wire { .. }
        | TransferError::Length { .. }
        | TransferError::Content(_)
        | TransferError::TooManyRedirects { .. }
        | TransferError::BadRedirect { .. } => None,
    }
}

/// Whether the same may work later. 403 is how GitHub limits the rate.
pub(super) fn may_pass(error: &TransferError) -> bool {
    error.class() == RetryClass::Transient || error.status() == Some(403)
}

/// Whether it is the token, and not what was asked for or how often, that the other side does not like.
pub(super) fn is_about_the_token(error: &TransferError) -> bool {
    match error {
        TransferError::Status { status: 401, .. } => true,
        TransferError::Status { status: 403, wait: None, start, .. } => {
            !start.to_ascii_lowercase().contains("rate limit")
        }
        _ => false,
    }
}

/// More than there is left is as much as what is larger than its own limit.
pub(super) fn too_much(place: &str, spending: &Spending<'_>) -> TransferError {
    TransferError::Wire { place: place.to_owned(), error: WireError::TooLarge { limit: spending.limit() } }
}

/// The whole content, while there is enough left for it.
pub(super) async fn collect(
    mut download: Download,
    spending: &mut Spending<'_>,
) -> Result<Bytes, TransferError> {
    if !spending.allows(download.content_length.unwrap_or(0)) {
        return Err(too_much(download.place(), spending));
    }
    let mut whole = Vec::new();
    while let Some(piece) = download.next().await? {
        if !spending.add(piece.len()) {
            return Err(too_much(download.place(), spending));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

/// What is asked of a host of sources.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) url: &'a str,
    pub(super) authorization: Option<&'a Secret>,
    pub(super) max_bytes: u64,
    pub(super) expected: Expected,
}

impl Sources {
    /// Waits before the next attempt, at least as long as the other side asked for. How long all of it may take is
    /// limited elsewhere.
    pub(super) async fn pause(&self, attempts: u32, asked: Option<Duration>) {
        let wait = Duration::from_millis(self.backoff.wait_ms(attempts, random()));
        tokio::time::sleep(wait.max(asked.unwrap_or_default())).await;
    }

    /// Fetches.
    pub(super) async fn fetch(&self, request: &Request<'_>, purse: &Purse) -> Result<Found, FetchError> {
        let url = Secret::new(request.url);
        let limits = TransferLimits { total: PATIENCE, max_bytes: request.max_bytes };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let begun = self.http.get_within(&self.plain_sources, &url, request.authorization, limits).await;
            let answer = match begun {
                Ok(download) => {
                    let place = download.place().to_owned();
                    content(download, purse, request.expected).await.map(|content| content.ok_or(place))
                }
                Err(error) => Err(error),
            };
            let error = match answer {
                Ok(Ok(content)) => return Ok(Found::Content(content)),
                Ok(Err(place)) => FetchError::Page { place, attempts },
                Err(error) => match settled(&error) {
                    Some(found) => return Ok(found),
                    None if request.authorization.is_some() && is_about_the_token(&error) => {
                        return Err(FetchError::Transfer { attempts, error });
                    }
                    None if may_pass(&error) => FetchError::Transfer { attempts, error },
                    None => return Err(FetchError::Transfer { attempts, error }),
                },
            };
            if attempts >= ATTEMPTS {
                return Err(error);
            }
            self.pause(attempts, error.wait()).await;
        }
    }
}

/// What came, if it looks as it should.
async fn content(
    download: Download,
    purse: &Purse,
    expected: Expected,
) -> Result<Option<Bytes>, TransferError> {
    let mut spending = purse.open();
    let kind = download.content_type.clone();
    let content = collect(download, &mut spending).await?;
    if !fits(expected, kind.as_deref(), &content) {
        return Ok(None);
    }
    spending.keep();
    Ok(Some(content))
}

/// Whether it is a page by its own account.
pub(super) fn is_page(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

fn fits(expected: Expected, content_type: Option<&str>, content: &[u8]) -> bool {
    match expected {
        Expected::Page => true,
        Expected::Text => !is_page(content_type),
        Expected::Json => {
            let first = content.iter().find(|byte| !byte.is_ascii_whitespace());
            !is_page(content_type) && matches!(first, Some(b'{' | b'['))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_no_answer() {
        assert!(fits(Expected::Json, Some("application/json"), b" {}"));
        assert!(fits(Expected::Json, None, b"[]"));
        assert!(!fits(Expected::Json, Some("Text/HTML; charset=utf-8"), b"{}"));
        assert!(!fits(Expected::Json, None, b"<html>"));
        assert!(!fits(Expected::Json, None, b""));
        assert!(fits(Expected::Text, Some("text/plain"), b"<html>"));
        assert!(!fits(Expected::Text, Some("text/html"), b"version: 1"));
        assert!(fits(Expected::Page, Some("text/html"), b""));
    }

    #[test]
    fn only_certain_answers_settle_a_question() {
        let status = |status| TransferError::Status {
            place: "x".to_owned(),
            status,
            start: String::new(),
            wait: None,
        };
        assert_eq!(settled(&status(404)), Some(Found::Nothing));
        assert_eq!(settled(&status(410)), Some(Found::Nothing));
        for other in [400, 401, 403, 429, 500, 503] {
            assert_eq!(settled(&status(other)), None, "{other}");
        }
        assert!(may_pass(&status(403)) && may_pass(&status(503)) && !may_pass(&status(401)));
    }
}
