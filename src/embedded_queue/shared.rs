//! What all requests and the control surface share: state, log of calls, faults, clock.

use super::auth::Clients;
use super::call::Call;
use super::faults::Faults;
use super::options::{Options, millis};
use super::state::State;
use actix_web::HttpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scriptworker_core::ids::{InvalidId, RunId, TaskId};
use scriptworker_core::time::UnixMillis;
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often a hanging answer looks whether its client is still there.
const GONE_CHECK: Duration = Duration::from_millis(20);

/// A call that was answered, or given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// When it was answered, by the queue's clock.
    pub at: UnixMillis,
    /// Which call.
    pub call: Call,
    /// The task in its path.
    pub task_id: Option<TaskId>,
    /// The run in its path.
    pub run_id: Option<RunId>,
    /// The artifact, object or storage key in its path.
    pub name: Option<String>,
    /// The HTTP status of the answer; `None`: the connection ended before there was one.
    pub status: Option<u16>,
    /// Whether a fault on order met it.
    pub faulty: bool,
    /// When its headers had come: finer than [`at`](Self::at), and of a clock that never jumps, for who measures.
    pub began: Instant,
    /// When its answer was made.
    pub ended: Instant,
}

/// The calls so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Answered calls in the order of their answers.
    pub(crate) done: Vec<CallRecord>,
    /// Calls that still wait for their answer.
    pub(crate) open: Vec<Call>,
}

/// A handle to a client's connection.
#[derive(Debug)]
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    /// Closes the connection, whatever was or is being written.
    pub(crate) fn close(&self) {
        // A connection that is closed already is what was wanted.
        let _ = self.0.shutdown(Shutdown::Both);
    }

    /// Whether the client closed its side.
    fn is_closed(&self) -> bool {
        matches!(self.0.peek(&mut [0]), Ok(0))
    }
}

/// What all requests and the control surface share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) clients: Clients,
    pub(crate) root_url: String,
    pub(crate) storage_dir: PathBuf,
    /// Signs the URLs of the storage.
    pub(crate) storage_key: Vec<u8>,
    pub(crate) started: Instant,
    state: Mutex<State>,
    state_changed: Condvar,
    /// Counts the changes of the state.
    version: watch::Sender<u64>,
    log: Mutex<Log>,
    log_changed: Condvar,
    faults: Mutex<Faults>,
    stopping: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new(options: Options, root_url: String, storage_dir: PathBuf) -> Self {
        let mut clients = options.clients.clone();
        clients.push(options.issuer.clone());
        Self {
            clients: Clients { clients, anonymous_scopes: options.anonymous_scopes.clone() },
            options,
            root_url,
            storage_dir,
            storage_key: [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat(),
            started: Instant::now(),
            state: Mutex::default(),
            state_changed: Condvar::new(),
            version: watch::Sender::new(0),
            log: Mutex::default(),
            log_changed: Condvar::new(),
            faults: Mutex::default(),
            stopping: watch::Sender::new(false),
        }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.options.clock.now()
    }

    /// The end of a claim that is made or renewed now.
    pub(crate) fn taken_until(&self) -> UnixMillis {
        self.now().plus(millis(self.options.claim_timeout))
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.lock_state())
    }

    /// Changes the state; everybody who waits for a change looks again.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut State, UnixMillis) -> T) -> T {
        self.update_if(|state, now| (change(state, now), true))
    }

    /// The same, when only the change itself knows whether it is one.
    pub(crate) fn update_if<T>(&self, change: impl FnOnce(&mut State, UnixMillis) -> (T, bool)) -> T {
        let now = self.now();
        let (result, changed) = change(&mut self.lock_state(), now);
        if changed {
            self.version.send_modify(|version| *version = version.wrapping_add(1));
            self.state_changed.notify_all();
        }
        result
    }

    /// Told of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Waits (blocking) until the state answers. `None` when the time is over.
    pub(crate) fn wait_state<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> Option<T> {
        wait(&self.state_changed, self.lock_state(), timeout, |state| look(state))
    }

    /// Waits (blocking) until the log answers. `None` when the time is over.
    pub(crate) fn wait_log<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&Log) -> Option<T>,
    ) -> Option<T> {
        wait(&self.log_changed, self.lock_log(), timeout, |log| look(log))
    }

    pub(crate) fn lock_log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log_change(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.lock_log());
        self.log_changed.notify_all();
    }

    pub(crate) fn lock_faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves what is overdue.
    pub(crate) fn resolve_claims(&self) {
        self.update_if(|state, now| ((), state.expire_claims(now)));
    }

    /// Resolves what is past its deadline.
    pub(crate) fn resolve_deadlines(&self) {
        self.update_if(|state, now| ((), state.resolve_deadlines(now)));
    }

    /// Lets everything that waits come to an end.
    pub(crate) fn begin_to_stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Ends when the queue is about to stop.
    pub(crate) async fn stopping(&self) {
        // The sender lives as long as `self`, so this ends for one reason only.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Waits, but not beyond the end of the queue.
    pub(crate) async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stopping() => {}
        }
    }

    /// Whether the client of a request has closed its connection.
    pub(crate) fn is_gone(request: &HttpRequest) -> bool {
        request.conn_data::<Connection>().is_some_and(Connection::is_closed)
    }

    /// Waits until the client of a request has closed its connection, or the queue is about to stop.
    pub(crate) async fn until_gone(&self, request: &HttpRequest) {
        let gone = async {
            while !Self::is_gone(request) {
                tokio::time::sleep(GONE_CHECK).await;
            }
        };
        tokio::select! {
            () = gone => {}
            () = self.stopping() => {}
        }
    }
}

fn wait<S, T>(
    changed: &Condvar,
    mut guard: MutexGuard<'_, S>,
    timeout: Duration,
    mut look: impl FnMut(&S) -> Option<T>,
) -> Option<T> {
    let end = Instant::now().checked_add(timeout);
    loop {
        if let Some(found) = look(&guard) {
            return Some(found);
        }
        guard = match end.map(|end| end.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return None,
            Some(left) => changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0,
            None => changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

/// A task id that no task has.
pub fn new_task_id() -> Result<TaskId, InvalidId> {
    TaskId::parse(&slugid())
}

/// A new slugid.
pub(crate) fn slugid() -> String {
    URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().into_bytes())
}
