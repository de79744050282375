//! What stays of a verdict: the artifacts of a verified task, the bundle, and the picture. The verdict does not depend on
//! any of it.

use super::{Error, Judged, Options, Verdict, say};
use crate::cot::bundles;
use crate::cot::staging::Staging;
use crate::fsio;
use scriptworker_core::cot::bundle::Recorded;
use scriptworker_core::cot::judge::{Judgement, Report};
use scriptworker_core::cot::picture::picture;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The artifacts, and the directory that was made for them.
pub(super) struct Staged {
    pub(super) root: PathBuf,
    pub(super) staging: Arc<Staging>,
}

impl Staged {
    /// Removes everything.
    pub(super) fn remove(&self) -> Result<(), Error> {
        self.staging.remove().map_err(|source| Error::File { path: self.root.clone(), source })
    }

    /// Leaves the artifacts of a verified task, and nothing else.
    fn settle(&self, options: &Options, verdict: &Verdict) -> Result<(), Error> {
        match &verdict.judgement {
            Judged::Chain(Judgement::Verified(task, _)) if !options.cleanup => {
                let failed = |source| Error::File { path: self.root.clone(), source };
                self.staging.hand_over(task).map_err(failed)?;
                say(&format!("artifacts: {}", self.root.join("cot").display()));
                Ok(())
            }
            Judged::Chain(Judgement::Verified(..) | Judgement::Refused(_) | Judgement::Incomplete(_))
            | Judged::NoTask(_) => self.remove(),
        }
    }
}

/// Keeps what is asked for, as far as it goes; what failed is returned.
pub(super) fn keep(options: &Options, verdict: &Verdict, staged: Option<Staged>) -> Vec<Error> {
    let drawn = options.graph.as_deref().map(|file| draw(file, verdict));
    let settled = staged.map(|staged| staged.settle(options, verdict));
    let written = options.bundle.as_deref().map(|file| write_bundle(file, verdict));
    [drawn, settled, written].into_iter().flatten().filter_map(Result::err).collect()
}

fn report(verdict: &Verdict) -> Option<&Report> {
    match &verdict.judgement {
        Judged::Chain(Judgement::Verified(_, report) | Judgement::Refused(report)) => Some(report),
        Judged::Chain(Judgement::Incomplete(_)) | Judged::NoTask(_) => None,
    }
}

/// Draws a verdict; of a task that cannot be read there is nothing to draw.
fn draw(file: &Path, verdict: &Verdict) -> Result<(), Error> {
    let Some(report) = report(verdict) else {
        say("note: no chain, no picture");
        return Ok(());
    };
    let failed = |source| Error::File { path: file.to_owned(), source };
    fsio::write_atomic(file, picture(report).as_bytes(), 0o644).map_err(failed)
}

fn write_bundle(file: &Path, verdict: &Verdict) -> Result<(), Error> {
    let case = &verdict.case;
    let recorded = Recorded {
        task_id: case.task_id.clone(),
        task_type: case.task_type.clone(),
        product: case.product.clone(),
        attested: case.attested,
        signatures_checked: case.check_signatures,
        at: case.now,
        queue_now: case.queue_now,
        by: crate::PROGRAM.to_owned(),
        policy: report(verdict).map(|report| report.policy.clone()),
    };
    let written = bundles::write(&recorded, &verdict.evidence);
    let bytes = written.map_err(|source| Error::Unwritable { path: file.to_owned(), source })?;
    fsio::write_atomic(file, &bytes, 0o644)
        .map_err(|source| Error::File { path: file.to_owned(), source })?;
    say(&format!("bundle: {} ({} bytes)", file.display(), bytes.len()));
    Ok(())
}
