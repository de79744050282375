//! The watchdog's look at a journal, with invented times.

use super::*;
use crate::messages::{claims, script, upload};
use crate::telemetry::journal::{Outcome, Ticket};
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use std::any::type_name;
use std::sync::Arc;

struct Scene {
    journal: Arc<Journal>,
    start: Instant,
    told: HashSet<u64>,
}

impl Scene {
    fn new() -> Self {
        Self { journal: Journal::new(8), start: Instant::now(), told: HashSet::new() }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn send(&self, message: &'static str, seconds: u64) -> Ticket {
        self.journal.queued(meta(message), self.at(seconds))
    }

    /// The messages that are told of at this time.
    fn look(&mut self, seconds: u64) -> Vec<&'static str> {
        let (now, mut named) = (self.at(seconds), Vec::new());
        look(&self.journal, now, &mut self.told, |message| named.push(message.meta.message));
        named
    }
}

fn meta(message: &'static str) -> MessageMeta {
    MessageMeta { run: None, actor: "Uploader", message, sender: "Supervisor" }
}

#[test]
fn an_overdue_message_is_told_of_once() {
    let mut scene = Scene::new();
    let ticket = scene.send("KeepClaim", 0);
    assert_eq!(scene.look(10), [""; 0], "the budget is just used up");
    assert_eq!(scene.look(11), ["KeepClaim"]);
    assert_eq!(scene.look(16), [""; 0]);
    ticket.started(scene.at(17));
    assert_eq!(scene.look(21), [""; 0], "it is still the same");
    ticket.ended(Outcome::Done, scene.at(22));
    assert_eq!(scene.look(100), [""; 0]);
    assert!(scene.told.is_empty(), "what is over is forgotten");
}

#[test]
fn each_overdue_message_is_told_of_whatever_others_did() {
    let mut scene = Scene::new();
    let first = scene.send("KeepClaim", 0);
    assert_eq!(scene.look(11), ["KeepClaim"]);
    let _second = scene.send("KeepClaim", 12);
    let _third = scene.send("LetClaimGo", 13);
    assert_eq!(scene.look(23), ["KeepClaim"]);
    assert_eq!(scene.look(24), ["LetClaimGo"]);
    first.ended(Outcome::Done, scene.at(25));
    assert_eq!(scene.look(26), [""; 0]);
}

#[test]
fn what_is_bounded_elsewhere_may_take_as_long_as_it_takes() {
    let mut scene = Scene::new();
    let _endless = scene.send("AwaitScript", 0);
    let _long = scene.send("UploadArtifacts", 0);
    let _slow = [scene.send("SendReport", 0), scene.send("Prepare", 0), scene.send("CleanUp", 0)];
    assert_eq!(scene.look(300), [""; 0]);
    assert_eq!(scene.look(301), ["SendReport", "Prepare", "CleanUp"]);
    assert_eq!(scene.look(3601), ["UploadArtifacts"]);
    assert_eq!(scene.look(1_000_000), [""; 0]);
}

/// A message that is renamed must not lose its budget unnoticed.
#[test]
fn the_budgets_are_those_of_messages_that_exist() {
    for (name, seconds) in [
        (type_name::<claims::SendReport>(), Some(300)),
        (type_name::<upload::UploadArtifacts>(), Some(3600)),
        (type_name::<upload::Attest>(), Some(3600)),
        (type_name::<script::Prepare>(), Some(300)),
        (type_name::<script::CleanUp>(), Some(300)),
        (type_name::<script::StartScript>(), Some(10)),
        (type_name::<script::StopScript>(), Some(10)),
    ] {
        let short = name.rsplit("::").next().unwrap();
        assert_eq!(budget(&meta(short)), seconds.map(Duration::from_secs), "{name}");
    }
}

/// An overdue message of this actor, looked at in these seconds: what is done when.
fn acts(actor: &'static str, run: bool, seconds: impl IntoIterator<Item = u64>) -> Vec<(u64, Act)> {
    let start = Instant::now();
    let run = run.then(|| RunKey {
        task_id: TaskId::parse("Ypg6xKhKRU-pnkwylNQrMw").unwrap(),
        run_id: RunId::new(0).unwrap(),
    });
    let message = OpenMessage {
        id: 1,
        meta: MessageMeta { run, actor, message: "StopScript", sender: "Supervisor" },
        queued_ago: Duration::from_secs(11),
        started_ago: None,
    };
    let mut patience = Patience::default();
    let mut seen = Vec::new();
    for second in seconds {
        let acts = patience.look(start + Duration::from_secs(second), std::slice::from_ref(&message));
        seen.extend(acts.into_iter().map(|act| (second, act)));
    }
    seen
}

#[test]
fn a_hanging_actor_is_given_up_and_then_the_process_left() {
    let seen = acts("Uploader", true, (0..=120).step_by(5));
    assert_eq!(seen, [(60, Act::GiveUp("Uploader")), (120, Act::Leave("Uploader"))]);
    let seen = acts("Supervisor", false, (0..=60).step_by(5));
    assert_eq!(seen, [(60, Act::Leave("Supervisor"))]);
    assert_eq!(acts("Reclaimer", true, (0..=60).step_by(5)), [(60, Act::Leave("Reclaimer"))]);
    assert_eq!(acts("CredentialRefresher", true, (0..=600).step_by(5)), []);
    assert_eq!(acts("Claimer", false, (0..=600).step_by(5)), [], "no run waits for it");
}

#[test]
fn a_freeze_of_the_whole_process_is_no_hanging_actor() {
    assert_eq!(acts("Uploader", true, [0, 5, 600, 605, 610, 615]), []);
    let thawed = (0..10).step_by(5).chain((600..=660).step_by(5));
    assert_eq!(acts("Uploader", true, thawed), [(660, Act::GiveUp("Uploader"))]);
}
