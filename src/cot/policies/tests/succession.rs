//! Policies that follow one another: while the worker runs, and from one life of it to the next.

use super::*;
use scriptworker_core::cot::policy::PolicySuccession;

const FILE: &str = "policy_path: p.yml\n";

fn succession(faults: Vec<PolicyFault>) -> PolicySuccession {
    match <[PolicyFault; 1]>::try_from(faults) {
        Ok([PolicyFault::Succession { source, .. }]) => source,
        other => panic!("{other:?}"),
    }
}

fn older(expected: u64, found: u64) -> PolicySuccession {
    PolicySuccession::OlderSerial { expected, found }
}

#[test]
fn a_serial_never_goes_back_not_even_over_a_restart() {
    let place = Place::new();
    place.write("p.yml", policy("mine", 5, ""));
    let store = place.open(FILE).unwrap();
    assert_eq!((store.id().name.as_str(), store.id().serial), ("mine", 5));
    place.write("p.yml", policy("mine", 4, ""));
    assert_eq!(succession(store.reload(NOW).unwrap_err().0), older(5, 4));
    assert_eq!(store.id().serial, 5, "the one before stays in use");
    assert_eq!(succession(place.open(FILE).unwrap_err()), older(5, 4));
    place.write("p.yml", policy("mine", 5, "# changed\n"));
    assert_eq!(succession(store.reload(NOW).unwrap_err().0), PolicySuccession::SameSerial { serial: 5 });
    assert_eq!(succession(place.open(FILE).unwrap_err()), PolicySuccession::SameSerial { serial: 5 });
    // what is refused leaves no trace, what is taken does
    place.write("p.yml", policy("mine", 6, ""));
    assert_eq!(store.reload(NOW).unwrap().policy.id.serial, 6);
    assert_eq!(store.current(NOW).unwrap().policy.id.serial, 6);
    place.write("p.yml", policy("mine", 5, ""));
    assert_eq!(succession(place.open(FILE).unwrap_err()), older(6, 5));
    place.write("p.yml", policy("mine", 6, ""));
    assert_eq!(place.open(FILE).unwrap().id().serial, 6);
}

#[test]
fn the_name_changes_only_with_the_place() {
    let place = Place::new();
    place.write("p.yml", policy("mine", 5, ""));
    drop(place.open(FILE).unwrap());
    place.write("p.yml", policy("theirs", 9, ""));
    let other = PolicySuccession::OtherName { expected: "mine".to_owned(), found: "theirs".to_owned() };
    assert_eq!(succession(place.open(FILE).unwrap_err()), other);
    // whoever writes the configuration may choose another one
    place.write("q.yml", policy("theirs", 9, ""));
    assert_eq!(place.open("policy_path: q.yml\n").unwrap().id().name, "theirs");
    // and is held to the serials of all that there were
    place.write("r.yml", policy("mine", 4, ""));
    assert_eq!(succession(place.open("policy_path: r.yml\n").unwrap_err()), older(5, 4));
    assert_eq!(place.open("").unwrap().id().name, "current");
    place.write("q.yml", policy("theirs", 8, ""));
    assert_eq!(succession(place.open("policy_path: q.yml\n").unwrap_err()), older(9, 8));
}

#[test]
fn the_built_in_policy_follows_itself_but_no_newer_file_of_its_name() {
    let place = Place::new();
    drop(place.open("").unwrap());
    // of a program with a newer policy, which was taken back
    let record = serde_json::json!({
        "origin": null, "name": "current", "accepted": {"current": {"serial": 99, "sha256": "00".repeat(32)}},
    });
    place.write("log/policy.json", record.to_string());
    assert_eq!(place.open("").unwrap().id().serial, 1);
    place.write("p.yml", policy("current", 3, ""));
    assert_eq!(place.open(FILE).unwrap().id().serial, 3);
    assert_eq!(succession(place.open("").unwrap_err()), older(3, 1));
}

#[test]
fn a_record_that_makes_no_sense_is_told() {
    let place = Place::new();
    place.write("p.yml", policy("mine", 5, ""));
    let path = place.config(FILE).policy_record();
    drop(place.open(FILE).unwrap());
    let good = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    assert!(good.contains("\"mine\":{\"serial\":5,"), "{good}");
    for (content, digest) in
        [("{", false), ("{}", false), ("", false), (&good.replace("\"sha256\":\"", "\"sha256\":\"zz"), true)]
    {
        place.write("log/policy.json", content);
        let faults = place.open(FILE).unwrap_err();
        match &faults[..] {
            [PolicyFault::Record(RecordError::Content { .. })] => assert!(!digest, "{content}"),
            [PolicyFault::Record(RecordError::Digest { .. })] => assert!(digest, "{content}"),
            other => panic!("{content}: {other:?}"),
        }
    }
    crate::fsio::remove_file(&path).unwrap();
    crate::fsio::create_dir_all(&path).unwrap();
    let faults = place.open(FILE).unwrap_err();
    assert!(
        matches!(&faults[..], [PolicyFault::Record(RecordError::Disk { action: "read", .. })]),
        "{faults:?}"
    );
}

#[test]
fn a_policy_that_cannot_be_remembered_is_not_taken() {
    let place = Place::new();
    place.write("p.yml", policy("mine", 5, ""));
    let store = place.open(FILE).unwrap();
    crate::fsio::remove_tree(&place.path("log")).unwrap();
    place.write("p.yml", policy("mine", 6, ""));
    let error = store.reload(NOW).unwrap_err();
    assert!(
        matches!(&error.0[..], [PolicyFault::Record(RecordError::Disk { action: "write", .. })]),
        "{error}"
    );
    assert_eq!(store.id().serial, 5);
}

#[test]
fn an_expired_policy_is_neither_taken_nor_kept() {
    let place = Place::new();
    place.write("p.yml", policy("mine", 5, "expires: '2026-06-01T00:00:00Z'\n"));
    let store = place.open(FILE).unwrap();
    let last = UnixMillis::parse("2026-06-01T00:00:00Z").unwrap();
    assert_eq!(store.current(last).unwrap().policy.id.serial, 5);
    let expired = store.current(last.plus(1)).unwrap_err();
    assert_eq!((expired.last, *expired.id), (last, store.id()));
    let error = store.reload(last.plus(1)).unwrap_err();
    assert!(matches!(&error.0[..], [PolicyFault::Expired { .. }]), "{error}");
    assert!(store.current(last.plus(1)).is_err());
    let error = PolicyStore::open(&place.config(FILE), last.plus(1)).unwrap_err();
    assert!(matches!(&error.0[..], [PolicyFault::Expired { .. }]), "{error}");
    place.write("p.yml", policy("mine", 6, "expires: '2027-06-01T00:00:00Z'\n"));
    store.reload(last.plus(1)).unwrap();
    assert_eq!(store.current(last.plus(1)).unwrap().policy.id.serial, 6);
}

#[test]
fn whoever_has_taken_a_policy_keeps_it_to_the_end() {
    let place = Place::new();
    place.write("p.yml", policy("mine", 5, ""));
    let store = place.open(&format!("{FILE}valid_tasks_for: [cron]\n")).unwrap();
    let of_a_task = store.current(NOW).unwrap();
    place.write("p.yml", policy("mine", 6, ""));
    store.reload(NOW).unwrap();
    assert_eq!(of_a_task.policy.id.serial, 5);
    let next = store.current(NOW).unwrap();
    assert_eq!(
        (next.policy.id.serial, next.product.tasks_for.len()),
        (6, 1),
        "with the configuration's tables"
    );
}

#[test]
fn the_own_private_key_is_noticed_among_the_public_ones() {
    let place = Place::new();
    let seed = mistakable_key().to_base64();
    let path = place.path("key");
    crate::fsio::write_atomic(&path, seed.expose().as_bytes(), 0o600).unwrap();
    let text = format!("ed25519_private_key_path: {}\n", path.display());
    let listed = format!(
        "{text}ed25519_public_keys: {{docker-worker: [{seed}], generic-worker: [{other}], scriptworker: [{third}]}}\n",
        seed = seed.expose(),
        other = key(4).public(),
        third = key(5).public()
    );
    let mut config = place.config(&text);
    config.attestation.keys.ed25519 = Some(path);
    assert!(PolicyStore::open(&config, NOW).is_ok());
    config.policy = place.config(&listed).policy;
    let error = PolicyStore::open(&config, NOW).unwrap_err();
    assert!(matches!(&error.0[..], [PolicyFault::Lint { .. }]), "{error}");
}

#[test]
fn a_policy_without_the_workers_own_task_type_is_not_taken() {
    let place = Place::new();
    let verifying = format!("{FILE}verify_chain_of_trust: true\ncot_job_type: signing\n");
    place.write("p.yml", policy("mine", 5, ""));
    let store = place.open(&verifying).unwrap();
    let other = policy("mine", 6, "").replace("\n  signing:", "\n  sealing:");
    assert!(other.contains("\n  sealing:"));
    place.write("p.yml", other);
    let unknown = |faults: &[PolicyFault]| matches!(faults, [PolicyFault::TaskType { .. }]);
    let error = store.reload(NOW).unwrap_err();
    assert!(unknown(&error.0), "{error}");
    assert_eq!(store.id().serial, 5, "the one before stays in use");
    assert!(unknown(&place.open(&verifying).unwrap_err()));
    // who verifies nothing has no type that matters
    assert_eq!(place.open(FILE).unwrap().id().serial, 6);
}
