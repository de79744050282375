//! A tap on the wire between worker and queue: what goes through is forwarded and kept.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(super) struct Tap {
    url: String,
    answers: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// Listens for whoever wants to talk to `root_url`.
    pub(super) fn before(root_url: &str) -> Self {
        let queue = root_url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&answers);
        // ends with the process of the tests
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&queue) else { continue };
                let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || forward(from_client, to_server, None));
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || forward(server, client, Some(kept)));
            }
        });
        Self { url, answers }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The values of this name in everything that was answered, whether it stood in JSON or in JSON in JSON.
    pub(super) fn secrets(&self, name: &str) -> Vec<String> {
        let answers = self.answers.lock().unwrap();
        let text = String::from_utf8_lossy(&answers);
        let mut found = Vec::new();
        for quote in ["\"", "\\\""] {
            let begin = format!("{quote}{name}{quote}:{quote}");
            found.extend(text.split(&begin).skip(1).filter_map(|rest| Some(value(rest, quote)?.to_owned())));
        }
        found.sort();
        found.dedup();
        found
    }
}

/// A text up to its closing quote; a value that is JSON itself is not taken apart.
fn value<'a>(rest: &'a str, quote: &str) -> Option<&'a str> {
    let (value, _) = rest.split_once(quote)?;
    // shorter ones would be found by chance
    (value.len() >= 16 && !value.contains('\\')).then_some(value)
}

fn forward(mut from: TcpStream, mut to: TcpStream, keep: Option<Arc<Mutex<Vec<u8>>>>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if let Some(keep) = &keep {
            keep.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // a connection that broke on one side breaks on the other
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
