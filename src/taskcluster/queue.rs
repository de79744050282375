//! The queue: claiming, renewing and reporting runs, reading tasks. Artifacts are in [`super::artifacts`].

use super::call::{Answer, Budget, Call, Service, parse_value};
use super::credentials::Auth;
use super::endpoints;
use super::error::{ApiError, Failure};
use super::http::Http;
use super::model::{BadClaim, Claim, ClaimedWork, Reclaim, Status, StatusAnswer, Task, WorkRequest};
use super::url::{RootUrl, encode_segment};
use bytes::Bytes;
use scriptworker_core::ids::{RunKey, TaskId, TaskQueueId, WorkerGroup, WorkerId};
use scriptworker_core::run::Report;
use serde::de::IgnoredAny;
use std::time::Duration;

/// How long the queue holds a `claimWork` when there is nothing to do (taskcluster-api.md 4.1).
const LONG_POLL: Duration = Duration::from_secs(20);

/// The queue of a deployment, spoken to as somebody. Cheap to clone; bound to its thread.
#[derive(Clone)]
pub struct Queue {
    pub(super) service: Service,
}

impl Queue {
    /// A queue client. Credentials are asked for anew with every request.
    pub fn new(http: Http, root_url: &RootUrl, auth: Auth) -> Self {
        Self { service: Service { http, root: root_url.clone(), auth, name: "queue" } }
    }

    /// `claimWork` of at most one task: up to 20 s of waiting, then an empty list. Claims are read one by one: an
    /// unreadable one does not hide the others.
    ///
    /// A request that failed after it was sent may have claimed a task all the same; use [`Budget::once`] and let the
    /// claimer's own pace repeat it.
    pub async fn claim_work(
        &self,
        queue: &TaskQueueId,
        group: &WorkerGroup,
        worker: &WorkerId,
        budget: Budget,
    ) -> Result<Answer<Vec<Result<Claim, Box<BadClaim>>>>, ApiError> {
        let path = format!("/claim-work/{}", encode_segment(queue.as_str()));
        let call = Call::new(&endpoints::CLAIM_WORK, path)
            .with_body(&WorkRequest { worker_group: group, worker_id: worker, tasks: 1 })
            .with_patience(LONG_POLL);
        let answer = self.service.json::<ClaimedWork>(&call, budget).await?;
        Ok(answer.map(|work| work.tasks.iter().map(|claim| Claim::read(claim)).collect()))
    }

    /// `reclaimTask`. Refused with 409 when the claim is lost.
    pub async fn reclaim_task(&self, run: &RunKey, budget: Budget) -> Result<Answer<Reclaim>, ApiError> {
        let call = Call::new(&endpoints::RECLAIM_TASK, run_path(run, "/reclaim"));
        self.service.json(&call, budget).await
    }

    /// `reportCompleted`, `reportFailed` or `reportException`: idempotent, so repeating is safe. Refused with 409 when
    /// the run was resolved otherwise.
    pub async fn report(&self, run: &RunKey, report: Report, budget: Budget) -> Result<(), ApiError> {
        let post = |endpoint, end| Call::new(endpoint, run_path(run, end));
        let call = match report {
            Report::Completed => post(&endpoints::REPORT_COMPLETED, "/completed"),
            Report::Failed => post(&endpoints::REPORT_FAILED, "/failed"),
            Report::Exception(reason) => post(&endpoints::REPORT_EXCEPTION, "/exception")
                .with_body(&serde_json::json!({ "reason": reason.name() })),
        };
        // The status is read although nobody needs it: a 200 of something else than the queue is no report.
        self.service.json::<StatusAnswer>(&call, budget).await.map(|_| ())
    }

    /// `task`: the definition, with the bytes as they came.
    pub async fn task(&self, task: &TaskId, budget: Budget) -> Result<Answer<Task>, ApiError> {
        let call = Call::new(&endpoints::TASK, format!("/task/{task}"));
        let answer = self.service.json_and_bytes::<serde_json::Value>(&call, budget).await?;
        let (raw, bytes) = answer.value;
        let failed =
            |error| ApiError { call: call.endpoint.name, attempts: 1, failure: Failure::Schema(error) };
        let definition = parse_value(&raw).map_err(failed)?;
        Ok(Answer { value: Task { bytes, raw, definition }, date: answer.date })
    }

    /// `task` as the bytes that came, if they are JSON: for those who read them in their own way.
    pub async fn task_bytes(&self, task: &TaskId, budget: Budget) -> Result<Answer<Bytes>, ApiError> {
        self.bytes(&Call::new(&endpoints::TASK, format!("/task/{task}")), budget).await
    }

    /// `status`, in the same form.
    pub async fn status_bytes(&self, task: &TaskId, budget: Budget) -> Result<Answer<Bytes>, ApiError> {
        self.bytes(&Call::new(&endpoints::STATUS_OF_TASK, format!("/task/{task}/status")), budget).await
    }

    async fn bytes(&self, call: &Call, budget: Budget) -> Result<Answer<Bytes>, ApiError> {
        let answer = self.service.json_and_bytes::<IgnoredAny>(call, budget).await?;
        Ok(answer.map(|(_, bytes)| bytes))
    }

    /// `status`.
    pub async fn status(&self, task: &TaskId, budget: Budget) -> Result<Answer<Status>, ApiError> {
        let call = Call::new(&endpoints::STATUS_OF_TASK, format!("/task/{task}/status"));
        Ok(self.service.json::<StatusAnswer>(&call, budget).await?.map(|answer| answer.status))
    }
}

/// The path of a run's endpoint. Task ids and run ids need no encoding.
pub(super) fn run_path(run: &RunKey, end: &str) -> String {
    format!("/task/{}/runs/{}{end}", run.task_id, run.run_id)
}
