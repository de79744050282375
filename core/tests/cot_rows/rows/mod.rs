//! The rows of the list of attacks, each a small change to an honest world.

mod actions;
mod artifacts;
mod clear_signed;
mod documents;
mod github;
mod graph;
mod identity;
mod parents;
mod paths;
mod payloads;
mod shape;
mod signatures;
mod source;

use super::folders::Plan;
use super::world::World;

/// Every folder.
pub(crate) fn plan() -> Plan {
    let mut plan = Plan::default();
    plan.world("release_current_pass", "A release from a push to a Mercurial tree.", &World::release());
    plan.world(
        "release_classic_pass",
        "The same, clear-signed, by the rules of ten years ago.",
        &World::classic(),
    );
    signatures::add(&mut plan);
    clear_signed::add(&mut plan);
    documents::add(&mut plan);
    identity::add(&mut plan);
    artifacts::add(&mut plan);
    graph::add(&mut plan);
    parents::add(&mut plan);
    payloads::add(&mut plan);
    source::add(&mut plan);
    github::add(&mut plan);
    plan
}
