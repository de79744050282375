//! What counts as a signature and what does not; the recorded signatures of real clients, checked at their own time.

use super::*;
use crate::embedded_queue::options::ClientGrant;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde_json::{Value, json};
use std::path::Path;

const NOW: UnixMillis = UnixMillis(1_795_449_084_000);
const MINUTE: i64 = 60_000;

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn grant(client_id: &str, token: &str, scopes: &[&str]) -> ClientGrant {
    ClientGrant {
        client_id: client_id.to_owned(),
        access_token: Secret::new(token),
        scopes: scopes.iter().map(|text| scope(text)).collect(),
    }
}

fn clients() -> Clients {
    Clients {
        clients: vec![
            grant("static/test/worker", "throwaway-worker-token-000000000000000000000", &["queue:*"]),
            grant("static/test/creator", "throwaway-creator-token-00000000000000000000", &["queue:*"]),
            grant("static/taskcluster/root", "throwaway-root-token-00000000000000000000000", &["*"]),
            grant("static/test/noscopes", "throwaway-noscopes-token-0000000000000000000", &[]),
            grant("static/taskcluster/queue", "throwaway-queue-token-0000000000000000000000", &["*"]),
            grant("weak", "weak token", &["queue:a", "auth:create-client:weak/*"]),
        ],
        anonymous_scopes: vec![scope("queue:status:*")],
    }
}

fn request() -> SignedRequest {
    SignedRequest {
        method: "POST".to_owned(),
        target: "/api/queue/v1/claim-work/a%2Fb?x=1".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 8700,
    }
}

/// A header made with the `hawk` crate.
fn header(id: &str, token: &str, ext: Option<&str>, at: UnixMillis) -> String {
    let request = request();
    let credentials = ::hawk::Credentials {
        id: id.to_owned(),
        key: ::hawk::Key::new(token.as_bytes(), ::hawk::SHA256).unwrap(),
    };
    let signed = ::hawk::RequestBuilder::new(&request.method, &request.host, request.port, &request.target)
        .ext(ext)
        .request();
    let ts = std::time::UNIX_EPOCH + std::time::Duration::from_millis(at.0.unsigned_abs());
    format!("Hawk {}", signed.make_header_full(&credentials, ts, "n").unwrap())
}

fn identify(header: &str) -> Result<Identity, AuthError> {
    clients().identify(&request(), Signature::Header(header), || payload_hash("", b""), NOW)
}

/// Credentials made by a client, as a header with this ext made of their certificate.
fn temporary(
    issuer: &str,
    client_id: &str,
    scopes: &[&str],
    (start, expiry): (i64, i64),
    change: impl FnOnce(&mut Value),
) -> Result<Identity, AuthError> {
    let clients = clients();
    let issuer = clients.clients.iter().find(|client| client.client_id == issuer).unwrap();
    let scopes = scopes.iter().map(|text| scope(text)).collect();
    let (start, expiry) = (NOW.plus(start), NOW.plus(expiry));
    let made = issue(issuer, client_id.to_owned(), scopes, start, expiry, "s".repeat(44));
    let mut certificate: Value = serde_json::from_str(made.certificate.expose()).unwrap();
    change(&mut certificate);
    let ext = URL_SAFE_NO_PAD.encode(json!({"certificate": certificate}).to_string());
    identify(&header(client_id, made.access_token.expose(), Some(&ext), NOW))
}

#[test]
fn a_right_signature_gives_the_clients_scopes_and_those_of_anybody() {
    let token = "throwaway-worker-token-000000000000000000000";
    let identity = identify(&header("static/test/worker", token, None, NOW)).unwrap();
    assert_eq!(identity.client_id.as_deref(), Some("static/test/worker"));
    assert_eq!(identity.scopes, [scope("queue:*"), scope("queue:status:*")]);
    let nobody = clients().identify(&request(), Signature::None, String::new, NOW).unwrap();
    assert_eq!((nobody.client_id, nobody.scopes), (None, vec![scope("queue:status:*")]));
}

#[test]
fn wrong_signatures_are_refused_for_their_reason() {
    let (id, token) = ("static/test/worker", "throwaway-worker-token-000000000000000000000");
    let right = header(id, token, None, NOW);
    assert_eq!(identify(&header(id, "another", None, NOW)), Err(AuthError::BadMac));
    assert_eq!(identify(&right.replace("nonce=\"n\"", "nonce=\"m\"")), Err(AuthError::BadMac));
    assert_eq!(
        identify(&header("nobody", token, None, NOW)),
        Err(AuthError::UnknownClient("nobody".to_owned()))
    );
    for minutes in [-14, 14] {
        assert!(identify(&header(id, token, None, NOW.plus(minutes * MINUTE))).is_ok());
    }
    for minutes in [-16, 16] {
        assert_eq!(identify(&header(id, token, None, NOW.plus(minutes * MINUTE))), Err(AuthError::Stale));
    }
    assert_eq!(identify("Bearer abc"), Err(AuthError::NotHawk));
    for broken in ["Hawk", "Hawk id", "Hawk id=\"a\"", "Hawk id=\"a\", id=\"a\"", "Hawk x=\"a\""] {
        assert!(matches!(identify(broken), Err(AuthError::BadHeader | AuthError::NotHawk)), "{broken}");
    }
    assert_eq!(identify(&header(id, token, Some("%"), NOW)), Err(AuthError::BadExt));
    // The signature is over what was sent: another host, path or method is another request.
    for other in [
        SignedRequest { host: "localhost".to_owned(), ..request() },
        SignedRequest { target: "/api/queue/v1/claim-work/a/b?x=1".to_owned(), ..request() },
        SignedRequest { method: "GET".to_owned(), ..request() },
        SignedRequest { port: 80, ..request() },
    ] {
        let result = clients().identify(&other, Signature::Header(&right), String::new, NOW);
        assert_eq!(result, Err(AuthError::BadMac), "{other:?}");
    }
}

#[test]
fn certificates_are_checked_from_start_to_scopes() {
    let issuer = "static/taskcluster/queue";
    let hour = 60 * MINUTE;
    let identity = temporary(issuer, "x/y", &["queue:b"], (0, hour), |_| {}).unwrap();
    assert_eq!(identity.scopes, [scope("queue:b"), scope("queue:status:*")]);
    for (life, expected) in [
        ((-hour, -4 * MINUTE), Ok(())),
        ((-hour, -6 * MINUTE), Err(AuthError::CertificateExpired)),
        ((4 * MINUTE, hour), Ok(())),
        ((6 * MINUTE, hour), Err(AuthError::CertificateNotYet)),
        ((0, 32 * 24 * hour), Err(AuthError::CertificateTooLong)),
    ] {
        assert_eq!(temporary(issuer, "x/y", &["a"], life, |_| {}).map(|_| ()), expected, "{life:?}");
    }
    let spoil = |key: &'static str, value: Value| {
        temporary(issuer, "x/y", &["a"], (0, hour), move |certificate| certificate[key] = value)
    };
    for (key, value) in [
        ("scopes", json!(["*"])),
        ("seed", json!("t".repeat(44))),
        ("expiry", json!(NOW.0 + 2 * hour)),
        ("issuer", json!("static/taskcluster/root")),
        ("signature", json!("AAAA")),
    ] {
        assert_eq!(spoil(key, value), Err(AuthError::CertificateForged), "{key}");
    }
    assert_eq!(spoil("version", json!(2)), Err(AuthError::BadCertificate));
    assert_eq!(spoil("issuer", json!("x/y")), Err(AuthError::BadCertificate));
    assert_eq!(spoil("issuer", json!("nobody")), Err(AuthError::UnknownClient("nobody".to_owned())));
    // A client makes no credentials beyond what it has and may name.
    assert!(temporary("weak", "weak/1", &["queue:a"], (0, hour), |_| {}).is_ok());
    assert_eq!(
        temporary("weak", "weak/1", &["queue:b"], (0, hour), |_| {}),
        Err(AuthError::IssuerLacksScopes)
    );
    assert_eq!(temporary("weak", "other", &["queue:a"], (0, hour), |_| {}), Err(AuthError::IssuerMayNotName));
}

#[test]
fn a_bewit_signs_one_url_until_it_expires() {
    let token = "throwaway-worker-token-000000000000000000000";
    let (id, path) = ("static/test/worker", "/api/queue/v1/task/x?a=b");
    let credentials = ::hawk::Credentials {
        id: id.to_owned(),
        key: ::hawk::Key::new(token.as_bytes(), ::hawk::SHA256).unwrap(),
    };
    let exp = std::time::UNIX_EPOCH + std::time::Duration::from_millis(NOW.0.unsigned_abs() + 60_000);
    let signed = ::hawk::RequestBuilder::new("GET", "127.0.0.1", 8700, path).request();
    let bewit = signed.make_bewit(&credentials, exp).unwrap().to_str();
    let ask = |method: &str, target: String, now| {
        let request = SignedRequest { method: method.to_owned(), target, ..request() };
        clients().identify(&request, Signature::Bewit(&bewit), String::new, now).map(|_| ())
    };
    let with_bewit = format!("{path}&bewit={bewit}");
    assert_eq!(ask("GET", with_bewit.clone(), NOW), Ok(()));
    assert_eq!(ask("HEAD", with_bewit.clone(), NOW), Ok(()));
    assert_eq!(ask("PUT", with_bewit.clone(), NOW), Err(AuthError::BewitMisused));
    assert_eq!(ask("GET", format!("/other?bewit={bewit}"), NOW), Err(AuthError::BadMac));
    assert_eq!(ask("GET", with_bewit, NOW.plus(61_000)), Err(AuthError::BewitExpired));
}

#[test]
fn a_body_must_be_the_one_whose_hash_was_signed() {
    assert_eq!(
        payload_hash("text/plain", b"Thank you for flying Hawk"),
        "Yi9LfIIFRtBEPt74PVmbTF/xVAwPn7ub15ePICfgnuY=",
        "the example of the Hawk specification"
    );
}

#[test]
fn what_is_missing_is_named() {
    let need = Expression::all(["queue:a".to_owned(), "queue:b".to_owned()]);
    assert!(need.is_satisfied(&[scope("queue:*")]) && !need.is_satisfied(&[scope("queue:a")]));
    assert!(
        Expression::AllOf(Vec::new()).is_satisfied(&[]) && !Expression::AnyOf(Vec::new()).is_satisfied(&[])
    );
    let complaint = need.complaint(Some("me"), &[scope("queue:a")]);
    assert!(complaint.starts_with("Client ID me does not have sufficient scopes"), "{complaint}");
    assert!(complaint.contains("following scopes:\n\n```\nqueue:b\n```"), "{complaint}");
}

/// The signatures in the recordings were made by real clients, the certificates by the real queue: each must count,
/// at the time it was recorded, exactly if it counted then.
#[test]
fn recorded_signatures_count_as_they_did_then() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let (mut accepted, mut refused) = (0, 0);
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let now = UnixMillis::parse(json["recordedAt"].as_str().unwrap()).unwrap();
        for exchange in json["exchanges"].as_array().unwrap() {
            let Some(header) = exchange["request"]["headers"]["authorization"].as_str() else { continue };
            let request = SignedRequest {
                method: exchange["request"]["method"].as_str().unwrap().to_owned(),
                target: exchange["request"]["path"].as_str().unwrap().to_owned(),
                ..request()
            };
            let message = exchange["response"]["body"]["json"]["message"].as_str().unwrap_or_default();
            // Only the hash's place in the signature is looked at: the recordings do not keep the bodies' bytes.
            let hash = header.split("hash=\"").nth(1).and_then(|rest| rest.split('"').next());
            let hash = hash.unwrap_or_default().to_owned();
            let result = clients().identify(&request, Signature::Header(header), || hash, now);
            let counted = exchange["response"]["status"] != 401 || message.contains("payload hash");
            assert_eq!(result.is_ok(), counted, "{path:?}: {result:?}");
            match result {
                Ok(_) => accepted += 1,
                Err(error) => {
                    refused += 1;
                    assert!(
                        message.starts_with(&error.to_string()),
                        "{path:?}: {error} instead of {message}"
                    );
                }
            }
        }
    }
    assert!(accepted > 200 && refused >= 7, "{accepted} accepted, {refused} refused");
}
