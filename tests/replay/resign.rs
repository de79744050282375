//! Signing a recorded request anew: as right as it was, or wrong in the same way.

use crate::engine::Replay;
use crate::sign::{self, Creds, Signed};
use crate::wire::{self, Exchange, RecordedHawk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scriptworker_core::time::UnixMillis;
use serde_json::{Value, json};

impl Replay<'_> {
    /// The header for a recorded one: as right, or as wrong in the same way.
    pub(crate) fn authorization(
        &mut self,
        exchange: &Exchange,
        hawk: &RecordedHawk,
        target: &str,
        body: Option<&[u8]>,
        recorded_at: UnixMillis,
    ) -> String {
        let recorded_certificate = hawk.ext.get("certificate");
        let issuer =
            recorded_certificate.map(|certificate| certificate["issuer"].as_str().unwrap_or(&hawk.id));
        let issuer_token = issuer.and_then(wire::token);
        let mut creds = match (recorded_certificate, issuer_token) {
            // Not handed out by the queue: made by hand, so made again.
            (Some(certificate), Some(token)) if certificate.get("issuer").is_none() => {
                self.remade(&hawk.id, certificate, token)
            }
            _ => self.creds(&hawk.id),
        };
        if let (Some(certificate), Some(token)) = (recorded_certificate, issuer_token) {
            let right = sign::certificate_signature(certificate, &hawk.id, token);
            if certificate["signature"] != right.as_str() {
                creds.certificate.as_mut().unwrap()["scopes"][0] = json!("queue:xeclaim-task:tampered");
            }
        } else if recorded_certificate.is_none() {
            creds.certificate = None;
        }
        if let Some(token) = wire::token(&hawk.id).filter(|_| recorded_certificate.is_none()) {
            let recorded = Signed {
                method: &exchange.method,
                target: exchange.target(),
                address: "127.0.0.1:8700",
                at: hawk.ts * 1000,
                hash: hawk.hash.clone(),
            };
            if !recorded_mac_is_right(&recorded, hawk, token) {
                creds.access_token = "a wrong token".to_owned();
            }
        }
        let media_type = exchange.header("content-type").unwrap_or_default();
        let hash = hawk.hash.clone().map(|recorded| {
            let recorded_body = exchange.body.as_deref().unwrap_or_default();
            let lied = exchange.status == 401
                && exchange.answer_json.as_ref().is_some_and(|json| {
                    json["message"].as_str().unwrap_or_default().contains("payload hash")
                });
            if lied {
                sign::hash(media_type, &[recorded_body, &recorded].concat())
            } else {
                sign::hash(media_type, body.unwrap_or_default())
            }
        });
        let drift = hawk.ts * 1000 - recorded_at.0;
        let at = self.now().0 + if drift.abs() > 300_000 { drift } else { 0 };
        let address = self.address();
        let signed = Signed { method: &exchange.method, target, address: &address, at, hash };
        sign::header(&creds, None, &signed)
    }

    fn remade(&self, client_id: &str, recorded: &Value, issuer_token: &str) -> Creds {
        let mut certificate = recorded.clone();
        for key in ["start", "expiry"] {
            certificate[key] = json!(recorded[key].as_i64().unwrap() + self.delta);
        }
        certificate["signature"] = json!(sign::certificate_signature(&certificate, client_id, issuer_token));
        Creds {
            client_id: client_id.to_owned(),
            access_token: sign::temporary_token(&certificate, issuer_token),
            certificate: Some(certificate),
        }
    }
}

/// Whether a recorded request was signed with this token.
fn recorded_mac_is_right(signed: &Signed<'_>, hawk: &RecordedHawk, token: &str) -> bool {
    let hash = signed.hash.as_ref().map(|hash| STANDARD.encode(hash)).unwrap_or_default();
    let (host, port) = signed.address.split_once(':').unwrap();
    let text = format!(
        "hawk.1.header\n{}\n{}\n{}\n{}\n{host}\n{port}\n{hash}\n{}\n",
        hawk.ts,
        hawk.nonce,
        signed.method,
        signed.target,
        hawk.ext_text.as_deref().unwrap_or_default(),
    );
    sign::hmac(token, &text) == hawk.mac
}
