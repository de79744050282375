//! The queue: definitions, states, artifacts of a run.

use super::budgets::Purse;
use super::fetch::{ATTEMPTS, FetchError, Found, collect, is_page, may_pass, settled};
use super::sources::{SourceError, Sources};
use super::staging::StageError;
use crate::taskcluster::artifacts::Of;
use crate::taskcluster::error::{ApiError, Failure, WireError};
use crate::taskcluster::transfer::TransferLimits;
use crate::taskcluster::{Answer as Reply, Budget, Queue};
use bytes::Bytes;
use scriptworker_core::cot::evidence::Answer;
use scriptworker_core::ids::{ArtifactName, RunKey};
use scriptworker_core::json::DocumentKind;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Pages of a listing, of 1000 names each.
const PAGES: u32 = 100;
/// How long one attempt at an artifact may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The largest artifact, in bytes.
const LARGEST: u64 = 1 << 40;

/// What a failed call means for the question, if it means anything.
fn certain(error: &ApiError) -> Option<Answer> {
    match &error.failure {
        Failure::Refused(refusal) if matches!(refusal.status, 404 | 410) => Some(Answer::Absent),
        Failure::ErrorArtifact { .. } => Some(Answer::Absent),
        Failure::Wire(WireError::TooLarge { limit }) => Some(Answer::TooLarge { limit: *limit }),
        Failure::Refused(_)
        | Failure::Wire(_)
        | Failure::NotJson { .. }
        | Failure::Schema(_)
        | Failure::MissingHeader { .. }
        | Failure::TooManyPages { .. }
        | Failure::NoCredentials(_) => None,
    }
}

/// The answer of a call that gives a document of this kind.
pub(super) fn document(
    reply: Result<Reply<Bytes>, ApiError>,
    kind: DocumentKind,
) -> Result<Answer, SourceError> {
    let limit = kind.limits().bytes;
    match reply {
        Ok(reply) if reply.value.len() as u64 > limit => Ok(Answer::TooLarge { limit }),
        Ok(reply) => Ok(Answer::Present(reply.value)),
        Err(error) => certain(&error).ok_or(SourceError::Api(error)),
    }
}

/// Where the bytes of an artifact go.
pub(super) enum Target {
    /// Into memory, at most so many.
    Memory(u64),
    /// To their place on disk, hashed meanwhile.
    Disk {
        /// Whether their SHA-512 is needed, too.
        sha512: bool,
    },
}

/// What the queue tells of the artifacts of runs. Each run is asked about once: all of it is one verification's.
pub(super) type Listings = BTreeMap<RunKey, Rc<OnceCell<Vec<Listed>>>>;

/// An artifact, as far as it matters here.
pub(super) struct Listed {
    name: ArtifactName,
    /// Whether its creator said that it is HTML.
    page: bool,
}

impl Sources {
    /// A run's artifacts, with what is known of them after this. Trouble is not kept.
    async fn listed(&self, run: &RunKey) -> Result<Rc<OnceCell<Vec<Listed>>>, ApiError> {
        let known = Rc::clone(self.listings.borrow_mut().entry(run.clone()).or_default());
        let asked = known.get_or_try_init(|| async {
            let all = self.own.list_artifacts(Of::Run(run), PAGES, Budget::default()).await?;
            let listed = all
                .into_iter()
                .map(|artifact| Listed { page: is_page(Some(&artifact.content_type)), name: artifact.name });
            Ok(listed.collect())
        });
        asked.await?;
        Ok(known)
    }

    /// The names of a run's artifacts, as a list.
    pub(super) async fn listing(&self, run: &RunKey) -> Result<Answer, SourceError> {
        match self.listed(run).await {
            Ok(listed) => {
                let all = listed.get().into_iter().flatten();
                let names: Vec<_> = all.map(|artifact| artifact.name.as_str()).collect();
                Ok(Answer::Present(serde_json::Value::from(names).to_string().into_bytes().into()))
            }
            Err(error) => certain(&error).ok_or(SourceError::Api(error)),
        }
    }

    /// An artifact.
    pub(super) async fn artifact(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        target: &Target,
        purse: &Purse,
    ) -> Result<Answer, SourceError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.attempt(run, name, target, purse).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {
                    let place = format!("{name} of {run}");
                    if attempts >= ATTEMPTS {
                        return Err(FetchError::Page { place, attempts }.into());
                    }
                    self.pause(attempts, None).await;
                    continue;
                }
                Err(StageError::Api(error)) => {
                    return certain(&error).ok_or(SourceError::Api(error));
                }
                Err(StageError::File(source)) => return Err(SourceError::File(source)),
                Err(StageError::Transfer(error)) => error,
            };
            match settled(&error) {
                // what the queue has an entry for, its storage has: 404 there is trouble, except where it lasts
                Some(Found::Nothing) if attempts < ATTEMPTS => {}
                Some(found) => return Ok(found.into()),
                None if may_pass(&error) && attempts < ATTEMPTS => {}
                None => return Err(FetchError::Transfer { attempts, error }.into()),
            }
            self.pause(attempts, error.wait()).await;
        }
    }

    /// Whether an artifact is HTML by its name, or by what its creator told the queue.
    async fn should_be_a_page(&self, run: &RunKey, name: &ArtifactName) -> Result<bool, ApiError> {
        let lower = name.as_str().to_ascii_lowercase();
        if lower.ends_with(".html") || lower.ends_with(".htm") {
            return Ok(true);
        }
        let listed = self.listed(run).await?;
        let told = listed.get().into_iter().flatten().find(|artifact| artifact.name == *name);
        Ok(told.is_some_and(|artifact| artifact.page))
    }

    /// The queue is asked anew each time: the addresses that it gives are good for a while only. Nothing when there is a
    /// page in the place of something else.
    async fn attempt(
        &self,
        run: &RunKey,
        name: &ArtifactName,
        target: &Target,
        purse: &Purse,
    ) -> Result<Option<Answer>, StageError> {
        let queue: &Queue = if name.is_public() { &self.anonymous } else { &self.own };
        let located = queue.get_artifact(Of::Run(run), name, Budget::default()).await?;
        let limits = TransferLimits { total: PATIENCE, max_bytes: target.limit() };
        let download = self.http.get_within(&self.plain, &located.url, None, limits).await?;
        let mut spending = purse.open();
        let answer = match target {
            Target::Memory(_) => {
                let page = is_page(download.content_type.as_deref());
                let bytes = collect(download, &mut spending).await?;
                if page {
                    return Ok(None);
                }
                Answer::Present(bytes)
            }
            Target::Disk { sha512 } => {
                if is_page(download.content_type.as_deref()) && !self.should_be_a_page(run, name).await? {
                    return Ok(None);
                }
                Answer::Stored(self.staging.store(run, name, *sha512, download, &mut spending).await?)
            }
        };
        spending.keep();
        Ok(Some(answer))
    }
}

impl Target {
    fn limit(&self) -> u64 {
        match self {
            Self::Memory(limit) => *limit,
            Self::Disk { .. } => LARGEST,
        }
    }
}
