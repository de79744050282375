//! The thread, the listener and the resolvers.

use super::options::Options;
use super::routes::serve;
use super::shared::{Connection, Shared};
use crate::fsio;
use actix_web::dev::{Extensions, ServerHandle};
use actix_web::{App, HttpServer, web};
use std::any::Any;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Why an embedded queue could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is not to be had.
    #[error("failed to listen on 127.0.0.1:{port}")]
    Listen {
        /// The port that was asked for; 0: any.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The directory for artifacts is not to be had.
    #[error("failed to create the storage directory {path}")]
    Storage {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gave no thread.
    #[error("failed to start the queue's thread")]
    Thread {
        /// Why.
        source: io::Error,
    },
    /// The thread ended before it served anything.
    #[error("failed to serve: the queue's thread ended at once")]
    EndedAtOnce,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) handle: ServerHandle,
    pub(crate) thread: JoinHandle<()>,
}

/// Binds the listener and starts the thread.
pub(crate) fn start(options: Options) -> Result<Running, StartError> {
    let port = options.port.unwrap_or(0);
    let listen = |source| StartError::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listen)?;
    let root_url = format!("http://{}", listener.local_addr().map_err(listen)?);
    let storage_dir = options.storage_dir.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("embedded-queue-{}", uuid::Uuid::new_v4().simple()))
    });
    fsio::create_dir_all(&storage_dir)
        .map_err(|source| StartError::Storage { path: storage_dir.clone(), source })?;
    let shared = Arc::new(Shared::new(options, root_url, storage_dir));
    let (ready, started) = mpsc::channel();
    let of_thread = Arc::clone(&shared);
    let thread = thread::Builder::new()
        .name("embedded-queue".to_owned())
        .spawn(move || actix_rt::System::new().block_on(run(of_thread, listener, ready)))
        .map_err(|source| StartError::Thread { source })?;
    match started.recv() {
        Ok(Ok(handle)) => {
            tracing::warn!(
                root_url = %shared.root_url,
                "embedded queue started: for demo and tests only, never for production"
            );
            Ok(Running { shared, handle, thread })
        }
        Ok(Err(source)) => Err(listen(source)),
        Err(mpsc::RecvError) => Err(StartError::EndedAtOnce),
    }
}

async fn run(shared: Arc<Shared>, listener: TcpListener, ready: mpsc::Sender<io::Result<ServerHandle>>) {
    let data = web::Data::from(Arc::clone(&shared));
    let server = HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(serve)))
        .workers(1)
        // else whoever reads a stored artifact waits 40 ms for its first byte, until the head is acknowledged
        .tcp_nodelay(true)
        .disable_signals()
        .on_connect(remember_connection)
        .listen(listener);
    let server = match server {
        Ok(server) => server.run(),
        Err(error) => {
            // Nobody listens for this only if the starter is gone, and then nobody needs it.
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(server.handle())).is_err() {
        return;
    }
    let claims = resolve(shared.options.claim_resolver_interval, || shared.resolve_claims());
    let deadlines = resolve(shared.options.deadline_resolver_interval, || shared.resolve_deadlines());
    tokio::select! {
        result = server => if let Err(error) = result {
            tracing::error!(%error, "embedded queue ended");
        },
        () = claims => {}
        () = deadlines => {}
    }
}

/// Does something again and again.
async fn resolve(interval: Duration, work: impl Fn()) {
    loop {
        tokio::time::sleep(interval.max(Duration::from_millis(1))).await;
        work();
    }
}

/// Keeps a handle to each connection, so that faults can close it and `claimWork` can see that its client is gone.
fn remember_connection(connection: &dyn Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<actix_rt::net::TcpStream>()
        && let Ok(handle) = stream.as_fd().try_clone_to_owned()
    {
        extensions.insert(Connection(TcpStream::from(handle)));
    }
}
