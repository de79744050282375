//! Sending content: PUT with an exact length, watched for stalls (artifacts.md 3).

use super::error::{WireError, scrub};
use super::http::{Deadline, Http, Meter, Request};
use super::url::Target;
use awc::body::SizedStream;
use awc::http::Method;
use awc::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use scriptworker_core::retry::{RetryClass, class_of_status};
use scriptworker_core::secret::Secret;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How large and how long a transfer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferLimits {
    /// From the first byte of the request to the last of the answer, redirects included.
    pub total: Duration,
    /// Decoded content of a download, at most.
    pub max_bytes: u64,
}

/// A transfer that failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The connection or the answer failed.
    #[error("transfer with {place} failed: {error}")]
    Wire {
        /// The address without its query.
        place: String,
        /// What went wrong.
        #[source]
        error: WireError,
    },
    /// The answer has another status than success.
    #[error("{place} answered with status {status}: {start}")]
    Status {
        /// The address without its query.
        place: String,
        /// The status.
        status: u16,
        /// S3's error code and message, or the first 200 characters, escaped.
        start: String,
        /// How long the other side asks us to wait.
        wait: Option<Duration>,
    },
    /// The content is longer or shorter than was announced, so nothing (or garbage that the other side refuses) was
    /// stored.
    #[error("expected content of {announced} bytes, found {found}")]
    Length {
        /// What the caller said.
        announced: u64,
        /// What the stream gave; for a longer one, what it had given when that was noticed.
        found: u64,
    },
    /// The content could not be read.
    #[error("failed to read the content: {0}")]
    Content(#[source] io::Error),
    /// More than ten redirects.
    #[error("{place} redirects again after {limit} redirects")]
    TooManyRedirects {
        /// The last address without its query.
        place: String,
        /// How many were followed.
        limit: u32,
    },
    /// A redirect that must not be followed.
    #[error("{place} redirects to an address that is not followed: {problem}")]
    BadRedirect {
        /// The redirecting address without its query.
        place: String,
        /// Why not.
        problem: String,
    },
    /// An address, the first or that of a redirect, where the caller does not want to go.
    #[error("expected an address that may be gone to: {problem}")]
    Forbidden {
        /// Which, without its query, and why not.
        problem: String,
    },
}

impl TransferError {
    /// Whether the same transfer may be tried again.
    pub fn class(&self) -> RetryClass {
        match self {
            Self::Wire { error, .. } => error.class(),
            Self::Status { status, .. } => class_of_status(*status),
            // The file changed under our hands, or cannot be read: the caller must look at it first.
            Self::Length { .. } | Self::Content(_) => RetryClass::Fatal,
            Self::TooManyRedirects { .. } | Self::BadRedirect { .. } | Self::Forbidden { .. } => {
                RetryClass::Fatal
            }
        }
    }

    /// The HTTP status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long the other side asks us to wait, when it gave an answer that says so.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Status { wait, .. } => *wait,
            _ => None,
        }
    }
}

impl Http {
    /// PUTs `len` bytes. Status 200 and 204 are success. `headers` are sent as they are, with an exact
    /// `Content-Length`, which need not be among them.
    ///
    /// Repetition is the caller's business: it takes a fresh stream and, for S3, often a fresh URL.
    pub async fn put(
        &self,
        url: &Secret,
        headers: &[(String, String)],
        len: u64,
        body: impl Stream<Item = io::Result<Bytes>> + 'static,
        limits: TransferLimits,
    ) -> Result<(), TransferError> {
        const LARGEST_ERROR_PAGE: u64 = 64 * 1024;
        let wire = |place: &str| {
            let place = place.to_owned();
            |error| TransferError::Wire { place, error }
        };
        let target = Target::parse(url.expose()).map_err(|error| wire("(no address)")(error.into()))?;
        let place = target.to_string();
        let headers = put_headers(headers).map_err(wire(&place))?;
        let deadline = Deadline::after(limits.total);
        let meter = self.meter();
        let failure = Rc::new(RefCell::new(None));
        let mut content = Content {
            inner: Box::pin(body),
            announced: len,
            given: 0,
            meter: meter.clone(),
            failure: Rc::clone(&failure),
        };
        if len == 0 {
            // A body of no bytes is never asked for: see for ourselves that there are none.
            match tokio::time::timeout_at(deadline.at, content.next()).await {
                Ok(_) => {}
                Err(_) => return Err(wire(&place)(deadline.passed())),
            }
            if let Some(failure) = failure.take() {
                return Err(failure);
            }
        }
        let request =
            Request { method: Method::PUT, target: &target, headers, patience: Duration::ZERO, deadline };
        let sent = self.send(request, SizedStream::new(len, content), Some(&meter)).await;
        if let Some(failure) = failure.take() {
            return Err(failure);
        }
        let opened = sent.map_err(wire(&place))?;
        if matches!(opened.status, 200 | 204) {
            opened.body.discard().await;
            return Ok(());
        }
        let (status, wait) = (opened.status, opened.wait());
        let page = opened.body.collect(LARGEST_ERROR_PAGE).await.unwrap_or_default();
        Err(TransferError::Status { place, status, start: error_page(&page), wait })
    }
}

fn put_headers(headers: &[(String, String)]) -> Result<Vec<(HeaderName, HeaderValue)>, WireError> {
    headers
        .iter()
        // awc writes the length itself, once
        .filter(|(name, _)| !name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str()))
        .map(|(name, value)| {
            let invalid = || WireError::Header { name: name.clone() };
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            Ok((parsed, HeaderValue::from_str(value).map_err(|_| invalid())?))
        })
        .collect()
}

/// What an error page says: of S3's XML the code and the message, which is never a secret, as the rest may be.
pub(super) fn error_page(page: &[u8]) -> String {
    let text = String::from_utf8_lossy(page);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(content, _)| scrub(content, 200))
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        _ => format!("\"{}\"", scrub(&text, 200)),
    }
}

/// Content on its way: counts, and stops a stream that does not keep its word.
struct Content {
    inner: Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>,
    announced: u64,
    given: u64,
    meter: Meter,
    failure: Rc<RefCell<Option<TransferError>>>,
}

/// Ends a request early; the reason is in the shared place.
#[derive(Debug, thiserror::Error)]
#[error("the content failed")]
struct Stopped;

impl Content {
    fn stop(&self, failure: TransferError) -> Poll<Option<Result<Bytes, Stopped>>> {
        *self.failure.borrow_mut() = Some(failure);
        Poll::Ready(Some(Err(Stopped)))
    }
}

impl Stream for Content {
    type Item = Result<Bytes, Stopped>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let announced = this.announced;
        loop {
            match this.inner.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => return this.stop(TransferError::Content(error)),
                Poll::Ready(Some(Ok(piece))) => {
                    this.given += piece.len() as u64;
                    let found = this.given;
                    if found > announced {
                        return this.stop(TransferError::Length { announced, found });
                    }
                    if !piece.is_empty() {
                        this.meter.moved();
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
                Poll::Ready(None) if this.given < announced => {
                    return this.stop(TransferError::Length { announced, found: this.given });
                }
                Poll::Ready(None) => {
                    this.meter.ended();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_shows_no_signature() {
        let s3 = b"<?xml?><Error><Code>SignatureDoesNotMatch</Code><Message>no\nmatch</Message>\
            <AWSAccessKeyId>canary</AWSAccessKeyId></Error>";
        assert_eq!(error_page(s3), "SignatureDoesNotMatch: no\\nmatch");
        assert_eq!(error_page(b"<html>"), "\"<html>\"");
        assert_eq!(error_page(b""), "\"\"");
    }

    #[test]
    fn the_length_is_written_once_and_bad_headers_are_named() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let sent = put_headers(&[header("Content-Length", "13"), header("Content-Type", "a/b")]).unwrap();
        assert_eq!(sent.len(), 1);
        for (name, value) in [("a b", "c"), ("a", "b\nc")] {
            let error = put_headers(&[header(name, value)]).unwrap_err();
            assert!(matches!(error, WireError::Header { name: found } if found == name));
        }
    }
}
