//! Credentials: what they are, who hands them out, and how temporary ones are made (taskcluster-api.md 2.1).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::Sha256;
use std::sync::Arc;

/// A client id with its access token, and for temporary credentials the certificate that goes with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Who signs. Not a secret.
    pub client_id: String,
    /// The key of every signature.
    pub access_token: Secret,
    /// The certificate of temporary credentials, as the JSON text it came as. An empty text counts as none: that is
    /// how worker-runner writes it (taskcluster-api.md 7).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "none_if_empty")]
    pub certificate: Option<Secret>,
}

fn none_if_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<Secret>::deserialize(deserializer)?.filter(|certificate| !certificate.is_empty()))
}

/// Why a call that needs credentials cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCredentials {
    /// There never were any.
    #[error("no credentials are configured")]
    Missing,
    /// They were those of a run whose claim is over.
    #[error("the claim that the credentials belonged to is over")]
    ClaimOver,
    /// The certificate is no JSON object.
    #[error("the certificate of the credentials is not a JSON object")]
    MalformedCertificate,
    /// The client id or certificate holds a character that no header can.
    #[error("the credentials contain a character that cannot stand in a Hawk header")]
    NotForAHeader,
}

/// Hands out the credentials to use now. It is asked for every attempt of every call, so a renewal takes effect at
/// once; it must not block.
pub trait CredentialSource: Send + Sync {
    /// The current credentials, or why there are none any more.
    fn credentials(&self) -> Result<Arc<Credentials>, NoCredentials>;

    /// Whether others may be handed out later. Then a refused signature (401) is no last word: the call is tried
    /// again within its budget, until it goes through or there are no credentials any more.
    fn may_change(&self) -> bool {
        false
    }
}

/// Credentials that never change.
impl CredentialSource for Arc<Credentials> {
    fn credentials(&self) -> Result<Arc<Credentials>, NoCredentials> {
        Ok(Self::clone(self))
    }
}

/// Whether and as whom calls are made.
#[derive(Clone)]
pub enum Auth {
    /// No `Authorization` header: the scopes of the role `anonymous` apply.
    Anonymous,
    /// Signed with what the source hands out at that moment.
    As(Arc<dyn CredentialSource>),
}

impl Auth {
    /// Signs with credentials that never change.
    pub fn fixed(credentials: Credentials) -> Self {
        Self::As(Arc::new(Arc::new(credentials)))
    }

    /// Whether a later call may be signed with other credentials.
    pub(super) fn may_change(&self) -> bool {
        matches!(self, Self::As(source) if source.may_change())
    }

    /// What to sign the next request with; `None` means anonymously.
    pub(crate) fn current(&self) -> Result<Option<Arc<Credentials>>, NoCredentials> {
        match self {
            Self::Anonymous => Ok(None),
            Self::As(source) => source.credentials().map(Some),
        }
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::As(_) => "As(***)",
        })
    }
}

/// The longest life of temporary credentials: 31 days.
const LONGEST_LIFE_MS: i64 = 31 * 24 * 3600 * 1000;

/// Why temporary credentials cannot be made as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemporaryError {
    /// Temporary credentials cannot issue others.
    #[error("temporary credentials cannot issue others")]
    IssuerIsTemporary,
    /// The end is not after the start, or more than 31 days later.
    #[error("expected an expiry at most 31 days after the start {start}, found {expiry}")]
    Lifetime {
        /// First moment of validity.
        start: UnixMillis,
        /// Last moment of validity.
        expiry: UnixMillis,
    },
}

/// Makes temporary credentials without asking anybody. With a `name` they get that client id, for which the issuer
/// needs the scope `auth:create-client:<name>`; without, they keep the issuer's.
pub fn temporary(
    issuer: &Credentials,
    start: UnixMillis,
    expiry: UnixMillis,
    scopes: &[Scope],
    name: Option<&str>,
) -> Result<Credentials, TemporaryError> {
    if issuer.certificate.is_some() {
        return Err(TemporaryError::IssuerIsTemporary);
    }
    if !(1..=LONGEST_LIFE_MS).contains(&expiry.since(start)) {
        return Err(TemporaryError::Lifetime { start, expiry });
    }
    let seed: String = [(); 2].map(|()| URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes())).concat();
    let mut certificate = Certificate {
        version: 1,
        scopes: scopes.to_vec(),
        start: start.0,
        expiry: expiry.0,
        seed,
        signature: String::new(),
        issuer: name.map(|_| issuer.client_id.clone()),
    };
    certificate.signature = certificate.sign(&issuer.access_token, name);
    let text = serde_json::json!(certificate).to_string();
    Ok(Credentials {
        client_id: name.unwrap_or(&issuer.client_id).to_owned(),
        access_token: certificate.access_token(&issuer.access_token),
        certificate: Some(Secret::new(text)),
    })
}

/// The content of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Always 1.
    pub version: u32,
    /// What the credentials may do, at most what their issuer may.
    pub scopes: Vec<Scope>,
    /// First moment of validity, milliseconds since 1970.
    pub start: i64,
    /// Last moment of validity, milliseconds since 1970.
    pub expiry: i64,
    /// 44 random characters that the access token is derived from.
    pub seed: String,
    /// The issuer's signature over the rest.
    pub signature: String,
    /// The issuer of named credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

impl Certificate {
    /// The signature that an issuer with this token gives. `name` is the client id of named credentials.
    pub fn sign(&self, issuer_token: &Secret, name: Option<&str>) -> String {
        let mut lines = vec![format!("version:{}", self.version)];
        if let (Some(name), Some(issuer)) = (name, &self.issuer) {
            lines.push(format!("clientId:{name}"));
            lines.push(format!("issuer:{issuer}"));
        }
        lines.push(format!("seed:{}", self.seed));
        lines.push(format!("start:{}", self.start));
        lines.push(format!("expiry:{}", self.expiry));
        lines.push("scopes:".to_owned());
        lines.extend(self.scopes.iter().map(Scope::to_string));
        STANDARD.encode(hmac_sha256(issuer_token.expose().as_bytes(), lines.join("\n").as_bytes()))
    }

    /// The access token that belongs to the seed.
    pub fn access_token(&self, issuer_token: &Secret) -> Secret {
        let token = hmac_sha256(issuer_token.expose().as_bytes(), self.seed.as_bytes());
        Secret::new(URL_SAFE_NO_PAD.encode(token))
    }
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 2)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> Credentials {
        Credentials {
            client_id: "issuer".to_owned(),
            access_token: Secret::new("canary-token"),
            certificate: None,
        }
    }

    #[test]
    fn credentials_travel_in_camel_case_and_never_print() {
        let text = r#"{"clientId":"me","accessToken":"canary-token","certificate":"{\"canary\":1}"}"#;
        let credentials: Credentials = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&credentials).unwrap(), text);
        assert!(!format!("{credentials:?} {:?}", Auth::fixed(credentials.clone())).contains("canary"));
        for absent in [
            r#"{"clientId":"a","accessToken":"b"}"#,
            r#"{"clientId":"a","accessToken":"b","certificate":""}"#,
        ] {
            assert_eq!(serde_json::from_str::<Credentials>(absent).unwrap().certificate, None);
        }
    }

    #[test]
    fn temporary_credentials_have_bounds() {
        let scopes = [Scope::parse("a:*").unwrap()];
        let at = |ms| UnixMillis(ms);
        let made = temporary(&issuer(), at(0), at(LONGEST_LIFE_MS), &scopes, Some("me/tmp")).unwrap();
        let text = made.certificate.as_ref().unwrap().expose();
        let certificate: Certificate = serde_json::from_str(text).unwrap();
        assert_eq!((made.client_id.as_str(), certificate.issuer.as_deref()), ("me/tmp", Some("issuer")));
        assert_eq!(certificate.seed.len(), 44);
        assert_eq!(made.access_token.expose().len(), 43);
        for end in [0, -1, LONGEST_LIFE_MS + 1] {
            assert_eq!(
                temporary(&issuer(), at(0), at(end), &scopes, None),
                Err(TemporaryError::Lifetime { start: at(0), expiry: at(end) })
            );
        }
        assert_eq!(
            temporary(&made, at(0), at(1), &scopes, None),
            Err(TemporaryError::IssuerIsTemporary),
            "temporary credentials issue nothing"
        );
    }

    #[test]
    fn unnamed_credentials_keep_the_issuers_id_and_name_no_issuer() {
        let made = temporary(&issuer(), UnixMillis(0), UnixMillis(1), &[], None).unwrap();
        assert_eq!(made.client_id, "issuer");
        assert!(!made.certificate.unwrap().expose().contains("issuer"));
    }
}
