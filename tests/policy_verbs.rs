//! `scriptworker policy …` as people call it.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

#[path = "policy_verbs/chains.rs"]
mod chains;
#[expect(dead_code, reason = "verify-cot's own tests use more of it")]
#[path = "verify_cot/site.rs"]
mod site;

use scriptworker_core::cot::policy::{CLASSIC, CURRENT, Policy};
use scriptworker_core::digest::Digest;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

/// A directory in which the verb runs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scriptworker"));
        let output = command.args(arguments).env_clear().current_dir(self.0.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// The current policy with one place changed.
fn changed(path: &[&str], value: Value) -> String {
    let mut document = Policy::parse(CURRENT.as_bytes()).unwrap().show(None).unwrap();
    *path.iter().fold(&mut document, |place, key| &mut place[*key]) = value;
    document.to_string()
}

fn name_of(text: &str) -> String {
    let id = Policy::parse(text.as_bytes()).unwrap().id;
    format!("policy {} {} ({})", id.name, id.serial, Digest::Sha256(id.sha256))
}

#[test]
fn a_good_policy_has_no_mistakes() {
    let place = Place::new();
    for text in [CURRENT, CLASSIC] {
        place.write("p.yml", text);
        let ran = place.run(&["policy", "check", "p.yml"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
        assert_eq!(*ran.lines().last().unwrap(), format!("no mistakes: {}", name_of(text)));
        assert!(ran.lines().iter().rev().skip(1).all(|line| line.starts_with("note: ")), "{}", ran.stdout);
    }
    let ran = place.run(&["policy", "check", "absent.yml"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(1), 2), "{}", ran.stdout);
}

#[test]
fn every_mistake_is_told_with_its_path() {
    let place = Place::new();
    place.write(
        "p.yml",
        CURRENT.replacen("serial: 1\n", "serial: one\nshoe_size: 42\n", 1).replacen("sha512", "md5", 1),
    );
    let ran = place.run(&["policy", "check", "p.yml"]);
    assert_eq!(ran.code, Some(1));
    let lines = ran.lines();
    for line in [
        "error: serial: expected a whole number from 0 on, found \"one\"",
        "error: valid_hash_algorithms[1]: expected sha256 or sha512, found \"md5\"",
        "not usable: no policy",
    ] {
        assert!(lines.contains(&line), "{line}: {lines:#?}");
    }
    assert!(
        lines.iter().any(|line| line.starts_with("error: shoe_size: expected no key but ")),
        "{lines:#?}"
    );
    // what the schema allows and nobody can mean, and what is over
    place.write("p.yml", changed(&["ed25519_public_keys", "docker-worker"], json!([])));
    let ran = place.run(&["policy", "check", "p.yml"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.lines()[0], "error: ed25519_public_keys: no key is listed for \"docker-worker\"");
    place.write("p.yml", changed(&["expires"], json!("2020-01-01T00:00:00Z")));
    let ran = place.run(&["policy", "check", "p.yml", "--json"]);
    let told = ran.json();
    assert_eq!((ran.code, &told["usable"], &told["policy"]["serial"]), (Some(1), &json!(false), &json!(1)));
    let finding =
        json!({"level": "error", "path": "expires", "text": "it expired at 2020-01-01T00:00:00.000Z"});
    assert_eq!(told["findings"][0], finding);
}

#[test]
fn a_signature_is_made_and_checked() {
    let place = Place::new();
    let key = |name: &str| {
        let out = place.run(&["gen-key", "ed25519", "--out", name]);
        assert_eq!(out.code, Some(0), "{}", out.stderr);
        std::fs::read_to_string(place.path(name).join("public_key")).unwrap().trim().to_owned()
    };
    let (own, other) = (key("own"), key("other"));
    place.write("p.yml", CURRENT);
    let check = |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().flat_map(|key| ["--public-key", key]).collect();
        place.run(&[&["policy", "check", "p.yml"], &keys[..]].concat())
    };
    let errors = |ran: &Ran| {
        ran.lines()
            .iter()
            .filter(|line| line.starts_with("error: "))
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    let unsigned = check(&[&own]);
    assert_eq!(unsigned.code, Some(1));
    assert!(errors(&unsigned)[0].contains("p.yml.sig"), "{}", unsigned.stdout);
    let signed = place.run(&["policy", "sign", "p.yml", "--key", "own/private_key"]);
    assert_eq!((signed.code, signed.stdout.trim()), (Some(0), own.as_str()), "{}", signed.stderr);
    assert_eq!(std::fs::read(place.path("p.yml.sig")).unwrap().len(), 64);
    assert_eq!(check(&[&other, &own]).code, Some(0));
    let wrong = check(&[&other]);
    let expected = "error: none of the 1 keys for policies signed this document";
    assert_eq!((wrong.code, errors(&wrong)), (Some(1), vec![expected.to_owned()]));
    // a changed byte, and every mistake besides
    place.write("p.yml", CURRENT.replacen("serial: 1\n", "serial: one\n", 1));
    assert_eq!(errors(&check(&[&own])).len(), 2);
    // nothing is overwritten
    assert_eq!(place.run(&["policy", "sign", "p.yml", "--key", "own/private_key"]).code, Some(1));
    let usage = check(&["bm90IGEga2V5"]);
    assert_eq!((usage.code, usage.stdout.as_str()), (Some(2), ""));
}

#[test]
fn the_tables_in_effect_are_shown() {
    let place = Place::new();
    let shown = place.run(&["policy", "show"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert_eq!(shown.lines()[0], format!("# {} from the built-in policy", name_of(CURRENT)));
    // what is shown is a policy of the same content
    let own = |text: &str| Policy::parse(text.as_bytes()).unwrap().show(None).unwrap();
    assert_eq!(own(&shown.stdout), own(CURRENT));
    assert_eq!(own(&place.run(&["policy", "show", "--rules", "classic"]).stdout), own(CLASSIC));
    let firefox = place.run(&["policy", "show", "--product", "firefox", "--json"]).json();
    assert_eq!(firefox["document"]["products"].as_object().unwrap().keys().collect::<Vec<_>>(), ["firefox"]);
    assert_eq!(
        (&firefox["policy"]["name"], &firefox["origin"]),
        (&json!("current"), &json!("the built-in policy"))
    );

    let base = "work_dir: w\nartifact_dir: a\ntask_log_dir: a/public/logs\nlog_dir: l\n\
                cot_product: firefox\nvalid_tasks_for: {by-cot-product: {firefox: [cron], glean: [action]}}\n";
    place.write("c.yml", base);
    let table = |more: &[&str]| {
        place.run(&[&["policy", "show", "--config", "c.yml", "--json"], more].concat()).json()
    };
    let all = table(&[]);
    let tasks_for = |product: &str| &all["document"]["products"][product]["valid_tasks_for"];
    assert_eq!((tasks_for("firefox"), tasks_for("glean")), (&json!(["cron"]), &json!(["action"])));
    assert_eq!(all["policy"]["overridden"], json!(["valid_tasks_for"]));
    assert_eq!(table(&["--product", "glean"])["document"]["products"].as_object().unwrap().len(), 1);

    for (config, arguments, said) in [
        (base, &["--product", "nonesuch"][..], "cot_product: expected one of the policy's products (adhoc, "),
        (
            &format!("{base}valid_hash_algorithms: [md5]\n"),
            &[],
            "valid_hash_algorithms[0]: expected sha256 or sha512",
        ),
        (&format!("{base}policy_path: absent.yml\n"), &[], "absent.yml"),
        (&format!("{base}policy_pth: absent.yml\n"), &[], "did you mean policy_path?"),
    ] {
        place.write("c.yml", config);
        let ran = place.run(&[&["policy", "show", "--config", "c.yml"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{said}");
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
}
