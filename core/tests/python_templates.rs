//! Templates rendered as the Python worker renders them: the folders of `fixtures/taskcluster_yml` hold templates of the
//! shapes that source trees have, occasions to render them for, and what the published worker's library made of each.
//!
//! `just python-expectations` makes the `expected.json` anew.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads its fixtures")]

use scriptworker_core::cot::template::{Rendering, TemplateError, render};
use scriptworker_core::ids::TaskId;
use scriptworker_core::json::{DocumentKind, read_strict};
use scriptworker_core::time::UnixMillis;
use scriptworker_core::yaml;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// An occasion, `context.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    now: String,
    decision: String,
    own: String,
    /// None for what a hook renders: it knows its payload only.
    tasks_for: Option<String>,
    /// Why we refuse what Python renders.
    unsupported: Option<String>,
    context: Map<String, Value>,
}

/// What Python made of it, `expected.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    result: Option<Value>,
    refused: Option<String>,
    unsupported: Option<String>,
}

/// The folders in a folder. Other files than the named ones have no place there.
fn folders(folder: &Path, files: &[&str]) -> Vec<PathBuf> {
    let (mut folders, mut found) = (Vec::new(), BTreeSet::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            folders.push(entry.path());
        } else {
            found.insert(entry.file_name().into_string().unwrap());
        }
    }
    let needed = files.iter().map(ToString::to_string).collect();
    assert_eq!(found, needed, "{}", folder.display());
    folders.sort();
    folders
}

fn read(folder: &Path, name: &str) -> Value {
    read_strict(&std::fs::read(folder.join(name)).unwrap(), DocumentKind::Parameters).unwrap()
}

fn ours(template: &Value, case: &Case) -> Result<Value, TemplateError> {
    let mut context = case.context.clone();
    if let Some(tasks_for) = &case.tasks_for {
        let base = [
            ("tasks_for", tasks_for.as_str().into()),
            ("ownTaskId", case.own.as_str().into()),
            ("taskId", Value::Null),
        ];
        for (key, value) in base {
            context.entry(key).or_insert(value);
        }
    }
    render(&Rendering {
        template: template.clone(),
        context,
        now: UnixMillis::parse(&case.now).unwrap(),
        decision: TaskId::parse(&case.decision).unwrap(),
        own: TaskId::parse(&case.own).unwrap(),
    })
}

#[test]
fn every_template_gives_what_the_python_worker_makes_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/taskcluster_yml");
    let (mut rendered, mut refused, mut unsupported, mut wrong) = (0, 0, 0, Vec::new());
    let templates = folders(&root, &[]);
    for folder in &templates {
        let template = std::fs::read(folder.join("template.yml")).unwrap();
        let template = yaml::read_strict(&template, DocumentKind::TaskTemplate).unwrap();
        let cases = folders(folder, &["template.yml"]);
        assert!(!cases.is_empty(), "{}", folder.display());
        for folder in cases {
            assert!(folders(&folder, &["context.json", "expected.json"]).is_empty());
            let case: Case = serde_json::from_value(read(&folder, "context.json")).unwrap();
            let expected: Expected = serde_json::from_value(read(&folder, "expected.json")).unwrap();
            assert_eq!(case.unsupported, expected.unsupported, "{}", folder.display());
            let ours = ours(&template, &case);
            let fits = match (&expected.result, &expected.refused, &expected.unsupported) {
                (Some(_), None, Some(_)) => {
                    unsupported += 1;
                    matches!(ours, Err(TemplateError::Unsupported { .. } | TemplateError::Differs { .. }))
                }
                (Some(result), None, None) => {
                    rendered += 1;
                    ours.as_ref() == Ok(&as_services_write(result))
                }
                (None, Some(_), None) => {
                    refused += 1;
                    matches!(ours, Err(TemplateError::Refused { .. }))
                }
                _ => panic!("{}: neither a result nor a refusal", folder.display()),
            };
            if !fits {
                wrong.push(format!(
                    "{}: {}",
                    folder.display(),
                    describe(&ours, expected.result.as_ref().map(as_services_write).as_ref())
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are not as Python's:\n{}", wrong.len(), wrong.join("\n"));
    assert!(templates.len() >= 10 && rendered >= 25, "{} templates, {rendered} rendered", templates.len());
    assert!(refused >= 5 && unsupported >= 1, "{refused} refused by both, {unsupported} by us alone");
}

/// Python writes a fraction that is whole with `.0`. The services that make the tasks know one kind of numbers, and the
/// comparison of tasks does, too (chain-of-trust.md 6.4); all else is compared exactly.
fn as_services_write(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = format!("{:.0}", number.as_f64().unwrap()).parse::<i32>();
            let whole = whole.ok().filter(|whole| *value == f64::from(*whole));
            whole.map_or_else(|| value.clone(), Value::from)
        }
        Value::Array(items) => items.iter().map(as_services_write).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), as_services_write(value))).collect()
        }
        _ => value.clone(),
    }
}

/// The first difference, by its path.
fn describe(ours: &Result<Value, TemplateError>, expected: Option<&Value>) -> String {
    fn first(path: &str, ours: &Value, expected: &Value) -> Option<String> {
        match (ours, expected) {
            _ if ours == expected => None,
            (Value::Object(one), Value::Object(other)) => {
                let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                keys.into_iter().find_map(|key| {
                    let part = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or("absent".into());
                    first(&format!("{path}.{key}"), &part(one), &part(other))
                })
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                let mut pairs = one.iter().zip(other).enumerate();
                pairs.find_map(|(index, (one, other))| first(&format!("{path}[{index}]"), one, other))
            }
            _ => Some(format!("{path}: {ours} instead of {expected}")),
        }
    }
    match (ours, expected) {
        (Ok(ours), Some(expected)) => first("", ours, expected).unwrap_or_default(),
        (Ok(ours), None) => format!("{ours} instead of a refusal"),
        (Err(error), _) => error.to_string(),
    }
}
