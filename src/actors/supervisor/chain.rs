//! The chain of trust of the run in hand: who verifies it, and what follows from the answer.

use super::{Hand, Supervisor};
use crate::actors::cot_verifier::Judged;
use crate::actors::crew::Team;
use crate::messages::Undelivered;
use crate::messages::verification::{AbortVerify, Verify};
use actix::Context;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::{Event, Verdict};
use std::sync::Arc;

impl Supervisor {
    /// Has it verified.
    pub(super) fn verify(&self, hand: &Hand, ctx: &mut Context<Self>) -> Result<(), Undelivered> {
        let Some(verifier) = self.team.as_ref().and_then(|team| team.verifier.as_ref()) else {
            // there is one whenever chains are to be verified; without one nothing may run
            self.feed_soon(Event::Verdict(Verdict::Failed), ctx);
            return Ok(());
        };
        let message = Verify { key: hand.key.clone(), definition: Arc::clone(&hand.claimed.definition) };
        verifier.send(Some(&hand.key), message)
    }

    /// Keeps what lets the script start, if it is about the run in hand.
    pub(super) fn judged(&mut self, key: &RunKey, judged: Judged, ctx: &mut Context<Self>) {
        if let Some(hand) = self.hand.as_mut().filter(|hand| hand.key == *key) {
            hand.clearance = judged.clearance;
            hand.verdict_files = judged.files;
            hand.record.judged(hand.run.phase(), judged.verdict, judged.summary);
            self.feed(Event::Verdict(judged.verdict), ctx);
        }
    }
}

impl Team {
    /// Ends a verification early, with or without a log of it; nothing is to be done when nobody verifies.
    pub(super) fn abort_verification(&self, key: &RunKey, keep: bool) -> Result<(), Undelivered> {
        let message = AbortVerify { key: key.clone(), keep };
        self.verifier.as_ref().map_or(Ok(()), |verifier| verifier.send(Some(key), message))
    }
}
