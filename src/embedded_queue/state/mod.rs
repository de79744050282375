//! The queue's state as plain data, and every rule that changes it. Nothing here knows HTTP, reads a clock or touches
//! a file: dates and identifiers arrive as arguments, so each rule is tested by itself.
//!
//! | module | rules |
//! |---|---|
//! | [`definition`] | what a task definition must look like, and what is filled in |
//! | [`task`] | creation, dependencies, cancellation, reruns, deadlines |
//! | [`run`] | one run as data |
//! | [`claim`] | who gets which task, renewals, reports, expired claims |
//! | [`artifact`] | artifacts and their idempotency, links, lists |
//! | [`object`] | the object service's uploads |
//! | [`worker`] | workers that were seen, and quarantine |
//! | [`refusal`] | why a call is refused |

pub(crate) mod artifact;
pub(crate) mod claim;
pub(crate) mod definition;
pub(crate) mod object;
pub(crate) mod refusal;
pub(crate) mod run;
pub(crate) mod task;
pub(crate) mod worker;

#[cfg(test)]
mod tests;

use scriptworker_core::ids::{RunKey, TaskId};
use std::collections::BTreeMap;

/// Everything that the queue knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The tasks by id.
    pub(crate) tasks: BTreeMap<TaskId, task::Task>,
    /// The artifacts by run and name (so that lists are sorted).
    pub(crate) artifacts: BTreeMap<(RunKey, String), artifact::Artifact>,
    /// The objects of the object service by name.
    pub(crate) objects: BTreeMap<String, object::Object>,
    /// What was uploaded, and what may be, by storage key.
    pub(crate) slots: BTreeMap<String, object::Slot>,
    /// The workers that were seen, or put under quarantine.
    pub(crate) workers: BTreeMap<worker::WorkerKey, worker::Worker>,
    /// Counts what becomes pending: among tasks of one priority the older one goes first.
    pub(crate) sequence: u64,
}
