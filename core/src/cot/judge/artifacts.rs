//! The artifacts that are used: what the verifier reads itself, and what the task is given. Each is attested, and is the
//! one whose digest was signed (cot-attacks.md section E).

use super::VerifiedArtifact;
use super::examination::Examination;
use crate::client::glob_matches;
use crate::cot::evidence::{Answer, StoredArtifact};
use crate::cot::examine::{Step, Stop};
use crate::cot::finding::{Finding, Rule};
use crate::cot::need::Need;
use crate::cot::reason::Reason;
use crate::cot::rules::attestation::SignedBody;
use crate::cot::task::UpstreamEntry;
use crate::digest::{ArtifactDigests, Digest, HashAlgorithm};
use crate::ids::{ArtifactName, RunKey, TaskId};
use crate::json::DocumentKind;
use crate::upstream_path::{PathFault, UpstreamPath};
use bytes::Bytes;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha512;
use std::collections::BTreeSet;

/// A document that a link attested: what it was asked for as, and its bytes, once they are those whose digest was signed.
pub(super) fn attested_document(
    examination: &Examination<'_>,
    task: &TaskId,
    name: &str,
    class: DocumentKind,
) -> Step<(Need, Bytes)> {
    let signed = examination.body(task)?;
    let digests =
        signed.body.digests(name, &examination.case.policy.hash_algorithms).map_err(|f| of_task(f, task))?;
    let artifact = artifact_name(name)?;
    let run = RunKey { task_id: task.clone(), run_id: signed.body.run_id };
    let place = || format!("{name} of {task}");
    let need = Need::Document { run, name: artifact, class };
    let Some(bytes) = examination.pass.ask(&need)?.content(place())? else {
        return Err(Finding::new(Reason::MissingArtifact).at(place()).into());
    };
    let found = StoredArtifact {
        sha256: examination.pass.sha256(&need)?,
        sha512: lists_sha512(&digests).then(|| Sha512::digest(bytes).into()),
        length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
    };
    same(&digests, &found, &place())?;
    let bytes = bytes.clone();
    Ok((need, bytes))
}

/// Everything that the task is given. The rule is recorded on the link that made the artifacts.
pub(super) fn upstream(examination: &Examination<'_>) -> Vec<VerifiedArtifact> {
    let subject = &examination.case.subject;
    let entries = match subject.task.upstream() {
        Ok(entries) => entries,
        // a chain with such a subject did not grow
        Err(_) => return Vec::new(),
    };
    let mut artifacts = Vec::new();
    let tasks: BTreeSet<_> = entries.iter().map(|entry| &entry.task).collect();
    for task in tasks {
        let Some(link) = examination.chain.link(task) else { continue };
        let of_task: Vec<_> = entries.iter().filter(|entry| entry.task == *task).collect();
        let step = given(examination, task, &of_task);
        let recorded = step.as_ref().map(|(_, without)| without.clone()).map_err(Clone::clone);
        examination.pass.record(&link.name, Rule::Artifacts, recorded);
        artifacts.extend(step.map(|(given, _)| given).unwrap_or_default());
    }
    artifacts
}

type Given = (Vec<VerifiedArtifact>, Option<String>);

/// What the task is given of one upstream task, and what it does without.
fn given(examination: &Examination<'_>, task: &TaskId, entries: &[&UpstreamEntry]) -> Step<Given> {
    let signed = examination.body(task)?;
    let mut wanted: Vec<(String, bool)> = Vec::new();
    for entry in entries {
        for path in &entry.paths {
            if path.contains('*') {
                let matches = signed.body.names().filter(|name| glob_matches(path, name));
                wanted.extend(matches.filter(|name| !is_reserved(name)).map(|name| (name.to_owned(), true)));
            } else {
                wanted.push((path.clone(), entry.optional));
            }
        }
    }
    // an artifact that one entry needs is needed, whatever another one says
    wanted.sort();
    wanted.dedup_by(|later, first| later.0 == first.0);
    let paths = wanted.iter().map(|(name, _)| path(name)).collect::<Result<Vec<_>, _>>()?;
    if let Some(conflict) = UpstreamPath::conflict(&paths) {
        return Err(Finding::new(Reason::PathConflict).because(conflict).into());
    }
    let steps: Vec<_> = wanted
        .iter()
        .zip(paths)
        .map(|((name, optional), path)| one(examination, task, &signed, name, path, *optional))
        .collect();
    let all = crate::cot::examine::all(steps)?;
    let missing: Vec<_> = all
        .iter()
        .zip(&wanted)
        .filter(|(found, _)| found.is_none())
        .map(|(_, (name, _))| name.as_str())
        .collect();
    let without = (!missing.is_empty()).then(|| format!("without {}", missing.join(", ")));
    Ok((all.into_iter().flatten().collect(), without))
}

fn is_reserved(name: &str) -> bool {
    matches!(UpstreamPath::parse(name), Err(error) if error.fault == PathFault::Reserved)
}

fn path(name: &str) -> Result<UpstreamPath, Finding> {
    UpstreamPath::parse(name).map_err(|error| {
        let reason = if error.fault == PathFault::Reserved { Reason::Reserved } else { Reason::Path };
        Finding::new(reason).at("payload.upstreamArtifacts").because(error)
    })
}

/// One artifact; nothing when it is optional and cannot be had as it was attested.
fn one(
    examination: &Examination<'_>,
    task: &TaskId,
    signed: &SignedBody,
    name: &str,
    path: UpstreamPath,
    optional: bool,
) -> Step<Option<VerifiedArtifact>> {
    let artifact = artifact_name(name)?;
    let run = RunKey { task_id: task.clone(), run_id: signed.body.run_id };
    let accepted = &examination.case.policy.hash_algorithms;
    let step = signed.body.digests(name, accepted).map_err(Stop::from).and_then(|digests| match examination
        .pass
        .ask(&Need::Artifact { run: run.clone(), name: artifact.clone(), sha512: lists_sha512(&digests) })?
    {
        Answer::Stored(found) => {
            same(&digests, found, &format!("{name} of {task}"))?;
            Ok(VerifiedArtifact { run: run.clone(), name: artifact, path, digests })
        }
        other => {
            let place = format!("{name} of {task}");
            other.content(&place)?;
            Err(Finding::new(Reason::MissingArtifact).at(place).into())
        }
    });
    match step {
        Ok(artifact) => Ok(Some(artifact)),
        // what is beyond the limits is refused whoever could do without it: it may be the sum that is
        Err(Stop::Broken(finding)) if optional && finding.reason != Reason::Limit => Ok(None),
        Err(Stop::Broken(finding)) if finding.reason == Reason::NotAttested => {
            let listed = listing(examination, &run)?;
            let detail = if listed.iter().any(|other| other == name) {
                "the task has it, but its worker did not attest it"
            } else {
                "the task did not produce it"
            };
            Err(of_task(finding.because(detail), task).into())
        }
        Err(stop) => Err(stop),
    }
}

/// The names of a run's artifacts: only asked for to explain.
fn listing(examination: &Examination<'_>, run: &RunKey) -> Step<Vec<String>> {
    let Answer::Present(names) = examination.pass.ask(&Need::Listing { run: run.clone() })? else {
        return Ok(Vec::new());
    };
    let names = serde_json::from_slice::<Value>(names).unwrap_or_default();
    let texts = names.as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(texts.map(str::to_owned).collect())
}

fn artifact_name(name: &str) -> Result<ArtifactName, Finding> {
    ArtifactName::parse(name).map_err(|error| Finding::new(Reason::Path).because(error))
}

fn of_task(finding: Finding, task: &TaskId) -> Finding {
    match finding.place.clone() {
        Some(place) => finding.at(format!("{place} of {task}")),
        None => finding.at(task),
    }
}

fn lists_sha512(digests: &ArtifactDigests) -> bool {
    digests.iter().any(|digest| digest.algorithm() == HashAlgorithm::Sha512)
}

/// Every digest that is listed is the one of the bytes.
fn same(digests: &ArtifactDigests, found: &StoredArtifact, place: &str) -> Result<(), Finding> {
    for digest in digests.iter() {
        let has = match digest.algorithm() {
            HashAlgorithm::Sha256 => Some(Digest::Sha256(found.sha256)),
            HashAlgorithm::Sha512 => found.sha512.map(Digest::Sha512),
        };
        if has != Some(*digest) {
            let has = has.map_or_else(|| "none by this algorithm".to_owned(), |digest| digest.to_string());
            return Err(Finding::new(Reason::Hash).at(place).expected(digest).found(has));
        }
    }
    Ok(())
}
