//! The transport under awc: TCP, or TLS over TCP, made here rather than by awc for three reasons.
//!
//! * Failures keep their kind (name, TCP, TLS).
//! * HTTP/2 cannot be negotiated, whatever awc's features say.
//! * The stream tells when the other side ended it. awc reports a chunked body that was cut as complete; a body that
//!   ends together with its connection was cut, because a whole one ends with its last chunk, before that.
//!
//! awc therefore sees only `http://` targets; a client of its own dials TLS underneath.

use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_service::Service;
use actix_tls::connect::rustls_0_23::{TlsConnector, reexports::AsyncTlsStream};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Host};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use rustls::ClientConfig;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Set by a stream at the moment it reads the end of its connection. Streams and readers of one thread share it: a
/// reader clears it, polls its body, and looks again, all without giving up the thread.
#[derive(Debug, Clone, Default)]
pub(super) struct EndSeen(Rc<Cell<bool>>);

impl EndSeen {
    /// Clears the mark and says whether it was set.
    pub(super) fn take(&self) -> bool {
        self.0.replace(false)
    }
}

/// A TLS handshake that failed: the inner error of the `io::Error` that awc hands on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct TlsFailure(pub(super) io::Error);

/// Connects; the service that awc asks for new connections.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) end: EndSeen,
}

impl Service<ConnectInfo<Uri>> for Dial {
    type Response = Connection<Uri, Watched>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let Self { tls, end } = self.clone();
        Box::pin(async move {
            let uri = info.request().clone();
            let port = uri.port_u16().ok_or(ConnectError::Unresolved)?;
            let name =
                uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
            let tcp = TcpStream::connect((name.as_str(), port)).await.map_err(ConnectError::Io)?;
            tcp.set_nodelay(true).map_err(ConnectError::Io)?;
            let stream = match tls {
                None => Transport::Tcp(tcp),
                Some(config) => {
                    let plain = Connection::new(ServerName(name), tcp);
                    let secured = TlsConnector::service(config)
                        .call(plain)
                        .await
                        .map_err(|error| ConnectError::Io(io::Error::other(TlsFailure(error))))?;
                    Transport::Tls(Box::new(secured.into_parts().0))
                }
            };
            Ok(Connection::new(uri, Watched { stream, end }))
        })
    }
}

/// The name to check the certificate against, taken whole: the one of a `String` would end at the first colon.
struct ServerName(String);

impl Host for ServerName {
    fn hostname(&self) -> &str {
        &self.0
    }
}

#[derive(Debug)]
enum Transport {
    Tcp(TcpStream),
    Tls(Box<AsyncTlsStream<TcpStream>>),
}

/// A connection that tells when it was ended by the other side.
#[derive(Debug)]
pub(super) struct Watched {
    stream: Transport,
    end: EndSeen,
}

impl Watched {
    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Transport::Tcp(tcp) => tcp,
            Transport::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let room = buf.remaining() > 0;
        let polled = match &mut this.stream {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Transport::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        };
        match &polled {
            Poll::Ready(Ok(())) if room && buf.filled().len() == before => this.end.0.set(true),
            Poll::Ready(Err(_)) => this.end.0.set(true),
            _ => {}
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_write(cx, data),
            Transport::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Transport::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Transport::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Transport::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}

impl ActixStream for Watched {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.tcp(), cx)
    }
}
