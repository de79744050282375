//! The queue's artifact endpoints (taskcluster-api.md 4.2 and 4.3).

use super::call::{Answer, Budget, Call};
use super::endpoints::{self, Endpoint};
use super::error::{ApiError, Failure};
use super::hawk::signed_url;
use super::model::{
    ArtifactContent, ArtifactInfo, ArtifactPage, ArtifactRequest, ArtifactResponse, Located, StorageType,
};
use super::queue::{Queue, run_path};
use super::url::encode_segment;
use scriptworker_core::ids::{ArtifactName, RunKey, TaskId};
use scriptworker_core::secret::Secret;
use serde::Deserialize;
use serde::de::value::{Error as ValueError, StrDeserializer};
use std::time::{Duration, SystemTime};

/// Artifacts of which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of<'a> {
    /// The latest run of a task, whichever that is when the queue answers.
    Latest(&'a TaskId),
    /// One run.
    Run(&'a RunKey),
}

impl Of<'_> {
    fn path(self, end: &str) -> String {
        match self {
            Self::Latest(task) => format!("/task/{task}{end}"),
            Self::Run(run) => run_path(run, end),
        }
    }

    fn pick(self, latest: &'static Endpoint, run: &'static Endpoint) -> &'static Endpoint {
        match self {
            Self::Latest(_) => latest,
            Self::Run(_) => run,
        }
    }
}

impl Queue {
    /// `createArtifact`. Repeating it with the same properties is safe and gives a fresh URL.
    pub async fn create_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        request: &ArtifactRequest,
        budget: Budget,
    ) -> Result<ArtifactResponse, ApiError> {
        let path = named(Of::Run(run), "artifacts", name);
        let call = Call::new(&endpoints::CREATE_ARTIFACT, path).with_body(request);
        Ok(self.service.json(&call, budget).await?.value)
    }

    /// `finishArtifact`: says that an `object` artifact is uploaded. Idempotent.
    pub async fn finish_artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        upload_id: &str,
        budget: Budget,
    ) -> Result<(), ApiError> {
        let path = named(Of::Run(run), "artifacts", name);
        let call = Call::new(&endpoints::FINISH_ARTIFACT, path)
            .with_body(&serde_json::json!({ "uploadId": upload_id }));
        self.service.reply(&call, budget, 204).await.map(|_| ())
    }

    /// `listArtifacts` or `listLatestArtifacts`, all pages of at most 1000 artifacts each. A longer list than
    /// `page_limit` pages is an error, not a shorter list. The budget is that of each page.
    pub async fn list_artifacts(
        &self,
        of: Of<'_>,
        page_limit: u32,
        budget: Budget,
    ) -> Result<Vec<ArtifactInfo>, ApiError> {
        let endpoint = of.pick(&endpoints::LIST_LATEST_ARTIFACTS, &endpoints::LIST_ARTIFACTS);
        let mut all = Vec::new();
        let mut query = String::new();
        for _ in 0..page_limit {
            let call = Call::new(endpoint, of.path(&format!("/artifacts{query}")));
            let page = self.service.json::<ArtifactPage>(&call, budget).await?.value;
            all.extend(page.artifacts);
            match page.continuation_token {
                None => return Ok(all),
                Some(token) => query = format!("?continuationToken={}", encode_segment(&token)),
            }
        }
        Err(ApiError {
            call: endpoint.name,
            attempts: 1,
            failure: Failure::TooManyPages { limit: page_limit },
        })
    }

    /// `getArtifact` or `getLatestArtifact`: where the content is. The redirect is not followed: that is what
    /// [`super::Http::get`] is for. An error artifact is [`Failure::ErrorArtifact`].
    pub async fn get_artifact(
        &self,
        of: Of<'_>,
        name: &ArtifactName,
        budget: Budget,
    ) -> Result<Located, ApiError> {
        let endpoint = of.pick(&endpoints::GET_LATEST_ARTIFACT, &endpoints::GET_ARTIFACT);
        let call = Call::new(endpoint, named(of, "artifacts", name));
        let reply = self.service.reply(&call, budget, 303).await?;
        let storage_type = reply.storage_type.and_then(|name| {
            let reader: StrDeserializer<'_, ValueError> = StrDeserializer::new(&name);
            StorageType::deserialize(reader).ok()
        });
        let failure = Failure::MissingHeader { status: reply.status, name: "location" };
        match reply.location {
            Some(url) => Ok(Located { url, storage_type }),
            None => Err(ApiError { call: endpoint.name, attempts: 1, failure }),
        }
    }

    /// `artifact` or `latestArtifact`: how to get at the content. An error artifact is a value here.
    pub async fn artifact(
        &self,
        of: Of<'_>,
        name: &ArtifactName,
        budget: Budget,
    ) -> Result<Answer<ArtifactContent>, ApiError> {
        let endpoint = of.pick(&endpoints::LATEST_ARTIFACT, &endpoints::ARTIFACT);
        let call = Call::new(endpoint, named(of, "artifact-content", name));
        self.service.json(&call, budget).await
    }

    /// `artifactInfo` or `latestArtifactInfo`: what its creator announced.
    pub async fn artifact_info(
        &self,
        of: Of<'_>,
        name: &ArtifactName,
        budget: Budget,
    ) -> Result<Answer<ArtifactInfo>, ApiError> {
        let endpoint = of.pick(&endpoints::LATEST_ARTIFACT_INFO, &endpoints::ARTIFACT_INFO);
        let call = Call::new(endpoint, named(of, "artifact-info", name));
        self.service.json(&call, budget).await
    }

    /// A URL of the queue that leads to an artifact without further credentials for `lifetime` (artifacts.md 4). For a
    /// client that signs nothing it is the plain URL, which is enough for public artifacts.
    pub fn signed_artifact_url(
        &self,
        of: Of<'_>,
        name: &ArtifactName,
        lifetime: Duration,
    ) -> Result<Secret, ApiError> {
        let target = self.service.target(&named(of, "artifacts", name));
        let call = of.pick(&endpoints::GET_LATEST_ARTIFACT, &endpoints::GET_ARTIFACT).name;
        let sign = || match self.service.auth.current()? {
            None => Ok(Secret::new(target.exposed())),
            Some(credentials) => {
                let now = SystemTime::now();
                // a lifetime beyond the clock's range is a caller's "for ever": a year is more than any bewit lives
                let expiry = now.checked_add(lifetime).unwrap_or(now + Duration::from_secs(366 * 86_400));
                signed_url(&credentials, &target, expiry)
            }
        };
        sign().map_err(|error| ApiError { call, attempts: 0, failure: Failure::NoCredentials(error) })
    }
}

fn named(of: Of<'_>, what: &str, name: &ArtifactName) -> String {
    of.path(&format!("/{what}/{}", encode_segment(name.as_str())))
}
