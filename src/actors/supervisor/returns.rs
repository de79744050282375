//! Runs that are given back to the queue without ever having been in hand: who they are, so that none of them is
//! forgotten when the Claimer falls or the worker leaves. The Claimer does the giving back.

use scriptworker_core::ids::RunKey;

/// The runs that the queue has not answered for yet.
#[derive(Debug, Default)]
pub(super) struct Returns(Vec<RunKey>);

impl Returns {
    /// The Claimer began to give a run back.
    pub(super) fn begin(&mut self, key: RunKey) {
        self.0.push(key);
    }

    /// That ended; whether it was still known. It is not when the Claimer was given up meanwhile and goes on after all.
    pub(super) fn end(&mut self, key: &RunKey) -> bool {
        let before = self.0.len();
        self.0.retain(|open| open != key);
        self.0.len() < before
    }

    /// The Claimer fell: what it was doing about these is gone with it. Returns how many they were.
    pub(super) fn drop_all(&mut self) -> usize {
        for key in &self.0 {
            tracing::error!(run = %key, "a claimed run is lost: the Claimer fell while giving it back");
        }
        std::mem::take(&mut self.0).len()
    }

    /// The worker leaves while these are open.
    pub(super) fn leave_behind(&self) {
        for key in &self.0 {
            tracing::error!(run = %key, "the worker leaves a run behind: it could not be given back and will expire");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_accounted_for_once() {
        let key = |run: u16| {
            serde_json::from_str(&format!(r#"{{"taskId": "Ypg6xKhKRU-pnkwylNQrMw", "runId": {run}}}"#))
                .unwrap()
        };
        let mut returns = Returns::default();
        for run in 0..3 {
            returns.begin(key(run));
        }
        assert!(returns.end(&key(1)) && !returns.end(&key(1)) && !returns.end(&key(7)));
        assert_eq!(returns.drop_all(), 2);
        assert_eq!(returns.drop_all(), 0);
        assert!(!returns.end(&key(0)), "its end comes too late");
    }
}
