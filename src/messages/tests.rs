//! What the envelope promises: every message is accounted for in the journal, and an actor that panics falls, is
//! started again with its address, and goes on.

use super::traced::{after, beside, then};
use super::{Member, Post, Receive, Staff, Undelivered, Work};
use crate::telemetry::journal::{Journal, Outcome};
use actix::{Actor, ActorContext, Addr, Context, Supervised, Supervisor};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Nothing here takes this long on any machine that is alive.
const PATIENCE: Duration = Duration::from_secs(60);

/// An actor for trying things: says on a channel what happens to it.
struct Probe {
    events: mpsc::UnboundedSender<&'static str>,
}

/// Answered at once.
#[derive(Debug)]
struct Ping;
/// The handler itself panics.
#[derive(Debug)]
struct PanicNow;
/// Its work panics after a pause.
#[derive(Debug)]
struct PanicInWork;
/// The part of its work that has the actor again panics.
#[derive(Debug)]
struct PanicAtTheEnd;
/// Sets a timer whose action panics.
#[derive(Debug)]
struct PanicLater;
/// Work beside messages that panics.
#[derive(Debug)]
struct PanicBeside;
/// Work that never ends.
#[derive(Debug)]
struct Forever;
/// Ends the actor for good, if nobody supervises it.
#[derive(Debug)]
struct Stop;

impl Probe {
    const MAILBOX: usize = 2;

    fn say(&self, event: &'static str) {
        let _ = self.events.send(event);
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Self::MAILBOX);
        self.say("started");
    }
}

impl Supervised for Probe {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.say("restarting");
    }
}

impl Staff for Probe {
    const NAME: &'static str = "Probe";
}

impl Receive<Ping> for Probe {
    fn receive(&mut self, _: Ping, _: &mut Context<Self>) -> Work<Self> {
        self.say("pinged");
        None
    }
}

impl Receive<PanicNow> for Probe {
    fn receive(&mut self, _: PanicNow, _: &mut Context<Self>) -> Work<Self> {
        panic!("on order: in the handler")
    }
}

impl Receive<PanicInWork> for Probe {
    fn receive(&mut self, _: PanicInWork, _: &mut Context<Self>) -> Work<Self> {
        let panicking = async {
            tokio::task::yield_now().await;
            panic!("on order: in the work")
        };
        then(panicking, |(), actor: &mut Self, _| actor.say("never"))
    }
}

impl Receive<PanicAtTheEnd> for Probe {
    fn receive(&mut self, _: PanicAtTheEnd, _: &mut Context<Self>) -> Work<Self> {
        then(tokio::task::yield_now(), |(), _: &mut Self, _| panic!("on order: at the end of the work"))
    }
}

impl Receive<PanicLater> for Probe {
    fn receive(&mut self, _: PanicLater, ctx: &mut Context<Self>) -> Work<Self> {
        after(ctx, Duration::from_millis(1), |_: &mut Self, _| panic!("on order: in a timer's action"));
        None
    }
}

impl Receive<PanicBeside> for Probe {
    fn receive(&mut self, _: PanicBeside, ctx: &mut Context<Self>) -> Work<Self> {
        let panicking = async { panic!("on order: beside messages") };
        beside(ctx, "a test", then(panicking, |(), _: &mut Self, _| ()));
        None
    }
}

impl Receive<Forever> for Probe {
    fn receive(&mut self, _: Forever, _: &mut Context<Self>) -> Work<Self> {
        self.say("begun");
        then(std::future::pending(), |(), actor: &mut Self, _| actor.say("never"))
    }
}

impl Receive<Stop> for Probe {
    fn receive(&mut self, _: Stop, ctx: &mut Context<Self>) -> Work<Self> {
        ctx.stop();
        None
    }
}

crate::traced!(Probe: Ping, PanicNow, PanicInWork, PanicAtTheEnd, PanicLater, PanicBeside, Forever, Stop);

/// A probe, and what happens to it.
struct Scene {
    address: Addr<Probe>,
    events: mpsc::UnboundedReceiver<&'static str>,
    /// Under which the messages of this test stand in the journal of the whole process.
    sender: &'static str,
}

impl Scene {
    /// Runs a test with a supervised probe.
    fn supervised(sender: &'static str, test: impl AsyncFnOnce(Self)) {
        Self::run(sender, test, |probe| Supervisor::start(|_| probe));
    }

    /// Runs a test with a probe that stays down when it stops.
    fn alone(sender: &'static str, test: impl AsyncFnOnce(Self)) {
        Self::run(sender, test, Actor::start);
    }

    fn run(sender: &'static str, test: impl AsyncFnOnce(Self), start: fn(Probe) -> Addr<Probe>) {
        actix_rt::System::new().block_on(async {
            let (sink, events) = mpsc::unbounded_channel();
            let mut scene = Self { address: start(Probe { events: sink }), events, sender };
            scene.expect("started").await;
            test(scene).await;
        });
    }

    fn send<M: Send + 'static>(&self, message: M) -> Result<(), Undelivered>
    where
        Probe: Receive<M> + actix::Handler<super::Traced<M>>,
    {
        Post::new(&self.address, self.sender).send(None, message)
    }

    async fn expect(&mut self, event: &str) {
        let next = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        assert_eq!(next.expect("something happens"), Some(event));
    }

    /// How this test's messages of a kind ended, the earliest first.
    fn outcomes(&self, message: &str) -> Vec<Outcome> {
        let snapshot = Journal::global().snapshot(Instant::now());
        let of_this_test = snapshot
            .closed
            .iter()
            .rev()
            .filter(|closed| closed.meta.sender == self.sender && closed.meta.message == message);
        of_this_test.map(|closed| closed.outcome).collect()
    }

    fn open(&self) -> Vec<&'static str> {
        let open = Journal::global().open_messages(Instant::now()).into_iter();
        open.filter(|open| open.meta.sender == self.sender).map(|open| open.meta.message).collect()
    }

    /// After a fall the actor is there again, at the same address.
    async fn expect_fall(&mut self) {
        self.expect("restarting").await;
        self.expect("started").await;
        self.send(Ping).unwrap();
        self.expect("pinged").await;
    }
}

#[test]
fn a_panic_in_a_handler_fells_the_actor_and_the_next_message_is_handled() {
    Scene::supervised("handler", async |mut scene| {
        scene.send(PanicNow).unwrap();
        // waits in the mailbox while the actor falls
        scene.send(Ping).unwrap();
        scene.expect("restarting").await;
        scene.expect("started").await;
        scene.expect("pinged").await;
        assert_eq!(scene.outcomes("PanicNow"), [Outcome::Panicked]);
        assert_eq!(scene.outcomes("Ping"), [Outcome::Done]);
        // and once more
        scene.send(PanicNow).unwrap();
        scene.expect_fall().await;
        assert_eq!(scene.outcomes("PanicNow"), [Outcome::Panicked; 2]);
        assert_eq!(scene.open(), [""; 0]);
    });
}

#[test]
fn a_panic_in_the_work_of_a_message_fells_the_actor() {
    Scene::supervised("work", async |mut scene| {
        scene.send(PanicInWork).unwrap();
        scene.expect_fall().await;
        assert_eq!(scene.outcomes("PanicInWork"), [Outcome::Panicked]);
        scene.send(PanicAtTheEnd).unwrap();
        scene.expect_fall().await;
        assert_eq!(scene.outcomes("PanicAtTheEnd"), [Outcome::Panicked]);
        assert_eq!(scene.open(), [""; 0]);
    });
}

#[test]
fn a_panic_in_a_timer_or_beside_messages_fells_the_actor() {
    Scene::supervised("timer", async |mut scene| {
        scene.send(PanicLater).unwrap();
        scene.expect_fall().await;
        assert_eq!(scene.outcomes("PanicLater"), [Outcome::Done], "the message itself was handled");
        scene.send(PanicBeside).unwrap();
        scene.expect_fall().await;
        assert_eq!(scene.outcomes("PanicBeside"), [Outcome::Done], "the message itself was handled");
    });
}

#[test]
fn work_that_a_falling_actor_leaves_behind_is_closed_as_dropped() {
    Scene::supervised("left behind", async |mut scene| {
        scene.send(Forever).unwrap();
        scene.expect("begun").await;
        assert_eq!(scene.open(), ["Forever"]);
        scene.send(PanicNow).unwrap();
        scene.expect_fall().await;
        assert_eq!(scene.outcomes("Forever"), [Outcome::Dropped]);
        assert_eq!(scene.open(), [""; 0]);
    });
}

#[test]
fn a_full_mailbox_refuses_and_the_refused_message_is_closed() {
    Scene::supervised("full", async |mut scene| {
        // nothing is handled until this test waits for something; one post, for each has a place of its own
        let post = Post::new(&scene.address, scene.sender);
        let sent: Vec<_> = (0..8).map(|_| post.send(None, Ping)).collect();
        let taken = sent.iter().filter(|sent| sent.is_ok()).count();
        assert!((Probe::MAILBOX..8).contains(&taken), "{sent:?}");
        let refused =
            Undelivered { message: "Ping", actor: "Probe", reason: "its mailbox is full", gone: false };
        assert!(sent[taken..].iter().all(|sent| *sent == Err(refused)), "{sent:?}");
        assert_eq!(scene.outcomes("Ping"), vec![Outcome::Dropped; 8 - taken]);
        for _ in 0..taken {
            scene.expect("pinged").await;
        }
        assert_eq!(scene.outcomes("Ping").iter().filter(|outcome| **outcome == Outcome::Done).count(), taken);
        post.send(None, Ping).expect("there is room again");
        scene.expect("pinged").await;
    });
}

#[test]
fn an_actor_that_is_gone_refuses_and_what_waited_for_it_is_closed() {
    Scene::alone("gone", async |mut scene| {
        scene.send(Forever).unwrap();
        scene.expect("begun").await;
        scene.send(Stop).unwrap();
        assert_eq!(tokio::time::timeout(PATIENCE, scene.events.recv()).await, Ok(None), "it is dropped");
        let gone = Undelivered { message: "Ping", actor: "Probe", reason: "it is gone", gone: true };
        assert_eq!(scene.send(Ping), Err(gone));
        assert_eq!(gone.to_string(), "Ping for Probe could not be delivered: it is gone");
        assert_eq!(scene.outcomes("Ping"), [Outcome::Dropped]);
        assert_eq!(scene.outcomes("Forever"), [Outcome::Dropped]);
        assert_eq!(scene.open(), [""; 0]);
    });
}

#[test]
fn a_member_is_told_in_the_name_of_the_supervisor() {
    Scene::alone("nobody", async |mut scene| {
        Member::new(scene.address.clone()).send(None, Forever).unwrap();
        scene.expect("begun").await;
        let open = Journal::global().open_messages(Instant::now());
        let message = open.iter().find(|open| open.meta.actor == "Probe" && open.meta.sender == "Supervisor");
        let message = message.expect("it is open");
        assert_eq!(message.meta.message, "Forever");
        assert!(message.started_ago.is_some(), "it is being handled");
    });
}
