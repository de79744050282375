//! What it costs to verify a chain of trust, beside the published Python verifier and the bare tools
//! (`just bench-cot`).
//!
//! The releases are those of the embedded queue, which is a process of its own. In every round `scriptworker verify-cot`,
//! the Python verifier and the bare tools do their work one after the other, so that the load of the machine meets all
//! of them; what counts is the median over the rounds of the ratio within a round. Ours is the whole process, from its
//! start to its end; of Python the verification alone.
//!
//! | module | what it does |
//! |---|---|
//! | `site` | a release, and the queue that serves it |
//! | `tools` | our verifier, the Python verifier, curl, openssl |
//! | `scenarios` | what is measured, and the bars |
//! | `graph` | a task graph of the size of real ones |
//! | `report`, `figures` | tables and raw numbers, shared with the other benchmarks |
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    unreachable_pub,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]

#[path = "../common/figures.rs"]
mod figures;
mod graph;
#[path = "../common/report.rs"]
mod report;
mod scenarios;
mod site;
mod tools;

use clap::Parser;
use report::{Outcome, Place};
use scenarios::{Scenario, Values};
use std::path::{Path, PathBuf};
use tools::Tools;

/// Measures the verification of chains of trust.
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
    /// Keep what was measured: benches/results/cot.json, docs/benchmarks.md. Scenarios that were not run keep what they
    /// have there.
    #[arg(long)]
    record: bool,
    /// The verifier to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_scriptworker"))]
    worker: PathBuf,
    /// The Python of the environment in which the Python verifier is installed.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-venv/bin/python"))]
    python: PathBuf,
    /// Where releases and downloads are kept meanwhile (about 4 GB). In memory, so that a disk that others use, too, is
    /// not what is measured.
    #[arg(long, default_value = "/dev/shm/scriptworker-bench-cot")]
    dir: PathBuf,
    /// Serve a release: the queue's process.
    #[arg(long, hide = true)]
    serve: Option<PathBuf>,
    /// Read a task graph: a process of its own, for its memory.
    #[arg(long, hide = true)]
    graph: Option<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(dir) = &arguments.serve {
        return site::serve(dir);
    }
    if let Some(file) = &arguments.graph {
        return graph::read(file);
    }
    assert!(
        arguments.python.exists(),
        "{} is missing: without the Python verifier beside it no figure counts; `just bench-cot` installs it",
        arguments.python.display()
    );
    let runs = if arguments.quick { 1 } else { arguments.runs };
    let _ = std::fs::remove_dir_all(&arguments.dir);
    std::fs::create_dir_all(&arguments.dir).unwrap();
    let tools = Tools { ours: arguments.worker, python: arguments.python, dir: arguments.dir.clone() };
    let wanted = |scenario: &Scenario| {
        arguments.scenario.is_empty() || arguments.scenario.iter().any(|name| scenario.name.contains(name))
    };
    let mut outcomes: Vec<Outcome> = Vec::new();
    for scenario in scenarios::all(arguments.quick).into_iter().filter(wanted) {
        let outcome = measure(scenario, &tools, runs);
        println!("{}", report::table(std::slice::from_ref(&outcome)));
        outcomes.push(outcome);
    }
    let failed = outcomes.iter().flat_map(Outcome::bars).filter(|bar| !bar.passes).count();
    println!("{failed} bars missed");
    if arguments.record && !arguments.quick {
        let place = Place { file: "cot.json", mark: "cot" };
        report::record(Path::new(env!("CARGO_MANIFEST_DIR")), &place, &outcomes);
    }
    let _ = std::fs::remove_dir_all(&arguments.dir);
    if failed > 0 && !arguments.quick {
        std::process::exit(1);
    }
}

/// A round before the first warms the caches and is thrown away.
fn measure(scenario: Scenario, tools: &Tools, runs: usize) -> Outcome {
    let Scenario { name, figures, prepare } = scenario;
    let mut outcome = Outcome::new(name, &figures, runs);
    let mut round = prepare(tools);
    for number in 0..=runs {
        eprintln!("{name} round {number} of {runs}");
        let Values { ours, python, bare } = round(tools);
        eprintln!("  ours {ours:?}\n  python {python:?}\n  bare {bare:?}");
        if number > 0 {
            outcome.add(ours, python, bare);
        }
    }
    outcome
}
