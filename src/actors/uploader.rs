//! Uploads what the script left in the artifact directory, each file read once, and the link by which people find the
//! log (artifacts.md 1 to 3). Keeps the digests of what was uploaded, to attest them afterwards.

mod attest;
mod verdict;

use super::RunCredentials;
use super::cot_verifier::VERIFICATION_LOG;
use crate::artifacts::api::Deployment;
use crate::artifacts::upload::{
    Storage, UploadError, UploadPlan, UploadReport, create_link, expires, upload_all,
};
use crate::artifacts::walk::{ArtifactDir, Listing, NoArtifactDir};
use crate::config::{ArtifactStorage, Config};
use crate::messages::traced::then;
use crate::messages::upload::{AbortUpload, Attest, UploadArtifacts};
use crate::messages::{Notice, Post, Receive, Staff, Work};
use crate::signing::Attester;
use crate::taskcluster::{Auth, Budget, Http, RootUrl};
use actix::{Actor, Context, Supervised};
use nix::unistd::Uid;
use scriptworker_core::digest::{Digest, HashAlgorithm};
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::run::{self, Event, TaskStatus, UploadEnd};
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::sync::watch;

/// See the module.
pub struct Uploader {
    supervisor: Post<Notice>,
    config: Arc<Config>,
    http: Http,
    root_url: RootUrl,
    attester: Arc<Attester>,
    /// Set while an upload is under way: true ends it.
    abort: Option<watch::Sender<bool>>,
    /// What was uploaded for the run in hand.
    uploaded: Option<(RunKey, Artifacts)>,
}

/// What was uploaded, with the digests of the bytes that were sent.
type Artifacts = BTreeMap<ArtifactName, Digest>;

impl Uploader {
    /// Two messages per run at most: a full mailbox means that the thread hangs.
    const MAILBOX: usize = 16;

    /// One that uploads by `config`.
    pub fn new(
        supervisor: Post<Notice>,
        config: Arc<Config>,
        attester: Arc<Attester>,
        http: Http,
        root_url: RootUrl,
    ) -> Self {
        Self { supervisor, config, http, root_url, attester, abort: None, uploaded: None }
    }

    /// Begins something that [`AbortUpload`] ends early: the deployment as this run sees it, and the sign to stop.
    fn begin(&mut self, credentials: &Arc<RunCredentials>) -> (Deployment, watch::Receiver<bool>) {
        let (abort, stop) = watch::channel(false);
        self.abort = Some(abort);
        let auth = Auth::As(Arc::clone(credentials) as _);
        let deployment = Deployment::new(self.http.clone(), self.root_url.clone(), auth, Budget::default());
        (deployment, stop)
    }

    fn tell(&self, key: RunKey, event: Event) {
        let _ = self.supervisor.send(Some(&key.clone()), Notice::Run(key, event));
    }
}

/// Why nothing is uploaded.
#[derive(Debug, thiserror::Error)]
enum CannotList {
    #[error("restore what tells of the chain of trust: {0}")]
    Verdict(#[source] io::Error),
    #[error(transparent)]
    Directory(#[from] NoArtifactDir),
}

/// How the artifacts of a run are uploaded.
fn plan(
    config: &Config,
    algorithm: HashAlgorithm,
    key: RunKey,
    task_expires: UnixMillis,
    claimed_at: UnixMillis,
) -> UploadPlan {
    let until = expires(task_expires, config.artifact_expiration_hours, claimed_at);
    UploadPlan {
        storage: match config.artifact_storage {
            ArtifactStorage::S3 => Storage::S3,
            ArtifactStorage::Object => Storage::Object,
        },
        parallelism: config.max_concurrent_uploads,
        put_timeout: config.artifact_upload_timeout,
        sha512: algorithm == HashAlgorithm::Sha512,
        ..UploadPlan::new(key, until, config.work_dir.clone())
    }
}

/// Lists, uploads, links; what became of it all, and what was uploaded unless that is not known.
async fn upload(
    config: Arc<Config>,
    algorithm: HashAlgorithm,
    deployment: Deployment,
    message: UploadArtifacts,
    abort: watch::Receiver<bool>,
) -> (UploadEnd, Option<Artifacts>) {
    let UploadArtifacts { key, task_expires, claimed_at, log_first, verdict, .. } = message;
    let dir = config.artifact_dir.clone();
    // the script runs as the worker's own user
    let run = key.clone();
    let listed = actix_rt::task::spawn_blocking(move || {
        for file in &verdict {
            verdict::restore(&run, file).map_err(CannotList::Verdict)?;
        }
        Ok(ArtifactDir::open(&dir, Uid::effective())?.list())
    });
    let listing: Listing = match listed.await {
        Ok(Ok(listing)) => listing,
        Ok(Err::<_, CannotList>(error)) => {
            tracing::error!(run = %key, %error, "the artifact directory cannot be listed");
            return (UploadEnd::Failed(TaskStatus::InternalError), None);
        }
        Err(error) => {
            tracing::error!(run = %key, %error, "listing the artifact directory ended early");
            return (UploadEnd::Failed(TaskStatus::InternalError), None);
        }
    };
    let log = task_log(&config, &listing);
    let plan = UploadPlan {
        first: log.as_ref().map(|log| log.name.clone()).filter(|_| log_first),
        ..plan(&config, algorithm, key.clone(), task_expires, claimed_at)
    };
    tracing::info!(run = %key, artifacts = listing.files.len(), refused = listing.refused.len(), "uploading");
    let report = upload_all(&deployment, listing, &plan, abort.clone(), &|_| {}).await;
    let mut end = meaning(&report);
    let stored = |name: &ArtifactName| report.uploaded.iter().any(|uploaded| uploaded.name == *name);
    if let Some(Log { name, links }) = log.filter(|log| stored(&log.name)) {
        for link in links.iter().filter(|link| !stored(link)) {
            if end != UploadEnd::Aborted && end != UploadEnd::ClaimLost {
                end = link_log(&deployment, &plan, link, &name, abort.clone(), end).await;
            }
        }
    }
    (end, Some(attest::digests(report.uploaded, algorithm)))
}

/// The link is a convenience: only a lost claim or an abort is more than a warning.
async fn link_log(
    deployment: &Deployment,
    plan: &UploadPlan,
    link: &ArtifactName,
    log: &ArtifactName,
    mut abort: watch::Receiver<bool>,
    end: UploadEnd,
) -> UploadEnd {
    tokio::select! {
        biased;
        _ = abort.wait_for(|stop| *stop) => UploadEnd::Aborted,
        linked = create_link(deployment, plan, link, log, Some("text/plain")) => match linked {
            Ok(()) => end,
            Err(UploadError::ClaimLost(_)) => UploadEnd::ClaimLost,
            Err(error) => {
                tracing::warn!(run = %plan.run, %error, %link, "the link to the log could not be made");
                end
            }
        },
    }
}

fn meaning(report: &UploadReport) -> UploadEnd {
    match report.status() {
        _ if report.claim_lost => UploadEnd::ClaimLost,
        _ if report.aborted => UploadEnd::Aborted,
        TaskStatus::Success => UploadEnd::Confirmed,
        status => UploadEnd::Failed(status),
    }
}

/// The text that people look for, and the names under which they look for it.
struct Log {
    name: ArtifactName,
    links: Vec<ArtifactName>,
}

/// The script's log; of a run whose script never started, that of the verification, which is then found under the
/// name of the other, too (artifacts.md 1). None when neither lies in the artifact directory.
fn task_log(config: &Config, listing: &Listing) -> Option<Log> {
    let folder = config.task_log_dir.strip_prefix(&config.artifact_dir).ok()?;
    let named = |file: &str| ArtifactName::parse(folder.join(file).to_str()?).ok();
    let is_there = |name: &ArtifactName| listing.files.iter().any(|file| file.name() == name);
    let live = || named("live.log").filter(|_| config.live_log_link);
    let script = named("live_backing.log")?;
    if is_there(&script) {
        return Some(Log { name: script, links: live().into_iter().collect() });
    }
    let name = named(VERIFICATION_LOG).filter(is_there)?;
    // that name is fixed, wherever logs are
    let script = ArtifactName::parse("public/logs/live_backing.log").ok();
    Some(Log { name, links: script.into_iter().chain(live()).collect() })
}

impl Actor for Uploader {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Self::MAILBOX);
    }
}

impl Supervised for Uploader {
    fn restarting(&mut self, _: &mut Self::Context) {
        (self.abort, self.uploaded) = (None, None);
        let _ = self.supervisor.send(None, Notice::Died(run::Actor::Uploader));
    }
}

impl Staff for Uploader {
    const NAME: &'static str = run::Actor::Uploader.name();
}

impl Receive<UploadArtifacts> for Uploader {
    fn receive(&mut self, message: UploadArtifacts, _: &mut Context<Self>) -> Work<Self> {
        self.uploaded = None;
        let (deployment, stop) = self.begin(&message.credentials);
        let (config, algorithm, key) =
            (Arc::clone(&self.config), self.attester.algorithm(), message.key.clone());
        let uploading = upload(config, algorithm, deployment, message, stop);
        then(uploading, move |(end, artifacts), actor: &mut Self, _| {
            actor.abort = None;
            actor.uploaded = artifacts.map(|artifacts| (key.clone(), artifacts));
            actor.tell(key, Event::Uploaded(end));
        })
    }
}

impl Receive<AbortUpload> for Uploader {
    fn receive(&mut self, _: AbortUpload, _: &mut Context<Self>) -> Work<Self> {
        if let Some(abort) = &self.abort {
            abort.send_replace(true);
        }
        None
    }
}

crate::traced!(Uploader: UploadArtifacts, Attest, AbortUpload);
