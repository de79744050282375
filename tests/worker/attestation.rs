//! What is attested about a run, in which form, and when (chain-of-trust.md 1; design.md 3).

mod openpgp;

use crate::skip::skip;
use crate::support::{Site, UPLOADS, content};
use nix::sys::signal::Signal;
use rand::rngs::OsRng;
use scriptworker::embedded_queue::{Call, Fault, FaultKind};
use scriptworker_core::ed25519::{PrivateKey, PublicKey, Signature};
use scriptworker_core::ids::TaskId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const CURRENT: &str = "public/chain-of-trust.json";
const SIGNATURE: &str = "public/chain-of-trust.json.sig";
const CLASSIC: &str = "public/chainOfTrust.json.asc";
const LOG: &str = "public/logs/live_backing.log";

/// The greatest integer that every reader takes for the same.
const EXACT: u64 = 1 << 53;

/// A script that makes two artifacts beside its log.
const MAKES_TWO: &str = "mkdir -p $artifacts/public; echo text > $artifacts/public/a.txt\n\
                         head -c 300000 /dev/zero > $artifacts/public/zeros.bin; echo done";

fn write_key(site: &Site, text: &str, mode: u32) -> String {
    let path = site.path("key");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A site whose worker signs with ed25519, and the public key.
fn signing() -> (Site, PublicKey) {
    let (site, key) = (Site::new(), PrivateKey::generate(&mut OsRng));
    let path = write_key(&site, &format!("{}\n", key.to_base64().expose()), 0o600);
    (site.set("sign_chain_of_trust", true).set("ed25519_private_key_path", path), key.public())
}

fn bytes(site: &Site, task: &TaskId, name: &str) -> Vec<u8> {
    content(&site.artifact(task, 0, name).unwrap_or_else(|| panic!("there is no {name}\n{}", site.log())))
}

fn body(site: &Site, task: &TaskId, name: &str) -> Value {
    serde_json::from_slice(&bytes(site, task, name)).unwrap()
}

/// Which of the three artifacts of an attestation there are.
fn forms(site: &Site, task: &TaskId) -> Vec<&'static str> {
    let there = |name: &&str| site.artifact(task, 0, name).is_some_and(|artifact| artifact.size.is_some());
    [CURRENT, SIGNATURE, CLASSIC].into_iter().filter(there).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digests of everything that the queue has of the run, but links and attestations.
fn digests(site: &Site, task: &TaskId, algorithm: &str) -> Value {
    let mut all = serde_json::Map::new();
    for name in site.artifact_names(task, 0) {
        let artifact = site.artifact(task, 0, &name).unwrap();
        if artifact.storage_type == "link" || [CURRENT, SIGNATURE, CLASSIC].contains(&name.as_str()) {
            continue;
        }
        let bytes = content(&artifact);
        let digest = match algorithm {
            "sha256" => hex(&Sha256::digest(&bytes)),
            _ => hex(&Sha512::digest(&bytes)),
        };
        all.insert(name, json!({ algorithm: digest }));
    }
    Value::Object(all)
}

/// Asks a program that is none of ours.
fn ask(program: &str, arguments: &[&str], dir: &Path) -> Option<(bool, Vec<u8>)> {
    match Command::new(program).args(arguments).current_dir(dir).output() {
        Ok(output) => Some((output.status.success(), output.stdout)),
        Err(_) => {
            skip(&format!("{program} is not installed"));
            None
        }
    }
}

#[test]
fn a_run_is_attested_and_signed_with_ed25519() {
    let (site, public) = signing();
    site.start();
    let command = format!("{MAKES_TWO}; cp $work/task.json $artifacts/public/");
    let task = site.task_with(&command, json!({ "big": EXACT, "half": 0.5, "text": "ä\u{1f600}\u{7f}" }));
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());

    let text = bytes(&site, &task, CURRENT);
    let signature = bytes(&site, &task, SIGNATURE);
    assert_eq!(public.verify(&text, &Signature::from_bytes(&signature).unwrap()), Ok(()));
    let kinds = [CURRENT, SIGNATURE].map(|name| {
        let artifact = site.artifact(&task, 0, name).unwrap();
        (artifact.content_type, artifact.content_encoding)
    });
    assert_eq!(kinds[0], ("application/json".to_owned(), Some("gzip".to_owned())));
    assert_eq!(kinds[1], ("application/binary".to_owned(), None));

    let body: Value = serde_json::from_slice(&text).unwrap();
    let definition: Value = serde_json::from_slice(&bytes(&site, &task, "public/task.json")).unwrap();
    assert_eq!(definition["payload"]["big"], EXACT);
    let expected = json!({
        "artifacts": digests(&site, &task, "sha256"),
        "chainOfTrustVersion": 1,
        "environment": {},
        "runId": 0,
        "task": definition,
        "taskId": task,
        "workerGroup": "test-group",
        "workerId": "test-worker-1",
        "workerType": "test-worker",
    });
    assert_eq!(body, expected);
    assert_eq!(body["artifacts"].as_object().unwrap().len(), 4, "{body}");

    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("body"), &text).unwrap();
    std::fs::write(at("sig"), &signature).unwrap();
    // the key as openssl reads it: what stands before the 32 bytes is always the same
    let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    std::fs::write(at("public"), [&prefix[..], public.as_bytes()].concat()).unwrap();
    let verify =
        ["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "public", "-rawin", "-in", "body"];
    if let Some((good, said)) = ask("openssl", &[&verify[..], &["-sigfile", "sig"]].concat(), dir.path()) {
        assert!(good, "{}", String::from_utf8_lossy(&said));
    }
    let python =
        "import json, sys; sys.stdout.write(json.dumps(json.load(open('body')), indent=2, sort_keys=True))";
    if let Some((good, said)) = ask("python3", &["-c", python], dir.path()) {
        assert!(good && said == text, "Python writes:\n{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn the_attestation_is_uploaded_last() {
    let (site, _) = signing();
    site.start();
    let task = site.task(MAKES_TWO);
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    let order: Vec<String> =
        site.calls_of(&task, 0, &UPLOADS).into_iter().filter_map(|record| record.name).collect();
    let attested: Vec<bool> = order.iter().map(|name| name.contains("chain-of-trust")).collect();
    assert!(attested.is_sorted(), "{order:?}");
    let mut last: Vec<&str> =
        order.iter().map(String::as_str).filter(|name| name.contains("chain-of-trust")).collect();
    last.dedup();
    assert_eq!(last, [SIGNATURE, CURRENT], "the signature is there before what it signs");
}

#[test]
fn without_signing_the_body_is_uploaded_all_the_same() {
    for (scheme, expected) in
        [("ed25519", vec![CURRENT]), ("openpgp", vec![CLASSIC]), ("both", vec![CURRENT, CLASSIC])]
    {
        let site =
            Site::new().set("cot_signature_scheme", scheme).set("chain_of_trust_hash_algorithm", "sha512");
        site.start();
        let task = site.task(MAKES_TWO);
        assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
        assert_eq!(forms(&site, &task), expected, "{scheme}");
        for name in expected {
            assert_eq!(body(&site, &task, name)["artifacts"], digests(&site, &task, "sha512"), "{name}");
        }
    }
}

#[test]
fn every_natural_end_is_attested() {
    let (site, _) = signing();
    site.start();
    for (command, outcome) in [
        ("exit 1", "failed failed"),
        ("kill -9 $$", "failed failed"),
        ("exit 3", "exception malformed-payload"),
        ("exit 4", "exception resource-unavailable"),
    ] {
        let task = site.task(command);
        assert_eq!(site.outcome(&task, 0), outcome, "{}", site.log());
        assert_eq!(forms(&site, &task), [CURRENT, SIGNATURE], "{command}");
        assert_eq!(body(&site, &task, CURRENT)["artifacts"], digests(&site, &task, "sha256"), "{command}");
    }
}

#[test]
fn a_time_out_is_attested_by_the_classic_scheme_only() {
    for (scheme, expected) in [("ed25519", vec![]), ("openpgp", vec![CLASSIC]), ("both", vec![CLASSIC])] {
        let site = Site::new().set("cot_signature_scheme", scheme);
        site.start();
        let task = site.task_with("echo begun; exec sleep 3600", json!({ "maxRunTime": 1 }));
        assert_eq!(site.outcome(&task, 0), "failed failed", "{}", site.log());
        assert_eq!(forms(&site, &task), expected, "{scheme}");
        for name in expected {
            assert_eq!(body(&site, &task, name)["artifacts"], digests(&site, &task, "sha256"));
        }
    }
}

#[test]
fn nothing_is_attested_after_a_shutdown_or_a_lost_claim() {
    let (site, _) = signing();
    let site = site.set("reclaim_interval", 1);
    site.start();
    let cancelled = site.task("exec sleep 3600");
    site.wait_running(&cancelled);
    site.queue.cancel(&cancelled).unwrap();
    site.wait_for_log("given up");
    let stopped = site.task("echo here > $work/ready; exec sleep 3600");
    site.wait_for_file("work/ready");
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_eq!(site.outcome(&stopped, 0), "exception worker-shutdown", "{}", site.log());
    assert!(site.artifact(&stopped, 0, LOG).is_some(), "the rest is saved");
    for task in [cancelled, stopped] {
        assert_eq!(forms(&site, &task), [""; 0], "{}", site.log());
    }
}

#[test]
fn a_script_makes_no_attestation_of_its_own() {
    let (site, public) = signing();
    site.start();
    let task = site.task(
        "mkdir -p $artifacts/public; cd $artifacts/public; echo '{}' > chain-of-trust.json\n\
         echo forged > chain-of-trust.json.sig; echo '{}' > chainOfTrust.json.asc",
    );
    assert_eq!(site.outcome(&task, 0), "failed failed", "{}", site.log());
    for name in [CURRENT, SIGNATURE, CLASSIC] {
        let said = format!("refused to upload {name}: its name is reserved for what the worker attests");
        assert!(site.log().contains(&said), "{said}\n{}", site.log());
    }
    assert_eq!(forms(&site, &task), [CURRENT, SIGNATURE]);
    let text = bytes(&site, &task, CURRENT);
    let signature = Signature::from_bytes(&bytes(&site, &task, SIGNATURE)).unwrap();
    assert_eq!(public.verify(&text, &signature), Ok(()), "it is ours");
    assert_eq!(body(&site, &task, CURRENT)["artifacts"].as_object().unwrap().len(), 1, "the log");
    site.takes_the_next_task();
}

#[test]
fn what_does_not_fit_its_schema_is_never_signed() {
    let (site, _) = signing();
    let schema = site.path("schema.json");
    std::fs::write(&schema, json!({ "properties": { "runId": { "enum": [7] } } }).to_string()).unwrap();
    let site = site.set("cot_schema_path", schema.to_str().unwrap());
    site.start();
    let task = site.task("echo done");
    assert_eq!(site.outcome(&task, 0), "exception malformed-payload", "{}", site.log());
    site.wait_for_log("the attestation does not fit its schema:");
    assert_eq!(forms(&site, &task), [""; 0]);
    assert!(site.artifact(&task, 0, LOG).is_some(), "the rest is there");
}

#[test]
fn what_a_verifier_would_refuse_is_never_signed() {
    let (site, _) = signing();
    site.start();
    let task = site.task_with("echo done", json!({ "big": EXACT + 1 }));
    assert_eq!(site.outcome(&task, 0), "exception malformed-payload", "{}", site.log());
    site.wait_for_log("verifiers refuse the attestation: at task.payload.big, line ");
    assert_eq!(forms(&site, &task), [""; 0]);
    assert!(site.artifact(&task, 0, LOG).is_some(), "the rest is there");
    site.takes_the_next_task();
}

#[test]
fn a_run_whose_attestation_does_not_arrive_is_never_green() {
    let (site, _) = signing();
    let site = site.set("live_log_link", false);
    site.start();
    // the log, then this
    let refused = FaultKind::Status { status: 400, retry_after: None };
    site.queue.inject(Fault::new(Call::CreateArtifact, refused).after(1).times(1));
    let task = site.task("echo done");
    assert_eq!(site.outcome(&task, 0), "exception internal-error", "{}", site.log());
    assert_eq!(forms(&site, &task), [""; 0], "nothing follows the signature that failed");
    let conflict = FaultKind::Status { status: 409, retry_after: None };
    site.queue.inject(Fault::new(Call::CreateArtifact, conflict).after(1).times(1));
    let task = site.task("echo done");
    site.wait_for_log("given up");
    assert_eq!(site.queue.status(&task).unwrap()["state"], "running", "nothing is reported");
    site.queue.clear_faults();
    site.takes_the_next_task();
}

#[test]
fn a_worker_whose_key_cannot_be_used_does_not_start() {
    let good = PrivateKey::generate(&mut OsRng).to_base64();
    for (text, mode, said) in [
        (good.expose(), 0o644, "others than its owner can read this secret (mode 0644)"),
        (good.expose(), 0o640, "others than its owner can read this secret (mode 0640)"),
        ("canary no key", 0o600, "not base64: character 7 is none of its alphabet"),
        ("Y2FuYXJ5", 0o600, "expected the base64 of 32 bytes, found that of 6"),
    ] {
        let site = Site::new();
        let path = write_key(&site, text, mode);
        let site = site.set("sign_chain_of_trust", true).set("ed25519_private_key_path", path);
        site.start();
        assert_eq!(site.exit_code(), 1, "{}", site.log());
        let stderr = site.read("stderr");
        assert!(stderr.contains("ed25519_private_key_path: ") && stderr.contains(said), "{stderr}");
        assert!(!stderr.contains(text), "{stderr}");
    }
    let site = Site::new().set("sign_chain_of_trust", true);
    site.start();
    assert_eq!(site.exit_code(), 1);
    assert!(site.read("stderr").contains("no-key"), "{}", site.read("stderr"));
}
