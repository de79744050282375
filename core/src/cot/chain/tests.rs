use super::super::evidence::{Answer, Evidence};
use super::*;
use serde_json::{Value, json};

/// Task ids with a number in them, all of them slugids.
fn id(number: usize) -> TaskId {
    TaskId::parse(&format!("Task{number:04}Q0SAAAAAAAAAAA")).unwrap()
}

fn task(group: usize, inputs: &[(&str, usize)], upstream: &[(&str, usize)]) -> Value {
    let inputs: serde_json::Map<_, _> =
        inputs.iter().map(|(name, task)| ((*name).to_owned(), json!(id(*task)))).collect();
    let entries: Vec<_> = upstream
        .iter()
        .map(|(name, task)| json!({"taskId": id(*task), "taskType": name, "paths": ["public/a"]}))
        .collect();
    json!({
        "taskQueueId": "a/b", "taskGroupId": id(group), "created": "2026-11-25T20:00:00.000Z",
        "payload": {"upstreamArtifacts": entries}, "extra": {"chainOfTrust": {"inputs": inputs}},
    })
}

struct World {
    tasks: BTreeMap<usize, Value>,
    rule_set: RuleSet,
    limits: ChainLimits,
}

impl World {
    fn new(tasks: impl IntoIterator<Item = (usize, Value)>) -> Self {
        let limits = ChainLimits { hops: 5, links: 20, inputs: 10 };
        Self { tasks: tasks.into_iter().collect(), rule_set: RuleSet::Current, limits }
    }

    /// Grows the chain of task 1, answering what it asks for; the chain and the rounds that took.
    fn grow(&self) -> Result<(Vec<String>, usize), Broken> {
        let roles = BTreeMap::from(
            [
                ("decision", Role::Decision),
                ("action", Role::Action),
                ("docker-image", Role::DockerImage),
                ("signing", Role::Scriptworker),
                ("build", Role::Plain),
            ]
            .map(|(name, role)| (name.to_owned(), role)),
        );
        let rules = ChainRules { rule_set: self.rule_set, roles: &roles, limits: self.limits };
        let task = Definition::from_value(self.tasks[&1].clone()).unwrap();
        let subject = Subject { id: id(1), task_type: "signing".to_owned(), task };
        let mut evidence = Evidence::new();
        for round in 1..100 {
            let pass = Pass::new(&evidence);
            let (chain, complete) = grow(&pass, &rules, &subject)?;
            let (needs, _) = pass.finish();
            assert_eq!(complete, needs.is_empty());
            if complete {
                let names = chain.links().iter().map(|link| format!("{} {}", link.name.name, link.task_type));
                return Ok((names.collect(), round));
            }
            for need in needs {
                let number = self.tasks.keys().find(|number| need.task() == Some(&id(**number)));
                let answer = number.map_or(Answer::Absent, |number| {
                    Answer::Present(self.tasks[number].to_string().into_bytes().into())
                });
                evidence.add(need, answer).unwrap();
            }
        }
        unreachable!("a chain that never ends");
    }

    fn reason(&self) -> Reason {
        self.grow().unwrap_err().1.reason
    }
}

#[test]
fn parents_come_first_and_every_task_is_asked_for_once() {
    let world = World::new([
        (1, task(9, &[], &[("build", 2), ("build", 3)])),
        (2, task(9, &[("docker-image", 4)], &[])),
        (3, task(9, &[("docker-image", 4)], &[])),
        (4, task(9, &[], &[])),
        (9, task(9, &[], &[])),
    ]);
    let (names, rounds) = world.grow().unwrap();
    assert_eq!(
        names,
        [
            "signing signing",
            "signing:parent decision",
            "signing:build build",
            "signing:build build",
            "signing:build:docker-image docker-image"
        ]
    );
    assert_eq!(rounds, 3, "a round for each level");
}

#[test]
fn classic_parents_are_decision_tasks_and_have_none_themselves() {
    let mut world =
        World::new([(1, task(9, &[], &[("build", 2)])), (2, task(9, &[], &[])), (9, task(9, &[], &[]))]);
    world.rule_set = RuleSet::Classic;
    assert_eq!(
        world.grow().unwrap().0,
        ["signing signing", "signing:decision decision", "signing:build build"]
    );
}

#[test]
fn an_action_is_a_parent_and_has_one() {
    let mut action = task(9, &[], &[]);
    action["payload"]["env"] = json!({"ACTION_CALLBACK": "release"});
    let mut signing = task(9, &[], &[]);
    signing["extra"]["parent"] = json!(id(8));
    let world = World::new([(1, signing), (8, action), (9, task(9, &[], &[]))]);
    assert_eq!(
        world.grow().unwrap().0,
        ["signing signing", "signing:parent action", "signing:parent:parent decision"]
    );
}

#[test]
fn row_091_an_invented_type_is_refused() {
    let world =
        World::new([(1, task(9, &[], &[("foo", 2)])), (2, task(9, &[], &[])), (9, task(9, &[], &[]))]);
    assert_eq!(world.reason(), Reason::TaskType);
}

#[test]
fn row_090_a_task_under_two_types_is_refused() {
    let entries = [("build", 2), ("docker-image", 2)];
    let world = World::new([(1, task(9, &[], &entries)), (2, task(9, &[], &[])), (9, task(9, &[], &[]))]);
    assert_eq!(world.reason(), Reason::TypeConflict);
    // the parent is one, however it is called, and nothing else is
    for (others_call_it, expected) in
        [("decision", Ok(())), ("action", Ok(())), ("build", Err(Reason::TypeConflict))]
    {
        let world = World::new([(1, task(9, &[(others_call_it, 9)], &[])), (9, task(9, &[], &[]))]);
        let found = world.grow().map(drop).map_err(|(_, finding)| finding.reason);
        assert_eq!(found, expected, "{others_call_it}");
    }
}

#[test]
fn row_092_every_way_back_is_a_cycle() {
    let own = World::new([(1, task(9, &[], &[("signing", 1)])), (9, task(9, &[], &[]))]);
    assert_eq!(own.reason(), Reason::Cycle);
    for length in [2, 3, 5] {
        let mut tasks = vec![(9, task(9, &[], &[]))];
        tasks.push((1, task(9, &[], &[("build", 2)])));
        for at in 2..2 + length {
            let next = if at == 1 + length { 2 } else { at + 1 };
            tasks.push((at, task(9, &[("build", next)], &[])));
        }
        assert_eq!(World::new(tasks).reason(), Reason::Cycle, "{length}");
    }
    let to_subject = World::new([
        (1, task(9, &[], &[("build", 2)])),
        (2, task(9, &[("signing", 1)], &[])),
        (9, task(9, &[], &[])),
    ]);
    assert_eq!(to_subject.reason(), Reason::Cycle);
}

#[test]
fn a_diamond_is_no_cycle() {
    let world = World::new([
        (1, task(9, &[], &[("build", 2), ("build", 3)])),
        (2, task(9, &[("build", 4)], &[])),
        (3, task(9, &[("build", 4)], &[])),
        (4, task(9, &[], &[])),
        (9, task(9, &[], &[])),
    ]);
    assert_eq!(world.grow().unwrap().0.len(), 5);
}

#[test]
fn row_093_depth_and_row_094_width_have_limits() {
    let mut tasks = vec![(99, task(99, &[], &[])), (1, task(99, &[], &[("build", 2)]))];
    tasks.extend((2..10).map(|at| (at, task(99, &[("build", at + 1)], &[]))));
    let (name, finding) = World::new(tasks).grow().unwrap_err();
    assert_eq!((finding.reason, name.name.matches(':').count()), (Reason::Limit, 6));

    let entries: Vec<_> = (10..21).map(|at| ("build", at)).collect();
    assert_eq!(World::new([(1, task(9, &[], &entries))]).reason(), Reason::Limit);

    let wide: Vec<_> = (10..20).map(|at| ("build", at)).collect();
    let mut tasks = vec![(9, task(9, &[], &[])), (1, task(9, &[], &wide))];
    tasks.extend((10..20).map(|at| (at, task(9, &[("build", at + 20), ("docker-image", at + 40)], &[]))));
    assert_eq!(World::new(tasks).reason(), Reason::Limit, "more than 20 links");

    // subject, parent, and eighteen inputs: of two limits the exact number is fine
    for (links, inputs, fine) in
        [(20, 18, true), (19, 18, false), (18, 18, false), (20, 17, false), (20, 19, true)]
    {
        let upstream: Vec<_> = (10..28).map(|at| ("build", at)).collect();
        let mut tasks = vec![(9, task(9, &[], &[])), (1, task(9, &[], &upstream))];
        tasks.extend((10..28).map(|at| (at, task(9, &[], &[]))));
        let mut world = World::new(tasks);
        world.limits = ChainLimits { hops: 5, links, inputs };
        let found = world.grow().map(drop).map_err(|(_, finding)| finding.reason);
        assert_eq!(found, if fine { Ok(()) } else { Err(Reason::Limit) }, "{links}, {inputs}");
    }
}

#[test]
fn a_task_that_the_queue_does_not_know_breaks_the_chain() {
    let world = World::new([(1, task(9, &[], &[("build", 2)])), (9, task(9, &[], &[]))]);
    assert_eq!(world.reason(), Reason::MissingTask);
}
