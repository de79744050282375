//! The journal with invented times, and one handler that really hangs.

use super::*;
use scriptworker_core::ids::{RunId, TaskId};
use serde_json::json;

fn meta(message: &'static str) -> MessageMeta {
    let task_id = TaskId::parse("Ypg6xKhKRU-pnkwylNQrMw").unwrap();
    let run = Some(RunKey { task_id, run_id: RunId::new(2).unwrap() });
    MessageMeta { run, actor: "Uploader", message, sender: "Supervisor" }
}

fn after(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn a_message_from_the_cradle_to_the_grave() {
    let (journal, t) = (Journal::new(8), Instant::now());
    let ticket = journal.queued(meta("Upload"), t);
    let [open] = &journal.open_messages(after(t, 10))[..] else { panic!("one is open") };
    assert_eq!((open.queued_ago, open.started_ago), (Duration::from_millis(10), None));

    ticket.started(after(t, 15));
    ticket.started(after(t, 19));
    let [open] = &journal.open_messages(after(t, 20))[..] else { panic!("one is open") };
    assert_eq!(open.started_ago, Some(Duration::from_millis(5)));

    ticket.ended(Outcome::Failed, after(t, 45));
    assert_eq!(journal.open_messages(after(t, 50)), []);
    let [closed] = &journal.snapshot(after(t, 50)).closed[..] else { panic!("one is closed") };
    assert_eq!(closed.outcome, Outcome::Failed);
    assert_eq!(
        (closed.ended_ago, closed.waited, closed.took),
        (Duration::from_millis(5), Duration::from_millis(15), Some(Duration::from_millis(30)))
    );
}

#[test]
fn a_stuck_message_is_named_from_another_thread_while_its_handler_hangs() {
    let (journal, t) = (Journal::new(8), Instant::now());
    let (began, has_begun) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let hanging = std::thread::spawn({
        let ticket = journal.queued(meta("Upload"), t);
        move || {
            ticket.started(after(t, 1));
            began.send(()).unwrap();
            released.recv().unwrap();
            ticket.ended(Outcome::Done, after(t, 60_000));
        }
    });
    has_begun.recv().unwrap();
    let quick = journal.queued(meta("Ping"), after(t, 20_000));
    let forever = journal.queued(meta("Watch"), t);
    let budget = |meta: &MessageMeta| match meta.message {
        "Watch" => None,
        _ => Some(Duration::from_secs(30)),
    };

    assert_eq!(journal.overdue(after(t, 30_000), budget), []);
    let [stuck] = &journal.overdue(after(t, 30_001), budget)[..] else { panic!("exactly one is overdue") };
    assert_eq!(stuck.meta, meta("Upload"));
    assert_eq!(stuck.started_ago, Some(Duration::from_millis(30_000)));
    let text = journal.snapshot(after(t, 30_001)).to_text();
    assert!(
        text.contains(
            "Uploader Upload from Supervisor for run Ypg6xKhKRU-pnkwylNQrMw/2: handled since 30.000 s, sent 30.001 s ago"
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "Uploader Ping from Supervisor for run Ypg6xKhKRU-pnkwylNQrMw/2: waiting since 10.001 s"
        )
    );

    release.send(()).unwrap();
    hanging.join().unwrap();
    quick.ended(Outcome::Done, after(t, 60_001));
    forever.ended(Outcome::Done, after(t, 60_002));
    assert_eq!(journal.overdue(after(t, 90_000), budget), []);
}

#[test]
fn a_ticket_that_gets_lost_closes_its_message() {
    let (journal, t) = (Journal::new(8), Instant::now());
    drop(journal.queued(meta("Lost"), t));
    let panicked = journal.queued(meta("Bad"), t);
    let thread = std::thread::spawn(move || {
        let _held = panicked;
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    assert_eq!(journal.open_messages(t), []);
    let outcomes: Vec<Outcome> = journal.snapshot(t).closed.iter().map(|message| message.outcome).collect();
    assert_eq!(outcomes, [Outcome::Panicked, Outcome::Dropped]);
    assert_eq!(journal.snapshot(t).closed[0].took, None);
}

#[test]
fn closed_messages_are_bounded_and_open_ones_are_all_kept() {
    let (journal, t) = (Journal::new(3), Instant::now());
    let open: Vec<Ticket> = (0..10).map(|_| journal.queued(meta("Open"), t)).collect();
    for name in ["a", "b", "c", "d", "e"] {
        journal.queued(meta(name), t).ended(Outcome::Done, t);
    }
    let snapshot = journal.snapshot(t);
    let closed: Vec<&str> = snapshot.closed.iter().map(|message| message.meta.message).collect();
    assert_eq!((snapshot.open.len(), &closed[..]), (10, &["e", "d", "c"][..]));
    drop(open);
}

#[test]
fn the_json_names_everything() {
    let (journal, t) = (Journal::new(3), Instant::now());
    let open = journal.queued(MessageMeta { run: None, ..meta("Open") }, t);
    journal.queued(meta("Closed"), t).ended(Outcome::Done, after(t, 4));
    assert_eq!(
        serde_json::to_value(journal.snapshot(after(t, 5))).unwrap(),
        json!({
            "open": [{
                "id": 0, "run": null, "actor": "Uploader", "message": "Open", "sender": "Supervisor",
                "queuedAgoMs": 5, "startedAgoMs": null
            }],
            "closed": [{
                "run": {"taskId": "Ypg6xKhKRU-pnkwylNQrMw", "runId": 2},
                "actor": "Uploader", "message": "Closed", "sender": "Supervisor",
                "outcome": "done", "endedAgoMs": 1, "waitedMs": 4, "tookMs": null
            }]
        })
    );
    drop(open);
}
