//! A host of source trees: answers by the beginning of the path, the longest one that fits.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Book {
    answers: BTreeMap<&'static str, (u16, String)>,
    seen: Vec<String>,
}

pub(crate) struct Host {
    address: String,
    book: Arc<Mutex<Book>>,
}

impl Host {
    pub(super) fn start(answers: &[(&'static str, u16, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let host = Self { address, book: Arc::default() };
        for (beginning, status, body) in answers {
            host.answer(beginning, *status, body);
        }
        let book = Arc::clone(&host.book);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let mut reader = BufReader::new(stream);
                let mut lines = Vec::new();
                loop {
                    let mut line = String::new();
                    match reader.read_line(&mut line) {
                        Ok(0) | Err(_) => break,
                        Ok(_) if line.trim().is_empty() => break,
                        Ok(_) => lines.push(line),
                    }
                }
                let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
                let (status, body) = book.lock().unwrap().take(path);
                let kind = if body.starts_with('<') { "text/html" } else { "text/plain" };
                let head = format!(
                    "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let mut stream = reader.into_inner();
                // a client that is gone needs no answer
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            }
        });
        host
    }

    pub(crate) fn url(&self) -> &str {
        &self.address
    }

    /// From now on, what begins like this is answered so.
    pub(crate) fn answer(&self, beginning: &'static str, status: u16, body: &str) {
        self.book.lock().unwrap().answers.insert(beginning, (status, body.to_owned()));
    }

    /// The paths that were asked for.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.book.lock().unwrap().seen.clone()
    }
}

impl Book {
    fn take(&mut self, path: &str) -> (u16, String) {
        self.seen.push(path.to_owned());
        let fitting = self.answers.iter().rev().find(|(beginning, _)| path.starts_with(**beginning));
        fitting.map_or((404, String::new()), |(_, answer)| answer.clone())
    }
}
