//! The heartbeat: renews the claim of the run in hand until nobody needs it. Lives on an arbiter of its own with an
//! HTTP client of its own, so that nothing else can make it late.

use super::RunCredentials;
use crate::messages::heartbeat::{KeepClaim, LetClaimGo};
use crate::messages::notice::Renewal;
use crate::messages::traced::{after, then};
use crate::messages::{Notice, Post, Receive, Staff, Work};
use crate::process::boot_now;
use crate::taskcluster::model::Reclaim;
use crate::taskcluster::{Answer, ApiError, Auth, Budget, Http, Queue, RootUrl};
use actix::{Actor, AsyncContext, Context, Supervised};
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::heartbeat::{Beat, BeatEffect, Heartbeat, time_left_ms};
use scriptworker_core::run::{self, Event};
use scriptworker_core::time::{BootMillis, UnixMillis};
use std::sync::Arc;
use std::time::Duration;

/// One attempt is given up after this long, so that a queue that never answers is asked again in time.
const ATTEMPT: Duration = Duration::from_secs(30);

/// See the module.
pub struct Reclaimer {
    supervisor: Post<Notice>,
    http: Http,
    root_url: RootUrl,
    interval_ms: u64,
    claim: Option<Claim>,
    /// Counts claims, so that a timer or an answer that belongs to an earlier one is told apart.
    generation: u64,
}

struct Claim {
    key: RunKey,
    credentials: Arc<RunCredentials>,
    beat: Heartbeat,
}

impl Reclaimer {
    /// One start and one stop per run: a full mailbox means that the thread hangs.
    const MAILBOX: usize = 16;

    /// One that renews every `reclaim_interval` or earlier.
    pub fn new(supervisor: Post<Notice>, http: Http, root_url: RootUrl, reclaim_interval: Duration) -> Self {
        let interval_ms = u64::try_from(reclaim_interval.as_millis()).unwrap_or(u64::MAX);
        Self { supervisor, http, root_url, interval_ms, claim: None, generation: 0 }
    }

    fn beat(&mut self, beat: Beat, ctx: &mut Context<Self>) {
        let Some(claim) = &mut self.claim else { return };
        let (next, effects) = claim.beat.clone().on(boot_now(), beat);
        claim.beat = next;
        self.carry_out(effects, ctx);
    }

    fn carry_out(&mut self, effects: Vec<BeatEffect>, ctx: &mut Context<Self>) {
        let generation = self.generation;
        for effect in effects {
            match effect {
                BeatEffect::WakeAt(at) => {
                    let wait = Duration::from_millis(boot_now().until(at));
                    after(ctx, wait, move |actor: &mut Self, ctx| {
                        if actor.generation == generation {
                            actor.beat(Beat::Tick, ctx);
                        }
                    });
                }
                BeatEffect::Reclaim { give_up_at } => self.reclaim(give_up_at, ctx),
                BeatEffect::Lost(cause) => {
                    if let Some(claim) = self.claim.take() {
                        tracing::warn!(run = %claim.key, ?cause, "the claim is lost");
                        let key = claim.key.clone();
                        let _ =
                            self.supervisor.send(Some(&key), Notice::Run(claim.key, Event::ClaimLost(cause)));
                    }
                }
            }
        }
    }

    fn reclaim(&mut self, give_up_at: BootMillis, ctx: &mut Context<Self>) {
        let Some(claim) = &self.claim else { return };
        let auth = Auth::As(claim.credentials.clone());
        let queue = Queue::new(self.http.clone(), &self.root_url, auth);
        let (key, generation) = (claim.key.clone(), self.generation);
        let left = Duration::from_millis(boot_now().until(give_up_at));
        let budget = Budget { attempts: 1, total: left.min(ATTEMPT) };
        let asking = async move { queue.reclaim_task(&key, budget).await };
        if let Some(work) = then(asking, move |answer, actor: &mut Self, ctx| {
            if actor.generation == generation {
                actor.answered(answer, ctx);
            }
        }) {
            ctx.spawn(work);
        }
    }

    fn answered(&mut self, answer: Result<Answer<Reclaim>, ApiError>, ctx: &mut Context<Self>) {
        let Some(claim) = &self.claim else { return };
        match answer {
            Ok(Answer { value, date }) => {
                let end = claim_end(value.taken_until, date);
                tracing::debug!(run = %claim.key, left_ms = boot_now().until(end), "claim renewed");
                let renewal = Renewal { credentials: Arc::new(value.credentials), end };
                let _ = self.supervisor.send(Some(&claim.key), Notice::Renewed(claim.key.clone(), renewal));
                self.beat(Beat::Renewed { end }, ctx);
            }
            Err(error) => {
                tracing::warn!(run = %claim.key, %error, "renewing the claim failed");
                let retry_after_ms =
                    error.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                self.beat(Beat::Failed { class: error.class(), retry_after_ms }, ctx);
            }
        }
    }
}

/// The end of a claim on the boot clock, from an answer that just arrived.
pub(super) fn claim_end(taken_until: UnixMillis, answered_at: Option<UnixMillis>) -> BootMillis {
    let answered_at = answered_at.unwrap_or_else(|| UnixMillis(chrono::Utc::now().timestamp_millis()));
    boot_now().plus(time_left_ms(taken_until, answered_at))
}

impl Actor for Reclaimer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Self::MAILBOX);
    }
}

impl Supervised for Reclaimer {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.claim = None;
        self.generation += 1;
        let _ = self.supervisor.send(None, Notice::Died(run::Actor::Reclaimer));
    }
}

impl Staff for Reclaimer {
    const NAME: &'static str = "Reclaimer";
}

impl Receive<KeepClaim> for Reclaimer {
    fn receive(&mut self, message: KeepClaim, ctx: &mut Context<Self>) -> Work<Self> {
        let KeepClaim { key, end, credentials } = message;
        self.generation += 1;
        let (beat, effects) = Heartbeat::start(self.interval_ms, end, boot_now());
        self.claim = Some(Claim { key, credentials, beat });
        self.carry_out(effects, ctx);
        None
    }
}

impl Receive<LetClaimGo> for Reclaimer {
    fn receive(&mut self, _: LetClaimGo, _: &mut Context<Self>) -> Work<Self> {
        self.generation += 1;
        self.claim = None;
        None
    }
}

crate::traced!(Reclaimer: KeepClaim, LetClaimGo);
