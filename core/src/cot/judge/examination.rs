//! One pass of all rules over all links.

use super::artifacts::{attested_document, upstream};
use super::facts::{Facts, Witness};
use super::{Case, VerifiedArtifact};
use crate::cot::chain::{self, Chain, ChainRules, Link};
use crate::cot::examine::{Pass, Step, Stop};
use crate::cot::finding::{Finding, LinkName, Rule};
use crate::cot::implementation::Implementation;
use crate::cot::need::Need;
use crate::cot::reason::Reason;
use crate::cot::role::{Role, RuleSet};
use crate::cot::rules::attestation::SignedBody;
use crate::cot::rules::graph::{Parent, TaskGraph};
use crate::cot::rules::image::ImageRules;
use crate::cot::rules::scopes::{self, Asked};
use crate::cot::rules::source::{self, Places};
use crate::cot::rules::tree::{self, Parents};
use crate::cot::rules::{command, features, image, interactive, landed, pools};
use crate::ids::TaskId;
use crate::json::DocumentKind;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The greatest difference between this machine's clock and the queue's.
const MOST_CLOCK_DIFFERENCE_MS: u64 = 60 * 60 * 1000;

/// What a pass leaves, beside needs and outcomes.
#[derive(Default)]
pub(super) struct Examined {
    pub(super) chain: Chain,
    pub(super) facts: BTreeMap<TaskId, Facts>,
    pub(super) privileged: bool,
    pub(super) artifacts: Vec<VerifiedArtifact>,
}

pub(super) struct Examination<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) pass: &'a Pass<'a>,
    pub(super) chain: Chain,
    pub(super) facts: BTreeMap<TaskId, Facts>,
    graphs: RefCell<BTreeMap<TaskId, Step<Arc<TaskGraph>>>>,
    asked: Asked<'a>,
}

impl<'a> Examination<'a> {
    pub(super) fn new(case: &'a Case<'a>, pass: &'a Pass<'a>) -> Self {
        let is_parent =
            case.policy.task_types.get(&case.subject.task_type).is_some_and(|role| role.is_parent());
        let asked = scopes::asked(case.product, &case.policy.switches, &case.subject.task, is_parent);
        Self {
            case,
            pass,
            chain: Chain::default(),
            facts: BTreeMap::new(),
            graphs: RefCell::default(),
            asked,
        }
    }

    /// Everything that can be decided now.
    pub(super) fn run(mut self) -> Examined {
        let subject =
            LinkName { name: self.case.subject.task_type.clone(), task_id: self.case.subject.id.clone() };
        if !self.pass.record(&subject, Rule::Chain, self.premises()) {
            return self.examined(Vec::new());
        }
        self.read_ahead();
        let rules = ChainRules {
            rule_set: self.case.policy.rules,
            roles: &self.case.policy.task_types,
            limits: self.case.limits,
        };
        let (chain, complete) = match chain::grow(self.pass, &rules, self.case.subject) {
            Ok(grown) => grown,
            Err((link, finding)) => {
                self.pass.record(&link, Rule::Chain, Err(finding.into()));
                return self.examined(Vec::new());
            }
        };
        self.chain = chain;
        self.look_at_each();
        for link in self.chain.links() {
            self.worker_rules(link);
            self.parent_rules(link);
        }
        // where the tasks come from is a matter of the whole chain
        if !complete {
            self.pass.record(&subject, Rule::Chain, Err(Stop::Waiting));
            return self.examined(Vec::new());
        }
        self.whole_chain();
        let artifacts = upstream(&self);
        self.examined(artifacts)
    }

    /// Reads the definitions that are there: a growing chain would read one after the other.
    fn read_ahead(&self) {
        let evidence = self.pass.evidence();
        let task = |need: &'a Need| if let Need::Task { task } = need { Some(task) } else { None };
        let tasks: Vec<_> = evidence.iter().filter_map(|(need, _)| task(need)).collect();
        self.case.spread.each(tasks.len(), &|number| {
            // what is wrong with one is told where it is a link
            let _ = tasks.get(number).map(|task| chain::definition(&Pass::new(evidence), task));
        });
    }

    /// Collects what is known of each link alone; that is most of the work, and may be spread.
    fn look_at_each(&mut self) {
        let (case, links) = (self.case, self.chain.links());
        let witness = Witness::new(case, self.pass.evidence());
        let found: Vec<OnceLock<_>> = links.iter().map(|_| OnceLock::new()).collect();
        case.spread.each(links.len(), &|number| {
            if let (Some(link), Some(place)) = (links.get(number), found.get(number)) {
                place.get_or_init(|| witness.look_at(link));
            }
        });
        for (link, place) in links.iter().zip(found) {
            // nothing is left out, whoever spreads the work
            let (facts, rest) = place.into_inner().unwrap_or_else(|| witness.look_at(link));
            self.pass.absorb(rest);
            self.facts.insert(link.name.task_id.clone(), facts);
        }
    }

    fn is_attested(&self, link: &Link) -> bool {
        Witness::new(self.case, self.pass.evidence()).is_attested(link)
    }

    fn examined(self, artifacts: Vec<VerifiedArtifact>) -> Examined {
        let privileged = self.asked.privileged();
        Examined { chain: self.chain, facts: self.facts, privileged, artifacts }
    }

    /// What has to be so before anything else is looked at.
    fn premises(&self) -> Step<Option<String>> {
        let case = self.case;
        if let Some(queue) = case.queue_now
            && case.now.since(queue).unsigned_abs() > MOST_CLOCK_DIFFERENCE_MS
        {
            return Err(Finding::new(Reason::Clock).expected(queue).found(case.now).into());
        }
        if !case.keys.check && self.asked.privileged() {
            let finding = Finding::new(Reason::Policy).at("verify_cot_signature");
            return Err(finding
                .because("restricted scopes are asked for, and signatures are not checked")
                .into());
        }
        Ok(None)
    }

    /// What a link's worker and payload have to be like.
    fn worker_rules(&self, link: &Link) {
        let (case, privileged) = (self.case, self.asked.privileged());
        let Some(facts) = self.facts.get(&link.name.task_id) else { return };
        self.pass.record(
            &link.name,
            Rule::Interactive,
            interactive::check(&link.task).map(|()| None).map_err(Stop::from),
        );
        let features = facts.implementation.clone().and_then(|implementation| {
            Ok(features::check(case.policy, implementation, &link.task_type, &link.task, privileged)?)
        });
        self.pass.record(&link.name, Rule::Features, features.map(|()| None));
        if link.role == Role::DockerImage {
            let step = pools::image(case.product, &link.task)
                .and_then(|()| command::image(case.product, &link.task))
                .map(|()| None);
            self.pass.record(&link.name, Rule::ImageTask, step.map_err(Stop::from));
        }
        if self.is_attested(link) && matches!(facts.implementation, Ok(Implementation::DockerWorker)) {
            let attestations = |task: &TaskId| self.body(task).map(|signed| signed.body);
            let step = facts.body.clone().and_then(|signed| {
                let d2g = case.policy.d2g_pools.iter().any(|pool| pool.matches(link.task.pool()));
                let claimed = signed.signer.as_ref().is_some_and(|signer| signer.is_generic_worker) && !d2g;
                let rules =
                    ImageRules { rule_set: case.policy.rules, product: case.product, privileged, claimed };
                image::check(&rules, &link.task_type, &link.task, &signed.body, &attestations)
            });
            self.pass.record(&link.name, Rule::Image, step.map(|()| None));
        }
    }

    /// What a parent has to be like, and whether the others are in its graph.
    fn parent_rules(&self, link: &Link) {
        let case = self.case;
        if !link.role.is_parent() {
            let step = self.in_graph(link).map(|()| None);
            self.pass.record(&link.name, Rule::Graph, step);
            return;
        }
        let pool = pools::parent(case.product, &link.task, self.asked.privileged()).map(|()| None);
        if !self.pass.record(&link.name, Rule::ParentPool, pool.map_err(Stop::from)) {
            return;
        }
        match case.policy.rules {
            RuleSet::Classic => {
                let step = command::decision(case.product, &link.task).map(|()| None);
                self.pass.record(&link.name, Rule::Command, step.map_err(Stop::from));
            }
            RuleSet::Current => {
                let step = self.vouched(link).and_then(|()| self.rebuilt(link));
                self.pass.record(&link.name, Rule::Tree, step);
            }
        }
    }

    /// Nothing is asked for on behalf of a link before its own attestation holds, if it has to have one.
    fn vouched(&self, link: &Link) -> Step<()> {
        if self.is_attested(link) {
            self.body(&link.name.task_id)?;
        }
        Ok(())
    }

    /// The parent task, made again from its tree.
    fn rebuilt(&self, link: &Link) -> Step<Option<String>> {
        let Some(decision) = self.chain.link(link.task.group()) else {
            let finding = Finding::new(Reason::Orphan).at("taskGroupId").found(link.task.group());
            return Err(finding.because("the decision task that it goes back to is not in the chain").into());
        };
        if decision.role != Role::Decision {
            let finding = Finding::new(Reason::Orphan).at("taskGroupId").expected("a decision task");
            return Err(finding
                .found(format!("{}, of type {}", decision.name.task_id, decision.task_type))
                .into());
        }
        self.vouched(decision)?;
        let parents = Parents { parent: link, decision, product: self.case.product };
        let documents = |of: &Link, name: &str, kind: DocumentKind| {
            Ok(attested_document(self, &of.name.task_id, name, kind)?.1)
        };
        let window = self.case.policy.switches.created_window_hours;
        tree::check(self.pass, self.case.renderer, &documents, &parents, window)
    }

    /// Every task that is no parent is in the graph of exactly one: its parent's, which is a link itself.
    fn in_graph(&self, link: &Link) -> Step<()> {
        let parent = self.chain.link(&link.parent).filter(|parent| parent.name.task_id != link.name.task_id);
        let Some(parent) = parent else {
            // it may still be on its way
            if link.parent != link.name.task_id {
                let known = chain::definition(self.pass, &link.parent);
                known?;
            }
            return Err(Finding::new(Reason::Orphan).at("its parent").found(&link.parent).into());
        };
        if !parent.role.is_parent() {
            let finding =
                Finding::new(Reason::Orphan).at("its parent").expected("a decision task or an action");
            return Err(finding.found(format!("{}, of type {}", link.parent, parent.task_type)).into());
        }
        let graph = self.graph(&parent.name.task_id)?;
        let parent = Parent { id: &parent.name.task_id, group: parent.task.group() };
        Ok(graph.check(self.case.policy.rules, &link.name.task_id, &link.task, parent)?)
    }

    /// The task graph of a parent, read once.
    fn graph(&self, parent: &TaskId) -> Step<Arc<TaskGraph>> {
        if let Some(known) = self.graphs.borrow().get(parent) {
            return known.clone();
        }
        let document = attested_document(self, parent, "public/task-graph.json", DocumentKind::TaskGraph);
        let graph = document.and_then(|(need, bytes)| {
            let read = self.pass.parsed(&need, |_| TaskGraph::read(bytes).map(Arc::new))?;
            Ok((*read).clone()?)
        });
        self.graphs.borrow_mut().insert(parent.clone(), graph.clone());
        graph
    }

    /// What a link attested, once that is known to be its own and signed.
    pub(super) fn body(&self, task: &TaskId) -> Step<SignedBody> {
        self.facts.get(task).map_or(Err(Stop::Void), |facts| facts.body.clone())
    }

    fn whole_chain(&self) {
        let (case, links) = (self.case, self.chain.links());
        let mut places = Places::default();
        let mut known = Vec::new();
        for link in links {
            match source::place(case.policy, case.product, &link.task) {
                Ok(place) => {
                    places.add(link, place);
                    known.push(link);
                }
                Err(finding) => {
                    self.pass.record(&link.name, Rule::Source, Err(finding.into()));
                }
            }
        }
        places.map_mirrors(case.product, &self.chain);
        let privileged = self.asked.privileged();
        for link in known {
            let step = places
                .same_tree(&self.chain, link)
                .and_then(|()| if privileged { places.trusted(link) } else { Ok(()) });
            self.pass.record(&link.name, Rule::Source, step.map(|()| None).map_err(Stop::from));
        }
        let Some(subject) = links.first() else { return };
        for link in links {
            let is_subject = link.name.task_id == subject.name.task_id;
            let given = if is_subject { self.given(&places, subject) } else { Ok(None) };
            let step = given.and_then(|note| {
                if privileged {
                    landed::check(self.pass, case.policy, case.product, &link.task)?;
                }
                Ok(note)
            });
            self.pass.record(&link.name, Rule::Scopes, step);
        }
        if case.policy.rules == RuleSet::Classic && !links.iter().any(|link| link.role == Role::Decision) {
            let finding = Finding::new(Reason::Orphan).expected("at least one decision task in the chain");
            self.pass.record(&subject.name, Rule::Chain, Err(finding.into()));
        }
    }

    /// The restricted scopes of the subject, by its tree and branch.
    fn given(&self, places: &Places, subject: &Link) -> Step<Option<String>> {
        let tree = places.of(subject).and_then(|place| place.as_ref().ok()).map(String::as_str);
        let decision = self.chain.link(subject.task.group()).unwrap_or(subject);
        let branch = decision.task.source_env(&self.case.product.env_prefix).branch();
        Ok(self.asked.given_by(self.case.product, &self.case.policy.switches, tree, branch)?)
    }
}
