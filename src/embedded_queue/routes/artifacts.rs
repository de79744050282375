//! Making artifacts: `createArtifact` and `finishArtifact`.

use super::claims::run_key;
use super::context::{Context, text};
use super::storage::signed_url;
use super::{Answer, date};
use crate::embedded_queue::errors::answer;
use crate::embedded_queue::options::millis;
use crate::embedded_queue::schema;
use crate::embedded_queue::shared::slugid;
use crate::embedded_queue::state::artifact::{Artifact, Content, Wish, WishKind};
use scriptworker_core::ids::RunKey;
use serde_json::{Map, Value, json};

/// Upload credentials for the object service last at most a day.
const UPLOAD_CREDENTIALS_MS: i64 = 24 * 3600 * 1000;

pub(super) fn create(context: &mut Context) -> Answer {
    let run = run_key(context)?;
    context.authorize_one(format!("queue:create-artifact:{run}"))?;
    let body = context.checked_body(schema::create_artifact(&context.payload))?;
    let name = context.params.get("name").to_owned();
    let wish = wish(&body);
    let artifact =
        context.shared.update(|state, now| state.create_artifact(&run, &name, wish, slugid(), now))?;
    let answer = created(context, &run, &artifact);
    Ok(context.json(&answer))
}

fn wish(body: &Map<String, Value>) -> Wish {
    let length = body.get("contentLength").and_then(Value::as_u64);
    let kind = match text(body, "storageType").as_str() {
        "s3" => WishKind::S3 { length },
        "object" => WishKind::Object { length },
        "reference" => WishKind::Reference { url: text(body, "url") },
        "link" => WishKind::Link { artifact: text(body, "artifact") },
        _ => WishKind::Error { reason: text(body, "reason"), message: text(body, "message") },
    };
    let content_type = body.get("contentType").and_then(Value::as_str).map(str::to_owned);
    Wish { kind, content_type, expires: date(body.get("expires")) }
}

/// What the worker has to do next.
fn created(context: &Context, run: &RunKey, artifact: &Artifact) -> Value {
    let shared = &context.shared;
    match &artifact.content {
        Content::S3 { key } => {
            let expires = shared.now().plus(millis(shared.options.put_url_lifetime));
            json!({
                "storageType": "s3",
                "contentType": artifact.content_type,
                "expires": expires,
                "putUrl": signed_url(shared, "PUT", key, expires),
            })
        }
        Content::Object { object, project_id, upload_id, .. } => {
            let worker = shared.read(|state| state.run_of(run).ok().and_then(|run| run.worker.clone()));
            let client_id = match worker {
                Some(worker) => format!("artifact-upload/{run}/on/{}/{}", worker.group, worker.id),
                None => format!("artifact-upload/{run}"),
            };
            let scopes = vec![format!("object:upload:{project_id}:{object}")];
            let expiry = artifact.expires.min(shared.now().plus(UPLOAD_CREDENTIALS_MS));
            json!({
                "storageType": "object",
                "name": object,
                "projectId": project_id,
                "uploadId": upload_id,
                "expires": artifact.expires,
                "credentials": context.credentials(client_id, scopes, expiry),
            })
        }
        other => json!({"storageType": other.storage_type()}),
    }
}

pub(super) fn finish(context: &mut Context) -> Answer {
    let run = run_key(context)?;
    context.authorize_one(format!("queue:create-artifact:{run}"))?;
    let body = context.checked_body(&schema::FINISH_ARTIFACT)?;
    let name = context.params.get("name").to_owned();
    let upload_id = text(&body, "uploadId");
    context.shared.update(|state, _| state.finish_artifact(&run, &name, &upload_id))?;
    Ok(answer(204).finish())
}
