//! How actors are started: which lives on which thread, and with what it is built. An actor that fell in a way that
//! `actix::Supervisor` cannot mend is started anew from here.

use super::claimer::{Claimer, Identity};
use super::cot_verifier::CotVerifier;
use super::credential_refresher::CredentialRefresher;
use super::keyring_manager::KeyringManager;
use super::reclaimer::Reclaimer;
use super::script_runner::ScriptRunner;
use super::uploader::Uploader;
use crate::config::Config;
use crate::cot::policies::PolicyStore;
use crate::keyrings::Published;
use crate::messages::{Member, Notice, Post, Staff};
use crate::signing::Attester;
use crate::taskcluster::{Auth, Http, HttpConfig, RootUrl};
use crate::telemetry::ledger::Ledger;
use actix::{Actor, ArbiterHandle, Context, Supervisor};
use scriptworker_core::run;
use std::sync::Arc;
use std::time::Duration;

/// What actors are built from.
#[derive(Clone)]
pub struct Crew {
    /// The configuration.
    pub config: Arc<Config>,
    /// The thread of everything that may never be late.
    pub heartbeat: ArbiterHandle,
    /// The thread of everything else.
    pub work: ArbiterHandle,
    /// The deployment.
    pub root_url: RootUrl,
    /// The worker's own credentials.
    pub auth: Auth,
    /// Who attests what runs made.
    pub attester: Arc<Attester>,
    /// How HTTP clients are made: one per thread.
    pub http: HttpConfig,
    /// The policy in use, when chains of trust are verified.
    pub policies: Option<Arc<PolicyStore>>,
    /// The keyrings in force; nobody fills it when none are kept.
    pub keyrings: Arc<Published>,
    /// Where every run is noted.
    pub ledger: Ledger,
}

/// The actors at work.
pub struct Team {
    /// Asks for work and reports.
    pub claimer: Member<Claimer>,
    /// Renews the claim.
    pub reclaimer: Member<Reclaimer>,
    /// Puts renewed credentials in use.
    pub refresher: Member<CredentialRefresher>,
    /// Runs the script.
    pub runner: Member<ScriptRunner>,
    /// Uploads.
    pub uploader: Member<Uploader>,
    /// Verifies chains of trust; nobody does when none are verified.
    pub verifier: Option<Member<CotVerifier>>,
    /// Keeps keyrings current; nobody does when none are kept.
    pub keyring_manager: Option<Member<KeyringManager>>,
}

impl Crew {
    /// Starts everybody.
    pub fn start(&self, supervisor: &impl Fn(&'static str) -> Post<Notice>) -> Team {
        Team {
            claimer: self.claimer(supervisor(Claimer::NAME)),
            reclaimer: self.reclaimer(supervisor(Reclaimer::NAME)),
            refresher: self.refresher(supervisor(CredentialRefresher::NAME)),
            runner: self.runner(supervisor(ScriptRunner::NAME)),
            uploader: self.uploader(supervisor(Uploader::NAME)),
            verifier: self.verifier(supervisor(CotVerifier::NAME)),
            keyring_manager: self.keyring_manager(),
        }
    }

    /// Starts one actor anew in place of one that is gone.
    pub fn replace(
        &self,
        team: &mut Team,
        actor: run::Actor,
        supervisor: &impl Fn(&'static str) -> Post<Notice>,
    ) {
        match actor {
            run::Actor::Claimer => team.claimer = self.claimer(supervisor(Claimer::NAME)),
            run::Actor::Reclaimer => team.reclaimer = self.reclaimer(supervisor(Reclaimer::NAME)),
            run::Actor::CredentialRefresher => {
                team.refresher = self.refresher(supervisor(CredentialRefresher::NAME));
            }
            run::Actor::ScriptRunner => team.runner = self.runner(supervisor(ScriptRunner::NAME)),
            run::Actor::Uploader => team.uploader = self.uploader(supervisor(Uploader::NAME)),
            run::Actor::CotVerifier => team.verifier = self.verifier(supervisor(CotVerifier::NAME)),
        }
    }

    /// Starts the actor that keeps keyrings current, if any are kept. It reports to nobody: what it finds is published.
    pub fn keyring_manager(&self) -> Option<Member<KeyringManager>> {
        let (config, published) = (Arc::clone(&self.config), Arc::clone(&self.keyrings));
        config.keeps_keyrings().then(|| start(&self.work, move || KeyringManager::new(config, published)))
    }

    fn verifier(&self, post: Post<Notice>) -> Option<Member<CotVerifier>> {
        let policies = Arc::clone(self.policies.as_ref()?);
        let (config, keyrings) = (Arc::clone(&self.config), Arc::clone(&self.keyrings));
        let (http, root_url, auth) = (self.http.clone(), self.root_url.clone(), self.auth.clone());
        Some(start(&self.work, move || {
            CotVerifier::new(post, config, policies, keyrings, client(http), root_url, auth)
        }))
    }

    fn claimer(&self, post: Post<Notice>) -> Member<Claimer> {
        let (config, auth, http) = (Arc::clone(&self.config), self.auth.clone(), self.http.clone());
        let root_url = self.root_url.clone();
        start(&self.work, move || {
            let identity = Identity {
                task_queue_id: config.task_queue_id.clone(),
                worker_group: config.worker_group.clone(),
                worker_id: config.worker_id.clone(),
            };
            Claimer::new(post, client(http), root_url, auth, identity, config.poll_interval)
        })
    }

    fn reclaimer(&self, post: Post<Notice>) -> Member<Reclaimer> {
        let (config, http) = (Arc::clone(&self.config), self.http.clone());
        let root_url = self.root_url.clone();
        start(&self.heartbeat, move || Reclaimer::new(post, client(http), root_url, config.reclaim_interval))
    }

    fn refresher(&self, post: Post<Notice>) -> Member<CredentialRefresher> {
        start(&self.heartbeat, move || CredentialRefresher::new(post))
    }

    fn runner(&self, post: Post<Notice>) -> Member<ScriptRunner> {
        let config = Arc::clone(&self.config);
        start(&self.work, move || ScriptRunner::new(post, config))
    }

    fn uploader(&self, post: Post<Notice>) -> Member<Uploader> {
        let (config, http) = (Arc::clone(&self.config), self.http.clone());
        let root_url = self.root_url.clone();
        let attester = Arc::clone(&self.attester);
        start(&self.work, move || Uploader::new(post, config, attester, client(http), root_url))
    }
}

fn start<A: Staff + Actor<Context = Context<A>>>(
    thread: &ArbiterHandle,
    build: impl FnOnce() -> A + Send + 'static,
) -> Member<A> {
    Member::new(Supervisor::start_in_arbiter(thread, |_| build()))
}

#[expect(clippy::expect_used, reason = "the worker starts only after one with the same settings was made")]
fn client(config: HttpConfig) -> Http {
    Http::new(config).expect("an HTTP client with these settings was made before")
}

/// Pause before an actor that is gone is started anew.
pub const REPLACE_AFTER: Duration = Duration::from_secs(1);
