use super::*;
use serde_json::json;

const ID: &str = "Ypg6xKhKRU-pnkwylNQrMw";

fn base() -> Value {
    json!({
        "provisionerId": "scriptworker-k8s", "workerType": "gecko-3-signing", "taskGroupId": ID,
        "created": "2026-11-25T20:00:00.000Z", "scopes": ["a:b"], "dependencies": [ID], "payload": {},
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut task = base();
    let mut at = &mut task;
    for key in path.split('.') {
        at = &mut at[key];
    }
    *at = value;
    task
}

fn read(value: Value) -> Definition {
    Definition::from_value(value).unwrap()
}

#[test]
fn what_every_definition_has_is_read() {
    let task = read(base());
    assert_eq!(task.pool().as_str(), "scriptworker-k8s/gecko-3-signing");
    assert_eq!((task.group().as_str(), task.scopes().len(), task.dependencies().len()), (ID, 1, 1));
    assert_eq!(task.to_value(), base());
    assert_eq!(Definition::parse(base().to_string().as_bytes()).unwrap(), task);
}

#[test]
fn what_every_definition_has_must_be_as_the_queue_guarantees_it() {
    for (path, value) in [
        ("taskGroupId", json!("x")),
        ("taskGroupId", json!(null)),
        ("created", json!("yesterday")),
        ("scopes", json!("a")),
        ("scopes", json!(["a", "ä"])),
        ("dependencies", json!(["x"])),
        ("payload", json!([])),
        ("provisionerId", json!(1)),
        ("workerType", json!("a/b")),
        ("taskQueueId", json!("other/pool")),
    ] {
        let finding = Definition::from_value(with(path, value.clone())).unwrap_err();
        assert_eq!(finding.reason, Reason::Schema, "{path} {value}: {finding}");
    }
    assert_eq!(Definition::from_value(json!([])).unwrap_err().reason, Reason::Schema);
    assert_eq!(Definition::parse(b"{\"a\": 1, \"\\u0061\": 2}").unwrap_err().reason, Reason::DuplicateKey);
    assert_eq!(Definition::parse(b"{").unwrap_err().reason, Reason::Json);
}

#[test]
fn a_pool_has_two_spellings() {
    let mut task = base();
    task["taskQueueId"] = json!("scriptworker-k8s/gecko-3-signing");
    assert_eq!(read(task.clone()).pool().as_str(), "scriptworker-k8s/gecko-3-signing");
    let whole = task.as_object_mut().unwrap();
    whole.remove("provisionerId");
    whole.remove("workerType");
    assert_eq!(read(task).pool().as_str(), "scriptworker-k8s/gecko-3-signing");
}

#[test]
fn a_parent_is_named_or_the_decision_task() {
    let other = "Zpg6xKhKRU-pnkwylNQrMw";
    assert_eq!(read(base()).parent().unwrap().as_str(), ID);
    assert_eq!(read(with("extra.parent", json!(other))).parent().unwrap().as_str(), other);
    assert_eq!(read(with("extra.parent", json!(null))).parent().unwrap().as_str(), ID);
    for wrong in [json!("x"), json!(1), json!({})] {
        let finding = read(with("extra.parent", wrong)).parent().unwrap_err();
        assert_eq!((finding.reason, finding.place.as_deref()), (Reason::Schema, Some("extra.parent")));
    }
}

#[test]
fn an_action_has_a_callback_or_says_so() {
    assert!(!read(base()).is_action());
    assert!(!read(with("payload.env.ACTION_CALLBACK", json!(""))).is_action());
    assert!(!read(with("extra.action", json!(null))).is_action());
    assert!(read(with("payload.env.ACTION_CALLBACK", json!("retrigger"))).is_action());
    assert!(read(with("extra.action", json!({}))).is_action());
}

#[test]
fn inputs_are_types_with_task_ids_and_extra_has_to_be_there() {
    assert_eq!(read(base()).inputs().unwrap_err().place.as_deref(), Some("extra"));
    assert_eq!(read(with("extra", json!({}))).inputs().unwrap(), []);
    let task = read(with("extra.chainOfTrust.inputs", json!({"docker-image": ID})));
    let input = ChainInput { task_type: "docker-image".to_owned(), task: TaskId::parse(ID).unwrap() };
    assert_eq!(task.inputs().unwrap(), [input]);
    for wrong in [json!([]), json!(null), json!({"a": "x"}), json!({"a": {"task-reference": "<x>"}})] {
        let task = read(with("extra.chainOfTrust.inputs", wrong.clone()));
        assert_eq!(task.inputs().unwrap_err().reason, Reason::Schema, "{wrong}");
    }
}

#[test]
fn upstream_entries_name_tasks_types_and_paths() {
    let upstream = |entry: Value| read(with("payload.upstreamArtifacts", json!([entry]))).upstream();
    assert_eq!(read(base()).upstream().unwrap(), []);
    let good = json!({"taskId": ID, "taskType": "build", "paths": ["public/a"], "formats": ["gpg"]});
    let [entry] = upstream(good.clone()).unwrap().try_into().unwrap();
    assert_eq!((entry.task_type.as_str(), entry.optional, entry.paths.len()), ("build", false, 1));
    let changed = |key: &str, value: Value| {
        let mut entry = good.clone();
        entry[key] = value;
        upstream(entry)
    };
    assert!(changed("paths", json!(["public/*"])).is_err(), "a pattern needs optional");
    assert!(changed("optional", json!(true)).unwrap()[0].optional);
    for (key, value, reason) in [
        ("taskId", json!("x"), Reason::Payload),
        ("taskId", json!(null), Reason::Payload),
        ("paths", json!("a"), Reason::Payload),
        ("paths", json!(["a?"]), Reason::Payload),
        ("paths", json!(["a[b]"]), Reason::Payload),
        ("taskType", json!(null), Reason::Schema),
    ] {
        assert_eq!(changed(key, value.clone()).unwrap_err().reason, reason, "{key} {value}");
    }
}

#[test]
fn the_source_is_told_by_variables_with_a_prefix() {
    let task = read(with(
        "payload.env",
        json!({
            "GECKO_HEAD_REPOSITORY": "https://hg.mozilla.org/mozilla-central/", "GECKO_HEAD_REV": "abc",
            "GECKO_HEAD_REF": "ref", "GECKO_BASE_BRANCH": "b", "GECKO_PULL_REQUEST_NUMBER": "12",
            "COMM_BASE_REPOSITORY": "https://x/", "COMM_HEAD_REPOSITORY": "",
            "COMM_TRIGGERED_BY": "somebody",
        }),
    ));
    let gecko = task.source_env("GECKO");
    assert_eq!(gecko.repository(), Some("https://hg.mozilla.org/mozilla-central"));
    assert_eq!(
        (gecko.revision(), gecko.branch(), gecko.base_branch()),
        (Some("abc"), Some("ref"), Some("b"))
    );
    assert_eq!((gecko.pull_request(), gecko.triggered_by(), gecko.base_revision()), (Some(12), None, None));
    let comm = task.source_env("COMM");
    assert_eq!((comm.repository(), comm.head_repository()), (Some("https://x"), None));
    assert_eq!((gecko.base_repository(), comm.base_repository()), (None, Some("https://x")));
    assert_eq!(comm.triggered_by(), Some("somebody"));
}
