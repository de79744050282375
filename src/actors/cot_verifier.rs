//! Verifies the chain of trust of the run in hand: gathers what the core asks for, has it judged, and hands over what a
//! script may be given (chain-of-trust.md 3; artifacts.md 6). What came of it stays in `chain_of_trust.log`, in
//! `chain_of_trust.json`, and, if the configuration wants it, in a bundle.
//!
//! Nothing is decided here: see `scriptworker_core::cot::judge`.

mod outcome;
mod records;
mod verification;

pub use outcome::{Clearance, Judged, Summary, VerdictFile};
pub(super) use records::LOG as VERIFICATION_LOG;

use self::verification::{Means, Stop, Verification};
use crate::config::Config;
use crate::cot::policies::PolicyStore;
use crate::keyrings::Published;
use crate::messages::traced::then;
use crate::messages::verification::{AbortVerify, ReloadPolicy, Verify};
use crate::messages::{Notice, Post, Receive, Staff, Work};
use crate::taskcluster::{Auth, Http, RootUrl};
use actix::{Actor, Context, Supervised};
use scriptworker_core::ids::RunKey;
use scriptworker_core::run;
use scriptworker_core::time::UnixMillis;
use std::sync::Arc;
use tokio::sync::watch;

/// See the module.
pub struct CotVerifier {
    supervisor: Post<Notice>,
    means: Means,
    /// The verification under way, and what ends it.
    under_way: Option<(RunKey, watch::Sender<Stop>)>,
}

impl CotVerifier {
    /// Two messages per run, and one per SIGHUP: a full mailbox means that the thread hangs.
    const MAILBOX: usize = 16;

    /// One that verifies by `config` and by what is in use in `policies` and `keyrings` when a verification begins.
    pub fn new(
        supervisor: Post<Notice>,
        config: Arc<Config>,
        policies: Arc<PolicyStore>,
        keyrings: Arc<Published>,
        http: Http,
        root_url: RootUrl,
        auth: Auth,
    ) -> Self {
        let means = Means { config, policies, keyrings, http, root_url, auth };
        Self { supervisor, means, under_way: None }
    }
}

impl Actor for CotVerifier {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Self::MAILBOX);
    }
}

impl Supervised for CotVerifier {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.under_way = None;
        let _ = self.supervisor.send(None, Notice::Died(run::Actor::CotVerifier));
    }
}

impl Staff for CotVerifier {
    const NAME: &'static str = run::Actor::CotVerifier.name();
}

impl Receive<Verify> for CotVerifier {
    fn receive(&mut self, message: Verify, _: &mut Context<Self>) -> Work<Self> {
        let (end, stop) = watch::channel(Stop::No);
        let key = message.key.clone();
        if let Some((before, end)) = self.under_way.replace((key.clone(), end)) {
            // given up by the Supervisor, or it would not ask for the next one
            tracing::warn!(run = %before, "a verification is abandoned for that of the next run");
            end.send_replace(Stop::Abandon);
        }
        let verification = Verification::new(self.means.clone(), message);
        then(verification.run(stop), move |judged, actor: &mut Self, _| {
            actor.under_way.take_if(|(under_way, _)| *under_way == key);
            let _ = actor.supervisor.send(Some(&key.clone()), Notice::Judged(key, Box::new(judged)));
        })
    }
}

impl Receive<AbortVerify> for CotVerifier {
    fn receive(&mut self, message: AbortVerify, _: &mut Context<Self>) -> Work<Self> {
        if let Some((_, end)) = self.under_way.as_ref().filter(|(key, _)| *key == message.key) {
            end.send_replace(if message.keep { Stop::Abort } else { Stop::Abandon });
        }
        None
    }
}

impl Receive<ReloadPolicy> for CotVerifier {
    fn receive(&mut self, _: ReloadPolicy, _: &mut Context<Self>) -> Work<Self> {
        let policies = Arc::clone(&self.means.policies);
        let now = UnixMillis(chrono::Utc::now().timestamp_millis());
        // what is wrong is logged there, and the policy in use stays
        let reloading = actix_rt::task::spawn_blocking(move || policies.reload(now).is_ok());
        then(reloading, |reloaded, _: &mut Self, _| {
            if let Err(error) = reloaded {
                tracing::error!(%error, "reading the policy anew ended early");
            }
        })
    }
}

crate::traced!(CotVerifier: Verify, AbortVerify, ReloadPolicy);
