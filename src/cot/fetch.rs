//! One address, fetched until there is an answer that counts.

use crate::random::random;
use crate::taskcluster::Http;
use crate::taskcluster::error::WireError;
use crate::taskcluster::transfer::{TransferError, TransferLimits};
use bytes::Bytes;
use scriptworker_core::retry::{Backoff, RetryClass};
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
    /// More than the limit.
    TooLarge,
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
}

/// What a failed transfer means for the question.
pub(super) fn settled(error: &TransferError) -> Option<Found> {
    match error {
        TransferError::Status { status: 404 | 410, .. } => Some(Found::Nothing),
        TransferError::Wire { error: WireError::TooLarge { .. }, .. } => Some(Found::TooLarge),
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

/// Waits before the next attempt.
pub(super) async fn pause(attempts: u32) {
    tokio::time::sleep(Duration::from_millis(Backoff::API.wait_ms(attempts, random()))).await;
}

/// Fetches.
pub(super) async fn fetch(
    http: &Http,
    url: &str,
    authorization: Option<&Secret>,
    max_bytes: u64,
    expected: Expected,
) -> Result<Found, FetchError> {
    let url = Secret::new(url);
    let limits = TransferLimits { total: PATIENCE, max_bytes };
    let mut attempts = 0;
    loop {
        attempts += 1;
        let result = match http.get(&url, authorization, limits).await {
            Ok(download) => {
                let (place, kind) = (download.place().to_owned(), download.content_type.clone());
                download.collect().await.map(|content| (place, kind, content))
            }
            Err(error) => Err(error),
        };
        let error = match result {
            Ok((place, kind, content)) => {
                if fits(expected, kind.as_deref(), &content) {
                    return Ok(Found::Content(content));
                }
                FetchError::Page { place, attempts }
            }
            Err(error) => match settled(&error) {
                Some(found) => return Ok(found),
                None if may_pass(&error) => FetchError::Transfer { attempts, error },
                None => return Err(FetchError::Transfer { attempts, error }),
            },
        };
        if attempts >= ATTEMPTS {
            return Err(error);
        }
        pause(attempts).await;
    }
}

fn fits(expected: Expected, content_type: Option<&str>, content: &[u8]) -> bool {
    let is_html =
        content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
    match expected {
        Expected::Page => true,
        Expected::Text => !is_html,
        Expected::Json => {
            let first = content.iter().find(|byte| !byte.is_ascii_whitespace());
            !is_html && matches!(first, Some(b'{' | b'['))
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
        let status = |status| TransferError::Status { place: "x".to_owned(), status, start: String::new() };
        assert_eq!(settled(&status(404)), Some(Found::Nothing));
        assert_eq!(settled(&status(410)), Some(Found::Nothing));
        for other in [400, 401, 403, 429, 500, 503] {
            assert_eq!(settled(&status(other)), None, "{other}");
        }
        assert!(may_pass(&status(403)) && may_pass(&status(503)) && !may_pass(&status(401)));
    }
}
