//! The set of keyrings in force in this process: published as a whole, read per use.

use super::set::KeyringSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Where the KeyringManager puts the set in force, and verifications find it. A verification takes it once, so an update
/// never comes in between.
#[derive(Debug)]
pub struct Published(watch::Sender<Option<Arc<KeyringSet>>>);

impl Default for Published {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Published {
    /// The set in force; `None` while there is none.
    pub fn current(&self) -> Option<Arc<KeyringSet>> {
        self.0.borrow().clone()
    }

    /// Puts a set in force.
    pub fn publish(&self, set: KeyringSet) {
        self.0.send_replace(Some(Arc::new(set)));
    }

    /// Tells of every change.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<KeyringSet>>> {
        self.0.subscribe()
    }
}
