//! The recordings as the tests use them, and answers made of them.

use crate::server::{After, Stream};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::io::{self, Write};

/// One recorded exchange.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The file's name without its ending.
    pub case: String,
    pub request: Value,
    pub response: Value,
}

/// Every exchange of every recording, in order.
pub fn all() -> Vec<Exchange> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let recording: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for exchange in recording["exchanges"].as_array().unwrap() {
            all.push(Exchange {
                case: recording["case"].as_str().unwrap().to_owned(),
                request: exchange["request"].clone(),
                response: exchange["response"].clone(),
            });
        }
    }
    all
}

impl Exchange {
    pub fn method(&self) -> &str {
        self.request["method"].as_str().unwrap()
    }

    pub fn path(&self) -> &str {
        self.request["path"].as_str().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.request["headers"][name].as_str()
    }

    pub fn status(&self) -> u16 {
        self.response["status"].as_u64().unwrap().try_into().unwrap()
    }

    /// The bytes of the request's body.
    pub fn sent(&self) -> Vec<u8> {
        content(&self.request["body"])
    }

    /// The decoded content of the answer.
    pub fn content(&self) -> Vec<u8> {
        content(&self.response["body"])
    }

    /// Gives the recorded answer: what came gzip-encoded goes out so, and chunked.
    pub fn answer(&self, stream: &mut dyn Stream) -> io::Result<After> {
        let content = self.content();
        let body = &self.response["body"];
        let encoded = body["decodedFrom"] == "gzip";
        let mut head = format!("HTTP/1.1 {} Recorded\r\n", self.status());
        for (name, value) in self.response["headers"].as_object().unwrap() {
            let framing =
                ["content-length", "transfer-encoding", "content-encoding"].contains(&name.as_str());
            if !framing || (name == "content-encoding" && !body["base64"].is_null()) {
                head += &format!("{name}: {}\r\n", value.as_str().unwrap());
            }
        }
        if self.status() == 204 {
            write!(stream, "{head}\r\n")?;
        } else if encoded {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&content)?;
            let bytes = encoder.finish()?;
            write!(stream, "{head}content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n")?;
            for piece in bytes.chunks(100) {
                write!(stream, "{:x}\r\n", piece.len())?;
                stream.write_all(piece)?;
                write!(stream, "\r\n")?;
            }
            write!(stream, "0\r\n\r\n")?;
        } else {
            write!(stream, "{head}content-length: {}\r\n\r\n", content.len())?;
            stream.write_all(&content)?;
        }
        Ok(After::Keep)
    }
}

fn content(body: &Value) -> Vec<u8> {
    use base64::Engine;
    if let Some(text) = body["text"].as_str() {
        text.as_bytes().to_vec()
    } else if let Some(bytes) = body["base64"].as_str() {
        base64::engine::general_purpose::STANDARD.decode(bytes).unwrap()
    } else if body["json"].is_null() {
        Vec::new()
    } else {
        body["json"].to_string().into_bytes()
    }
}
