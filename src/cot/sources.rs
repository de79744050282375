//! Which source answers which question.

use super::budgets::Purse;
pub use super::fetch::FetchError;
use super::fetch::{ATTEMPTS, Found};
use super::github::Tokens;
use super::queue::{Listings, Target, document};
use super::staging::Staging;
use crate::taskcluster::error::ApiError;
use crate::taskcluster::{Auth, AuthService, Budget, Http, PlainHosts, Queue, RootUrl};
use scriptworker_core::cot::evidence::Answer;
use scriptworker_core::cot::need::Need;
use scriptworker_core::ids::TaskId;
use scriptworker_core::json::DocumentKind;
use scriptworker_core::retry::Backoff;
use scriptworker_core::secret::Secret;
use scriptworker_core::source_url::RepoUrl;
use scriptworker_core::time::UnixMillis;
use std::cell::RefCell;
use std::io;
use std::sync::Arc;

/// Where source hosts are.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// `pushlog_url`: an address with `{repo}` and `{revision}`.
    pub pushlog_url: String,
    /// `project_configuration_url`.
    pub projects_url: String,
    /// For the GitHub API, where the app has no token; without one GitHub answers fewer questions an hour.
    pub github_token: Option<Secret>,
    /// `github_app_name`: the app that gives tokens for single repositories to whoever has credentials.
    pub github_app: Option<String>,
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

/// Everything that is asked for one verification. Bound to its thread.
pub struct Sources {
    pub(super) http: Http,
    pub(super) anonymous: Queue,
    pub(super) own: Queue,
    pub(super) settings: SourceSettings,
    pub(super) staging: Arc<Staging>,
    /// The service that gives the app's tokens, and the app.
    pub(super) app: Option<(AuthService, String)>,
    pub(super) tokens: RefCell<Tokens>,
    pub(super) listings: RefCell<Listings>,
    /// Where GitHub's API is, and its pages.
    pub(super) github_api: String,
    pub(super) github_site: String,
    /// The deployment's hosts without TLS.
    pub(super) plain: PlainHosts,
    /// How long is waited between attempts.
    pub(super) backoff: Backoff,
    /// Those of source trees.
    pub(super) plain_sources: PlainHosts,
}

impl Sources {
    /// The sources of a deployment. Public artifacts are fetched as nobody, the rest with `auth`.
    pub fn new(
        http: Http,
        root: &RootUrl,
        auth: Auth,
        settings: SourceSettings,
        staging: impl Into<Arc<Staging>>,
    ) -> Self {
        let app = match &auth {
            Auth::Anonymous => None,
            Auth::As(_) => settings.github_app.clone().filter(|app| !app.is_empty()),
        };
        let written = [settings.pushlog_url.as_str(), &settings.projects_url];
        let mirrors = settings.mirrors.iter().map(|(_, to)| to.as_str());
        Self {
            anonymous: Queue::new(http.clone(), root, Auth::Anonymous),
            app: app.map(|app| (AuthService::new(http.clone(), root, auth.clone()), app)),
            own: Queue::new(http.clone(), root, auth),
            tokens: RefCell::default(),
            listings: RefCell::default(),
            github_api: "https://api.github.com".to_owned(),
            github_site: "https://github.com".to_owned(),
            plain: PlainHosts::of([root.to_string().as_str()]),
            plain_sources: PlainHosts::of(written.into_iter().chain(mirrors)),
            // nobody has to spare a deployment that is on this machine, as that of a test
            backoff: if on_this_machine(root) { Backoff::API } else { Backoff::ARTIFACT },
            http,
            settings,
            staging: staging.into(),
        }
    }

    /// With another GitHub than the public one: its API and its pages are both at this address, and tokens go there.
    #[must_use]
    pub fn with_github(mut self, address: &str) -> Self {
        self.plain_sources.add(address);
        self.github_api = address.to_owned();
        self.github_site = address.to_owned();
        self
    }

    /// With other waits between attempts than those that spare a host.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Where artifacts are stored.
    pub fn staging(&self) -> &Arc<Staging> {
        &self.staging
    }

    /// The definition of a task, and the time by the queue.
    ///
    /// # Errors
    /// When there is no certain answer.
    pub async fn task(&self, task: &TaskId) -> Result<(Answer, Option<UnixMillis>), SourceError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let reply = self.own.task_bytes(task, Budget::default()).await;
            let date = reply.as_ref().ok().and_then(|reply| reply.date);
            let answer = document(reply, DocumentKind::TaskDefinition)?;
            if !is_empty(&answer) {
                return Ok((answer, date));
            }
            if attempts >= ATTEMPTS {
                return Err(FetchError::Empty { task: task.clone(), attempts }.into());
            }
            self.pause(attempts, None).await;
        }
    }

    /// Answers a question, and takes what the answer costs out of the purse.
    ///
    /// # Errors
    /// When there is no certain answer.
    pub async fn answer(&self, need: &Need, purse: &Purse) -> Result<Answer, SourceError> {
        match need {
            Need::Task { task } => Ok(purse.pay(self.task(task).await?.0)),
            Need::Status { task } => {
                let status = self.own.status_bytes(task, Budget::default()).await;
                Ok(purse.pay(document(status, DocumentKind::QueueAnswer)?))
            }
            Need::Document { run, name, class } => {
                self.artifact(run, name, &Target::Memory(class.limits().bytes), purse).await
            }
            Need::Artifact { run, name, sha512 } => {
                self.artifact(run, name, &Target::Disk { sha512: *sha512 }, purse).await
            }
            Need::Listing { run } => Ok(purse.pay(self.listing(run).await?)),
            Need::TreeFile { repository, revision, path } => {
                let url = RepoUrl::parse(repository).ok();
                let on_github = url.as_ref().filter(|url| url.url().is_github());
                match on_github.and_then(|url| url.url().owner_and_name()) {
                    Some((owner, name)) => {
                        let repository = format!("{owner}/{name}");
                        Ok(self.github_file(&repository, revision, path, purse).await?.into())
                    }
                    None => Ok(self.hg_file(repository, revision, path, purse).await?.into()),
                }
            }
            Need::Pushlog { repository, revision } => {
                Ok(self.pushlog(repository, revision, purse).await?.into())
            }
            Need::Projects => Ok(self.projects(purse).await?.into()),
            Need::GitHub { repository, what } => Ok(self.github(repository, what, purse).await?.into()),
        }
    }
}

fn on_this_machine(root: &RootUrl) -> bool {
    const LOOPBACK: [&str; 3] = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"];
    let root = root.to_string();
    LOOPBACK.iter().any(|place| root.starts_with(place))
}

/// Queues were seen to answer with `{}` for tasks that they have (cot-attacks.md 62).
fn is_empty(definition: &Answer) -> bool {
    match definition {
        Answer::Present(bytes) => bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).eq(b"{}"),
        Answer::Stored(_) | Answer::Absent | Answer::TooLarge { .. } | Answer::Forbidden { .. } => false,
    }
}

impl From<Found> for Answer {
    fn from(found: Found) -> Self {
        match found {
            Found::Content(bytes) => Self::Present(bytes),
            Found::Nothing => Self::Absent,
            Found::TooLarge(limit) => Self::TooLarge { limit },
            Found::Forbidden(problem) => Self::Forbidden { problem },
        }
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
            github_app: None,
            mirrors: vec![("https://hg.mozilla.org".to_owned(), "http://127.0.0.1:1/hg/".to_owned())],
        };
        let (to, elsewhere) = settings.mirrored("https://hg.mozilla.org/x/raw-file");
        assert_eq!((to.as_str(), elsewhere), ("http://127.0.0.1:1/hg/x/raw-file", true));
        for other in ["https://hg.mozilla.org.evil/x", "https://github.com/x"] {
            assert_eq!(settings.mirrored(other), (other.to_owned(), false));
        }
    }
}
