//! TLS: whom we trust. The system's certificate store first (`SSL_CERT_FILE` and `SSL_CERT_DIR` honoured), the
//! bundled roots of the web only where the system has none.

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::path::PathBuf;
use std::sync::Arc;

/// Why no TLS connection can be made at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsSetupError {
    /// `SSL_CERT_FILE` or `SSL_CERT_DIR` is set but yields no certificate. The bundled roots are not used then:
    /// whoever names a store means that one and no other.
    #[error("failed to find any CA certificate in {place}: {problem}")]
    NamedStoreEmpty {
        /// What the variables say.
        place: String,
        /// The first thing that went wrong.
        problem: String,
    },
    /// The crypto provider offers no protocol version that we accept.
    #[error("failed to set up TLS: {0}")]
    Protocol(String),
}

/// Where the roots came from: told at start-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootsFrom {
    /// The system's store, or the one that `SSL_CERT_FILE`/`SSL_CERT_DIR` name.
    System,
    /// The roots bundled at build time.
    Bundled,
}

/// The client side of TLS: TLS 1.2 and 1.3, HTTP/1.1 only, no client certificate.
///
/// Reads the certificate store from disk: call it once per thread at start, not per request.
pub fn client_config() -> Result<(Arc<ClientConfig>, RootsFrom), TlsSetupError> {
    // Process-wide, once; a second call finds it installed, which is what is wanted.
    let _already_installed = ring::default_provider().install_default();
    let (roots, from) = roots()?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsSetupError::Protocol(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), from))
}

fn roots() -> Result<(RootCertStore, RootsFrom), TlsSetupError> {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Single certificates that do not parse are normal in system stores.
    let (usable, _ignored) = store.add_parsable_certificates(found.certs);
    if usable > 0 {
        return Ok((store, RootsFrom::System));
    }
    let named: Vec<String> = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .into_iter()
        .filter_map(|name| {
            let value = PathBuf::from(std::env::var_os(name).filter(|value| !value.is_empty())?);
            Some(format!("{name}={}", value.display()))
        })
        .collect();
    if !named.is_empty() {
        let problem = found.errors.first().map_or("no usable certificate".to_owned(), ToString::to_string);
        return Err(TlsSetupError::NamedStoreEmpty { place: named.join(" "), problem });
    }
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok((store, RootsFrom::Bundled))
}
