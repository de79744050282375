//! `scriptworker verify-cot TASK_ID --task-type TYPE`: judges the chain of trust of a task of a real deployment, or of a
//! bundle that was recorded (chain-of-trust.md 7).
//!
//! | module | what it does |
//! |---|---|
//! | `setup` | policy, keys and addresses, from the configuration or built in |
//! | `keep` | what stays of it: artifacts, bundle, picture |
//! | `rehash` | artifacts of a bundle, hashed again from files |
//! | `show` | the verdict, as text and as JSON |

mod keep;
mod rehash;
pub(super) mod setup;
mod show;

use self::keep::{Staged, keep};
use self::rehash::rehash;
use self::setup::{Setup, SetupError};
use crate::cli::keys::common::now;
use crate::cot::budgets::Budgets;
use crate::cot::bundles::{self, ReadError, WriteError};
use crate::cot::case::OwnedCase;
use crate::cot::gather::{GatherError, verify_telling};
use crate::cot::renderer::Subprocess;
use crate::cot::sources::{SourceError, Sources};
use crate::cot::staging::Staging;
use crate::taskcluster::{Auth, Http, HttpConfig, HttpError};
use crate::telemetry::escaped;
use clap::Args;
use scriptworker_core::cot::bundle::Recorded;
use scriptworker_core::cot::chain::Subject;
use scriptworker_core::cot::evidence::{Answer, Evidence};
use scriptworker_core::cot::finding::Finding;
use scriptworker_core::cot::judge::Judgement;
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::reason::Reason;
use scriptworker_core::cot::task::Definition;
use scriptworker_core::ids::TaskId;
use scriptworker_core::time::UnixMillis;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The exit code of a refusal: `malformed-payload`, as the worker would report it.
const EXIT_REFUSED: u8 = 3;
/// The exit code when something outside was not to be had: `resource-unavailable`.
const EXIT_UNAVAILABLE: u8 = 4;
/// Without --verbose there is a line after so many answers, and when there is something new to ask.
const ANSWERS_A_LINE: usize = 25;
/// The exit code of everything else.
const EXIT_TROUBLE: u8 = 1;

/// What to verify, and how.
#[derive(Args)]
pub(super) struct Options {
    /// The task.
    #[arg(value_name = "TASK_ID", allow_hyphen_values = true, required_unless_present = "offline")]
    task_id: Option<TaskId>,
    /// What the task is, such as signing, beetmover or build.
    #[arg(long, value_name = "TYPE", required_unless_present = "offline")]
    task_type: Option<String>,
    /// The product whose rules apply [default: that of the configuration, or firefox].
    #[arg(long, value_name = "PRODUCT")]
    cot_product: Option<String>,
    /// Check signatures, too; without it only what the documents say is looked at.
    #[arg(long)]
    verify_sigs: bool,
    /// Do not look at the attestation of the task itself.
    #[arg(long)]
    no_check_task: bool,
    /// Remove the downloaded artifacts at the end.
    #[arg(long)]
    cleanup: bool,
    /// Tell of every answer, and of every rule that holds.
    #[arg(long, short)]
    verbose: bool,
    /// The configuration whose policy, keys and addresses count.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The deployment [default: TASKCLUSTER_ROOT_URL, that of the configuration, or Firefox CI].
    #[arg(long, value_name = "URL")]
    root_url: Option<String>,
    /// Read addresses that begin with FROM from TO (repeatable). No token is sent there.
    #[arg(long, value_name = "FROM=TO", value_parser = mirror)]
    mirror: Vec<(String, String)>,
    /// The verdict as JSON.
    #[arg(long)]
    json: bool,
    /// Write everything that the verdict rests on into a new file.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Hash the artifacts of such a file again, from DIR/TASKID/PATH or DIR/cot/TASKID/PATH.
    #[arg(long, value_name = "DIR", requires = "offline")]
    artifacts: Option<PathBuf>,
    /// Draw the links, who signed them and what every rule came to.
    #[arg(long, value_name = "FILE.svg")]
    graph: Option<PathBuf>,
    /// Judge what such a file recorded, without the network.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bundle", "root_url", "mirror", "task_id", "task_type", "cot_product", "no_check_task"])]
    offline: Option<PathBuf>,
}

fn mirror(text: &str) -> Result<(String, String), &'static str> {
    let (from, to) = text.split_once('=').ok_or("expected two addresses with = between them")?;
    Ok((from.to_owned(), to.to_owned()))
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("failed to prepare the HTTP client: {0}")]
    Http(#[from] HttpError),
    #[error("the definition of {task}: {source}")]
    Subject { task: TaskId, source: SourceError },
    #[error(transparent)]
    Gather(#[from] GatherError),
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: ReadError },
    #[error("{}: {source}", path.display())]
    Unwritable { path: PathBuf, source: WriteError },
    #[error("the bundle does not tell: {0}")]
    NotInBundle(Box<Need>),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("failed to print the verdict: {0}")]
    Print(#[source] io::Error),
}

impl Error {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Subject { source: SourceError::Api(_) | SourceError::Fetch(_), .. } => EXIT_UNAVAILABLE,
            Self::Gather(error) if error.is_unavailable() => EXIT_UNAVAILABLE,
            Self::NotInBundle(_) => EXIT_UNAVAILABLE,
            Self::Setup(error) if error.is_unavailable() => EXIT_UNAVAILABLE,
            Self::Subject { .. }
            | Self::Gather(_)
            | Self::Setup(_)
            | Self::Http(_)
            | Self::Unreadable { .. }
            | Self::Unwritable { .. }
            | Self::File { .. }
            | Self::Print(_) => EXIT_TROUBLE,
        }
    }
}

/// What is shown.
struct Verdict {
    judgement: Judged,
    case: Circumstances,
    evidence: Evidence,
    offline: Option<Offline>,
}

/// Where evidence came from that was not fetched now.
struct Offline {
    recorded: Recorded,
    /// Artifacts whose digests are those of files.
    hashed_again: BTreeSet<Need>,
    /// Artifacts that were looked for, and have no file.
    no_file: Vec<Need>,
}

/// What came of it.
enum Judged {
    /// A chain was judged.
    Chain(Judgement),
    /// There is no chain: the task itself cannot be read.
    NoTask(Finding),
}

/// What was judged, and how.
struct Circumstances {
    task_id: TaskId,
    task_type: String,
    product: String,
    attested: bool,
    check_signatures: bool,
    now: UnixMillis,
    queue_now: Option<UnixMillis>,
}

/// Verifies. The program ends here: what was made of a large chain is not taken apart piece by piece, which would only keep
/// people waiting. Progress and problems are lines on stderr, the verdict is on stdout.
pub(super) fn verify_cot(options: &Options) -> ExitCode {
    let judged = match &options.offline {
        Some(file) => offline(options, file).map(|verdict| (verdict, None)),
        None => {
            actix_rt::System::new().block_on(online(options)).map(|(verdict, staged)| (verdict, Some(staged)))
        }
    };
    match judged {
        Ok((verdict, staged)) => {
            let code = conclude(options, &verdict, staged);
            std::mem::forget(verdict);
            ExitCode::from(code)
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Shows the verdict, which stands whatever becomes of the rest, and gives the exit code.
fn conclude(options: &Options, verdict: &Verdict, staged: Option<Staged>) -> u8 {
    let shown = show::show(options, verdict).map_err(Error::Print);
    let kept = keep(options, verdict, staged);
    let problems: Vec<_> = shown.err().into_iter().chain(kept).collect();
    problems.iter().for_each(complain);
    match &verdict.judgement {
        Judged::Chain(Judgement::Verified(..)) if problems.is_empty() => 0,
        Judged::Chain(Judgement::Verified(..)) => EXIT_TROUBLE,
        Judged::Chain(Judgement::Refused(_)) | Judged::NoTask(_) => EXIT_REFUSED,
        Judged::Chain(Judgement::Incomplete(needs)) => {
            let Some(need) = needs.first() else { return EXIT_TROUBLE };
            let error = Error::NotInBundle(Box::new(need.clone()));
            complain(&error);
            error.exit_code()
        }
    }
}

fn complain(error: &Error) {
    say(&format!("verify-cot: {error}"));
}

/// Foreign texts are in these lines.
#[expect(clippy::print_stderr, reason = "progress of a command that people watch")]
fn say(line: &str) {
    for line in line.lines() {
        eprintln!("{}", escaped(line));
    }
}

async fn online(options: &Options) -> Result<(Verdict, Staged), Error> {
    // clap does not come here without them
    let (Some(task_id), Some(task_type)) = (&options.task_id, &options.task_type) else {
        return Err(SetupError::NoTask.into());
    };
    let setup = Setup::of(options)?;
    let http = Http::new(HttpConfig::default())?;
    let root =
        std::env::temp_dir().join(format!("scriptworker-verify-cot-{}", uuid::Uuid::new_v4().simple()));
    let failed = |source| Error::File { path: root.clone(), source };
    let staging = Staging::new(&root).map_err(failed)?;
    let auth = super::create_test_workdir::own_credentials().map_or(Auth::Anonymous, Auth::fixed);
    let sources = Sources::new(http, &setup.root_url, auth, setup.sources.clone(), staging);
    for (from, to) in &options.mirror {
        say(&format!("note: {from} is read from {to}"));
    }
    let product = setup.policy.product_name.clone();
    let circumstances = Circumstances {
        task_id: task_id.clone(),
        task_type: task_type.clone(),
        product,
        attested: !options.no_check_task,
        check_signatures: setup.check_signatures,
        now: now(),
        queue_now: None,
    };
    let verdict = judge_online(options, setup, &sources, circumstances).await;
    let staged = Staged { root, staging: Arc::clone(sources.staging()) };
    match verdict {
        Ok(verdict) => Ok((verdict, staged)),
        Err(error) => {
            // why there is no verdict matters more
            if let Err(left) = staged.remove() {
                complain(&left);
            }
            Err(error)
        }
    }
}

async fn judge_online(
    options: &Options,
    setup: Setup,
    sources: &Sources,
    mut circumstances: Circumstances,
) -> Result<Verdict, Error> {
    let id = &circumstances.task_id;
    let failed = |source| Error::Subject { task: id.clone(), source };
    let (answer, queue_now) = sources.task(id).await.map_err(failed)?;
    circumstances.queue_now = queue_now;
    let mut evidence = Evidence::new();
    evidence.add(Need::Task { task: id.clone() }, answer).map_err(GatherError::from)?;
    let task = match subject(&evidence, id) {
        Ok(task) => task,
        Err(finding) => {
            let judgement = Judged::NoTask(finding);
            return Ok(Verdict { judgement, case: circumstances, evidence, offline: None });
        }
    };
    let case = Arc::new(owned_case(setup, &circumstances, task));
    let answers = Cell::new(0_usize);
    let progress = |need: &Need, open: usize| {
        answers.set(answers.get() + 1);
        if options.verbose {
            say(&format!("got {need}"));
        } else if open == 0 || answers.get().is_multiple_of(ANSWERS_A_LINE) {
            say(&format!("verify-cot: {} answers, {open} open", answers.get()));
        }
    };
    let (judgement, evidence) = verify_telling(&case, sources, evidence, progress).await?;
    Ok(Verdict { judgement: Judged::Chain(judgement), case: circumstances, evidence, offline: None })
}

fn offline(options: &Options, file: &Path) -> Result<Verdict, Error> {
    let read = bundles::read(file);
    let (recorded, mut evidence) =
        read.map_err(|source| Error::Unreadable { path: file.to_owned(), source })?;
    let (mut hashed_again, mut no_file) = (BTreeSet::new(), Vec::new());
    if let Some(dir) = &options.artifacts {
        let rehashed = rehash(&evidence, dir)?;
        (evidence, hashed_again, no_file) = (rehashed.evidence, rehashed.found, rehashed.missing);
        for need in &no_file {
            say(&format!("note: no file for {need}: taken as recorded"));
        }
    }
    let setup = Setup::for_product(options, Some(&recorded.product))?;
    let case = Circumstances {
        task_id: recorded.task_id.clone(),
        task_type: recorded.task_type.clone(),
        product: recorded.product.clone(),
        attested: recorded.attested,
        check_signatures: setup.check_signatures,
        now: recorded.at,
        queue_now: recorded.queue_now,
    };
    let judgement = match subject(&evidence, &case.task_id) {
        Ok(task) => {
            let case = ManuallyDrop::new(owned_case(setup, &case, task));
            Judged::Chain(case.judge(&evidence).map_err(GatherError::from)?)
        }
        Err(finding) => Judged::NoTask(finding),
    };
    Ok(Verdict { judgement, case, evidence, offline: Some(Offline { recorded, hashed_again, no_file }) })
}

/// The task itself, as the queue has it.
pub(super) fn subject(evidence: &Evidence, task: &TaskId) -> Result<Definition, Finding> {
    match evidence.get(&Need::Task { task: task.clone() }) {
        Some(Answer::Present(bytes)) => Definition::parse(bytes),
        Some(Answer::TooLarge { limit }) => {
            Err(Finding::new(Reason::Limit).expected(format!("a definition of at most {limit} bytes")))
        }
        Some(Answer::Absent | Answer::Stored(_) | Answer::Forbidden { .. }) | None => {
            Err(Finding::new(Reason::MissingTask).at(task))
        }
    }
}

fn owned_case(setup: Setup, circumstances: &Circumstances, task: Definition) -> OwnedCase {
    let Circumstances { task_id, task_type, attested, now, queue_now, .. } = circumstances;
    OwnedCase {
        subject: Subject { id: task_id.clone(), task_type: task_type.clone(), task },
        attested: *attested,
        policy: setup.policy.policy,
        product: setup.policy.product,
        keyrings: setup.keyrings,
        check_signatures: setup.check_signatures,
        renderer: Subprocess::default(),
        hops: setup.hops,
        budgets: Budgets::default(),
        now: *now,
        queue_now: *queue_now,
    }
}
