//! A task graph of the size of real ones, and the process that reads it.

use crate::tools::memory;
use bytes::Bytes;
use scriptworker_core::cot::graph_has;
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::cot::task::Definition;
use scriptworker_core::ids::TaskId;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

const DECISION: &str = "DecisionQ0WAAAAAAAAAAA";

/// How long a definition is, about, in bytes.
const SIZE: usize = 2900;

fn id(number: usize) -> String {
    format!("T{number:07}Q0WAAAAAAAAAAA")
}

/// A task as graphs have them: texts, lists, maps, numbers.
fn task(number: usize) -> Value {
    let words = |count: usize| (0..count).map(|word| format!("word-{}", number + word)).collect::<Vec<_>>();
    let mut task = json!({
        "provisionerId": "gecko-3", "workerType": "b-linux", "schedulerId": "gecko-level-3", "taskGroupId": DECISION,
        "created": "2026-11-25T20:10:00.000Z", "deadline": "2026-11-26T20:10:00.000Z",
        "expires": "2027-11-25T20:10:00.000Z", "priority": "low", "retries": 5, "requires": "all-completed",
        "dependencies": [DECISION], "scopes": words(4), "routes": words(6), "tags": {"kind": "build", "label": id(number)},
        "metadata": {"name": id(number), "description": "A \"build\" of\nsomething", "owner": "a@example.com", "source": "https://hg.mozilla.org/mozilla-central"},
        "extra": {"index": {"rank": number}, "treeherder": {"symbol": "B", "tier": 1, "jobKind": "build"}},
        "payload": {
            "maxRunTime": 7200, "onExitStatus": {"retry": [4]}, "features": {"chainOfTrust": true, "taskclusterProxy": true},
            "command": words(12), "env": {"GECKO_HEAD_REV": "0123456789abcdef0123456789abcdef01234567"},
        },
    });
    let missing = SIZE.saturating_sub(task.to_string().len());
    for name in 0..missing / 70 {
        let value = format!("a value of usual length, such as a path or URL {:08}", number * 100 + name);
        task["payload"]["env"][format!("NAME_{name:02}")] = json!(value);
    }
    task
}

/// Writes a graph of so many tasks.
pub fn write(path: &Path, tasks: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for number in 0..tasks {
        let separator = if number == 0 { '{' } else { ',' };
        let member = json!({"task": task(number), "dependencies": {"docker-image": id(number + 1)}, "attributes": {"kind": "build", "run_on_projects": ["all"]}, "label": id(number)});
        write!(file, "{separator}\"{}\": {member}", id(number)).unwrap();
    }
    write!(file, "}}").unwrap();
    file.flush().unwrap();
}

/// Reads a graph through and looks for its first task. Prints the seconds, and the greatest memory beside what this
/// process had before, in bytes.
pub fn read(path: &Path) {
    let task = Definition::from_value(task(0)).unwrap();
    let (id, parent) = (TaskId::parse(&id(0)).unwrap(), TaskId::parse(DECISION).unwrap());
    let before = memory("/proc/self/status").unwrap();
    let begun = Instant::now();
    let document: Bytes = std::fs::read(path).unwrap().into();
    graph_has(document, RuleSet::Current, &id, &task, &parent).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!("{}", json!([seconds, memory("/proc/self/status").unwrap() - before]));
}
