//! What the verifier fetches, from hosts that do not keep their word: only certain answers count, nothing grows beyond
//! its limit, no address is gone to that should not be, and no secret is told.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]
#![expect(unreachable_pub, reason = "the parts of this test are modules")]

#[path = "wire/faults.rs"]
mod faults;
#[path = "cot_sources/github.rs"]
mod github;
#[path = "cot_sources/limits.rs"]
mod limits;
#[path = "cot_sources/places.rs"]
mod places;
#[path = "wire/server.rs"]
mod server;
#[path = "cot_sources/trouble.rs"]
mod trouble;

use faults::client;
use scriptworker::cot::budgets::Purse;
use scriptworker::cot::sources::{SourceError, SourceSettings, Sources};
use scriptworker::cot::staging::Staging;
use scriptworker::taskcluster::{Auth, HttpConfig, RootUrl};
use scriptworker_core::cot::evidence::{Answer, Evidence};
use scriptworker_core::cot::need::Need;
use scriptworker_core::ids::{ArtifactName, RunId, RunKey, TaskId};
use scriptworker_core::json::DocumentKind;
use scriptworker_core::retry::Backoff;
use server::{After, Seen, Server, Stream};
use std::io;
use std::path::PathBuf;
use tempfile::TempDir;

const TASK: &str = "BuildTskQ0WAAAAAAAAAAA";

/// Where everything is asked, and where it goes.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) sources: Sources,
}

pub(crate) fn settings(sources: &str) -> SourceSettings {
    SourceSettings {
        pushlog_url: format!("{sources}/pushlog/{{revision}}"),
        projects_url: format!("{sources}/projects.yml"),
        github_token: None,
        github_app: None,
        mirrors: Vec::new(),
    }
}

/// A deployment at this address, as nobody.
pub(crate) fn place(root: &str, config: HttpConfig, settings: SourceSettings) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let staging = Staging::below(dir.path()).unwrap();
    let root = RootUrl::parse(root).unwrap();
    let sources = Sources::new(client(config), &root, Auth::Anonymous, settings, staging);
    let sources = sources.with_backoff(Backoff::API);
    Place { dir, sources }
}

impl Place {
    pub(crate) async fn ask(&self, need: &Need) -> Result<Answer, SourceError> {
        self.ask_within(need, u64::MAX).await
    }

    pub(crate) async fn ask_within(&self, need: &Need, bytes: u64) -> Result<Answer, SourceError> {
        self.sources.answer(need, &Purse::new(bytes, &Evidence::new())).await
    }

    /// What is stored and not verified.
    pub(crate) fn stored(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.dir.path()).unwrap().next().unwrap().unwrap().path();
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

pub(crate) fn task() -> TaskId {
    TaskId::parse(TASK).unwrap()
}

pub(crate) fn run_key() -> RunKey {
    RunKey { task_id: task(), run_id: RunId::FIRST }
}

pub(crate) fn document(name: &str, class: DocumentKind) -> Need {
    Need::Document { run: run_key(), name: ArtifactName::parse(name).unwrap(), class }
}

pub(crate) fn artifact(name: &str) -> Need {
    Need::Artifact { run: run_key(), name: ArtifactName::parse(name).unwrap(), sha512: false }
}

/// A queue whose artifacts are all at one address, which may be on itself: then `storage` answers.
pub(crate) fn queue(
    location: impl Fn(&str) -> String + Send + Sync + 'static,
    storage: impl Fn(&Seen, &mut dyn Stream) -> io::Result<After> + Send + Sync + 'static,
) -> Server {
    Server::start(move |seen: &Seen, stream: &mut dyn Stream| {
        if !seen.target.starts_with("/api/queue/") {
            return storage(seen, stream);
        }
        let location = location(&seen.headers["host"]);
        stream.write_all(&faults::answer(303, &format!("location: {location}\r\n"), ""))?;
        Ok(After::Keep)
    })
}

/// The same with the content on itself.
pub(crate) fn queue_with(
    storage: impl Fn(&Seen, &mut dyn Stream) -> io::Result<After> + Send + Sync + 'static,
) -> Server {
    queue(|host| format!("http://{host}/content"), storage)
}
