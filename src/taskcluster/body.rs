//! The body of an answer, read so that a whole one can be told from a cut one.
//!
//! awc gives out the bytes of a cut body as if it were complete. Here they are counted against `Content-Length`; a
//! chunked body must end before its connection does; an answer that states neither is refused, because awc would
//! take it for empty; and gzip content must reach its own trailer.

use super::connect::EndSeen;
use super::error::{Phase, WireError};
use super::http::Deadline;
use awc::ClientResponse;
use awc::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use futures_util::Stream;
use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// There is none: 1xx, 204, 304.
    Empty,
    /// Not at all.
    Unstated,
}

impl Framing {
    /// RFC 9112 6.3, without the forms that awc refuses on its own.
    pub(super) fn of(status: u16, headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        if matches!(status, 100..=199 | 204 | 304) {
            return Self::Empty;
        }
        if text(TRANSFER_ENCODING).is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Self::Chunked;
        }
        match text(CONTENT_LENGTH).and_then(|length| length.parse().ok()) {
            Some(length) => Self::Length(length),
            None => Self::Unstated,
        }
    }
}

enum Coding {
    Identity,
    Gzip(Box<Gunzip>),
}

struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    pending: Bytes,
}

/// A body that is being read.
pub(super) struct Body {
    response: ClientResponse,
    status: u16,
    framing: Framing,
    coding: Result<Coding, String>,
    received: u64,
    end: EndSeen,
    end_seen: bool,
    stall: Duration,
    deadline: Deadline,
    finished: bool,
}

impl Body {
    pub(super) fn new(response: ClientResponse, end: EndSeen, stall: Duration, deadline: Deadline) -> Self {
        let status = response.status().as_u16();
        let framing = Framing::of(status, response.headers());
        let coding = match response.headers().get(CONTENT_ENCODING).map(|value| value.to_str()) {
            None | Some(Ok("" | "identity")) => Ok(Coding::Identity),
            Some(Ok(name)) if ["gzip", "x-gzip"].iter().any(|gzip| name.eq_ignore_ascii_case(gzip)) => {
                let decoder = MultiGzDecoder::new(Vec::new());
                Ok(Coding::Gzip(Box::new(Gunzip { decoder, pending: Bytes::new() })))
            }
            Some(other) => Err(format!("unknown content encoding {:?}", other.unwrap_or("(not ASCII)"))),
        };
        Self {
            response,
            status,
            framing,
            coding,
            received: 0,
            end,
            end_seen: false,
            stall,
            deadline,
            finished: false,
        }
    }

    /// Bytes on the wire, when stated.
    pub(super) fn stated_length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            _ => None,
        }
    }

    /// Whether the content comes compressed.
    pub(super) fn is_encoded(&self) -> bool {
        !matches!(self.coding, Ok(Coding::Identity))
    }

    /// The next piece of content, decoded, never empty; `None` once it ended as it should.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, WireError> {
        loop {
            // Small steps: a piece of gzip input may stand for a thousand times its size.
            match &mut self.coding {
                Err(problem) => return Err(WireError::Encoding(problem.clone())),
                Ok(Coding::Identity) => return self.next_raw().await,
                Ok(Coding::Gzip(gzip)) if !gzip.pending.is_empty() => {
                    if let Some(piece) = gzip.step().map_err(|e| WireError::Encoding(e.to_string()))? {
                        return Ok(Some(piece));
                    }
                }
                Ok(Coding::Gzip(_)) => {
                    if let Some(more) = self.refill().await? {
                        return Ok(more);
                    }
                }
            }
        }
    }

    /// Fetches gzip input; at its end, checks the trailer and gives out (`Some`) what is left.
    async fn refill(&mut self) -> Result<Option<Option<Bytes>>, WireError> {
        let was_finished = self.finished;
        let raw = self.next_raw().await?;
        let received = self.received;
        let Ok(Coding::Gzip(gzip)) = &mut self.coding else { return Ok(Some(raw)) };
        match raw {
            Some(raw) => {
                gzip.pending = raw;
                Ok(None)
            }
            None if was_finished || received == 0 => Ok(Some(None)),
            None => match gzip.decoder.try_finish() {
                Ok(()) => Ok(Some(gzip.take())),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(WireError::Truncated { received, expected: None })
                }
                Err(error) => Err(WireError::Encoding(error.to_string())),
            },
        }
    }

    /// The whole content, if it is at most `limit` bytes, on the wire as well as decoded.
    pub(super) async fn collect(mut self, limit: u64) -> Result<Bytes, WireError> {
        if self.stated_length().is_some_and(|length| length > limit) {
            return Err(WireError::TooLarge { limit });
        }
        let mut whole: Vec<u8> = Vec::new();
        while let Some(piece) = self.next().await? {
            if (whole.len() + piece.len()) as u64 > limit || self.received > limit {
                return Err(WireError::TooLarge { limit });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// Reads a small rest that nobody wants, so that the connection can be used again.
    pub(super) async fn discard(self) {
        const WORTH_READING: u64 = 64 * 1024;
        // Failing here costs a connection and nothing else.
        let _unwanted = self.collect(WORTH_READING).await;
    }

    async fn next_raw(&mut self) -> Result<Option<Bytes>, WireError> {
        match self.framing {
            _ if self.finished => return Ok(None),
            Framing::Empty | Framing::Length(0) => {
                self.finished = true;
                return Ok(None);
            }
            Framing::Unstated => return Err(WireError::Unframed { status: self.status }),
            Framing::Length(_) | Framing::Chunked => {}
        }
        let stalled = Instant::now() + self.stall;
        let until = stalled.min(self.deadline.at);
        let polled = timeout_at(
            until,
            poll_fn(|cx| {
                self.end.take();
                let polled = Pin::new(&mut self.response).poll_next(cx);
                // Not reset: the end of the connection may be seen in one poll and reported in the next.
                self.end_seen |= self.end.take();
                polled
            }),
        )
        .await;
        match polled {
            Err(_) if self.deadline.at <= stalled => Err(self.deadline.passed()),
            Err(_) => Err(WireError::Timeout { phase: Phase::Body, limit: self.stall }),
            Ok(Some(Ok(piece))) => {
                self.received += piece.len() as u64;
                Ok(Some(piece))
            }
            Ok(Some(Err(_))) if self.end_seen => Err(self.truncated()),
            Ok(Some(Err(error))) => Err(WireError::Broken(error.to_string())),
            Ok(None) => {
                let whole = match self.framing {
                    Framing::Length(length) => self.received == length,
                    _ => !self.end_seen,
                };
                self.finished = true;
                if whole { Ok(None) } else { Err(self.truncated()) }
            }
        }
    }

    fn truncated(&self) -> WireError {
        WireError::Truncated { received: self.received, expected: self.stated_length() }
    }
}

impl Gunzip {
    /// Decodes a bounded part of the pending input.
    fn step(&mut self) -> io::Result<Option<Bytes>> {
        let used = self.decoder.write(&self.pending)?;
        if used == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes after the end of the gzip content",
            ));
        }
        self.pending.advance(used);
        Ok(self.take())
    }

    fn take(&mut self) -> Option<Bytes> {
        let piece = std::mem::take(self.decoder.get_mut());
        if piece.is_empty() { None } else { Some(piece.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use awc::http::header::HeaderValue;

    #[test]
    fn the_end_of_a_body_is_known_or_not() {
        for (status, length, coding, framing) in [
            (200, Some("5"), None, Framing::Length(5)),
            (200, Some("0"), None, Framing::Length(0)),
            (200, None, Some("Chunked"), Framing::Chunked),
            (200, None, None, Framing::Unstated),
            (204, None, None, Framing::Empty),
            (304, Some("5"), None, Framing::Empty),
            (303, None, None, Framing::Unstated),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(length) = length {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static(length));
            }
            if let Some(coding) = coding {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static(coding));
            }
            assert_eq!(Framing::of(status, &headers), framing, "{status} {length:?} {coding:?}");
        }
    }
}
