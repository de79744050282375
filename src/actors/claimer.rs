//! The conversation with the queue about claims: asks for work, and says how a run ended.

use super::reclaimer::claim_end;
use crate::messages::claims::{SendReport, StopClaiming, TakeWork};
use crate::messages::notice::{Claimed, Renewal};
use crate::messages::traced::{beside, then};
use crate::messages::{Notice, Post, Receive, Staff, Work};
use crate::process::{boot_now, wait_until};
use crate::random::random;
use crate::taskcluster::model::{BadClaim, Claim};
use crate::taskcluster::{
    Answer, ApiError, Auth, Budget, CredentialSource, Credentials, Failure, Http, Queue, RootUrl,
};
use actix::{Actor, Context, Supervised};
use scriptworker_core::ids::{RunKey, TaskQueueId, WorkerGroup, WorkerId};
use scriptworker_core::retry::{Backoff, RetryClass};
use scriptworker_core::run::claim_loop::{ClaimLoop, Poll, PollEffect};
use scriptworker_core::run::lifecycle::Life;
use scriptworker_core::run::{self, Event, ExceptionReason, Report, ReportEnd};
use scriptworker_core::time::{BootMillis, UnixMillis};
use std::sync::Arc;
use std::time::Duration;

/// `claimWork` answers after at most 20 s of long poll; past this it is given up and counted as failed. It is asked
/// once: a repeated question could claim a second run.
const CLAIM_BUDGET: Budget = Budget { attempts: 1, total: Duration::from_secs(60) };
/// A run that cannot be worked on is given back within this time, or left to expire.
const GIVE_BACK_PATIENCE: Duration = Duration::from_secs(60);

/// As whom, and where, work is claimed.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The queue (worker pool) that work comes from.
    pub task_queue_id: TaskQueueId,
    /// The worker's group.
    pub worker_group: WorkerGroup,
    /// The worker's id.
    pub worker_id: WorkerId,
}

/// A claim as far as it could be read.
type ReadClaim = Result<Claim, Box<BadClaim>>;

/// See the module.
pub struct Claimer {
    supervisor: Post<Notice>,
    http: Http,
    root_url: RootUrl,
    /// The worker's own credentials.
    auth: Auth,
    identity: Arc<Identity>,
    poll_interval_ms: u64,
    claims: Option<ClaimLoop>,
    stopping: bool,
    /// It was said that work is asked for. A poll that finds nothing is no news, and there may be one every second for
    /// days: the log's sign of life stands for them.
    said_asking: bool,
    /// Counts lives of this actor, so that timers of an earlier one are told apart.
    generation: u64,
}

impl Claimer {
    /// One message per step of a run: a full mailbox means that the thread hangs.
    const MAILBOX: usize = 16;

    /// One that asks as `identity`.
    pub fn new(
        supervisor: Post<Notice>,
        http: Http,
        root_url: RootUrl,
        auth: Auth,
        identity: Identity,
        poll_interval: Duration,
    ) -> Self {
        let poll_interval_ms = u64::try_from(poll_interval.as_millis()).unwrap_or(u64::MAX);
        let identity = Arc::new(identity);
        Self {
            supervisor,
            http,
            root_url,
            auth,
            identity,
            poll_interval_ms,
            claims: None,
            stopping: false,
            said_asking: false,
            generation: 0,
        }
    }

    fn poll(&mut self, poll: Poll, ctx: &mut Context<Self>) {
        let Some(claims) = self.claims.take() else { return };
        let (claims, effects) = claims.on(boot_now(), poll);
        self.claims = Some(claims);
        self.carry_out(effects, ctx);
    }

    fn carry_out(&mut self, effects: Vec<PollEffect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                PollEffect::Ask => self.ask(ctx),
                PollEffect::WakeAt(at) => {
                    let generation = self.generation;
                    let waiting = then(wait_until(at), move |(), actor: &mut Self, ctx| {
                        if actor.generation == generation {
                            actor.poll(Poll::Wake, ctx);
                        }
                    });
                    beside(ctx, "waiting to ask again", waiting);
                }
                PollEffect::Stopped => self.tell_that_claiming_ended(),
            }
        }
    }

    fn tell_that_claiming_ended(&self) {
        tracing::info!("no more work is taken");
        let _ = self.supervisor.send(None, Notice::Life(Life::ClaimingEnded));
    }

    fn ask(&mut self, ctx: &mut Context<Self>) {
        let queue = Queue::new(self.http.clone(), &self.root_url, self.auth.clone());
        let identity = Arc::clone(&self.identity);
        if !std::mem::replace(&mut self.said_asking, true) {
            tracing::debug!(queue = %identity.task_queue_id, "asking for work");
        }
        let asked = boot_now();
        let asking = async move {
            let Identity { task_queue_id, worker_group, worker_id } = identity.as_ref();
            queue.claim_work(task_queue_id, worker_group, worker_id, CLAIM_BUDGET).await
        };
        let work = then(asking, move |answer, actor: &mut Self, ctx| actor.answered(asked, answer, ctx));
        beside(ctx, "claimWork", work);
    }

    fn answered(
        &mut self,
        asked: BootMillis,
        answer: Result<Answer<Vec<ReadClaim>>, ApiError>,
        ctx: &mut Context<Self>,
    ) {
        match answer {
            Ok(Answer { value, date }) => self.sort(asked, value, date, ctx),
            Err(error) => {
                self.said_asking = false;
                tracing::warn!(%error, "asking for work failed; asking again");
                let retry_after_ms =
                    error.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                self.poll(Poll::Failed { retry_after_ms, random: random() }, ctx);
            }
        }
    }

    /// One run is kept; what else may have come is given back at once, for nobody would renew it.
    fn sort(
        &mut self,
        asked: BootMillis,
        claims: Vec<ReadClaim>,
        date: Option<UnixMillis>,
        ctx: &mut Context<Self>,
    ) {
        let mut kept = None;
        for claim in claims {
            match claim {
                Ok(claim) if kept.is_none() => kept = Some(claim),
                Ok(claim) => {
                    let key = claim.run();
                    tracing::warn!(run = %key, "given back: the queue sent more than the one run asked for");
                    self.give_back(key, claim.credentials, ExceptionReason::WorkerShutdown, ctx);
                }
                Err(bad) => self.refuse(*bad, ctx),
            }
        }
        let Some(claim) = kept else { return self.poll(Poll::Nothing, ctx) };
        self.said_asking = false;
        self.poll(Poll::Claimed, ctx);
        let key = claim.run();
        let end = claim_end(claim.taken_until, date, asked);
        let renewal = Renewal { credentials: Arc::new(claim.credentials), end };
        let claimed_at = date.unwrap_or_else(|| UnixMillis(chrono::Utc::now().timestamp_millis()));
        let expires = claim.status.expires;
        let claimed = Claimed {
            key: key.clone(),
            task: Arc::new(claim.task),
            definition: Arc::from(claim.definition),
            worker_group: claim.worker_group,
            renewal,
            claimed_at,
            expires,
        };
        let _ = self.supervisor.send(Some(&key), Notice::Claimed(Box::new(claimed)));
    }

    /// A claim that cannot be read: reported if enough of it can be, else left to expire.
    fn refuse(&mut self, bad: BadClaim, ctx: &mut Context<Self>) {
        match (bad.run.clone(), bad.credentials.clone()) {
            (Some(key), Some(credentials)) => {
                tracing::error!(run = %key, problem = %bad.problem, "the claim cannot be read; reporting malformed-payload");
                self.give_back(key, credentials, ExceptionReason::MalformedPayload, ctx);
            }
            _ => {
                tracing::error!(problem = %bad.problem, "a claimed run is lost: not enough of its claim can be read to report it")
            }
        }
    }

    fn give_back(
        &mut self,
        key: RunKey,
        credentials: Credentials,
        reason: ExceptionReason,
        ctx: &mut Context<Self>,
    ) {
        let _ = self.supervisor.send(Some(&key), Notice::GivingBack(key.clone()));
        let queue = Queue::new(self.http.clone(), &self.root_url, Auth::fixed(credentials));
        let reporting = async move {
            let budget = Budget::within(GIVE_BACK_PATIENCE);
            (queue.report(&key, Report::Exception(reason), budget).await, key)
        };
        let work = then(reporting, |(reported, key), actor: &mut Self, _| {
            let settled = match reported {
                Ok(()) => {
                    tracing::info!(run = %key, "given back");
                    true
                }
                Err(error) if report_end(&error) == ReportEnd::Conflict => {
                    tracing::warn!(run = %key, %error, "nothing to give back: the run is no longer ours");
                    true
                }
                Err(error) => {
                    tracing::error!(run = %key, %error, "a claimed run is lost: it could not be given back");
                    false
                }
            };
            let _ = actor.supervisor.send(Some(&key.clone()), Notice::GaveBack(key, settled));
        });
        beside(ctx, "giving a run back", work);
    }
}

impl Actor for Claimer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Self::MAILBOX);
    }
}

impl Supervised for Claimer {
    fn restarting(&mut self, _: &mut Self::Context) {
        if self.claims.take().is_some_and(|claims| claims.is_asking()) {
            tracing::error!(
                "a claimWork was under way: the run it may have claimed is lost until its claim expires"
            );
        }
        self.generation += 1;
        let _ = self.supervisor.send(None, Notice::Died(run::Actor::Claimer));
    }
}

impl Staff for Claimer {
    const NAME: &'static str = run::Actor::Claimer.name();
}

impl Receive<TakeWork> for Claimer {
    fn receive(&mut self, _: TakeWork, ctx: &mut Context<Self>) -> Work<Self> {
        match self.claims {
            Some(_) => self.poll(Poll::RunFinished, ctx),
            None if self.stopping => {}
            None => {
                let (claims, effects) = ClaimLoop::start(self.poll_interval_ms);
                self.claims = Some(claims);
                self.carry_out(effects, ctx);
            }
        }
        None
    }
}

impl Receive<StopClaiming> for Claimer {
    fn receive(&mut self, _: StopClaiming, ctx: &mut Context<Self>) -> Work<Self> {
        self.stopping = true;
        match self.claims {
            Some(_) => self.poll(Poll::Stop, ctx),
            None => self.tell_that_claiming_ended(),
        }
        None
    }
}

impl Receive<SendReport> for Claimer {
    fn receive(&mut self, message: SendReport, _: &mut Context<Self>) -> Work<Self> {
        let SendReport { key, report, credentials } = message;
        let queue = Queue::new(self.http.clone(), &self.root_url, Auth::As(credentials.clone()));
        let reporting = async move {
            let mut attempt = 0_u32;
            loop {
                attempt = attempt.saturating_add(1);
                let left = Duration::from_millis(boot_now().until(credentials.end()));
                let reported = queue.report(&key, report, Budget::within(left)).await;
                // The claim may have been renewed meanwhile: as long as it is ours, the report can still get through.
                let over = credentials.credentials().is_err();
                match reported {
                    Err(error) if !over && report_end(&error) == ReportEnd::Unreachable => {
                        tracing::warn!(run = %key, ?report, %error, "the report got no answer of the queue's own; repeating it");
                        let wait = Backoff::API.wait_ms(attempt, random());
                        actix_rt::time::sleep(Duration::from_millis(wait)).await;
                    }
                    reported => break (reported, key),
                }
            }
        };
        then(reporting, move |(reported, key), actor: &mut Self, _| {
            let end = match &reported {
                Ok(()) => ReportEnd::Accepted,
                Err(error) => {
                    tracing::warn!(run = %key, ?report, %error, "the report did not go through");
                    report_end(error)
                }
            };
            let _ = actor.supervisor.send(Some(&key.clone()), Notice::Run(key, Event::Reported(end)));
        })
    }
}

/// What a failed report means for the run. Only the queue itself can refuse it: whatever else stands in the place of
/// its answer leaves open whether the report arrived.
fn report_end(error: &ApiError) -> ReportEnd {
    match (&error.failure, error.class()) {
        // other credentials may come as long as the claim is ours
        (failure, _) if failure.is_unauthenticated() => ReportEnd::Unreachable,
        (_, RetryClass::Transient) => ReportEnd::Unreachable,
        (Failure::Refused(_), RetryClass::Refused) => ReportEnd::Conflict,
        (Failure::Refused(_), RetryClass::Fatal) => ReportEnd::Refused,
        _ => ReportEnd::Unreachable,
    }
}

crate::traced!(Claimer: TakeWork, StopClaiming, SendReport);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::taskcluster::{ErrorCode, Refusal, WireError};

    #[test]
    fn only_the_queue_itself_ends_the_repeating_of_a_report() {
        let refused = |status| {
            let (code, message) = (ErrorCode::Other(String::new()), String::new());
            Failure::Refused(Box::new(Refusal {
                status,
                code,
                message,
                retry_after: None,
                clock_skew_s: None,
            }))
        };
        let page = |status| Failure::NotJson { status, start: "<html>".to_owned() };
        for (failure, end) in [
            (refused(400), ReportEnd::Refused),
            (refused(401), ReportEnd::Unreachable),
            (refused(403), ReportEnd::Refused),
            (refused(404), ReportEnd::Conflict),
            (refused(409), ReportEnd::Conflict),
            (refused(410), ReportEnd::Conflict),
            (refused(503), ReportEnd::Unreachable),
            (page(200), ReportEnd::Unreachable),
            (page(403), ReportEnd::Unreachable),
            (page(404), ReportEnd::Unreachable),
            (page(409), ReportEnd::Unreachable),
            (WireError::TooLarge { limit: 1 }.into(), ReportEnd::Unreachable),
            (WireError::Broken(String::new()).into(), ReportEnd::Unreachable),
        ] {
            let error = ApiError { call: "reportCompleted", attempts: 1, failure };
            assert_eq!(report_end(&error), end, "{error}");
        }
    }
}
