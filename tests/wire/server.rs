//! A raw TCP server that answers requests as a test tells it to: correctly, wrongly, or not at all.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came over the wire.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// Names in lower case; no name came twice.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// What happens to the connection after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    Keep,
    Close,
}

type Handler = dyn Fn(&Seen, &mut dyn Stream) -> io::Result<After> + Send + Sync;

/// Either side of a connection, plain or encrypted.
pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

pub struct Server {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Handles every request with `handler`, every connection on a thread of its own.
    pub fn start(
        handler: impl Fn(&Seen, &mut dyn Stream) -> io::Result<After> + Send + Sync + 'static,
    ) -> Self {
        Self::start_over(|tcp| Ok(Box::new(tcp)), handler)
    }

    /// The same over what `wrap` makes of the TCP connection.
    pub fn start_over(
        wrap: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
        handler: impl Fn(&Seen, &mut dyn Stream) -> io::Result<After> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, stopped, handler) = (Arc::clone(&seen), Arc::clone(&stop), Arc::new(handler));
        let wrap = Arc::new(wrap);
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (log, handler, wrap) = (Arc::clone(&log), Arc::clone(&handler), Arc::clone(&wrap));
                std::thread::spawn(move || {
                    // A client that goes away ends the connection, not the test.
                    let _gone = tcp
                        .and_then(|tcp| tcp.set_nodelay(true).and_then(|()| wrap(tcp)))
                        .and_then(|mut stream| serve(&mut *stream, &log, &*handler));
                });
            }
        });
        Self { addr, seen, stop }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The requests that came since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // wakes the listener
        let _refused = TcpStream::connect(self.addr);
    }
}

fn serve(stream: &mut dyn Stream, log: &Mutex<Vec<Seen>>, handler: &Handler) -> io::Result<()> {
    loop {
        let seen = read_request(stream)?;
        log.lock().unwrap().push(seen.clone());
        if handler(&seen, stream)? == After::Close {
            return stream.flush();
        }
        stream.flush()?;
    }
}

fn read_request(stream: &mut dyn Stream) -> io::Result<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let mut seen = Seen {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        ..Seen::default()
    };
    assert_eq!(first.next(), Some("HTTP/1.1"));
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        let earlier = seen.headers.insert(name.to_ascii_lowercase(), value.to_owned());
        assert_eq!(earlier, None, "the header {name} came twice");
    }
    assert!(!seen.headers.contains_key("transfer-encoding"), "a request was chunked");
    let length = seen.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body)?;
    if body.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    seen.body = body;
    Ok(seen)
}
