//! From a request's signature to a client with scopes.

use super::certificate::Certificate;
use super::hawk::{Bewit, Header, SignedRequest, decode_any_base64};
use crate::embedded_queue::options::ClientGrant;
use scriptworker_core::scope::{Scope, satisfies_all};
use scriptworker_core::time::UnixMillis;
use serde_json::Value;

/// How far the date of a request may be from the queue's.
const REQUEST_DRIFT_S: i64 = 15 * 60;

/// Why a request's signature does not count (401). The words are those that clients of the real service get.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("Unauthorized: Unauthorized")]
    NotHawk,
    #[error("Bad Request: Bad header format")]
    BadHeader,
    #[error("Bad Request: Invalid bewit encoding")]
    BadBewit,
    #[error("Unauthorized: Access expired")]
    BewitExpired,
    #[error("Bad Request: a bewit signs only GET requests, and only alone")]
    BewitMisused,
    #[error("Client with clientId '{0}' not found")]
    UnknownClient(String),
    #[error("Unauthorized: Bad mac")]
    BadMac,
    #[error("Unauthorized: Stale timestamp")]
    Stale,
    #[error(
        "Invalid payload hash: {{{{hash}}}}\nComputed payload hash: {computed}\nThe signed hash is not that of the body that arrived."
    )]
    WrongPayloadHash { computed: String },
    #[error("Failed to parse ext")]
    BadExt,
    #[error("ext.certificate is not a certificate of version 1")]
    BadCertificate,
    #[error("ext.certificate.start > now")]
    CertificateNotYet,
    #[error("ext.certificate.expiry < now")]
    CertificateExpired,
    #[error("ext.certificate cannot last longer than 31 days!")]
    CertificateTooLong,
    #[error("ext.certificate.signature is not valid, or wrong clientId provided")]
    CertificateForged,
    #[error("ext.certificate.issuer must have the scope auth:create-client:<clientId>")]
    IssuerMayNotName,
    #[error("ext.certificate issuer doesn't satisfy the certificate's scopes")]
    IssuerLacksScopes,
    #[error("ext.authorizedScopes oversteps your scopes")]
    AuthorizedScopesTooWide,
}

/// How a request is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signature<'a> {
    None,
    Header(&'a str),
    Bewit(&'a str),
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `None`: nobody in particular.
    pub(crate) client_id: Option<String>,
    /// With those that anybody has.
    pub(crate) scopes: Vec<Scope>,
}

/// Everybody whose signature counts.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) clients: Vec<ClientGrant>,
    pub(crate) anonymous_scopes: Vec<Scope>,
}

impl Clients {
    fn find(&self, client_id: &str) -> Result<&ClientGrant, AuthError> {
        self.clients
            .iter()
            .find(|client| client.client_id == client_id)
            .ok_or_else(|| AuthError::UnknownClient(client_id.to_owned()))
    }

    /// Finds out who signed a request. `body_hash` computes the payload hash, if one was signed.
    pub(crate) fn identify(
        &self,
        request: &SignedRequest,
        signature: Signature<'_>,
        body_hash: impl FnOnce() -> String,
        now: UnixMillis,
    ) -> Result<Identity, AuthError> {
        match signature {
            Signature::None => Ok(Identity { client_id: None, scopes: self.anonymous_scopes.clone() }),
            Signature::Bewit(text) => {
                let bewit = Bewit::parse(text)?;
                if !matches!(request.method.as_str(), "GET" | "HEAD") {
                    return Err(AuthError::BewitMisused);
                }
                if bewit.expires <= now.0 / 1000 {
                    return Err(AuthError::BewitExpired);
                }
                let (key, scopes) = self.key_and_scopes(&bewit.id, bewit.ext.as_deref(), now)?;
                if !bewit.is_signed_with(&key, request) {
                    return Err(AuthError::BadMac);
                }
                Ok(self.identity(bewit.id, scopes))
            }
            Signature::Header(text) => {
                let header = Header::parse(text)?;
                let (key, scopes) = self.key_and_scopes(&header.id, header.ext.as_deref(), now)?;
                if !header.is_signed_with(&key, request) {
                    return Err(AuthError::BadMac);
                }
                if header.ts.abs_diff(now.0 / 1000) > REQUEST_DRIFT_S.unsigned_abs() {
                    return Err(AuthError::Stale);
                }
                if let Some(signed) = &header.hash {
                    let computed = body_hash();
                    if *signed != computed {
                        return Err(AuthError::WrongPayloadHash { computed });
                    }
                }
                Ok(self.identity(header.id, scopes))
            }
        }
    }

    fn identity(&self, client_id: String, mut scopes: Vec<Scope>) -> Identity {
        scopes.extend(self.anonymous_scopes.iter().cloned());
        Identity { client_id: Some(client_id), scopes }
    }

    /// The signing key and the scopes of a client, or of the temporary credentials that `ext` describes.
    fn key_and_scopes(
        &self,
        client_id: &str,
        ext: Option<&str>,
        now: UnixMillis,
    ) -> Result<(String, Vec<Scope>), AuthError> {
        let ext = match ext {
            None => Value::Null,
            Some(text) => {
                let bytes = decode_any_base64(text).ok_or(AuthError::BadExt)?;
                serde_json::from_slice(&bytes).map_err(|_| AuthError::BadExt)?
            }
        };
        let (key, mut scopes) = match ext.get("certificate") {
            None => {
                let client = self.find(client_id)?;
                (client.access_token.expose().to_owned(), client.scopes.clone())
            }
            Some(json) => {
                let certificate = Certificate::from_json(json)?;
                let issuer = match &certificate.issuer {
                    Some(issuer) if issuer == client_id => return Err(AuthError::BadCertificate),
                    Some(issuer) => self.find(issuer)?,
                    None => self.find(client_id)?,
                };
                let checked = certificate.check(client_id, issuer, now)?;
                (checked.access_token, checked.scopes)
            }
        };
        if let Some(wanted) = ext.get("authorizedScopes") {
            let wanted: Vec<Scope> = serde_json::from_value(wanted.clone()).map_err(|_| AuthError::BadExt)?;
            let mut have = scopes.clone();
            have.extend(self.anonymous_scopes.iter().cloned());
            if !satisfies_all(&have, &wanted) {
                return Err(AuthError::AuthorizedScopesTooWide);
            }
            scopes = wanted;
        }
        Ok((key, scopes))
    }
}
