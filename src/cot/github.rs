//! The GitHub API (chain-of-trust.md 6.8), and the one page of GitHub that the API has no match for.

use super::fetch::{Expected, FetchError, Found, fetch};
use super::sources::Sources;
use crate::taskcluster::url::encode_segment;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scriptworker_core::cot::need::GitHubObject;
use scriptworker_core::json::{DocumentKind, read_strict};
use scriptworker_core::secret::Secret;
use serde_json::Value;

const API: &str = "https://api.github.com/repos";
const SITE: &str = "https://github.com";

impl Sources {
    /// Something that the API knows.
    pub(super) async fn github(&self, repository: &str, what: &GitHubObject) -> Result<Found, FetchError> {
        let end = match what {
            GitHubObject::Repository => String::new(),
            GitHubObject::Commit { revision } => format!("/commits/{}", encode_segment(revision)),
            GitHubObject::Pull { number } => format!("/pulls/{number}"),
            GitHubObject::Release { tag } => format!("/releases/tags/{}", encode_segment(tag)),
            GitHubObject::Tags => "/tags?per_page=100".to_owned(),
            GitHubObject::BranchCommits { revision } => {
                let revision = encode_segment(revision);
                let url = format!("{SITE}/{}/branch_commits/{revision}", path_of(repository));
                let (url, _) = self.settings.mirrored(&url);
                let limit = DocumentKind::SourceAnswer.limits().bytes;
                return fetch(&self.http, &url, None, limit, Expected::Page).await;
            }
        };
        self.api(&format!("{API}/{}{end}", path_of(repository)), DocumentKind::SourceAnswer.limits().bytes)
            .await
    }

    /// A file of a tree.
    pub(super) async fn github_file(
        &self,
        repository: &str,
        revision: &str,
        path: &str,
    ) -> Result<Found, FetchError> {
        let path = path.split('/').map(encode_segment).collect::<Vec<_>>().join("/");
        let url = format!("{API}/{}/contents/{path}?ref={}", path_of(repository), encode_segment(revision));
        let limit = DocumentKind::TaskTemplate.limits().bytes;
        // base64 with line breaks, and what is said about the file
        Ok(match self.api(&url, limit.saturating_mul(2)).await? {
            Found::Content(answer) => match decoded(&answer) {
                Some(content) if content.len() as u64 > limit => Found::TooLarge,
                Some(content) => Found::Content(content.into()),
                None => return Err(FetchError::Page { place: url, attempts: 1 }),
            },
            other => other,
        })
    }

    async fn api(&self, url: &str, limit: u64) -> Result<Found, FetchError> {
        let (url, elsewhere) = self.settings.mirrored(url);
        let token = self.settings.github_token.as_ref().filter(|_| !elsewhere);
        let header = token.map(|token| Secret::new(format!("token {}", token.expose())));
        fetch(&self.http, &url, header.as_ref(), limit, Expected::Json).await
    }
}

fn path_of(repository: &str) -> String {
    repository.split('/').map(encode_segment).collect::<Vec<_>>().join("/")
}

/// The content of a file, as the API wraps it; nothing for what is no file.
fn decoded(answer: &[u8]) -> Option<Vec<u8>> {
    let answer = read_strict(answer, DocumentKind::SourceAnswer).ok()?;
    let text = |key| answer.get(key).and_then(Value::as_str);
    if text("encoding") != Some("base64") {
        return None;
    }
    let content: String = text("content")?.split_ascii_whitespace().collect();
    STANDARD.decode(content).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_unwrapped_whole_or_not_at_all() {
        assert_eq!(
            decoded(br#"{"encoding": "base64", "content": "dmVyc2lv\nbjogMQ==\n"}"#).as_deref(),
            Some(&b"version: 1"[..])
        );
        for wrong in [
            &br#"{"encoding": "none", "content": ""}"#[..],
            br#"{"encoding": "base64", "content": "d?"}"#,
            br#"{"encoding": "base64"}"#,
            br#"{"content": "", "content": "", "encoding": "base64"}"#,
            b"[]",
        ] {
            assert_eq!(decoded(wrong), None);
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_the_address() {
        assert_eq!(path_of("owner/name"), "owner/name");
        assert_eq!(path_of("owner/na me?x"), "owner/na%20me%3Fx");
    }
}
