//! `scriptworker demo`: the worker at work. An embedded queue in this process, workers as processes of their own, and
//! real tasks, good and bad; among them the last tasks of whole releases, some of them tampered with. Then a table of
//! what was expected and what happened.
//!
//! | module | what it does |
//! |---|---|
//! | `cases`, `chains` | the tasks and what has to come of them; the releases |
//! | `site`, `places`, `worker` | the queue, the directories, the worker processes |
//! | `observe`, `view` | how far the tasks are, and how that is shown |
//! | `collect`, `compare`, `table` | what became of them, how it differs, how that is shown |
//! | `pictures` | pictures of verdicts |
//! | `keys`, `signatures` | what the worker signs with, and whether others accept what it signed |
//! | `interrupt` | Ctrl-C and its relatives |

mod cases;
mod chains;
mod collect;
mod compare;
mod interrupt;
mod keys;
mod observe;
mod pictures;
mod places;
mod signatures;
mod site;
mod table;
mod view;
mod worker;

use self::cases::{Case, cases};
use self::chains::{CHAINS, UnreadableFile};
use self::collect::{artifacts_so_far, collect, pids_in, processes_of};
use self::compare::{Processes, differences, in_words};
use self::interrupt::Interrupts;
use self::observe::Stage;
use self::pictures::PictureError;
use self::places::{Places, Who};
use self::site::{Site, SiteError, TaskError};
use self::table::Row;
use self::view::{View, say};
use self::worker::last_lines;
use crate::embedded_queue::{Call, Refused};
use chrono::Utc;
use nix::sys::signal::Signal;
use scriptworker_core::ids::TaskId;
use scriptworker_core::time::UnixMillis;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

/// How often the queue is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long all tasks together may take, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the worker may take to ask for more work, and to leave.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(30);
/// How long it may take to leave when the demo is ended early.
const PATIENCE_WHEN_ENDED: Duration = Duration::from_secs(8);

const WARNING: &str =
    "The queue of this demo lives in this process and on this machine only. It is never for production.";

/// Options of the verb.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Where everything goes: an empty or new directory [default: a new temporary one, which is kept].
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("listen to signals: {0}")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error("make the task {name}: {source}")]
    Task { name: &'static str, source: TaskError },
    #[error(transparent)]
    Release(#[from] UnreadableFile),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error("ask the queue: {0}")]
    Queue(#[from] Refused),
    #[error("a worker left by itself ({exit}); the end of what it said:\n{said}")]
    WorkerLeft { exit: ExitStatus, said: String },
    #[error("ended by signal {0}")]
    Interrupted(i32),
}

/// A task under way.
struct Task {
    case: Case,
    id: TaskId,
    status: Value,
    /// Set when it was cancelled: the processes of its script at that time.
    cancelled: Option<Vec<u32>>,
}

/// Runs the demo. Exit code 0: everything went as expected.
pub(super) fn demo(options: &Options) -> ExitCode {
    match show(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(DemoError::Interrupted(signal)) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(1)),
        Err(error) => {
            complain(&format!("the demo failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a verb's errors go to stderr")]
fn complain(message: &str) {
    eprintln!("{message}");
}

fn show(options: &Options) -> Result<bool, DemoError> {
    let began = Instant::now();
    let interrupts = Interrupts::listen().map_err(DemoError::Signals)?;
    let places = Places::make(options.dir.as_deref())?;
    say(WARNING);
    let mut site = Site::start(&places)?;
    let pids: Vec<_> = site.workers.iter().map(|worker| worker.pid().to_string()).collect();
    say(&format!(
        "Queue at {}, workers with process ids {}, everything in",
        site.queue.root_url(),
        pids.join(", ")
    ));
    say(&format!("{}\n", places.root().display()));
    let result = run_all(&mut site, &places, &interrupts);
    if let Err(DemoError::Interrupted(signal)) = &result {
        say(&format!("\nSignal {signal}: stopping the workers. Another one kills them."));
        site.signal(Signal::SIGTERM);
        if !wait_for_exits(&mut site, &interrupts, PATIENCE_WHEN_ENDED).unwrap_or(false) {
            say("The workers are killed.");
        }
    }
    let mut results = result?;
    results.push(stop(&mut site, &interrupts)?);
    Ok(tell(&results, &places, began.elapsed()))
}

/// A line of the table, and how it differs from what was expected.
struct Outcome {
    row: Row,
    differences: Vec<String>,
}

/// Makes the tasks, waits until they are all over, looks at what is left of them.
fn run_all(site: &mut Site, places: &Places, interrupts: &Interrupts) -> Result<Vec<Outcome>, DemoError> {
    let mut tasks = make(site)?;
    for Task { case, .. } in &tasks {
        say(&format!("  {:16}  {}", case.name, case.story));
    }
    say("");
    let mut view = View::new(tasks.iter().map(|task| task.case.name).collect());
    let end = Instant::now() + PATIENCE;
    while look(&mut tasks, site, places, &mut view)? > 0 && Instant::now() < end {
        pause(site, places, interrupts)?;
    }
    // it asks again only when it is through with the last task
    let end = Instant::now() + PATIENCE_AT_THE_END;
    let asking =
        |site: &Site| site.queue.wait_for_open_calls(Call::ClaimWork, site.workers.len(), LOOK_EVERY);
    while asking(site).is_err() && Instant::now() < end {
        pause(site, places, interrupts)?;
    }
    let results = tasks.iter().map(|task| judge(task, site, places)).collect();
    for task in tasks.iter().filter(|task| pictures::NAMES.contains(&task.case.name)) {
        pictures::draw(&task.case, &task.id, site, places)?;
    }
    Ok(results)
}

fn make(site: &Site) -> Result<Vec<Task>, DemoError> {
    let mut tasks = Vec::new();
    let mut add = |case, id| tasks.push(Task { case, id, status: Value::Null, cancelled: None });
    for case in cases() {
        let name = case.name;
        let id = site
            .create_task(name, case.story, &case.payload)
            .map_err(|source| DemoError::Task { name, source })?;
        add(case, id);
    }
    for chain in CHAINS {
        let made = site.create_release(chain.generation, &chain.plan());
        let release = made.map_err(|source| DemoError::Task { name: chain.name, source })?;
        let id = release.signing.clone();
        add(chain.case(release)?, id);
    }
    Ok(tasks)
}

/// Waits a moment. Fails when a signal came or a worker is gone.
fn pause(site: &mut Site, places: &Places, interrupts: &Interrupts) -> Result<(), DemoError> {
    if let Some(signal) = interrupts.wait(LOOK_EVERY) {
        return Err(DemoError::Interrupted(signal));
    }
    for worker in &mut site.workers {
        if let Some(exit) = worker.exit() {
            let files = [places.stderr(worker.who), places.log(worker.who)];
            return Err(DemoError::WorkerLeft {
                exit,
                said: files.map(|path| last_lines(&path, 10)).join("\n"),
            });
        }
    }
    Ok(())
}

/// Looks at every task, shows it, cancels the one to be cancelled when its script runs. Answers how many are not over.
fn look(tasks: &mut [Task], site: &Site, places: &Places, view: &mut View) -> Result<usize, DemoError> {
    let now = UnixMillis(Utc::now().timestamp_millis());
    let mut open = 0;
    for (index, task) in tasks.iter_mut().enumerate() {
        task.status = site.queue.status(&task.id)?;
        let stage = Stage::of(&task.status, artifacts_so_far(&site.queue, &task.id, &task.status));
        view.show(index, &stage, now);
        let to_cancel = task.case.cancel && task.cancelled.is_none();
        match &stage {
            Stage::Resolved(_) => continue,
            Stage::Running { .. } if to_cancel => {
                if let Some(pids) = pids_in(&places.pids()) {
                    // only those of which the search knows, too: or its silence afterwards would prove nothing
                    let alive = processes_of(&task.id);
                    let seen = if pids.iter().all(|pid| alive.contains(pid)) { alive } else { Vec::new() };
                    site.queue.cancel(&task.id)?;
                    task.cancelled = Some(seen);
                }
            }
            _ => {}
        }
        open += 1;
    }
    Ok(open)
}

fn judge(task: &Task, site: &Site, places: &Places) -> Outcome {
    let Task { case, id, status, cancelled } = task;
    let mut found = collect(&site.queue, case, id, status, places);
    found.processes = cancelled.clone().map(|before| Processes { before, after: processes_of(id) });
    let mut differences = differences(case, &found);
    differences.extend(signatures::check(case, &found, places));
    let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
    let row = Row {
        agrees: differences.is_empty(),
        name: case.name.to_owned(),
        expected: with_verdict(
            in_words(case.runs.iter().map(|run| run.outcome)),
            case.chain.as_ref().map(|proof| proof.verdict.as_str()),
        ),
        happened: with_verdict(
            in_words(found.runs.iter().map(|run| run.outcome.as_str())),
            found.verdict.as_deref(),
        ),
        checked: case.checked.to_owned(),
        took: observe::took(status).map(observe::seconds).unwrap_or_default(),
    };
    Outcome { row, differences }
}

fn with_verdict(outcome: String, verdict: Option<&str>) -> String {
    match verdict {
        Some(verdict) => format!("{outcome}, {verdict}"),
        None => outcome,
    }
}

/// Stops the workers as a deployment does that wants no task lost: SIGUSR1.
fn stop(site: &mut Site, interrupts: &Interrupts) -> Result<Outcome, DemoError> {
    let began = Instant::now();
    site.signal(Signal::SIGUSR1);
    wait_for_exits(site, interrupts, PATIENCE_AT_THE_END)?;
    let expected = "exit code 0".to_owned();
    let each = site.workers.iter_mut().map(|worker| exit_in_words(worker.exit()));
    let happened = each.filter(|exit| *exit != expected).collect::<Vec<_>>().join(", ");
    let happened = if happened.is_empty() { expected.clone() } else { happened };
    let agrees = expected == happened;
    let differences =
        if agrees { Vec::new() } else { vec![format!("expected {expected}, happened: {happened}")] };
    let took = observe::seconds(began.elapsed().as_millis().try_into().unwrap_or(i64::MAX));
    let checked = "all workers leave when told to (SIGUSR1)".to_owned();
    Ok(Outcome {
        row: Row { agrees, name: "(stop)".to_owned(), expected, happened, checked, took },
        differences,
    })
}

fn exit_in_words(exit: Option<ExitStatus>) -> String {
    match exit.map(|status| status.code()) {
        None => "a worker does not leave".to_owned(),
        Some(None) => "ended by a signal".to_owned(),
        Some(Some(code)) => format!("exit code {code}"),
    }
}

/// Waits for the workers to leave; whether they did.
fn wait_for_exits(site: &mut Site, interrupts: &Interrupts, patience: Duration) -> Result<bool, DemoError> {
    let end = Instant::now() + patience;
    loop {
        if site.workers.iter_mut().all(|worker| worker.exit().is_some()) {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        if let Some(signal) = interrupts.wait(LOOK_EVERY) {
            return Err(DemoError::Interrupted(signal));
        }
    }
}

/// Prints the table, the places and the verdict. Answers whether everything agrees.
fn tell(results: &[Outcome], places: &Places, took: Duration) -> bool {
    let rows: Vec<&Row> = results.iter().map(|outcome| &outcome.row).collect();
    say(&format!("\n{}", table::render(&rows)));
    for (what, path) in [
        ("logs, artifacts", places.tasks().join("<task>/run-<n>")),
        ("worker's log", places.log(Who::Plain)),
        ("configuration", places.config(Who::Plain)),
        ("keys", places.own_keys()),
        ("script", places.script()),
        ("releases", places.root().join("{current,classic}")),
        ("pictures", places.picture("{signing,artifact}")),
        ("queue's storage", places.storage()),
    ] {
        say(&format!("{what:15}  {}", path.display()));
    }
    let differing: Vec<_> = results.iter().filter(|outcome| !outcome.differences.is_empty()).collect();
    let took = observe::seconds(took.as_millis().try_into().unwrap_or(i64::MAX));
    if differing.is_empty() {
        say(&format!("\nEverything went as expected, in {took}."));
        return true;
    }
    say(&format!("\n{} of {} went otherwise than expected, in {took}:", differing.len(), results.len()));
    for Outcome { row, differences } in differing {
        for difference in differences {
            say(&format!("  {}: {difference}", row.name));
        }
    }
    false
}
