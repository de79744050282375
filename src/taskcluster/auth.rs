//! The auth service: tokens for GitHub, and what our own credentials may do (taskcluster-api.md 6).

use super::call::{Answer, Budget, Call, Service};
use super::credentials::Auth;
use super::endpoints;
use super::error::ApiError;
use super::http::Http;
use super::url::{RootUrl, encode_segment};
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The auth service of a deployment, spoken to as somebody.
#[derive(Clone)]
pub struct AuthService {
    service: Service,
}

/// A token for GitHub's API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GithubToken {
    /// The token.
    pub token: Secret,
    /// When it stops working: about an hour later, as GitHub decides.
    pub expires: UnixMillis,
}

/// How far a permission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLevel {
    /// Look.
    Read,
    /// Change. Does not imply [`AccessLevel::Read`].
    Write,
    /// Everything; `repository_projects` only.
    Admin,
}

#[derive(Serialize)]
struct TokenRequest<'a> {
    repositories: &'a [String],
    permissions: &'a BTreeMap<String, AccessLevel>,
}

#[derive(Deserialize)]
struct CurrentScopes {
    scopes: Vec<Scope>,
}

impl AuthService {
    /// An auth service client.
    pub fn new(http: Http, root_url: &RootUrl, auth: Auth) -> Self {
        Self { service: Service { http, root: root_url.clone(), auth, name: "auth" } }
    }

    /// `githubRepoToken`: a token for some repositories (1 to 500) of one owner, through the GitHub app of that name.
    pub async fn github_repo_token(
        &self,
        app_name: &str,
        owner: &str,
        repositories: &[String],
        permissions: &BTreeMap<String, AccessLevel>,
        budget: Budget,
    ) -> Result<Answer<GithubToken>, ApiError> {
        let path = format!("/github/{}/{}/repo-token", encode_segment(app_name), encode_segment(owner));
        let call = Call::new(&endpoints::GITHUB_REPO_TOKEN, path)
            .with_body(&TokenRequest { repositories, permissions });
        self.service.json(&call, budget).await
    }

    /// `currentScopes`: what the credentials in use may do.
    pub async fn current_scopes(&self, budget: Budget) -> Result<Answer<Vec<Scope>>, ApiError> {
        let call = Call::new(&endpoints::CURRENT_SCOPES, "/scopes/current".to_owned());
        Ok(self.service.json::<CurrentScopes>(&call, budget).await?.map(|answer| answer.scopes))
    }
}
