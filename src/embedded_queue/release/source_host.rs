//! A host of source trees on the loopback: what pushes put there, and the list of projects.

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

/// A running host. It stops when it is dropped.
#[derive(Debug)]
pub struct SourceHost {
    url: String,
    known: Arc<Mutex<Known>>,
    running: Option<(ServerHandle, JoinHandle<()>)>,
}

/// What it answers, and what it was asked.
#[derive(Debug, Default)]
struct Known {
    answers: Vec<Answer>,
    asked: Vec<String>,
}

#[derive(Debug)]
struct Answer {
    beginning: String,
    status: u16,
    body: Bytes,
}

impl SourceHost {
    /// Starts a host that knows nothing, on a thread of its own.
    ///
    /// # Errors
    /// When there is no port or no thread for it.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let known = Arc::<Mutex<Known>>::default();
        let (ready, started) = mpsc::channel();
        let of_thread = Arc::clone(&known);
        let thread = thread::Builder::new()
            .name("source-host".to_owned())
            .spawn(move || actix_rt::System::new().block_on(run(of_thread, listener, ready)))?;
        let handle = started.recv().map_err(io::Error::other)??;
        Ok(Self { url, known, running: Some((handle, thread)) })
    }

    /// Where it is: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on, addresses whose path and query begin like this are answered so, whatever was said before.
    pub fn answer(&self, beginning: &str, status: u16, body: impl Into<Bytes>) {
        let answer = Answer { beginning: beginning.to_owned(), status, body: body.into() };
        lock(&self.known).answers.push(answer);
    }

    /// The path and query of everything that was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.known).asked.clone()
    }
}

impl Drop for SourceHost {
    fn drop(&mut self) {
        let Some((handle, thread)) = self.running.take() else { return };
        // the order to stop is given by the call itself; its end is seen in the end of the thread
        drop(handle.stop(false));
        if thread.join().is_err() {
            tracing::error!("the source host's thread panicked");
        }
    }
}

fn lock(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(known: Arc<Mutex<Known>>, listener: TcpListener, ready: mpsc::Sender<io::Result<ServerHandle>>) {
    let data = web::Data::from(known);
    let server = HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(serve)))
        .workers(1)
        .tcp_nodelay(true)
        .disable_signals()
        .listen(listener);
    let server = match server {
        Ok(server) => server.run(),
        Err(error) => {
            // nobody listens for this only if the starter is gone, and then nobody needs it
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(server.handle())).is_ok()
        && let Err(error) = server.await
    {
        tracing::error!(%error, "source host ended");
    }
}

async fn serve(request: HttpRequest, known: web::Data<Mutex<Known>>) -> HttpResponse {
    let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
    let mut known = lock(&known);
    known.asked.push(asked.to_owned());
    let found = known.answers.iter().rev().find(|answer| asked.starts_with(&answer.beginning));
    let Some(Answer { status, body, .. }) = found else { return HttpResponse::NotFound().finish() };
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if body.starts_with(b"<") { "text/html" } else { "text/plain" };
    HttpResponse::build(status).content_type(kind).body(body.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    fn ask(host: &SourceHost, path: &str) -> String {
        let mut stream = TcpStream::connect(host.url().strip_prefix("http://").unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_last_word_about_an_address_counts() {
        let host = SourceHost::start().unwrap();
        host.answer("/a?b=", 200, "first");
        assert!(ask(&host, "/a?b=1").ends_with("\r\n\r\nfirst"));
        assert!(ask(&host, "/a").starts_with("HTTP/1.1 404 "));
        host.answer("/a", 503, "<html>");
        let answer = ask(&host, "/a?b=1");
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("text/html"), "{answer}");
        assert_eq!(host.asked(), ["/a?b=1", "/a", "/a?b=1"]);
    }
}
