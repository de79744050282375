//! The verdict: as text, first the one line that matters, then each link with its rules; and as JSON.

use super::{Judged, Offline, Options, Verdict};
use crate::cot::text::{Recording, Words};
use scriptworker_core::cot::bundle::taken_as_recorded;
use scriptworker_core::cot::judge::Judgement;
use scriptworker_core::json::format_json;
use std::io::{self, Write};

/// Prints it. A reader that has seen enough and closed the pipe is no reason to fail.
pub(super) fn show(options: &Options, verdict: &Verdict) -> io::Result<()> {
    let words = words(options, verdict);
    let shown = match &verdict.judgement {
        Judged::Chain(Judgement::Verified(_, report) | Judgement::Refused(report)) => Ok(report),
        Judged::NoTask(finding) => Err(finding),
        Judged::Chain(Judgement::Incomplete(_)) => return Ok(()),
    };
    let mut lines = match (options.json, shown) {
        (true, shown) => vec![format_json(&words.document(shown))],
        (false, Ok(report)) => words.verdict(report),
        (false, Err(finding)) => vec![words.no_task(finding)],
    };
    lines.push(String::new());
    match io::stdout().lock().write_all(lines.join("\n").as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn words<'a>(options: &Options, verdict: &'a Verdict) -> Words<'a> {
    let case = &verdict.case;
    Words {
        task_id: &case.task_id,
        task_type: &case.task_type,
        product: &case.product,
        check_signatures: case.check_signatures,
        verbose: options.verbose,
        recorded: verdict.offline.as_ref().map(|offline| recording(verdict, offline)),
    }
}

/// What was hashed again is not taken as recorded.
fn recording<'a>(verdict: &'a Verdict, offline: &'a Offline) -> Recording<'a> {
    let taken = taken_as_recorded(&verdict.evidence, verdict.case.check_signatures);
    Recording {
        by: &offline.recorded,
        taken: taken.filter(|need| !offline.hashed_again.contains(need)).collect(),
        hashed_again: offline.hashed_again.iter().collect(),
        no_file: &offline.no_file,
    }
}
