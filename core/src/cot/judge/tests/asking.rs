//! What a broken rule stops: nothing is asked for, and nothing is judged, that rests on it.

use super::super::{Case, InTurn, Judgement, Need, RuleReport, judge, needs};
use super::refused_with;
use super::world::{ARTIFACT, BUILD, DECISION, IMAGE, NOW, REPOSITORY, SIGNING, World, id, key};
use crate::cot::chain::{ChainLimits, Subject};
use crate::cot::evidence::Evidence;
use crate::cot::finding::Rule;
use crate::cot::keys::Keys;
use crate::cot::policy::Policy;
use crate::cot::reason::Reason;
use crate::cot::task::Definition;
use crate::cot::template::InProcess;
use crate::time::UnixMillis;
use serde_json::json;
use sha2::{Digest, Sha512};
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn asked(world: &World) -> BTreeSet<Need> {
    let mut asked = BTreeSet::new();
    world.judge_after(|_, needs| asked.extend(needs.iter().cloned()));
    asked
}

/// The rules that were not judged on a link.
fn not_judged(world: &World, task: &str) -> Vec<Rule> {
    let Judgement::Refused(report) = world.judge() else { panic!("nothing is refused") };
    let link = report.links.iter().find(|link| link.name.task_id.as_str() == task).unwrap();
    let rules = link.rules.iter().filter_map(|report| match report {
        RuleReport::NotJudged { rule } => Some(*rule),
        RuleReport::Passed { .. } | RuleReport::Failed { .. } => None,
    });
    rules.collect()
}

#[test]
fn the_tree_of_a_parent_whose_attestation_is_refused_proves_nothing() {
    let mut world = World::new();
    world.signers.insert(DECISION, key(9));
    assert!(not_judged(&world, DECISION).contains(&Rule::Tree));
}

#[test]
fn a_template_knows_the_id_of_the_task_that_is_made() {
    for (says, verified) in [(DECISION, true), (BUILD, false), ("null", false)] {
        let mut world = World::new();
        world.template = world
            .template
            .replace("GECKO_COMMIT_MSG: ' '", "GECKO_COMMIT_MSG: ' '\n          OWN: '${ownTaskId}'");
        world.change_task(DECISION, |task| task["payload"]["env"]["OWN"] = json!(says));
        assert_eq!(
            matches!(world.judge(), Judgement::Verified(..)),
            verified,
            "{says}: {:?}",
            world.refusals()
        );
    }
}

/// Whether a source tree is asked about.
fn is_of_a_tree(need: &Need) -> bool {
    matches!(need, Need::TreeFile { .. } | Need::Pushlog { .. } | Need::GitHub { .. })
}

#[test]
fn a_tree_is_asked_for_once_the_attestation_of_its_parent_holds() {
    let mut world = World::new();
    let mut rounds = Vec::new();
    world.judge_after(|evidence, needs| {
        let of_decision = |need: &Need| matches!(need, Need::Document { run, name, .. } if run.task_id.as_str() == DECISION && name.as_str() == "public/chain-of-trust.json.sig");
        let attested = evidence.iter().any(|(need, _)| of_decision(need));
        rounds.push((attested, needs.iter().any(is_of_a_tree)));
    });
    assert_eq!(rounds.iter().filter(|(_, tree)| *tree).collect::<Vec<_>>(), [&(true, true)], "{rounds:?}");
    world.signers.insert(DECISION, key(9));
    assert!(!asked(&world).iter().any(is_of_a_tree));
}

#[test]
fn a_parent_that_has_no_attestation_yet_is_made_again_from_its_tree() {
    let mut world = World::new();
    let judgement = judged_as(&world, DECISION, "decision", false);
    assert!(matches!(judgement, Judgement::Verified(..)), "{judgement:#?}");
    world.template.clear();
    let Judgement::Refused(report) = judged_as(&world, DECISION, "decision", false) else {
        panic!("verified")
    };
    assert!(report.findings().any(|(_, rule, _)| rule == Rule::Tree));
}

#[test]
fn nothing_is_asked_of_a_host_that_is_not_trusted() {
    let rules =
        |host: &str| json!([{"schemes": ["https"], "netlocs": [host], "path_regexes": ["^(?P<path>/x)$"]}]);
    for (repository, trusted, expected) in [
        ("https://evil.example/mozilla-central", "hg.mozilla.org", false),
        ("https://169.254.169.254/latest", "hg.mozilla.org", false),
        ("https://hg.mozilla.org.evil.example/mozilla-central", "hg.mozilla.org", false),
        ("https://hg.example/mozilla-central", "hg.example", true),
        ("https://github.com/mozilla/x", "hg.mozilla.org", true),
        (REPOSITORY, "hg.example", true),
    ] {
        let mut world = World::new();
        world.policy["products"]["firefox"]["trusted_vcs_rules"] = rules(trusted);
        let env = &mut world.tasks.get_mut(DECISION).unwrap()["payload"]["env"];
        env["GECKO_HEAD_REPOSITORY"] = json!(repository);
        world.attest();
        let of_it = |need: &Need| matches!(need, Need::TreeFile { repository: of, .. } | Need::Pushlog { repository: of, .. } if of == repository);
        assert_eq!(asked(&world).iter().any(of_it), expected, "{repository}");
        let hosts = world.refusals().contains(&(DECISION.to_owned(), Reason::Host));
        assert!(expected || hosts, "{repository}: {:?}", world.refusals());
    }
}

#[test]
fn what_only_a_scriptworker_may_run_was_run_by_one() {
    let mut world = World::new();
    world.change_task(SIGNING, |task| task["payload"]["upstreamArtifacts"][0]["taskType"] = json!("signing"));
    refused_with(&world, BUILD, Reason::Implementation);
    let of_it = |need: &Need| matches!(need, Need::Document { run, .. } if run.task_id.as_str() == BUILD);
    assert!(!asked(&world).iter().any(of_it), "whose attestation it is, is not known");
    let mut world = World::classic();
    world.change_task(SIGNING, |task| {
        task["provisionerId"] = json!("aws-provisioner-v1");
        task["workerType"] = json!("gecko-images");
        task["tags"] = json!({"worker-implementation": "docker-worker"});
    });
    refused_with(&world, SIGNING, Reason::Implementation);
}

#[test]
fn an_attestation_of_something_else_proves_nothing() {
    for (key, value) in [("runId", json!(1)), ("workerId", json!("w-2")), ("task", json!(null))] {
        let mut world = World::new();
        let body = world.bodies.get_mut(BUILD).unwrap();
        match key {
            "task" => body["task"]["payload"]["env"]["X"] = json!("y"),
            key => body[key] = value,
        }
        let rules = not_judged(&world, BUILD);
        assert!(rules.contains(&Rule::Image) && rules.contains(&Rule::Artifacts), "{key}: {rules:?}");
    }
}

#[test]
fn clocks_may_differ_by_an_hour() {
    let now = UnixMillis::parse(NOW).unwrap();
    for (difference, verified) in
        [(3_600_000, true), (-3_600_000, true), (3_600_001, false), (-3_600_001, false)]
    {
        let mut world = World::new();
        world.queue_now = Some(now.plus(difference));
        assert_eq!(matches!(world.judge(), Judgement::Verified(..)), verified, "{difference}");
    }
}

#[test]
fn every_digest_of_a_document_counts() {
    let name = "public/task-graph.json";
    let graph = |world: &World| world.artifacts[&(DECISION, name.to_owned())].clone();
    let sha512 = |bytes: &[u8]| {
        Sha512::digest(bytes).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    for (bytes, verified) in [(graph(&World::new()), true), (b"another".to_vec(), false)] {
        let mut world = World::new();
        world.bodies.get_mut(DECISION).unwrap()["artifacts"][name]["sha512"] = json!(sha512(&bytes));
        assert_eq!(matches!(world.judge(), Judgement::Verified(..)), verified);
    }
}

#[test]
fn signatures_do_not_matter_where_they_are_not_checked() {
    let mut world = World::new();
    world.check_signatures = false;
    world.change_task(SIGNING, |task| task["scopes"] = json!([]));
    world.signers.insert(BUILD, key(9));
    let mut classic = World::classic();
    classic.check_signatures = false;
    let environments = [DECISION, IMAGE].map(|task| (task, classic.bodies[task]["environment"].clone()));
    classic.change_task(SIGNING, |task| task["scopes"] = json!([]));
    for (task, environment) in environments {
        classic.bodies.get_mut(task).unwrap()["environment"] = environment;
    }
    classic.keyrings.clear();
    for world in [world, classic] {
        assert!(matches!(world.judge(), Judgement::Verified(..)), "{:?}", world.refusals());
    }
}

#[test]
fn an_image_is_made_in_a_pool_for_images() {
    let mut world = World::new();
    world.change_task(IMAGE, |task| task["workerType"] = json!("b-linux"));
    refused_with(&world, IMAGE, Reason::Pool);
}

/// Whether there is a note of this kind on a verified world.
fn noted(world: &World, text: &str) -> bool {
    let Judgement::Verified(_, report) = world.judge() else { panic!("{:?}", world.refusals()) };
    report.notes().any(|(_, _, note)| note.contains(text))
}

#[test]
fn what_is_worth_knowing_is_noted() {
    let now = UnixMillis::parse(NOW).unwrap();
    for (after, expected) in [(-1, true), (0, false), (1, false)] {
        let mut world = World::new();
        world.change_task(BUILD, |task| task["expires"] = json!(now.plus(after).to_string()));
        assert_eq!(noted(&world, "it expired at"), expected, "{after}");
    }
    let made = UnixMillis::parse("2026-11-25T20:00:00.000Z").unwrap().0 / 1000;
    for (seconds, expected) in [
        (3 * 3600 - 1, None),
        (3 * 3600, Some("made 3 hours")),
        (-3 * 3600 - 3599, Some("made 3 hours")),
        (-2 * 3600, None),
        (30 * 3600, Some("made 30 hours")),
    ] {
        let mut world = World::new();
        world.policy["switches"] = json!({"created_window_hours": 2});
        world.pushlog["pushes"]["77"]["date"] = json!(made - seconds);
        assert_eq!(noted(&world, "hours from its push"), expected.is_some(), "{seconds}");
        assert!(expected.is_none_or(|text| noted(&world, text)), "{seconds}");
    }
}

#[test]
fn a_pattern_gives_what_fits_it_and_nothing_reserved() {
    let mut world = World::new();
    for name in ["public/build/target.txt", "public/logs/x.log", "public/chain-of-trust.json.sig"] {
        world.artifacts.insert((BUILD, name.to_owned()), name.as_bytes().to_vec());
    }
    world.change_task(SIGNING, |task| {
        let entry = &mut task["payload"]["upstreamArtifacts"][0];
        entry["paths"] = json!(["public/b*", "public/chain*"]);
        entry["optional"] = json!(true);
    });
    let Judgement::Verified(task, _) = world.judge() else { panic!("{:?}", world.refusals()) };
    let names: Vec<_> = task.artifacts().iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(names, [ARTIFACT, "public/build/target.txt"]);
}

/// The verdict on another task of the world, which has run already.
fn judged_as(world: &World, task: &str, task_type: &str, attested: bool) -> Judgement {
    let policy = Policy::from_value(world.policy.clone()).unwrap();
    let definition = Definition::from_value(world.tasks[task].clone()).unwrap();
    let case = Case {
        subject: &Subject { id: id(task), task_type: task_type.to_owned(), task: definition },
        attested,
        policy: &policy,
        product: policy.product("firefox").unwrap(),
        keys: &Keys { openpgp: &world.keyrings, ed25519: &policy.keys, check: true },
        renderer: &InProcess,
        spread: &InTurn,
        limits: ChainLimits { hops: 20, links: 1000, inputs: 100 },
        now: UnixMillis::parse(NOW).unwrap(),
        queue_now: None,
    };
    let mut evidence = Evidence::new();
    loop {
        let wanted = needs(&case, &evidence);
        if wanted.is_empty() {
            return judge(&case, &evidence);
        }
        for need in wanted {
            let answer = world.answer(&need);
            evidence.add(need, answer).unwrap();
        }
    }
}

#[test]
fn a_classic_chain_has_a_decision_task() {
    let mut world = World::classic();
    world.policy["task_types"]["action"] = json!("action");
    let judgement = judged_as(&world, DECISION, "decision", true);
    assert!(matches!(judgement, Judgement::Verified(..)), "{judgement:#?}");
    let Judgement::Refused(report) = judged_as(&world, DECISION, "action", true) else { panic!("verified") };
    let reasons: Vec<_> = report.findings().map(|(_, rule, finding)| (rule, finding.reason)).collect();
    assert!(reasons.contains(&(Rule::Chain, Reason::Orphan)), "{reasons:?}");
}

#[test]
fn a_classic_subject_that_is_yet_to_run_is_a_scriptworkers() {
    let world = World::classic();
    for (attested, refused) in [(true, false), (false, true)] {
        let judgement = judged_as(&world, DECISION, "decision", attested);
        let reasons = match &judgement {
            Judgement::Refused(report) => report.findings().map(|(_, _, finding)| finding.reason).collect(),
            Judgement::Verified(..) => Vec::new(),
            Judgement::Incomplete(needs) => panic!("{needs:?}"),
        };
        assert_eq!(reasons.contains(&Reason::Implementation), refused, "{reasons:?}");
    }
}
