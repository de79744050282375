use super::*;
use crate::cot::finding::LinkName;
use crate::cot::policy::{CURRENT, Policy};
use crate::cot::role::Role;
use serde_json::json;

const ACTION: &str = "ActionTaQ0WAAAAAAAAAAA";
const DECISION: &str = "DecisionQ0WAAAAAAAAAAA";
const THIRD: &str = "ThirdTskQ0WAAAAAAAAAAA";

fn link(id: &str, role: Role, env: &Value) -> Link {
    let id = TaskId::parse(id).unwrap();
    let task = json!({
        "taskQueueId": "p/w", "taskGroupId": DECISION, "created": "2026-11-25T20:00:00.000Z", "payload": {"env": env},
    });
    Link {
        name: LinkName { name: "signing:parent".to_owned(), task_id: id.clone() },
        task_type: "action".to_owned(),
        role,
        task: Definition::from_value(task).unwrap(),
        parent: id,
        rests_on: Vec::new(),
    }
}

/// What becomes of a rebuilt task when the action says this, and the template that.
fn settled(said: &str, made: &Value) -> Result<Value, Reason> {
    let policy = Policy::parse(CURRENT.as_bytes()).unwrap();
    let action = link(ACTION, Role::Action, &json!({"ACTION_TASK_GROUP_ID": said}));
    let decision = link(DECISION, Role::Decision, &json!({}));
    let parents =
        Parents { parent: &action, decision: &decision, product: policy.product("firefox").unwrap() };
    let mut rebuilt = [json!({"payload": {"env": made}})];
    settle_group(&mut rebuilt, &parents).map_err(|finding| finding.reason)?;
    Ok(rebuilt[0]["payload"]["env"].clone())
}

#[test]
fn row_102_an_action_acts_on_its_own_group_or_its_decision_tasks_and_the_template_says_so_too() {
    let group = |id: &str| json!({"ACTION_TASK_GROUP_ID": id});
    for said in [ACTION, DECISION] {
        for made in [ACTION, DECISION] {
            assert_eq!(settled(said, &group(made)), Ok(group(said)), "{said} {made}");
        }
        for made in [group(THIRD), group(""), json!({"ACTION_TASK_GROUP_ID": 5}), json!({})] {
            assert_eq!(settled(said, &made), Err(Reason::ActionGroup), "{said} {made}");
        }
    }
    for said in [THIRD, ""] {
        assert_eq!(settled(said, &group(DECISION)), Err(Reason::ActionGroup), "{said:?}");
    }
}
