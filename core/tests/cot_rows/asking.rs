//! What is asked of source trees, and what an answer that cannot be read comes to.

use super::judging::{Court, Outcome};
use super::occasions::ACTION;
use super::release::{BUILD, DECISION, IMAGE, SIGNING};
use super::world::{World, key};
use scriptworker_core::cot::evidence::{Answer, Evidence};
use scriptworker_core::cot::need::{GitHubObject, Need};
use scriptworker_core::cot::reason::Reason;
use serde_json::json;
use std::collections::BTreeSet;

/// The verdict, and everything that was asked for it.
fn judged(world: &World) -> (Outcome, BTreeSet<Need>) {
    let court = Court::of_world(world);
    let mut evidence = Evidence::new();
    let subject = Need::Task { task: court.subject.0.clone() };
    evidence.add(subject.clone(), world.answer(&subject)).unwrap();
    let mut asked = BTreeSet::new();
    let answer = |need: &Need| Some(world.answer(need));
    let evidence = court.gather(evidence, answer, |_, needs| asked.extend(needs.iter().cloned()));
    (court.judge(&evidence), asked)
}

fn is_template(need: &Need) -> bool {
    matches!(need, Need::TreeFile { .. })
}

fn is_branches(need: &Need) -> bool {
    matches!(need, Need::GitHub { what: GitHubObject::BranchCommits { .. }, .. })
}

#[test]
fn the_tree_of_an_action_is_asked_for_once_both_attestations_hold() {
    let world = World::action();
    assert!(judged(&world).1.iter().any(is_template));
    for refused in [[DECISION].as_slice(), &[DECISION, ACTION]] {
        let mut world = World::action();
        for task in refused {
            world.signers.insert(task, key(9));
        }
        assert!(!judged(&world).1.iter().any(is_template), "{refused:?}");
    }
}

#[test]
fn row_107_a_page_of_branches_that_is_not_read_proves_nothing() {
    let page = judged(&World::github_push()).1.into_iter().find(is_branches).unwrap();
    for (answer, reason) in [
        (Answer::TooLarge { limit: 5 }, Reason::Limit),
        (Answer::Forbidden { problem: "a place".to_owned() }, Reason::Url),
        (Answer::Absent, Reason::NotLanded),
    ] {
        let mut world = World::github_push();
        world.answers.insert(page.clone(), answer);
        let (outcome, _) = judged(&world);
        let mut found = outcome.findings(&super::world::id(SIGNING));
        found.sort();
        let mut tasks: Vec<_> = found.iter().map(|found| found.task_id.as_str()).collect();
        tasks.dedup();
        let mut all = [SIGNING, DECISION, BUILD, IMAGE];
        all.sort_unstable();
        assert_eq!(tasks, all, "{reason}");
        assert!(found.iter().all(|found| found.reason == reason.code()), "{reason}: {found:?}");
    }
}

#[test]
fn row_129_a_branch_is_noted_as_what_the_decision_task_says() {
    let said = "is what the decision task says";
    let noted = |world: &World| judged(world).0.notes().iter().filter(|note| note.contains(said)).count();
    let mut world = World::github_push();
    assert_eq!(noted(&world), 0);
    let path = "/mozilla-releng/scriptworker-scripts";
    let trees = json!({
        "scriptworker-scripts-repo": [{"path": path, "branches": ["main"]}], "all-production-repos": [path],
    });
    world.config.insert("cot_restricted_trees".to_owned(), trees);
    assert_eq!(noted(&world), 1);
}
