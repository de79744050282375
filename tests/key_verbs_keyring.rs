//! The key verbs that look at the keyrings on disk: `list-keys`, `verify-signature`, `export-key --fingerprint`.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests that prepare and look at files")]

use rand::rngs::OsRng;
use scriptworker::config::{KeyringLayout, KeyringModel};
use scriptworker::keyrings::{Keys, Source, Store};
use scriptworker_core::ed25519::PrivateKey;
use scriptworker_core::openpgp::{
    Certificate, Expiry, Exportable, KeyAlgorithm, KeyOwner, KeyPlan, RevocationReason, SecretKey,
};
use scriptworker_core::time::UnixMillis;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;
use tempfile::TempDir;

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UnixMillis(i64::try_from(since.as_millis()).unwrap())
}

fn key(name: &str) -> SecretKey {
    let owner = KeyOwner::of_worker("cltsign", &format!("{name}.example.com")).unwrap();
    let plan = KeyPlan { owner, algorithm: KeyAlgorithm::Ed25519, expiry: Expiry::Never };
    SecretKey::generate(&plan, now().plus(-10_000), &mut OsRng).unwrap()
}

/// Keyrings on disk, and the secret keys that belong to them.
struct Desk {
    dir: TempDir,
    keeper: SecretKey,
    worker: SecretKey,
    stranger: SecretKey,
    docker: SecretKey,
    ed25519: PrivateKey,
}

struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn layout(model: KeyringModel) -> KeyringLayout {
    KeyringLayout { model, ignore_suffixes: Vec::new() }
}

impl Desk {
    fn new() -> Self {
        let [keeper, worker, stranger, docker] = ["keeper", "worker", "stranger", "docker"].map(key);
        let dir = tempfile::tempdir().unwrap();
        let certified =
            keeper.certify(worker.certificate(), Exportable::Yes, now().plus(-5000), &mut OsRng).unwrap();
        let desk = Self { dir, keeper, worker, stranger, docker, ed25519: PrivateKey::generate(&mut OsRng) };
        desk.store(vec![certified, desk.stranger.certificate().clone()]);
        let config = json!({
            "base_gpg_home_dir": "keyrings",
            "ed25519_public_keys": { "docker-worker": [desk.ed25519.public().to_string()], "scriptworker": [] },
        });
        desk.file("c.yaml", config.to_string().as_bytes());
        desk
    }

    /// Puts the keyrings in force, with these keys as the valid ones.
    fn store(&self, valid: Vec<Certificate>) {
        let signed = Keys {
            layout: layout(KeyringModel::Signed),
            by_place: vec![self.keeper.certificate().clone()],
            by_certification: valid,
        };
        let flat = Keys {
            layout: layout(KeyringModel::Flat),
            by_place: vec![self.docker.certificate().clone()],
            by_certification: Vec::new(),
        };
        let all = BTreeMap::from([("scriptworker".to_owned(), signed), ("docker-worker".to_owned(), flat)]);
        let signed_by = self.keeper.fingerprint().clone();
        let source = Source { revision: "0".repeat(40), tag: None, signed_by };
        let store = Store::new(self.dir.path().join("keyrings"));
        store.stage(&all, &source, now()).unwrap();
        store.swap().unwrap();
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn run(&self, line: &str) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
            .args(line.split_whitespace())
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        Ended { code: output.status.code().unwrap(), out, err }
    }

    /// The exit code of `verify-signature`, and the code of the refusal.
    fn verify(&self, file: &str, keyring: &str) -> (i32, String) {
        let ended = self.run(&format!("verify-signature {file} --config c.yaml --keyring {keyring}"));
        let code = ended.err.strip_prefix("refused: ").and_then(|text| text.split(':').next());
        (ended.code, code.unwrap_or_default().to_owned())
    }
}

#[test]
fn list_keys_says_which_count_and_why_the_others_do_not() {
    let desk = Desk::new();
    let ended = desk.run("list-keys --config c.yaml --keyring scriptworker --json");
    assert_eq!(ended.code, 0, "{}", ended.err);
    let listed: Value = serde_json::from_str(&ended.out).unwrap();
    let entry = |key: &SecretKey, name: &str, role: &str, reason: Value, explanation: Value| {
        json!({
            "fingerprint": key.fingerprint(), "user_ids": [format!("{name} <cltsign@{name}.example.com>")],
            "role": role, "valid": reason.is_null(), "reason": reason, "explanation": explanation, "warnings": [],
        })
    };
    let untrusted = json!("no trusted key has certified any of its user ids");
    let expected = json!({"keys": [
        entry(&desk.keeper, "keeper", "trusted", Value::Null, Value::Null),
        entry(&desk.worker, "worker", "valid", Value::Null, Value::Null),
        entry(&desk.stranger, "stranger", "valid", json!("untrusted-issuer"), untrusted),
    ]});
    assert_eq!(listed, expected);
    let table = desk.run("list-keys --config c.yaml --keyring scriptworker").out;
    let lines: Vec<&str> = table.lines().collect();
    let line = format!("valid    {}  worker <cltsign@worker.example.com>", desk.worker.fingerprint());
    assert_eq!(lines.get(1), Some(&line.as_str()));
    assert!(
        table.contains(&format!("invalid  {}", desk.stranger.fingerprint()))
            && table.contains("[untrusted-issuer: ")
    );
}

#[test]
fn a_user_id_does_not_talk_to_the_terminal() {
    let desk = Desk::new();
    // no verb makes such a key; a stranger may
    let packets = desk.docker.certificate().packets().to_vec();
    let text = b"docker <cltsign@docker.example.com>";
    let at = packets.windows(text.len()).position(|window| window == text).unwrap();
    let mut packets = packets;
    packets.get_mut(at..at + 6).unwrap().copy_from_slice(b"\x1b[31mx");
    desk.store(vec![Certificate::parse(&packets).unwrap()]);
    for json in ["", "--json"] {
        let out = desk.run(&format!("list-keys --config c.yaml --keyring scriptworker {json}")).out;
        assert!(!out.contains('\x1b') && out.contains("[31mx"), "{out:?}");
    }
}

#[test]
fn verify_signature_takes_clear_signed_texts() {
    let desk = Desk::new();
    let signed = |key: &SecretKey| key.clear_sign(b"{}\n", now(), &mut OsRng).unwrap();
    desk.file("worker.asc", signed(&desk.worker).as_bytes());
    desk.file("stranger.asc", signed(&desk.stranger).as_bytes());
    desk.file("docker.asc", signed(&desk.docker).as_bytes());
    desk.file("changed.asc", signed(&desk.worker).replace("{}", "{ }").as_bytes());
    desk.file("after.asc", (signed(&desk.worker) + "more\n").as_bytes());
    desk.file("before.asc", ("more\n".to_owned() + &signed(&desk.worker)).as_bytes());
    desk.file("unsigned", b"{}\n");
    for (file, keyring, code, reason) in [
        ("worker.asc", "scriptworker", 0, ""),
        ("docker.asc", "docker-worker", 0, ""),
        ("worker.asc", "docker-worker", 3, "unknown-key"),
        ("docker.asc", "scriptworker", 3, "unknown-key"),
        ("stranger.asc", "scriptworker", 3, "untrusted-issuer"),
        ("changed.asc", "scriptworker", 3, "signature"),
        ("after.asc", "scriptworker", 3, "trailing-data"),
        ("before.asc", "scriptworker", 3, "leading-data"),
        ("unsigned", "scriptworker", 3, "format"),
    ] {
        assert_eq!(desk.verify(file, keyring), (code, reason.to_owned()), "{file}");
    }
    let ended = desk.run("verify-signature worker.asc --config c.yaml --keyring scriptworker --output text");
    assert!(
        ended.out.starts_with(&format!("signed by {} at 20", desk.worker.fingerprint())),
        "{}",
        ended.out
    );
    assert_eq!(std::fs::read(desk.dir.path().join("text")).unwrap(), b"{}\n");
    let ended = desk.run("verify-signature worker.asc --config c.yaml --keyring scriptworker --output text");
    assert!(ended.code == 1 && ended.err.contains("not overwritten"), "{}", ended.err);
    let ended = desk.run("verify-signature changed.asc --config c.yaml --keyring scriptworker --output none");
    assert!(ended.code == 3 && !desk.dir.path().join("none").exists());
}

#[test]
fn verify_signature_takes_detached_signatures_of_both_kinds() {
    let desk = Desk::new();
    desk.file("a", b"\x00data");
    desk.file("a.sig", desk.worker.sign_detached(b"\x00data", now(), &mut OsRng).unwrap().as_bytes());
    assert_eq!(desk.verify("a", "scriptworker"), (0, String::new()));
    assert_eq!(desk.verify("a", "docker-worker"), (3, "unknown-key".to_owned()));
    desk.file("b", b"\x00data");
    desk.file("b.sig", desk.ed25519.sign(b"\x00data").as_bytes());
    assert_eq!(desk.verify("b", "docker-worker"), (0, String::new()));
    assert_eq!(desk.verify("b", "scriptworker"), (3, "wrong-key-class".to_owned()));
    desk.file("b", b"\x00dato");
    assert_eq!(desk.verify("b", "docker-worker"), (3, "signature".to_owned()));
    let ended =
        desk.run("verify-signature a --signature b.sig --config c.yaml --keyring docker-worker --output out");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(std::fs::read(desk.dir.path().join("out")).unwrap(), b"\x00data");
    desk.file("b.sig", b"neither");
    assert_eq!(desk.verify("b", "docker-worker").0, 3);
}

#[test]
fn revoking_is_seen_by_the_next_look() {
    let desk = Desk::new();
    desk.file("a.asc", desk.worker.clear_sign(b"a\n", now().plus(-4000), &mut OsRng).unwrap().as_bytes());
    assert_eq!(desk.verify("a.asc", "scriptworker").0, 0);
    let at = now().plus(-2000);
    let certified = desk
        .keeper
        .certify(desk.worker.certificate(), Exportable::Yes, now().plus(-5000), &mut OsRng)
        .unwrap();
    let ended = desk.worker.revoke(RevocationReason::Compromised, "", at, &mut OsRng).unwrap();
    let left =
        desk.keeper.revoke_certification(&certified, RevocationReason::Retired, "", at, &mut OsRng).unwrap();
    for valid in [certified.merge(&ended), left] {
        desk.store(vec![valid]);
        assert_eq!(desk.verify("a.asc", "scriptworker"), (3, "revoked".to_owned()));
    }
}

#[test]
fn a_key_of_a_keyring_can_be_exported() {
    let desk = Desk::new();
    let name = desk.docker.fingerprint();
    let ended = desk.run(&format!("export-key --fingerprint {name} --config c.yaml --keyring docker-worker"));
    assert_eq!(Certificate::parse(ended.out.as_bytes()).unwrap(), *desk.docker.certificate());
    let ended = desk.run(&format!("export-key --fingerprint {name} --config c.yaml --keyring scriptworker"));
    assert!(ended.code == 1 && ended.err.contains("has no key"), "{}", ended.err);
}

#[test]
fn without_a_keyring_there_is_no_verdict() {
    let desk = Desk::new();
    desk.file("a.asc", desk.worker.clear_sign(b"a\n", now(), &mut OsRng).unwrap().as_bytes());
    desk.file("none.yaml", b"{base_gpg_home_dir: nowhere}");
    desk.file("unset.yaml", b"{worker_id: x}");
    desk.file("wrong.yaml", b"{base_gpg_home_dir: 5}");
    desk.file("broken.yaml", b"{");
    for (config, keyring, code, problem) in [
        ("none.yaml", "scriptworker", 4, "rebuild-keyrings"),
        ("unset.yaml", "scriptworker", 1, "base_gpg_home_dir is not set"),
        ("wrong.yaml", "scriptworker", 1, "base_gpg_home_dir"),
        ("broken.yaml", "scriptworker", 1, "configuration cannot be used"),
        ("absent.yaml", "scriptworker", 1, "configuration cannot be used"),
        ("c.yaml", "generic-worker", 1, "docker-worker, scriptworker"),
    ] {
        for verb in ["list-keys", "verify-signature a.asc"] {
            let ended = desk.run(&format!("{verb} --config {config} --keyring {keyring}"));
            assert_eq!(ended.code, code, "{verb} {config}: {}", ended.err);
            assert!(ended.err.contains(problem), "{}", ended.err);
        }
    }
    let ended = desk.run("verify-signature absent --config c.yaml --keyring scriptworker");
    assert_eq!(ended.code, 1);
    std::fs::write(desk.dir.path().join("keyrings/index.json"), "{}").unwrap();
    assert_eq!(desk.run("list-keys --config c.yaml --keyring scriptworker").code, 4);
}
