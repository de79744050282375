//! `scriptworker create-test-workdir TASK_ID`: the work directory that a worker would give a script for a task of a
//! real deployment, for trying the script by hand (client.md 6).

use crate::fsio;
use crate::script::{DownloadError, DownloadPlan, download};
use crate::taskcluster::artifacts::Of;
use crate::taskcluster::{
    ApiError, Auth, Budget, Credentials, Http, HttpConfig, HttpError, InvalidUrl, Queue, RootUrl,
};
use clap::Args;
use futures_util::{StreamExt, stream};
use scriptworker_core::client::{
    ScriptTask, TaskError, UpstreamArtifact, UpstreamError, glob_matches, place_of,
};
use scriptworker_core::ids::{ArtifactName, InvalidId, TaskId};
use scriptworker_core::json::format_json;
use scriptworker_core::secret::Secret;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Downloads at the same time (`max_concurrent_downloads`).
const AT_ONCE: usize = 5;
/// Pages of artifacts that are read for a pattern, of 1000 names each.
const PAGES: u32 = 100;
/// How long a signed URL of an artifact is good for.
const URL_LIFETIME: Duration = Duration::from_secs(900);

/// What to make, and where.
#[derive(Args)]
pub(super) struct Options {
    /// The directory to make.
    #[arg(long, value_name = "PATH", default_value = "work")]
    path: PathBuf,
    /// Replace what is there.
    #[arg(long)]
    overwrite: bool,
    /// The deployment.
    #[arg(long, value_name = "URL", env = "TASKCLUSTER_ROOT_URL")]
    root_url: String,
    /// The task.
    #[arg(value_name = "TASK_ID", allow_hyphen_values = true)]
    task_id: TaskId,
}

/// Why there is no work directory.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{} exists already: --overwrite would replace it", .0.display())]
    Exists(PathBuf),
    #[error("{} holds the current directory: it is not replaced", .0.display())]
    HoldsCurrentDirectory(PathBuf),
    #[error("root URL: {0}")]
    RootUrl(#[from] InvalidUrl),
    #[error("failed to prepare the HTTP client: {0}")]
    Http(#[from] HttpError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Task(#[from] TaskError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("upstream artifact: {0}")]
    Name(#[from] InvalidId),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("failed to download {failed} of {all} upstream artifacts")]
    Downloads { failed: usize, all: usize },
}

/// Makes the directory. Progress and problems are lines on stderr.
pub(super) fn create_test_workdir(options: &Options) -> ExitCode {
    let made = actix_rt::System::new().block_on(make(options));
    match made {
        Ok(()) => {
            say(&format!("{} is ready", options.path.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("create-test-workdir: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "progress of a command that people watch")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// One artifact to fetch.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    task_id: TaskId,
    name: ArtifactName,
    to: PathBuf,
    optional: bool,
}

struct Deployment {
    http: Http,
    anonymous: Queue,
    own: Queue,
}

async fn make(options: &Options) -> Result<(), Error> {
    refuse_existing(options)?;
    let deployment = Deployment::of(&options.root_url)?;
    let task = deployment.own.task(&options.task_id, Budget::default()).await?.value;
    say(&format!("task {}: definition read", options.task_id));
    // everything is checked before anything that is there is touched
    let entries = UpstreamArtifact::of_task(&ScriptTask::from_value(task.raw.clone())?)?;
    let wanted = deployment.wanted(&entries, &options.path).await?;
    begin(&options.path, &format_json(&task.raw))
        .map_err(|source| Error::File { path: options.path.clone(), source })?;
    let all = wanted.len();
    let results: Vec<bool> = stream::iter(&wanted)
        .map(|wanted| deployment.fetch(wanted))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    match results.iter().filter(|ok| !**ok).count() {
        0 => Ok(()),
        failed => Err(Error::Downloads { failed, all }),
    }
}

/// Nothing is replaced without being told so, and never what the shell stands in.
fn refuse_existing(options: &Options) -> Result<(), Error> {
    let path = &options.path;
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    if !options.overwrite {
        return Err(Error::Exists(path.clone()));
    }
    let failed = |source| Error::File { path: path.clone(), source };
    let current = std::env::current_dir().and_then(|dir| dir.canonicalize()).map_err(failed)?;
    match path.canonicalize() {
        Ok(real) if current.starts_with(&real) => Err(Error::HoldsCurrentDirectory(path.clone())),
        Ok(_) => Ok(()),
        // a link that leads nowhere
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed(source)),
    }
}

fn begin(path: &Path, task: &str) -> io::Result<()> {
    fsio::remove_tree(path)?;
    fsio::create_dir_all(path)?;
    fsio::write_atomic(&path.join("task.json"), task.as_bytes(), 0o644)
}

impl Deployment {
    fn of(root_url: &str) -> Result<Self, Error> {
        let root = RootUrl::parse(root_url)?;
        let http = Http::new(HttpConfig::default())?;
        let auth = own_credentials().map_or(Auth::Anonymous, Auth::fixed);
        Ok(Self {
            anonymous: Queue::new(http.clone(), &root, Auth::Anonymous),
            own: Queue::new(http.clone(), &root, auth),
            http,
        })
    }

    /// What the task asks for, patterns resolved against what its upstream tasks have.
    async fn wanted(&self, entries: &[UpstreamArtifact], work_dir: &Path) -> Result<Vec<Wanted>, Error> {
        // by place: an artifact that two entries name is fetched once, and may be missing if either says so
        let mut wanted: BTreeMap<PathBuf, Wanted> = BTreeMap::new();
        for entry in entries {
            let task_id = TaskId::parse(&entry.task_id)?;
            for path in &entry.paths {
                let names = if path.contains('*') {
                    self.matching(&task_id, path).await?
                } else {
                    vec![ArtifactName::parse(path)?]
                };
                for name in names {
                    let to = place_of(work_dir, task_id.as_str(), name.as_str())?;
                    let new =
                        Wanted { task_id: task_id.clone(), name, to: to.clone(), optional: entry.optional };
                    wanted.entry(to).and_modify(|known| known.optional |= entry.optional).or_insert(new);
                }
            }
        }
        Ok(wanted.into_values().collect())
    }

    async fn matching(&self, task_id: &TaskId, pattern: &str) -> Result<Vec<ArtifactName>, Error> {
        let all = self.own.list_artifacts(Of::Latest(task_id), PAGES, Budget::default()).await?;
        let names = all.into_iter().map(|artifact| artifact.name);
        Ok(names.filter(|name| glob_matches(pattern, name.as_str())).collect())
    }

    /// Whether the artifact is there now, or may be missing.
    async fn fetch(&self, wanted: &Wanted) -> bool {
        let Wanted { task_id, name, to, optional } = wanted;
        match self.download(task_id, name, to).await {
            Ok(size) => {
                say(&format!("{task_id}/{name}: {size} bytes"));
                true
            }
            Err(problem) if *optional => {
                say(&format!("{task_id}/{name}: not there, but optional: {problem}"));
                true
            }
            Err(problem) => {
                say(&format!("{task_id}/{name}: {problem}"));
                false
            }
        }
    }

    async fn download(&self, task_id: &TaskId, name: &ArtifactName, to: &Path) -> Result<u64, FetchError> {
        // anybody may read public ones, and credentials that are no longer good must not stand in the way
        let queue = if name.is_public() { &self.anonymous } else { &self.own };
        let url = queue.signed_artifact_url(Of::Latest(task_id), name, URL_LIFETIME)?;
        Ok(download(&self.http, &url, None, to, DownloadPlan::default()).await?.size)
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Url(#[from] ApiError),
    #[error(transparent)]
    Download(#[from] DownloadError),
}

/// Those of the environment; without them only what is public can be had.
pub(super) fn own_credentials() -> Option<Credentials> {
    let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(Credentials {
        client_id: var("TASKCLUSTER_CLIENT_ID")?,
        access_token: Secret::new(var("TASKCLUSTER_ACCESS_TOKEN")?),
        certificate: var("TASKCLUSTER_CERTIFICATE").map(Secret::new),
    })
}
