//! One call of an API: sign, send, read, and do it again where that may help.

use super::credentials::{Auth, NoCredentials};
use super::endpoints::Endpoint;
use super::error::{ApiError, ErrorCode, Failure, Refusal, SchemaError, scrub};
use super::hawk::{self, JSON, Signing};
use super::http::{Deadline, Http, Opened, Request, local_now, sensitive};
use super::url::{RootUrl, Target};
use crate::random::random;
use awc::http::Method;
use awc::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use bytes::Bytes;
use scriptworker_core::retry::{Backoff, RetryClass};
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime};

/// How often and how long a call may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests at most; at least one is sent.
    pub attempts: u32,
    /// From the start of the first to the end of the last, waits included.
    pub total: Duration,
}

impl Budget {
    /// A single request of at most 90 s: for calls that must not be repeated blindly, like `claimWork`.
    pub const fn once() -> Self {
        Self { attempts: 1, total: Duration::from_secs(90) }
    }

    /// As many requests as fit into a time.
    pub const fn within(total: Duration) -> Self {
        Self { attempts: u32::MAX, total }
    }
}

impl Default for Budget {
    /// Six requests, as Taskcluster's own clients send (taskcluster-api.md 3), in at most five minutes.
    fn default() -> Self {
        Self { attempts: 6, total: Duration::from_secs(300) }
    }
}

/// A value and when, by its own clock, the service gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// The `Date` header: whole seconds.
    pub date: Option<UnixMillis>,
}

impl<T> Answer<T> {
    /// The same answer with another value.
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: change(self.value), date: self.date }
    }
}

/// One service of a deployment, spoken to as somebody.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) http: Http,
    pub(super) root: RootUrl,
    pub(super) auth: Auth,
    pub(super) name: &'static str,
}

/// What is asked.
pub(super) struct Call {
    pub(super) endpoint: &'static Endpoint,
    /// After `/api/<service>/v1`, encoded.
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
    /// How much longer than usual the answer may take to begin.
    pub(super) patience: Duration,
}

impl Call {
    pub(super) fn new(endpoint: &'static Endpoint, path: String) -> Self {
        Self { endpoint, path, body: None, patience: Duration::ZERO }
    }

    pub(super) fn with_body(mut self, body: &impl Serialize) -> Self {
        // Serializing our own request types into memory cannot fail: no maps with other keys than texts.
        self.body = Some(serde_json::to_vec(body).unwrap_or_default().into());
        self
    }

    pub(super) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// An answer read to its end.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) date: Option<UnixMillis>,
    pub(super) location: Option<Secret>,
    pub(super) storage_type: Option<String>,
    pub(super) bytes: Bytes,
}

impl Service {
    /// A call answered with 200 and JSON.
    pub(super) async fn json<T>(&self, call: &Call, budget: Budget) -> Result<Answer<T>, ApiError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        Ok(self.json_and_bytes(call, budget).await?.map(|(value, _)| value))
    }

    /// The same with the bytes that were read.
    pub(super) async fn json_and_bytes<T>(
        &self,
        call: &Call,
        budget: Budget,
    ) -> Result<Answer<(T, Bytes)>, ApiError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        repeat(call.endpoint.name, &self.auth, budget, async |deadline| {
            let reply = self.attempt(call, deadline, 200).await?;
            let value = parse(reply.bytes.clone(), reply.status).await?;
            Ok(Answer { value: (value, reply.bytes), date: reply.date })
        })
        .await
    }

    /// A call whose answer counts by its status.
    pub(super) async fn reply(&self, call: &Call, budget: Budget, expected: u16) -> Result<Reply, ApiError> {
        let attempt = async |deadline| self.attempt(call, deadline, expected).await;
        repeat(call.endpoint.name, &self.auth, budget, attempt).await
    }

    pub(super) fn target(&self, path: &str) -> Target {
        self.root.api(self.name, path)
    }

    /// One request, signed afresh.
    async fn attempt(&self, call: &Call, deadline: Deadline, expected: u16) -> Result<Reply, Failure> {
        let target = self.target(&call.path);
        let mut headers = vec![(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))];
        if call.body.is_some() {
            headers.push((CONTENT_TYPE, HeaderValue::from_static(JSON)));
        }
        if let Some(header) = self.authorization(call, &target)? {
            headers.push(sensitive(AUTHORIZATION, &header)?);
        }
        let request = Request {
            method: call.endpoint.method.clone(),
            target: &target,
            headers,
            patience: call.patience,
            deadline,
        };
        let opened = match &call.body {
            Some(body) => self.http.send(request, body.clone(), None).await,
            // `()` says "Content-Length: 0", which belongs to POST and PUT only.
            None if call.endpoint.method == Method::GET => {
                self.http.send(request, awc::body::None::new(), None).await
            }
            None => self.http.send(request, (), None).await,
        }?;
        read(opened, expected, call.endpoint.max_answer).await
    }

    fn authorization(&self, call: &Call, target: &Target) -> Result<Option<Secret>, NoCredentials> {
        let Some(credentials) = self.auth.current()? else { return Ok(None) };
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let signing = Signing {
            method: call.endpoint.method.as_str(),
            target,
            body: call.body.as_deref(),
            now: SystemTime::now(),
            nonce: &nonce,
        };
        hawk::authorization(&credentials, &signing).map(Some)
    }
}

/// Runs attempts until one succeeds, cannot succeed, or the budget is spent.
async fn repeat<T>(
    call: &'static str,
    auth: &Auth,
    budget: Budget,
    mut attempt: impl AsyncFnMut(Deadline) -> Result<T, Failure>,
) -> Result<T, ApiError> {
    let deadline = Deadline::after(budget.total);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let failure = match attempt(deadline).await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let wait = Duration::from_millis(Backoff::API.wait_ms(attempts, random()))
            .max(failure.retry_after().unwrap_or_default());
        let may_pass =
            failure.class() == RetryClass::Transient || (failure.is_unauthenticated() && auth.may_change());
        let again = may_pass && attempts < budget.attempts && wait < deadline.left();
        if !again {
            return Err(ApiError { call, attempts, failure });
        }
        tracing::debug!(call, attempts, wait_ms = wait.as_millis(), %failure, "trying again");
        tokio::time::sleep(wait).await;
    }
}

async fn read(opened: Opened, expected: u16, limit: u64) -> Result<Reply, Failure> {
    use awc::http::header::{HeaderName, LOCATION};
    let (status, date, retry_after) = (opened.status, opened.date(), opened.retry_after());
    let location = opened.text(&LOCATION).map(Secret::new);
    let storage_type = opened
        .text(&HeaderName::from_static("x-taskcluster-artifact-storage-type"))
        .map(|name| name.chars().take(32).collect());
    if status == expected && matches!(status, 300..=399) {
        opened.body.discard().await;
        return Ok(Reply { status, date, location, storage_type, bytes: Bytes::new() });
    }
    let local = local_now();
    let bytes = opened.body.collect(limit).await?;
    if status == expected {
        return Ok(Reply { status, date, location, storage_type, bytes });
    }
    Err(refusal(status, &bytes, retry_after, date.map(|date| local.since(date) / 1000)))
}

/// The members of error bodies. A route that does not exist answers `{"error": …}`.
#[derive(serde::Deserialize)]
struct ErrorBody {
    code: Option<String>,
    message: Option<String>,
    error: Option<String>,
    reason: Option<String>,
}

fn refusal(status: u16, bytes: &[u8], retry_after: Option<Duration>, skew_s: Option<i64>) -> Failure {
    const LONGEST_MESSAGE: usize = 2000;
    let Ok(body) = serde_json::from_slice::<ErrorBody>(bytes) else { return not_json(status, bytes) };
    let message = body.message.or(body.error).unwrap_or_default();
    // The block after the rule repeats method, code, status and time.
    let message = message.split("\n\n---\n").next().unwrap_or_default();
    let message = scrub(message, LONGEST_MESSAGE);
    if let (424, Some(reason)) = (status, body.reason) {
        return Failure::ErrorArtifact { reason: scrub(&reason, 64), message };
    }
    let code = ErrorCode::from_name(&body.code.unwrap_or_default());
    let unauthenticated = code == ErrorCode::AuthenticationFailed;
    let clock_skew_s = skew_s.filter(|skew| unauthenticated && skew.unsigned_abs() > 60);
    Failure::Refused(Box::new(Refusal { status, code, message, retry_after, clock_skew_s }))
}

fn not_json(status: u16, bytes: &[u8]) -> Failure {
    let start = String::from_utf8_lossy(bytes.get(..bytes.len().min(1000)).unwrap_or_default());
    // A page of a proxy is worth showing. What was meant to be an answer, and was cut, may hold the credentials of a
    // claim or a signed URL.
    let start = if start.trim_start().starts_with(['{', '[']) {
        format!("like JSON, {} bytes", bytes.len())
    } else {
        scrub(&start, 200)
    };
    Failure::NotJson { status, start }
}

/// Reads an answer as JSON; a large one on a thread where that may take its time.
async fn parse<T: DeserializeOwned + Send + 'static>(bytes: Bytes, status: u16) -> Result<T, Failure> {
    const SMALL: usize = 256 * 1024;
    if bytes.len() <= SMALL {
        return parse_now(&bytes, status);
    }
    match actix_rt::task::spawn_blocking(move || parse_now(&bytes, status)).await {
        Ok(result) => result,
        Err(_) => {
            Err(SchemaError { path: ".".to_owned(), problem: "the reader was stopped".to_owned() }.into())
        }
    }
}

fn parse_now<T: DeserializeOwned>(bytes: &[u8], status: u16) -> Result<T, Failure> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize(&mut reader) {
        Ok(value) => reader.end().map(|()| value).map_err(|_| not_json(status, bytes)),
        Err(error) if error.inner().is_data() => Err(schema_error(&error).into()),
        Err(_) => Err(not_json(status, bytes)),
    }
}

/// Reads a part of an answer that is JSON already.
pub(super) fn parse_value<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, SchemaError> {
    serde_path_to_error::deserialize(value).map_err(|error| schema_error(&error))
}

/// Reads a part of an answer that was left as text.
pub(super) fn parse_text<T: DeserializeOwned>(text: &str) -> Result<T, SchemaError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| schema_error(&error))
}

fn schema_error(error: &serde_path_to_error::Error<serde_json::Error>) -> SchemaError {
    let text = error.inner().to_string();
    // serde quotes a text that stands in the place of something else: it could be a token.
    let problem = match (text.find("string \""), text.rfind("\", expected ")) {
        (Some(start), Some(end)) if start < end => {
            let (before, after) = (text.get(..start + 6), text.get(end + 1..));
            format!("{}{}", before.unwrap_or_default(), after.unwrap_or_default())
        }
        _ => text,
    };
    SchemaError { path: error.path().to_string(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Outer {
        inner: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Inner {
        token: Secret,
        number: u8,
    }

    #[test]
    fn a_wrong_answer_names_the_place_and_quotes_no_text() {
        let fail = |text: &str| parse_now::<Outer>(text.as_bytes(), 200).unwrap_err().to_string();
        assert_eq!(
            fail(r#"{"inner": [{"token": "canary"}]}"#),
            "unexpected answer: at inner[0]: missing field `number` at line 1 column 30"
        );
        let quoted = fail(r#"{"inner": [{"token": "a", "number": "canary \"quoted\" canary"}]}"#);
        assert!(!quoted.contains("canary") && quoted.contains("inner[0].number"), "{quoted}");
        assert!(fail("<html>").contains("begins \"<html>\""));
        assert!(fail(r#"{"inner": []} x"#).starts_with("expected JSON"));
        assert!(fail(r#"{"inner": ["#).starts_with("expected JSON"));
    }
}
