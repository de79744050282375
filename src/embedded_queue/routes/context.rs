//! One request on its way through its handler.

use crate::embedded_queue::auth::{
    Expression, Identity, Signature, SignedRequest, TemporaryCredentials, issue, payload_hash,
};
use crate::embedded_queue::call::{Call, Params};
use crate::embedded_queue::errors::{ApiError, answer, json_body};
use crate::embedded_queue::schema::Schema;
use crate::embedded_queue::shared::{Shared, slugid};
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use scriptworker_core::scope::Scope;
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// No request of the API is longer.
const LONGEST_BODY: usize = 10 * 1024 * 1024;

/// Reads a request's body.
pub(super) async fn read_body(mut body: web::Payload) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) if bytes.len() + chunk.len() <= LONGEST_BODY => bytes.extend_from_slice(&chunk),
            _ => return Err(ApiError::BodyUnreadable { limit: LONGEST_BODY }),
        }
    }
    Ok(bytes.freeze())
}

/// One request on its way through its handler.
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) call: Call,
    pub(super) params: Params,
    pub(super) request: HttpRequest,
    /// The body as error answers repeat it.
    pub(super) payload: Value,
    body: Bytes,
    /// Why the body cannot be taken as JSON.
    body_error: Option<ApiError>,
}

impl Context {
    pub(super) fn new(
        shared: Arc<Shared>,
        call: Call,
        params: Params,
        request: HttpRequest,
        body: Bytes,
    ) -> Self {
        let mut context = Self { shared, call, params, request, payload: json!({}), body, body_error: None };
        let content_type = context.header(&CONTENT_TYPE).map(str::to_owned);
        if !context.has_json_type() {
            context.body_error = Some(ApiError::NotJson(content_type));
        } else {
            match serde_json::from_slice(&context.body) {
                Ok(payload) => context.payload = payload,
                Err(error) => {
                    context.payload = json!(String::from_utf8_lossy(&context.body));
                    context.body_error = Some(ApiError::BadJson(error.to_string()));
                }
            }
        }
        context
    }

    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// The content type without its parameters; empty when there is none.
    fn media_type(&self) -> String {
        let value = self.header(&CONTENT_TYPE).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    fn has_json_type(&self) -> bool {
        self.media_type() == "application/json"
    }

    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let query = self.request.uri().query()?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// Who asks.
    pub(super) fn identify(&self) -> Result<Identity, ApiError> {
        let host = self.header(&HOST).unwrap_or_default().to_ascii_lowercase();
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) => (host.to_owned(), port.parse().unwrap_or(80)),
            None => (host, 80),
        };
        let uri = self.request.uri();
        let signed = SignedRequest {
            method: self.request.method().as_str().to_owned(),
            target: uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
            host,
            port,
        };
        let bewit = self.query("bewit");
        let signature = match (self.header(&AUTHORIZATION), bewit.as_deref()) {
            (Some(header), _) => Signature::Header(header),
            (None, Some(bewit)) => Signature::Bewit(bewit),
            (None, None) => Signature::None,
        };
        // Like the real service: a body that is no JSON is hashed as an empty one.
        let hash = || {
            let body: &[u8] = if self.has_json_type() { &self.body } else { &[] };
            payload_hash(&self.media_type(), body)
        };
        Ok(self.shared.clients.identify(&signed, signature, hash, self.shared.now())?)
    }

    /// Refuses whoever does not have these scopes.
    pub(super) fn authorize(&self, need: &Expression) -> Result<(), ApiError> {
        let identity = self.identify()?;
        if need.is_satisfied(&identity.scopes) {
            return Ok(());
        }
        let complaint = need.complaint(identity.client_id.as_deref(), &identity.scopes);
        Err(ApiError::Scopes { complaint })
    }

    /// The same for a single scope.
    pub(super) fn authorize_one(&self, scope: String) -> Result<(), ApiError> {
        self.authorize(&Expression::one(scope))
    }

    /// The body, if it is what the schema asks for.
    pub(super) fn checked_body(&mut self, schema: &Schema) -> Result<Map<String, Value>, ApiError> {
        if let Some(error) = self.body_error.take() {
            return Err(error);
        }
        schema.check(&self.payload).cloned().map_err(|errors| ApiError::Invalid {
            root_url: self.shared.root_url.clone(),
            schema: schema.name,
            errors,
        })
    }

    /// A JSON answer.
    #[expect(clippy::unused_self, reason = "reads as part of the request's handling")]
    pub(super) fn json(&self, body: &Value) -> HttpResponse {
        json_body(answer(200), body)
    }

    /// Temporary credentials of the queue's making, good from now on.
    pub(super) fn credentials(
        &self,
        client_id: String,
        scopes: Vec<String>,
        expiry: UnixMillis,
    ) -> TemporaryCredentials {
        let scopes = scopes.iter().filter_map(|text| Scope::parse(text).ok()).collect();
        let seed = slugid() + &slugid();
        issue(&self.shared.options.issuer, client_id, scopes, self.shared.now(), expiry, seed)
    }
}

/// A text of a body that its schema has checked.
pub(super) fn text(body: &Map<String, Value>, key: &str) -> String {
    body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
