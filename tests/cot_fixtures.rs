//! A verifier, given every folder of `tests/fixtures/cot`: our own `verify-cot --offline`, or any other command.
//!
//! `COT_VERIFIER` is a command with placeholders, its words parted by blanks:
//!
//! | placeholder | what it stands for |
//! |---|---|
//! | `{bundle}` | the evidence in one file, as `verify-cot --bundle` writes it |
//! | `{folder}`, `{blobs}` | the folder, and where the bytes lie that it refers to |
//! | `{config}` | a configuration with everything that the case changes |
//! | `{task_id}`, `{task_type}`, `{product}`, `{generation}`, `{now}` | as in `case.json` |
//! | `{verify_sigs}`, `{no_check_task}` | the flag of `verify_cot`, or nothing |
//!
//! It ends with 0 when it verifies, 3 when it refuses, 4 when it can give no verdict. If it prints JSON as
//! `verify-cot --json` does, the reasons are compared, too. `COT_ONLY` narrows it down to folders with such a name.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

#[path = "../core/tests/cot_rows/case.rs"]
mod case;

use case::{Case, Found, Verdict, policy_document};
use scriptworker::actors::cot_verifier::Clearance;
use scriptworker::config::{KeyringLayout, KeyringModel};
use scriptworker::keyrings::{Keys, Source, Store};
use scriptworker_core::cot::chain::{ChainLimits, Subject};
use scriptworker_core::cot::evidence::Answer;
use scriptworker_core::cot::judge::{self, InTurn, Judgement, VerifiedTask, judge};
use scriptworker_core::cot::keys::Keys as CotKeys;
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::policy::Policy;
use scriptworker_core::cot::task::Definition;
use scriptworker_core::cot::template::InProcess;
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use scriptworker_core::openpgp::Certificate;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const OURS: &str = "verify-cot --offline {bundle} --config {config} {verify_sigs} --json";

#[test]
fn a_verifier_says_what_the_folders_expect() {
    let (cases, dir) = (Case::read_all(&Case::read_blobs()), tempfile::tempdir().unwrap());
    let only = std::env::var("COT_ONLY").unwrap_or_default();
    stage_keyrings(&dir.path().join("keyrings"));
    let mut wrong = Vec::new();
    let mut judged = 0;
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        judged += 1;
        wrong.extend(differs(case, dir.path()));
    }
    eprintln!("{judged} of {} folders judged", cases.len());
    assert!(judged > 0 && wrong.is_empty(), "{} of {judged}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_was_proven_for_a_run_lets_no_other_run_start() {
    let task = Arc::new(proven("release_current_pass"));
    let id = task.task().clone();
    let other = TaskId::parse("BuildTskQ0WAAAAAAAAAAA").unwrap();
    let run =
        |task_id: &TaskId, number| RunKey { task_id: task_id.clone(), run_id: RunId::new(number).unwrap() };
    let cleared = |run: &RunKey| Clearance::Verified { run: run.clone(), task: Arc::clone(&task) };
    let clearance = cleared(&run(&id, 1));
    assert!(clearance.covers(&run(&id, 1)));
    for (task, number) in [(&id, 0), (&id, 2), (&other, 1)] {
        assert!(!clearance.covers(&run(task, number)), "{task}/{number}");
    }
    assert!(!cleared(&run(&other, 1)).covers(&run(&other, 1)), "proven of another task");
    assert!(!Clearance::None.covers(&run(&id, 1)));
}

/// What comes of a folder that is verified, and whose signatures are all ed25519.
fn proven(name: &str) -> VerifiedTask {
    let cases = Case::read_all(&Case::read_blobs());
    let case = cases.iter().find(|case| case.name == name).unwrap();
    let (expected, evidence) = (&case.expected, case.evidence());
    let built_in = Policy::from_value(policy_document(&expected.generation, &expected.policy)).unwrap();
    let mut keys = configuration(case, Path::new("/nowhere"));
    keys.as_object_mut().unwrap().retain(|key, _| key == "ed25519_public_keys");
    let policy = built_in.overridden(keys.as_object().unwrap(), Some(&expected.product)).unwrap();
    let id = expected.task_id.clone();
    let Some(Answer::Present(definition)) = evidence.get(&Need::Task { task: id.clone() }) else {
        panic!("no definition of {id}")
    };
    let task = Definition::parse(definition).unwrap();
    let judgement = judge(
        &judge::Case {
            subject: &Subject { id, task_type: expected.task_type.clone(), task },
            attested: expected.attested,
            policy: &policy,
            product: policy.product(&expected.product).unwrap(),
            keys: &CotKeys { openpgp: &BTreeMap::new(), ed25519: &policy.keys, check: true },
            renderer: &InProcess,
            spread: &InTurn,
            limits: ChainLimits { hops: 20, links: 1000, inputs: 100 },
            now: expected.now,
            queue_now: expected.queue_now,
        },
        &evidence,
    );
    match judgement {
        Judgement::Verified(task, _) => task,
        Judgement::Refused(_) | Judgement::Incomplete(_) => panic!("{judgement:?}"),
    }
}

/// What the verifier says that it should not.
fn differs(case: &Case, dir: &Path) -> Option<String> {
    let output = command(case, dir).output().unwrap();
    let expected = match case.expected.verdict {
        Verdict::Verified => 0,
        Verdict::Refused => 3,
        Verdict::Unavailable => 4,
    };
    let findings = serde_json::from_slice::<Value>(&output.stdout).map(|verdict| findings(&verdict, case));
    let mut should = case.expected.findings.clone();
    should.sort();
    let same = findings.as_ref().map_or(true, |found| *found == should);
    if output.status.code() == Some(expected) && same {
        return None;
    }
    Some(format!(
        "{} ({}): expected {expected} {should:?}, found {:?} {findings:?} {}",
        case.name,
        case.expected.what,
        output.status.code(),
        String::from_utf8_lossy(&output.stderr),
    ))
}

fn findings(verdict: &Value, case: &Case) -> Vec<Found> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for link in verdict["links"].as_array().into_iter().flatten() {
        let failed =
            link["rules"].as_array().into_iter().flatten().filter(|rule| rule["outcome"] == "failed");
        found.extend(
            failed.map(|rule| Found { reason: text(&rule["reason"]), task_id: text(&link["taskId"]) }),
        );
    }
    if let Some(reason) = verdict["finding"]["reason"].as_str() {
        found.push(Found { reason: reason.to_owned(), task_id: case.expected.task_id.to_string() });
    }
    found.sort();
    found
}

fn command(case: &Case, dir: &Path) -> Command {
    let expected = &case.expected;
    let (bundle, config) = (dir.join("bundle"), dir.join("config.json"));
    std::fs::write(&bundle, case.bundle().unwrap()).unwrap();
    std::fs::write(&config, configuration(case, dir).to_string()).unwrap();
    let flag = |given: bool, flag: &str| if given { flag.to_owned() } else { String::new() };
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let known = BTreeMap::from([
        ("{bundle}", path(&bundle)),
        ("{config}", path(&config)),
        ("{folder}", path(&Case::root().join(&case.name))),
        ("{blobs}", path(&Case::root().join("blobs"))),
        ("{task_id}", expected.task_id.to_string()),
        ("{task_type}", expected.task_type.clone()),
        ("{product}", expected.product.clone()),
        ("{generation}", expected.generation.clone()),
        ("{now}", expected.now.to_string()),
        ("{verify_sigs}", flag(expected.verify_signatures, "--verify-sigs")),
        ("{no_check_task}", flag(!expected.attested, "--no-check-task")),
    ]);
    let template = std::env::var("COT_VERIFIER");
    let template = template.unwrap_or_else(|_| format!("{} {OURS}", env!("CARGO_BIN_EXE_scriptworker")));
    let words = template.split_whitespace().map(|word| {
        known.iter().fold(word.to_owned(), |word, (placeholder, value)| word.replace(placeholder, value))
    });
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn configuration(case: &Case, dir: &Path) -> Value {
    let shared = Case::root().join("config").join(format!("{}.json", case.expected.generation));
    let text = std::fs::read_to_string(shared).unwrap().replace("DIR", dir.to_str().unwrap());
    let mut config: Value = serde_json::from_str(&text).unwrap();
    if !case.expected.policy.is_empty() {
        let policy = dir.join("policy.json");
        let document = policy_document(&case.expected.generation, &case.expected.policy);
        std::fs::write(&policy, document.to_string()).unwrap();
        config["policy_path"] = Value::from(policy.to_str().unwrap());
    }
    for (key, value) in &case.expected.config {
        config[key] = value.clone();
    }
    config
}

/// The keyrings of the classic generation, as `rebuild-keyrings` leaves them.
fn stage_keyrings(base: &Path) {
    let mut all = BTreeMap::new();
    let folder = Case::root().join("config/keyrings");
    for implementation in std::fs::read_dir(folder).unwrap() {
        let implementation = implementation.unwrap();
        let key = std::fs::read(implementation.path().join("worker.asc")).unwrap();
        let keys = Keys {
            layout: KeyringLayout { model: KeyringModel::Flat, ignore_suffixes: Vec::new() },
            by_place: vec![Certificate::parse(&key).unwrap()],
            by_certification: Vec::new(),
        };
        all.insert(implementation.file_name().into_string().unwrap(), keys);
    }
    let signed_by = all["scriptworker"].by_place[0].fingerprint().clone();
    let source = Source { revision: "0".repeat(40), tag: None, signed_by };
    let store = Store::new(base);
    store.stage(&all, &source, scriptworker_core::time::UnixMillis(0)).unwrap();
    store.swap().unwrap();
}
