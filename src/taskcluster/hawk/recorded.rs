//! Recomputes the signatures that another client made and the real services judged (`tests/wire`): every accepted
//! header, and every one that was refused for another reason than its MAC.

use super::super::credentials::Certificate;
use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

/// Access tokens of the fixed clients (`tests/wire/README.md`).
const TOKENS: [(&str, &str); 5] = [
    ("static/test/worker", "throwaway-worker-token-000000000000000000000"),
    ("static/test/creator", "throwaway-creator-token-00000000000000000000"),
    ("static/taskcluster/root", "throwaway-root-token-00000000000000000000000"),
    ("static/test/noscopes", "throwaway-noscopes-token-0000000000000000000"),
    ("static/taskcluster/queue", "throwaway-queue-token-0000000000000000000000"),
];

/// Requests whose signature was wrong on purpose, or whose signed bytes were not kept.
const NOT_REPRODUCIBLE: [(&str, &str); 7] = [
    ("069-wrong-content-type-signed-401", "hashed with another content type"),
    ("069b-wrong-content-type-400", "signed without payload hash"),
    ("069c-no-payload-hash", "signed without payload hash"),
    ("06a-payload-hash-mismatch-401", "hash of another body"),
    ("099-claimWork-bad-token-401", "signed with a wrong token"),
    ("09a-claimWork-unknown-client-401", "a client that has no token"),
    ("0a3-reclaim-without-certificate-401", "temporary credentials whose claim was not recorded"),
];

/// JSON that keeps the order of its members, so that it can be written as it was sent.
enum Ordered {
    Leaf(Value),
    List(Vec<Ordered>),
    Object(Vec<(String, Ordered)>),
}

impl Ordered {
    /// `space` is what the sender put after commas and colons.
    fn write(&self, space: &str, out: &mut String) {
        match self {
            Self::Leaf(value) => write!(out, "{value}").unwrap(),
            Self::List(list) => {
                for (at, item) in list.iter().enumerate() {
                    out.push_str(&if at == 0 { "[".to_owned() } else { format!(",{space}") });
                    item.write(space, out);
                }
                out.push_str(if list.is_empty() { "[]" } else { "]" });
            }
            Self::Object(members) => {
                for (at, (name, item)) in members.iter().enumerate() {
                    out.push_str(&if at == 0 { "{".to_owned() } else { format!(",{space}") });
                    write!(out, "{}:{space}", Value::from(name.as_str())).unwrap();
                    item.write(space, out);
                }
                out.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }

    /// The text with which `length` bytes were sent; compact if none fits.
    fn text(&self, length: Option<usize>) -> String {
        let [compact, spaced] = ["", " "].map(|space| {
            let mut text = String::new();
            self.write(space, &mut text);
            text
        });
        if length == Some(spaced.len()) { spaced } else { compact }
    }

    fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Ordered;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(Value::Null))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ordered, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Ordered::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Ordered::Object(members))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Every recording: its case, as a value and with the order kept.
fn recordings() -> Vec<(String, Value, Ordered)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let case = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (case, serde_json::from_str(&text).unwrap(), serde_json::from_str(&text).unwrap())
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// All credentials that were handed out.
fn collect_credentials(value: &Value, found: &mut Vec<Credentials>) {
    match value {
        Value::Object(members) => {
            if members.contains_key("accessToken") {
                found.push(Credentials::deserialize(value).unwrap());
            }
            members.values().for_each(|member| collect_credentials(member, found));
        }
        Value::Array(list) => list.iter().for_each(|item| collect_credentials(item, found)),
        _ => {}
    }
}

fn attributes(header: &str) -> BTreeMap<String, String> {
    let parsed = header.strip_prefix("Hawk ").unwrap();
    parsed
        .split("\", ")
        .map(|part| {
            let (name, value) = part.split_once("=\"").unwrap();
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        })
        .collect()
}

#[test]
fn every_recorded_signature_comes_out_the_same() {
    let recordings = recordings();
    let tokens = BTreeMap::from(TOKENS);
    let mut checked = 0;
    for (case, value, ordered) in &recordings {
        if NOT_REPRODUCIBLE.iter().any(|(name, _)| name == case) {
            continue;
        }
        let Some(Ordered::List(exchanges)) = ordered.get("exchanges") else { panic!("{case}") };
        for (exchange, ordered) in value["exchanges"].as_array().unwrap().iter().zip(exchanges) {
            let request = &exchange["request"];
            let Some(header) = request["headers"]["authorization"].as_str() else { continue };
            if !header.starts_with("Hawk ") {
                continue;
            }
            let recorded = attributes(header);
            let ext = URL_SAFE.decode(&recorded["ext"]).unwrap();
            let ext: Ordered = serde_json::from_slice(&ext).unwrap();
            let certificate = ext.get("certificate").map(|certificate| certificate.text(None));
            let id = &recorded["id"];
            // Not every claim was recorded; the token of temporary credentials follows from the certificate's seed.
            let token = match (&certificate, tokens.get(id.as_str())) {
                (Some(text), _) => {
                    let certificate: Certificate = serde_json::from_str(text).unwrap();
                    certificate.access_token(&Secret::new(TOKENS[4].1))
                }
                (None, Some(token)) => Secret::new(*token),
                (None, None) => panic!("{case}: no token of {id}"),
            };
            let credentials = Credentials {
                client_id: id.clone(),
                access_token: token,
                certificate: certificate.map(Secret::new),
            };
            let length = request["headers"]["content-length"].as_str().map(|text| text.parse().unwrap());
            let json = ordered.get("request").unwrap().get("body").unwrap().get("json");
            let body = json
                .map(|json| json.text(length))
                .or_else(|| request["body"]["text"].as_str().map(str::to_owned));
            let made = authorization(
                &credentials,
                &Signing {
                    method: request["method"].as_str().unwrap(),
                    target: &Target::parse(request["url"].as_str().unwrap()).unwrap(),
                    body: body.as_deref().map(str::as_bytes),
                    now: UNIX_EPOCH + Duration::from_secs(recorded["ts"].parse().unwrap()),
                    nonce: &recorded["nonce"],
                },
            )
            .unwrap();
            assert_eq!(attributes(made.expose()), recorded, "{case}");
            checked += 1;
        }
    }
    assert!(checked > 200, "only {checked} signatures were checked");
}

#[test]
fn every_recorded_certificate_comes_out_the_same() {
    let queue = Secret::new(TOKENS[4].1);
    let mut found = Vec::new();
    recordings().iter().for_each(|(_, value, _)| collect_credentials(value, &mut found));
    for credentials in &found {
        let text = credentials.certificate.as_ref().unwrap().expose();
        let certificate: Certificate = serde_json::from_str(text).unwrap();
        assert_eq!(certificate.issuer.as_deref(), Some(TOKENS[4].0));
        assert_eq!(certificate.sign(&queue, Some(&credentials.client_id)), certificate.signature);
        assert_eq!(certificate.access_token(&queue), credentials.access_token);
    }
    assert!(found.len() > 40, "only {} certificates were checked", found.len());
}

#[test]
fn the_recorded_bewit_comes_out_the_same() {
    let (_, value, _) =
        recordings().into_iter().find(|(case, ..)| case == "048-getLatestArtifact-bewit").unwrap();
    let url = value["exchanges"][0]["request"]["url"].as_str().unwrap();
    let (plain, bewit) = url.split_once("?bewit=").unwrap();
    let content = String::from_utf8(URL_SAFE_NO_PAD.decode(bewit).unwrap()).unwrap();
    let expiry: u64 = content.split('\\').nth(1).unwrap().parse().unwrap();
    let credentials = Credentials {
        client_id: TOKENS[1].0.to_owned(),
        access_token: Secret::new(TOKENS[1].1),
        certificate: None,
    };
    let made =
        signed_url(&credentials, &Target::parse(plain).unwrap(), UNIX_EPOCH + Duration::from_secs(expiry));
    assert_eq!(made.unwrap().expose(), url);
}
