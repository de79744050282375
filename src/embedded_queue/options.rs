//! What an embedded queue is started with: clients, limits, clock.

use scriptworker_core::{ids::TaskQueueId, scope::Scope, secret::Secret, time::UnixMillis};
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Where the queue reads the date. Everything it decides by time goes through this: claims, deadlines, the age of
/// signatures, and the `Date` header of its answers.
pub trait Clock: Debug + Send + Sync {
    /// The present date.
    fn now(&self) -> UnixMillis;
}

/// The date of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(chrono::Utc::now().timestamp_millis())
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows this date.
    pub fn new(now: UnixMillis) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves the clock to a date.
    pub fn set(&self, now: UnixMillis) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves the clock by some milliseconds.
    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

/// A client that may sign requests.
#[derive(Debug, Clone)]
pub struct ClientGrant {
    /// Its name.
    pub client_id: String,
    /// The key of its signatures.
    pub access_token: Secret,
    /// What it may do, apart from what anybody may.
    pub scopes: Vec<Scope>,
}

impl ClientGrant {
    /// A worker of one pool: it may claim there under this name, and nothing else. Its key is random.
    pub fn of_worker(client_id: &str, pool: &TaskQueueId, group: &str, worker_id: &str) -> Self {
        let may = [format!("queue:claim-work:{pool}"), format!("queue:worker-id:{group}/{worker_id}")];
        Self {
            client_id: client_id.to_owned(),
            access_token: Secret::new(uuid::Uuid::new_v4().simple().to_string()),
            scopes: may.iter().filter_map(|scope| Scope::parse(scope).ok()).collect(),
        }
    }
}

/// What an embedded queue is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may sign requests.
    pub clients: Vec<ClientGrant>,
    /// The queue's own client: the issuer of the temporary credentials.
    pub issuer: ClientGrant,
    /// What anybody may do, with or without credentials.
    pub anonymous_scopes: Vec<Scope>,
    /// How long a claim lasts until it must be renewed.
    pub claim_timeout: Duration,
    /// How long `claimWork` waits for a task.
    pub long_poll: Duration,
    /// How often claims are looked at for having expired.
    pub claim_resolver_interval: Duration,
    /// How often tasks are looked at for having passed their deadline.
    pub deadline_resolver_interval: Duration,
    /// How long a URL for an upload is good.
    pub put_url_lifetime: Duration,
    /// Where the bytes of artifacts are kept. `None`: a directory of its own below the system's temporary directory,
    /// removed with the queue.
    pub storage_dir: Option<PathBuf>,
    /// The port on 127.0.0.1. `None`: any free one.
    pub port: Option<u16>,
    /// The date.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    /// The settings of a production deployment, without clients; resolvers run every second.
    fn default() -> Self {
        let issuer = ClientGrant {
            client_id: "static/embedded/queue".to_owned(),
            access_token: Secret::new(format!(
                "{}{}",
                uuid::Uuid::new_v4().simple(),
                uuid::Uuid::new_v4().simple()
            )),
            scopes: scopes(&["*"]),
        };
        Self {
            clients: Vec::new(),
            issuer,
            anonymous_scopes: scopes(&[
                "queue:get-artifact:public/*",
                "queue:list-artifacts:*",
                "queue:status:*",
                "queue:get-task:*",
                "queue:list-task-group:*",
                "queue:pending-count:*",
                "auth:current-scopes",
            ]),
            claim_timeout: Duration::from_secs(1200),
            long_poll: Duration::from_secs(20),
            claim_resolver_interval: Duration::from_secs(1),
            deadline_resolver_interval: Duration::from_secs(1),
            put_url_lifetime: Duration::from_secs(45 * 60),
            storage_dir: None,
            port: None,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Scopes of constant texts; a text that is no scope is left out.
fn scopes(texts: &[&str]) -> Vec<Scope> {
    texts.iter().filter_map(|text| Scope::parse(text).ok()).collect()
}

/// A duration as milliseconds that can be added to a date.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
