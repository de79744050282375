//! The object service (taskcluster-api.md 4.4): `createUpload`, `finishUpload`, `startDownload`, `download`.

use super::context::{Context, text};
use super::storage::{keep_bytes, signed_url};
use super::{Answer, date, put};
use crate::embedded_queue::errors::{ApiError, answer, json_body};
use crate::embedded_queue::options::millis;
use crate::embedded_queue::schema;
use crate::embedded_queue::state::object::{Object, storage_key};
use crate::embedded_queue::state::refusal::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// How long a URL for a download is good.
const GET_URL_MS: i64 = 30 * 60 * 1000;

fn hashes(body: &Map<String, Value>) -> Map<String, Value> {
    body.get("hashes").and_then(Value::as_object).cloned().unwrap_or_default()
}

pub(super) async fn create_upload(context: &mut Context) -> Answer {
    let body = context.checked_body(&schema::CREATE_UPLOAD)?;
    let name = context.params.get("name").to_owned();
    let project_id = text(&body, "projectId");
    context.authorize_one(format!("object:upload:{project_id}:{name}"))?;
    let object = Object {
        project_id: project_id.clone(),
        upload_id: text(&body, "uploadId"),
        expires: date(body.get("expires")),
        hashes: hashes(&body),
        finished: false,
    };
    let mut answer = json!({
        "projectId": project_id, "uploadId": object.upload_id, "expires": object.expires, "uploadMethod": {},
    });
    let proposed = |method: &str| body.get("proposedUploadMethods").and_then(|all| all.get(method));
    let of =
        |method: &Value, key: &str| method.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let create = |content_type: &str, length| {
        context.shared.update(|state, _| state.create_upload(&name, object, content_type, length))
    };
    if let Some(inline) = proposed("dataInline") {
        let data = STANDARD.decode(of(inline, "objectData")).map_err(|_| Refusal::BadInlineData)?;
        create(&of(inline, "contentType"), None)?;
        keep_bytes(&context.shared, &storage_key(&name), Bytes::from(data)).await?;
        put(&mut answer, "uploadMethod", json!({"dataInline": true}));
    } else if let Some(put_url) = proposed("putUrl") {
        let content_type = of(put_url, "contentType");
        let length = put_url.get("contentLength").and_then(Value::as_u64).unwrap_or(0);
        create(&content_type, Some(length))?;
        let expires = context.shared.now().plus(millis(context.shared.options.put_url_lifetime));
        let method = json!({"putUrl": {
            "url": signed_url(&context.shared, "PUT", &storage_key(&name), expires),
            "expires": expires,
            "headers": {
                "Content-Type": content_type,
                "Content-Length": length.to_string(),
                "Content-Encoding": "identity",
            },
        }});
        put(&mut answer, "uploadMethod", method);
    } else {
        create("application/binary", None)?;
    }
    Ok(context.json(&answer))
}

pub(super) fn finish_upload(context: &mut Context) -> Answer {
    let body = context.checked_body(&schema::FINISH_UPLOAD)?;
    let name = context.params.get("name").to_owned();
    let project_id = text(&body, "projectId");
    context.authorize_one(format!("object:upload:{project_id}:{name}"))?;
    let upload_id = text(&body, "uploadId");
    context.shared.update(|state, _| state.finish_upload(&name, &project_id, &upload_id, hashes(&body)))?;
    Ok(context.json(&json!({})))
}

/// The object that a request may download.
fn object(context: &Context) -> Result<(String, Object), ApiError> {
    let name = context.params.get("name").to_owned();
    context.authorize_one(format!("object:download:{name}"))?;
    let object = context.shared.read(|state| state.object(&name).cloned())?;
    Ok((name, object))
}

pub(super) fn start_download(context: &mut Context) -> Answer {
    let (name, object) = object(context)?;
    let body = context.checked_body(&schema::START_DOWNLOAD)?;
    let accepts = |method: &str| {
        body.get("acceptDownloadMethods").and_then(|all| all.get(method)) == Some(&Value::Bool(true))
    };
    let expires = context.shared.now().plus(GET_URL_MS);
    let url = signed_url(&context.shared, "GET", &storage_key(&name), expires);
    if accepts("getUrl") {
        let answer = json!({"method": "getUrl", "url": url, "expires": expires, "hashes": object.hashes});
        return Ok(context.json(&answer));
    }
    if accepts("simple") {
        return Ok(context.json(&json!({"method": "simple", "url": url})));
    }
    Err(Refusal::NoDownloadMethod.into())
}

pub(super) fn download(context: &Context) -> Answer {
    let (name, _) = object(context)?;
    let expires = context.shared.now().plus(GET_URL_MS);
    let url = signed_url(&context.shared, "GET", &storage_key(&name), expires);
    let mut redirect = answer(303);
    redirect.insert_header(("location", url));
    Ok(json_body(redirect, &json!({})))
}
