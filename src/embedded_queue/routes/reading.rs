//! Reading artifacts: redirects, contents, information, lists. Each comes for a given run and for the last one.

use super::context::Context;
use super::storage::signed_url;
use super::tasks::limit;
use super::{Answer, put};
use crate::embedded_queue::auth::Expression;
use crate::embedded_queue::call::Call;
use crate::embedded_queue::errors::{ApiError, answer, json_body};
use crate::embedded_queue::state::artifact::{Artifact, Content};
use crate::embedded_queue::state::object::storage_key;
use scriptworker_core::ids::RunKey;
use serde_json::{Value, json};

/// How long a URL for a download is good.
const GET_URL_MS: i64 = 30 * 60 * 1000;
/// How long credentials for a download are good.
const DOWNLOAD_CREDENTIALS_MS: i64 = 3600 * 1000;

/// The run that a request means.
fn run(context: &Context) -> Result<RunKey, ApiError> {
    let task_id = context.params.task_id()?;
    let run_id = match context.params.get("runId") {
        "" => None,
        _ => Some(context.params.run_id()?),
    };
    Ok(context.shared.read(|state| state.run_to_read(&task_id, run_id))?)
}

/// The artifact at the end of all links, if whoever asks may see every name on the way.
fn found(context: &Context) -> Result<(RunKey, String, Artifact), ApiError> {
    let run = run(context)?;
    let name = context.params.get("name");
    let (names, artifact) = context.shared.read(|state| state.follow(&run, name))?;
    let last = names.last().cloned().unwrap_or_default();
    context
        .authorize(&Expression::all(names.into_iter().map(|name| format!("queue:get-artifact:{name}"))))?;
    Ok((run, last, artifact))
}

/// The storage URL of an artifact with bytes, or the URL of a reference.
fn url(context: &Context, content: &Content) -> Option<String> {
    let shared = &context.shared;
    let expires = shared.now().plus(GET_URL_MS);
    match content {
        Content::S3 { key } => Some(signed_url(shared, "GET", key, expires)),
        Content::Object { object, .. } => Some(signed_url(shared, "GET", &storage_key(object), expires)),
        Content::Reference { url } => Some(url.clone()),
        Content::Link { .. } | Content::Error { .. } => None,
    }
}

pub(super) fn redirect(context: &Context) -> Answer {
    let (_, _, artifact) = found(context)?;
    let storage_type = artifact.content.storage_type();
    let header = ("x-taskcluster-artifact-storage-type", storage_type);
    if let Content::Error { reason, message } = &artifact.content {
        let mut failed = answer(424);
        failed.insert_header(header);
        return Ok(json_body(failed, &json!({"reason": reason, "message": message})));
    }
    let url = url(context, &artifact.content).unwrap_or_default();
    let mut redirect = answer(303);
    redirect.insert_header(header).insert_header(("location", url.as_str()));
    Ok(json_body(redirect, &json!({"storageType": storage_type, "url": url})))
}

pub(super) fn content(context: &Context) -> Answer {
    let (run, last_name, artifact) = found(context)?;
    let storage_type = artifact.content.storage_type();
    let body = match &artifact.content {
        Content::Error { reason, message } => {
            json!({"storageType": storage_type, "reason": reason, "message": message})
        }
        Content::Object { object, .. } => {
            let expiry = context.shared.now().plus(DOWNLOAD_CREDENTIALS_MS);
            let credentials = context.credentials(
                format!("artifact-download/{run}/{last_name}"),
                vec![format!("object:download:{object}")],
                expiry,
            );
            json!({"storageType": storage_type, "name": object, "credentials": credentials})
        }
        other => json!({"storageType": storage_type, "url": url(context, other)}),
    };
    Ok(context.json(&body))
}

/// Refuses whoever may not see which artifacts there are.
fn may_list(context: &Context) -> Result<(), ApiError> {
    let task_id = context.params.task_id()?;
    context.authorize_one(match context.call {
        Call::ListArtifacts | Call::ArtifactInfo => {
            format!("queue:list-artifacts:{task_id}:{}", context.params.run_id()?)
        }
        _ => format!("queue:list-artifacts:{task_id}"),
    })
}

pub(super) fn info(context: &Context) -> Answer {
    may_list(context)?;
    let run = run(context)?;
    let info = context.shared.read(|state| state.artifact_info(&run, context.params.get("name")))?;
    Ok(context.json(&info))
}

pub(super) fn list(context: &Context) -> Answer {
    may_list(context)?;
    let run = run(context)?;
    let token = context.query("continuationToken");
    let (artifacts, next) =
        context.shared.read(|state| state.list_artifacts(&run, token.as_deref(), limit(context)))?;
    let mut body = json!({"artifacts": artifacts});
    if let Some(next) = next {
        put(&mut body, "continuationToken", Value::String(next));
    }
    Ok(context.json(&body))
}
