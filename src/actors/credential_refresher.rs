//! Puts renewed credentials in use: for every request of the run at once, and in the script's credentials file.

use crate::actors::RunCredentials;
use crate::messages::credentials::PublishCredentials;
use crate::messages::traced::{after, then};
use crate::messages::{Notice, Post, Receive, Staff, Work};
use actix::{Actor, AsyncContext, Context, Supervised};
use scriptworker_core::run;
use std::sync::Arc;
use std::time::Duration;

/// How soon a file that could not be written is tried again; twice as long each time, up to the second one.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// See the module.
pub struct CredentialRefresher {
    supervisor: Post<Notice>,
}

impl CredentialRefresher {
    /// Two per renewal at most, and a renewal takes seconds: a full mailbox means that the thread hangs.
    const MAILBOX: usize = 16;

    /// Writes the script's file, again and again if need be: the script must not be left with credentials that expire.
    /// It ends with the script, whose file is forgotten then.
    fn write_file(snapshot: Arc<RunCredentials>, wait: Duration) -> Work<Self> {
        let writer = Arc::clone(&snapshot);
        let writing = actix_rt::task::spawn_blocking(move || writer.refresh_file());
        then(writing, move |written, _, ctx| match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, ?wait, "the script's credentials file keeps the previous credentials; trying again");
                after(ctx, wait, move |_: &mut Self, ctx| {
                    let longer = wait.saturating_mul(2).min(RETRY.1);
                    if let Some(work) = Self::write_file(snapshot, longer) {
                        ctx.spawn(work);
                    }
                });
            }
            Err(error) => tracing::error!(%error, "writing the script's credentials file ended early"),
        })
    }

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
        Self::write_file(snapshot, RETRY.0)
    }
}

crate::traced!(CredentialRefresher: PublishCredentials);
