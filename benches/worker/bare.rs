//! The same requests without a worker, and the bare tools: what the work costs at the least.

use crate::queue::{ACCESS_TOKEN, CLIENT_ID, PROVISIONER, WORKER_GROUP, WORKER_ID, WORKER_TYPE};
use crate::subject::Site;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use hawk::{Credentials, Key, PayloadHasher, RequestBuilder, SHA256};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Seconds that this takes.
pub fn seconds(act: impl FnOnce()) -> f64 {
    let start = Instant::now();
    act();
    start.elapsed().as_secs_f64()
}

/// Seconds that a shell command takes, with its shell.
pub fn shell(command: &str) -> f64 {
    seconds(|| {
        let status = Command::new("sh").args(["-c", command]).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{command}: {status}");
    })
}

/// Who signs.
pub struct Signer {
    credentials: Credentials,
    ext: String,
}

impl Signer {
    /// The worker itself.
    pub fn worker() -> Self {
        Self::new(CLIENT_ID, ACCESS_TOKEN, "{}".to_owned())
    }

    /// The run of a claim.
    pub fn run(credentials: &Value) -> Self {
        let text = |key: &str| credentials[key].as_str().unwrap();
        let ext = format!("{{\"certificate\":{}}}", text("certificate"));
        Self::new(text("clientId"), text("accessToken"), ext)
    }

    fn new(id: &str, token: &str, ext: String) -> Self {
        let credentials = Credentials { id: id.to_owned(), key: Key::new(token, SHA256).unwrap() };
        Self { credentials, ext: URL_SAFE.encode(ext) }
    }
}

/// One connection to the queue and its storage.
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    pub fn open(site: &Site) -> Self {
        let host = site.queue.root_url.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&host).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), host }
    }

    /// An API call: signed, JSON both ways.
    pub fn call(&mut self, signer: &Signer, path: &str, body: &Value) -> Value {
        let path = format!("/api/queue/v1{path}");
        let body = body.to_string();
        let (name, port) = self.host.split_once(':').unwrap();
        let hash = PayloadHasher::hash("application/json", SHA256, &body).unwrap();
        let header = RequestBuilder::new("POST", name, port.parse().unwrap(), &path)
            .hash(&hash[..])
            .ext(signer.ext.as_str())
            .request()
            .make_header(&signer.credentials)
            .unwrap();
        let headers = format!("Content-Type: application/json\r\nAuthorization: Hawk {header}\r\n");
        let answer = self.exchange("POST", &path, &headers, body.as_bytes());
        serde_json::from_slice(&answer).unwrap()
    }

    /// An upload to a signed URL.
    pub fn put(&mut self, url: &str, content_type: &str, encoding: Option<&str>, body: &[u8]) {
        let path = url.split_once(&self.host).unwrap().1.to_owned();
        let encoding = encoding.map_or(String::new(), |name| format!("Content-Encoding: {name}\r\n"));
        self.exchange("PUT", &path, &format!("Content-Type: {content_type}\r\n{encoding}"), body);
    }

    fn exchange(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\r\n",
            self.host,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200 "), "{method} {path}: {line}");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).unwrap();
        answer
    }
}

/// A claimed run, worked on by hand.
pub struct Run {
    pub path: String,
    pub signer: Signer,
    expires: String,
}

/// The content of the log of a task that says nothing: compressed, as both workers send it.
fn empty_log() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(b"exit code: 0\n").unwrap();
    encoder.finish().unwrap()
}

impl Run {
    /// Claims the next task.
    pub fn claim(connection: &mut Connection, worker: &Signer) -> Self {
        let path = format!("/claim-work/{PROVISIONER}%2F{WORKER_TYPE}");
        let body = json!({ "workerGroup": WORKER_GROUP, "workerId": WORKER_ID, "tasks": 1 });
        let claim = &connection.call(worker, &path, &body)["tasks"][0];
        let task = claim["status"]["taskId"].as_str().unwrap();
        Self {
            path: format!("/task/{task}/runs/{}", claim["runId"]),
            signer: Signer::run(&claim["credentials"]),
            expires: claim["task"]["expires"].as_str().unwrap().to_owned(),
        }
    }

    /// Where the bytes of a new artifact go.
    pub fn create(&self, connection: &mut Connection, name: &str, content_type: &str) -> String {
        let path = format!("{}/artifacts/{}", self.path, name.replace('/', "%2F"));
        let body = json!({ "storageType": "s3", "contentType": content_type, "expires": self.expires });
        connection.call(&self.signer, &path, &body)["putUrl"].as_str().unwrap().to_owned()
    }

    /// The two requests for the log, and the one for the link to it.
    pub fn upload_log(&self, connection: &mut Connection) {
        let url = self.create_log(connection);
        self.finish_log(connection, &url);
    }

    /// The first of them: where the log goes.
    pub fn create_log(&self, connection: &mut Connection) -> String {
        self.create(connection, "public/logs/live_backing.log", "text/plain")
    }

    /// The others.
    pub fn finish_log(&self, connection: &mut Connection, url: &str) {
        connection.put(url, "text/plain", Some("gzip"), &empty_log());
        let path = format!("{}/artifacts/public%2Flogs%2Flive.log", self.path);
        let body = json!({
            "storageType": "link", "expires": self.expires, "contentType": "text/plain",
            "artifact": "public/logs/live_backing.log",
        });
        connection.call(&self.signer, &path, &body);
    }

    /// The requests for the signature of an attestation and for itself, of the usual sizes.
    pub fn attest(&self, connection: &mut Connection) {
        for (name, content_type, encoding, size) in [
            ("public/chain-of-trust.json.sig", "application/binary", None, 64),
            ("public/chain-of-trust.json", "application/json", Some("gzip"), 700),
        ] {
            let url = self.create(connection, name, content_type);
            connection.put(&url, content_type, encoding, &vec![0; size]);
        }
    }

    pub fn report_completed(&self, connection: &mut Connection) {
        connection.call(&self.signer, &format!("{}/completed", self.path), &json!({}));
    }

    pub fn report_shutdown(&self, connection: &mut Connection) {
        let body = json!({ "reason": "worker-shutdown" });
        connection.call(&self.signer, &format!("{}/exception", self.path), &body);
    }
}

/// So many tasks one after the other: claim, spawn `true`, upload its log and attestation, report. Seconds.
pub fn tasks(site: &Site, count: usize) -> f64 {
    let worker = Signer::worker();
    let mut connection = Connection::open(site);
    seconds(|| {
        for _ in 0..count {
            let run = Run::claim(&mut connection, &worker);
            // without anything to do before the exec, std starts it with posix_spawn
            assert!(Command::new("/usr/bin/true").status().unwrap().success());
            run.upload_log(&mut connection);
            run.attest(&mut connection);
            run.report_completed(&mut connection);
        }
    })
}

/// So many artifacts over so many connections, then log and report. Seconds, without the claim.
pub fn artifacts(site: &Site, count: usize, content: &[u8], connections: usize) -> f64 {
    let mut first = Connection::open(site);
    let run = Run::claim(&mut first, &Signer::worker());
    seconds(|| {
        std::thread::scope(|scope| {
            for part in 0..connections {
                let run = &run;
                scope.spawn(move || {
                    let mut connection = Connection::open(site);
                    for number in (part..count).step_by(connections) {
                        let name = format!("public/{number}.bin");
                        let url = run.create(&mut connection, &name, "application/octet-stream");
                        connection.put(&url, "application/octet-stream", None, content);
                    }
                });
            }
        });
        run.upload_log(&mut first);
        run.attest(&mut first);
        run.report_completed(&mut first);
    })
}

/// `curl -T` of a file to the storage. Seconds.
pub fn curl(site: &Site, file: &Path) -> f64 {
    let mut connection = Connection::open(site);
    let run = Run::claim(&mut connection, &Signer::worker());
    let url = run.create(&mut connection, "public/big.bin", "application/octet-stream");
    shell(&format!(
        "curl -sSf -H 'Content-Type: application/octet-stream' -T '{}' '{url}'",
        file.to_str().unwrap()
    ))
}
