//! The recorded exchanges with a real Taskcluster deployment, replayed in order against the embedded queue and
//! compared by status, error code and shape of the body (and by value where the value is a fact of the protocol).
//!
//! Credentials, upload ids and signed URLs of the recorded answers are replaced by those of the replayed ones, dates
//! are moved to the present, and the queue's clock follows the recording, so that nothing has to wait.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::unwrap_in_result,
    reason = "a test fails by panicking, its input is in the repository, and its summary goes to stdout"
)]

mod behaviour;
mod client;
mod engine;
mod resign;
mod schemas;
mod shape;
mod sign;
#[path = "../support/skip.rs"]
mod skip;
mod wire;

use client::Answer;
use engine::{Replay, options};
use scriptworker::embedded_queue::{Call, Clock as _, ManualClock, SystemClock};
use scriptworker_core::ids::TaskId;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use wire::{Exchange, Recording};

/// What the embedded queue does not do, by file, and why.
const NOT_SUPPORTED: &[(&str, &str)] = &[];

/// Calls `check` with each recorded exchange and what the embedded queue answered.
fn replay(check: &mut dyn FnMut(&str, usize, &Exchange, &Answer, Call)) {
    let recordings = wire::load();
    let start = recordings[0].recorded_at;
    let delta = SystemClock.now().since(start);
    let clock = Arc::new(ManualClock::new(start.plus(delta)));
    let mut main = Replay::new(&recordings, Arc::clone(&clock), delta, options(Arc::clone(&clock)));
    let short = scriptworker::embedded_queue::Options {
        claim_timeout: Duration::from_secs(8),
        ..options(Arc::clone(&clock))
    };
    let mut short = Replay::new(&recordings, Arc::clone(&clock), delta, short);
    for recording in &recordings {
        // 0e0 to 0e6 were recorded with a claim timeout of 8 s.
        let replay = if recording.file.starts_with("0e") { &mut short } else { &mut main };
        let at = replay.at(recording.recorded_at);
        if at > clock.now() {
            clock.set(at);
        }
        before(replay, &recording.file);
        for (index, exchange) in recording.exchanges.iter().enumerate() {
            in_between(replay, recording, index);
            let answer = if recording.file.starts_with("0c1-") {
                arrives_during_poll(replay, recording)
            } else {
                replay.prepare(exchange);
                replay.send(exchange, recording.recorded_at)
            };
            let call = replay.queue.calls().last().map_or(Call::Ping, |record| record.call);
            check(&recording.file, index, exchange, &answer, call);
        }
        after(replay, recording);
    }
}

fn cancel(replay: &Replay<'_>, task_id: &str) {
    replay.queue.cancel(&TaskId::parse(task_id).unwrap()).unwrap();
}

/// What happened between the recorded files.
fn before(replay: &mut Replay<'_>, file: &str) {
    let worker_task = "BXPJCuf6R8WpwP3HE6JHiA";
    let artifact = |replay: &mut Replay<'_>, name: &str, body: Value| {
        let target = format!("/api/queue/v1/task/{worker_task}/runs/0/artifacts/{name}");
        assert_eq!(replay.call_as_root("POST", &target, Some(body)).status, 200);
    };
    let expires = |replay: &Replay<'_>| {
        json!(replay.at(scriptworker_core::time::UnixMillis::parse("2026-11-24T15:51:26.385Z").unwrap()))
    };
    match file {
        "03j-createArtifact-s3-to-reference-409.json" => {
            let expires = expires(replay);
            artifact(
                replay,
                "public/replace",
                json!({
                    "storageType": "s3", "expires": expires, "contentType": "text/plain"
                }),
            );
        }
        "040-listLatestArtifacts.json" => {
            let expires = expires(replay);
            for (from, to) in [("public/cycle-a", "public/cycle-b"), ("public/cycle-b", "public/cycle-a")] {
                artifact(replay, from, json!({"storageType": "link", "expires": expires, "artifact": to}));
            }
        }
        "04a-latest-artifacts-no-runs.json" => {
            // Waits for a task that is pending, and then cancelled with it.
            replay.ensure_task("AAAAAAAARAqAAAAAAAAAAQ");
            replay.ensure_unscheduled("N_JgmIoORHy_hJVsdxumqw", "AAAAAAAARAqAAAAAAAAAAQ");
        }
        "057-reportFailed.json" => cancel(replay, "AAAAAAAARAqAAAAAAAAAAQ"),
        "080-claimWork-two-of-three.json" => {
            for task in ["V63LSqyDReWw6XmC0ksKNA", "WcYST7M7RoKxcwTwSIBE8w", "RP27YsWZTz22PBMmZzo9kA"] {
                replay.ensure_task(task);
            }
        }
        "082-claimWork-priority.json" => replay.ensure_task("EWHYihNOQE-vyRIZN8X_7A"),
        "0b0-rerunTask.json" => {
            let task = "J-Np68iwRc-NkG6GibY7zQ";
            replay.ensure_task(task);
            replay.claim(task, "0", "test-dummy-workers", "worker1");
            let target = format!("/api/queue/v1/task/{task}/runs/0/failed");
            assert_eq!(replay.call_as_root("POST", &target, None).status, 200);
        }
        "0c2-claimWork-quarantined.json" => replay.ensure_task("AAAAAAAARAqAAAAAAAAAAg"),
        "0d4-status-deadline-exceeded.json" => replay.queue.resolve_deadlines(),
        "0e3-status-claim-expired.json" => replay.queue.resolve_claims(),
        _ => {}
    }
}

/// What happened between the exchanges of one file.
fn in_between(replay: &mut Replay<'_>, recording: &Recording, index: usize) {
    let exchange = &recording.exchanges[index];
    if recording.file.starts_with("0e6-") {
        // Three reclaims, 4 s apart, the last one at the end; no claim may expire meanwhile.
        let left = 4000 * i64::try_from(recording.exchanges.len() - 1 - index).unwrap();
        replay.clock.set(replay.at(recording.recorded_at).plus(-left));
        replay.queue.resolve_claims();
    }
    if recording.file.starts_with("103-") && exchange.status == 409 && exchange.target().ends_with("/reclaim")
    {
        cancel(replay, &exchange.target()["/api/queue/v1/task/".len()..][..22]);
    }
    if let Some(after_claim) = exchange.after_claim.filter(|_| index > 0) {
        let end = recording.exchanges.last().and_then(|last| last.after_claim).unwrap_or(after_claim);
        replay.clock.set(replay.at(recording.recorded_at).plus(after_claim - end));
    }
}

/// Takes back what would be in the way of the files that follow.
fn after(replay: &mut Replay<'_>, recording: &Recording) {
    match recording.file.as_str() {
        "082-claimWork-priority.json" => cancel(replay, "EWHYihNOQE-vyRIZN8X_7A"),
        "0b0-rerunTask.json" => cancel(replay, "J-Np68iwRc-NkG6GibY7zQ"),
        "0c2-claimWork-quarantined.json" => cancel(replay, "AAAAAAAARAqAAAAAAAAAAg"),
        file if file.starts_with('1') => {
            let claims = recording.exchanges[0].answer_json.as_ref().unwrap();
            cancel(replay, claims["tasks"][0]["status"]["taskId"].as_str().unwrap());
        }
        _ => {}
    }
}

/// The task is made while `claimWork` waits for one.
fn arrives_during_poll(replay: &mut Replay<'_>, recording: &Recording) -> Answer {
    let exchange = &recording.exchanges[0];
    let task_id = exchange.answer_json.as_ref().unwrap()["tasks"][0]["status"]["taskId"].as_str().unwrap();
    let before = replay.queue.calls().len();
    let request = replay.request(exchange, recording.recorded_at);
    let address = replay.address();
    std::thread::scope(|scope| {
        let answer = scope.spawn(move || request.send(&address).expect("no answer"));
        replay.queue.wait_for_open_call(Call::ClaimWork, Duration::from_secs(30)).unwrap();
        assert_eq!(replay.queue.calls().len(), before, "the poll must still be open");
        replay.ensure_task(task_id);
        answer.join().unwrap()
    })
}

fn compare(file: &str, index: usize, exchange: &Exchange, answer: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    if answer.status != exchange.status {
        wrong.push(format!("status: recorded {}, came {}", exchange.status, answer.status));
    }
    for header in ["www-authenticate", "x-taskcluster-artifact-storage-type"] {
        if exchange.answer_header(header) != answer.header(header) {
            let (recorded, came) = (exchange.answer_header(header), answer.header(header));
            wrong.push(format!("{header}: recorded {recorded:?}, came {came:?}"));
        }
    }
    if exchange.answer_header("location").is_some() != answer.header("location").is_some() {
        wrong.push("location: there in only one of both".to_owned());
    }
    let stored = exchange.method == "GET" && exchange.url.contains(":8705/");
    if stored {
        for header in ["content-type", "content-encoding"] {
            if exchange.answer_header(header) != answer.header(header) {
                wrong.push(format!("{header}: came {:?}", answer.header(header)));
            }
        }
        if exchange.answer_json.is_none()
            && exchange.answer_bytes.as_deref().unwrap_or_default() != answer.body
        {
            wrong.push("other bytes came than were stored".to_owned());
        }
    }
    match (&exchange.answer_json, answer.json()) {
        (Some(recorded), Some(came)) => wrong.extend(shape::differences(recorded, &came)),
        (Some(_), None) => wrong.push("no JSON came".to_owned()),
        (None, _) => {}
    }
    if !wrong.is_empty() {
        wrong.push(format!("  the answer: {}", String::from_utf8_lossy(&answer.body)));
    }
    wrong.iter().map(|line| format!("{file}[{index}] {line}")).collect()
}

#[test]
fn recorded_exchanges_replay() {
    let mut exchanges = 0;
    let mut files = std::collections::BTreeSet::new();
    let mut wrong = Vec::new();
    let mut unneeded: Vec<&str> = NOT_SUPPORTED.iter().map(|(file, _)| *file).collect();
    replay(&mut |file, index, exchange, answer, _| {
        let found = compare(file, index, exchange, answer);
        if NOT_SUPPORTED.iter().any(|(name, _)| *name == file) {
            if !found.is_empty() {
                unneeded.retain(|name| *name != file);
            }
            return;
        }
        exchanges += 1;
        files.insert(file.to_owned());
        wrong.extend(found);
    });
    println!(
        "replayed {exchanges} exchanges of {} recordings; not supported: {}",
        files.len(),
        NOT_SUPPORTED.len()
    );
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(unneeded.is_empty(), "listed as not supported, but they match: {unneeded:?}");
    assert!(exchanges > 300, "only {exchanges} exchanges were compared");
}

#[test]
fn answers_fit_the_published_schemas() {
    let Some(schemas) = schemas::Schemas::load() else {
        skip::skip("answers are not validated, ../shared/taskcluster-reference is absent");
        return;
    };
    let mut checked = std::collections::BTreeMap::new();
    let mut wrong = Vec::new();
    replay(&mut |file, index, _, answer, call| {
        if !(200..400).contains(&answer.status) || answer.body.is_empty() {
            return;
        }
        let Some(errors) = schemas.check(call.name(), &answer.json().unwrap_or_default()) else { return };
        *checked.entry(call.name()).or_insert(0) += 1;
        wrong.extend(errors.into_iter().map(|error| format!("{file}[{index}] {}: {error}", call.name())));
    });
    println!("checked against the published schemas: {checked:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked.len() >= 15, "only these were checked: {checked:?}");
}
