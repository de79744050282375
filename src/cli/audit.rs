//! `scriptworker audit FILE`: whether a ledger of runs is what was written (docs/audit.md). Nothing else is read.

use crate::telemetry::escaped;
use clap::Args;
use scriptworker_core::digest::{Digest, DigestError, HashAlgorithm};
use scriptworker_core::json::format_json;
use scriptworker_core::ledger::{Audit, AuditReport, Head, Tail};
use scriptworker_core::time::UnixMillis;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit code for a ledger that is not what was written.
const EXIT_BROKEN: u8 = 3;
/// The exit code when it cannot be read.
const EXIT_UNREADABLE: u8 = 1;

/// No line is as long. What is longer is cut, and unreadable.
const MOST_LINE: u64 = Tail::BYTES;

/// What to audit.
#[derive(Args)]
pub(super) struct Options {
    /// The ledger: runs.jsonl of a worker's log_dir, or - for stdin.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A head from the worker's log: a line with it must be there.
    #[arg(long, value_name = "HASH", value_parser = digest)]
    expect_head: Option<Digest>,
    /// The head of the file that this one goes on from, when that was moved away.
    #[arg(long, value_name = "HASH", value_parser = digest)]
    after: Option<Digest>,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

/// With or without the name of the algorithm.
fn digest(text: &str) -> Result<Digest, DigestError> {
    Digest::parse(HashAlgorithm::Sha256, text.strip_prefix("sha256:").unwrap_or(text))
}

/// Audits and prints.
#[expect(clippy::print_stderr, reason = "there is no result")]
pub(super) fn audit(options: &Options) -> ExitCode {
    let report = match look(options) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("audit: failed to read {}: {error}", options.file.display().to_string().escape_debug());
            return ExitCode::from(EXIT_UNREADABLE);
        }
    };
    let text = if options.json { format_json(&as_json(&report)) + "\n" } else { as_text(&report) };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // a reader that has seen enough is no reason to fail
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("audit: failed to print the result: {error}");
            ExitCode::from(EXIT_UNREADABLE)
        }
        _ if report.breaks.is_empty() => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_BROKEN),
    }
}

fn look(options: &Options) -> io::Result<AuditReport> {
    let audit = options.after.map_or_else(Audit::default, Audit::after);
    let audit = options.expect_head.into_iter().fold(audit, Audit::expecting);
    match options.file.as_path() {
        stdin if stdin == Path::new("-") => read(audit, io::stdin().lock()),
        file => read(audit, BufReader::new(File::open(file)?)),
    }
}

fn read(mut audit: Audit, mut lines: impl BufRead) -> io::Result<AuditReport> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = lines.by_ref().take(MOST_LINE).read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\n") {
            Some(whole) => audit.line(whole),
            None if u64::try_from(length).is_ok_and(|length| length < MOST_LINE) => {
                return Ok(audit.end(&line));
            }
            None => {
                audit.line(&line);
                lines.skip_until(b'\n')?;
            }
        }
    }
}

fn runs(report: &AuditReport) -> u64 {
    report.endings.values().fold(0, |sum, runs| sum.saturating_add(*runs))
}

/// The line that matters first. Parts of a broken line may be quoted in what is said about it.
fn as_text(report: &AuditReport) -> String {
    let AuditReport { lines, first, last, endings, head, torn, expected_at, breaks } = report;
    let mut text = vec![match breaks.len() {
        0 => format!("whole: {} run(s) in {lines} line(s)", runs(report)),
        number => format!("BROKEN: {number} break(s) in {lines} line(s)"),
    }];
    text.extend(breaks.iter().map(|found| escaped(&found.to_string())));
    text.extend(torn.iter().map(|line| {
        format!("line {line}: not written to its end (a crash, or a full disk); nobody changed anything")
    }));
    if let (Some(first), Some(last)) = (first, last) {
        text.push(format!("from {first} to {last}"));
    }
    text.extend(endings.iter().map(|(ending, runs)| format!("{ending:<20} {runs}")));
    if *head != Head::START {
        text.push(format!("head {} (number {})", head.digest, head.sequence));
    }
    if let Some(line) = expected_at {
        text.push(format!("the expected head is in line {line}"));
    }
    text.push(String::new());
    text.join("\n")
}

fn as_json(report: &AuditReport) -> Value {
    let AuditReport { lines, first, last, endings, head, torn, expected_at, breaks } = report;
    let breaks: Vec<Value> = breaks
        .iter()
        .map(|found| json!({"line": found.line, "kind": found.problem.kind(), "text": found.problem.to_string()}))
        .collect();
    let date = |date: &Option<UnixMillis>| json!(date);
    json!({
        "whole": breaks.is_empty(), "lines": lines, "runs": runs(report), "first": date(first), "last": date(last),
        "endings": endings, "head": head.digest, "number": head.sequence, "torn": torn,
        "expectedHeadAt": expected_at, "breaks": breaks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_any_length_is_one_line() {
        let most = usize::try_from(MOST_LINE).unwrap();
        for length in [most - 2, most - 1, most, most + 1, 3 * most] {
            let text = format!("{}\nx\n", "x".repeat(length));
            let report = read(Audit::default(), text.as_bytes()).unwrap();
            assert_eq!((report.lines, report.breaks.len()), (2, 1), "{length}");
            let report = read(Audit::default(), "x".repeat(length).as_bytes()).unwrap();
            assert_eq!((report.lines, report.breaks.len()), (1, 1), "{length}");
        }
        assert_eq!(read(Audit::default(), &b""[..]).unwrap().lines, 0);
    }
}
