//! One HTTP exchange: every phase has a limit, nothing is followed, nothing is normalised, HTTP/1.1 only.
//!
//! Knows nothing of Taskcluster: signing, repetition and JSON are the business of `call`, streamed bodies of
//! [`super::transfer`].

use super::body::Body;
use super::connect::{Dial, EndSeen, TlsFailure};
use super::error::{Phase, WireError};
use super::tls::{RootsFrom, TlsSetupError, client_config};
use super::url::Target;
use awc::body::MessageBody;
use awc::error::{ConnectError, SendRequestError};
use awc::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use awc::http::{Method, Uri};
use awc::{Client, Connector};
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The limits of an HTTP client. All waits are for one request; [`super::Budget`] limits the call as a whole.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// Name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the end of the request to the end of the answer's headers; a long poll waits 20 s longer.
    pub header_timeout: Duration,
    /// The longest pause within a body, in either direction.
    pub stall_timeout: Duration,
    /// Connections at the same time, for `http` and `https` each.
    pub max_connections: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            user_agent: crate::PROGRAM.to_owned(),
            connect_timeout: Duration::from_secs(15),
            header_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            max_connections: 15,
        }
    }
}

/// Why no HTTP client can be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No certificates to trust.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The user agent cannot stand in a header.
    #[error("expected a user agent of visible ASCII characters, found {0:?}")]
    UserAgent(String),
}

/// An HTTP client with its connections. Cheap to clone; bound to its thread.
#[derive(Clone)]
pub struct Http(Rc<Inner>);

struct Inner {
    config: HttpConfig,
    user_agent: HeaderValue,
    plain: Client,
    tls: Client,
    end: EndSeen,
    roots: RootsFrom,
}

/// When something must be over, and how long it had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        // A limit beyond the clock's range is no limit: a century is as good.
        let now = Instant::now();
        let at = now.checked_add(limit).unwrap_or(now + Duration::from_secs(100 * 366 * 24 * 3600));
        Self { at, limit }
    }

    pub(super) fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    pub(super) fn passed(&self) -> WireError {
        WireError::Timeout { phase: Phase::Total, limit: self.limit }
    }
}

/// What to send, except for the body.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) target: &'a Target,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// How much longer than usual the answer may take to begin.
    pub(super) patience: Duration,
    pub(super) deadline: Deadline,
}

/// An answer whose headers have come.
pub(super) struct Opened {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// Where a streamed body is; its stream writes, the one who watches for stalls reads.
#[derive(Clone)]
pub(super) struct Meter(Rc<(Cell<Instant>, Cell<bool>)>);

impl Meter {
    fn new(first_move: Instant) -> Self {
        Self(Rc::new((Cell::new(first_move), Cell::new(false))))
    }

    /// Bytes were given. Being asked for them does not count: the asking is repeated while nothing moves.
    pub(super) fn moved(&self) {
        self.0.0.set(Instant::now());
    }

    /// The last byte was given.
    pub(super) fn ended(&self) {
        self.moved();
        self.0.1.set(true);
    }
}

impl Http {
    /// Makes a client; reads the certificate store from disk.
    pub fn new(config: HttpConfig) -> Result<Self, HttpError> {
        let user_agent = HeaderValue::from_str(&config.user_agent)
            .map_err(|_| HttpError::UserAgent(config.user_agent.clone()))?;
        let (tls, roots) = client_config()?;
        let end = EndSeen::default();
        let client = |tls| {
            let connector = Connector::new()
                .timeout(config.connect_timeout)
                .limit(config.max_connections)
                .connector(Dial { tls, end: end.clone() });
            // Awc's own timer covers waiting for a free connection too and says not which; ours are finer.
            Client::builder().disable_redirects().disable_timeout().connector(connector).finish()
        };
        let (plain, tls) = (client(None), client(Some(tls)));
        Ok(Self(Rc::new(Inner { config, user_agent, plain, tls, end, roots })))
    }

    /// The limits it was made with.
    pub fn config(&self) -> &HttpConfig {
        &self.0.config
    }

    /// Whose certificates it trusts.
    pub fn roots(&self) -> RootsFrom {
        self.0.roots
    }

    /// A meter for a body that is about to be sent.
    pub(super) fn meter(&self) -> Meter {
        // The body is not asked for before there is a connection.
        Meter::new(Instant::now() + self.0.config.connect_timeout)
    }

    /// Sends a request and waits for the headers of its answer.
    pub(super) async fn send(
        &self,
        request: Request<'_>,
        body: impl MessageBody + 'static,
        meter: Option<&Meter>,
    ) -> Result<Opened, WireError> {
        let Inner { config, end, .. } = &*self.0;
        let target = request.target;
        let client = if target.tls { &self.0.tls } else { &self.0.plain };
        let uri = format!("http://{}:{}{}", target.host, target.port, target.path_and_query)
            .parse::<Uri>()
            .map_err(|_| WireError::Url(super::url::InvalidUrl::Character))?;
        let host = HeaderValue::from_str(&target.host_header())
            .map_err(|_| WireError::Header { name: "host".to_owned() })?;
        let mut sending = client
            .request(request.method, uri)
            .no_decompress()
            .insert_header((header::HOST, host))
            .insert_header((header::USER_AGENT, self.0.user_agent.clone()));
        for header in request.headers {
            sending = sending.insert_header(header);
        }
        let mut sending = pin!(sending.send_body(body));
        let started = Instant::now();
        let patience = config.header_timeout.saturating_add(request.patience);
        let response = loop {
            let (phase, limit, at) = match meter {
                Some(meter) if meter.0.1.get() => (Phase::Headers, patience, meter.0.0.get() + patience),
                Some(meter) => {
                    let stall = config.stall_timeout;
                    (Phase::Send, stall, meter.0.0.get() + stall)
                }
                // The connector keeps the limit of its own phase.
                None => (Phase::Headers, patience, started + config.connect_timeout + patience),
            };
            let until = at.min(request.deadline.at);
            if until <= Instant::now() {
                let timeout = WireError::Timeout { phase, limit };
                return Err(if request.deadline.at <= at { request.deadline.passed() } else { timeout });
            }
            tokio::select! {
                biased;
                result = &mut sending => break result.map_err(|error| self.wire_error(error, target))?,
                () = sleep_until(until) => {}
            }
        };
        Ok(Opened {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: Body::new(response, end.clone(), config.stall_timeout, request.deadline),
        })
    }

    fn wire_error(&self, error: SendRequestError, target: &Target) -> WireError {
        let origin = target.origin();
        match error {
            SendRequestError::Connect(ConnectError::Timeout) => {
                WireError::Timeout { phase: Phase::Connect, limit: self.0.config.connect_timeout }
            }
            SendRequestError::Connect(ConnectError::Io(error)) => {
                match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsFailure>()) {
                    Some(tls) => WireError::Tls { origin, problem: tls.to_string() },
                    None => WireError::Connect { origin, problem: error.to_string() },
                }
            }
            SendRequestError::Connect(ConnectError::Disconnected) => {
                WireError::Broken("closed without an answer".to_owned())
            }
            SendRequestError::Connect(error) => WireError::Connect { origin, problem: error.to_string() },
            SendRequestError::Send(error) => WireError::Broken(error.to_string()),
            SendRequestError::Response(error) => WireError::Broken(format!("no HTTP answer: {error}")),
            other => WireError::Broken(other.to_string()),
        }
    }
}

impl Opened {
    /// The `Date` of the answer: the other side's clock.
    pub(super) fn date(&self) -> Option<UnixMillis> {
        http_date(self.text(&header::DATE)?)
    }

    /// A header's value, when it is ASCII.
    pub(super) fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How long the other side asks us to wait, by `Retry-After` or by its rate limit.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.retry_after().or_else(|| {
            self.text(&LEFT).filter(|left| left.trim() == "0")?;
            let reset = self.text(&RESET).and_then(|seconds| seconds.trim().parse::<i64>().ok());
            let now = self.date().unwrap_or_else(local_now);
            let left = reset.map(|seconds| UnixMillis(seconds.saturating_mul(1000)).since(now));
            Some(Duration::from_millis(left.and_then(|left| u64::try_from(left).ok()).unwrap_or(0)))
        })
    }

    /// How long the other side asks us to wait: `Retry-After` in seconds or as a date.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let value = self.text(&header::RETRY_AFTER)?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let now = self.date().unwrap_or_else(local_now);
        let millis = u64::try_from(http_date(value)?.since(now)).unwrap_or(0);
        Some(Duration::from_millis(millis))
    }
}

/// How GitHub says that a token, or an address, has asked all that it may for a while: what is left, and when there will
/// be more, in seconds since 1970.
const LEFT: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// A header whose value must not show in debug output.
pub(super) fn sensitive(name: HeaderName, value: &Secret) -> Result<(HeaderName, HeaderValue), WireError> {
    match HeaderValue::from_str(value.expose()) {
        Ok(mut value) => {
            value.set_sensitive(true);
            Ok((name, value))
        }
        Err(_) => Err(WireError::Header { name: name.to_string() }),
    }
}

/// This machine's clock.
pub(super) fn local_now() -> UnixMillis {
    UnixMillis(chrono::Utc::now().timestamp_millis())
}

fn http_date(text: &str) -> Option<UnixMillis> {
    let date = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some(UnixMillis(date.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_dates_of_headers() {
        assert_eq!(
            http_date("Mon, 23 Nov 2026 15:51:24 GMT"),
            UnixMillis::parse("2026-11-23T15:51:24Z").ok()
        );
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn a_deadline_beyond_the_clock_is_far_away() {
        assert!(Deadline::after(Duration::MAX).left() > Duration::from_secs(1 << 30));
        assert_eq!(Deadline::after(Duration::ZERO).left(), Duration::ZERO);
    }
}
