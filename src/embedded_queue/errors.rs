//! Error answers: one body for all of them (taskcluster-api.md 3).

use super::auth::AuthError;
use super::call::{Call, Params};
use super::state::refusal::{Code, Refusal};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder};
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};

/// An argument in the path that does not fit its pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadArgument {
    pub(crate) name: &'static str,
    pub(crate) given: String,
    pub(crate) pattern: &'static str,
}

/// Why a call was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// What the client is told that lacks scopes.
    #[error("{complaint}")]
    Scopes { complaint: String },
    #[error("\nSchema Validation Failed!\nRejecting Schema: {root_url}/schemas/{schema}\nErrors:\n  * {}", .errors.join("\n  * "))]
    Invalid { root_url: String, schema: &'static str, errors: Vec<String> },
    #[error("Payload must be JSON with content-type: application/json got content-type: {}", .0.as_deref().unwrap_or("null"))]
    NotJson(Option<String>),
    #[error("Failed to parse JSON: {0}")]
    BadJson(String),
    #[error("Invalid URL patterns:\n{}", shown(.0))]
    BadArguments(Vec<BadArgument>),
    #[error("the request's body is longer than {limit} bytes, or was cut off")]
    BodyUnreadable { limit: usize },
    #[error("Internal Server Error: the storage failed")]
    StorageFailed,
}

fn shown(arguments: &[BadArgument]) -> String {
    let lines: Vec<_> = arguments
        .iter()
        .map(|BadArgument { name, given, pattern }| {
            format!("URL parameter '{name}' given as '{given}' must match regular expression: '{pattern}'")
        })
        .collect();
    lines.join("\n")
}

impl ApiError {
    fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Auth(_) => Code::AuthenticationFailed,
            Self::Scopes { .. } => Code::InsufficientScopes,
            Self::Invalid { .. } => Code::InputValidationError,
            Self::NotJson(_) | Self::BadJson(_) => Code::MalformedPayload,
            Self::BadArguments(_) => Code::InvalidRequestArguments,
            Self::BodyUnreadable { .. } => Code::InputTooLarge,
            Self::StorageFailed => Code::InternalServerError,
        }
    }

    /// The answer.
    pub(crate) fn response(
        &self,
        call: Call,
        params: &Params,
        payload: &Value,
        now: UnixMillis,
    ) -> HttpResponse {
        let code = self.code();
        let status = code.status();
        let method = call.name();
        let params: Map<String, Value> =
            params.0.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let message = format!(
            "{self}\n\n---\n\n* method:     {method}\n* errorCode:  {code:?}\n* statusCode: {status}\n* time:       {now}"
        );
        let mut answer = answer(status);
        if code == Code::AuthenticationFailed {
            answer.insert_header(("www-authenticate", "hawk"));
        }
        json_body(
            answer,
            &json!({
                "code": format!("{code:?}"),
                "message": message,
                "requestInfo": {"method": method, "params": params, "payload": payload, "time": now},
            }),
        )
    }
}

/// The beginning of an answer with this status.
pub(crate) fn answer(status: u16) -> HttpResponseBuilder {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

/// A JSON answer, with the content type that the real services give.
pub(crate) fn json_body(mut answer: HttpResponseBuilder, body: &Value) -> HttpResponse {
    answer.insert_header(("content-type", "application/json; charset=utf-8")).body(body.to_string())
}
