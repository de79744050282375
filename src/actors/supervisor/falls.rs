//! What the Supervisor does about actors that fall, and says about runs that are lost.

use super::{Supervisor, posts};
use crate::actors::crew::REPLACE_AFTER;
use crate::messages::keyrings::UpdateKeyrings;
use crate::messages::traced::after;
use crate::messages::verification::ReloadPolicy;
use actix::Context;
use scriptworker_core::ids::RunKey;
use scriptworker_core::run::lifecycle::Life;
use scriptworker_core::run::{self, Event, LossCause};

impl Supervisor {
    /// An actor is gone or hangs: start another one, then let the run know.
    pub(super) fn replace(&mut self, actor: run::Actor, ctx: &mut Context<Self>) {
        tracing::error!(?actor, "starting the actor anew");
        after(ctx, REPLACE_AFTER, move |supervisor: &mut Self, ctx| {
            let posts = posts(ctx);
            let crew = supervisor.crew.clone();
            if let Some(team) = &mut supervisor.team {
                crew.replace(team, actor, &posts);
            }
            supervisor.died(actor, ctx);
        });
    }

    /// SIGHUP: policy and keyrings are looked at anew, by actors that are started anew if they are gone.
    pub(super) fn reload(&mut self, ctx: &mut Context<Self>) {
        let Some(team) = &mut self.team else { return };
        let told = team.verifier.as_ref().map(|verifier| verifier.send(None, ReloadPolicy));
        if told.is_some_and(|told| told.is_err_and(|undelivered| undelivered.gone)) {
            self.replace(run::Actor::CotVerifier, ctx);
        }
        let Some(team) = &mut self.team else { return };
        let Some(manager) = &team.keyring_manager else { return };
        if manager.send(None, UpdateKeyrings).is_err_and(|undelivered| undelivered.gone) {
            // an update is the first thing that it does
            team.keyring_manager = self.crew.keyring_manager();
        }
    }

    pub(super) fn died(&mut self, actor: run::Actor, ctx: &mut Context<Self>) {
        tracing::error!(?actor, "an actor fell and was started again");
        if let (run::Actor::CotVerifier, Some(hand), Some(team)) = (actor, &self.hand, &self.team) {
            // one that was given up because it hangs may still come to an end, in the middle of another run
            let _ = team.abort_verification(&hand.key, false);
        }
        self.feed(Event::ActorDied(actor), ctx);
        if actor == run::Actor::Claimer {
            for _ in 0..self.returns.drop_all() {
                self.live(Life::GaveBack(false), ctx);
            }
            match self.lifecycle.serves() {
                true if self.hand.is_none() => self.take_work(ctx),
                true => {}
                // it may have forgotten that, or never said that it has stopped
                false => self.stop_claiming(ctx),
            }
        }
    }
}

/// Tells that a run is no longer ours, and why.
pub(super) fn log_loss(key: &RunKey, cause: LossCause) {
    match cause {
        LossCause::Refused => {
            tracing::warn!(run = %key, "the run is no longer ours (cancelled, past its deadline or taken): nothing is uploaded or reported");
        }
        LossCause::Expired => {
            tracing::error!(run = %key, "the claim expired before it could be renewed: nothing is uploaded or reported");
        }
    }
}
