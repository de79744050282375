//! The verdict: as text, first the one line that matters, then each link with its rules; and as JSON.

use super::{Judged, Offline, Options, Verdict};
use crate::cot::text::Words;
use crate::telemetry::escaped;
use scriptworker_core::cot::bundle::taken_as_recorded;
use scriptworker_core::cot::finding::Finding;
use scriptworker_core::cot::judge::{Judgement, Report};
use scriptworker_core::cot::need::Need;
use scriptworker_core::json::format_json;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Prints it. A reader that has seen enough and closed the pipe is no reason to fail.
pub(super) fn show(options: &Options, verdict: &Verdict) -> io::Result<()> {
    if matches!(&verdict.judgement, Judged::Chain(Judgement::Incomplete(_))) {
        return Ok(());
    }
    let mut lines =
        if options.json { vec![format_json(&as_json(verdict))] } else { as_text(options, verdict) };
    lines.push(String::new());
    match io::stdout().lock().write_all(lines.join("\n").as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

pub(super) fn report(verdict: &Verdict) -> Result<&Report, Option<&Finding>> {
    match &verdict.judgement {
        Judged::Chain(Judgement::Verified(_, report) | Judgement::Refused(report)) => Ok(report),
        Judged::Chain(Judgement::Incomplete(_)) => Err(None),
        Judged::NoTask(finding) => Err(Some(finding)),
    }
}

fn as_json(verdict: &Verdict) -> Value {
    let case = &verdict.case;
    let mut shown = match report(verdict) {
        Ok(report) => serde_json::to_value(report).unwrap_or_default(),
        Err(finding) => json!({"verified": false, "taskId": case.task_id, "finding": finding}),
    };
    if let Some(members) = shown.as_object_mut() {
        members.insert("taskType".to_owned(), json!(case.task_type));
        members.insert("product".to_owned(), json!(case.product));
        members.insert("signaturesChecked".to_owned(), json!(case.check_signatures));
        if let Some(offline) = &verdict.offline {
            let Offline { recorded, hashed_again, no_file } = offline;
            let taken = json!({
                "by": recorded, "answers": taken(verdict, offline),
                "hashedAgain": hashed_again, "noFile": no_file,
            });
            members.insert("takenAsRecorded".to_owned(), taken);
        }
    }
    shown
}

fn as_text(options: &Options, verdict: &Verdict) -> Vec<String> {
    let case = &verdict.case;
    let words = Words {
        task_id: &case.task_id,
        task_type: &case.task_type,
        product: &case.product,
        check_signatures: case.check_signatures,
        verbose: options.verbose,
        recorded: verdict.offline.as_ref().map(|offline| (&offline.recorded, taken(verdict, offline))),
    };
    let mut lines: Vec<_> = match report(verdict) {
        Ok(report) => words.verdict(report),
        Err(finding) => finding.map(|finding| words.no_task(finding)).into_iter().collect(),
    };
    let files = verdict.offline.iter().flat_map(|offline| &offline.hashed_again);
    lines.extend(files.map(|need| escaped(&format!("hashed again: {need}"))));
    lines
}

/// What is taken as recorded, but for what was hashed again.
fn taken<'a>(verdict: &'a Verdict, offline: &Offline) -> Vec<&'a Need> {
    taken_as_recorded(&verdict.evidence).filter(|need| !offline.hashed_again.contains(need)).collect()
}
