//! The verdict in words, for the terminal and for `chain_of_trust.log`: first the one line that matters, then each link
//! with its rules, everything foreign escaped; and as a document.

use crate::telemetry::escaped;
use scriptworker_core::cot::bundle::Recorded;
use scriptworker_core::cot::finding::Finding;
use scriptworker_core::cot::judge::{LinkReport, Report, RuleReport};
use scriptworker_core::cot::need::Need;
use scriptworker_core::ids::TaskId;
use serde_json::{Value, json};

/// What was judged, and how much is to be said about it.
pub struct Words<'a> {
    /// The task.
    pub task_id: &'a TaskId,
    /// What it is.
    pub task_type: &'a str,
    /// The product whose rules were applied.
    pub product: &'a str,
    /// Whether signatures were checked.
    pub check_signatures: bool,
    /// Every rule that holds has a line.
    pub verbose: bool,
    /// Where evidence came from that was not fetched for this verdict.
    pub recorded: Option<Recording<'a>>,
}

/// What a bundle has to do with a verdict.
pub struct Recording<'a> {
    /// Who made it.
    pub by: &'a Recorded,
    /// The answers that nothing proves.
    pub taken: Vec<&'a Need>,
    /// Artifacts whose digests are those of files.
    pub hashed_again: Vec<&'a Need>,
    /// Artifacts that were looked for, and have no file.
    pub no_file: &'a [Need],
}

impl Words<'_> {
    /// A whole verdict, line by line.
    pub fn verdict(&self, report: &Report) -> Vec<String> {
        let what = self.what();
        let unsigned = if self.check_signatures { "" } else { "; signatures were not checked" };
        let mut lines = Vec::new();
        match report.findings().next() {
            _ if report.holds() => {
                lines.push(format!("verified: {what}, {} links{unsigned}", report.links.len()));
            }
            Some((link, rule, finding)) => {
                lines.push(format!("refused: {link}: {}: {finding}", rule.name()));
            }
            None => lines.push(format!("refused: {what}: a rule could not be judged")),
        }
        lines.push(report.policy.to_string());
        if !report.holds() && !self.check_signatures {
            lines.push("signatures were not checked".to_owned());
        }
        for link in &report.links {
            lines.extend(of_link(link, self.verbose));
        }
        if let Some(Recording { by, taken, hashed_again, .. }) = &self.recorded {
            lines.extend(hashed_again.iter().map(|need| format!("hashed again: {need}")));
            let policy =
                by.policy.as_ref().map(|policy| format!(" under the policy {policy}")).unwrap_or_default();
            lines.push(format!("taken as recorded by {} at {}{policy}:", by.by, by.at));
            lines.extend(taken.iter().map(|need| format!("  {need}")));
        }
        lines.iter().map(|line| escaped(line)).collect()
    }

    /// The verdict as a document; the refusal of a task that cannot be read itself is a finding.
    pub fn document(&self, verdict: Result<&Report, &Finding>) -> Value {
        let mut shown = match verdict {
            Ok(report) => serde_json::to_value(report).unwrap_or_default(),
            Err(finding) => json!({"verified": false, "taskId": self.task_id, "finding": finding}),
        };
        if let Some(members) = shown.as_object_mut() {
            members.insert("taskType".to_owned(), json!(self.task_type));
            members.insert("product".to_owned(), json!(self.product));
            members.insert("signaturesChecked".to_owned(), json!(self.check_signatures));
            if let Some(Recording { by, taken, hashed_again, no_file }) = &self.recorded {
                let recorded =
                    json!({"by": by, "answers": taken, "hashedAgain": hashed_again, "noFile": no_file});
                members.insert("takenAsRecorded".to_owned(), recorded);
            }
        }
        shown
    }

    /// The refusal of a task that cannot be read itself.
    pub fn no_task(&self, finding: &Finding) -> String {
        escaped(&format!("refused: {}: {finding}", self.what()))
    }

    fn what(&self) -> String {
        format!("{} {} of {}", self.task_type, self.task_id, self.product)
    }
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
