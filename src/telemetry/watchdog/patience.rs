//! How long a hanging actor is put up with before the worker acts. Pure: times and messages come in.

use crate::telemetry::journal::OpenMessage;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// An actor that hangs for so long past a budget is given up: the run goes on without it, if it can.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// If that did not help, so much later the worker leaves: its guardian then ends the script, the claim expires, and
/// whoever supervises the worker starts a new one.
pub(super) const LEAVE_AFTER: Duration = Duration::from_secs(120);
/// A longer pause between two looks means that the whole process was frozen, not that an actor hangs.
const FROZEN: Duration = Duration::from_secs(15);

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// This actor hangs while it has something to do for a run.
    GiveUp(&'static str),
    /// Nothing else helps: end the process.
    Leave(&'static str),
}

/// Since when which actor hangs.
#[derive(Debug, Default)]
pub(super) struct Patience {
    hanging: BTreeMap<&'static str, Hanging>,
    last_look: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Hanging {
    since: Instant,
    given_up: bool,
}

impl Patience {
    /// One look at the messages that are past their budget.
    pub(super) fn look(&mut self, now: Instant, overdue: &[OpenMessage]) -> Vec<Act> {
        let thawed = self.last_look.is_some_and(|last| now.saturating_duration_since(last) > FROZEN);
        self.last_look = Some(now);
        if thawed {
            self.hanging.clear();
        }
        let actors: Vec<_> =
            overdue.iter().filter(|message| matters(message)).map(|m| m.meta.actor).collect();
        self.hanging.retain(|actor, _| actors.contains(actor));
        for actor in actors {
            self.hanging.entry(actor).or_insert(Hanging { since: now, given_up: false });
        }
        self.hanging.iter_mut().filter_map(|(actor, hanging)| hanging.act(actor, now)).collect()
    }
}

impl Hanging {
    fn act(&mut self, actor: &'static str, now: Instant) -> Option<Act> {
        let long = now.saturating_duration_since(self.since);
        match actor {
            // nobody else could carry anything out; the heartbeat shares its thread
            "Supervisor" | "Reclaimer" if long >= GIVE_UP_AFTER => Some(Act::Leave(actor)),
            // the script keeps older credentials, which is no reason to end it
            "CredentialRefresher" => None,
            _ if long >= LEAVE_AFTER => Some(Act::Leave(actor)),
            _ if long >= GIVE_UP_AFTER && !self.given_up => {
                self.given_up = true;
                Some(Act::GiveUp(actor))
            }
            _ => None,
        }
    }
}

/// The Supervisor always matters, everybody else while a run waits for them.
fn matters(message: &OpenMessage) -> bool {
    message.meta.run.is_some() || message.meta.actor == "Supervisor"
}
