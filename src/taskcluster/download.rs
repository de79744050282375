//! Fetching content: GET with redirects followed by hand, decoded, and known to be whole (artifacts.md 5).

use super::body::Body;
use super::error::WireError;
use super::http::{Deadline, Http, Opened, Request, sensitive};
use super::transfer::{TransferError, TransferLimits, error_page};
use super::url::{InvalidUrl, PlainHosts, Target};
use awc::http::Method;
use awc::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use bytes::Bytes;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use std::time::Duration;

/// How many redirects are followed.
const MAX_REDIRECTS: u32 = 10;

/// A download whose headers have come; the content follows with [`Download::next`].
pub struct Download {
    /// The server's clock.
    pub date: Option<UnixMillis>,
    /// As the server says.
    pub content_type: Option<String>,
    /// Bytes of content, when known in advance: not for compressed or chunked answers.
    pub content_length: Option<u64>,
    place: String,
    body: Body,
    max_bytes: u64,
    given: u64,
}

impl Http {
    /// GETs a URL: status 200 only. `authorization` is the value of that header; it is sent to the origin of `url` and
    /// to no other. Redirects are followed, but never from `https` to `http`. Content that is encoded as gzip is decoded.
    pub async fn get(
        &self,
        url: &Secret,
        authorization: Option<&Secret>,
        limits: TransferLimits,
    ) -> Result<Download, TransferError> {
        self.get_checked(url, authorization, limits, None).await
    }

    /// The same, but every address on the way has to be `https` or on one of these hosts: for what must not be changed
    /// on its way, and for addresses that others choose.
    pub async fn get_within(
        &self,
        hosts: &PlainHosts,
        url: &Secret,
        authorization: Option<&Secret>,
        limits: TransferLimits,
    ) -> Result<Download, TransferError> {
        self.get_checked(url, authorization, limits, Some(hosts)).await
    }

    async fn get_checked(
        &self,
        url: &Secret,
        authorization: Option<&Secret>,
        limits: TransferLimits,
        hosts: Option<&PlainHosts>,
    ) -> Result<Download, TransferError> {
        const LARGEST_ERROR_PAGE: u64 = 64 * 1024;
        let deadline = Deadline::after(limits.total);
        let first = Target::parse(url.expose()).map_err(|error| match (error, hosts) {
            (InvalidUrl::Scheme, Some(_)) => TransferError::Forbidden { problem: error.to_string() },
            _ => TransferError::Wire { place: "(no address)".to_owned(), error: error.into() },
        })?;
        let mut target = first.clone();
        // Once it has been elsewhere, a chain that comes back may have been led there.
        let mut at_home = true;
        for _ in 0..=MAX_REDIRECTS {
            if let Some(problem) = hosts.and_then(|hosts| hosts.problem_with(&target)) {
                return Err(TransferError::Forbidden { problem });
            }
            let place = target.to_string();
            let authorization = authorization.filter(|_| at_home);
            let wire = |error| TransferError::Wire { place: place.clone(), error };
            let opened = self.open(&target, authorization, deadline).await.map_err(wire)?;
            match opened.status {
                200 => return Download::new(opened, place, limits.max_bytes),
                301 | 302 | 303 | 307 | 308 => {
                    target = redirect(&target, &opened, place, hosts)?;
                    at_home &= target.same_origin(&first);
                    opened.body.discard().await;
                }
                status => {
                    let wait = opened.wait();
                    let page = opened.body.collect(LARGEST_ERROR_PAGE).await.unwrap_or_default();
                    return Err(TransferError::Status { place, status, start: error_page(&page), wait });
                }
            }
        }
        Err(TransferError::TooManyRedirects { place: target.to_string(), limit: MAX_REDIRECTS })
    }

    async fn open(
        &self,
        target: &Target,
        authorization: Option<&Secret>,
        deadline: Deadline,
    ) -> Result<Opened, WireError> {
        let mut headers = vec![(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))];
        if let Some(authorization) = authorization {
            headers.push(sensitive(AUTHORIZATION, authorization)?);
        }
        let request = Request { method: Method::GET, target, headers, patience: Duration::ZERO, deadline };
        self.send(request, awc::body::None::new(), None).await
    }
}

fn redirect(
    from: &Target,
    opened: &Opened,
    place: String,
    hosts: Option<&PlainHosts>,
) -> Result<Target, TransferError> {
    let bad = |problem: String| TransferError::BadRedirect { place: place.clone(), problem };
    let location = opened
        .text(&LOCATION)
        .ok_or_else(|| bad("the Location header is missing or not ASCII".to_owned()))?;
    let to = match (from.join(location), hosts) {
        (Ok(to), _) => to,
        (Err(error @ InvalidUrl::Scheme), Some(_)) => {
            return Err(TransferError::Forbidden { problem: format!("{place} redirects: {error}") });
        }
        (Err(error), _) => return Err(bad(error.to_string())),
    };
    let problem = (from.tls && !to.tls).then(|| format!("{to} is not encrypted"));
    match (problem, hosts) {
        (None, _) => Ok(to),
        (Some(problem), None) => Err(bad(problem)),
        (Some(problem), Some(_)) => Err(TransferError::Forbidden { problem }),
    }
}

impl Download {
    fn new(opened: Opened, place: String, max_bytes: u64) -> Result<Self, TransferError> {
        let stated = opened.body.stated_length();
        if stated.is_some_and(|length| length > max_bytes) {
            return Err(TransferError::Wire { place, error: WireError::TooLarge { limit: max_bytes } });
        }
        Ok(Self {
            date: opened.date(),
            content_type: opened.text(&CONTENT_TYPE).map(str::to_owned),
            content_length: stated.filter(|_| !opened.body.is_encoded()),
            place,
            body: opened.body,
            max_bytes,
            given: 0,
        })
    }

    /// The next piece of content, never empty; `None` after the last one of a whole content. After an error nothing
    /// that came before can be relied on.
    pub async fn next(&mut self) -> Result<Option<Bytes>, TransferError> {
        let result = match self.body.next().await {
            Ok(Some(piece)) => {
                self.given += piece.len() as u64;
                let limit = self.max_bytes;
                if self.given > limit { Err(WireError::TooLarge { limit }) } else { Ok(Some(piece)) }
            }
            other => other,
        };
        result.map_err(|error| TransferError::Wire { place: self.place.clone(), error })
    }

    /// The whole content.
    pub async fn collect(mut self) -> Result<Bytes, TransferError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// Where the content came from, redirects followed, without the query.
    pub fn place(&self) -> &str {
        &self.place
    }
}
