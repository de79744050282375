//! Keeps the keyrings of other workers current: takes over sets that a rebuild has left ready, looks at the key
//! repository from time to time, and publishes what is in force (design.md 7; keyrings.md 5).
//!
//! Work goes on meanwhile: whoever verifies holds the set that it began with. When an update fails, the last good set
//! stays in force, and the log says why at level ERROR.

use crate::config::{Config, KeyringsConfig};
use crate::keyrings::{
    KeyringSet, Published, RebuildError, Rebuilt, Store, StoreError, fetch_ready, is_ready, rebuild,
};
use crate::messages::keyrings::UpdateKeyrings;
use crate::messages::traced::{after, beside, then};
use crate::messages::{Receive, Staff, Work};
use actix::{Actor, Context, Supervised};
use scriptworker_core::time::UnixMillis;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause between two looks for a set that a rebuild has left ready.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// See the module.
pub struct KeyringManager {
    config: Arc<Config>,
    published: Arc<Published>,
    /// When the key repository was looked at last; none before the first time.
    updated: Option<Instant>,
    /// Something is under way.
    busy: bool,
    /// An update was asked for meanwhile.
    asked: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Take over what is ready, if anything is.
    Fetch,
    /// And look at the key repository.
    Update,
}

/// What came of it.
struct Done {
    /// The set in force.
    set: Result<KeyringSet, StoreError>,
    /// Everything that failed on the way.
    failed: Vec<RebuildError>,
}

impl KeyringManager {
    /// SIGHUP asks once, and each is quickly answered: a full mailbox means that the thread hangs.
    const MAILBOX: usize = 16;

    /// One that keeps what `config` names and puts it in `published`.
    pub fn new(config: Arc<Config>, published: Arc<Published>) -> Self {
        Self { config, published, updated: None, busy: false, asked: false }
    }

    /// Looks again after a while, for ever.
    fn look_on(&mut self, ctx: &mut Context<Self>) {
        let wait = LOOK_EVERY.min(self.config.keyrings.update_interval);
        after(ctx, wait, |actor: &mut Self, ctx| {
            let interval = actor.config.keyrings.update_interval;
            if actor.updated.is_none_or(|updated| updated.elapsed() >= interval) {
                actor.begin(Task::Update, ctx);
            } else {
                actor.begin(Task::Fetch, ctx);
            }
            actor.look_on(ctx);
        });
    }

    /// Begins a task beside messages; one at a time.
    fn begin(&mut self, task: Task, ctx: &mut Context<Self>) {
        let work = self.work(task);
        beside(ctx, "updating keyrings", work);
    }

    fn work(&mut self, task: Task) -> Work<Self> {
        if self.busy {
            self.asked |= task == Task::Update;
            return None;
        }
        self.busy = true;
        if task == Task::Update {
            self.updated = Some(Instant::now());
        }
        let config = Arc::clone(&self.config);
        let doing = actix_rt::task::spawn_blocking(move || carry_out(&config.keyrings, task));
        then(doing, |done, actor: &mut Self, ctx| {
            actor.busy = false;
            match done {
                Ok(Some(done)) => actor.publish(done),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "bringing the keyrings up to date ended early"),
            }
            if std::mem::take(&mut actor.asked) {
                actor.begin(Task::Update, ctx);
            }
        })
    }

    fn publish(&self, done: Done) {
        for error in &done.failed {
            tracing::error!(
                reason = error.code(),
                "the keyrings stay as they are, for they could not be brought up to date: failed to {error}"
            );
        }
        let before = self.published.current();
        match done.set {
            Ok(set) => {
                let is_new = before
                    .is_none_or(|before| (before.source(), before.built()) != (set.source(), set.built()));
                if is_new {
                    let source = set.source();
                    tracing::info!(
                        revision = source.revision,
                        tag = source.tag,
                        signed_by = %source.signed_by,
                        "keyrings are in force"
                    );
                    self.published.publish(set);
                }
            }
            Err(error) if before.is_some() => {
                tracing::error!(
                    "the keyrings on disk cannot be used, those in memory stay in force: failed to {error}"
                );
            }
            Err(error) => tracing::error!("there are no keyrings: failed to {error}"),
        }
    }
}

/// Does it, on a thread that may block. `None` without a place for keyrings, and when there is nothing to take over.
fn carry_out(config: &KeyringsConfig, task: Task) -> Option<Done> {
    if task == Task::Fetch && !is_ready(config) {
        return None;
    }
    let store = Store::new(config.base.as_ref()?);
    let mut failed = Vec::new();
    let fetch = |failed: &mut Vec<RebuildError>| failed.extend(fetch_ready(config).err());
    fetch(&mut failed);
    if task == Task::Update && config.repository.is_some() {
        let now = UnixMillis(chrono::Utc::now().timestamp_millis());
        match rebuild(config, now) {
            Ok(Rebuilt::Ready(_)) => fetch(&mut failed),
            Ok(Rebuilt::Unchanged(source)) => {
                tracing::debug!(revision = source.revision, "the key repository has nothing new");
            }
            Ok(Rebuilt::Busy(error)) => {
                tracing::warn!("the keyrings are not looked at now: failed to {error}")
            }
            Err(error) => failed.push(error),
        }
    }
    Some(Done { set: store.load(), failed })
}

impl Actor for KeyringManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Self::MAILBOX);
        self.begin(Task::Update, ctx);
        self.look_on(ctx);
    }
}

impl Supervised for KeyringManager {
    /// No run depends on it: what it published stays in force, and it begins anew. What still goes on in the
    /// background holds the lock, so nothing is done twice.
    fn restarting(&mut self, _: &mut Self::Context) {
        tracing::error!("the KeyringManager fell and was started again");
        (self.busy, self.asked) = (false, false);
    }
}

impl Staff for KeyringManager {
    const NAME: &'static str = "KeyringManager";
}

impl Receive<UpdateKeyrings> for KeyringManager {
    fn receive(&mut self, _: UpdateKeyrings, _: &mut Context<Self>) -> Work<Self> {
        self.work(Task::Update)
    }
}

crate::traced!(KeyringManager: UpdateKeyrings);
