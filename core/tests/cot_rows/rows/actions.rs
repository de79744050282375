//! Rows 102 to 104: actions.

use super::parents::bomb;
use crate::folders::{Attack, Benign};
use crate::occasions::{ACTION, actions};
use crate::release::{BUILD, DECISION, SIGNING};
use crate::world::{ACTIONS, PARAMETERS, World, document, key};
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};

fn action(world: &mut World, change: impl FnOnce(&mut Value)) {
    world.change_run(ACTION, change);
}

pub(super) const ACTION_TASKS: &[Attack] = &[
    (
        102,
        "third_group",
        "The action says that it acts on a third group.",
        |world| action(world, |task| task["payload"]["env"]["ACTION_TASK_GROUP_ID"] = json!(BUILD)),
        &[(ACTION, Reason::ActionGroup)],
    ),
    (
        103,
        "not_offered",
        "The action is none that the decision task offers.",
        |world| action(world, |task| task["payload"]["env"]["ACTION_CALLBACK"] = json!("evil")),
        &[(ACTION, Reason::Action)],
    ),
    (
        103,
        "no_hook",
        "The decision task offers the action as a plain task.",
        |world| {
            let mut offered = actions();
            offered["actions"][0]["kind"] = json!("task");
            world.make(DECISION, ACTIONS, offered.to_string());
        },
        &[(ACTION, Reason::Action)],
    ),
    (
        103,
        "of_another_permission",
        "The decision task offers the action with another permission than the one that the action has.",
        |world| {
            let mut offered = actions();
            offered["actions"][0]["extra"] = json!({"actionPerm": "staging"});
            world.make(DECISION, ACTIONS, offered.to_string());
        },
        &[(ACTION, Reason::TreeMismatch)],
    ),
    (
        104,
        "replaced_actions",
        "The decision task's actions are other ones than were attested.",
        |world| {
            world.damage(&document(DECISION, ACTIONS), |bytes| {
                Some(String::from_utf8(bytes).unwrap().replacen("Release", "Relaxed", 1).into_bytes())
            });
        },
        &[(ACTION, Reason::Hash)],
    ),
    (
        104,
        "replaced_parameters",
        "The decision task's parameters are other ones than were attested.",
        |world| world.damage(&document(DECISION, PARAMETERS), |_| Some(b"level: '1'\n".to_vec())),
        &[(ACTION, Reason::Hash)],
    ),
    (
        104,
        "parameters_without_end",
        "The decision task's parameters have aliases that grow without end.",
        |world| world.make(DECISION, PARAMETERS, bomb()),
        &[(ACTION, Reason::Yaml)],
    ),
    (
        104,
        "parameters_with_a_tag",
        "The decision task's parameters have a tag that would make an object of another language.",
        |world| world.make(DECISION, PARAMETERS, "level: !!python/object/apply:os.system ['x']\n"),
        &[(ACTION, Reason::Yaml)],
    ),
    (
        104,
        "parameter_twice",
        "The decision task's parameters have a key twice.",
        |world| world.make(DECISION, PARAMETERS, "level: '3'\nlevel: '1'\n"),
        &[(ACTION, Reason::Yaml)],
    ),
    (
        88,
        "graph_of_the_decision_task",
        "The signing task says that an action made it; it is in the decision task's graph only.",
        |world| {
            let entry = crate::world::graph_entry(SIGNING, &world.tasks[SIGNING]);
            world.change_graph(ACTION, |graph| *graph = json!({}));
            world.change_graph(DECISION, |graph| graph[SIGNING] = entry);
        },
        &[(SIGNING, Reason::NotInGraph)],
    ),
    (
        88,
        "action_in_the_group_of_a_build",
        "The action says that a build is the decision task of its group.",
        |world| {
            action(world, |task| {
                task["taskGroupId"] = json!(BUILD);
                task["extra"]["parent"] = json!(DECISION);
            });
        },
        &[(ACTION, Reason::Orphan)],
    ),
    (
        4,
        "action_by_another_class",
        "The action's attestation is signed with a scriptworker's key.",
        |world| drop(world.signers.insert(ACTION, key(3))),
        &[(ACTION, Reason::WrongKeyClass)],
    ),
];

pub(super) const ACTION_BENIGN: &[Benign] = &[(
    102,
    "own_group",
    "The action says that it acts on its own group.",
    |world| action(world, |task| task["payload"]["env"]["ACTION_TASK_GROUP_ID"] = json!(ACTION)),
    None,
)];
