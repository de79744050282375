mod asking;
mod classic;
mod spreading;
mod world;

use super::*;
use crate::cot::evidence::Answer;
use crate::cot::reason::Reason;
use serde_json::json;
use std::collections::BTreeSet;
use world::{ARTIFACT, BUILD, DECISION, IMAGE, SIGNING, World, bytes_of, key};

fn refused_with(world: &World, task: &str, reason: Reason) {
    let refusals = world.refusals();
    assert!(refusals.contains(&(task.to_owned(), reason)), "{reason} on {task}: {refusals:?}");
}

#[test]
fn an_honest_release_is_verified_and_given_its_artifacts() {
    let judgement = World::new().judge();
    let Judgement::Verified(task, report) = judgement else { panic!("{judgement:#?}") };
    assert_eq!(task.task().as_str(), SIGNING);
    let names: Vec<_> = task.artifacts().iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(names, [ARTIFACT]);
    assert!(report.privileged && report.holds());
    assert_eq!(report.links.len(), 4);
    let signed: Vec<_> = report.links.iter().filter(|link| link.signer.is_some()).collect();
    assert_eq!(signed.len(), 3);
}

#[test]
fn no_need_comes_back_and_each_is_asked_for_once() {
    let mut asked = BTreeSet::new();
    World::new().judge_after(|evidence, needs| {
        for need in needs {
            assert!(evidence.get(need).is_none(), "{need:?} has an answer");
            assert!(asked.insert(need.clone()), "{need:?} comes back");
        }
    });
    assert!(asked.len() > 10);
}

#[test]
fn every_flipped_byte_of_a_signed_document_is_refused() {
    let world = World::new();
    let mut documents = Vec::new();
    world.judge_after(|evidence, _| {
        documents = evidence.iter().map(|(need, answer)| (need.clone(), answer.clone())).collect()
    });
    let mut tried = 0;
    for (need, answer) in documents {
        let Need::Document { run, name, .. } = &need else { continue };
        let bytes = bytes_of(&answer).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 0x01;
            let answers = |asked: &Need| {
                if *asked == need { Answer::Present(flipped.clone().into()) } else { world.answer(asked) }
            };
            assert!(!verified_with(&world, answers), "byte {at} of {name} of {run}");
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried}");
}

/// Whether the world is verified with other answers than its own.
fn verified_with(world: &World, answers: impl Fn(&Need) -> Answer) -> bool {
    let policy = Policy::from_value(world.policy.clone()).unwrap();
    let task = crate::cot::task::Definition::from_value(world.tasks[SIGNING].clone()).unwrap();
    let subject = Subject { id: world::id(SIGNING), task_type: "signing".to_owned(), task };
    let keys = Keys { openpgp: &world.keyrings, ed25519: &policy.keys, check: true };
    let case = Case {
        subject: &subject,
        attested: false,
        policy: &policy,
        product: policy.product("firefox").unwrap(),
        keys: &keys,
        renderer: &crate::cot::template::InProcess,
        spread: &InTurn,
        limits: ChainLimits { hops: 20, links: 1000, inputs: 100 },
        now: UnixMillis::parse(world::NOW).unwrap(),
        queue_now: None,
    };
    let mut evidence = Evidence::new();
    loop {
        let wanted = needs(&case, &evidence);
        if wanted.is_empty() {
            return matches!(judge(&case, &evidence), Judgement::Verified(..));
        }
        for need in wanted {
            let answer = answers(&need);
            evidence.add(need, answer).unwrap();
        }
    }
}

#[test]
fn every_dropped_answer_is_refused_or_does_without() {
    let world = World::new();
    let mut known = Vec::new();
    world.judge_after(|evidence, _| known = evidence.iter().map(|(need, _)| need.clone()).collect());
    for dropped in known {
        let answers = |need: &Need| if *need == dropped { Answer::Absent } else { world.answer(need) };
        assert!(!verified_with(&world, answers), "{dropped:?}");
    }
}

#[test]
fn any_two_swapped_answers_of_a_kind_are_refused() {
    let world = World::new();
    let mut known = Vec::new();
    world.judge_after(|evidence, _| known = evidence.iter().map(|(need, _)| need.clone()).collect());
    let kind = |need: &Need| std::mem::discriminant(need);
    for (at, one) in known.iter().enumerate() {
        for other in known.iter().skip(at + 1).filter(|other| kind(other) == kind(one)) {
            if world.answer(one) == world.answer(other) {
                continue;
            }
            let answers = |need: &Need| {
                world.answer(if need == one {
                    other
                } else if need == other {
                    one
                } else {
                    need
                })
            };
            assert!(!verified_with(&world, answers), "{one:?} and {other:?}");
        }
    }
}

#[test]
fn row_001_to_row_004_signatures() {
    let mut world = World::new();
    world.damage = Some((BUILD, "public/chain-of-trust.json", |mut bytes| {
        bytes.push(b' ');
        Some(bytes)
    }));
    refused_with(&world, BUILD, Reason::Signature);
    let mut world = World::new();
    world.signers.insert(BUILD, key(9));
    refused_with(&world, BUILD, Reason::Signature);
    world.signers.insert(BUILD, key(3));
    refused_with(&world, BUILD, Reason::WrongKeyClass);
}

#[test]
fn row_009_and_row_010_missing_and_odd_signatures() {
    for (damage, reason) in [
        ((|_| None) as fn(Vec<u8>) -> Option<Vec<u8>>, Reason::MissingSignature),
        (|_| Some(Vec::new()), Reason::SignatureFormat),
        (
            |mut bytes| {
                Some({
                    bytes.pop();
                    bytes
                })
            },
            Reason::SignatureFormat,
        ),
        (|bytes| Some([bytes.clone(), bytes].concat()), Reason::SignatureFormat),
    ] {
        let mut world = World::new();
        world.damage = Some((BUILD, "public/chain-of-trust.json.sig", damage));
        refused_with(&world, BUILD, reason);
    }
    let mut world = World::new();
    world.signers.remove(BUILD);
    refused_with(&world, BUILD, Reason::MissingSignature);
}

#[test]
fn row_018_signatures_off_and_restricted_scopes_do_not_go_together() {
    let mut world = World::new();
    world.check_signatures = false;
    refused_with(&world, SIGNING, Reason::Policy);
    world.change_task(SIGNING, |task| task["scopes"] = json!(["project:releng:signing:cert:dep-signing"]));
    assert!(matches!(world.judge(), Judgement::Verified(..)));
}

#[test]
fn row_054_to_row_058_an_attestation_is_about_its_own_run() {
    for (key, value, reason) in [
        ("taskId", json!(IMAGE), Reason::TaskId),
        ("runId", json!(1), Reason::RunId),
        ("workerId", json!("w-2"), Reason::Worker),
        ("workerGroup", json!("us-east1"), Reason::Worker),
        ("workerType", json!("b-win"), Reason::Worker),
    ] {
        let mut world = World::new();
        world.bodies.get_mut(BUILD).unwrap()[key] = value;
        refused_with(&world, BUILD, reason);
    }
    let mut world = World::new();
    world.bodies.get_mut(BUILD).unwrap()["task"]["payload"]["env"]["X"] = json!("y");
    refused_with(&world, BUILD, Reason::TaskDefinition);
}

#[test]
fn row_063_the_claimed_task_is_the_one_that_the_queue_has() {
    let mut world = World::new();
    let claimed = |world: &World, key: &str, value| {
        let mut task = world.tasks[SIGNING].clone();
        task[key] = value;
        Some(task)
    };
    world.claimed = claimed(&world, "priority", json!("highest"));
    assert_eq!(world.refusals(), []);
    world.claimed = claimed(&world, "expires", json!("2028-11-25T20:10:00.000Z"));
    assert_eq!(world.refusals(), [(SIGNING.to_owned(), Reason::TaskDefinition)]);
    let mut world = World::new();
    world.claimed = world.tasks.remove(SIGNING);
    assert_eq!(world.refusals(), [(SIGNING.to_owned(), Reason::MissingTask)]);
}

#[test]
fn row_060_an_upstream_task_is_completed() {
    let mut world = World::new();
    let run = |state: &str| json!([{"runId": 0, "state": state, "workerGroup": "us-west1", "workerId": "w-1", "resolved": "2026-11-25T21:00:00.000Z"}]);
    world.states.insert(BUILD, run("failed"));
    refused_with(&world, BUILD, Reason::State);
    world.policy["switches"] = json!({"allow_failed_upstreams": true});
    assert!(matches!(world.judge(), Judgement::Verified(..)));
}

#[test]
fn row_064_to_row_070_artifacts_are_those_that_were_attested() {
    let mut world = World::new();
    world.artifacts.insert((BUILD, ARTIFACT.to_owned()), b"evil".to_vec());
    refused_with(&world, BUILD, Reason::Hash);
    for (entry, reason) in [
        (json!({}), Reason::NoDigest),
        (json!({"md5": "x"}), Reason::WeakHash),
        (json!({"sha256": "X"}), Reason::DigestFormat),
    ] {
        let mut world = World::new();
        world.bodies.get_mut(BUILD).unwrap()["artifacts"][ARTIFACT] = entry;
        refused_with(&world, BUILD, reason);
    }
    let mut world = World::new();
    world.bodies.get_mut(BUILD).unwrap()["artifacts"] = json!({});
    refused_with(&world, BUILD, Reason::NotAttested);
    let Judgement::Refused(report) = world.judge() else { panic!() };
    let detail = report.findings().find_map(|(_, _, finding)| finding.detail.clone()).unwrap();
    assert!(detail.contains("did not attest"), "{detail}");
}

#[test]
fn row_081_an_optional_artifact_is_done_without() {
    for damage in [(|_| None) as fn(Vec<u8>) -> Option<Vec<u8>>, |_| Some(b"evil".to_vec())] {
        let mut world = World::new();
        world.change_task(SIGNING, |task| task["payload"]["upstreamArtifacts"][0]["optional"] = json!(true));
        world.damage = Some((BUILD, ARTIFACT, damage));
        let Judgement::Verified(task, report) = world.judge() else { panic!("{:?}", world.refusals()) };
        assert!(task.artifacts().is_empty());
        assert!(report.notes().any(|(_, _, note)| note.contains(ARTIFACT)));
    }
}

#[test]
fn row_082_and_row_083_tasks_are_as_their_graph_has_them() {
    let mut world = World::new();
    world.tasks.get_mut(BUILD).unwrap()["payload"]["command"] = json!(["evil"]);
    world.attest();
    refused_with(&world, BUILD, Reason::GraphMismatch);
    let mut world = World::new();
    world.artifacts.insert((DECISION, "public/task-graph.json".to_owned()), b"{}".to_vec());
    world.attest();
    refused_with(&world, SIGNING, Reason::NotInGraph);
}

#[test]
fn row_088_a_link_that_is_its_own_parent_is_an_orphan() {
    let mut world = World::new();
    world.tasks.get_mut(IMAGE).unwrap()["taskGroupId"] = json!(IMAGE);
    world.attest();
    refused_with(&world, IMAGE, Reason::Orphan);
}

#[test]
fn row_095_a_replaced_task_graph_is_refused() {
    let mut world = World::new();
    world.artifacts.insert((DECISION, "public/task-graph.json".to_owned()), b"{}".to_vec());
    refused_with(&world, SIGNING, Reason::Hash);
}

#[test]
fn row_097_to_row_100_parents_are_what_the_tree_makes() {
    let mut world = World::new();
    world.tasks.get_mut(DECISION).unwrap()["payload"]["env"]["EVIL"] = json!("1");
    world.attest();
    refused_with(&world, DECISION, Reason::TreeMismatch);
    let mut world = World::new();
    world.tasks.get_mut(DECISION).unwrap()["workerType"] = json!("b-linux");
    world.attest();
    refused_with(&world, DECISION, Reason::Pool);
    let mut world = World::new();
    world.tasks.get_mut(DECISION).unwrap()["provisionerId"] = json!("gecko-1");
    world.attest();
    refused_with(&world, DECISION, Reason::Level);
    let mut world = World::new();
    world.tasks.get_mut(DECISION).unwrap()["extra"]["tasks_for"] = json!("evil");
    world.attest();
    refused_with(&world, DECISION, Reason::TasksFor);
}

#[test]
fn row_106_a_revision_is_a_full_hash_of_one_push() {
    let mut world = World::new();
    world.tasks.get_mut(DECISION).unwrap()["payload"]["env"]["GECKO_HEAD_REV"] = json!("default");
    world.attest();
    refused_with(&world, DECISION, Reason::Revision);
    let mut world = World::new();
    world.pushlog = json!({"pushes": {}});
    refused_with(&world, DECISION, Reason::Revision);
}

#[test]
fn row_105_a_parent_made_long_after_its_push_is_noted() {
    let mut world = World::new();
    world.pushlog["pushes"]["77"]["date"] = json!(1_780_000_000);
    let Judgement::Verified(_, report) = world.judge() else { panic!("{:?}", world.refusals()) };
    assert!(report.notes().any(|(_, _, note)| note.contains("hours from its push")));
}

#[test]
fn row_109_to_row_115_payloads() {
    for (task, path, value, reason) in [
        (BUILD, "features", json!({"interactive": true}), Reason::Interactive),
        (BUILD, "capabilities", json!({"privileged": true}), Reason::ForbiddenFeature),
        (BUILD, "image", json!("ubuntu:latest"), Reason::Image),
        (BUILD, "image", json!({"type": "indexed-image", "namespace": "x", "path": "y"}), Reason::Image),
    ] {
        let mut world = World::new();
        world.change_task(task, |definition| definition["payload"][path] = value);
        refused_with(&world, task, reason);
    }
    let mut world = World::new();
    world.bodies.get_mut(BUILD).unwrap()["environment"] = json!({});
    refused_with(&world, BUILD, Reason::Image);
}

#[test]
fn row_123_to_row_127_sources_and_scopes() {
    let mut world = World::new();
    world.change_task(BUILD, |task| task["metadata"]["source"] = json!("https://hg.mozilla.org/evil/file/x"));
    refused_with(&world, BUILD, Reason::SourceMismatch);
    let mut world = World::new();
    world
        .change_task(SIGNING, |task| task["metadata"]["source"] = json!("https://hg.mozilla.org/try/file/x"));
    refused_with(&world, SIGNING, Reason::Scope);
    for scope in
        ["project:releng:signing:cert:release-signing", "project:releng:signing:cert:*", "assume:repo:x"]
    {
        let mut world = World::new();
        world.change_task(SIGNING, |task| task["scopes"] = json!([scope]));
        refused_with(&world, SIGNING, Reason::Scope);
    }
}

#[test]
fn row_108_a_try_push_gets_no_restricted_scope() {
    let mut world = World::new();
    world.change_task(BUILD, |task| task["schedulerId"] = json!("gecko-level-1"));
    refused_with(&world, BUILD, Reason::UntrustedSource);
}

#[test]
fn row_136_a_wrong_clock_is_its_own_reason() {
    let mut world = World::new();
    world.queue_now = Some(UnixMillis::parse("2025-11-25T22:00:00.000Z").unwrap());
    assert_eq!(world.refusals(), [(SIGNING.to_owned(), Reason::Clock)]);
}

#[test]
fn nothing_below_a_refused_link_is_asked_for() {
    let mut world = World::new();
    world.signers.insert(BUILD, key(9));
    let mut asked = BTreeSet::new();
    world.judge_after(|_, needs| asked.extend(needs.iter().cloned()));
    assert!(!asked.iter().any(|need| matches!(need, Need::Artifact { .. })));
}
