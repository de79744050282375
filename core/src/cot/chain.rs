//! The chain: the task that is to be verified, and every task that it rests on (chain-of-trust.md 4).
//!
//! It grows level by level from the definitions that are known; those that are missing become needs. What is known of
//! it already can be looked at meanwhile.

mod cycle;
#[cfg(test)]
mod tests;

use super::examine::{Pass, Stop};
use super::finding::{Finding, LinkName};
use super::need::Need;
use super::reason::Reason;
use super::role::{Role, RuleSet};
use super::task::Definition;
use crate::ids::TaskId;
use std::collections::{BTreeMap, VecDeque};

/// The task that is to be verified.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its id.
    pub id: TaskId,
    /// Its type: what the worker is for, such as `signing`.
    pub task_type: String,
    /// Its definition, as it was claimed.
    pub task: Definition,
}

/// How far a chain may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLimits {
    /// The most steps from the subject to a link (`max_chain_length`).
    pub hops: usize,
    /// The most links.
    pub links: usize,
    /// The most tasks that one task may rest on.
    pub inputs: usize,
}

/// What tells how a chain grows.
pub struct ChainRules<'a> {
    /// The generation.
    pub rule_set: RuleSet,
    /// The known types of tasks.
    pub roles: &'a BTreeMap<String, Role>,
    /// The limits.
    pub limits: ChainLimits,
}

/// One task of a chain.
#[derive(Debug, Clone)]
pub struct Link {
    /// The path of types that leads to it, and its id.
    pub name: LinkName,
    /// The last type of that path.
    pub task_type: String,
    /// What it is in the chain.
    pub role: Role,
    /// Its definition.
    pub task: Definition,
    /// The task in whose graph it is; its own id when it is nobody's.
    pub parent: TaskId,
    /// What it rests on, its parent first.
    pub rests_on: Vec<TaskId>,
}

/// The links, the subject first.
#[derive(Debug, Default)]
pub struct Chain {
    links: Vec<Link>,
    index: BTreeMap<TaskId, usize>,
}

/// A chain that cannot be, and the link where that shows.
pub(super) type Broken = (LinkName, Finding);

impl Chain {
    /// All of it, the subject first.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// A link by its task.
    pub fn link(&self, task: &TaskId) -> Option<&Link> {
        self.links.get(*self.index.get(task)?)
    }

    fn add(&mut self, link: Link) {
        self.index.insert(link.name.task_id.clone(), self.links.len());
        self.links.push(link);
    }
}

/// A task that another one names, before its definition is known.
struct Named {
    path: String,
    task_type: String,
    task: TaskId,
}

/// Lets the chain grow as far as definitions are known. True with it: nothing is missing.
pub(super) fn grow(
    pass: &Pass<'_>,
    rules: &ChainRules<'_>,
    subject: &Subject,
) -> Result<(Chain, bool), Broken> {
    let mut chain = Chain::default();
    let mut complete = true;
    // the type under which each task was named first: a later, different one is a contradiction
    let mut named: BTreeMap<TaskId, String> = BTreeMap::new();
    let mut queue = VecDeque::from([Named {
        path: subject.task_type.clone(),
        task_type: subject.task_type.clone(),
        task: subject.id.clone(),
    }]);
    named.insert(subject.id.clone(), subject.task_type.clone());
    while let Some(next) = queue.pop_front() {
        let task = if next.task == subject.id {
            subject.task.clone()
        } else {
            match definition(pass, &next.task) {
                Ok(task) => task,
                Err(Stop::Broken(finding)) => return Err((name_of(&next), *finding)),
                Err(Stop::Waiting | Stop::Void) => {
                    complete = false;
                    continue;
                }
            }
        };
        let broken = |finding: Finding| (name_of(&next), finding);
        let link = link(rules, &next, task).map_err(broken)?;
        let dependencies = rests_on(rules, &link).map_err(broken)?;
        for dependency in &dependencies {
            if dependency.task == next.task {
                continue;
            }
            match named.get(&dependency.task) {
                Some(first) if *first == dependency.task_type || is_same_parent(first, dependency) => {}
                Some(first) => {
                    let finding = Finding::new(Reason::TypeConflict);
                    return Err((name_of(dependency), finding.expected(first).found(&dependency.task_type)));
                }
                None => {
                    named.insert(dependency.task.clone(), dependency.task_type.clone());
                    queue.push_back(Named {
                        path: dependency.path.clone(),
                        task_type: dependency.task_type.clone(),
                        task: dependency.task.clone(),
                    });
                }
            }
        }
        if named.len() > rules.limits.links {
            let finding =
                Finding::new(Reason::Limit).expected(format!("at most {} links", rules.limits.links));
            return Err(broken(finding));
        }
        let rests_on = dependencies.into_iter().map(|dependency| dependency.task).collect();
        chain.add(Link { rests_on, ..link });
    }
    match cycle::find(&chain) {
        Some(broken) => Err(broken),
        None => Ok((chain, complete)),
    }
}

/// The type of a subject that is a parent, and `parent`, which is what others call it.
fn is_same_parent(first: &str, dependency: &Named) -> bool {
    let parents = ["parent", "decision", "action"];
    parents.contains(&first) && parents.contains(&dependency.task_type.as_str())
}

fn name_of(named: &Named) -> LinkName {
    LinkName { name: named.path.clone(), task_id: named.task.clone() }
}

/// The definition of a task, as the queue has it.
pub(super) fn definition(pass: &Pass<'_>, task: &TaskId) -> Result<Definition, Stop> {
    let need = Need::Task { task: task.clone() };
    let parsed = pass.parsed(&need, |answer| match answer.content("the definition")? {
        Some(bytes) => Definition::parse(bytes),
        None => Err(Finding::new(Reason::MissingTask)),
    })?;
    (*parsed).clone().map_err(Stop::from)
}

/// The link without what it rests on.
fn link(rules: &ChainRules<'_>, named: &Named, task: Definition) -> Result<Link, Finding> {
    let task_type = match named.task_type.as_str() {
        "parent" if task.is_action() => "action",
        "parent" => "decision",
        other => other,
    };
    let Some(role) = rules.roles.get(task_type).copied() else {
        let known: Vec<_> = rules.roles.keys().map(String::as_str).collect();
        let finding = Finding::new(Reason::TaskType);
        return Err(finding.expected(format!("one of {}", known.join(", "))).found(format!("{task_type:?}")));
    };
    let hops = named.path.matches(':').count();
    if hops > rules.limits.hops {
        let finding = Finding::new(Reason::Limit);
        return Err(finding.expected(format!("at most {} steps", rules.limits.hops)).found(hops));
    }
    let parent = match rules.rule_set {
        RuleSet::Classic => task.group().clone(),
        RuleSet::Current => task.parent()?,
    };
    Ok(Link {
        name: name_of(named),
        task_type: task_type.to_owned(),
        role,
        task,
        parent,
        rests_on: Vec::new(),
    })
}

/// What a link rests on: its parent, then the others sorted by name. One task under one type only.
fn rests_on(rules: &ChainRules<'_>, link: &Link) -> Result<Vec<Named>, Finding> {
    let named = |task_type: &str, task: &TaskId| Named {
        path: format!("{}:{task_type}", link.name.name),
        task_type: task_type.to_owned(),
        task: task.clone(),
    };
    let mut others: Vec<Named> =
        link.task.inputs()?.iter().map(|input| named(&input.task_type, &input.task)).collect();
    others.extend(link.task.upstream()?.iter().map(|entry| named(&entry.task_type, &entry.task)));
    others.sort_by_cached_key(|other| format!("{}_{}", other.path, other.task));
    others.dedup_by(|a, b| a.path == b.path && a.task == b.task);
    if others.len() > rules.limits.inputs {
        let finding = Finding::new(Reason::Limit).found(others.len());
        return Err(finding.expected(format!("a task that rests on at most {} others", rules.limits.inputs)));
    }
    if let Some(own) = others.iter().find(|other| other.task == link.name.task_id) {
        return Err(Finding::new(Reason::Cycle).at(&own.path).found("the task itself"));
    }
    let parent = match rules.rule_set {
        RuleSet::Current => Some(named("parent", &link.parent)),
        RuleSet::Classic if link.role == Role::Decision || link.parent == link.name.task_id => None,
        RuleSet::Classic => Some(named("decision", &link.parent)),
    };
    Ok(parent.into_iter().chain(others).collect())
}
