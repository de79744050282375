//! A queue, an object service and a storage on loopback, which fail when told to.

use super::EXPIRES;
use actix_web::http::Method;
use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

/// What came to the storage in one PUT.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) complete: bool,
}

#[derive(Default)]
pub(crate) struct World {
    /// Method and decoded path of every call to a service, with its body.
    pub(crate) calls: Vec<(String, Value)>,
    pub(crate) received: Vec<Received>,
    /// Statuses of the next PUTs of an artifact.
    pub(crate) put_answers: BTreeMap<String, Vec<u16>>,
    /// Statuses of the next `createArtifact` of an artifact.
    pub(crate) create_answers: BTreeMap<String, Vec<u16>>,
    /// A file that loses its last byte when the first bytes of an artifact arrive.
    pub(crate) shrink: Option<(String, PathBuf)>,
    pub(crate) origin: String,
    urls: u32,
}

pub(crate) type Shared = web::Data<Mutex<World>>;

fn planned(answers: &mut BTreeMap<String, Vec<u16>>, name: &str) -> Option<u16> {
    answers.get_mut(name).filter(|left| !left.is_empty()).map(|left| left.remove(0))
}

fn status(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::build(status.try_into().unwrap()).json(body)
}

pub(crate) async fn serve(world: Shared, request: HttpRequest, payload: Payload) -> HttpResponse {
    let path = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8().unwrap().into_owned();
    if let Some(name) = path.strip_prefix("/storage/") {
        return storage(&world, name, &request, payload).await;
    }
    let body = payload.to_bytes().await.unwrap();
    let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    assert!(request.headers().contains_key("authorization"), "{path} is not signed");
    let mut world = world.lock().unwrap();
    world.calls.push((format!("{} {path}", request.method()), body.clone()));
    if let Some(name) = path.strip_prefix("/api/queue/v1/task/Ypg6xKhKRU-pnkwylNQrMw/runs/0/artifacts/") {
        if *request.method() == Method::PUT {
            return HttpResponse::NoContent().finish();
        }
        return create_artifact(&mut world, name, &body);
    }
    if let Some(name) = path.strip_prefix("/api/object/v1/upload/") {
        let target =
            json!({"url": world.new_url(name), "expires": EXPIRES, "headers": {"x-stored-as": "object"}});
        return status(
            200,
            &json!({"projectId": "p", "uploadId": "u", "expires": EXPIRES, "uploadMethod": {"putUrl": target}}),
        );
    }
    if path.starts_with("/api/object/v1/finish-upload/") {
        return status(200, &json!({}));
    }
    HttpResponse::NotFound().finish()
}

impl World {
    fn new_url(&mut self, name: &str) -> String {
        self.urls += 1;
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        format!("{}/storage/{name}?X-Amz-Signature=canary{}", self.origin, self.urls)
    }
}

fn create_artifact(world: &mut World, name: &str, body: &Value) -> HttpResponse {
    if let Some(refusal) = planned(&mut world.create_answers, name) {
        let code = if refusal == 409 { "RequestConflict" } else { "InputError" };
        return status(refusal, &json!({"code": code, "message": "canned refusal"}));
    }
    let kind = body["storageType"].as_str().unwrap();
    status(
        200,
        &match kind {
            "s3" => json!({
                "storageType": "s3", "putUrl": world.new_url(name), "expires": EXPIRES,
                "contentType": body["contentType"],
            }),
            "object" => json!({
                "storageType": "object", "name": "t/o", "projectId": "p", "uploadId": "u", "expires": EXPIRES,
                "credentials": {"clientId": "object-client", "accessToken": "canary-token"},
            }),
            other => json!({ "storageType": other }),
        },
    )
}

async fn storage(world: &Shared, name: &str, request: &HttpRequest, mut payload: Payload) -> HttpResponse {
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
        .collect();
    let mut received = Received {
        name: name.to_owned(),
        url: request.uri().to_string(),
        headers,
        bytes: Vec::new(),
        complete: true,
    };
    while let Some(piece) = payload.next().await {
        let Ok(piece) = piece else {
            received.complete = false;
            break;
        };
        received.bytes.extend_from_slice(&piece);
        let mut world = world.lock().unwrap();
        if world.shrink.as_ref().is_some_and(|(shrinking, _)| shrinking == name) {
            let (_, path) = world.shrink.take().unwrap();
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        }
    }
    let mut world = world.lock().unwrap();
    world.received.push(received);
    match planned(&mut world.put_answers, name) {
        None | Some(200) => HttpResponse::Ok().finish(),
        Some(refusal) => HttpResponse::build(refusal.try_into().unwrap()).body(
            "<Error><Code>SlowDown</Code><Message>later</Message><StringToSign>canary</StringToSign></Error>",
        ),
    }
}
