//! Mercurial servers, and the list of projects (chain-of-trust.md 6.3 and 6.6).

use super::budgets::Purse;
use super::fetch::{Expected, FetchError, Found, Request};
use super::sources::Sources;
use crate::taskcluster::url::{encode_path, encode_segment};
use scriptworker_core::json::DocumentKind;

/// An address without what may be a secret.
fn place(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

impl Sources {
    /// A file of a tree on a Mercurial server.
    pub(super) async fn hg_file(
        &self,
        repository: &str,
        revision: &str,
        path: &str,
        purse: &Purse,
    ) -> Result<Found, FetchError> {
        let url = format!("{repository}/raw-file/{}/{}", encode_segment(revision), encode_path(path));
        self.read(&url, DocumentKind::TaskTemplate, Expected::Text, purse).await
    }

    /// The push of a revision.
    pub(super) async fn pushlog(
        &self,
        repository: &str,
        revision: &str,
        purse: &Purse,
    ) -> Result<Found, FetchError> {
        let url = self.settings.pushlog_url.replace("{repo}", repository);
        let url = url.replace("{revision}", &encode_segment(revision));
        self.read(&url, DocumentKind::SourceAnswer, Expected::Json, purse).await
    }

    /// The list of projects. There always is one: where it is not, it was moved, and that says nothing about any project.
    pub(super) async fn projects(&self, purse: &Purse) -> Result<Found, FetchError> {
        let url = &self.settings.projects_url;
        match self.read(url, DocumentKind::Projects, Expected::Text, purse).await? {
            Found::Nothing => Err(FetchError::NoProjects { place: place(url) }),
            found => Ok(found),
        }
    }

    async fn read(
        &self,
        url: &str,
        kind: DocumentKind,
        expected: Expected,
        purse: &Purse,
    ) -> Result<Found, FetchError> {
        let (url, _) = self.settings.mirrored(url);
        let request = Request { url: &url, authorization: None, max_bytes: kind.limits().bytes, expected };
        self.fetch(&request, purse).await
    }
}
