//! Which source answers which question.

use super::fetch::{FetchError, Found};
use super::queue::document;
use super::staging::Staging;
use crate::taskcluster::error::ApiError;
use crate::taskcluster::{Auth, Budget, Http, Queue, RootUrl};
use scriptworker_core::cot::evidence::Answer;
use scriptworker_core::cot::need::Need;
use scriptworker_core::ids::TaskId;
use scriptworker_core::json::DocumentKind;
use scriptworker_core::secret::Secret;
use scriptworker_core::source_url::RepoUrl;
use scriptworker_core::time::UnixMillis;
use std::io;

/// Where source hosts are.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// `pushlog_url`: an address with `{repo}` and `{revision}`.
    pub pushlog_url: String,
    /// `project_configuration_url`.
    pub projects_url: String,
    /// For the GitHub API; without one GitHub answers fewer questions an hour.
    pub github_token: Option<Secret>,
    /// Addresses that begin with the first text are read from the second. No token goes there.
    pub mirrors: Vec<(String, String)>,
}

impl SourceSettings {
    /// The address that is read for this one, and whether that is a mirror.
    pub(super) fn mirrored(&self, url: &str) -> (String, bool) {
        let mirror = self.mirrors.iter().find_map(|(from, to)| {
            let rest = url.strip_prefix(from.trim_end_matches('/'))?;
            rest.starts_with('/').then(|| format!("{}{rest}", to.trim_end_matches('/')))
        });
        mirror.map_or_else(|| (url.to_owned(), false), |mirror| (mirror, true))
    }
}

/// Why a question has no answer. Only the disk's failures are this machine's.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The queue.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Another host.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The disk.
    #[error("failed to write below the work directory: {0}")]
    File(#[source] io::Error),
}

/// Everything that is asked. Bound to its thread.
pub struct Sources {
    pub(super) http: Http,
    pub(super) anonymous: Queue,
    pub(super) own: Queue,
    pub(super) settings: SourceSettings,
    pub(super) staging: Staging,
}

impl Sources {
    /// The sources of a deployment. Public artifacts are fetched as nobody, the rest with `auth`.
    pub fn new(http: Http, root: &RootUrl, auth: Auth, settings: SourceSettings, staging: Staging) -> Self {
        let anonymous = Queue::new(http.clone(), root, Auth::Anonymous);
        let own = Queue::new(http.clone(), root, auth);
        Self { http, anonymous, own, settings, staging }
    }

    /// Where artifacts are stored.
    pub fn staging(&self) -> &Staging {
        &self.staging
    }

    /// The same, when nothing more will be asked.
    pub fn into_staging(self) -> Staging {
        self.staging
    }

    /// The definition of a task, and the time by the queue.
    ///
    /// # Errors
    /// When there is no certain answer.
    pub async fn task(&self, task: &TaskId) -> Result<(Answer, Option<UnixMillis>), SourceError> {
        let reply = self.own.task_bytes(task, Budget::default()).await;
        let date = reply.as_ref().ok().and_then(|reply| reply.date);
        Ok((document(reply, DocumentKind::TaskDefinition)?, date))
    }

    /// Answers a question.
    ///
    /// # Errors
    /// When there is no certain answer.
    pub async fn answer(&self, need: &Need) -> Result<Answer, SourceError> {
        match need {
            Need::Task { task } => Ok(self.task(task).await?.0),
            Need::Status { task } => {
                document(self.own.status_bytes(task, Budget::default()).await, DocumentKind::QueueAnswer)
            }
            Need::Document { run, name, class } => self.artifact_bytes(run, name, class.limits().bytes).await,
            Need::Artifact { run, name } => self.artifact_file(run, name).await,
            Need::Listing { run } => self.listing(run).await,
            Need::TreeFile { repository, revision, path } => {
                let limit = DocumentKind::TaskTemplate.limits().bytes;
                let url = RepoUrl::parse(repository).ok();
                let on_github = url.as_ref().filter(|url| url.url().is_github());
                let found = match on_github.and_then(|url| url.url().owner_and_name()) {
                    Some((owner, name)) => {
                        self.github_file(&format!("{owner}/{name}"), revision, path).await?
                    }
                    None => self.hg_file(repository, revision, path).await?,
                };
                Ok(answer(found, limit))
            }
            Need::Pushlog { repository, revision } => Ok(answer(
                self.pushlog(repository, revision).await?,
                DocumentKind::SourceAnswer.limits().bytes,
            )),
            Need::Projects => Ok(answer(self.projects().await?, DocumentKind::Projects.limits().bytes)),
            Need::GitHub { repository, what } => {
                let found = self.github(repository, what).await?;
                Ok(answer(found, DocumentKind::SourceAnswer.limits().bytes))
            }
        }
    }
}

fn answer(found: Found, limit: u64) -> Answer {
    match found {
        Found::Content(bytes) => Answer::Present(bytes.as_ref().into()),
        Found::Nothing => Answer::Absent,
        Found::TooLarge => Answer::TooLarge { limit },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_stands_for_a_whole_host_or_path() {
        let settings = SourceSettings {
            pushlog_url: String::new(),
            projects_url: String::new(),
            github_token: None,
            mirrors: vec![("https://hg.mozilla.org".to_owned(), "http://127.0.0.1:1/hg/".to_owned())],
        };
        let (to, elsewhere) = settings.mirrored("https://hg.mozilla.org/x/raw-file");
        assert_eq!((to.as_str(), elsewhere), ("http://127.0.0.1:1/hg/x/raw-file", true));
        for other in ["https://hg.mozilla.org.evil/x", "https://github.com/x"] {
            assert_eq!(settings.mirrored(other), (other.to_owned(), false));
        }
    }
}
