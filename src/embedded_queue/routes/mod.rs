//! From a request to its handler and back: faults, the log of calls, the body, the signature, the error answer.

mod artifacts;
mod claims;
mod context;
mod objects;
mod reading;
mod storage;
mod tasks;

use super::call::{self, Call, Params};
use super::errors::{ApiError, answer, json_body};
use super::faults::{Fault, FaultKind, edit, spoil};
use super::options::millis;
use super::shared::{CallRecord, Shared};
use actix_web::http::header::{DATE, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use context::Context;
use scriptworker_core::time::UnixMillis;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

type Answer = Result<HttpResponse, ApiError>;

/// Every request comes here.
pub(crate) async fn serve(
    request: HttpRequest,
    body: web::Payload,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let shared = shared.into_inner();
    let mut skew = 0;
    let found = call::find(request.method().as_str(), request.uri().path());
    let mut response = match found {
        None => json_body(answer(404), &json!({"error": "Not found"})),
        Some((call, params)) => {
            let mut open = OpenCall::new(Arc::clone(&shared), call, &params);
            let fault = shared.lock_faults().take(call);
            if let Some(FaultKind::ClockSkewed { millis }) = fault.as_ref().map(|fault| &fault.kind) {
                skew = *millis;
            }
            open.record.faulty = fault.is_some();
            let response = perform(call, params, &request, body, &shared, fault).await;
            open.record.status = Some(response.status().as_u16());
            response
        }
    };
    let headers = response.headers_mut();
    if let Some(date) = http_date(shared.now().plus(skew)) {
        headers.insert(DATE, date);
    }
    headers.insert(
        HeaderName::from_static("x-embedded-queue"),
        HeaderValue::from_static("never for production"),
    );
    response
}

/// Does what was asked, as far as the fault lets it.
async fn perform(
    call: Call,
    params: Params,
    request: &HttpRequest,
    body: web::Payload,
    shared: &Arc<Shared>,
    fault: Option<Fault>,
) -> HttpResponse {
    let Some(fault) = fault else {
        return handle(call, params, request, body, shared, None).await;
    };
    let harmless = match fault.kind {
        FaultKind::ClockSkewed { .. } | FaultKind::Edit { .. } | FaultKind::Misread { .. } => true,
        FaultKind::DelayThenAnswer(delay) if !fault.work_done => {
            shared.pause(delay).await;
            return handle(call, params, request, body, shared, None).await;
        }
        _ => fault.work_done,
    };
    let real = match harmless {
        true => Some(handle(call, params, request, body, shared, Some(&fault.kind)).await),
        false => None,
    };
    spoil(&fault.kind, real, request, shared).await
}

async fn handle(
    call: Call,
    params: Params,
    request: &HttpRequest,
    body: web::Payload,
    shared: &Arc<Shared>,
    fault: Option<&FaultKind>,
) -> HttpResponse {
    match call {
        Call::StoragePut => return storage::put(&params, request, body, shared).await,
        Call::StorageGet => return storage::get(&params, request, shared).await,
        _ => {}
    }
    let (body, unread) = match context::read_body(body).await {
        Ok(body) => (body, None),
        Err(error) => (bytes::Bytes::new(), Some(error)),
    };
    let mut context = Context::new(Arc::clone(shared), call, params, request.clone(), body);
    // After the signature's own copy of the body was taken: what was misread is still signed for.
    if let Some(FaultKind::Misread { pointer, value }) = fault {
        edit(&mut context.payload, pointer, Some(value));
    }
    let result = match unread {
        Some(error) => Err(error),
        None => dispatch(&mut context).await,
    };
    result
        .unwrap_or_else(|error| error.response(call, &context.params, &context.payload, context.shared.now()))
}

async fn dispatch(context: &mut Context) -> Answer {
    context.params.check()?;
    match context.call {
        Call::Ping => Ok(ping(context)),
        Call::Heartbeat => Ok(context.json(&json!({}))),
        Call::Version => Ok(context.json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "commit": "0000000000000000000000000000000000000000",
            "source": env!("CARGO_PKG_REPOSITORY"),
            "build": "embedded queue of scriptworker: never for production",
        }))),
        Call::CurrentScopes => {
            let scopes = context.identify()?.scopes;
            Ok(context.json(&json!({"scopes": scopes})))
        }
        Call::Task => tasks::task(context),
        Call::Status => tasks::status(context),
        Call::ListTaskGroup => tasks::list_group(context),
        Call::CreateTask => tasks::create(context),
        Call::RerunTask => tasks::rerun(context),
        Call::CancelTask => tasks::cancel(context),
        Call::QuarantineWorker => tasks::quarantine(context),
        Call::ClaimWork => claims::claim_work(context).await,
        Call::ClaimTask => claims::claim_task(context),
        Call::ReclaimTask => claims::reclaim(context),
        Call::ReportCompleted | Call::ReportFailed | Call::ReportException => claims::report(context),
        Call::CreateArtifact => artifacts::create(context),
        Call::FinishArtifact => artifacts::finish(context),
        Call::GetArtifact | Call::GetLatestArtifact => reading::redirect(context),
        Call::Artifact | Call::LatestArtifact => reading::content(context),
        Call::ArtifactInfo | Call::LatestArtifactInfo => reading::info(context),
        Call::ListArtifacts | Call::ListLatestArtifacts => reading::list(context),
        Call::CreateUpload => objects::create_upload(context).await,
        Call::FinishUpload => objects::finish_upload(context),
        Call::StartDownload => objects::start_download(context),
        Call::Download => objects::download(context),
        Call::StoragePut | Call::StorageGet => Ok(answer(404).finish()),
    }
}

fn ping(context: &Context) -> HttpResponse {
    let uptime = millis(context.shared.started.elapsed());
    context.json(&json!({"alive": true, "uptime": uptime as f64 / 1000.0}))
}

/// A date as HTTP writes it.
fn http_date(date: UnixMillis) -> Option<HeaderValue> {
    let date = chrono::DateTime::from_timestamp_millis(date.0)?;
    HeaderValue::from_str(&date.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

/// A call on its way; logged when it ends, also when its connection does.
struct OpenCall {
    shared: Arc<Shared>,
    record: CallRecord,
}

impl OpenCall {
    fn new(shared: Arc<Shared>, call: Call, params: &Params) -> Self {
        shared.log_change(|log| log.open.push(call));
        let name = ["name", "key"].map(|key| params.get(key)).into_iter().find(|name| !name.is_empty());
        let now = Instant::now();
        let record = CallRecord {
            at: shared.now(),
            call,
            task_id: params.task_id().ok(),
            run_id: params.run_id().ok(),
            name: name.map(str::to_owned),
            status: None,
            faulty: false,
            began: now,
            ended: now,
        };
        Self { shared, record }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut record = self.record.clone();
        record.at = self.shared.now();
        record.ended = Instant::now();
        self.shared.log_change(|log| {
            if let Some(at) = log.open.iter().position(|call| *call == record.call) {
                log.open.remove(at);
            }
            log.done.push(record);
        });
    }
}

/// Adds a key to a JSON object.
fn put(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(object) = object {
        object.insert(key.to_owned(), value);
    }
}

/// A date in a body that its schema has checked.
fn date(value: Option<&Value>) -> UnixMillis {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    UnixMillis::parse(text).unwrap_or(UnixMillis(0))
}
