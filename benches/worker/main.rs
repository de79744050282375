//! What the worker costs, beside the published Python worker and the bare tools (`just bench`).
//!
//! Worker, queue and script are separate processes. In every round each worker has a fresh queue process and fresh
//! directories of its own, and the bare tools do the same work beside them, so that the load of the machine meets
//! all of them; what counts is the median over the rounds of the ratio within a round. Times are read from the queue's
//! own record of calls and from marks that the scripts leave, memory and CPU from `/proc`.
//!
//! | module | what it does |
//! |---|---|
//! | `queue` | the embedded queue as a process: this program, started again |
//! | `subject` | a worker under test: its directories, its configuration, its process |
//! | `bare` | the same requests without a worker, and the bare tools |
//! | `scenarios`, `growth` | what is measured, and the bars |
//! | `report`, `figures` | tables and raw numbers, shared with the other benchmarks |
//! | `plot` | the picture |
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    unreachable_pub,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]
#![expect(dead_code, reason = "others use more of what is shared")]

mod bare;
#[path = "../common/figures.rs"]
mod figures;
mod growth;
mod plot;
mod queue;
#[path = "../common/report.rs"]
mod report;
mod scenarios;
mod subject;

use clap::Parser;
use report::{Outcome, Place};
use scenarios::{Lab, Scenario};
use std::path::{Path, PathBuf};
use subject::Subject;

/// Measures the worker beside the Python worker and the bare tools.
#[derive(Parser)]
struct Arguments {
    /// Only scenarios whose name contains this; may be given several times.
    #[arg(long)]
    scenario: Vec<String>,
    /// Rounds; medians are taken over them.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// One round of smaller scenarios: shows that everything works, measures nothing.
    #[arg(long)]
    quick: bool,
    /// Keep what was measured: benches/results/latest.json, docs/benchmarks.md, docs/benchmarks.svg. Scenarios that
    /// were not run keep what they have there.
    #[arg(long)]
    record: bool,
    /// The worker to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_scriptworker"))]
    worker: PathBuf,
    /// The Python worker beside it.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-venv/bin/scriptworker"))]
    python: PathBuf,
    /// Where the workers' directories, the storage and the inputs are kept meanwhile (about 5 GB). In memory, so that
    /// a disk that others use, too, is not what is measured.
    #[arg(long, default_value = "/dev/shm/scriptworker-bench")]
    dir: PathBuf,
    /// Serve as the queue's process.
    #[arg(long, hide = true)]
    queue: Option<PathBuf>,
    /// The queue's long poll, in milliseconds.
    #[arg(long, hide = true, default_value_t = 0)]
    long_poll: u64,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(storage) = &arguments.queue {
        return queue::serve(storage, arguments.long_poll);
    }
    assert!(
        arguments.python.exists(),
        "{} is missing: without the Python worker beside it no figure counts; `just bench` installs it",
        arguments.python.display()
    );
    let runs = if arguments.quick { 1 } else { arguments.runs };
    let lab = Lab::new(&arguments.dir, arguments.quick);
    let subjects = [Subject::ours(&arguments.worker), Subject::python(&arguments.python)];
    let wanted = |scenario: &Scenario| {
        arguments.scenario.is_empty() || arguments.scenario.iter().any(|name| scenario.name.contains(name))
    };
    let mut outcomes: Vec<Outcome> = Vec::new();
    for scenario in scenarios::all().into_iter().chain(growth::all()).filter(wanted) {
        let outcome = measure(&scenario, &lab, &subjects, runs);
        println!("{}", report::table(std::slice::from_ref(&outcome)));
        outcomes.push(outcome);
    }
    let failed = outcomes.iter().flat_map(Outcome::bars).filter(|bar| !bar.passes).count();
    println!("{failed} bars missed");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if arguments.record && !arguments.quick {
        let place = Place { file: "latest.json", mark: "results" };
        let known = report::record(root, &place, &outcomes);
        std::fs::write(root.join("docs/benchmarks.svg"), plot::svg(&known)).unwrap();
    }
    let _ = std::fs::remove_dir_all(&arguments.dir);
    if failed > 0 && !arguments.quick {
        std::process::exit(1);
    }
}

/// Rounds of ours, Python, bare. A round before the first warms the caches and is thrown away.
fn measure(scenario: &Scenario, lab: &Lab, subjects: &[Subject; 2], runs: usize) -> Outcome {
    let mut outcome = Outcome::new(&scenario.name, &scenario.figures, runs);
    for round in 0..=runs {
        let warming = round == 0;
        if warming && (lab.quick || !scenario.warm_up) {
            continue;
        }
        eprintln!("{} round {round} of {runs}", scenario.name);
        let ours = (scenario.worker)(lab, &subjects[0]);
        let python = (scenario.worker)(lab, &subjects[1]);
        let bare = (scenario.bare)(lab);
        eprintln!("  ours {ours:?}\n  python {python:?}\n  bare {bare:?}");
        if !warming {
            outcome.add(ours, python, bare);
        }
    }
    outcome
}
