//! Feeds what happens to the run's state machine and carries out what it decides. The only actor that knows others.

mod chain;
mod falls;
mod record;
mod returns;

use self::falls::log_loss;
use self::record::Record;
use self::returns::Returns;
use super::RunCredentials;
use super::cot_verifier::{Clearance, VerdictFile};
use super::crew::{Crew, Team};
use super::script_runner::Whereabouts;
use crate::messages::claims::{SendReport, StopClaiming, TakeWork};
use crate::messages::credentials::PublishCredentials;
use crate::messages::heartbeat::{KeepClaim, LetClaimGo};
use crate::messages::notice::{Claimed, Renewal};
use crate::messages::script::{CleanUp, ExtendDeadline, Prepare, StartScript, StopScript};
use crate::messages::traced::after;
use crate::messages::upload::{AbortUpload, Attest, UploadArtifacts};
use crate::messages::{Notice, Post, Receive, Staff, Work};
use crate::process::boot_now;
use actix::{Actor, AsyncContext, Context, Supervised};
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::lifecycle::{EXIT_RUN_LEFT, Life, LifeEffect, Lifecycle};
use scriptworker_core::run::{self, Admission, Effect, Event, Outcome, Phase, Policy, Resolution, Run};
use scriptworker_core::task::{MalformedTask, TaskTerms};
use scriptworker_core::time::BootMillis;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The exit code of a worker whose Supervisor itself failed, or is gone (`EX_SOFTWARE`).
pub(crate) const EXIT_SOFTWARE: u8 = 70;

/// See the module.
pub struct Supervisor {
    crew: Crew,
    team: Option<Team>,
    lifecycle: Lifecycle,
    hand: Option<Hand>,
    returns: Returns,
    /// Since when there is nothing in hand.
    idle_since: BootMillis,
    /// Where the process's exit code is waited for.
    leave: Option<oneshot::Sender<u8>>,
}

/// The run in hand, with everything that its state machine leaves out.
struct Hand {
    key: RunKey,
    since: BootMillis,
    run: Run,
    claimed: Box<Claimed>,
    terms: Result<TaskTerms, MalformedTask>,
    newest: Renewal,
    credentials: Arc<RunCredentials>,
    whereabouts: Arc<Whereabouts>,
    record: Record,
    clearance: Clearance,
    verdict_files: Vec<VerdictFile>,
}

impl Supervisor {
    /// Signals, and at most a few notices per actor and run, are ever under way.
    const MAILBOX: usize = 64;

    /// One that works with `crew` and says on `leave` with which code the process ends.
    pub fn new(crew: Crew, leave: oneshot::Sender<u8>) -> Self {
        let timeout_ms = u64::try_from(crew.config.shutdown_timeout.as_millis()).unwrap_or(u64::MAX);
        let lifecycle = Lifecycle::new(timeout_ms);
        let (team, hand, returns) = (None, None, Returns::default());
        Self { crew, team, lifecycle, hand, returns, idle_since: boot_now(), leave: Some(leave) }
    }

    // ── the life of the process ─────────────────────────────────────────────────────────────────────────────────────

    fn live(&mut self, life: Life, ctx: &mut Context<Self>) {
        let effects;
        (self.lifecycle, effects) = self.lifecycle.clone().on(boot_now(), life);
        for effect in effects {
            match effect {
                LifeEffect::StopClaiming => self.stop_claiming(ctx),
                LifeEffect::AskRunToStop => {
                    tracing::info!("shutting down: stopping what runs, saving its log");
                    self.feed(Event::ShutdownAsked, ctx);
                }
                LifeEffect::HaltRun => {
                    tracing::warn!("shutting down at once: killing what runs, saving nothing");
                    self.feed(Event::ShutdownNow, ctx);
                }
                LifeEffect::WakeAt(at) => {
                    let wait = Duration::from_millis(boot_now().until(at));
                    after(ctx, wait, |actor: &mut Self, ctx| actor.live(Life::Tick, ctx));
                }
                LifeEffect::Exit(code) => self.leave(code),
            }
        }
    }

    /// The sign of life in the log: whoever watches the age of the file sees that decisions are still made. It comes
    /// again only when it has been carried out here, so a Supervisor that hangs falls silent.
    fn say_alive(&mut self, ctx: &mut Context<Self>) {
        let now = boot_now();
        match &self.hand {
            Some(hand) => {
                let seconds = hand.since.until(now) / 1000;
                tracing::info!(run = %hand.key, phase = hand.run.phase().name(), "still here, with a run for {seconds} s");
            }
            None => tracing::info!("still here, idle for {} s", self.idle_since.until(now) / 1000),
        }
        after(ctx, self.crew.config.sign_of_life(), Self::say_alive);
    }

    fn leave(&mut self, code: u8) {
        self.returns.leave_behind();
        self.note_left();
        match &self.hand {
            Some(hand) if hand.run.resolution().is_none() => {
                tracing::error!(run = %hand.key, "the worker leaves a run behind: it could not be reported and will expire");
            }
            None if code == EXIT_RUN_LEFT => {
                tracing::error!(
                    "the worker leaves while the queue is asked for work: a run that it gives us now will expire"
                );
            }
            _ => {}
        }
        if let Some(leave) = self.leave.take() {
            // nobody waiting means that the process is ending already
            let _ = leave.send(code);
        }
    }

    fn stop_claiming(&mut self, ctx: &mut Context<Self>) {
        let Some(team) = &self.team else { return };
        if team.claimer.send(None, StopClaiming).is_err() {
            self.replace(run::Actor::Claimer, ctx);
        }
    }

    fn take_work(&mut self, ctx: &mut Context<Self>) {
        let Some(team) = &self.team else { return };
        if team.claimer.send(None, TakeWork).is_err() {
            self.replace(run::Actor::Claimer, ctx);
        }
    }

    // ── the life of a run ───────────────────────────────────────────────────────────────────────────────────────────

    fn begin(&mut self, claimed: Box<Claimed>, ctx: &mut Context<Self>) {
        let key = claimed.key.clone();
        if let Some(hand) = &self.hand {
            // cannot be: the Claimer asks only when told that nothing is in hand
            tracing::error!(run = %key, in_hand = %hand.key, "a claimed run is lost: another one is in hand");
            return;
        }
        tracing::info!(run = %key, left_ms = boot_now().until(claimed.renewal.end), "claimed");
        let terms = TaskTerms::check(&claimed.task);
        let gives_back = self.lifecycle.gives_back();
        let admission = match &terms {
            _ if gives_back => Admission::GivenBack,
            Ok(_) => Admission::Admitted,
            Err(problem) => {
                tracing::warn!(run = %key, %problem, "the task cannot be run as it is written");
                Admission::Malformed
            }
        };
        self.live(Life::RunBegan, ctx);
        let policy = Policy {
            verify: self.crew.config.verify_chain_of_trust,
            attest: true,
            attest_time_outs: self.crew.attester.attests_time_outs(),
            timeout_status: self.crew.config.task_max_timeout_status,
        };
        let (run, effects) = Run::claimed(policy, admission, claimed.renewal.end);
        let newest = claimed.renewal.clone();
        let credentials = Arc::new(RunCredentials::new(Arc::clone(&newest.credentials), newest.end));
        self.hand = Some(Hand {
            key,
            since: boot_now(),
            run,
            claimed,
            terms,
            newest,
            credentials,
            whereabouts: Arc::default(),
            record: Record::new(boot_now()),
            clearance: Clearance::None,
            verdict_files: Vec::new(),
        });
        self.carry_out(effects, ctx);
        if gives_back {
            self.feed(Event::ShutdownAsked, ctx);
        }
    }

    /// Gives an event to the state machine of the run in hand, and does what it says.
    fn feed(&mut self, event: Event, ctx: &mut Context<Self>) {
        let Some(hand) = &mut self.hand else { return };
        let before = hand.run.clone();
        let (after, effects) = before.clone().on(boot_now(), event);
        // A report that is on its way needs them until it is answered, or abandoned by an effect of its own.
        if after.claim_end().is_none() && !matches!(after.phase(), Phase::Reporting { .. }) {
            hand.credentials.revoke();
        }
        if before.phase() != after.phase() {
            tracing::info!(run = %hand.key, ?event, status = %after.status(), "{}", after.phase().name());
        }
        hand.record.take(&event, before.phase(), after.phase());
        let settled = after.resolution().filter(|_| before.resolution().is_none());
        hand.run = after;
        if let Some(resolution) = settled {
            self.live(Life::RunSettled(resolution), ctx);
        }
        self.carry_out(effects, ctx);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            let Some(fallen) = self.carry_out_one(effect, ctx) else { continue };
            self.replace(fallen, ctx);
        }
    }

    /// Returns the actor that could not be told.
    fn carry_out_one(&mut self, effect: Effect, ctx: &mut Context<Self>) -> Option<run::Actor> {
        let (Some(hand), Some(team)) = (&self.hand, &self.team) else { return None };
        let (key, run) = (hand.key.clone(), Some(&hand.key));
        let credentials = Arc::clone(&hand.credentials);
        let whereabouts = Arc::clone(&hand.whereabouts);
        let (actor, sent) = match effect {
            Effect::StartHeartbeat => {
                let message = KeepClaim { key, end: hand.newest.end, credentials };
                (run::Actor::Reclaimer, team.reclaimer.send(run, message))
            }
            Effect::StopHeartbeat => (run::Actor::Reclaimer, team.reclaimer.send(run, LetClaimGo)),
            Effect::PublishCredentials => {
                let message = PublishCredentials { snapshot: credentials, renewal: hand.newest.clone() };
                (run::Actor::CredentialRefresher, team.refresher.send(run, message))
            }
            Effect::ExtendDeadline(end) => {
                (run::Actor::ScriptRunner, team.runner.send(run, ExtendDeadline(end)))
            }
            Effect::Prepare => {
                let malformed = hand.terms.as_ref().err().map(MalformedTask::to_string);
                let message = Prepare { key, definition: Arc::clone(&hand.claimed.definition), malformed };
                (run::Actor::ScriptRunner, team.runner.send(run, message))
            }
            Effect::StartScript => {
                let limit_ms = self.limit_ms(hand);
                let claim_end = credentials.end();
                let clearance = hand.clearance.clone();
                let message = StartScript { key, limit_ms, claim_end, clearance, credentials, whereabouts };
                (run::Actor::ScriptRunner, team.runner.send(run, message))
            }
            Effect::StopScript(cause) => (
                run::Actor::ScriptRunner,
                team.runner.send(run, StopScript { key, cause, grace: true, whereabouts }),
            ),
            Effect::KillScript(cause) => (
                run::Actor::ScriptRunner,
                team.runner.send(run, StopScript { key, cause, grace: false, whereabouts }),
            ),
            Effect::Upload { log_first } => {
                let (task_expires, claimed_at) = (hand.claimed.expires, hand.claimed.claimed_at);
                let verdict = hand.verdict_files.clone();
                let message =
                    UploadArtifacts { key, task_expires, claimed_at, log_first, verdict, credentials };
                (run::Actor::Uploader, team.uploader.send(run, message))
            }
            Effect::Attest(ending) => {
                let message = Attest::new(&hand.claimed, ending, credentials);
                (run::Actor::Uploader, team.uploader.send(run, message))
            }
            Effect::AbortUpload => (run::Actor::Uploader, team.uploader.send(run, AbortUpload)),
            Effect::Report(report) => {
                (run::Actor::Claimer, team.claimer.send(run, SendReport { key, report, credentials }))
            }
            Effect::CleanUp => (run::Actor::ScriptRunner, team.runner.send(run, CleanUp(key))),
            Effect::CleanUpLater => {
                let wait = self.crew.config.poll_interval;
                tracing::error!(run = %key, ?wait, "the directories could not be wiped; no work is taken until they are");
                after(ctx, wait, |actor: &mut Self, ctx| actor.carry_out(vec![Effect::CleanUp], ctx));
                return None;
            }
            Effect::AbandonReport => {
                hand.credentials.revoke();
                return None;
            }
            Effect::LogLoss(cause) => {
                log_loss(&key, cause);
                return None;
            }
            Effect::LogUnresolved => {
                tracing::error!(run = %key, "the run is lost to the queue: it could not be reported and will expire");
                return None;
            }
            Effect::Finish(outcome) => {
                self.finish(&key, outcome, ctx);
                return None;
            }
            Effect::Verify => (run::Actor::CotVerifier, self.verify(hand, ctx)),
            Effect::AbortVerify => (run::Actor::CotVerifier, team.abort_verification(&hand.key, true)),
        };
        sent.is_err().then_some(actor)
    }

    /// How long the script may run.
    fn limit_ms(&self, hand: &Hand) -> u64 {
        let limit_s = self.crew.config.task_max_timeout.as_secs();
        hand.terms.as_ref().map_or(0, |terms| terms.limit_ms(limit_s))
    }

    fn feed_soon(&self, event: Event, ctx: &mut Context<Self>) {
        after(ctx, Duration::ZERO, move |actor: &mut Self, ctx| actor.feed(event, ctx));
    }

    fn finish(&mut self, key: &RunKey, outcome: Outcome, ctx: &mut Context<Self>) {
        let Outcome { status, resolution, clean } = outcome;
        self.note(outcome);
        match resolution {
            Resolution::Resolved(report) => tracing::info!(run = %key, %status, ?report, clean, "finished"),
            Resolution::ClaimLost(cause) => tracing::warn!(run = %key, %status, ?cause, clean, "given up"),
            Resolution::Unresolved => tracing::error!(run = %key, %status, clean, "left unreported"),
        }
        self.live(Life::RunFinished, ctx);
        if let Some(hand) = self.hand.take() {
            hand.credentials.revoke();
        }
        self.idle_since = boot_now();
        self.take_work(ctx);
    }
}

fn posts(ctx: &mut Context<Supervisor>) -> impl Fn(&'static str) -> Post<Notice> + use<> {
    let address = ctx.address();
    move |sender| Post::new(&address, sender)
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Self::MAILBOX);
        self.team = Some(self.crew.start(&posts(ctx)));
        self.take_work(ctx);
        after(ctx, self.crew.config.sign_of_life(), Self::say_alive);
    }
}

impl Supervised for Supervisor {}

impl Staff for Supervisor {
    const NAME: &'static str = "Supervisor";

    /// What the run was doing is not known any more: leave. The guardian ends the script, the claim expires.
    fn fell(&mut self, _: &mut Context<Self>) {
        self.leave(EXIT_SOFTWARE);
    }
}

impl Receive<Notice> for Supervisor {
    fn receive(&mut self, notice: Notice, ctx: &mut Context<Self>) -> Work<Self> {
        match notice {
            Notice::Claimed(claimed) => self.begin(claimed, ctx),
            Notice::GivingBack(key) => {
                self.returns.begin(key);
                self.live(Life::GivingBack, ctx);
            }
            Notice::GaveBack(key, reported) if self.returns.end(&key) => {
                self.live(Life::GaveBack(reported), ctx)
            }
            Notice::GaveBack(..) => {}
            Notice::Life(life) => self.live(life, ctx),
            Notice::Reload => self.reload(ctx),
            Notice::Died(actor) => self.died(actor, ctx),
            Notice::Run(key, event) => {
                if self.hand.as_ref().is_some_and(|hand| hand.key == key) {
                    self.feed(event, ctx);
                }
            }
            Notice::Judged(key, judged) => self.judged(&key, *judged, ctx),
            Notice::Renewed(key, renewal) => {
                if let Some(hand) = self.hand.as_mut().filter(|hand| hand.key == key) {
                    let end = renewal.end;
                    hand.newest = renewal;
                    self.feed(Event::Renewed { end }, ctx);
                }
            }
        }
        None
    }
}

crate::traced!(Supervisor: Notice);
