//! What stays of a verification: the log for people, the verdict as a document, the bundle, and, once everything is
//! proven, the files for the script. Everything here blocks.

use super::outcome::{Clearance, Judged, Summary, VerdictFile};
use super::verification::{Ended, NoVerdict, Verdicts};
use crate::config::{BundlePlace, Config};
use crate::cot::bundles::{self, WriteError};
use crate::cot::policies::LoadedPolicy;
use crate::cot::staging::Staging;
use crate::cot::text::Words;
use crate::fsio::Purpose;
use scriptworker_core::cot::bundle::{BundleError, Recorded};
use scriptworker_core::cot::finding::Finding;
use scriptworker_core::cot::judge::{Judgement, Report};
use scriptworker_core::digest::Digest;
use scriptworker_core::ids::RunKey;
use scriptworker_core::json::format_json;
use scriptworker_core::run::Verdict;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log of the verification (chain-of-trust.md 3), below `task_log_dir`.
pub(in crate::actors) const LOG: &str = "chain_of_trust.log";
/// The verdict, below `artifact_dir`.
const DOCUMENT: &str = "public/logs/chain_of_trust.json";
/// The bundle as an artifact, below `artifact_dir`.
const BUNDLE: &str = "public/logs/chain_of_trust.bundle";
/// Bundles that stay here, below `log_dir`.
const BUNDLES: &str = "cot_bundles";

/// What is known beside the end itself.
pub(super) struct Place {
    pub(super) config: Arc<Config>,
    pub(super) key: RunKey,
    /// `None` when there is none that may be used.
    pub(super) policy: Option<Arc<LoadedPolicy>>,
    pub(super) progress: Vec<String>,
}

/// Something could not be kept.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("{path:?}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("the bundle: {0}")]
    Bundle(#[from] BundleError),
}

/// Keeps it, and says what it comes to: a verdict that cannot be kept is none, and a script whose files cannot be
/// handed over does not start.
pub(super) fn keep(place: &Place, ended: Ended, staging: Option<Arc<Staging>>) -> Judged {
    let mut judged = match ended {
        Ended::Judged(verdicts) => judged(place, &verdicts, staging.as_deref()),
        Ended::NoTask(finding) => no_task(place, &finding),
        Ended::NoVerdict(reason) => no_verdict(place, &reason),
    };
    judged.summary.policy = place.policy.as_ref().map(|loaded| loaded.policy.id.clone());
    if let Some(Err(error)) = staging.map(|staging| staging.discard()) {
        tracing::warn!(run = %place.key, %error, "what was not verified is removed with the work directory only");
    }
    judged
}

fn judged(place: &Place, verdicts: &Verdicts, staging: Option<&Staging>) -> Judged {
    let (verdict, clearance, report) = match &verdicts.judgement {
        Judgement::Verified(task, report) => {
            let (run, task) = (place.key.clone(), Arc::new(task.clone()));
            (Verdict::Verified, Clearance::Verified { run, task }, report)
        }
        Judgement::Refused(report) => (Verdict::Refused, Clearance::None, report),
        // told apart before
        Judgement::Incomplete(_) => return failed(Verdict::Failed),
    };
    let mut summary = Summary::default();
    if let Some((link, _, finding)) = report.findings().next() {
        summary.reason = Some((finding.reason.code(), link.to_string()));
    }
    let mut files = Vec::new();
    let handed_over = match (&verdicts.judgement, staging) {
        (Judgement::Verified(task, _), Some(staging)) => staging
            .hand_over(task)
            .and_then(|()| staging.lay_out(report, &verdicts.evidence))
            .map_err(at(&place.config.work_dir)),
        _ => Ok(()),
    };
    // only what can be used is called verified
    let kept = handed_over.and_then(|()| record(place, verdicts, report, &mut files));
    match kept {
        Ok(bundle) => {
            summary.bundle = bundle;
            Judged { verdict, clearance, summary, files }
        }
        Err(error) => {
            tracing::error!(run = %place.key, %error, "the verdict or its files could not be written");
            // a refusal stays one
            let verdict = if verdict == Verdict::Refused { verdict } else { Verdict::Failed };
            Judged { verdict, clearance: Clearance::None, summary, files }
        }
    }
}

/// The log, the document, and the bundle, whose digest is the answer.
fn record(
    place: &Place,
    verdicts: &Verdicts,
    report: &Report,
    files: &mut Vec<VerdictFile>,
) -> Result<Option<String>, RecordError> {
    let words = words(place);
    let mut lines = words.verdict(report);
    tell(place, report.holds(), lines.first().map_or("", String::as_str));
    files.push(log(place, &mut lines)?);
    files.push(document(place, &words, Ok(report))?);
    if place.config.verification.bundle == BundlePlace::Off {
        return Ok(None);
    }
    let recorded = Recorded {
        task_id: place.key.task_id.clone(),
        task_type: words.task_type.to_owned(),
        product: words.product.to_owned(),
        attested: false,
        signatures_checked: place.config.verification.check_signatures,
        at: verdicts.now,
        queue_now: verdicts.queue_now,
        by: crate::PROGRAM.to_owned(),
        policy: Some(report.policy.clone()),
    };
    let Some(bytes) = if_it_fits(&place.key, bundles::write(&recorded, &verdicts.evidence))? else {
        return Ok(None);
    };
    let digest = Digest::Sha256(Sha256::digest(&bytes).into()).digits();
    match place.config.verification.bundle {
        BundlePlace::Off => {}
        BundlePlace::Artifact => files.push(write(place.config.artifact_dir.join(BUNDLE), bytes)?),
        BundlePlace::Local => {
            let name = format!("{}-{}.bundle", place.key.task_id, place.key.run_id);
            let path = place.config.log_dir.join(BUNDLES).join(name);
            in_folder(&path)
                .and_then(|()| Purpose::Other.write_atomic(&path, &bytes, 0o644))
                .map_err(|source| RecordError::File { path, source })?;
        }
    }
    Ok(Some(digest))
}

/// A bundle that nobody could read is not kept: the verdict stands without it.
fn if_it_fits(key: &RunKey, written: Result<Vec<u8>, WriteError>) -> Result<Option<Vec<u8>>, RecordError> {
    match written {
        Ok(bytes) => Ok(Some(bytes)),
        Err(WriteError::Oversized(error)) => {
            tracing::warn!(run = %key, %error, "what the verdict rests on is not kept");
            Ok(None)
        }
        Err(WriteError::Bundle(error)) => Err(error.into()),
    }
}

fn no_task(place: &Place, finding: &Finding) -> Judged {
    let words = words(place);
    let mut lines = vec![words.no_task(finding)];
    tell(place, false, lines.first().map_or("", String::as_str));
    let mut files = Vec::new();
    for written in [log(place, &mut lines), document(place, &words, Err(finding))] {
        match written {
            Ok(file) => files.push(file),
            Err(error) => tracing::error!(run = %place.key, %error, "the verdict could not be written"),
        }
    }
    let reason = Some((finding.reason.code(), place.key.task_id.to_string()));
    Judged {
        verdict: Verdict::Refused,
        clearance: Clearance::None,
        summary: Summary { reason, ..Summary::default() },
        files,
    }
}

fn no_verdict(place: &Place, reason: &NoVerdict) -> Judged {
    let verdict = reason.verdict();
    match verdict {
        Verdict::Failed => tracing::error!(run = %place.key, "no verdict on the chain of trust: {reason}"),
        Verdict::Aborted | Verdict::Unavailable | Verdict::Verified | Verdict::Refused => {
            tracing::warn!(run = %place.key, "no verdict on the chain of trust: {reason}");
        }
    }
    if matches!(reason, NoVerdict::Abandoned) {
        return failed(verdict);
    }
    let mut lines = vec![crate::telemetry::escaped(&format!("no verdict: {reason}"))];
    match log(place, &mut lines) {
        Ok(file) => Judged { files: vec![file], ..failed(verdict) },
        Err(error) => {
            tracing::error!(run = %place.key, %error, "the log of the verification could not be written");
            failed(verdict)
        }
    }
}

fn failed(verdict: Verdict) -> Judged {
    Judged { verdict, clearance: Clearance::None, summary: Summary::default(), files: Vec::new() }
}

fn words(place: &Place) -> Words<'_> {
    Words {
        task_id: &place.key.task_id,
        task_type: &place.config.verification.task_type,
        product: place.policy.as_ref().map_or("", |loaded| loaded.product_name.as_str()),
        check_signatures: place.config.verification.check_signatures,
        verbose: true,
        recorded: None,
    }
}

/// The line that matters, in the worker's own log.
fn tell(place: &Place, verified: bool, line: &str) {
    if verified {
        tracing::info!(run = %place.key, "chain of trust {line}");
    } else {
        tracing::warn!(run = %place.key, "chain of trust {line}");
    }
}

/// First the one line that matters, then the rest of the verdict, then how it came about.
fn log(place: &Place, lines: &mut Vec<String>) -> Result<VerdictFile, RecordError> {
    if let Some(first) = lines.first_mut() {
        *first = format!("{}: {first}", crate::PROGRAM);
    }
    lines.push("what was asked, and when it was known:".to_owned());
    lines.extend(place.progress.iter().map(|line| crate::telemetry::escaped(line)));
    lines.push(String::new());
    write(place.config.task_log_dir.join(LOG), lines.join("\n").into_bytes())
}

fn document(
    place: &Place,
    words: &Words<'_>,
    verdict: Result<&Report, &Finding>,
) -> Result<VerdictFile, RecordError> {
    let mut shown = words.document(verdict);
    if let Some(members) = shown.as_object_mut() {
        members.insert("runId".to_owned(), place.key.run_id.get().into());
        members.insert("judgedBy".to_owned(), crate::PROGRAM.into());
    }
    write(place.config.artifact_dir.join(DOCUMENT), format_json(&shown).into_bytes())
}

/// A file of the task's logs, or one that goes where they go.
fn write(path: PathBuf, content: Vec<u8>) -> Result<VerdictFile, RecordError> {
    let written = in_folder(&path)
        .and_then(|()| Purpose::TaskLog.create(&path, 0o644))
        .and_then(|mut file| file.write_all(&content));
    match written {
        Ok(()) => Ok(VerdictFile { path, content: content.into() }),
        Err(source) => Err(RecordError::File { path, source }),
    }
}

fn in_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| Purpose::Directories.create_dir_all(folder))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RecordError {
    move |source| RecordError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cot::bundles::Oversized;
    use scriptworker_core::ids::{RunId, TaskId};

    #[test]
    fn a_verdict_stands_without_a_bundle_that_is_too_large() {
        let task_id = TaskId::parse("BuildTskQ0WAAAAAAAAAAA").unwrap();
        let key = RunKey { task_id, run_id: RunId::FIRST };
        let oversized = Oversized { bytes: 3, limit: 2 };
        assert!(matches!(if_it_fits(&key, Err(oversized.into())), Ok(None)));
        let kept = if_it_fits(&key, Ok(b"b".to_vec()));
        assert!(matches!(kept, Ok(Some(bytes)) if bytes == b"b"));
        let other = if_it_fits(&key, Err(BundleError::Surplus.into()));
        assert!(matches!(other, Err(RecordError::Bundle(BundleError::Surplus))));
    }
}
