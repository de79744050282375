use super::*;
use crate::cot::evidence::{Answer, Evidence};
use crate::cot::examine::Stop;
use crate::cot::finding::LinkName;
use crate::cot::need::{GitHubObject, Need};
use crate::cot::policy::{CURRENT, Policy, ProductType};
use crate::cot::role::Role;
use serde_json::json;

const ACTION: &str = "ActionTaQ0WAAAAAAAAAAA";
const DECISION: &str = "DecisionQ0WAAAAAAAAAAA";
const THIRD: &str = "ThirdTskQ0WAAAAAAAAAAA";
const REPOSITORY: &str = "https://github.com/owner/name";
const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

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

/// What a template sees for such a task of a product whose trees are on GitHub.
fn seen(pass: &Pass<'_>, env: &Value, extra: Value, tasks_for: &str) -> Step<Value> {
    let policy = Policy::parse(CURRENT.as_bytes()).unwrap();
    let mut product = policy.product("firefox").unwrap().clone();
    product.types = vec![ProductType::GitHub];
    let mut task = link(DECISION, Role::Decision, env).task.to_value();
    task["extra"] = extra;
    let link =
        Link { task: Definition::from_value(task).unwrap(), ..link(DECISION, Role::Decision, &json!({})) };
    let parents = Parents { parent: &link, decision: &link, product: &product };
    let documents = |_: &Link, name: &str, _: DocumentKind| -> Step<Bytes> { panic!("{name} is not needed") };
    let repository = RepoUrl::parse(REPOSITORY).unwrap();
    facts::context(pass, &documents, &parents, tasks_for, &repository).map(Value::Object)
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

#[test]
fn row_100_the_rebuilt_task_that_is_closest_is_told_and_of_two_alike_the_first() {
    let task = link(ACTION, Role::Action, &json!({"A": "1", "B": "1", "C": "1"})).task;
    let rebuilt = |env: Value| {
        let mut task = task.to_value();
        task["payload"]["env"] = env;
        task
    };
    let far = rebuilt(json!({"A": "2", "B": "2", "C": "1"}));
    let (close, alike) =
        (rebuilt(json!({"A": "1", "B": "1", "C": "2"})), rebuilt(json!({"A": "1", "B": "2", "C": "1"})));
    for (all, place) in [
        ([&far, &close], "payload.env.C"),
        ([&close, &far], "payload.env.C"),
        ([&close, &alike], "payload.env.C"),
        ([&alike, &close], "payload.env.B"),
    ] {
        let all: Vec<_> = all.into_iter().cloned().collect();
        let Err(Stop::Broken(finding)) = compare(&all, &task) else { panic!("{all:?}") };
        assert_eq!((finding.reason, finding.place.as_deref()), (Reason::TreeMismatch, Some(place)));
    }
}

#[test]
fn an_action_on_github_sees_what_it_was_started_with_and_a_nightly_job_what_the_list_and_the_task_say() {
    let mut evidence = Evidence::new();
    let projects = "name: {repo: 'https://github.com/owner/name', repo_type: git, default_branch: main, branches: [{name: main, level: 3}]}\n";
    evidence.add(Need::Projects, Answer::Present(projects.as_bytes().to_vec().into())).unwrap();
    let pass = Pass::new(&evidence);
    let env = |triggered_by: &str| {
        json!({
            "GECKO_HEAD_REPOSITORY": REPOSITORY, "GECKO_HEAD_REV": REVISION, "GECKO_HEAD_REF": "main",
            "GECKO_TRIGGERED_BY": triggered_by,
        })
    };
    let seen = |triggered_by: &str, tasks_for: &str| {
        let extra =
            json!({"cron": r#"{"job_name": "nightly"}"#, "action": {"context": {"input": {"version": 1}}}});
        seen(&pass, &env(triggered_by), extra, tasks_for)
    };
    for tasks_for in ["action", "pr-action"] {
        let context = json!({
            "input": {"version": 1}, "tasks_for": tasks_for, "ownTaskId": DECISION, "taskId": null,
        });
        assert_eq!(seen("", tasks_for), Ok(context));
    }
    for (triggered_by, sender) in [("", "TaskclusterHook"), ("somebody", "somebody")] {
        let cron = seen(triggered_by, "cron").unwrap();
        assert_eq!(cron["cron"], json!({"job_name": "nightly"}));
        assert_eq!(cron["push"], json!({"revision": REVISION, "branch": "main"}));
        let repository = json!({"url": REPOSITORY, "project": "name", "level": "3", "type": "git"});
        assert_eq!(cron["repository"], repository);
        assert_eq!(cron["event"]["sender"]["login"], sender);
    }
    let Err(Stop::Broken(finding)) = seen("", "hg-push") else { panic!("it is for Mercurial") };
    assert_eq!(finding.reason, Reason::TasksFor);
}

#[test]
fn a_pull_request_is_looked_for_in_the_parent_of_a_fork_that_it_is_not_for() {
    for (fork, base, home) in [
        (true, "https://github.com/parent/name", "parent/name"),
        (true, "https://github.com/owner/name/", "owner/name"),
        (false, "https://github.com/parent/name", "owner/name"),
        (false, "https://github.com/owner/name", "owner/name"),
    ] {
        let of = |repository: &str, what| Need::GitHub { repository: repository.to_owned(), what };
        let about = json!({"fork": fork, "parent": {"owner": {"login": "parent"}, "name": "name"}});
        let mut evidence = Evidence::new();
        let answer = Answer::Present(about.to_string().into_bytes().into());
        evidence.add(of("owner/name", GitHubObject::Repository), answer).unwrap();
        let env = json!({
            "GECKO_HEAD_REPOSITORY": REPOSITORY, "GECKO_BASE_REPOSITORY": base, "GECKO_PULL_REQUEST_NUMBER": "12",
        });
        let pass = Pass::new(&evidence);
        let step = seen(&pass, &env, json!({}), "github-pull-request");
        assert_eq!(step, Err(Stop::Waiting));
        let wanted: Vec<_> = pass.finish().0.into_iter().collect();
        assert_eq!(wanted, [of(home, GitHubObject::Pull { number: 12 })], "{fork} {base}");
    }
}
