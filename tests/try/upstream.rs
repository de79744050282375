//! Upstream artifacts: where the script finds them, and what the queue says of their tasks.

use crate::site::{Said, Site, said};
use serde_json::{Value, json};

const ID: &str = "Ypg6xKhKRU-pnkwylNQrMw";
const OTHER: &str = "bWWdpJALQzaJ7_hUUlmxMg";

/// Asks the queue of the trial what it knows, as a script may that has more than the files.
const ASK: &str = r#"
import json, os, urllib.request
root, id = os.environ["TASKCLUSTER_ROOT_URL"] + "/api/queue/v1/task/", "Ypg6xKhKRU-pnkwylNQrMw"
get = lambda path: urllib.request.urlopen(root + path).read().decode()
print("state", json.loads(get(id + "/status"))["status"]["state"])
print("name", json.loads(get(id))["metadata"]["name"])
print("content", get(id + "/artifacts/public/build/a.txt"))
print("names", sorted(a["name"] for a in json.loads(get(id + "/artifacts"))["artifacts"]))
print("stub", json.loads(get("bWWdpJALQzaJ7_hUUlmxMg/status"))["status"]["state"])
"#;

fn wants(paths: &[&str]) -> Value {
    let entry = json!({"taskId": ID, "taskType": "build", "paths": paths, "formats": ["x"]});
    json!({"dependencies": [ID, OTHER], "payload": {"upstreamArtifacts": [entry]}})
}

fn try_with(site: &Site, task: &Value) -> Said {
    said(site.command(task).arg("--upstream").arg(site.path("up")).output().unwrap())
}

#[test]
fn the_script_finds_them_and_may_change_its_copies() {
    let site = Site::new(&format!(
        "cd $work/cot && find . -type f | sort && cat {ID}/public/build/a.txt && echo changed > {ID}/public/build/a.txt"
    ));
    site.write(&format!("up/{ID}/public/build/a.txt"), "from upstream\n");
    site.write(&format!("up/{ID}/private/key"), "secret\n");
    site.write(&format!("up/{OTHER}/public/b"), "");
    let said = try_with(&site, &wants(&["public/build/a.txt"]));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let expected = format!(
        "./{ID}/private/key\n./{ID}/public/build/a.txt\n./{OTHER}/public/b\nfrom upstream\nexit code: 0\n"
    );
    assert!(said.out.contains(&expected), "{}", said.out);
    assert_eq!(site.read(&format!("up/{ID}/public/build/a.txt")), "from upstream\n");
}

#[test]
fn the_queue_serves_them_and_knows_their_tasks() {
    let site = Site::new("exec python3 \"$(dirname \"$work\")/ask.py\"");
    site.write("ask.py", ASK);
    site.write(&format!("up/{ID}/public/build/a.txt"), "from upstream");
    let definition = json!({
        "created": "2020-01-01T00:00:00Z", "deadline": "2020-01-01T01:00:00Z", "taskQueueId": "some/builder",
        "dependencies": ["fN1SbArXTPSVFNUvaOlinQ"], "payload": {}, "metadata": {"name": "the build",
        "description": "", "owner": "a@example.com", "source": "https://example.com"},
    });
    site.write(&format!("up/{ID}/task.json"), &definition.to_string());
    let said = try_with(&site, &wants(&["public/build/a.txt"]));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    for line in [
        "state completed",
        "name the build",
        "content from upstream",
        "names ['public/build/a.txt']",
        "stub completed",
    ] {
        assert!(said.out.lines().any(|said| said == line), "{line}\n{}", said.out);
    }
    assert!(!said.err.contains("is not there"), "{}", said.err);
}

#[test]
fn what_is_asked_for_and_not_given_is_told_and_the_script_decides() {
    let site = Site::new("test ! -e $work/cot && exit 4");
    let said = site.try_task(&wants(&["public/build/a.txt"]));
    assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
    let told = format!("the upstream artifact \"public/build/a.txt\" of task {ID} is not there");
    assert!(said.err.contains(&told), "{}", said.err);
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let site = Site::new("echo never");
    site.write("up/public/build/a.txt", "");
    let said = try_with(&site, &wants(&[]));
    assert_eq!(said.code, 64, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("up/public should be a directory with the name of a task"), "{}", said.err);
    std::fs::remove_dir_all(site.path("up")).unwrap();
    let said = try_with(&site, &wants(&[]));
    assert_eq!(said.code, 64);
    assert!(said.err.contains("up: No such file or directory"), "{}", said.err);
}
