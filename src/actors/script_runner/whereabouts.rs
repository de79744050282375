//! Where the processes of a run's script are to be found, whatever became of the actor that started them. The run is
//! reported only when none of them is alive (invariant I4), also after the ScriptRunner fell or was replaced.

use crate::process;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a start that is under way may take to tell its guardian's number.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// Shared by the Supervisor, which keeps it with the run, and whoever runs the script.
#[derive(Debug, Default)]
pub struct Whereabouts(Mutex<Place>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Nothing was started.
    #[default]
    Nowhere,
    /// Handed to the blocking pool: there may be a guardian any moment.
    Starting,
    /// Below this guardian; the script's session, once it is known.
    Below { guardian: u32, session: Option<u32> },
    /// None is alive any more, and whoever looked after them has said so.
    Gone,
}

impl Whereabouts {
    /// A start is under way.
    pub(super) fn starting(&self) {
        self.set(Place::Starting);
    }

    /// The guardian runs.
    pub(super) fn guardian(&self, guardian: u32) {
        self.set(Place::Below { guardian, session: None });
    }

    /// The script runs, in a session of this number.
    pub(super) fn session(&self, number: u32) {
        if let Place::Below { session, .. } = &mut *self.lock() {
            *session = Some(number);
        }
    }

    /// None is alive any more.
    pub(super) fn gone(&self) {
        self.set(Place::Gone);
    }

    /// Whether somebody has already said that the script is over.
    pub(super) fn is_told(&self) -> bool {
        *self.lock() == Place::Gone
    }

    /// Makes sure that none is alive: waits for a guardian whose worker let it go, kills one that does not leave and
    /// what is left of the script's session. Returns how many processes could not be killed. Blocks for seconds.
    pub(super) fn end(&self) -> usize {
        let patience = Instant::now() + START_PATIENCE;
        while *self.lock() == Place::Starting && Instant::now() < patience {
            process::look_again_soon();
        }
        let place = *self.lock();
        let left = match place {
            Place::Nowhere | Place::Starting | Place::Gone => 0,
            Place::Below { guardian, session } => {
                let left = process::wait_until_gone(guardian);
                if !left {
                    super::heed::kill_guardian(guardian);
                }
                match session {
                    // a guardian that left by itself has swept
                    Some(session) if !left => process::kill_session(session),
                    _ => 0,
                }
            }
        };
        self.gone();
        left
    }

    fn set(&self, place: Place) {
        *self.lock() = place;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Place> {
        // a plain value is never left half changed
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_started_or_is_over_needs_no_end() {
        let whereabouts = Whereabouts::default();
        assert!(!whereabouts.is_told());
        assert_eq!(whereabouts.end(), 0);
        assert!(whereabouts.is_told());
        assert_eq!(whereabouts.end(), 0);
    }

    #[test]
    fn a_guardian_that_is_gone_already_is_no_obstacle() {
        let whereabouts = Whereabouts::default();
        whereabouts.starting();
        whereabouts.guardian(u32::MAX);
        whereabouts.session(u32::MAX);
        assert!(!whereabouts.is_told());
        assert_eq!(whereabouts.end(), 0);
        assert!(whereabouts.is_told());
    }
}
