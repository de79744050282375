//! After the last digest: states what was uploaded, signs that, uploads it (chain-of-trust.md 1; design.md 8).

use super::{Artifacts, Uploader, meaning, plan};
use crate::artifacts::api::Deployment;
use crate::artifacts::upload::{UploadPlan, Uploaded, upload_made};
use crate::messages::traced::then;
use crate::messages::upload::Attest;
use crate::messages::{Receive, Work};
use crate::signing::{Attester, Run};
use actix::Context;
use scriptworker_core::digest::{Digest, HashAlgorithm};
use scriptworker_core::run::{Event, TaskStatus, UploadEnd};
use scriptworker_core::time::UnixMillis;
use std::sync::Arc;
use tokio::sync::watch;

/// The digests that are attested.
pub(super) fn digests(uploaded: Vec<Uploaded>, algorithm: HashAlgorithm) -> Artifacts {
    let digest = |uploaded: Uploaded| {
        let sha512 = uploaded.digests.sha512.filter(|_| algorithm == HashAlgorithm::Sha512);
        (uploaded.name, sha512.map_or(Digest::Sha256(uploaded.digests.sha256), Digest::Sha512))
    };
    uploaded.into_iter().map(digest).collect()
}

/// Makes everything, then uploads it; what became of it.
async fn attest(
    attester: Arc<Attester>,
    deployment: Deployment,
    message: Attest,
    artifacts: Artifacts,
    plan: UploadPlan,
    abort: watch::Receiver<bool>,
) -> UploadEnd {
    let (key, how) = (message.key.clone(), plan.preparation());
    let made = actix_rt::task::spawn_blocking(move || {
        let run = Run {
            key: &message.key,
            ending: message.ending,
            worker_group: &message.worker_group,
            task: &message.definition,
            artifacts: &artifacts,
        };
        attester.make(&run, UnixMillis(chrono::Utc::now().timestamp_millis()), &how)
    });
    let made = match made.await {
        Ok(Ok(made)) => made,
        Ok(Err(error)) => {
            let status = error.status();
            tracing::error!(run = %key, %error, %status, "the run cannot be attested");
            return UploadEnd::Failed(status);
        }
        Err(error) => {
            tracing::error!(run = %key, %error, "attesting ended early");
            return UploadEnd::Failed(TaskStatus::InternalError);
        }
    };
    meaning(&upload_made(&deployment, &made, &plan, abort).await)
}

impl Receive<Attest> for Uploader {
    fn receive(&mut self, message: Attest, _: &mut Context<Self>) -> Work<Self> {
        let key = message.key.clone();
        let Some((_, artifacts)) = self.uploaded.take().filter(|(of, _)| *of == key) else {
            tracing::error!(run = %key, "the digests of the run are not known any more: it cannot be attested");
            self.tell(key, Event::Attested(UploadEnd::Failed(TaskStatus::InternalError)));
            return None;
        };
        let (deployment, stop) = self.begin(&message.credentials);
        let attester = Arc::clone(&self.attester);
        let algorithm = attester.algorithm();
        let plan = plan(&self.config, algorithm, key.clone(), message.task_expires, message.claimed_at);
        let attesting = attest(attester, deployment, message, artifacts, plan, stop);
        then(attesting, move |end, actor: &mut Self, _| {
            actor.abort = None;
            actor.tell(key, Event::Attested(end));
        })
    }
}
