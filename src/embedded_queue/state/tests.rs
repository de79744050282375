//! The rules, without HTTP: each test moves `now` by itself.

use super::State;
use super::artifact::{Content, Wish, WishKind};
use super::definition::{fill_defaults, fill_queue_name};
use super::object::{Blob, Object};
use super::refusal::Refusal;
use super::run::{RunState, WorkerName};
use super::worker::WorkerKey;
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use scriptworker_core::run::{ExceptionReason, Report};
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value, json};

const NOW: UnixMillis = UnixMillis(1_795_449_084_000);
const MINUTE: i64 = 60_000;
const A: &str = "Ypg6xKhKRU-pnkwylNQrMw";
const B: &str = "BXPJCuf6R8WpwP3HE6JHiA";
const C: &str = "YVYSn2yyRaeaEQ2LYGj1WQ";

fn id(text: &str) -> TaskId {
    TaskId::parse(text).unwrap()
}

fn key(text: &str, run: u64) -> RunKey {
    RunKey { task_id: id(text), run_id: RunId::new(run).unwrap() }
}

fn worker(name: &str) -> WorkerKey {
    WorkerKey {
        queue_id: "prov/type".to_owned(),
        name: WorkerName { group: "group".to_owned(), id: name.to_owned() },
    }
}

fn definition(change: Value) -> Map<String, Value> {
    let mut definition = json!({
        "provisionerId": "prov", "workerType": "type", "payload": {}, "metadata": {}, "retries": 1,
        "created": NOW, "deadline": NOW.plus(60 * MINUTE),
    });
    for (key, value) in change.as_object().unwrap() {
        definition[key] = value.clone();
    }
    let Value::Object(mut definition) = definition else { unreachable!() };
    fill_defaults(&mut definition);
    fill_queue_name(&mut definition).unwrap();
    definition
}

fn create(state: &mut State, task: &str, change: Value) -> Result<(), Refusal> {
    state.create_task(&id(task), &mut definition(change), NOW)
}

fn claim(state: &mut State, count: usize, now: UnixMillis) -> Vec<RunKey> {
    state.claim_work(&worker("w"), count, now.plus(20 * MINUTE), now)
}

fn claimed(change: Value) -> State {
    let mut state = State::default();
    create(&mut state, A, change).unwrap();
    assert_eq!(claim(&mut state, 1, NOW), [key(A, 0)]);
    state
}

fn state_of(state: &State, task: &str) -> RunState {
    state.task(&id(task)).unwrap().state()
}

fn s3(expires: i64) -> Wish {
    Wish {
        kind: WishKind::S3 { length: None },
        content_type: Some("text/plain".to_owned()),
        expires: NOW.plus(expires),
    }
}

#[test]
fn work_is_given_by_priority_then_age_and_only_once() {
    let mut state = State::default();
    create(&mut state, A, json!({"priority": "low"})).unwrap();
    create(&mut state, B, json!({"priority": "low"})).unwrap();
    create(&mut state, C, json!({"priority": "high"})).unwrap();
    assert_eq!(claim(&mut state, 2, NOW), [key(C, 0), key(A, 0)]);
    assert_eq!(claim(&mut state, 32, NOW), [key(B, 0)]);
    assert_eq!(claim(&mut state, 32, NOW), []);
}

#[test]
fn quarantine_and_deadline_keep_tasks_back() {
    let mut state = State::default();
    create(&mut state, A, json!({})).unwrap();
    assert_eq!(state.quarantine(&worker("w"), NOW.plus(MINUTE)), Err(Refusal::NoWorker("w".to_owned())));
    state.see_worker(&worker("w"), NOW);
    state.quarantine(&worker("w"), NOW.plus(MINUTE)).unwrap();
    assert_eq!(claim(&mut state, 1, NOW), []);
    assert_eq!(claim(&mut state, 1, NOW.plus(60 * MINUTE)), [], "past the deadline");
    assert_eq!(claim(&mut state, 1, NOW.plus(MINUTE)), [key(A, 0)]);
}

#[test]
fn a_claim_is_renewed_until_it_expires_and_then_retried_while_retries_are_left() {
    let mut state = claimed(json!({}));
    let later = NOW.plus(19 * MINUTE);
    state.reclaim(&key(A, 0), later.plus(20 * MINUTE), later).unwrap();
    assert!(!state.expire_claims(NOW.plus(20 * MINUTE)), "it was renewed");
    let end = later.plus(20 * MINUTE);
    assert!(state.expire_claims(end) && !state.expire_claims(end));
    let status = state.status(&id(A)).unwrap();
    assert_eq!(status["runs"][0]["reasonResolved"], "claim-expired");
    assert_eq!((&status["runs"][1]["reasonCreated"], &status["retriesLeft"]), (&json!("retry"), &json!(0)));
    assert_eq!(
        state.reclaim(&key(A, 0), end, end),
        Err(Refusal::ResolvedOrNotRunning { task: id(A), run: 0 })
    );
    assert_eq!(claim(&mut state, 1, end), [key(A, 1)]);
    assert!(state.expire_claims(end.plus(20 * MINUTE)));
    assert_eq!(state_of(&state, A), RunState::Exception, "no retries left");
}

#[test]
fn only_shutdown_and_intermittent_reports_make_a_new_run() {
    for (reason, created) in [
        (ExceptionReason::WorkerShutdown, Some("retry")),
        (ExceptionReason::IntermittentTask, Some("task-retry")),
        (ExceptionReason::MalformedPayload, None),
        (ExceptionReason::ResourceUnavailable, None),
        (ExceptionReason::InternalError, None),
    ] {
        for retries in [0, 1] {
            let mut state = claimed(json!({"retries": retries}));
            let status = state.report(&key(A, 0), Report::Exception(reason), NOW).unwrap();
            let expected = created.filter(|_| retries > 0);
            assert_eq!(status["runs"][1]["reasonCreated"].as_str(), expected, "{reason:?} {retries}");
            let again = state.report(&key(A, 0), Report::Exception(reason), NOW.plus(1)).unwrap();
            assert_eq!(again, status, "the same report again changes nothing");
        }
    }
}

#[test]
fn a_resolved_run_takes_no_other_report() {
    let reports = [
        Report::Completed,
        Report::Failed,
        Report::Exception(ExceptionReason::InternalError),
        Report::Exception(ExceptionReason::MalformedPayload),
    ];
    for first in reports {
        for second in reports {
            let mut state = claimed(json!({}));
            state.report(&key(A, 0), first, NOW).unwrap();
            assert_eq!(
                state.report(&key(A, 0), second, NOW).is_ok(),
                first == second,
                "{first:?} {second:?}"
            );
        }
    }
}

#[test]
fn past_its_deadline_a_task_is_not_reclaimed_and_then_resolved() {
    let mut state = claimed(json!({}));
    let deadline = NOW.plus(60 * MINUTE);
    assert!(!state.resolve_deadlines(deadline.plus(-1)));
    assert_eq!(
        state.reclaim(&key(A, 0), deadline.plus(1), deadline),
        Err(Refusal::PastDeadline { task: id(A), deadline })
    );
    assert!(state.resolve_deadlines(deadline) && !state.resolve_deadlines(deadline));
    assert_eq!(state.status(&id(A)).unwrap()["runs"][0]["reasonResolved"], "deadline-exceeded");
    assert_eq!(state.rerun(&id(A), deadline), Err(Refusal::CannotRerun(id(A))));
}

#[test]
fn dependents_wait_for_what_they_require() {
    for (requires, report, scheduled) in [
        ("all-completed", Report::Completed, true),
        ("all-completed", Report::Failed, false),
        ("all-resolved", Report::Failed, true),
        ("all-resolved", Report::Exception(ExceptionReason::InternalError), true),
    ] {
        let mut state = claimed(json!({}));
        create(&mut state, B, json!({"dependencies": [A], "requires": requires})).unwrap();
        assert_eq!(state_of(&state, B), RunState::Unscheduled);
        state.report(&key(A, 0), report, NOW).unwrap();
        assert_eq!(state_of(&state, B) == RunState::Pending, scheduled, "{requires} {report:?}");
    }
    let mut state = claimed(json!({}));
    create(&mut state, B, json!({"dependencies": [A], "requires": "all-resolved"})).unwrap();
    state.report(&key(A, 0), Report::Exception(ExceptionReason::WorkerShutdown), NOW).unwrap();
    assert_eq!(state_of(&state, B), RunState::Unscheduled, "the retry is still to come");
}

#[test]
fn tasks_are_made_once_and_with_possible_dates() {
    let mut state = State::default();
    create(&mut state, A, json!({})).unwrap();
    create(&mut state, A, json!({})).unwrap();
    assert_eq!(create(&mut state, A, json!({"retries": 2})), Err(Refusal::TaskConflict(id(A))));
    assert_eq!(
        create(&mut state, B, json!({"dependencies": [C]})),
        Err(Refusal::MissingDependencies(vec![C.to_owned()]))
    );
    for wrong in [
        json!({"created": NOW.plus(-16 * MINUTE)}),
        json!({"created": NOW.plus(16 * MINUTE)}),
        json!({"created": NOW.plus(-2 * MINUTE), "deadline": NOW.plus(-MINUTE)}),
        json!({"created": NOW.plus(2 * MINUTE), "deadline": NOW.plus(MINUTE)}),
        json!({"deadline": NOW.plus(6 * 24 * 60 * MINUTE)}),
        json!({"expires": NOW.plus(MINUTE)}),
    ] {
        let result = create(&mut state, B, wrong.clone());
        assert!(matches!(result, Err(Refusal::BadDate(_))), "{wrong}: {result:?}");
    }
}

#[test]
fn cancelling_ends_anything_and_reruns_begin_anew() {
    let mut state = State::default();
    create(&mut state, A, json!({})).unwrap();
    create(&mut state, B, json!({"dependencies": [A]})).unwrap();
    let status = state.cancel(&id(B), NOW).unwrap();
    assert_eq!(
        (&status["runs"][0]["reasonCreated"], &status["state"]),
        (&json!("exception"), &json!("exception"))
    );
    let status = state.cancel(&id(A), NOW).unwrap();
    assert_eq!(state.cancel(&id(A), NOW.plus(1)).unwrap(), status, "again changes nothing");
    let status = state.rerun(&id(A), NOW).unwrap();
    assert_eq!(status["runs"][1]["reasonCreated"], "rerun");
    assert_eq!(state.rerun(&id(A), NOW).unwrap(), status, "a pending task is not rerun");
}

#[test]
fn artifacts_are_made_while_the_run_lives_and_a_while_after_an_exception() {
    let later = |minutes: i64| NOW.plus(minutes * MINUTE);
    let make = |state: &mut State, now| {
        state.create_artifact(&key(A, 0), "public/a", s3(30 * MINUTE), String::new(), now).map(|_| ())
    };
    for (report, after_24, after_26) in [
        (Report::Completed, false, false),
        (Report::Failed, false, false),
        (Report::Exception(ExceptionReason::InternalError), true, false),
    ] {
        let mut state = claimed(json!({}));
        make(&mut state, NOW).unwrap();
        state.report(&key(A, 0), report, NOW).unwrap();
        assert_eq!(make(&mut state, later(24)).is_ok(), after_24, "{report:?}");
        assert_eq!(make(&mut state, later(26)).is_ok(), after_26, "{report:?}");
    }
    let mut state = State::default();
    assert_eq!(make(&mut state, NOW), Err(Refusal::ArtifactNoTask));
    create(&mut state, A, json!({"expires": later(61)})).unwrap();
    assert_eq!(make(&mut state, NOW), Err(Refusal::ArtifactUnclaimed));
    claim(&mut state, 1, NOW);
    let outlives = state.create_artifact(&key(A, 0), "a", s3(62 * MINUTE), String::new(), NOW);
    assert!(matches!(outlives, Err(Refusal::ArtifactOutlivesTask { .. })));
}

#[test]
fn a_repeated_artifact_must_be_the_same_up_to_the_exceptions() {
    let link = |to: &str| WishKind::Link { artifact: to.to_owned() };
    let reference = |url: &str| WishKind::Reference { url: url.to_owned() };
    let s3 = || WishKind::S3 { length: None };
    let object = || WishKind::Object { length: None };
    for (first, second, allowed) in [
        (s3(), s3(), true),
        (s3(), object(), false),
        (s3(), reference("x:1"), false),
        (s3(), link("a"), false),
        (object(), object(), true),
        (reference("x:1"), reference("x:2"), true),
        (reference("x:1"), link("a"), true),
        (link("a"), link("a"), true),
        (link("a"), link("b"), false),
        (link("a"), reference("x:1"), false),
    ] {
        for (expires, content_type, same) in
            [(2, "t", true), (1, "t", true), (0, "t", false), (1, "u", false)]
        {
            let mut state = claimed(json!({}));
            let mut make = |kind: &WishKind, expires: i64, content_type: &str| {
                let content_type = Some(content_type.to_owned());
                let wish = Wish { kind: kind.clone(), content_type, expires: NOW.plus(expires * MINUTE) };
                state.create_artifact(&key(A, 0), "n", wish, format!("upload-{expires}"), NOW)
            };
            let made = make(&first, 1, "t").unwrap();
            let again = make(&second, expires, content_type);
            assert_eq!(again.is_ok(), allowed && same, "{first:?} {second:?} {expires} {content_type}");
            if let (Content::Object { .. }, Ok(again)) = (&made.content, again) {
                assert_eq!(again.content, made.content, "the upload goes on");
            }
        }
    }
}

#[test]
fn links_are_followed_to_the_end_or_the_cycle() {
    let mut state = claimed(json!({}));
    for (name, to) in [("1", "2"), ("2", "3"), ("x", "y"), ("y", "x"), ("z", "none")] {
        let kind = WishKind::Link { artifact: to.to_owned() };
        let wish = Wish { kind, content_type: None, expires: NOW };
        state.create_artifact(&key(A, 0), name, wish, String::new(), NOW).unwrap();
    }
    state.create_artifact(&key(A, 0), "3", s3(0), String::new(), NOW).unwrap();
    let (names, end) = state.follow(&key(A, 0), "1").unwrap();
    assert_eq!(
        (names, end.content.storage_type()),
        (vec!["1".to_owned(), "2".to_owned(), "3".to_owned()], "s3")
    );
    assert_eq!(state.follow(&key(A, 0), "x"), Err(Refusal::LinkCycle));
    assert_eq!(state.follow(&key(A, 0), "z"), Err(Refusal::NoArtifact));
}

#[test]
fn lists_come_in_pages_that_join_without_a_gap() {
    let mut state = claimed(json!({}));
    for name in ["c", "a", "b", "d", "e"] {
        state.create_artifact(&key(A, 0), name, s3(0), String::new(), NOW).unwrap();
    }
    let (mut names, mut token) = (Vec::new(), None);
    loop {
        let (page, next) = state.list_artifacts(&key(A, 0), token.as_deref(), 2).unwrap();
        names.extend(page.iter().map(|artifact| artifact["name"].as_str().unwrap().to_owned()));
        token = next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert_eq!(state.list_artifacts(&key(A, 0), Some("%"), 2), Err(Refusal::BadContinuationToken));
}

#[test]
fn an_object_is_there_when_its_bytes_are_finished_and_never_changes_then() {
    let mut state = State::default();
    let object = |upload: &str| Object {
        project_id: "none".to_owned(),
        upload_id: upload.to_owned(),
        expires: NOW,
        hashes: Map::new(),
        finished: false,
    };
    let hashes = |hash: &str| Map::from_iter([("sha256".to_owned(), json!(hash))]);
    let conflict = Err(Refusal::ObjectConflict("o".to_owned()));
    state.create_upload("o", object("1"), "text/plain", Some(3)).unwrap();
    state.create_upload("o", object("1"), "text/plain", Some(3)).unwrap();
    assert_eq!(state.create_upload("o", object("2"), "text/plain", Some(3)), conflict);
    assert_eq!(state.finish_upload("o", "none", "1", Map::new()), conflict, "no bytes yet");
    assert!(state.object("o").is_err());
    let blob = Blob { path: "p".into(), size: 3, content_encoding: None, sha256: String::new() };
    assert_eq!(state.store("object/o", blob), None);
    assert_eq!(state.finish_upload("o", "none", "2", Map::new()), conflict);
    state.finish_upload("o", "none", "1", hashes("a")).unwrap();
    state.finish_upload("o", "none", "1", hashes("a")).unwrap();
    assert_eq!(state.finish_upload("o", "none", "1", hashes("b")), conflict);
    assert_eq!(state.create_upload("o", object("1"), "text/plain", Some(3)), conflict);
    assert!(state.object("o").is_ok());
}
