//! The journal: every message between actors that is open, and the last ones that are closed (design.md 4 and 10).
//!
//! It is written straight from the message envelope, past log filters, under a lock that is held for a few
//! instructions and never while something else is waited for. So another thread can read it while an actor hangs:
//! that is how a stuck message gets a name. It does no I/O.

use scriptworker_core::ids::RunKey;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many closed messages the process-wide journal keeps.
pub const KEPT: usize = 1024;

static GLOBAL: LazyLock<Arc<Journal>> = LazyLock::new(|| Journal::new(KEPT));

/// Who says what to whom, and for which run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageMeta {
    /// The run that it is about; none for the worker's own affairs.
    pub run: Option<RunKey>,
    /// The actor that has to handle it.
    pub actor: &'static str,
    /// The name of the message.
    pub message: &'static str,
    /// Who sent it.
    pub sender: &'static str,
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Handled.
    Done,
    /// Handled, and the answer is an error.
    Failed,
    /// The handler panicked.
    Panicked,
    /// Never handled to the end: the mailbox was closed, or the handler's future dropped.
    Dropped,
}

/// A message that waits or is being handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenMessage {
    /// Its number in this process's life.
    pub id: u64,
    /// Who, what, for which run.
    #[serde(flatten)]
    pub meta: MessageMeta,
    /// How long ago it was sent.
    #[serde(rename = "queuedAgoMs", serialize_with = "millis")]
    pub queued_ago: Duration,
    /// How long ago its handler began; none while it waits.
    #[serde(rename = "startedAgoMs", serialize_with = "maybe_millis")]
    pub started_ago: Option<Duration>,
}

/// A message that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClosedMessage {
    /// Who, what, for which run.
    #[serde(flatten)]
    pub meta: MessageMeta,
    /// How it ended.
    pub outcome: Outcome,
    /// How long ago it ended.
    #[serde(rename = "endedAgoMs", serialize_with = "millis")]
    pub ended_ago: Duration,
    /// How long it waited for its handler, or for its end if it had none.
    #[serde(rename = "waitedMs", serialize_with = "millis")]
    pub waited: Duration,
    /// How long its handler took; none when it never began.
    #[serde(rename = "tookMs", serialize_with = "maybe_millis")]
    pub took: Option<Duration>,
}

/// A copy of the journal at one moment. Serializes as JSON; [`Snapshot::to_text`] is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Open messages, the oldest first.
    pub open: Vec<OpenMessage>,
    /// Closed messages, the latest first.
    pub closed: Vec<ClosedMessage>,
}

/// The journal itself.
#[derive(Debug)]
pub struct Journal {
    kept: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: BTreeMap<u64, Entry>,
    closed: VecDeque<(Entry, Outcome, Instant)>,
}

#[derive(Debug, Clone)]
struct Entry {
    meta: MessageMeta,
    queued: Instant,
    started: Option<Instant>,
}

/// The right to write about one message. Dropped without [`Ticket::ended`], it closes the message as
/// [`Outcome::Dropped`].
#[derive(Debug)]
#[must_use = "a ticket that is dropped closes its message as dropped"]
pub struct Ticket {
    journal: Arc<Journal>,
    id: u64,
    ended: bool,
}

impl Journal {
    /// An empty journal that keeps so many closed messages.
    pub fn new(kept: usize) -> Arc<Self> {
        Arc::new(Self { kept, state: Mutex::default() })
    }

    /// The one of this process.
    pub fn global() -> &'static Arc<Self> {
        &GLOBAL
    }

    /// A message is on its way.
    pub fn queued(self: &Arc<Self>, meta: MessageMeta, now: Instant) -> Ticket {
        let mut state = self.lock();
        let id = state.next;
        state.next = state.next.wrapping_add(1);
        state.open.insert(id, Entry { meta, queued: now, started: None });
        Ticket { journal: Arc::clone(self), id, ended: false }
    }

    /// Open messages, the oldest first.
    pub fn open_messages(&self, now: Instant) -> Vec<OpenMessage> {
        self.lock().open.iter().map(|(id, entry)| entry.seen_open(*id, now)).collect()
    }

    /// Open messages that are older than the budget of their kind, the oldest first. `budget` is counted from the
    /// sending; `None` lets a message take as long as it likes. It is called after the lock is given back.
    pub fn overdue(
        &self,
        now: Instant,
        budget: impl Fn(&MessageMeta) -> Option<Duration>,
    ) -> Vec<OpenMessage> {
        let mut messages = self.open_messages(now);
        messages.retain(|message| budget(&message.meta).is_some_and(|most| message.queued_ago > most));
        messages
    }

    /// Everything, at one moment.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let state = self.lock();
        let (open, closed) = (state.open.clone(), state.closed.clone());
        drop(state);
        Snapshot {
            open: open.iter().map(|(id, entry)| entry.seen_open(*id, now)).collect(),
            closed: closed
                .iter()
                .rev()
                .map(|(entry, outcome, end)| entry.seen_closed(*outcome, *end, now))
                .collect(),
        }
    }

    /// A panic under the lock cannot leave the journal half written, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, id: u64, outcome: Outcome, now: Instant) {
        let mut state = self.lock();
        if let Some(entry) = state.open.remove(&id) {
            while state.closed.len() >= self.kept.max(1) {
                state.closed.pop_front();
            }
            state.closed.push_back((entry, outcome, now));
        }
    }
}

impl Ticket {
    /// The handler begins. Only the first call counts.
    pub fn started(&self, now: Instant) {
        if let Some(entry) = self.journal.lock().open.get_mut(&self.id) {
            entry.started.get_or_insert(now);
        }
    }

    /// The message is over.
    pub fn ended(mut self, outcome: Outcome, now: Instant) {
        self.ended = true;
        self.journal.close(self.id, outcome, now);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended {
            let outcome = if std::thread::panicking() { Outcome::Panicked } else { Outcome::Dropped };
            self.journal.close(self.id, outcome, Instant::now());
        }
    }
}

impl Entry {
    fn seen_open(&self, id: u64, now: Instant) -> OpenMessage {
        OpenMessage {
            id,
            meta: self.meta.clone(),
            queued_ago: now.saturating_duration_since(self.queued),
            started_ago: self.started.map(|started| now.saturating_duration_since(started)),
        }
    }

    fn seen_closed(&self, outcome: Outcome, end: Instant, now: Instant) -> ClosedMessage {
        ClosedMessage {
            meta: self.meta.clone(),
            outcome,
            ended_ago: now.saturating_duration_since(end),
            waited: self.started.unwrap_or(end).saturating_duration_since(self.queued),
            took: self.started.map(|started| end.saturating_duration_since(started)),
        }
    }
}

impl Snapshot {
    /// One line per message: the open ones, then the closed ones.
    pub fn to_text(&self) -> String {
        // Writing to a String cannot fail.
        let mut text = format!("open messages: {}\n", self.open.len());
        for message in &self.open {
            let _ = write!(text, "  {}", Line(&message.meta));
            let _ = match message.started_ago {
                Some(started) => writeln!(
                    text,
                    ": handled since {}, sent {} ago",
                    Seconds(started),
                    Seconds(message.queued_ago)
                ),
                None => writeln!(text, ": waiting since {}", Seconds(message.queued_ago)),
            };
        }
        let _ = writeln!(text, "closed messages: {}", self.closed.len());
        for message in &self.closed {
            let _ = write!(text, "  {}: {:?}", Line(&message.meta), message.outcome);
            let _ = write!(text, " {} ago, waited {}", Seconds(message.ended_ago), Seconds(message.waited));
            let _ = match message.took {
                Some(took) => writeln!(text, ", took {}", Seconds(took)),
                None => writeln!(text, ", never begun"),
            };
        }
        text
    }
}

struct Line<'a>(&'a MessageMeta);

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let MessageMeta { run, actor, message, sender } = self.0;
        write!(f, "{actor} {message} from {sender}")?;
        match run {
            Some(run) => write!(f, " for run {run}"),
            None => Ok(()),
        }
    }
}

struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn maybe_millis<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => millis(duration, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
