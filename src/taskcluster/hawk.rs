//! Hawk: the signature of a request (taskcluster-api.md 2) and of a URL (2.2).
//!
//! Pure: clock and nonce come from the caller, who takes fresh ones for every attempt.

use super::credentials::{Credentials, NoCredentials};
use super::url::Target;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use hawk::{DigestAlgorithm, Key, PayloadHasher, RequestBuilder, SHA256};
use scriptworker_core::secret::Secret;
use std::time::SystemTime;

/// The content type under which JSON bodies are sent and hashed.
pub(crate) const JSON: &str = "application/json";

const ALGORITHM: DigestAlgorithm = SHA256;

/// What is signed.
pub(crate) struct Signing<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a Target,
    /// The JSON body; `None` is a request without one, whose (empty) payload is hashed all the same.
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) now: SystemTime,
    pub(crate) nonce: &'a str,
}

/// The value of the `Authorization` header.
pub(crate) fn authorization(
    credentials: &Credentials,
    signing: &Signing<'_>,
) -> Result<Secret, NoCredentials> {
    let ext = ext(credentials)?;
    let hash = PayloadHasher::hash(
        if signing.body.is_some() { JSON } else { "" },
        ALGORITHM,
        signing.body.unwrap_or_default(),
    )
    .map_err(|_| NoCredentials::NotForAHeader)?;
    let target = signing.target;
    let header = RequestBuilder::new(signing.method, &target.host, target.port, &target.path_and_query)
        .hash(&hash[..])
        .ext(ext.as_str())
        .request()
        .make_header_full(&key_of(credentials)?, signing.now, signing.nonce)
        .map_err(|_| NoCredentials::NotForAHeader)?;
    Ok(Secret::new(format!("Hawk {header}")))
}

/// The URL with a `bewit` that lets whoever has it GET this address until `expiry`.
pub(crate) fn signed_url(
    credentials: &Credentials,
    target: &Target,
    expiry: SystemTime,
) -> Result<Secret, NoCredentials> {
    let ext = ext(credentials)?;
    let key = key_of(credentials)?;
    let bewit = RequestBuilder::new("GET", &target.host, target.port, &target.path_and_query)
        .ext(ext.as_str())
        .request()
        .make_bewit(&key, expiry)
        .map_err(|_| NoCredentials::NotForAHeader)?
        .to_str();
    let joint = if target.path_and_query.contains('?') { '&' } else { '?' };
    Ok(Secret::new(format!("{}{joint}bewit={bewit}", target.exposed())))
}

/// Base64 of `{}` or `{"certificate": {…}}`. The certificate goes in as the text it is, so that what the issuer
/// signed is what the server sees.
fn ext(credentials: &Credentials) -> Result<String, NoCredentials> {
    let Some(certificate) = &credentials.certificate else { return Ok(URL_SAFE.encode("{}")) };
    let text = certificate.expose().trim();
    // an object, looked at without keeping anything: this is done for every request
    if !text.starts_with('{') || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(NoCredentials::MalformedCertificate);
    }
    Ok(URL_SAFE.encode(format!("{{\"certificate\":{text}}}")))
}

fn key_of(credentials: &Credentials) -> Result<hawk::Credentials, NoCredentials> {
    let id = credentials.client_id.clone();
    if !id.bytes().all(|byte| (0x20..=0x7e).contains(&byte) && byte != b'\\' && byte != b'"') {
        // a bewit separates its parts with backslashes, a header quotes its values
        return Err(NoCredentials::NotForAHeader);
    }
    let key =
        Key::new(credentials.access_token.expose(), ALGORITHM).map_err(|_| NoCredentials::NotForAHeader)?;
    Ok(hawk::Credentials { id, key })
}

#[cfg(test)]
mod recorded;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn credentials(id: &str, certificate: Option<&str>) -> Credentials {
        Credentials {
            client_id: id.to_owned(),
            access_token: Secret::new("canary"),
            certificate: certificate.map(Secret::new),
        }
    }

    #[test]
    fn what_cannot_be_signed_has_a_reason() {
        let target = Target::parse("http://a/").unwrap();
        let sign = |credentials: &Credentials| {
            let signing = Signing { method: "GET", target: &target, body: None, now: UNIX_EPOCH, nonce: "n" };
            authorization(credentials, &signing).map(|header| header.expose().to_owned())
        };
        assert_eq!(sign(&credentials("a\"b", None)), Err(NoCredentials::NotForAHeader));
        assert_eq!(sign(&credentials("a\\b", None)), Err(NoCredentials::NotForAHeader));
        for no_object in ["", "{", "[]", "\"x\"", "{}}"] {
            assert_eq!(
                sign(&credentials("a", Some(no_object))),
                Err(NoCredentials::MalformedCertificate),
                "{no_object}"
            );
        }
        assert!(sign(&credentials("a", Some(" {\"version\":1}\n"))).unwrap().contains("ext=\"eyJ"));
    }

    #[test]
    fn a_bewit_follows_an_existing_query() {
        let expiry = UNIX_EPOCH + Duration::from_secs(5);
        for (url, start) in [("http://a/b", "http://a/b?bewit="), ("http://a/b?c", "http://a/b?c&bewit=")] {
            let target = Target::parse(url).unwrap();
            let signed = signed_url(&credentials("me", None), &target, expiry).unwrap();
            assert!(signed.expose().starts_with(start));
        }
    }
}
