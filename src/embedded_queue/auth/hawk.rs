//! The Hawk scheme: headers, MACs, payload hashes, bewits (taskcluster-api.md 2, 2.2).

use super::AuthError;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// What is signed of a request.
#[derive(Debug, Clone)]
pub(crate) struct SignedRequest {
    pub(crate) method: String,
    /// Path and query exactly as they were sent.
    pub(crate) target: String,
    /// From the `Host` header, in lower case.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A parsed `Authorization: Hawk …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: String,
    pub(super) ts: i64,
    pub(super) nonce: String,
    pub(super) mac: String,
    pub(super) hash: Option<String>,
    pub(super) ext: Option<String>,
}

impl Header {
    /// Reads the header's value.
    pub(super) fn parse(text: &str) -> Result<Self, AuthError> {
        let rest = text
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("hawk"))
            .map(|(_, rest)| rest)
            .ok_or(AuthError::NotHawk)?;
        let (mut id, mut ts, mut nonce, mut mac, mut hash, mut ext) = (None, None, None, None, None, None);
        for attribute in rest.split(',') {
            let (key, value) = attribute.trim().split_once('=').ok_or(AuthError::BadHeader)?;
            let value = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'))
                .ok_or(AuthError::BadHeader)?;
            let place = match key {
                "id" => &mut id,
                "ts" => &mut ts,
                "nonce" => &mut nonce,
                "mac" => &mut mac,
                "hash" => &mut hash,
                "ext" => &mut ext,
                _ => return Err(AuthError::BadHeader),
            };
            if place.replace(value.to_owned()).is_some() {
                return Err(AuthError::BadHeader);
            }
        }
        let (Some(id), Some(ts), Some(nonce), Some(mac)) = (id, ts, nonce, mac) else {
            return Err(AuthError::BadHeader);
        };
        Ok(Self { id, ts: ts.parse().map_err(|_| AuthError::BadHeader)?, nonce, mac, hash, ext })
    }

    /// Whether the MAC was made with this key for this request.
    pub(super) fn is_signed_with(&self, key: &str, request: &SignedRequest) -> bool {
        let text = normalized(
            "header",
            &self.ts.to_string(),
            &self.nonce,
            request,
            self.hash.as_deref().unwrap_or_default(),
            self.ext.as_deref().unwrap_or_default(),
        );
        verifies(key, &text, &self.mac)
    }
}

/// A parsed bewit: the signature of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bewit {
    pub(super) id: String,
    pub(super) expires: i64,
    pub(super) mac: String,
    pub(super) ext: Option<String>,
}

impl Bewit {
    /// Reads the value of the query parameter.
    pub(super) fn parse(text: &str) -> Result<Self, AuthError> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| AuthError::BadBewit)?;
        let text = String::from_utf8(bytes).map_err(|_| AuthError::BadBewit)?;
        let mut parts = text.split('\\').map(str::to_owned);
        let (Some(id), Some(expires), Some(mac), Some(ext), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(AuthError::BadBewit);
        };
        let expires = expires.parse().map_err(|_| AuthError::BadBewit)?;
        Ok(Self { id, expires, mac, ext: (!ext.is_empty()).then_some(ext) })
    }

    /// Whether the MAC was made with this key for this request, whose target has the bewit still in it.
    pub(super) fn is_signed_with(&self, key: &str, request: &SignedRequest) -> bool {
        let mut request = request.clone();
        request.method = "GET".to_owned();
        request.target = without_bewit(&request.target);
        let ext = self.ext.as_deref().unwrap_or_default();
        let text = normalized("bewit", &self.expires.to_string(), "", &request, "", ext);
        verifies(key, &text, &self.mac)
    }
}

/// A path with query from which the bewit was taken out.
fn without_bewit(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let rest: Vec<&str> = query.split('&').filter(|part| !part.starts_with("bewit=")).collect();
    if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }
}

fn normalized(kind: &str, ts: &str, nonce: &str, request: &SignedRequest, hash: &str, ext: &str) -> String {
    let SignedRequest { method, target, host, port } = request;
    format!(
        "hawk.1.{kind}\n{ts}\n{nonce}\n{}\n{target}\n{host}\n{port}\n{hash}\n{ext}\n",
        method.to_uppercase()
    )
}

/// The hash of a request's body, for a body of this content type (without parameters).
pub(crate) fn payload_hash(content_type: &str, body: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"hawk.1.payload\n");
    hasher.update(content_type.as_bytes());
    hasher.update(b"\n");
    hasher.update(body);
    hasher.update(b"\n");
    STANDARD.encode(hasher.finalize())
}

/// HMAC-SHA256.
pub(super) fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        // HMAC takes keys of any length; an empty MAC equals no signature.
        Err(_) => Vec::new(),
    }
}

/// Whether a base64 MAC (either alphabet) belongs to key and text; the comparison takes the same time for all.
pub(super) fn verifies(key: &str, text: &str, mac: &str) -> bool {
    let Some(given) = decode_any_base64(mac) else { return false };
    let Ok(mut own) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return false };
    own.update(text.as_bytes());
    own.verify_slice(&given).is_ok()
}

/// Base64 of either alphabet, padded or not.
pub(super) fn decode_any_base64(text: &str) -> Option<Vec<u8>> {
    let plain = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(plain).ok()
}

/// The signature of a storage URL: what it allows, where, until when.
pub(crate) fn url_signature(key: &[u8], method: &str, place: &str, expires: i64) -> String {
    URL_SAFE_NO_PAD.encode(hmac(key, &format!("storage\n{method}\n{place}\n{expires}")))
}

/// Whether a storage URL's signature is right.
pub(crate) fn verify_url_signature(
    key: &[u8],
    method: &str,
    place: &str,
    expires: i64,
    signature: &str,
) -> bool {
    let Ok(given) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let Ok(mut own) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    own.update(format!("storage\n{method}\n{place}\n{expires}").as_bytes());
    own.verify_slice(&given).is_ok()
}
