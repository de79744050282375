//! The verdict as a document: `public/logs/chain_of_trust.json`, and what texts and pictures are made from.

use super::Case;
use super::examination::Examined;
use crate::cot::examine::{Outcome, Outcomes};
use crate::cot::finding::{Finding, LinkName, Rule};
use crate::cot::policy::PolicyId;
use crate::cot::role::RuleSet;
use crate::ids::{RunId, TaskId};
use crate::time::UnixMillis;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that was decided. Texts may hold anything that a task says: whoever prints them escapes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether every rule holds.
    pub verified: bool,
    /// The task.
    pub task_id: TaskId,
    /// When it was judged.
    pub judged: UnixMillis,
    /// By whose rules.
    pub rules: RuleSet,
    /// By which policy.
    pub policy: PolicyId,
    /// Whether the task asks for restricted scopes.
    pub privileged: bool,
    /// The links, the subject first.
    pub links: Vec<LinkReport>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkReport {
    /// Which.
    #[serde(flatten)]
    pub name: LinkName,
    /// The run that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Which worker implementation ran it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub implementation: Option<&'static str>,
    /// Who signed its attestation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// What it rests on.
    pub rests_on: Vec<TaskId>,
    /// What each rule came to.
    pub rules: Vec<RuleReport>,
}

/// One rule on one link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum RuleReport {
    /// It holds.
    Passed {
        /// Which.
        rule: Rule,
        /// Worth knowing.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// It is broken.
    Failed {
        /// Which.
        rule: Rule,
        /// How.
        #[serde(flatten)]
        finding: Finding,
    },
    /// It rests on something that is broken.
    NotJudged {
        /// Which.
        rule: Rule,
    },
}

impl Report {
    pub(super) fn new(case: &Case<'_>, examined: &Examined, mut outcomes: Outcomes) -> Self {
        let mut links = Vec::new();
        let reports = |of_link: BTreeMap<Rule, Outcome>| {
            of_link.into_iter().map(|(rule, outcome)| RuleReport::new(rule, outcome)).collect::<Vec<_>>()
        };
        for link in examined.chain.links() {
            let facts = examined.facts.get(&link.name.task_id);
            let signed = facts.and_then(|facts| facts.body.as_ref().ok());
            links.push(LinkReport {
                name: link.name.clone(),
                run_id: facts.and_then(|facts| Some(facts.run.as_ref().ok()?.key.run_id)),
                implementation: facts.and_then(|facts| Some(facts.implementation.as_ref().ok()?.name())),
                signer: signed.and_then(|signed| Some(signed.signer.as_ref()?.name.clone())),
                rests_on: link.rests_on.clone(),
                rules: outcomes.remove(&link.name).map(reports).unwrap_or_default(),
            });
        }
        // a chain that cannot be has links that were only named
        for (name, rules) in outcomes {
            let (run_id, implementation, signer, rules) = (None, None, None, reports(rules));
            links.push(LinkReport { name, run_id, implementation, signer, rests_on: Vec::new(), rules });
        }
        let verified = !links.is_empty() && links.iter().all(LinkReport::holds);
        Self {
            verified,
            task_id: case.subject.id.clone(),
            judged: case.now,
            rules: case.policy.rules,
            policy: case.policy.id.clone(),
            privileged: examined.privileged,
            links,
        }
    }

    /// Whether every rule holds on every link.
    pub fn holds(&self) -> bool {
        self.verified
    }

    /// What is broken, in the order of the chain.
    pub fn findings(&self) -> impl Iterator<Item = (&LinkName, Rule, &Finding)> {
        self.links.iter().flat_map(|link| {
            link.rules.iter().filter_map(move |report| match report {
                RuleReport::Failed { rule, finding } => Some((&link.name, *rule, finding)),
                RuleReport::Passed { .. } | RuleReport::NotJudged { .. } => None,
            })
        })
    }

    /// What holds, but is worth knowing.
    pub fn notes(&self) -> impl Iterator<Item = (&LinkName, Rule, &str)> {
        self.links.iter().flat_map(|link| {
            link.rules.iter().filter_map(move |report| match report {
                RuleReport::Passed { rule, note: Some(note) } => Some((&link.name, *rule, note.as_str())),
                RuleReport::Passed { note: None, .. }
                | RuleReport::Failed { .. }
                | RuleReport::NotJudged { .. } => None,
            })
        })
    }
}

impl LinkReport {
    /// A link that no rule was asked about proves nothing.
    fn holds(&self) -> bool {
        !self.rules.is_empty() && self.rules.iter().all(|rule| matches!(rule, RuleReport::Passed { .. }))
    }
}

impl RuleReport {
    fn new(rule: Rule, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Passed { rule, note: None },
            Outcome::Noted(note) => Self::Passed { rule, note: Some(note) },
            Outcome::Broken(finding) => Self::Failed { rule, finding: *finding },
            Outcome::Void => Self::NotJudged { rule },
        }
    }
}
