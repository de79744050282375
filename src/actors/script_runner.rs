//! The work directory, and the script in it: prepares what the script reads, starts it below a guardian, ends it when
//! told to, and says when none of its processes is alive any more (worker.md 7 and 8, design.md 5).

mod directories;
mod heed;
mod occupied;
mod session;
mod whereabouts;

pub use self::directories::{DirectoryError, wipe};
pub use self::occupied::{OccupyError, occupy};
pub use self::whereabouts::Whereabouts;

use self::session::{EarlyGuardian, Ending, Session, Setup};
use crate::config::Config;
use crate::messages::script::{CleanUp, ExtendDeadline, Prepare, StartScript, StopScript};
use crate::messages::traced::{after, beside_run, then};
use crate::messages::{Notice, Post, Receive, Staff, Work};
use crate::process::Guardian;
use actix::{Actor, AsyncContext, Context, SpawnHandle, Supervised};
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::{self, Event, ScriptEnd, StopCause};
use scriptworker_core::time::BootMillis;
use std::sync::Arc;
use std::time::Duration;

/// How long a guardian waits for the next script. When tasks come one after the other, the next one is there by then;
/// between them nothing is kept.
const EARLY_GUARDIAN_WAITS: Duration = Duration::from_secs(1);

/// See the module.
pub struct ScriptRunner {
    supervisor: Post<Notice>,
    config: Arc<Config>,
    script: Option<Script>,
    /// For the next script: a guardian takes as long to start as everything else that is done before a script, so it is
    /// started beside that, or beside the upload of the run before.
    early: Option<EarlyGuardian>,
    /// Counts those, so that the timer of an earlier one is told apart.
    early_count: u64,
}

/// The script of the run in hand.
struct Script {
    key: RunKey,
    limit_ms: u64,
    /// It was told to end before it had ended.
    told_to_end: bool,
    whereabouts: Arc<Whereabouts>,
    state: State,
}

enum State {
    /// Handed to the guardian; orders that come meanwhile are kept.
    Starting {
        stop: Option<StopScript>,
        deadline: Option<BootMillis>,
    },
    Running {
        session: Session,
        limit: SpawnHandle,
    },
}

impl ScriptRunner {
    /// A handful of messages per run: a full mailbox means that the thread hangs.
    const MAILBOX: usize = 16;

    /// One that works by `config`.
    pub fn new(supervisor: Post<Notice>, config: Arc<Config>) -> Self {
        Self { supervisor, config, script: None, early: None, early_count: 0 }
    }

    /// Has a guardian ready soon, and lets it go when it was for nothing.
    fn start_guardian(&mut self, ctx: &mut Context<Self>) {
        if self.early.is_some() {
            return;
        }
        self.early = Some(actix_rt::spawn(Guardian::start()));
        self.early_count += 1;
        let count = self.early_count;
        after(ctx, EARLY_GUARDIAN_WAITS, move |actor: &mut Self, _| {
            if actor.early_count == count {
                actor.early = None;
            }
        });
    }

    fn tell(&self, key: &RunKey, event: Event) {
        // an undeliverable notice is logged by the post; the Supervisor's own end is the process's end
        let _ = self.supervisor.send(Some(key), Notice::Run(key.clone(), event));
    }

    /// The guardian has the script: from now on it can be stopped, and its end is waited for.
    fn started(&mut self, started: Result<(Session, Ending), session::StartError>, ctx: &mut Context<Self>) {
        let Some(script) = self.script.as_mut() else { return };
        let (session, ending) = match started {
            Ok(started) => started,
            Err(error) => {
                tracing::error!(run = %script.key, %error, "the script could not be started");
                return self.ended(ScriptEnd::NotStarted, ctx);
            }
        };
        let (limit_ms, script_key) = (script.limit_ms, script.key.clone());
        let limit = after(ctx, Duration::from_millis(limit_ms), move |actor: &mut Self, _| {
            let Some(Script { key, state: State::Running { session, .. }, .. }) = &actor.script else {
                return;
            };
            tracing::warn!(run = %key, limit_ms, "the script has run as long as it may");
            session.note(&format!("[scriptworker] the time limit of {} s has passed", limit_ms / 1000));
            actor.tell(&key.clone(), Event::LimitPassed);
        });
        let running = State::Running { session, limit };
        if let State::Starting { stop, deadline } = std::mem::replace(&mut script.state, running) {
            if let Some(deadline) = deadline {
                self.extend(deadline);
            }
            if let Some(stop) = stop {
                self.stop(stop, ctx);
            }
        }
        let codes = self.config.reversed_statuses.clone();
        let key = script_key;
        let work = then(ending.exited(), move |exited, actor: &mut Self, ctx| {
            let Some(script) = &actor.script else { return };
            if let State::Running { limit, .. } = &script.state {
                ctx.cancel_future(*limit);
            }
            let (by_itself, key) = (!script.told_to_end, script.key.clone());
            let clearing =
                then(exited.cleared(codes, by_itself), |end, actor: &mut Self, ctx| actor.ended(end, ctx));
            beside_run(ctx, &key, "ClearScript", clearing);
        });
        beside_run(ctx, &key, "AwaitScript", work);
    }

    fn ended(&mut self, end: ScriptEnd, ctx: &mut Context<Self>) {
        if let Some(script) = self.script.take() {
            self.tell(&script.key, Event::ScriptEnded(end));
            self.start_guardian(ctx);
        }
    }

    /// A script that an earlier life of this actor started: nobody waits for its end, so it is ended from outside.
    fn end_orphan(&self, order: StopScript, ctx: &mut Context<Self>) {
        let StopScript { key, whereabouts, .. } = order;
        let ending = actix_rt::task::spawn_blocking(move || whereabouts.end());
        let run = key.clone();
        let work = then(ending, move |left, actor: &mut Self, _| {
            if !matches!(left, Ok(0)) {
                tracing::error!(%run, ?left, "processes of the script could not be killed");
            }
            actor.tell(&run, Event::ScriptEnded(ScriptEnd::Unknown));
        });
        beside_run(ctx, &key, "EndOrphan", work);
    }

    fn stop(&mut self, order: StopScript, ctx: &mut Context<Self>) {
        let (grace, first) = (self.config.kill_grace, self.config.kill_first_signal);
        match &mut self.script {
            // over, and already said so
            None if order.whereabouts.is_told() => {}
            None => self.end_orphan(order, ctx),
            Some(Script { state: State::Starting { stop, .. }, .. }) => *stop = Some(order),
            Some(Script { key, told_to_end, state: State::Running { session, .. }, .. }) => {
                *told_to_end = true;
                tracing::warn!(run = %key, cause = ?order.cause, grace = order.grace, "ending the script");
                session.note(&format!("[scriptworker] {}", reason(order.cause)));
                session.stop(order.grace.then_some(grace), first);
            }
        }
    }

    fn extend(&mut self, end: BootMillis) {
        match &mut self.script {
            None => {}
            Some(Script { state: State::Starting { deadline, .. }, .. }) => *deadline = Some(end),
            Some(Script { state: State::Running { session, .. }, .. }) => session.extend(end),
        }
    }
}

/// What the task's log says about the end of the script.
fn reason(cause: StopCause) -> &'static str {
    match cause {
        StopCause::TimeLimit => "ending the script: it has run as long as it may",
        StopCause::Shutdown => "ending the script: the worker is shutting down",
        StopCause::ClaimLost => "ending the script: the run was cancelled, or its claim is lost",
        StopCause::WorkerFault => "ending the script: a part of the worker failed",
    }
}

impl Actor for ScriptRunner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Self::MAILBOX);
    }
}

impl Supervised for ScriptRunner {
    /// Dropping the session closes the guardian's socket: it kills the script and everything below it, then leaves.
    fn restarting(&mut self, ctx: &mut Self::Context) {
        let orphan = self.script.take();
        let _ = self.supervisor.send(None, Notice::Died(run::Actor::ScriptRunner));
        let Some(Script { key, whereabouts, state, .. }) = orphan else { return };
        drop(state);
        let order = StopScript { key, cause: StopCause::WorkerFault, grace: false, whereabouts };
        self.end_orphan(order, ctx);
    }
}

impl Staff for ScriptRunner {
    const NAME: &'static str = run::Actor::ScriptRunner.name();
}

impl Receive<Prepare> for ScriptRunner {
    fn receive(&mut self, message: Prepare, ctx: &mut Context<Self>) -> Work<Self> {
        if message.malformed.is_none() {
            self.start_guardian(ctx);
        }
        let (config, key) = (Arc::clone(&self.config), message.key.clone());
        let preparing = actix_rt::task::spawn_blocking(move || directories::prepare(&config, &message));
        then(preparing, move |prepared, actor: &mut Self, _| {
            let ready = match prepared {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::error!(run = %key, %error, "the work directory could not be prepared");
                    false
                }
                Err(error) => {
                    tracing::error!(run = %key, %error, "preparing the work directory ended early");
                    false
                }
            };
            actor.tell(&key, Event::Prepared(ready));
        })
    }
}

impl Receive<StartScript> for ScriptRunner {
    fn receive(&mut self, message: StartScript, _: &mut Context<Self>) -> Work<Self> {
        let StartScript { key, limit_ms, claim_end, clearance, credentials, whereabouts } = message;
        if self.config.verify_chain_of_trust && !clearance.covers(&key) {
            tracing::error!(run = %key, "the script is not started: nothing proves where its task comes from");
            self.tell(&key, Event::ScriptEnded(ScriptEnd::NotStarted));
            return None;
        }
        whereabouts.starting();
        let setup = Setup {
            config: Arc::clone(&self.config),
            key: key.clone(),
            claim_end,
            credentials,
            whereabouts: Arc::clone(&whereabouts),
            early: self.early.take(),
        };
        let state = State::Starting { stop: None, deadline: None };
        self.script = Some(Script { key, limit_ms, told_to_end: false, whereabouts, state });
        // A task of its own: if this actor falls meanwhile, the start is still carried through, and then let go.
        then(actix_rt::spawn(session::start(setup)), |started, actor: &mut Self, ctx| match started {
            Ok(started) => actor.started(started, ctx),
            Err(error) => {
                tracing::error!(%error, "starting the script ended early");
                actor.fell(ctx);
            }
        })
    }
}

impl Receive<StopScript> for ScriptRunner {
    fn receive(&mut self, order: StopScript, ctx: &mut Context<Self>) -> Work<Self> {
        self.stop(order, ctx);
        None
    }
}

impl Receive<ExtendDeadline> for ScriptRunner {
    fn receive(&mut self, ExtendDeadline(end): ExtendDeadline, _: &mut Context<Self>) -> Work<Self> {
        self.extend(end);
        None
    }
}

impl Receive<CleanUp> for ScriptRunner {
    fn receive(&mut self, CleanUp(key): CleanUp, _: &mut Context<Self>) -> Work<Self> {
        let config = Arc::clone(&self.config);
        let wiping = actix_rt::task::spawn_blocking(move || wipe(&config));
        then(wiping, move |wiped, actor: &mut Self, _| {
            let clean = match wiped {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::error!(run = %key, %error, "the directories could not be wiped");
                    false
                }
                Err(error) => {
                    tracing::error!(run = %key, %error, "wiping the directories ended early");
                    false
                }
            };
            actor.tell(&key, Event::Cleaned(clean));
        })
    }
}

crate::traced!(ScriptRunner: Prepare, StartScript, StopScript, ExtendDeadline, CleanUp);
