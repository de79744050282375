//! The Rust library and the published one are asked the same questions, and must give the same answers but for a few
//! that are different on purpose.

use crate::{SCRIPTS, venv};
use scriptworker_core::client::{ArtifactUrlRule, ArtifactUrlRules, STATUSES, TaskSchema, glob_matches};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

const TASK: &str = "Ypg6xKhKRU-pnkwylNQrMw";

fn ask(questions: &Value) -> Option<Value> {
    let mut child = Command::new(venv::python(venv::published()?))
        .arg(format!("{SCRIPTS}/answers.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(questions.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// URLs of all kinds, and whether the two differ on purpose.
fn urls() -> Vec<(String, bool)> {
    let home = "https://firefox-ci-tc.services.mozilla.com/api/queue/v1/task";
    let below = |rest: &str| format!("{home}/{TASK}/{rest}");
    let same = [
        below("artifacts/public/a"),
        below("artifacts/public%2Fa"),
        below("artifacts/public%252Fa%2520b"),
        below("artifacts//public/a?x=/y#z"),
        below("runs/0/artifacts/public/a"),
        below("runs/x/artifacts/public/a"),
        below("artifacts/%E4%C3%A4%zz%"),
        below("artifacts/a+b&c=d"),
        below("artifacts"),
        format!("{home}/OTHER/artifacts/public/a"),
        format!("{home}/{TASK}%2F/artifacts/public/a"),
        below("artifacts/a").replace("https", "http"),
        below("artifacts/a").replace("https", "HTTPS"),
        below("artifacts/a").replace("https://", "https://user@"),
        below("artifacts/a").replace(".com", ".com:443"),
        below("artifacts/a").replace(".com", ".COM"),
        format!("https://queue.taskcluster.net/v1/task/{TASK}/artifacts/public/a"),
        "https://queue.taskcluster.net".to_owned(),
        "no url".to_owned(),
        String::new(),
    ];
    let different = [
        // the path of a file: never out of its directory, never empty
        below("artifacts/../../x"),
        below("artifacts/public/%252e%252e/x"),
        below("artifacts/"),
        // a ';' is a letter like others in the name of an artifact
        below("artifacts/public/a;b"),
        // what no URL holds is not cut away silently
        below("artifacts/pub\tlic/a"),
    ];
    same.into_iter().map(|url| (url, false)).chain(different.into_iter().map(|url| (url, true))).collect()
}

const GLOBS: [(&str, &str); 14] = [
    ("public/*.apk", "public/build/x.apk"),
    ("public/*.apk", "public/build/x.apk.asc"),
    ("*", ""),
    ("a?c", "a/c"),
    ("[a-c]x", "bx"),
    ("[!a-c]x", "bx"),
    ("[]]", "]"),
    ("[!]]", "]"),
    ("[a-]", "-"),
    ("[z-a]", "m"),
    ("[", "["),
    ("a[", "a["),
    ("*a*b*", "xxbxxa"),
    ("P*", "public"),
];

fn schemas() -> Vec<(Value, Value)> {
    let draft4 = json!({"$schema": "http://json-schema.org/draft-04/schema#", "required": ["a"],
        "properties": {"a": {"type": "integer", "minimum": 1, "exclusiveMinimum": true}}});
    let newest = json!({"properties": {"a": {"prefixItems": [{"type": "string"}], "items": false},
        "when": {"format": "date-time"}, "where": {"format": "uri"}}});
    let unknown = json!({"$schema": "https://example.com/own", "properties": {"a": {"type": "string", "pattern": "^x\\d+$"}}});
    let with = |schema: &Value, tasks: Vec<Value>| -> Vec<_> {
        tasks.into_iter().map(|task| (task, schema.clone())).collect()
    };
    [
        with(
            &draft4,
            vec![json!({"a": 2}), json!({"a": 1}), json!({"a": 2.0}), json!({"a": true}), json!({})],
        ),
        with(&newest, vec![json!({"a": ["x"]}), json!({"a": ["x", 1]}), json!({"a": [1]})]),
        with(
            &newest,
            vec![json!({"when": "2026-11-23T18:00:00Z"}), json!({"when": "now"}), json!({"where": "no uri"})],
        ),
        with(&unknown, vec![json!({"a": "x12"}), json!({"a": "x"})]),
    ]
    .concat()
}

#[test]
fn both_libraries_answer_alike() {
    // with the correct expressions: those that the published worker has by default never match a run's URL
    let rules = ArtifactUrlRule::defaults(None);
    let (urls, schemas) = (urls(), schemas());
    let questions = json!({
        "rules": rules, "task_ids": [TASK], "globs": GLOBS, "schemas": schemas,
        "urls": urls.iter().map(|(url, _)| url).collect::<Vec<_>>(),
    });
    let Some(theirs) = ask(&questions) else { return };

    let statuses: Value = STATUSES.iter().map(|(name, code)| ((*name).to_owned(), json!(code))).collect();
    assert_eq!(theirs["statuses"], statuses);

    let rules = ArtifactUrlRules::new(&rules).unwrap();
    for ((url, different), theirs) in urls.iter().zip(theirs["urls"].as_array().unwrap()) {
        let ours = match rules.file_path(&[TASK], url) {
            Ok(path) => json!(path),
            Err(refused) => json!({ "exit_code": refused.status().number() }),
        };
        assert_eq!(&ours != theirs, *different, "{url}: ours {ours}, theirs {theirs}");
    }
    for ((pattern, name), theirs) in GLOBS.iter().zip(theirs["globs"].as_array().unwrap()) {
        assert_eq!(json!(glob_matches(pattern, name)), *theirs, "{pattern} {name}");
    }
    for ((task, schema), theirs) in schemas.iter().zip(theirs["schemas"].as_array().unwrap()) {
        let ours = match TaskSchema::new(schema).unwrap().check(task, "task") {
            Ok(()) => json!(true),
            Err(violations) => json!({ "exit_code": violations.status().number() }),
        };
        assert_eq!(ours, *theirs, "{task} {schema}");
    }
}
