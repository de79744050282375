//! One verification, from the claim's definition to a verdict and what is kept of it.

use super::outcome::{Clearance, Judged, Summary};
use super::records::{self, Place};
use crate::config::Config;
use crate::cot::budgets::Budgets;
use crate::cot::case::OwnedCase;
use crate::cot::gather::{GatherError, verify};
use crate::cot::policies::{LoadedPolicy, PolicyStore, Unusable};
use crate::cot::renderer::Subprocess;
use crate::cot::sources::{SourceError, SourceSettings, Sources};
use crate::cot::staging::Staging;
use crate::keyrings::Published;
use crate::messages::verification::Verify;
use crate::taskcluster::{Auth, Http, RootUrl};
use scriptworker_core::cot::chain::Subject;
use scriptworker_core::cot::evidence::{Contradiction, Evidence};
use scriptworker_core::cot::finding::Finding;
use scriptworker_core::cot::judge::Judgement;
use scriptworker_core::cot::keys::Implementation;
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::task::Definition;
use scriptworker_core::openpgp::Keyring;
use scriptworker_core::run::Verdict;
use scriptworker_core::time::UnixMillis;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// What every verification is made with.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) config: Arc<Config>,
    pub(super) policies: Arc<PolicyStore>,
    pub(super) keyrings: Arc<Published>,
    pub(super) http: Http,
    pub(super) root_url: RootUrl,
    pub(super) auth: Auth,
}

/// Whether a verification is to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It goes on.
    No,
    /// It ends, and its log says so.
    Abort,
    /// It ends, and writes nothing: its run may be over.
    Abandon,
}

/// A verification that is to be made.
pub(super) struct Verification {
    means: Means,
    message: Verify,
    began: Instant,
    /// Every answer, with the time that it came after.
    progress: RefCell<Vec<String>>,
}

/// How it ended.
pub(super) enum Ended {
    /// With a verdict.
    Judged(Box<Verdicts>),
    /// The task itself cannot be read.
    NoTask(Finding),
    /// Without a verdict.
    NoVerdict(NoVerdict),
}

/// A verdict and what it rests on.
pub(super) struct Verdicts {
    pub(super) judgement: Judgement,
    pub(super) evidence: Evidence,
    pub(super) now: UnixMillis,
    pub(super) queue_now: Option<UnixMillis>,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoVerdict {
    #[error("the verification was ended early")]
    Aborted,
    #[error("the verification was given up")]
    Abandoned,
    #[error(transparent)]
    Policy(#[from] Unusable),
    #[error("no keyrings are in force; the worker's log says why")]
    NoKeyrings,
    #[error("the queue's definition of the task: {0}")]
    Task(#[source] SourceError),
    #[error(transparent)]
    Gather(#[from] GatherError),
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    #[error("not everything that was needed is known: {0}")]
    Incomplete(Box<Need>),
    #[error("failed to write below the work directory: {0}")]
    File(#[source] io::Error),
    #[error("the verification stopped half way: {0}")]
    Stopped(#[source] actix_rt::task::JoinError),
}

impl NoVerdict {
    /// What it means for the run.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Aborted | Self::Abandoned => Verdict::Aborted,
            Self::Task(SourceError::Api(_) | SourceError::Fetch(_)) => Verdict::Unavailable,
            Self::Gather(error) if error.is_unavailable() => Verdict::Unavailable,
            Self::Policy(_) | Self::NoKeyrings => Verdict::Unavailable,
            Self::Task(_)
            | Self::Gather(_)
            | Self::Contradiction(_)
            | Self::Incomplete(_)
            | Self::File(_)
            | Self::Stopped(_) => Verdict::Failed,
        }
    }
}

impl Verification {
    pub(super) fn new(means: Means, message: Verify) -> Self {
        Self { means, message, began: Instant::now(), progress: RefCell::default() }
    }

    /// Makes it; `stop` ends it early. Whatever happens, the log says so, and nothing unverified stays behind.
    pub(super) async fn run(self, stop: watch::Receiver<Stop>) -> Judged {
        let work_dir = self.means.config.work_dir.clone();
        let staged = actix_rt::task::spawn_blocking(move || Staging::below(&work_dir)).await;
        let staging = match staged.map_err(NoVerdict::Stopped).and_then(|made| made.map_err(NoVerdict::File))
        {
            Ok(staging) => staging,
            Err(error) => return self.conclude(Ended::NoVerdict(error), None, None).await,
        };
        let staging = Arc::new(staging);
        let Means { http, root_url, auth, .. } = self.means.clone();
        let sources = Sources::new(http, &root_url, auth, self.settings(), Arc::clone(&staging));
        let policy = self.means.policies.current(now());
        let ended = match &policy {
            Err(unusable) => Ended::NoVerdict(unusable.clone().into()),
            Ok(policy) => tokio::select! {
                biased;
                reason = stopped(stop) => Ended::NoVerdict(reason),
                judged = self.judge(&sources, policy) => judged.unwrap_or_else(Ended::NoVerdict),
            },
        };
        self.conclude(ended, policy.ok(), Some(staging)).await
    }

    fn settings(&self) -> SourceSettings {
        let config = &self.means.config.verification;
        SourceSettings {
            pushlog_url: config.pushlog_url.clone(),
            projects_url: config.projects_url.clone(),
            github_token: config.github_token.clone(),
            github_app: config.github_app.clone(),
            mirrors: config.mirrors.clone(),
        }
    }

    async fn judge(&self, sources: &Sources, policy: &LoadedPolicy) -> Result<Ended, NoVerdict> {
        let id = &self.message.key.task_id;
        let task = match Definition::parse(self.message.definition.get().as_bytes()) {
            Ok(task) => task,
            Err(finding) => return Ok(Ended::NoTask(finding)),
        };
        let (answer, queue_now) = sources.task(id).await.map_err(NoVerdict::Task)?;
        let mut evidence = Evidence::new();
        evidence.add(Need::Task { task: id.clone() }, answer)?;
        let config = &self.means.config;
        let now = now();
        let case = OwnedCase {
            subject: Subject { id: id.clone(), task_type: config.verification.task_type.clone(), task },
            attested: false,
            policy: policy.policy.clone(),
            product: policy.product.clone(),
            keyrings: self.keyrings(policy)?,
            check_signatures: config.verification.check_signatures,
            renderer: Subprocess::default(),
            hops: config.verification.hops,
            budgets: Budgets { at_once: config.verification.parallelism, ..Budgets::default() },
            now,
            queue_now,
        };
        let (judgement, evidence) =
            verify(&Arc::new(case), sources, evidence, |need| self.note(need)).await?;
        if let Judgement::Incomplete(needs) = &judgement
            && let Some(need) = needs.first()
        {
            return Err(NoVerdict::Incomplete(Box::new(need.clone())));
        }
        Ok(Ended::Judged(Box::new(Verdicts { judgement, evidence, now, queue_now })))
    }

    /// Those in force, if they matter.
    fn keyrings(&self, policy: &LoadedPolicy) -> Result<BTreeMap<Implementation, Keyring>, NoVerdict> {
        if !policy.takes_openpgp() || !self.means.config.verification.check_signatures {
            return Ok(BTreeMap::new());
        }
        Ok(self.means.keyrings.current().ok_or(NoVerdict::NoKeyrings)?.by_implementation())
    }

    fn note(&self, need: &Need) {
        tracing::debug!(run = %self.message.key, "chain of trust: got the {need}");
        let line = format!("{:8.3} s  {need}", self.began.elapsed().as_secs_f64());
        self.progress.borrow_mut().push(line);
    }

    /// Keeps what is to be kept, gives the script what it may have, and removes the rest.
    async fn conclude(
        self,
        ended: Ended,
        policy: Option<Arc<LoadedPolicy>>,
        staging: Option<Arc<Staging>>,
    ) -> Judged {
        let key = self.message.key.clone();
        let place = Place {
            config: Arc::clone(&self.means.config),
            key: key.clone(),
            policy,
            progress: self.progress.into_inner(),
        };
        let kept = actix_rt::task::spawn_blocking(move || records::keep(&place, ended, staging)).await;
        kept.unwrap_or_else(|error| {
            tracing::error!(run = %key, %error, "keeping the verdict ended early");
            let (clearance, summary, files) = (Clearance::None, Summary::default(), Vec::new());
            Judged { verdict: Verdict::Failed, clearance, summary, files }
        })
    }
}

/// Waits until the verification is told to end. Without anybody who could say so it goes on.
async fn stopped(mut stop: watch::Receiver<Stop>) -> NoVerdict {
    let told = stop.wait_for(|stop| *stop != Stop::No).await.map(|told| *told);
    match told {
        Ok(Stop::Abandon) => NoVerdict::Abandoned,
        Ok(Stop::Abort | Stop::No) => NoVerdict::Aborted,
        Err(_) => std::future::pending().await,
    }
}

fn now() -> UnixMillis {
    UnixMillis(chrono::Utc::now().timestamp_millis())
}
