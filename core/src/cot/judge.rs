//! The verdict: every rule on every link (design: needs, evidence, verdict).
//!
//! [`needs`] tells what is still missing; when nothing is, [`judge`] decides. Both make the same pass over the evidence:
//! a rule that lacks something leaves a need, a rule that is broken leaves a finding, and nothing that rests on a broken
//! rule is asked for. The same evidence gives the same verdict, whoever gathered it, in whatever order.

mod artifacts;
mod examination;
mod facts;
mod report;
#[cfg(test)]
mod tests;

pub use report::{LinkReport, Report, RuleReport};

use super::chain::{ChainLimits, Subject};
use super::evidence::Evidence;
use super::examine::Pass;
use super::keys::Keys;
use super::need::Need;
use super::policy::{Policy, Product};
use super::template::Renderer;
use crate::digest::ArtifactDigests;
use crate::ids::{ArtifactName, RunKey, TaskId};
use crate::time::UnixMillis;
use crate::upstream_path::UpstreamPath;
use examination::Examination;

/// What is to be judged, and by what.
pub struct Case<'a> {
    /// The task.
    pub subject: &'a Subject,
    /// Whether the task's own attestation is looked at, too: of a task that has run already.
    pub attested: bool,
    /// The policy.
    pub policy: &'a Policy,
    /// The tables of the product.
    pub product: &'a Product,
    /// Whose signatures count.
    pub keys: &'a Keys<'a>,
    /// What renders templates.
    pub renderer: &'a dyn Renderer,
    /// How the work on many links is spread.
    pub spread: &'a dyn Spread,
    /// How far the chain may reach.
    pub limits: ChainLimits,
    /// The time of the judgement, by this machine.
    pub now: UnixMillis,
    /// The same by the queue, if it told.
    pub queue_now: Option<UnixMillis>,
}

/// Does pieces of work that do not depend on one another: a judgement of many links has many.
pub trait Spread {
    /// Does `work` for each number below `count`, in any order and on any thread, and returns when all of it is done.
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync));
}

/// One after the other.
#[derive(Debug, Clone, Copy)]
pub struct InTurn;

impl Spread for InTurn {
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(work);
    }
}

/// What became of a case.
#[derive(Debug)]
pub enum Judgement {
    /// Every rule holds on every link.
    Verified(VerifiedTask, Report),
    /// At least one rule is broken.
    Refused(Report),
    /// Not decided: this has to be known first.
    Incomplete(Vec<Need>),
}

/// A task whose whole chain is proven. Nothing but [`judge`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTask {
    task: TaskId,
    artifacts: Vec<VerifiedArtifact>,
}

/// An upstream artifact that the task may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedArtifact {
    /// The run that made it.
    pub run: RunKey,
    /// Its name.
    pub name: ArtifactName,
    /// Where it belongs below the directory of its task.
    pub path: UpstreamPath,
    /// What was attested of it.
    pub digests: ArtifactDigests,
}

impl VerifiedTask {
    /// The task.
    pub fn task(&self) -> &TaskId {
        &self.task
    }

    /// What it may be given, and nothing else.
    pub fn artifacts(&self) -> &[VerifiedArtifact] {
        &self.artifacts
    }
}

/// What has to be known before the case can be judged; nothing more when this is empty.
pub fn needs(case: &Case<'_>, evidence: &Evidence) -> Vec<Need> {
    let pass = Pass::new(evidence);
    Examination::new(case, &pass).run();
    let (wanted, _) = pass.finish();
    wanted.into_iter().collect()
}

/// Judges, if everything is known.
pub fn judge(case: &Case<'_>, evidence: &Evidence) -> Judgement {
    let pass = Pass::new(evidence);
    let examined = Examination::new(case, &pass).run();
    let (wanted, outcomes) = pass.finish();
    if !wanted.is_empty() {
        return Judgement::Incomplete(wanted.into_iter().collect());
    }
    let report = Report::new(case, &examined, outcomes);
    if report.holds() {
        let task = VerifiedTask { task: case.subject.id.clone(), artifacts: examined.artifacts };
        Judgement::Verified(task, report)
    } else {
        Judgement::Refused(report)
    }
}
