//! The envelope of every message, and what happens around every handler.
//!
//! An actor implements [`Receive`] for each message it understands and names the pair once with
//! [`traced!`](crate::traced): the macro writes when the message was queued, started and ended into the [`Journal`],
//! opens a span, and catches panics, so that `actix::Supervisor` can start the actor again.

use crate::telemetry::journal::{Journal, MessageMeta, Outcome, Ticket};
use actix::dev::{ActorFuture, ToEnvelope};
use actix::fut::wrap_future;
use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, Recipient, Supervised};
use scriptworker_core::ids::RunKey;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use tracing_actix::ActorInstrument;

/// A message with the record of its way.
pub struct Traced<M> {
    message: M,
    run: Option<RunKey>,
    ticket: Ticket,
}

impl<M: 'static> Message for Traced<M> {
    type Result = ();
}

/// An actor of ours: supervised, named, and able to fall and be started again.
pub trait Staff: Actor<Context = Context<Self>> + Supervised {
    /// The name in the journal and the log.
    const NAME: &'static str;

    /// A handler of this actor panicked. Stopping lets `actix::Supervisor` start it again with its address kept; the
    /// actor's `restarting` then resets its state and tells the Supervisor.
    fn fell(&mut self, ctx: &mut Context<Self>) {
        actix::ActorContext::stop(ctx);
    }
}

/// What is left to do after a handler returned.
pub type Work<A> = Option<Pin<Box<dyn ActorFuture<A, Output = ()>>>>;

/// How an actor takes a message.
pub trait Receive<M>: Staff {
    /// Handles it; the work that is left, if any, goes on beside other messages.
    fn receive(&mut self, message: M, ctx: &mut Context<Self>) -> Work<Self>;
}

/// Work that ends by handing a future's output back to the actor.
pub fn then<A: Staff, T: 'static>(
    future: impl Future<Output = T> + 'static,
    finish: impl FnOnce(T, &mut A, &mut Context<A>) + 'static,
) -> Work<A> {
    Some(Box::pin(wrap_future::<_, A>(future).map(finish)))
}

/// Runs an action of the actor after a while, guarded as a handler is.
pub fn after<A: Staff>(
    ctx: &mut Context<A>,
    wait: Duration,
    action: impl FnOnce(&mut A, &mut Context<A>) + 'static,
) -> actix::SpawnHandle {
    ctx.run_later(wait, |actor, ctx| {
        if catch_unwind(AssertUnwindSafe(|| action(actor, ctx))).is_err() {
            tracing::error!(actor = A::NAME, "a timer's action panicked");
            actor.fell(ctx);
        }
    })
}

/// Goes on with work beside messages, guarded as a handler is. `what` names it in log and journal.
pub fn beside<A: Staff>(ctx: &mut Context<A>, what: &'static str, work: Work<A>) {
    go_on(ctx, None, what, work);
}

/// The same with work for a run.
pub fn beside_run<A: Staff>(ctx: &mut Context<A>, run: &RunKey, what: &'static str, work: Work<A>) {
    go_on(ctx, Some(run.clone()), what, work);
}

fn go_on<A: Staff>(ctx: &mut Context<A>, run: Option<RunKey>, what: &'static str, work: Work<A>) {
    let Some(work) = work else { return };
    let now = Instant::now();
    let ticket =
        Journal::global().queued(MessageMeta { run, actor: A::NAME, message: what, sender: A::NAME }, now);
    ticket.started(now);
    ctx.spawn(Guarded { work, ticket: Some(ticket), message: what });
}

/// A message could not be delivered: the mailbox is full, or the actor is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{message} for {actor} could not be delivered: {reason}")]
pub struct Undelivered {
    /// The message's type.
    pub message: &'static str,
    /// The receiver.
    pub actor: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Whether there is no receiver any more; a full mailbox has one.
    pub gone: bool,
}

/// Where an actor sends messages of one kind, and under which name.
pub struct Post<M: Send + 'static> {
    recipient: Recipient<Traced<M>>,
    receiver: &'static str,
    sender: &'static str,
}

impl<M: Send + 'static> Clone for Post<M> {
    fn clone(&self) -> Self {
        Self { recipient: self.recipient.clone(), receiver: self.receiver, sender: self.sender }
    }
}

impl<M: Send + 'static> Post<M> {
    /// A post to an actor, used by `sender`.
    pub fn new<A>(receiver: &Addr<A>, sender: &'static str) -> Self
    where
        A: Staff + Handler<Traced<M>>,
        A::Context: ToEnvelope<A, Traced<M>>,
    {
        Self { recipient: receiver.clone().recipient(), receiver: A::NAME, sender }
    }

    /// Sends a message about a run (or about none). Never waits: a full mailbox is an error, for every mailbox is
    /// larger than what its senders can have under way.
    pub fn send(&self, run: Option<&RunKey>, message: M) -> Result<(), Undelivered> {
        let traced = Traced::new(message, run.cloned(), self.receiver, self.sender);
        self.recipient.try_send(traced).map_err(|error| Undelivered::new::<M>(self.receiver, &error))
    }
}

/// An actor that the Supervisor gives work to: its address, which the Supervisor alone holds.
pub struct Member<A: Staff>(Addr<A>);

impl<A: Staff> Member<A> {
    /// Keeps the address of an actor.
    pub fn new(address: Addr<A>) -> Self {
        Self(address)
    }

    /// Sends a message about a run (or about none); never waits, as [`Post::send`].
    pub fn send<M>(&self, run: Option<&RunKey>, message: M) -> Result<(), Undelivered>
    where
        M: Send + 'static,
        A: Handler<Traced<M>>,
        A::Context: ToEnvelope<A, Traced<M>>,
    {
        let traced = Traced::new(message, run.cloned(), A::NAME, "Supervisor");
        self.0.try_send(traced).map_err(|error| Undelivered::new::<M>(A::NAME, &error))
    }
}

impl Undelivered {
    fn new<M>(actor: &'static str, error: &actix::prelude::SendError<Traced<M>>) -> Self {
        let (reason, gone) = match error {
            actix::prelude::SendError::Full(_) => ("its mailbox is full", false),
            actix::prelude::SendError::Closed(_) => ("it is gone", true),
        };
        let undelivered = Self { message: short_name::<M>(), actor, reason, gone };
        tracing::error!(%undelivered, "message lost");
        undelivered
    }
}

impl<M> Traced<M> {
    fn new(message: M, run: Option<RunKey>, actor: &'static str, sender: &'static str) -> Self {
        let meta = MessageMeta { run: run.clone(), actor, message: short_name::<M>(), sender };
        Self { message, run, ticket: Journal::global().queued(meta, Instant::now()) }
    }

    /// What every handler of a traced message does. Called by the macro only.
    pub fn deliver<A: Receive<M>>(self, actor: &mut A, ctx: &mut Context<A>)
    where
        M: 'static,
    {
        let Self { message, run, ticket } = self;
        let span = match &run {
            Some(run) => tracing::debug_span!("message", actor = A::NAME, message = short_name::<M>(), %run),
            None => tracing::debug_span!("message", actor = A::NAME, message = short_name::<M>()),
        };
        ticket.started(Instant::now());
        let handled = span.in_scope(|| catch_unwind(AssertUnwindSafe(|| actor.receive(message, ctx))));
        match handled {
            Ok(None) => ticket.ended(Outcome::Done, Instant::now()),
            Ok(Some(work)) => {
                let ticket = Some(ticket);
                ctx.spawn(Guarded { work, ticket, message: short_name::<M>() }.actor_instrument(span));
            }
            Err(_) => {
                ticket.ended(Outcome::Panicked, Instant::now());
                tracing::error!(actor = A::NAME, message = short_name::<M>(), "a handler panicked");
                actor.fell(ctx);
            }
        }
    }
}

/// Makes an actor take a message in its envelope: one line per (actor, message).
#[macro_export]
macro_rules! traced {
    ($($actor:ty: $($message:ty),+ $(,)?);+ $(;)?) => { $($(
        impl actix::Handler<$crate::messages::Traced<$message>> for $actor {
            type Result = ();
            fn handle(&mut self, traced: $crate::messages::Traced<$message>, ctx: &mut Self::Context) {
                traced.deliver(self, ctx);
            }
        }
    )+)+ };
}

/// The work of a handler: its end closes the ticket, its panic fells the actor.
struct Guarded<A> {
    work: Pin<Box<dyn ActorFuture<A, Output = ()>>>,
    /// Taken when the work is over; none for work that is no message's.
    ticket: Option<Ticket>,
    /// The message that it belongs to, or what it is.
    message: &'static str,
}

impl<A: Staff> ActorFuture<A> for Guarded<A> {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        let work = self.work.as_mut();
        match catch_unwind(AssertUnwindSafe(|| work.poll(actor, ctx, task))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => {
                self.close(Outcome::Done);
                Poll::Ready(())
            }
            Err(_) => {
                self.close(Outcome::Panicked);
                tracing::error!(actor = A::NAME, message = self.message, "work panicked");
                actor.fell(ctx);
                Poll::Ready(())
            }
        }
    }
}

impl<A> Guarded<A> {
    fn close(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            ticket.ended(outcome, Instant::now());
        }
    }
}

/// The last part of a type's name.
fn short_name<M>() -> &'static str {
    let name = std::any::type_name::<M>();
    name.rsplit("::").next().unwrap_or(name)
}
