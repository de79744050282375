//! What tests about misbehaviour share: servers and answers.

use crate::server::{After, Server, Stream};
use flate2::{Compression, write::GzEncoder};
use scriptworker::taskcluster::{Http, HttpConfig, Phase};
use std::future::Future;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A server that gives each request the same bytes and then closes the connection.
pub fn saying(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes = bytes.into();
    Server::start(move |_, stream| {
        stream.write_all(&bytes)?;
        Ok(After::Close)
    })
}

/// A server that answers its nth request with the nth of these, the last one from then on.
pub fn in_turn(answers: Vec<Vec<u8>>) -> Server {
    let next = AtomicUsize::new(0);
    Server::start(move |_, stream| {
        let at = next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        stream.write_all(&answers[at])?;
        Ok(After::Keep)
    })
}

/// Waits until the other side closes.
pub fn hold(stream: &mut dyn Stream) -> io::Result<After> {
    let mut sink = [0; 1024];
    while stream.read(&mut sink)? > 0 {}
    Ok(After::Close)
}

pub fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A short limit for one phase and long enough ones for those around it, so that a busy machine passes no other.
pub fn quick(phase: Phase) -> HttpConfig {
    let (short, long) = (Duration::from_millis(300), HttpConfig::default().header_timeout);
    let limit = |phases: &[Phase], otherwise| if phases.contains(&phase) { short } else { otherwise };
    // Waiting for the first byte or the headers begins after the time for connecting.
    HttpConfig {
        connect_timeout: limit(&[Phase::Connect], Duration::from_secs(2)),
        header_timeout: limit(&[Phase::Headers], long),
        stall_timeout: limit(&[Phase::Send, Phase::Body], Duration::from_secs(2)),
        ..HttpConfig::default()
    }
}

pub fn run<T>(test: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(test)
}

pub fn client(config: HttpConfig) -> Http {
    Http::new(config).unwrap()
}
