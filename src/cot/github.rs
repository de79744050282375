//! The GitHub API (chain-of-trust.md 6.8), and the one page of GitHub that the API has no match for.
//!
//! A repository is asked about with a token for it alone, from Taskcluster's GitHub app; where the app is not installed,
//! as with forks, with the token of the configuration; and as nobody where that one is not taken, either.

use super::budgets::Purse;
use super::fetch::{Expected, FetchError, Found, Request, is_about_the_token};
use super::sources::Sources;
use crate::taskcluster::Budget;
use crate::taskcluster::auth::AccessLevel;
use crate::taskcluster::url::{encode_path, encode_segment};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scriptworker_core::cot::need::GitHubObject;
use scriptworker_core::json::{DocumentKind, read_strict};
use scriptworker_core::secret::Secret;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// The names on a page of tags, and how many pages are read.
const TAGS: usize = 100;
const PAGES: u32 = 500;
/// What the app's token may do: look.
const PERMISSIONS: [&str; 3] = ["contents", "metadata", "pull_requests"];
/// Without a token from the app there is another way, so it is not waited for long.
const TOKEN: Budget = Budget { attempts: 3, total: Duration::from_secs(60) };

/// The app's tokens, by repository. Each is asked for once.
pub(super) type Tokens = BTreeMap<String, Rc<OnceCell<Option<Secret>>>>;

impl Sources {
    /// Something that the API knows.
    pub(super) async fn github(
        &self,
        repository: &str,
        what: &GitHubObject,
        purse: &Purse,
    ) -> Result<Found, FetchError> {
        let limit = DocumentKind::SourceAnswer.limits().bytes;
        let end = match what {
            GitHubObject::Repository => String::new(),
            GitHubObject::Commit { revision } => {
                let end = format!("/commits/{}", encode_segment(revision));
                return match self.api(repository, &end, limit, purse).await {
                    // how it says that there is no such commit
                    Err(FetchError::Transfer { error, .. }) if error.status() == Some(422) => {
                        Ok(Found::Nothing)
                    }
                    answer => answer,
                };
            }
            GitHubObject::Pull { number } => format!("/pulls/{number}"),
            GitHubObject::Release { tag } => format!("/releases/tags/{}", encode_segment(tag)),
            GitHubObject::Tags => return self.tags(repository, limit, purse).await,
            GitHubObject::BranchCommits { revision } => {
                let revision = encode_segment(revision);
                let url =
                    format!("{}/{}/branch_commits/{revision}", self.github_site, encode_path(repository));
                let (url, _) = self.settings.mirrored(&url);
                let (authorization, expected) = (None, Expected::Page);
                let request = Request { url: &url, authorization, max_bytes: limit, expected };
                return self.fetch(&request, purse).await;
            }
        };
        self.api(repository, &end, limit, purse).await
    }

    /// All pages of tags, as one list.
    async fn tags(&self, repository: &str, limit: u64, purse: &Purse) -> Result<Found, FetchError> {
        let mut all = Vec::new();
        for number in 1..=PAGES {
            let end = format!("/tags?per_page={TAGS}&page={number}");
            let page = match self.api(repository, &end, limit, purse).await? {
                Found::Content(page) => page,
                other => return Ok(other),
            };
            let Ok(Value::Array(mut tags)) = read_strict(&page, DocumentKind::SourceAnswer) else {
                return Err(FetchError::Page { place: self.address(repository, "/tags"), attempts: 1 });
            };
            let last = tags.len() < TAGS;
            all.append(&mut tags);
            if last {
                return Ok(Found::Content(Value::Array(all).to_string().into_bytes().into()));
            }
        }
        Ok(Found::TooLarge(limit))
    }

    /// A file of a tree.
    pub(super) async fn github_file(
        &self,
        repository: &str,
        revision: &str,
        path: &str,
        purse: &Purse,
    ) -> Result<Found, FetchError> {
        let end = format!("/contents/{}?ref={}", encode_path(path), encode_segment(revision));
        let limit = DocumentKind::TaskTemplate.limits().bytes;
        // base64 with line breaks, and what is said about the file
        Ok(match self.api(repository, &end, limit.saturating_mul(2), purse).await? {
            Found::Content(answer) => match decoded(&answer) {
                Contents::File(content) if content.len() as u64 > limit => Found::TooLarge(limit),
                Contents::File(content) => Found::Content(content.into()),
                Contents::TooLarge => Found::TooLarge(limit),
                Contents::NoFile => Found::Nothing,
                Contents::Unknown => {
                    return Err(FetchError::Page { place: self.address(repository, &end), attempts: 1 });
                }
            },
            other => other,
        })
    }

    /// One answer of the API, with the first token that is taken. An address that is read from somewhere else gets none.
    async fn api(&self, repository: &str, end: &str, limit: u64, purse: &Purse) -> Result<Found, FetchError> {
        let (url, elsewhere) = self.settings.mirrored(&self.address(repository, end));
        let (authorization, expected) = (None, Expected::Json);
        let as_nobody = Request { url: &url, authorization, max_bytes: limit, expected };
        let mut not_taken = None;
        if !elsewhere {
            let own = self.settings.github_token.clone().filter(|token| !token.expose().is_empty());
            for token in [self.app_token(repository).await, own].into_iter().flatten() {
                let header = Secret::new(format!("token {}", token.expose()));
                let request = Request { authorization: Some(&header), ..as_nobody };
                match self.fetch(&request, purse).await {
                    Err(FetchError::Transfer { attempts, error }) if is_about_the_token(&error) => {
                        tracing::warn!(repository, "GitHub does not take a token: {error}");
                        not_taken = Some(FetchError::Transfer { attempts, error });
                    }
                    answer => return certain(answer, not_taken),
                }
            }
        }
        certain(self.fetch(&as_nobody, purse).await, not_taken)
    }

    fn address(&self, repository: &str, end: &str) -> String {
        format!("{}/repos/{}{end}", self.github_api, encode_path(repository))
    }

    /// The app's token for a repository; none without credentials, or where the app is not installed.
    async fn app_token(&self, repository: &str) -> Option<Secret> {
        let (auth, app) = self.app.as_ref()?;
        let (owner, name) = repository.split_once('/')?;
        let known = Rc::clone(self.tokens.borrow_mut().entry(repository.to_owned()).or_default());
        let asked = known.get_or_init(|| async {
            let permissions = PERMISSIONS.map(|name| (name.to_owned(), AccessLevel::Read)).into();
            match auth.github_repo_token(app, owner, &[name.to_owned()], &permissions, TOKEN).await {
                Ok(answer) => Some(answer.value.token).filter(|token| !token.expose().is_empty()),
                Err(error) => {
                    tracing::warn!(repository, "no token from the GitHub app {app}: {error}");
                    None
                }
            }
        });
        asked.await.clone()
    }
}

/// Whoever may not see a repository is told that it is not there: after a token that was not taken, that is no answer.
fn certain(answer: Result<Found, FetchError>, not_taken: Option<FetchError>) -> Result<Found, FetchError> {
    match (answer?, not_taken) {
        (Found::Nothing, Some(trouble)) => Err(trouble),
        (found, _) => Ok(found),
    }
}

/// What the API says of a path.
#[derive(Debug, PartialEq, Eq)]
enum Contents {
    File(Vec<u8>),
    /// Too large for it to give.
    TooLarge,
    /// A directory, or something else that has no content.
    NoFile,
    /// Not what it says of a path.
    Unknown,
}

/// The content of a file, as the API wraps it.
fn decoded(answer: &[u8]) -> Contents {
    let Ok(answer) = read_strict(answer, DocumentKind::SourceAnswer) else { return Contents::Unknown };
    if answer.is_array() {
        return Contents::NoFile;
    }
    let text = |key| answer.get(key).and_then(Value::as_str);
    match (text("type"), text("encoding")) {
        (Some("file") | None, Some("base64")) => {
            let content: String = text("content").unwrap_or("?").split_ascii_whitespace().collect();
            STANDARD.decode(content).map_or(Contents::Unknown, Contents::File)
        }
        (Some("file"), Some("none")) => Contents::TooLarge,
        (Some("symlink" | "submodule" | "dir"), _) => Contents::NoFile,
        _ => Contents::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_unwrapped_whole_or_not_at_all() {
        for file in [
            &br#"{"encoding": "base64", "content": "dmVyc2lv\nbjogMQ==\n"}"#[..],
            br#"{"type": "file", "encoding": "base64", "content": "dmVyc2lvbjogMQ=="}"#,
        ] {
            assert_eq!(decoded(file), Contents::File(b"version: 1".to_vec()));
        }
        assert_eq!(decoded(br#"{"type": "file", "encoding": "none", "content": ""}"#), Contents::TooLarge);
        for other in [&b"[]"[..], br#"{"type": "symlink", "target": "x"}"#, br#"{"type": "submodule"}"#] {
            assert_eq!(decoded(other), Contents::NoFile);
        }
        for wrong in [
            &br#"{"encoding": "none", "content": ""}"#[..],
            br#"{"encoding": "base64", "content": "d?"}"#,
            br#"{"encoding": "base64"}"#,
            br#"{"content": "", "content": "", "encoding": "base64"}"#,
            b"7",
        ] {
            assert_eq!(decoded(wrong), Contents::Unknown);
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_the_address() {
        assert_eq!(encode_path("owner/name"), "owner/name");
        assert_eq!(encode_path("owner/na me?x"), "owner/na%20me%3Fx");
    }
}
