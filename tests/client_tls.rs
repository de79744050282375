//! TLS as the client does it: whom it trusts, and what it notices.
//!
//! `SSL_CERT_FILE` belongs to a process, so each case runs this program again for one ignored test, with the variable
//! set as the case needs it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, dead_code, reason = "the parts of this test are modules, shared with other tests")]

#[path = "wire/server.rs"]
mod server;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use scriptworker::taskcluster::tls::{RootsFrom, TlsSetupError};
use scriptworker::taskcluster::transfer::{TransferError, TransferLimits};
use scriptworker::taskcluster::{Http, HttpConfig, HttpError, WireError};
use scriptworker_core::retry::RetryClass;
use scriptworker_core::secret::Secret;
use server::{After, Server, Stream};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");

/// Runs one ignored test of this program in an environment of its own.
fn alone(test: &str, cert_file: Option<&str>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env_remove("SSL_CERT_DIR");
    match cert_file {
        Some(file) => command.env("SSL_CERT_FILE", file),
        None => command.env_remove("SSL_CERT_FILE"),
    };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_named_store_is_trusted() {
    alone("in_a_world_with_our_authority", Some(&format!("{FOLDER}/ca.pem")));
}

#[test]
fn another_store_is_not_enough() {
    // The server's own certificate, which is none of an authority.
    alone("in_a_world_without_our_authority", Some(&format!("{FOLDER}/server.pem")));
}

#[test]
fn a_named_store_that_is_empty_is_an_error_and_not_replaced() {
    alone("in_a_world_without_any_authority", Some("/nonexistent/ca.pem"));
    alone("in_a_world_without_any_authority", Some(&format!("{FOLDER}/README.md")));
}

#[test]
fn without_a_named_store_there_are_roots() {
    alone("in_the_world_as_it_is", None);
}

/// A TLS connection that ends with a proper close, as a proxy does whose backend died.
struct Polite(StreamOwned<ServerConnection, TcpStream>);

impl Read for Polite {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Polite {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Polite {
    fn drop(&mut self) {
        self.0.conn.send_close_notify();
        // The other side may be gone already.
        let _gone = self.0.flush();
    }
}

/// An HTTPS server that also offers HTTP/2.
fn https(
    handler: impl Fn(&server::Seen, &mut dyn Stream) -> io::Result<After> + Send + Sync + 'static,
) -> Server {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(format!("{FOLDER}/server.pem"))
        .unwrap()
        .map(|certificate| certificate.unwrap())
        .collect();
    let key = PrivateKeyDer::from_pem_file(format!("{FOLDER}/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let wrap = move |mut tcp: TcpStream| -> io::Result<Box<dyn Stream>> {
        let mut connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
        Ok(Box::new(Polite(StreamOwned::new(connection, tcp))))
    };
    Server::start_over(wrap, handler)
}

async fn get(http: &Http, url: String) -> Result<bytes::Bytes, TransferError> {
    let limits = TransferLimits { total: Duration::from_secs(60), max_bytes: 1 << 20 };
    http.get(&Secret::new(url), None, limits).await?.collect().await
}

#[test]
#[ignore = "run by the_named_store_is_trusted"]
fn in_a_world_with_our_authority() {
    let server = https(|seen, stream| {
        let answer: &[u8] = match seen.target.as_str() {
            "/whole" => b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "/cut" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
            "/down" => b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: http://127.0.0.1/\r\n\r\n",
            other => panic!("{other}"),
        };
        stream.write_all(answer)?;
        Ok(After::Close)
    });
    let port = server.addr.port();
    actix_rt::System::new().block_on(async {
        let http = Http::new(HttpConfig::default()).unwrap();
        assert_eq!(http.roots(), RootsFrom::System);
        for host in ["127.0.0.1", "localhost"] {
            assert_eq!(get(&http, format!("https://{host}:{port}/whole")).await.unwrap(), "ok");
        }
        let first = server.take().remove(0);
        assert_eq!((first.method.as_str(), first.target.as_str(), first.body.len()), ("GET", "/whole", 0));
        assert_eq!(first.headers["host"], format!("127.0.0.1:{port}"));

        // The TLS connection ended as it should, the HTTP answer in it did not.
        let error = get(&http, format!("https://127.0.0.1:{port}/cut")).await.unwrap_err();
        let truncated = WireError::Truncated { received: 2, expected: None }.to_string();
        assert!(
            matches!(&error, TransferError::Wire { error, .. } if error.to_string() == truncated),
            "{error}"
        );

        let error = get(&http, format!("https://127.0.0.1:{port}/down")).await.unwrap_err();
        assert!(
            matches!(&error, TransferError::BadRedirect { problem, .. } if problem.contains("not encrypted"))
        );

        // The same server under a name that its certificate does not have.
        let error = get(&http, format!("https://[::ffff:127.0.0.1]:{port}/")).await.unwrap_err();
        assert!(matches!(error, TransferError::Wire { error: WireError::Tls { .. }, .. }), "{error}");
    });
}

#[test]
#[ignore = "run by another_store_is_not_enough"]
fn in_a_world_without_our_authority() {
    let server = https(|_, _| Ok(After::Close));
    actix_rt::System::new().block_on(async {
        let http = Http::new(HttpConfig::default()).unwrap();
        let error = get(&http, format!("https://127.0.0.1:{}/", server.addr.port())).await.unwrap_err();
        assert_eq!(error.class(), RetryClass::Transient);
        assert!(matches!(error, TransferError::Wire { error: WireError::Tls { .. }, .. }), "{error}");
    });
}

#[test]
#[ignore = "run by a_named_store_that_is_empty_is_an_error_and_not_replaced"]
fn in_a_world_without_any_authority() {
    let error = Http::new(HttpConfig::default()).err().unwrap();
    assert!(
        matches!(&error, HttpError::Tls(TlsSetupError::NamedStoreEmpty { place, .. }) if place.contains("SSL_CERT_FILE=")),
        "{error}"
    );
}

#[test]
#[ignore = "run by without_a_named_store_there_are_roots"]
fn in_the_world_as_it_is() {
    // From the system or bundled, as the machine has it; in either case nobody signed our server.
    let server = https(|_, _| Ok(After::Close));
    actix_rt::System::new().block_on(async {
        let http = Http::new(HttpConfig::default()).unwrap();
        let error = get(&http, format!("https://127.0.0.1:{}/", server.addr.port())).await.unwrap_err();
        assert!(matches!(error, TransferError::Wire { error: WireError::Tls { .. }, .. }), "{error}");
    });
}
