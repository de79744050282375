//! Faults on order: what a test or the demo can make the queue do wrong.

use super::call::Call;
use super::errors::answer;
use super::shared::{Connection, Shared};
use actix_web::body::{BoxBody, SizedStream, to_bytes};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use std::convert::Infallible;
use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// An error answer in JSON.
    Status {
        /// Its HTTP status.
        status: u16,
        /// The `Retry-After` header in seconds.
        retry_after: Option<u32>,
    },
    /// An error page as proxies make it.
    HtmlBody {
        /// Its HTTP status.
        status: u16,
    },
    /// Less is sent than `Content-Length` says, then the connection is closed.
    Truncate,
    /// A 200 with this many bytes of nothing.
    HugeBody {
        /// How many.
        bytes: u64,
    },
    /// A 200 with a body that is not the call's.
    Garbage {
        /// The body.
        body: String,
    },
    /// No answer until the client gives up.
    Hang,
    /// The connection is closed without an answer.
    Reset,
    /// The right answer, late.
    DelayThenAnswer(Duration),
    /// The connection is closed without an answer, as if nobody listened. For all calls: use [`Fault::call`] `None`.
    Outage,
    /// The right answer but for one place in it. An answer that has no such place stays as it is.
    Edit {
        /// The place, as a JSON pointer.
        pointer: String,
        /// What stands there instead; `None`: nothing.
        value: Option<Value>,
    },
    /// The right answer to another request: one place of the request is misread.
    Misread {
        /// The place in the request's body, as a JSON pointer.
        pointer: String,
        /// What the queue takes it for.
        value: Value,
    },
    /// The right answer with a wrong `Date` header.
    ClockSkewed {
        /// How many milliseconds it is ahead (negative: behind).
        millis: i64,
    },
}

/// A fault on order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which call it meets; `None`: every one.
    pub call: Option<Call>,
    /// How many such calls go well first.
    pub after: u32,
    /// How many calls it meets then; `None`: all until the faults are cleared.
    pub times: Option<u32>,
    /// Whether the queue does what was asked before it answers wrong: then only the answer is lost.
    pub work_done: bool,
    /// What goes wrong.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault that meets every following call of this kind, instead of the work.
    pub fn new(call: Call, kind: FaultKind) -> Self {
        Self { call: Some(call), after: 0, times: None, work_done: false, kind }
    }

    /// A fault that meets every call.
    pub fn everywhere(kind: FaultKind) -> Self {
        Self { call: None, after: 0, times: None, work_done: false, kind }
    }

    /// The same, but only so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// The same, but only after so many good calls.
    #[must_use]
    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }

    /// The same, but the queue does what was asked first.
    #[must_use]
    pub fn work_done(self) -> Self {
        Self { work_done: true, ..self }
    }
}

impl FaultKind {
    /// A place of the right answer has another value.
    pub fn edit(pointer: &str, value: Value) -> Self {
        Self::Edit { pointer: pointer.to_owned(), value: Some(value) }
    }

    /// A place of the right answer is missing.
    pub fn without(pointer: &str) -> Self {
        Self::Edit { pointer: pointer.to_owned(), value: None }
    }

    /// A place of the request is misread.
    pub fn misread(pointer: &str, value: Value) -> Self {
        Self::Misread { pointer: pointer.to_owned(), value }
    }
}

/// The faults that are on order.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that meets this call, if one does: the first on order that is due.
    pub(crate) fn take(&mut self, call: Call) -> Option<Fault> {
        let at = self.0.iter_mut().position(|fault| {
            if fault.call.is_some_and(|wanted| wanted != call) || fault.times == Some(0) {
                return false;
            }
            let due = fault.after == 0;
            fault.after = fault.after.saturating_sub(1);
            due
        })?;
        let fault = self.0.get_mut(at)?;
        if let Some(times) = &mut fault.times {
            *times = times.saturating_sub(1);
        }
        Some(fault.clone())
    }
}

/// What a call's answer becomes. `real` is the right answer, if the work was done.
pub(crate) async fn spoil(
    kind: &FaultKind,
    real: Option<HttpResponse>,
    request: &HttpRequest,
    shared: &Shared,
) -> HttpResponse {
    match kind {
        FaultKind::Status { status, retry_after } => {
            let mut answer = answer(*status);
            if let Some(seconds) = retry_after {
                answer.insert_header(("retry-after", seconds.to_string()));
            }
            answer
                .content_type("application/json")
                .body(r#"{"code": "InjectedFault", "message": "an injected fault", "requestInfo": {}}"#)
        }
        FaultKind::HtmlBody { status } => answer(*status)
            .content_type("text/html")
            .body("<html><head><title>Error</title></head><body><h1>proxy error</h1></body></html>"),
        FaultKind::Truncate => truncate(real).await,
        FaultKind::HugeBody { bytes } => huge(*bytes),
        FaultKind::Garbage { body } => answer(200).content_type("application/json").body(body.clone()),
        FaultKind::Hang => {
            shared.until_gone(request).await;
            answer(503).finish()
        }
        FaultKind::Reset | FaultKind::Outage => {
            if let Some(connection) = request.conn_data::<Connection>() {
                connection.close();
            }
            answer(503).finish()
        }
        FaultKind::DelayThenAnswer(delay) => {
            shared.pause(*delay).await;
            real.unwrap_or_else(|| answer(503).finish())
        }
        FaultKind::Edit { pointer, value } => match real {
            Some(real) => edited(real, pointer, value.as_ref()).await,
            None => answer(503).finish(),
        },
        FaultKind::Misread { .. } | FaultKind::ClockSkewed { .. } => {
            real.unwrap_or_else(|| answer(503).finish())
        }
    }
}

/// An answer in JSON with one place changed.
async fn edited(real: HttpResponse, pointer: &str, value: Option<&Value>) -> HttpResponse {
    let (head, body) = real.into_parts();
    let body = to_bytes(body).await.unwrap_or_default();
    let body = match serde_json::from_slice(&body) {
        Ok(mut document) => {
            edit(&mut document, pointer, value);
            Bytes::from(document.to_string())
        }
        Err(_) => body,
    };
    head.set_body(BoxBody::new(body))
}

/// Puts a value in the place that a JSON pointer names, or takes out what is there. What should surround the place
/// but is not there is not made.
pub(crate) fn edit(document: &mut Value, pointer: &str, value: Option<&Value>) {
    let Some((around, key)) = pointer.rsplit_once('/') else { return };
    match (document.pointer_mut(around), value) {
        (Some(Value::Object(object)), Some(value)) => {
            object.insert(key.to_owned(), value.clone());
        }
        (Some(Value::Object(object)), None) => {
            object.remove(key);
        }
        (Some(Value::Array(list)), Some(value)) => {
            if let Some(place) = key.parse::<usize>().ok().and_then(|at| list.get_mut(at)) {
                *place = value.clone();
            }
        }
        (Some(Value::Array(list)), None) => {
            if let Some(at) = key.parse().ok().filter(|at| *at < list.len()) {
                list.remove(at);
            }
        }
        _ => {}
    }
}

/// Half of an answer whose header promises all of it.
async fn truncate(real: Option<HttpResponse>) -> HttpResponse {
    let real = real.unwrap_or_else(|| answer(200).body(format!("{{\"status\": \"{}\"}}", "x".repeat(500))));
    let (head, body) = real.into_parts();
    let whole = to_bytes(body).await.unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    let promised = u64::try_from(whole.len()).unwrap_or(u64::MAX).max(1);
    // The server drops what it has not written yet when a body ends early, so the end has to come a turn later.
    let end = stream::once(tokio::task::yield_now()).filter_map(|()| ready(None));
    let chunks = stream::iter([Ok::<_, Infallible>(half)]).chain(end);
    head.set_body(BoxBody::new(SizedStream::new(promised, Box::pin(chunks))))
}

fn huge(bytes: u64) -> HttpResponse {
    const CHUNK: &[u8] = &[b' '; 64 * 1024];
    let chunks = stream::unfold(bytes, |left| async move {
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK.len());
        let chunk = Bytes::from_static(CHUNK).slice(..size);
        (left > 0).then(|| (Ok::<_, Infallible>(chunk), left.saturating_sub(CHUNK.len() as u64)))
    });
    answer(200).content_type("application/json").body(SizedStream::new(bytes, Box::pin(chunks)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_edit_changes_the_place_it_names_and_no_other() {
        let edited = |pointer: &str, value: Option<Value>| {
            let mut document = json!({"tasks": [{"runId": 0}, 2]});
            edit(&mut document, pointer, value.as_ref());
            document
        };
        for (pointer, value, expected) in [
            ("/tasks/0/runId", Some(json!("x")), json!({"tasks": [{"runId": "x"}, 2]})),
            ("/tasks/0/runId", None, json!({"tasks": [{}, 2]})),
            ("/tasks/0/new", Some(json!(1)), json!({"tasks": [{"runId": 0, "new": 1}, 2]})),
            ("/tasks/1", Some(json!([])), json!({"tasks": [{"runId": 0}, []]})),
            ("/tasks/0", None, json!({"tasks": [2]})),
            ("/tasks", None, json!({})),
            ("/tasks/7", None, json!({"tasks": [{"runId": 0}, 2]})),
            ("/tasks/7/runId", Some(json!(1)), json!({"tasks": [{"runId": 0}, 2]})),
        ] {
            assert_eq!(edited(pointer, value), expected, "{pointer}");
        }
    }
}
