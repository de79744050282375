//! Recorded chains, and what a policy makes of them.

use super::PolicyVerbError;
use crate::cli::verify_cot::subject;
use crate::cot::budgets::Budgets;
use crate::cot::bundles::{self, ReadError};
use crate::cot::case::OwnedCase;
use crate::cot::renderer::Subprocess;
use scriptworker_core::cot::bundle::{BundleError, Recorded};
use scriptworker_core::cot::chain::Subject;
use scriptworker_core::cot::evidence::Evidence;
use scriptworker_core::cot::finding::{Finding, LinkName};
use scriptworker_core::cot::judge::{Judgement, Report};
use scriptworker_core::cot::keys::Implementation;
use scriptworker_core::cot::policy::Policy;
use scriptworker_core::openpgp::Keyring;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A policy and what belongs to it.
pub(super) struct Judge {
    pub(super) policy: Policy,
    pub(super) keyrings: BTreeMap<Implementation, Keyring>,
    pub(super) hops: usize,
}

/// What a policy makes of a recorded chain.
pub(super) enum Outcome {
    Verified,
    /// The first broken rule; where it is, if the chain could be built at all.
    Refused(Option<LinkName>, Box<Finding>),
    /// Nothing: for this reason.
    Undecidable(String),
}

/// Every regular file below a directory, sorted. Links are not followed.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>, PolicyVerbError> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(dir) = left.pop() {
        let failed = |source| PolicyVerbError::Directory { path: dir.clone(), source };
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                left.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What a file recorded: `None` when it is something else, and the reason when it cannot be used.
pub(super) fn read(file: &Path) -> Option<Result<(Recorded, Evidence), String>> {
    match bundles::read(file) {
        Err(ReadError::Bundle(BundleError::NoBundle)) => None,
        Err(ReadError::Bundle(error)) => Some(Err(error.to_string())),
        read => Some(read.map_err(|error| error.to_string())),
    }
}

impl Judge {
    /// Judges as at the time of the record.
    pub(super) fn judge(&self, recorded: &Recorded, evidence: &Evidence) -> Outcome {
        let Some(product) = self.policy.product(&recorded.product) else {
            return Outcome::Undecidable(format!("no product {:?} in the policy", recorded.product));
        };
        let task = match subject(evidence, &recorded.task_id) {
            Ok(task) => task,
            Err(finding) => return Outcome::Refused(None, Box::new(finding)),
        };
        let case = OwnedCase {
            subject: Subject { id: recorded.task_id.clone(), task_type: recorded.task_type.clone(), task },
            attested: recorded.attested,
            policy: self.policy.clone(),
            product: product.clone(),
            keyrings: self.keyrings.clone(),
            check_signatures: recorded.signatures_checked,
            renderer: Subprocess::default(),
            hops: self.hops,
            budgets: Budgets::default(),
            now: recorded.at,
            queue_now: recorded.queue_now,
        };
        match case.judge(evidence) {
            Err(trouble) => Outcome::Undecidable(format!("failed to {trouble}")),
            Ok(Judgement::Verified(..)) => Outcome::Verified,
            Ok(Judgement::Refused(report)) => refused(&report),
            Ok(Judgement::Incomplete(needs)) => {
                let needs: Vec<_> = needs.iter().map(ToString::to_string).collect();
                Outcome::Undecidable(format!("needs {}", needs.join(", ")))
            }
        }
    }
}

fn refused(report: &Report) -> Outcome {
    match report.findings().next() {
        Some((link, _, finding)) => Outcome::Refused(Some(link.clone()), Box::new(finding.clone())),
        None => Outcome::Undecidable("no rule was broken, and not all hold".to_owned()),
    }
}

impl Outcome {
    /// Whether the chain is accepted; `None`: nobody knows.
    pub(super) fn accepts(&self) -> Option<bool> {
        match self {
            Self::Verified => Some(true),
            Self::Refused(..) => Some(false),
            Self::Undecidable(_) => None,
        }
    }

    pub(super) fn as_json(&self) -> Value {
        match self {
            Self::Verified => json!({"verdict": "verified"}),
            Self::Refused(link, finding) => json!({"verdict": "refused", "link": link, "finding": finding}),
            Self::Undecidable(why) => json!({"verdict": "undecidable", "why": why}),
        }
    }
}

/// With the reason's code, and where.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => f.write_str("verified"),
            Self::Refused(Some(link), finding) => write!(f, "refused ({}, {link})", finding.reason.code()),
            Self::Refused(None, finding) => write!(f, "refused ({})", finding.reason.code()),
            Self::Undecidable(why) => f.write_str(why),
        }
    }
}
