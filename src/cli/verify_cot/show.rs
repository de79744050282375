//! The verdict: as text, first the one line that matters, then each link with its rules; and as JSON.

use super::{Judged, Options, Verdict};
use crate::telemetry::escaped;
use scriptworker_core::cot::bundle::taken_as_recorded;
use scriptworker_core::cot::finding::Finding;
use scriptworker_core::cot::judge::{Judgement, LinkReport, Report, RuleReport};
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

fn report(verdict: &Verdict) -> Result<&Report, Option<&Finding>> {
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
        if let Some(recorded) = &verdict.offline {
            let answers: Vec<_> = taken_as_recorded(&verdict.evidence).collect();
            members.insert("takenAsRecorded".to_owned(), json!({"by": recorded, "answers": answers}));
        }
    }
    shown
}

fn as_text(options: &Options, verdict: &Verdict) -> Vec<String> {
    let case = &verdict.case;
    let what = format!("{} {} of {}", case.task_type, case.task_id, case.product);
    let unsigned = if case.check_signatures { "" } else { "; signatures were not checked (--verify-sigs)" };
    let report = match report(verdict) {
        Ok(report) => report,
        Err(finding) => {
            let why = finding.map(ToString::to_string).unwrap_or_default();
            return vec![escaped(&format!("refused: {what}: {why}"))];
        }
    };
    let mut lines = Vec::new();
    match report.findings().next() {
        _ if report.holds() => {
            lines.push(format!("verified: {what}, {} links{unsigned}", report.links.len()));
        }
        Some((link, rule, finding)) => lines.push(format!("refused: {link}: {}: {finding}", rule.name())),
        None => lines.push(format!("refused: {what}: a rule could not be judged")),
    }
    lines.push(report.policy.to_string());
    if !report.holds() && !case.check_signatures {
        lines.push("signatures were not checked (--verify-sigs)".to_owned());
    }
    for link in &report.links {
        lines.extend(of_link(link, options.verbose));
    }
    if let Some(recorded) = &verdict.offline {
        lines.push(format!("taken as recorded by {} at {}:", recorded.by, recorded.at));
        lines.extend(taken_as_recorded(&verdict.evidence).map(|need| format!("  {need}")));
    }
    lines.iter().map(|line| escaped(line)).collect()
}

fn of_link(link: &LinkReport, verbose: bool) -> Vec<String> {
    let mut head = link.name.to_string();
    for more in [link.run_id.map(|run| format!("run {run}")), link.implementation.map(str::to_owned)] {
        head.extend(more.map(|more| format!(", {more}")));
    }
    head.extend(link.signer.as_ref().map(|signer| format!(", signed by {signer}")));
    let mut lines = vec![head];
    let mut passed = 0;
    for rule in &link.rules {
        match rule {
            RuleReport::Passed { note: Some(note), rule } => {
                lines.push(format!("  ok      {}: {note}", rule.name()));
            }
            RuleReport::Passed { note: None, rule } if verbose => {
                lines.push(format!("  ok      {}: {}", rule.name(), rule.demand()));
            }
            RuleReport::Passed { note: None, .. } => passed += 1,
            RuleReport::Failed { rule, finding } => {
                lines.push(format!("  REFUSED {}: {finding}", rule.name()))
            }
            RuleReport::NotJudged { rule } => lines.push(format!("  -       {}: not judged", rule.name())),
        }
    }
    if passed > 0 {
        lines.push(format!("  ok      {passed} rules"));
    }
    lines
}
