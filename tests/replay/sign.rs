//! Signing as Taskcluster clients do. The MACs are those of the `hawk` crate, not of the code under test.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hawk::{Credentials, Key, PayloadHasher, RequestBuilder, SHA256};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{Duration, SystemTime};

/// Credentials to sign with.
#[derive(Debug, Clone)]
pub(crate) struct Creds {
    pub(crate) client_id: String,
    pub(crate) access_token: String,
    pub(crate) certificate: Option<Value>,
}

impl Creds {
    pub(crate) fn permanent(client_id: &str, access_token: &str) -> Self {
        Self { client_id: client_id.to_owned(), access_token: access_token.to_owned(), certificate: None }
    }

    /// From the `credentials` of an answer.
    pub(crate) fn from_json(json: &Value) -> Option<Self> {
        Some(Self {
            client_id: json.get("clientId")?.as_str()?.to_owned(),
            access_token: json.get("accessToken")?.as_str()?.to_owned(),
            certificate: serde_json::from_str(json.get("certificate")?.as_str()?).ok(),
        })
    }

    fn ext(&self) -> String {
        let ext = match &self.certificate {
            Some(certificate) => json!({"certificate": certificate}),
            None => json!({}),
        };
        STANDARD.encode(ext.to_string())
    }

    fn hawk(&self) -> Credentials {
        let key = Key::new(self.access_token.as_bytes(), SHA256).unwrap();
        Credentials { id: self.client_id.clone(), key }
    }
}

/// What of a request is signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) address: &'a str,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// `None`: no payload hash.
    pub(crate) hash: Option<Vec<u8>>,
}

pub(crate) fn hash(content_type: &str, body: &[u8]) -> Vec<u8> {
    PayloadHasher::hash(content_type, SHA256, body).unwrap()
}

/// The `Authorization` header.
pub(crate) fn header(creds: &Creds, ext: Option<String>, signed: &Signed<'_>) -> String {
    let ext = ext.unwrap_or_else(|| creds.ext());
    let (host, port) = signed.address.split_once(':').unwrap();
    let request = RequestBuilder::new(signed.method, host, port.parse().unwrap(), signed.target)
        .hash(signed.hash.as_deref())
        .ext(ext.as_str())
        .request();
    let ts = SystemTime::UNIX_EPOCH + Duration::from_millis(signed.at.unsigned_abs());
    format!("Hawk {}", request.make_header_full(&creds.hawk(), ts, "nonce1").unwrap())
}

/// The bewit for a GET.
pub(crate) fn bewit(creds: &Creds, signed: &Signed<'_>, expires_s: u64) -> String {
    let (host, port) = signed.address.split_once(':').unwrap();
    let ext = creds.ext();
    let request =
        RequestBuilder::new("GET", host, port.parse().unwrap(), signed.target).ext(ext.as_str()).request();
    let hawk = creds.hawk();
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(expires_s);
    request.make_bewit(&hawk, expires).unwrap().to_str()
}

pub(crate) fn hmac(key: &str, text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature of a certificate by the issuer's token (taskcluster-api.md 2.1).
pub(crate) fn certificate_signature(certificate: &Value, client_id: &str, issuer_token: &str) -> String {
    let mut lines = vec!["version:1".to_owned()];
    if let Some(issuer) = certificate["issuer"].as_str() {
        lines.push(format!("clientId:{client_id}"));
        lines.push(format!("issuer:{issuer}"));
    }
    lines.push(format!("seed:{}", certificate["seed"].as_str().unwrap()));
    lines.push(format!("start:{}", certificate["start"]));
    lines.push(format!("expiry:{}", certificate["expiry"]));
    lines.push("scopes:".to_owned());
    lines.extend(
        certificate["scopes"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap().to_owned()),
    );
    STANDARD.encode(hmac(issuer_token, &lines.join("\n")))
}

/// The token of temporary credentials.
pub(crate) fn temporary_token(certificate: &Value, issuer_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac(issuer_token, certificate["seed"].as_str().unwrap()))
}
