//! Rows 82 to 87, 89, 137 to 140: the graph that the tasks of a chain are in.

use super::shape::{OTHER, SHAPES, other_decision};
use crate::folders::{Attack, Benign, Plan};
use crate::release::{BUILD, DECISION, IMAGE, SIGNING};
use crate::world::World;
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};

const RELEASE: &str = "release_current_pass";

pub(super) fn add(plan: &mut Plan) {
    plan.attacks(RELEASE, World::release, MEMBERS);
    plan.attacks(RELEASE, World::release, SHAPES);
    plan.attacks("release_classic_pass", World::classic, CLASSIC);
    plan.benign(World::release, BENIGN);
    plan.benign(World::classic, CLASSIC_BENIGN);
    plan.attacks("row_140_relative_dates_pass", relative_dates, DATES);
    plan.attacks("row_137_made_again_pass", made_again, AGAIN);
}

fn in_payload(world: &mut World, name: &str, value: Value) {
    world.change_run(BUILD, |task| task["payload"][name] = value);
}

const MEMBERS: &[Attack] = &[
    (
        82,
        "not_in_graph",
        "The signing task is in nobody's graph.",
        |world| world.change_graph(DECISION, |graph| drop(graph.as_object_mut().unwrap().remove(SIGNING))),
        &[(SIGNING, Reason::NotInGraph)],
    ),
    (
        82,
        "same_under_another_id",
        "The graph has a signing task just like this one, under another id.",
        |world| {
            world.change_graph(DECISION, |graph| {
                let entry = graph.as_object_mut().unwrap().remove(SIGNING).unwrap();
                graph["OtherSigQ0WAAAAAAAAAAA"] = entry;
            });
        },
        &[(SIGNING, Reason::NotInGraph)],
    ),
    (
        83,
        "scopes",
        "The signing task has another scope than the graph gives it.",
        |world| {
            world.change_run(SIGNING, |task| task["scopes"] = json!(["project:releng:balrog:server:nightly"]))
        },
        &[(SIGNING, Reason::GraphMismatch)],
    ),
    (
        83,
        "environment",
        "The build has another variable than the graph gives it.",
        |world| {
            in_payload(
                world,
                "env",
                json!({
                    "GECKO_HEAD_REPOSITORY": crate::release::REPOSITORY, "GECKO_HEAD_REV": crate::release::REVISION, "X": "y",
                }),
            )
        },
        &[(BUILD, Reason::GraphMismatch)],
    ),
    (
        83,
        "command",
        "The build has a command that the graph does not give it.",
        |world| in_payload(world, "command", json!(["more"])),
        &[(BUILD, Reason::GraphMismatch)],
    ),
    (
        83,
        "image_task_payload",
        "The image task has another image than the graph gives it.",
        |world| world.change_run(IMAGE, |task| task["payload"]["image"] = json!("builder:2")),
        &[(IMAGE, Reason::GraphMismatch)],
    ),
    (
        83,
        "extra",
        "The build says more of itself than the graph does.",
        |world| world.change_run(BUILD, |task| task["extra"]["more"] = json!(true)),
        &[(BUILD, Reason::GraphMismatch)],
    ),
    (
        84,
        "scopes_where_none_are",
        "The build has scopes; in the graph it has no such member.",
        |world| {
            world.change_graph(DECISION, |graph| {
                drop(graph[BUILD]["task"].as_object_mut().unwrap().remove("scopes"));
            });
            world.change_run(BUILD, |task| task["scopes"] = json!(["queue:get-artifact:x"]));
        },
        &[(BUILD, Reason::GraphMismatch)],
    ),
    (
        84,
        "requires",
        "The build starts whatever became of its dependencies; the graph says nothing of that.",
        |world| world.change_run(BUILD, |task| task["requires"] = json!("all-resolved")),
        &[(BUILD, Reason::GraphMismatch)],
    ),
    (
        84,
        "routes",
        "The build writes an index route that the graph does not have.",
        |world| world.change_run(BUILD, |task| task["routes"] = json!(["index.gecko.x"])),
        &[(BUILD, Reason::GraphMismatch)],
    ),
    (
        84,
        "retries",
        "The build is tried again more often than the graph says.",
        |world| world.change_run(BUILD, |task| task["retries"] = json!(9)),
        &[(BUILD, Reason::GraphMismatch)],
    ),
    (
        85,
        "pool",
        "The build ran in another pool; the graph has only the newer spelling.",
        |world| {
            world.change_graph(DECISION, |graph| {
                let task = graph[BUILD]["task"].as_object_mut().unwrap();
                task.remove("provisionerId");
                task.remove("workerType");
                task.insert("taskQueueId".to_owned(), json!("gecko-3/b-linux"));
            });
            world.change_run(BUILD, |task| {
                task["workerType"] = json!("b-linux-2");
                task["taskQueueId"] = json!("gecko-3/b-linux-2");
            });
        },
        &[(BUILD, Reason::GraphMismatch)],
    ),
    (
        86,
        "dependency",
        "The build depends on a task that the graph does not name for it.",
        |world| world.change_run(BUILD, |task| task["dependencies"] = json!([IMAGE, SIGNING])),
        &[(BUILD, Reason::Dependencies)],
    ),
    (
        89,
        "parent_of_another_tree",
        "The signing task names a decision task of another tree as its parent.",
        |world| {
            other_decision(world);
            world.change_run(SIGNING, |task| task["extra"]["parent"] = json!(OTHER));
        },
        &[(SIGNING, Reason::NotInGraph)],
    ),
];

const CLASSIC: &[Attack] = &[
    (
        82,
        "like_none_of_the_graph",
        "The signing task is not in the graph, and like none of its tasks.",
        |world| {
            world.change_graph(DECISION, |graph| {
                let entry = graph.as_object_mut().unwrap().remove(SIGNING).unwrap();
                graph["OtherSigQ0WAAAAAAAAAAA"] = entry;
                graph["OtherSigQ0WAAAAAAAAAAA"]["task"]["payload"]["maxRunTime"] = json!(601);
            });
        },
        &[(SIGNING, Reason::NotInGraph)],
    ),
    (
        83,
        "environment_classic",
        "The build has another variable than the graph gives it.",
        |world| world.change_run(BUILD, |task| task["payload"]["env"]["X"] = json!("y")),
        &[(BUILD, Reason::GraphMismatch)],
    ),
];

const CLASSIC_BENIGN: &[Benign] = &[(
    137,
    "made_again_classic",
    "The signing task was made again, with an id and dates of its own: the graph has one just like it.",
    |world| {
        world.change_graph(DECISION, |graph| {
            let entry = graph.as_object_mut().unwrap().remove(SIGNING).unwrap();
            graph["OtherSigQ0WAAAAAAAAAAA"] = entry;
            graph["OtherSigQ0WAAAAAAAAAAA"]["task"]["created"] = json!("2026-11-25T20:09:00.000Z");
        });
    },
    None,
)];

/// A task that was made again later, of which the graph has the first form.
fn made_again() -> World {
    let mut world = World::release();
    make_again(&mut world);
    world
}

fn make_again(world: &mut World) {
    world.change_run(BUILD, |task| {
        task["created"] = json!("2026-11-25T20:40:00.000Z");
        task["deadline"] = json!("2026-11-26T20:40:00.000Z");
        task["expires"] = json!("2027-11-25T20:40:00.000Z");
        task["dependencies"] = json!([IMAGE]);
    });
}

const AGAIN: &[Attack] = &[(
    87,
    "made_again_with_more",
    "The build was made again, with a dependency that the graph does not have.",
    |world| world.change_run(BUILD, |task| task["dependencies"] = json!([IMAGE, SIGNING])),
    &[(BUILD, Reason::Dependencies)],
)];

/// The graph has dates that are resolved when a task is made.
fn relative_dates() -> World {
    let mut world = World::release();
    date_relatively(&mut world);
    world
}

fn date_relatively(world: &mut World) {
    world.change_graph(DECISION, |graph| {
        graph[BUILD]["task"]["payload"]["artifacts"] =
            json!({"public": {"expires": {"relative-datestamp": "7 days"}}});
    });
    world.change_run(BUILD, |task| {
        task["payload"]["artifacts"] = json!({"public": {"expires": "2026-12-02T20:10:00.000Z"}});
    });
}

const DATES: &[Attack] = &[(
    140,
    "another_date",
    "A date of the build is another one than the graph's comes to.",
    |world| {
        world.change_run(BUILD, |task| {
            task["payload"]["artifacts"]["public"]["expires"] = json!("2026-12-03T20:10:00.000Z");
        });
    },
    &[(BUILD, Reason::GraphMismatch)],
)];

const BENIGN: &[Benign] = &[
    (
        87,
        "fewer_dependencies",
        "The build depends on fewer tasks than the graph says, and on its decision task.",
        |world| world.change_run(BUILD, |task| task["dependencies"] = json!([DECISION])),
        None,
    ),
    (137, "made_again", "The build was made again, later and with fewer dependencies.", make_again, None),
    (
        138,
        "another_priority",
        "The priority of build and signing task was changed since.",
        |world| {
            for name in [BUILD, SIGNING] {
                world.tasks.get_mut(name).unwrap()["priority"] = json!("highest");
            }
        },
        None,
    ),
    (
        139,
        "two_spellings_of_a_pool",
        "The graph has the newer spelling of pools, and a project.",
        |world| {
            world.change_graph(DECISION, |graph| {
                for name in [IMAGE, BUILD, SIGNING] {
                    let task = graph[name]["task"].as_object_mut().unwrap();
                    let names = ["provisionerId", "workerType"].map(|key| task.remove(key).unwrap());
                    let [provisioner, worker] = names.map(|name| name.as_str().unwrap().to_owned());
                    task.insert("taskQueueId".to_owned(), json!(format!("{provisioner}/{worker}")));
                    task.insert("projectId".to_owned(), json!("none"));
                }
            });
        },
        None,
    ),
    (
        140,
        "relative_dates",
        "The graph has dates that were resolved when the build was made.",
        date_relatively,
        None,
    ),
];
