//! The heartbeat: renews the claim of the run in hand until nobody needs it. Lives on an arbiter of its own with an
//! HTTP client of its own, so that nothing else can make it late.

use super::RunCredentials;
use crate::messages::heartbeat::{KeepClaim, LetClaimGo};
use crate::messages::notice::Renewal;
use crate::messages::traced::{after, beside, then};
use crate::messages::{Notice, Post, Receive, Staff, Work};
use crate::process::boot_now;
use crate::taskcluster::model::Reclaim;
use crate::taskcluster::{Answer, ApiError, Auth, Budget, Http, Queue, RootUrl};
use actix::{Actor, Context, Supervised};
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::heartbeat::{Beat, BeatEffect, Heartbeat, time_left_ms};
use scriptworker_core::run::{self, Event};
use scriptworker_core::time::{BootMillis, UnixMillis};
use std::sync::Arc;
use std::time::Duration;

/// By how much the end of a claim is believed to be earlier than computed: a `Date` header has whole seconds, so the
/// answer may be almost a second younger than it says; and what is left of the script then takes a moment to kill.
const UNCERTAINTY_MS: u64 = 1_250;
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
        let asked = boot_now();
        let asking = async move { queue.reclaim_task(&key, budget).await };
        let work = then(asking, move |answer, actor: &mut Self, ctx| {
            if actor.generation == generation {
                actor.answered(asked, answer, ctx);
            }
        });
        beside(ctx, "reclaimTask", work);
    }

    fn answered(
        &mut self,
        asked: BootMillis,
        answer: Result<Answer<Reclaim>, ApiError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(claim) = &self.claim else { return };
        match answer {
            Ok(Answer { value, date }) => {
                let end = claim_end(value.taken_until, date, asked);
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

/// The end of a claim on the boot clock, from the answer to a request that was sent at `asked`: never later than the
/// true one.
///
/// What was left is counted from the request, not from when the answer is read: if the worker was frozen in between,
/// the answer is as old as the freeze is long. That costs a fresh claim at most the 20 s of a long poll.
pub(super) fn claim_end(
    taken_until: UnixMillis,
    answered_at: Option<UnixMillis>,
    asked: BootMillis,
) -> BootMillis {
    let (since, left) = match answered_at {
        Some(date) => (asked, time_left_ms(taken_until, date)),
        None => (boot_now(), time_left_ms(taken_until, UnixMillis(chrono::Utc::now().timestamp_millis()))),
    };
    since.plus(left.saturating_sub(UNCERTAINTY_MS))
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
    const NAME: &'static str = run::Actor::Reclaimer.name();
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

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: UnixMillis = UnixMillis(1_700_000_000_000);

    #[test]
    fn a_claim_ends_after_what_was_left_when_it_was_asked_for() {
        // long ago: the answer was read late
        let asked = BootMillis(5);
        assert_eq!(claim_end(DATE.plus(20_000), Some(DATE), asked), BootMillis(5 + 20_000 - UNCERTAINTY_MS));
        assert_eq!(claim_end(DATE.plus(1_000), Some(DATE), asked), asked);
        assert_eq!(claim_end(DATE, Some(DATE.plus(60_000)), asked), asked);
    }

    #[test]
    fn without_a_date_the_own_clock_counts() {
        let before = boot_now();
        let now = UnixMillis(chrono::Utc::now().timestamp_millis());
        let end = claim_end(now.plus(3_600_000), None, BootMillis(0));
        assert!(end.0 > before.0 + 3_000_000 && end.0 < before.0 + 3_600_000, "{end:?} at {before:?}");
    }
}
