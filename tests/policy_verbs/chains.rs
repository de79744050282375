//! `policy diff`: which recorded chains change their verdict.

use super::site::hg::{Tampering, tampered};
use super::site::{BUILD, SIGNING, Site};
use super::{Place, Ran, changed};
use scriptworker_core::cot::bundle;
use scriptworker_core::cot::evidence::Evidence;
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::policy::CURRENT;
use serde_json::{Value, json};
use std::path::Path;

/// Two recorded chains, one that is verified and one that is not, and policies.
struct World {
    place: Place,
    good: Site,
    _bad: Site,
}

impl World {
    fn new() -> Self {
        let place = Place::new();
        std::fs::create_dir_all(place.path("bundles/deep")).unwrap();
        let record = |tampering, file: &str, code| {
            let site = Site::of(&tampered(tampering));
            let ran = site.verify(&["--bundle", place.path(file).to_str().unwrap()]);
            assert_eq!(ran.status.code(), Some(code), "{ran:?}");
            site
        };
        let good = record(Tampering::Nothing, "bundles/good", 0);
        let _bad = record(Tampering::Artifact, "bundles/deep/bad", 3);
        Self { place, good, _bad }
    }

    fn diff(&self, old: &str, new: &str, more: &[&str]) -> Ran {
        let config = self.good.path("scriptworker.json");
        let config = config.to_str().unwrap();
        let arguments = ["policy", "diff", old, new, "--bundles", "bundles", "--config", config];
        self.place.run(&[&arguments, more].concat())
    }
}

/// A policy by which no decision task of these chains may run where it ran.
fn strict() -> String {
    changed(&["products", "firefox", "valid_decision_worker_pools"], json!(["gecko-9/decision"]))
}

/// The same bundle without one answer.
fn without(path: &Path, left_out: impl Fn(&Need) -> bool) -> Vec<u8> {
    let (recorded, evidence) = bundle::read(&std::fs::read(path).unwrap().into()).unwrap();
    let mut fewer = Evidence::new();
    for (need, answer) in evidence.iter().filter(|(need, _)| !left_out(need)) {
        fewer.add(need.clone(), answer.clone()).unwrap();
    }
    assert!(fewer.iter().count() < evidence.iter().count());
    bundle::write(&recorded, &fewer).unwrap()
}

#[test]
fn chains_that_change_their_verdict_are_named() {
    let world = World::new();
    let place = &world.place;
    place.write("strict.json", strict());
    place.write(
        "same.yml",
        CURRENT.replacen("serial: 1\n", "serial: 2\nexpires: '2020-01-01T00:00:00Z'\n", 1),
    );
    place.write("bundles/notes.txt", "no bundle");

    // an old policy may well have expired
    let same = world.diff("same.yml", "current", &[]);
    assert_eq!(same.code, Some(0), "{}{}", same.stdout, same.stderr);
    assert!(same.stderr.contains("notes.txt: no bundle, passed over"), "{}", same.stderr);
    let lines = same.lines();
    assert!(lines[0].starts_with("old: policy current 2 ("), "{lines:#?}");
    assert!(lines[1].starts_with("new: policy current 1 ("), "{lines:#?}");
    assert_eq!(
        lines[2..],
        [
            format!("deep/bad (signing {SIGNING} of firefox): same: refused (hash, signing:build {BUILD})")
                .as_str(),
            format!("good (signing {SIGNING} of firefox): same: verified").as_str(),
            "2 same, 0 changed, 0 undecidable",
        ]
    );

    let stricter = world.diff("current", "strict.json", &[]);
    assert_eq!(stricter.code, Some(3), "{}{}", stricter.stdout, stricter.stderr);
    let lines = stricter.lines();
    assert!(
        lines.iter().any(|line| line.ends_with(" products.firefox.valid_decision_worker_pools[0]")),
        "{lines:#?}"
    );
    let good = format!("good (signing {SIGNING} of firefox): verified → refused (");
    assert!(lines.iter().any(|line| line.starts_with(&good)), "{lines:#?}");
    assert_eq!(*lines.last().unwrap(), "1 same, 1 changed, 0 undecidable");
    let laxer = world.diff("strict.json", "current", &["--json"]);
    assert_eq!(laxer.code, Some(3));
    let told = laxer.json();
    assert_eq!((&told["same"], &told["changed"], &told["undecidable"]), (&json!(1), &json!(1), &json!(0)));
    let chain = |name: &str| -> Value {
        told["chains"].as_array().unwrap().iter().find(|chain| chain["bundle"] == name).unwrap().clone()
    };
    let good = chain("good");
    assert_eq!((&good["change"], &good["old"]["verdict"]), (&json!("changed"), &json!("refused")));
    assert_eq!(good["new"], json!({"verdict": "verified"}));
    let bad = chain("deep/bad");
    assert_eq!((&bad["change"], &bad["new"]["finding"]["reason"]), (&json!("same"), &json!("hash")));
}

#[test]
fn what_cannot_be_judged_is_no_change_and_no_peace() {
    let world = World::new();
    let place = &world.place;
    std::fs::remove_file(place.path("bundles/deep/bad")).unwrap();
    let pushlog = |need: &Need| matches!(need, Need::Pushlog { .. });
    place.write("bundles/part", without(&place.path("bundles/good"), pushlog));
    let mut damaged = std::fs::read(place.path("bundles/good")).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    place.write("bundles/torn", damaged);
    let ran = world.diff("current", "current", &[]);
    assert_eq!(ran.code, Some(4), "{}{}", ran.stdout, ran.stderr);
    let lines = ran.lines();
    assert!(
        lines.iter().any(|line| line.starts_with("part (") && line.contains("): undecidable: needs ")),
        "{lines:#?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("torn: undecidable: read the bundle: ")), "{lines:#?}");
    assert_eq!(*lines.last().unwrap(), "1 same, 0 changed, 2 undecidable");
    // by a policy that does not know the product nobody can be judged
    let mut document: Value = serde_json::from_str(&strict()).unwrap();
    document["products"].as_object_mut().unwrap().remove("firefox");
    place.write("other.json", document.to_string());
    let ran = world.diff("current", "other.json", &[]);
    assert_eq!(ran.code, Some(4), "{}{}", ran.stdout, ran.stderr);
    let good = format!(
        "good (signing {SIGNING} of firefox): undecidable: new: no product \"firefox\" in the policy; old: verified"
    );
    assert!(ran.lines().contains(&good.as_str()), "{}", ran.stdout);
    // a change is told, whatever else is not known
    place.write("strict.json", strict());
    assert_eq!(world.diff("current", "strict.json", &[]).code, Some(3));
}

#[test]
fn nothing_is_compared_with_nothing() {
    let place = Place::new();
    std::fs::create_dir(place.path("bundles")).unwrap();
    place.write("bundles/notes.txt", "no bundle");
    let diff = |old: &str, new: &str, dir: &str| place.run(&["policy", "diff", old, new, "--bundles", dir]);
    let none = diff("current", "current", "bundles");
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("expected recorded chains in bundles, found none"), "{}", none.stderr);
    place.write("p.yml", CURRENT.replacen("serial: 1\n", "serial: one\n", 1));
    for (ran, said) in [
        (diff("current", "current", "nowhere"), "nowhere"),
        (diff("current", "p.yml", "bundles"), "p.yml: serial: expected a whole number"),
        (diff("absent.yml", "current", "bundles"), "absent.yml"),
        (diff("current", "classic", "bundles"), "base_gpg_home_dir"),
    ] {
        assert_eq!(ran.code, Some(1), "{said}");
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
}

#[test]
fn signatures_are_checked_if_they_were_when_the_chain_was_recorded() {
    let site = Site::of(&tampered(Tampering::Attestation));
    let place = Place::new();
    std::fs::create_dir(place.path("bundles")).unwrap();
    let file = place.path("bundles/unsigned");
    let ran = site.verify(&["--bundle", file.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(3), "{ran:?}");
    let (mut recorded, evidence) = bundle::read(&std::fs::read(&file).unwrap().into()).unwrap();
    assert!(recorded.signatures_checked);
    let config = site.path("scriptworker.json");
    let arguments = [
        "policy",
        "diff",
        "current",
        "current",
        "--bundles",
        "bundles",
        "--config",
        config.to_str().unwrap(),
    ];
    let told = || place.run(&arguments).stdout;
    assert!(told().contains("refused (signature"), "{}", told());
    recorded.signatures_checked = false;
    std::fs::write(&file, bundle::write(&recorded, &evidence).unwrap()).unwrap();
    assert!(!told().contains("(signature"), "{}", told());
}
