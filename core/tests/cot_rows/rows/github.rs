//! Rows 107, 108, 122, 129, 142 and 143: source trees on GitHub.

use crate::folders::{Attack, Benign, Plan};
use crate::occasions::{GITHUB, GITHUB_SCOPE};
use crate::release::{BUILD, DECISION, IMAGE, REVISION, SIGNING};
use crate::world::World;
use scriptworker_core::cot::need::GitHubObject;
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};

pub(super) fn add(plan: &mut Plan) {
    plan.world("github_push_pass", "A release from a push to GitHub.", &World::github_push());
    plan.world("github_release_pass", "A release that was published on GitHub.", &World::github_release());
    plan.world(
        "pull_request_pass",
        "A task of a pull request that asks for nothing restricted.",
        &World::pull_request(),
    );
    plan.attacks("github_push_pass", World::github_push, PUSH);
    plan.attacks("github_release_pass", World::github_release, RELEASE);
    plan.attacks("pull_request_pass", World::pull_request, PULL);
    plan.benign(World::github_push, PUSH_BENIGN);
    plan.benign(World::pull_request, PULL_BENIGN);
    plan.attacks("row_129_branch_of_the_policy_pass", of_a_branch, BRANCH);
}

/// The answer of GitHub about something, changed.
fn tells(world: &mut World, is_it: fn(&GitHubObject) -> bool, change: impl Fn(&mut String)) {
    let mut found = 0;
    for (_, what, text) in &mut world.source.github {
        if is_it(what) {
            change(text);
            found += 1;
        }
    }
    assert_eq!(found, 1);
}

fn branches(what: &GitHubObject) -> bool {
    matches!(what, GitHubObject::BranchCommits { .. })
}

fn commit(what: &GitHubObject) -> bool {
    matches!(what, GitHubObject::Commit { .. })
}

fn pull(what: &GitHubObject) -> bool {
    matches!(what, GitHubObject::Pull { .. })
}

fn tags(what: &GitHubObject) -> bool {
    matches!(what, GitHubObject::Tags)
}

fn changed(text: &mut String, change: impl Fn(&mut Value)) {
    let mut value = serde_json::from_str(text).unwrap();
    change(&mut value);
    *text = value.to_string();
}

const EVERY_TASK: [&str; 4] = [SIGNING, DECISION, BUILD, IMAGE];

const fn of_all(reason: Reason) -> [(&'static str, Reason); 4] {
    [(EVERY_TASK[0], reason), (EVERY_TASK[1], reason), (EVERY_TASK[2], reason), (EVERY_TASK[3], reason)]
}

const NOT_LANDED: [(&str, Reason); 4] = of_all(Reason::NotLanded);
const NO_TAG: [(&str, Reason); 4] = of_all(Reason::Revision);

const PUSH: &[Attack] = &[
    (
        107,
        "on_no_branch",
        "GitHub knows the commit, and has it on no branch of the repository.",
        |world| tells(world, branches, |text| *text = " \n".to_owned()),
        &NOT_LANDED,
    ),
    (
        107,
        "unknown_commit",
        "GitHub does not know the commit.",
        |world| {
            world.source.github.retain(|(_, what, _)| !commit(what));
        },
        &[(DECISION, Reason::Revision)],
    ),
    (
        108,
        "owner_who_is_nobody",
        "The image task's source is in a fork.",
        |world| {
            world.change_task(IMAGE, |task| {
                task["metadata"]["source"] = json!(format!("{}/blob/{REVISION}/x", crate::occasions::FORK));
            });
        },
        &[(IMAGE, Reason::SourceMismatch), (IMAGE, Reason::UntrustedSource)],
    ),
    (
        122,
        "name_with_more_behind_git",
        "The signing task's source is in a repository whose name begins like a trusted one's and `git`.",
        |world| source(world, &format!("{GITHUB}-git-evil/blob/{REVISION}/x")),
        &EVIL_NAME,
    ),
    (
        122,
        "name_with_a_domain",
        "The signing task's source is in a repository whose name is a trusted one's and a domain that begins with `git`.",
        |world| source(world, &format!("{GITHUB}.github.io/blob/{REVISION}/x")),
        &EVIL_NAME,
    ),
    (
        132,
        "rate_limit",
        "GitHub limits the rate: it is not known whether the commit is on a branch.",
        |world| {
            let question = world.questions().into_iter().find(|need| {
                matches!(need, scriptworker_core::cot::need::Need::GitHub { what, .. } if branches(what))
            });
            world.silent.extend(question);
        },
        &[],
    ),
];

/// Not trusted, and of another tree than the others.
const EVIL_NAME: [(&str, Reason); 5] = [
    (SIGNING, Reason::Untrusted),
    (SIGNING, Reason::Scope),
    (DECISION, Reason::SourceMismatch),
    (BUILD, Reason::SourceMismatch),
    (IMAGE, Reason::SourceMismatch),
];

fn source(world: &mut World, address: &str) {
    world.change_task(SIGNING, |task| task["metadata"]["source"] = json!(address));
}

const RELEASE: &[Attack] = &[
    (
        106,
        "tag_twice",
        "Two tags of the repository have the release's name.",
        |world| {
            tells(world, tags, |text| changed(text, |list| list[1]["name"] = json!(crate::occasions::TAG)));
        },
        &NO_TAG,
    ),
    (
        106,
        "no_such_tag",
        "No tag of the repository has the release's name.",
        |world| tells(world, tags, |text| *text = "[]".to_owned()),
        &NO_TAG,
    ),
];

const PULL: &[Attack] = &[(
    108,
    "pull_request",
    "A task of a pull request from a fork asks for a restricted scope.",
    |world| world.change_task(SIGNING, |task| task["scopes"] = json!([GITHUB_SCOPE])),
    &[
        (DECISION, Reason::Level),
        (SIGNING, Reason::Untrusted),
        (DECISION, Reason::Untrusted),
        (BUILD, Reason::Untrusted),
        (IMAGE, Reason::Untrusted),
        (SIGNING, Reason::Scope),
        (DECISION, Reason::UntrustedSource),
        (BUILD, Reason::UntrustedSource),
        (IMAGE, Reason::UntrustedSource),
    ],
)];

fn committer(world: &mut World, path: &str, value: &Value) {
    tells(world, commit, |text| changed(text, |commit| *commit.pointer_mut(path).unwrap() = value.clone()));
}

/// The decision task of a push whose sender is known by this name.
fn sender(world: &mut World, login: &str) {
    world.change_task(DECISION, |task| task["metadata"]["description"] = json!(format!("For {login}")));
}

const PUSH_BENIGN: &[Benign] = &[
    (
        142,
        "committed_by_github",
        "GitHub itself committed: the author stands for whoever pushed.",
        |world| {
            committer(world, "/committer/login", &json!("web-flow"));
            sender(world, "writer");
        },
        None,
    ),
    (
        142,
        "no_committer",
        "GitHub knows no committer.",
        |world| {
            committer(world, "/committer", &json!(null));
            sender(world, "writer");
        },
        None,
    ),
    (
        142,
        "bot",
        "A bot committed.",
        |world| {
            committer(world, "/committer/login", &json!("releng-bot[bot]"));
            sender(world, "releng-bot[bot]");
        },
        None,
    ),
    (
        142,
        "another_address",
        "The author has another e-mail address than whoever pushed.",
        |world| committer(world, "/commit/author/email", &json!("second@example.com")),
        None,
    ),
    (
        129,
        "branch_of_the_policy",
        "The policy gives the scope to a branch, and the push is to it.",
        give_to_main,
        None,
    ),
];

const PULL_BENIGN: &[Benign] = &[
    (
        143,
        "base_moved",
        "The base of the pull request has moved since.",
        |world| tells(world, pull, |text| changed(text, |pull| pull["base"]["sha"] = json!("c".repeat(40)))),
        None,
    ),
    (
        143,
        "head_updated",
        "The pull request has been updated since.",
        |world| {
            tells(world, pull, |text| {
                changed(text, |pull| {
                    pull["head"]["sha"] = json!("d".repeat(40));
                    pull["head"]["updated_at"] = json!("2026-11-25T21:58:00Z");
                });
            });
        },
        None,
    ),
];

/// The scope is for pushes to one branch.
fn of_a_branch() -> World {
    let mut world = World::github_push();
    give_to_main(&mut world);
    world
}

fn give_to(world: &mut World, branch: &str) {
    let trees = json!([{"path": "/mozilla-releng/scriptworker-scripts", "branches": [branch]}]);
    world.policy.insert("/products/scriptworker/cot_restricted_trees/scriptworker-scripts-repo", trees);
}

fn give_to_main(world: &mut World) {
    give_to(world, "main");
}

const BRANCH: &[Attack] = &[(
    129,
    "another_branch",
    "The policy gives the scope to another branch than the one that was pushed to.",
    |world| give_to(world, "production"),
    &[(SIGNING, Reason::Scope)],
)];
