//! Temporary credentials: issuing them and checking their certificate (taskcluster-api.md 2.1).

use super::AuthError;
use super::hawk::{hmac, verifies};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use scriptworker_core::scope::{Scope, satisfies_all};
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::embedded_queue::options::ClientGrant;

/// How far start and expiry may lie on the wrong side of the present.
const TOLERANCE_MS: i64 = 5 * 60 * 1000;
/// No certificate is good for longer.
const LONGEST_MS: i64 = 31 * 24 * 3600 * 1000;

/// The certificate of temporary credentials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Certificate {
    version: u8,
    scopes: Vec<Scope>,
    start: i64,
    expiry: i64,
    seed: String,
    signature: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
}

/// Temporary credentials as they are handed out.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TemporaryCredentials {
    pub(crate) client_id: String,
    pub(crate) access_token: Secret,
    /// JSON as text.
    pub(crate) certificate: Secret,
}

/// What checked temporary credentials amount to.
pub(super) struct Checked {
    /// The key that requests must be signed with.
    pub(super) access_token: String,
    pub(super) scopes: Vec<Scope>,
}

impl Certificate {
    pub(super) fn from_json(json: &Value) -> Result<Self, AuthError> {
        serde_json::from_value(json.clone()).map_err(|_| AuthError::BadCertificate)
    }

    fn signed_text(&self, client_id: &str) -> String {
        let mut lines = vec![format!("version:{}", self.version)];
        if let Some(issuer) = &self.issuer {
            lines.push(format!("clientId:{client_id}"));
            lines.push(format!("issuer:{issuer}"));
        }
        lines.push(format!("seed:{}", self.seed));
        lines.push(format!("start:{}", self.start));
        lines.push(format!("expiry:{}", self.expiry));
        lines.push("scopes:".to_owned());
        lines.extend(self.scopes.iter().map(Scope::to_string));
        lines.join("\n")
    }

    /// Checks the certificate that came with requests of `client_id`, made by `issuer`.
    pub(super) fn check(
        &self,
        client_id: &str,
        issuer: &ClientGrant,
        now: UnixMillis,
    ) -> Result<Checked, AuthError> {
        if self.version != 1 {
            return Err(AuthError::BadCertificate);
        }
        if self.start > now.0.saturating_add(TOLERANCE_MS) {
            return Err(AuthError::CertificateNotYet);
        }
        if self.expiry < now.0.saturating_sub(TOLERANCE_MS) {
            return Err(AuthError::CertificateExpired);
        }
        if self.expiry.saturating_sub(self.start) > LONGEST_MS {
            return Err(AuthError::CertificateTooLong);
        }
        let key = issuer.access_token.expose();
        if !verifies(key, &self.signed_text(client_id), &self.signature) {
            return Err(AuthError::CertificateForged);
        }
        if self.issuer.is_some() {
            let may_name = Scope::parse(&format!("auth:create-client:{client_id}"))
                .is_ok_and(|need| satisfies_all(&issuer.scopes, &[need]));
            if !may_name {
                return Err(AuthError::IssuerMayNotName);
            }
        }
        if !satisfies_all(&issuer.scopes, &self.scopes) {
            return Err(AuthError::IssuerLacksScopes);
        }
        let access_token = URL_SAFE_NO_PAD.encode(hmac(key.as_bytes(), &self.seed));
        Ok(Checked { access_token, scopes: self.scopes.clone() })
    }
}

/// Makes named temporary credentials. `seed` must be 44 random characters.
pub(crate) fn issue(
    issuer: &ClientGrant,
    client_id: String,
    scopes: Vec<Scope>,
    start: UnixMillis,
    expiry: UnixMillis,
    seed: String,
) -> TemporaryCredentials {
    let mut certificate = Certificate {
        version: 1,
        scopes,
        start: start.0,
        expiry: expiry.0,
        seed,
        signature: String::new(),
        issuer: Some(issuer.client_id.clone()),
    };
    let key = issuer.access_token.expose().as_bytes();
    certificate.signature = STANDARD.encode(hmac(key, &certificate.signed_text(&client_id)));
    let access_token = Secret::new(URL_SAFE_NO_PAD.encode(hmac(key, &certificate.seed)));
    let json = serde_json::to_string(&certificate).unwrap_or_default();
    TemporaryCredentials { client_id, access_token, certificate: Secret::new(json) }
}
