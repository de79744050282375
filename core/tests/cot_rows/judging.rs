//! Judges worlds and folders by the policy that is built in, with what a case changes of it.

use super::case::{Case, Found, Verdict, policy_document};
use super::release;
use super::world::{Generation, World, id};
use scriptworker_core::cot::chain::{ChainLimits, Subject};
use scriptworker_core::cot::evidence::{Answer, Evidence};
use scriptworker_core::cot::finding::Finding;
use scriptworker_core::cot::judge::{self, InTurn, Judgement, judge, needs};
use scriptworker_core::cot::keys::{Implementation, Keys};
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::policy::Policy;
use scriptworker_core::cot::task::Definition;
use scriptworker_core::cot::template::InProcess;
use scriptworker_core::ids::TaskId;
use scriptworker_core::openpgp::Keyring;
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The limits of the worker itself.
pub(crate) const LIMITS: ChainLimits = ChainLimits { hops: 20, links: 1000, inputs: 100 };

/// How something is judged, beside the evidence.
pub(crate) struct Court {
    pub(crate) policy: Policy,
    pub(crate) product: String,
    pub(crate) keyrings: BTreeMap<Implementation, Keyring>,
    pub(crate) check: bool,
    pub(crate) subject: (TaskId, String),
    pub(crate) attested: bool,
    pub(crate) limits: ChainLimits,
    pub(crate) now: UnixMillis,
    pub(crate) queue_now: Option<UnixMillis>,
}

/// What the shared configuration of a generation replaces.
pub(crate) fn shared_config(generation: Generation) -> Map<String, Value> {
    match generation {
        Generation::Current => Map::from_iter([("ed25519_public_keys".to_owned(), release::keys())]),
        Generation::Classic => Map::new(),
    }
}

fn policy(
    generation: Generation,
    product: &str,
    changes: &BTreeMap<String, Value>,
    config: &Map<String, Value>,
) -> Policy {
    let document = policy_document(generation.name(), changes);
    let mut overrides = shared_config(generation);
    overrides.extend(config.clone());
    overrides.remove("max_chain_length");
    Policy::from_value(document).unwrap().overridden(&overrides, Some(product)).unwrap()
}

fn limits(config: &Map<String, Value>) -> ChainLimits {
    let hops = config.get("max_chain_length").and_then(Value::as_u64);
    ChainLimits { hops: hops.map_or(LIMITS.hops, |hops| usize::try_from(hops).unwrap()), ..LIMITS }
}

impl Court {
    pub(crate) fn of_world(world: &World) -> Self {
        let changes = world.policy.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect();
        Self {
            policy: policy(world.generation, world.product, &changes, &world.config),
            product: world.product.to_owned(),
            keyrings: release::keyrings(world.generation),
            check: world.check_signatures,
            subject: (id(world.subject.0), world.subject.1.to_owned()),
            attested: world.attested,
            limits: limits(&world.config),
            now: world.now,
            queue_now: world.queue_now,
        }
    }

    pub(crate) fn of_case(case: &Case) -> Self {
        let expected = &case.expected;
        let generation = match expected.generation.as_str() {
            "classic" => Generation::Classic,
            _ => Generation::Current,
        };
        Self {
            policy: policy(generation, &expected.product, &expected.policy, &expected.config),
            product: expected.product.clone(),
            keyrings: release::keyrings(generation),
            check: expected.verify_signatures,
            subject: (expected.task_id.clone(), expected.task_type.clone()),
            attested: expected.attested,
            limits: limits(&expected.config),
            now: expected.now,
            queue_now: expected.queue_now,
        }
    }

    fn with<T>(&self, task: Definition, judge: impl FnOnce(&judge::Case<'_>) -> T) -> T {
        let (id, task_type) = self.subject.clone();
        let subject = Subject { id, task_type, task };
        let keys = Keys { openpgp: &self.keyrings, ed25519: &self.policy.keys, check: self.check };
        judge(&judge::Case {
            subject: &subject,
            attested: self.attested,
            policy: &self.policy,
            product: self.policy.product(&self.product).unwrap(),
            keys: &keys,
            renderer: &InProcess,
            spread: &InTurn,
            limits: self.limits,
            now: self.now,
            queue_now: self.queue_now,
        })
    }

    /// The verdict on what is known.
    pub(crate) fn judge(&self, evidence: &Evidence) -> Outcome {
        match self.subject_of(evidence) {
            Ok(Some(task)) => Outcome::Chain(self.with(task, |case| judge(case, evidence))),
            Ok(None) => Outcome::Unknown,
            Err(finding) => Outcome::NoTask(finding),
        }
    }

    /// What is asked for, beside what is known.
    pub(crate) fn needs(&self, evidence: &Evidence) -> Vec<Need> {
        match self.subject_of(evidence) {
            Ok(Some(task)) => self.with(task, |case| needs(case, evidence)),
            Ok(None) | Err(_) => Vec::new(),
        }
    }

    fn subject_of(&self, evidence: &Evidence) -> Result<Option<Definition>, Finding> {
        match evidence.get(&Need::Task { task: self.subject.0.clone() }) {
            Some(Answer::Present(bytes)) => Definition::parse(bytes).map(Some),
            Some(Answer::Absent | Answer::Stored(_) | Answer::TooLarge { .. } | Answer::Forbidden { .. })
            | None => Ok(None),
        }
    }

    /// Gathers what is needed, level by level; every round's evidence and needs are shown first. Questions without an
    /// answer stay open.
    pub(crate) fn gather(
        &self,
        mut evidence: Evidence,
        answer: impl Fn(&Need) -> Option<Answer>,
        mut round: impl FnMut(&Evidence, &[Need]),
    ) -> Evidence {
        for _ in 0..60 {
            let wanted = self.needs(&evidence);
            round(&evidence, &wanted);
            let answers: Vec<_> =
                wanted.into_iter().filter_map(|need| answer(&need).map(|answer| (need, answer))).collect();
            if answers.is_empty() {
                return evidence;
            }
            for (need, answer) in answers {
                evidence.add(need, answer).unwrap();
            }
        }
        panic!("needs without end");
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Chain(Judgement),
    /// The task itself cannot be read.
    NoTask(Finding),
    /// The task itself is not known.
    Unknown,
}

impl Outcome {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Chain(Judgement::Verified(..)) => Verdict::Verified,
            Self::Chain(Judgement::Refused(_)) | Self::NoTask(_) => Verdict::Refused,
            Self::Chain(Judgement::Incomplete(_)) | Self::Unknown => Verdict::Unavailable,
        }
    }

    /// What is broken, in the order of the chain.
    pub(crate) fn findings(&self, subject: &TaskId) -> Vec<Found> {
        let found = |task: &TaskId, finding: &Finding| Found {
            reason: finding.reason.code().to_owned(),
            task_id: task.to_string(),
        };
        match self {
            Self::Chain(Judgement::Refused(report)) => {
                report.findings().map(|(link, _, finding)| found(&link.task_id, finding)).collect()
            }
            Self::NoTask(finding) => vec![found(subject, finding)],
            Self::Chain(Judgement::Verified(..) | Judgement::Incomplete(_)) | Self::Unknown => Vec::new(),
        }
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        match self {
            Self::Chain(Judgement::Verified(_, report)) => {
                report.notes().map(|(_, _, note)| note.to_owned()).collect()
            }
            Self::Chain(Judgement::Refused(_) | Judgement::Incomplete(_))
            | Self::NoTask(_)
            | Self::Unknown => Vec::new(),
        }
    }
}
