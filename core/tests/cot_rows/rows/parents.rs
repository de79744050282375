//! Rows 97 to 107 and 131: parent tasks, and the tree that they come from.

use super::actions::{ACTION_BENIGN, ACTION_TASKS};
use crate::folders::{Attack, Benign, Plan};
use crate::release::{DECISION, IMAGE, REPOSITORY, REVISION};
use crate::world::World;
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};

const RELEASE: &str = "release_current_pass";

pub(super) fn add(plan: &mut Plan) {
    plan.world("action_pass", "The signing task was made by an action on the push.", &World::action());
    plan.world("cron_pass", "The decision task was started by a nightly job.", &World::cron());
    plan.attacks(RELEASE, World::release, POOLS);
    plan.attacks(RELEASE, World::release, TREE);
    plan.attacks(RELEASE, World::release, PUSHES);
    plan.attacks("release_classic_pass", World::classic, COMMANDS);
    plan.attacks("action_pass", World::action, ACTION_TASKS);
    plan.attacks("cron_pass", World::cron, CRON);
    plan.benign(World::release, BENIGN);
    plan.benign(World::action, ACTION_BENIGN);
}

fn decision(world: &mut World, change: impl FnOnce(&mut Value)) {
    world.change_run(DECISION, change);
}

fn decision_env(world: &mut World, name: &str, value: &str) {
    decision(world, |task| task["payload"]["env"][name] = json!(value));
}

const POOLS: &[Attack] = &[
    (
        97,
        "decision_in_a_build_pool",
        "The decision task ran in a pool for builds.",
        |world| {
            decision(world, |task| {
                task["workerType"] = json!("b-linux");
                task["taskQueueId"] = json!("gecko-3/b-linux");
            });
        },
        &[(DECISION, Reason::Pool)],
    ),
    (
        97,
        "image_in_a_build_pool",
        "The image task ran in a pool for builds.",
        |world| {
            world.change_task(IMAGE, |task| {
                task["workerType"] = json!("b-linux");
                task["taskQueueId"] = json!("gecko-3/b-linux");
            });
        },
        &[(IMAGE, Reason::Pool)],
    ),
    (
        98,
        "level_1",
        "The decision task ran in a pool of level 1, and a restricted scope is asked for.",
        |world| {
            decision(world, |task| {
                task["provisionerId"] = json!("gecko-1");
                task["taskQueueId"] = json!("gecko-1/decision");
            });
        },
        &[(DECISION, Reason::Level)],
    ),
    (
        99,
        "unheard_of_occasion",
        "The decision task was made for an occasion of which nobody has heard.",
        |world| decision(world, |task| task["extra"]["tasks_for"] = json!("evil")),
        &[(DECISION, Reason::TasksFor)],
    ),
    (
        99,
        "occasion_of_another_product",
        "The decision task was made for an occasion that the product does not have.",
        |world| decision(world, |task| task["extra"]["tasks_for"] = json!("github-release")),
        &[(DECISION, Reason::TasksFor), (DECISION, Reason::Revision)],
    ),
];

const MISMATCH: &[(&str, Reason)] = &[(DECISION, Reason::TreeMismatch)];

const TREE: &[Attack] = &[
    (
        100,
        "variable",
        "The decision task has a variable that the tree does not give it.",
        |world| decision_env(world, "EVIL", "1"),
        MISMATCH,
    ),
    (
        100,
        "command",
        "The decision task has a command that the tree does not give it.",
        |world| decision(world, |task| task["payload"]["command"] = json!(["more"])),
        MISMATCH,
    ),
    (
        100,
        "scopes",
        "The decision task has a scope more than the tree gives it.",
        |world| decision(world, |task| task["scopes"].as_array_mut().unwrap().push(json!("queue:x"))),
        MISMATCH,
    ),
    (
        100,
        "image",
        "The decision task has another image than the tree gives it.",
        |world| decision(world, |task| task["payload"]["image"] = json!("evil")),
        MISMATCH,
    ),
    (
        100,
        "another_template",
        "The tree has another template than the one that the decision task was made from.",
        |world| world.source.template = world.source.template.replacen("1800", "1801", 1),
        MISMATCH,
    ),
    (
        100,
        "no_template",
        "The tree has no template.",
        |world| {
            world.damage(&template(world), |_| None);
        },
        &[(DECISION, Reason::Template)],
    ),
    (
        101,
        "null_as_text",
        "The decision task has the text `null` where the tree has nothing.",
        |world| decision_env(world, "EVIL", "null"),
        MISMATCH,
    ),
    (
        104,
        "aliases_without_end",
        "The tree's template has aliases that grow without end.",
        |world| world.source.template = bomb(),
        &[(DECISION, Reason::Yaml)],
    ),
    (
        104,
        "key_twice_in_the_template",
        "The tree's template has a key twice.",
        |world| world.source.template.push_str("version: 1\n"),
        &[(DECISION, Reason::Yaml)],
    ),
    (
        105,
        "dates_that_do_not_fit",
        "The decision task lives longer than the tree gives it from its creation.",
        |world| decision(world, |task| task["deadline"] = json!("2026-11-28T20:00:00.000Z")),
        MISMATCH,
    ),
];

fn template(world: &World) -> scriptworker_core::cot::need::Need {
    let is_it = |need: &scriptworker_core::cot::need::Need| {
        matches!(need, scriptworker_core::cot::need::Need::TreeFile { .. })
    };
    world.questions().into_iter().find(is_it).unwrap()
}

/// Nine lists of nine of the list before.
pub(super) fn bomb() -> String {
    let first = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let line = |at: usize| {
        let nine = vec![format!("*a{at}"); 9].join(", ");
        format!("a{next}: &a{next} [{nine}]\n", next = at + 1)
    };
    (0..9).map(line).fold(first, |text, line| text + &line)
}

const PUSHES: &[Attack] = &[
    (
        106,
        "branch",
        "The decision task names a branch where a revision belongs.",
        |world| decision_env(world, "GECKO_HEAD_REV", "default"),
        &[(DECISION, Reason::Revision)],
    ),
    (
        106,
        "short_hash",
        "The decision task names a revision by the beginning of its hash.",
        |world| decision_env(world, "GECKO_HEAD_REV", &REVISION[..12]),
        &[(DECISION, Reason::Revision)],
    ),
    (
        106,
        "no_push",
        "The tree knows no push with the revision.",
        |world| world.source.pushlog = json!({"pushes": {}}),
        &[(DECISION, Reason::Revision)],
    ),
    (
        106,
        "two_pushes",
        "The tree tells of two pushes with the revision.",
        |world| {
            let push = world.source.pushlog["pushes"]["77"].clone();
            world.source.pushlog["pushes"]["78"] = push;
        },
        &[(DECISION, Reason::Revision)],
    ),
    (
        106,
        "push_of_another_revision",
        "The push that the tree tells of does not have the revision.",
        |world| world.source.pushlog["pushes"]["77"]["changesets"][0]["node"] = json!("1".repeat(40)),
        &[(DECISION, Reason::Revision)],
    ),
    (
        131,
        "unknown_project",
        "The list of projects does not have the tree.",
        |world| {
            world.source.projects = world.source.projects.replace(REPOSITORY, "https://hg.mozilla.org/other")
        },
        &[(DECISION, Reason::Project)],
    ),
    (
        131,
        "project_twice",
        "The list of projects has the tree twice, with two levels.",
        |world| {
            let line =
                world.source.projects.replace("mozilla-central:", "again:").replace("level_3", "level_1");
            world.source.projects.push_str(&line);
        },
        &[(DECISION, Reason::Project)],
    ),
    (
        131,
        "another_level",
        "The list of projects gives the tree another level than the one that the task has.",
        |world| world.source.projects = world.source.projects.replace("level_3", "level_1"),
        MISMATCH,
    ),
    (
        131,
        "another_user",
        "The tree tells of another user than the one that the decision task names.",
        |world| world.source.pushlog["pushes"]["77"]["user"] = json!("other@mozilla.com"),
        MISMATCH,
    ),
];

/// The decision task of the classic generation, with this for its shell.
fn shell(world: &mut World, text: &str) {
    decision(world, |task| task["payload"]["command"][5] = json!(text));
}

const COMMANDS: &[Attack] = &[
    (
        100,
        "classic_command",
        "The decision task runs something else.",
        |world| shell(world, "curl evil"),
        &[(DECISION, Reason::Command)],
    ),
    (
        100,
        "classic_command_with_more",
        "The decision task runs something else behind what it should.",
        |world| shell(world, "cd /x && ./mach taskgraph decision; curl evil"),
        &[(DECISION, Reason::Command)],
    ),
    (
        100,
        "classic_command_cut",
        "The decision task runs nothing that would make a graph.",
        |world| shell(world, "cd /x"),
        &[(DECISION, Reason::Command)],
    ),
];

const CRON: &[Attack] = &[(
    100,
    "another_job",
    "The decision task's job is no JSON.",
    |world| decision(world, |task| task["extra"]["cron"] = json!("nightly")),
    &[(DECISION, Reason::Schema)],
)];

const BENIGN: &[Benign] = &[
    (
        101,
        "holes",
        "The decision task has empty lists, empty maps and nothing where the tree has no member.",
        |world| {
            decision(world, |task| {
                task["payload"]["cache"] = json!({});
                task["payload"]["onExitStatus"] = json!([]);
                task["payload"]["supersederUrl"] = json!(null);
            });
        },
        None,
    ),
    (
        105,
        "long_after_the_push",
        "The decision task was made half a year after its push.",
        |world| world.source.pushlog["pushes"]["77"]["date"] = json!(1_780_000_000),
        Some("hours from its push"),
    ),
];
