use super::*;
use crate::cot::policy::{CURRENT, Policy};
use crate::json::DocumentKind;
use crate::yaml;
use serde_json::json;

const IMAGE: &str = "Zpg6xKhKRU-pnkwylNQrMw";

fn hex(letter: &str) -> String {
    letter.repeat(64)
}

fn attested(environment: Value) -> Attested {
    let body = json!({
        "artifacts": {"public/image.tar.zst": {"sha256": hex("a")}}, "chainOfTrustVersion": 1, "runId": 0,
        "environment": environment, "taskId": IMAGE, "workerGroup": "g", "workerId": "w",
        "task": {"dependencies": [], "scopes": [], "payload": {}, "taskGroupId": "g", "workerType": "w"},
    });
    Attested::parse(body.to_string().as_bytes()).unwrap()
}

struct Case {
    rule_set: RuleSet,
    task_type: &'static str,
    image: Value,
    input: Value,
    environment: Value,
    privileged: bool,
    lists: bool,
    claimed: bool,
}

fn case(rule_set: RuleSet) -> Case {
    Case {
        rule_set,
        task_type: "build",
        image: json!({"type": "task-image", "taskId": IMAGE, "path": "public/image.tar.zst"}),
        input: json!(IMAGE),
        environment: json!({"imageArtifactHash": format!("sha256:{}", hex("a"))}),
        privileged: true,
        lists: true,
        claimed: false,
    }
}

impl Case {
    fn check(&self) -> Result<(), Reason> {
        let task = json!({
            "taskQueueId": "p/w", "taskGroupId": IMAGE, "created": "2026-11-25T20:00:00.000Z",
            "payload": {"image": self.image}, "extra": {"chainOfTrust": {"inputs": {"docker-image": self.input}}},
        });
        let mut document = yaml::read_strict(CURRENT.as_bytes(), DocumentKind::Policy).unwrap();
        let product = &mut document["products"]["firefox"];
        product["prebuilt_docker_image_task_types"] = json!(["decision", "l10n"]);
        if self.lists {
            product["docker_image_allowlists"] = json!({"decision": [format!("sha256:{}", hex("b"))]});
        }
        let policy = Policy::from_value(document).unwrap();
        let rules = ImageRules {
            rule_set: self.rule_set,
            product: policy.product("firefox").unwrap(),
            privileged: self.privileged,
            claimed: self.claimed,
        };
        let task = Definition::from_value(task).unwrap();
        let made = |id: &TaskId| {
            assert_eq!(id.as_str(), IMAGE);
            Ok(Arc::new(attested(json!({}))))
        };
        check(&rules, self.task_type, &task, &attested(self.environment.clone()), &made).map_err(|stop| {
            match stop {
                crate::cot::examine::Stop::Broken(finding) => finding.reason,
                other => panic!("{other:?}"),
            }
        })
    }
}

const BOTH: [RuleSet; 2] = [RuleSet::Classic, RuleSet::Current];

#[test]
fn an_image_of_a_task_is_traced_to_its_digest() {
    for rules in BOTH {
        assert_eq!(case(rules).check(), Ok(()));
    }
}

#[test]
fn row_112_the_image_is_the_one_that_the_chain_has() {
    for rules in BOTH {
        for input in [json!("Ypg6xKhKRU-pnkwylNQrMw"), json!(null), json!(1)] {
            assert_eq!(Case { input, ..case(rules) }.check(), Err(Reason::Image));
        }
        let image = json!({"type": "task-image", "path": "public/image.tar.zst"});
        assert_eq!(Case { image, ..case(rules) }.check(), Err(Reason::Image));
    }
}

#[test]
fn row_113_the_image_that_ran_is_the_one_that_was_made() {
    for rules in BOTH {
        for hash in [
            json!(null),
            json!(hex("a")),
            json!(format!("sha1:{}", "a".repeat(40))),
            json!(format!("sha256:{}", hex("b"))),
        ] {
            let environment = json!({"imageArtifactHash": hash});
            assert_eq!(Case { environment, ..case(rules) }.check(), Err(Reason::Image), "{hash}");
        }
        let image = json!({"type": "task-image", "taskId": IMAGE, "path": "public/other"});
        assert_eq!(Case { image, ..case(rules) }.check(), Err(Reason::NotAttested));
    }
}

#[test]
fn row_111_an_image_by_name_is_for_some_types_only() {
    let by_name = |rule_set, task_type, environment: Value| {
        Case { image: json!("ubuntu:latest"), task_type, environment, ..case(rule_set) }.check()
    };
    let listed = || json!({"imageHash": format!("sha256:{}", hex("b"))});
    for rules in BOTH {
        assert_eq!(by_name(rules, "build", listed()), Err(Reason::Image));
        assert_eq!(by_name(rules, "decision", listed()), Ok(()));
        assert_eq!(by_name(rules, "decision", json!({"imageHash": "sha256:other"})), Err(Reason::Image));
        assert_eq!(by_name(rules, "decision", json!({})), Err(Reason::Image));
    }
    assert_eq!(by_name(RuleSet::Classic, "l10n", listed()), Err(Reason::Image), "no list for the type");
    let free = Case {
        image: json!("x"),
        task_type: "l10n",
        lists: false,
        environment: json!({}),
        ..case(RuleSet::Current)
    };
    assert_eq!(free.check(), Ok(()), "without lists digests do not matter");
}

#[test]
fn row_115_an_indexed_image_never_serves_restricted_scopes() {
    let indexed = |task_type, privileged| {
        let image = json!({"type": "indexed-image", "namespace": "x", "path": "public/image.tar.zst"});
        Case { image, task_type, privileged, ..case(RuleSet::Current) }.check()
    };
    assert_eq!(indexed("decision", true), Err(Reason::Image));
    assert_eq!(indexed("decision", false), Ok(()));
    assert_eq!(indexed("build", false), Err(Reason::Image));
    let image = json!({"type": "invented"});
    assert_eq!(Case { image, ..case(RuleSet::Current) }.check(), Err(Reason::Image));
}

#[test]
fn row_114_what_a_task_may_have_said_itself_counts_for_no_image() {
    let claimed = |rule_set| Case { claimed: true, ..case(rule_set) };
    assert_eq!(claimed(RuleSet::Current).check(), Err(Reason::Image));
    assert_eq!(claimed(RuleSet::Classic).check(), Err(Reason::Image));
    let by_name = |lists| Case {
        task_type: "decision",
        image: json!("x"),
        environment: json!({"imageHash": format!("sha256:{}", hex("b"))}),
        lists,
        ..claimed(RuleSet::Current)
    };
    assert_eq!(by_name(true).check(), Err(Reason::Image));
    assert_eq!(by_name(false).check(), Ok(()), "nothing that was said is looked at");
}
