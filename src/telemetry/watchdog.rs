//! Names what is stuck, and acts on it: every conversation has a budget, and past it the open message, its actor, run
//! and age are written down; much later a hanging actor is given up (design.md 4). On a thread of its own, so that no
//! blocked actor can silence it.

mod patience;

pub use self::patience::Act;

use self::patience::Patience;

use super::journal::{Journal, MessageMeta, OpenMessage};
use std::collections::HashSet;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long a message, or work beside messages, may be open: from its sending to the end of its work. `StartScript`
/// ends when the guardian has the script: that is quick, or stuck.
fn budget(meta: &MessageMeta) -> Option<Duration> {
    let seconds = match meta.message {
        // as long as its limit allows, which the ScriptRunner's timer and the guardian hold
        "AwaitScript" => return None,
        "UploadArtifacts" | "Attest" | "UpdateKeyrings" | "updating keyrings" => 3600,
        // the hour in which evidence may be gathered (`Budgets`), and as long again as judging and writing may take
        "Verify" => 4500,
        "SendReport" | "Prepare" | "CleanUp" => 300,
        "ReloadPolicy" | "claimWork" | "reclaimTask" | "giving a run back" | "ClearScript" | "EndOrphan" => {
            120
        }
        _ => 10,
    };
    Some(Duration::from_secs(seconds))
}

/// Whether being late means that somebody hangs. What is done over the network may be late because of others.
fn is_ours_alone(message: &OpenMessage) -> bool {
    !matches!(message.meta.message, "UploadArtifacts" | "Attest" | "SendReport" | "Verify")
}

/// Stops the watching when dropped.
#[derive(Debug)]
pub struct Watchdog {
    _stop: Sender<()>,
}

/// Starts to watch the journal of this process. `act` is called, from the watchdog's own thread, when naming is not
/// enough.
pub fn start(act: impl Fn(Act) + Send + 'static) -> io::Result<Watchdog> {
    let (stop, stopped) = mpsc::channel();
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        let (mut told, mut patience) = (HashSet::new(), Patience::default());
        while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            let now = Instant::now();
            look(Journal::global(), now, &mut told, |message| {
                tracing::error!(
                    actor = message.meta.actor,
                    message = message.meta.message,
                    sender = message.meta.sender,
                    run = message.meta.run.as_ref().map(tracing::field::display),
                    queued_ago = ?message.queued_ago,
                    started_ago = ?message.started_ago,
                    "stuck: this message is open for longer than its budget"
                );
            });
            let mut hanging = Journal::global().overdue(now, budget);
            hanging.retain(is_ours_alone);
            patience.look(now, &hanging).into_iter().for_each(&act);
        }
    })?;
    Ok(Watchdog { _stop: stop })
}

/// Tells of each overdue message once.
fn look(
    journal: &std::sync::Arc<Journal>,
    now: Instant,
    told: &mut HashSet<u64>,
    mut tell: impl FnMut(&OpenMessage),
) {
    let overdue = journal.overdue(now, budget);
    told.retain(|id| overdue.iter().any(|message| message.id == *id));
    for message in &overdue {
        if told.insert(message.id) {
            tell(message);
        }
    }
}

#[cfg(test)]
mod tests;
