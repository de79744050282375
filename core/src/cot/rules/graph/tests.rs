use super::*;

const OWN: &str = "Ypg6xKhKRU-pnkwylNQrMw";
const PARENT: &str = "Zpg6xKhKRU-pnkwylNQrMw";
const OTHER: &str = "Apg6xKhKRU-pnkwylNQrMw";

fn id(text: &str) -> TaskId {
    TaskId::parse(text).unwrap()
}

/// A task as a graph has it.
fn entry() -> Value {
    json!({
        "created": "2026-01-01T00:00:00.000Z", "deadline": "2026-01-02T00:00:00.000Z",
        "provisionerId": "gecko-3", "workerType": "b-linux", "schedulerId": "gecko-level-3", "taskGroupId": PARENT,
        "dependencies": [OTHER], "scopes": ["a:b"], "payload": {
            "env": {"A": "1"}, "maxRunTime": 3600, "command": ["x"],
            "artifacts": {"public/a": {"type": "file", "expires": "2027-01-01T00:00:00.000Z"}},
        },
        "extra": {}, "metadata": {"name": "n"}, "tags": {},
    })
}

fn check_in(rule_set: RuleSet, id_in_graph: &str, entry: Value, task: Value) -> Result<(), Reason> {
    let graph = json!({ id_in_graph: {"task": entry, "label": "build"} }).to_string().into_bytes();
    let graph = TaskGraph::read(graph.into()).unwrap();
    let task = Definition::from_value(task).unwrap();
    let parent = Parent { id: &id(PARENT), group: &id(PARENT) };
    graph.check(rule_set, &id(OWN), &task, parent).map_err(|finding| finding.reason)
}

fn check(entry: Value, task: Value) -> [Result<(), Reason>; 2] {
    [RuleSet::Current, RuleSet::Classic].map(|rules| check_in(rules, OWN, entry.clone(), task.clone()))
}

fn with(mut value: Value, path: &str, new: Value) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    match new {
        Value::Null => {
            value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
        }
        new => value.pointer_mut(parent).unwrap()[key] = new,
    }
    value
}

#[test]
fn a_task_as_its_graph_has_it_passes() {
    assert_eq!(check(entry(), entry()), [Ok(()), Ok(())]);
}

#[test]
fn row_082_only_the_classic_rules_know_a_task_by_its_looks() {
    assert_eq!(check_in(RuleSet::Current, OTHER, entry(), entry()), Err(Reason::NotInGraph));
    assert_eq!(check_in(RuleSet::Classic, OTHER, entry(), entry()), Ok(()));
    let changed = with(entry(), "/payload/command", json!(["evil"]));
    assert_eq!(check_in(RuleSet::Classic, OTHER, entry(), changed), Err(Reason::NotInGraph));
}

#[test]
fn row_083_any_other_difference_is_one() {
    for (path, value) in [
        ("/scopes", json!(["a:b", "c"])),
        ("/scopes", Value::Null),
        ("/payload/env/A", json!("2")),
        ("/payload/env/B", json!("2")),
        ("/payload/maxRunTime", json!(3601)),
        ("/payload/command", json!(["x", "y"])),
        ("/payload/artifacts/public~1a/type", json!("directory")),
        ("/extra", json!({"parent": OTHER})),
        ("/metadata/name", json!("m")),
        ("/taskGroupId", json!(OTHER)),
    ] {
        let expected = Err(Reason::GraphMismatch);
        assert_eq!(
            check(entry(), with(entry(), path, value.clone())),
            [expected, expected],
            "{path} {value}"
        );
    }
}

#[test]
fn row_084_what_the_graph_lacks_must_not_be_there_unless_it_means_nothing() {
    for (key, evil, default) in [
        ("/scopes", json!(["evil"]), json!([])),
        ("/requires", json!("all-resolved"), json!("all-completed")),
        ("/retries", json!(49), json!(5)),
        ("/routes", json!(["index.evil"]), json!([])),
        ("/tags", json!({"a": "b"}), json!({})),
        ("/extra", json!({"a": 1}), json!({})),
        ("/somethingNew", json!(1), Value::Null),
    ] {
        let bare = with(entry(), key, Value::Null);
        let expected = Err(Reason::GraphMismatch);
        assert_eq!(check(bare.clone(), with(entry(), key, evil)), [expected, expected], "{key}");
        assert_eq!(check(bare, with(entry(), key, default)), [Ok(()), Ok(())], "{key}");
    }
}

#[test]
fn row_085_and_row_139_a_pool_is_compared_however_it_is_spelled() {
    let spelled = with(with(entry(), "/provisionerId", Value::Null), "/workerType", Value::Null);
    let joined = with(spelled.clone(), "/taskQueueId", json!("gecko-3/b-linux"));
    assert_eq!(check(joined.clone(), entry()), [Ok(()), Ok(())]);
    assert_eq!(check(entry(), joined.clone()), [Ok(()), Ok(())]);
    let moved = with(entry(), "/workerType", json!("b-evil"));
    let expected = Err(Reason::GraphMismatch);
    assert_eq!(check(joined, moved.clone()), [expected, expected]);
    assert_eq!(check(entry(), moved), [expected, expected]);
    assert_eq!(check(spelled, entry()), [expected, expected]);
    assert_eq!(check(entry(), with(entry(), "/projectId", json!("none"))), [Ok(()), Ok(())]);
}

#[test]
fn row_086_and_row_087_fewer_dependencies_are_fine_and_others_are_not() {
    for good in [json!([]), json!([OTHER]), json!([PARENT]), json!([PARENT, OTHER])] {
        assert_eq!(check(entry(), with(entry(), "/dependencies", good.clone())), [Ok(()), Ok(())], "{good}");
    }
    for evil in [json!([OTHER, OWN]), json!([OWN])] {
        let expected = Err(Reason::Dependencies);
        assert_eq!(
            check(entry(), with(entry(), "/dependencies", evil.clone())),
            [expected, expected],
            "{evil}"
        );
    }
}

/// An action's graph: its parent is not the decision task of the group.
#[test]
fn a_parent_and_its_group_are_known_in_the_graph_of_either() {
    const GROUP: &str = "Bpg6xKhKRU-pnkwylNQrMw";
    let check = |dependency: &str, in_graph: Value, group: &str| {
        let entry = with(entry(), "/taskGroupId", in_graph);
        let task =
            with(with(entry.clone(), "/taskGroupId", json!(group)), "/dependencies", json!([dependency]));
        let graph = json!({OWN: {"task": entry}}).to_string().into_bytes();
        let parent = Parent { id: &id(PARENT), group: &id(GROUP) };
        let task = Definition::from_value(task).unwrap();
        let graph = TaskGraph::read(graph.into()).unwrap();
        graph.check(RuleSet::Current, &id(OWN), &task, parent).map_err(|finding| finding.reason)
    };
    for (dependency, in_graph, group, expected) in [
        (OTHER, json!(GROUP), GROUP, Ok(())),
        (PARENT, json!(GROUP), GROUP, Ok(())),
        (GROUP, json!(GROUP), GROUP, Ok(())),
        (OWN, json!(GROUP), GROUP, Err(Reason::Dependencies)),
        (OTHER, json!(PARENT), GROUP, Err(Reason::GraphMismatch)),
        (OTHER, json!(null), GROUP, Ok(())),
        (OTHER, json!(null), PARENT, Ok(())),
        (OTHER, json!(null), OTHER, Err(Reason::GraphMismatch)),
    ] {
        assert_eq!(check(dependency, in_graph.clone(), group), expected, "{dependency}, {in_graph}, {group}");
    }
}

#[test]
fn row_137_and_row_138_dates_and_priority_may_differ() {
    let mut again = entry();
    for key in ["/created", "/deadline", "/expires"] {
        again = with(again, key, json!("2026-05-05T00:00:00.000Z"));
    }
    again = with(again, "/priority", json!("highest"));
    assert_eq!(check(entry(), again), [Ok(()), Ok(())]);
    // only the classic rules pass over how long an artifact is kept: the current ones compute it
    let kept = with(entry(), "/payload/artifacts/public~1a/expires", json!("2028-01-01T00:00:00.000Z"));
    assert_eq!(check(entry(), kept), [Err(Reason::GraphMismatch), Ok(())]);
}

#[test]
fn row_140_a_relative_date_in_the_graph_is_resolved() {
    let relative =
        with(entry(), "/payload/artifacts/public~1a/expires", json!({"relative-datestamp": "1 day"}));
    let task = with(entry(), "/payload/artifacts/public~1a/expires", json!("2026-01-02T00:00:00.000Z"));
    assert_eq!(check_in(RuleSet::Current, OWN, relative.clone(), task), Ok(()));
    assert_eq!(check_in(RuleSet::Current, OWN, relative, entry()), Err(Reason::GraphMismatch));
}

#[test]
fn row_096_a_graph_with_a_task_twice_is_refused() {
    let text = format!("{{\"{OWN}\": {{}}, \"{OWN}\": {{}}}}");
    assert_eq!(TaskGraph::read(text.into_bytes().into()).unwrap_err().reason, Reason::DuplicateKey);
    assert_eq!(TaskGraph::read(b"[]".to_vec().into()).unwrap_err().reason, Reason::Json);
}

#[test]
fn an_entry_without_a_definition_is_told() {
    assert_eq!(check_in(RuleSet::Current, OWN, json!("task"), entry()), Err(Reason::Schema));
}

#[test]
fn the_rule_alone_says_the_same() {
    let changed = with(entry(), "/payload/command", json!(["evil"]));
    for (task, expected) in [(entry(), Ok(())), (changed, Err(Reason::GraphMismatch))] {
        let graph = json!({OWN: {"task": entry()}}).to_string().into_bytes();
        let task = Definition::from_value(task).unwrap();
        let found = graph_has(graph.into(), RuleSet::Current, &id(OWN), &task, &id(PARENT));
        assert_eq!(found.map_err(|finding| finding.reason), expected);
    }
}
