//! What keys and signatures cost, beside gpg (`just bench-keys`).
//!
//! In every round gpg and we do the same work on the same files, one after the other, so that the load of the machine
//! meets both; what counts is the median over the rounds of the ratio within a round. gpg is a process of its own, as it
//! was for the classic worker; we are this program.
//!
//! | module | what it does |
//! |---|---|
//! | `forge` | keys and documents, shared with the tests of the core |
//! | `gpg` | the installed gpg in a fresh home |
//! | `work` | the work itself |
//! | `report` | table and raw numbers |
//! | `figures` | what the benchmarks share |
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]
#![expect(dead_code, reason = "others use more of what is shared")]

#[path = "../common/figures.rs"]
mod figures;
#[path = "../../core/tests/openpgp/forge.rs"]
mod forge;
mod gpg;
mod report;
mod work;

use clap::Parser;
use report::{Bar, Figure};
use std::path::{Path, PathBuf};
use work::{Documents, Keys};

/// Measures keyrings and signatures beside gpg.
#[derive(Parser)]
struct Arguments {
    /// Rounds; medians are taken over them.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Keys in the keyring.
    #[arg(long, default_value_t = 1000)]
    keys: usize,
    /// One small round: shows that everything works, measures nothing.
    #[arg(long)]
    quick: bool,
    /// Keep what was measured: benches/results/keys.json and docs/benchmarks.md.
    #[arg(long)]
    record: bool,
    /// Where the files are kept meanwhile: in memory, so that a disk that others use, too, is not what is measured.
    #[arg(long, default_value = "/dev/shm/scriptworker-bench-keys")]
    dir: PathBuf,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

const MIB: usize = 1 << 20;

fn main() {
    let arguments = Arguments::parse();
    let (runs, count) = if arguments.quick { (1, 20) } else { (arguments.runs, arguments.keys) };
    let _ = std::fs::remove_dir_all(&arguments.dir);
    std::fs::create_dir_all(&arguments.dir).unwrap();
    let mut figures = Vec::new();
    for (name, rsa) in [("RSA-4096", true), ("ed25519", false)] {
        let keys = Keys::make(&arguments.dir.join(name), count, rsa);
        let mut figure =
            Figure::new(&format!("rebuild and check a signed keyring, {name}"), &format!("{count} keys"));
        rounds(runs, |_| figure.add(keys.ours(), keys.gpg()));
        figures.push(figure.bar(Bar::Gpg(0.2)));
    }
    let documents = Documents::make(&arguments.dir.join("documents"), &[2 * MIB, 16 * MIB]);
    let mut sizes: Vec<_> = ["2 MiB", "16 MiB"]
        .iter()
        .map(|size| Figure::new("verify a clear-signed attestation", size))
        .collect();
    rounds(runs, |_| {
        for (number, figure) in sizes.iter_mut().enumerate() {
            figure.add(documents.ours(number), documents.gpg(number));
        }
    });
    let growth = Figure::growth("16 MiB over 2 MiB, by eight", &sizes[1], &sizes[0], 8.0);
    figures.extend(sizes.into_iter().map(|figure| figure.bar(Bar::Gpg(1.0))));
    figures.push(growth.bar(Bar::Most(1.3)));
    println!("{}", report::table(&figures));
    let missed = figures.iter().filter(|figure| !figure.passes()).count();
    println!("{missed} bars missed");
    if arguments.record && !arguments.quick {
        report::record(Path::new(env!("CARGO_MANIFEST_DIR")), runs, &figures);
    }
    std::fs::remove_dir_all(&arguments.dir).unwrap();
    if missed > 0 && !arguments.quick {
        std::process::exit(1);
    }
}

/// Calls it for a round that warms up, whose figures `Figure` throws away, and for those that count.
fn rounds(runs: usize, mut act: impl FnMut(usize)) {
    for round in 0..=runs {
        eprintln!("round {round} of {runs}");
        act(round);
    }
}
