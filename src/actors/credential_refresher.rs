//! Puts renewed credentials in use: for every request of the run at once, and in the script's credentials file.

use crate::messages::credentials::PublishCredentials;
use crate::messages::traced::then;
use crate::messages::{Notice, Post, Receive, Staff, Work};
use actix::{Actor, Context, Supervised};
use scriptworker_core::run;
use std::sync::Arc;

/// See the module.
pub struct CredentialRefresher {
    supervisor: Post<Notice>,
}

impl CredentialRefresher {
    /// Two per renewal at most, and a renewal takes seconds: a full mailbox means that the thread hangs.
    const MAILBOX: usize = 16;

    /// One that reports to `supervisor`.
    pub fn new(supervisor: Post<Notice>) -> Self {
        Self { supervisor }
    }
}

impl Actor for CredentialRefresher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Self::MAILBOX);
    }
}

impl Supervised for CredentialRefresher {
    fn restarting(&mut self, _: &mut Self::Context) {
        // an undeliverable notice is logged by the post; the Supervisor's own end is the process's end
        let _ = self.supervisor.send(None, Notice::Died(run::Actor::CredentialRefresher));
    }
}

impl Staff for CredentialRefresher {
    const NAME: &'static str = run::Actor::CredentialRefresher.name();
}

impl Receive<PublishCredentials> for CredentialRefresher {
    fn receive(&mut self, message: PublishCredentials, _: &mut Context<Self>) -> Work<Self> {
        let PublishCredentials { snapshot, renewal } = message;
        snapshot.publish(Arc::clone(&renewal.credentials), renewal.end);
        let writing = actix_rt::task::spawn_blocking(move || snapshot.refresh_file());
        then(writing, |written, _, _| match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the script's credentials file keeps the previous credentials")
            }
            Err(error) => tracing::error!(%error, "writing the script's credentials file ended early"),
        })
    }
}

crate::traced!(CredentialRefresher: PublishCredentials);
