use super::attester::{AttestError, Attester, Run};
use super::keys::{self, SigningKeyError};
use crate::artifacts::body::Preparation;
use crate::config::{OpenPgpKeyFiles, SignatureScheme, SigningKeyFiles};
use crate::key_files::{PUBLIC_MODE, SECRET_MODE, write_new};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use scriptworker_core::digest::HashAlgorithm;
use scriptworker_core::ids::{RunKey, WorkerId};
use scriptworker_core::openpgp::{Expiry, KeyAlgorithm, KeyOwner, KeyPlan, SecretKey};
use scriptworker_core::run::{Ending, TaskStatus};
use scriptworker_core::time::UnixMillis;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const TASK: &str =
    r#"{"workerType": "t", "scopes": [], "dependencies": [], "taskGroupId": "g", "payload": {}}"#;

fn attester(scheme: SignatureScheme, keys: &SigningKeyFiles) -> Attester {
    Attester {
        worker_id: WorkerId::parse("w").unwrap(),
        worker_type: "t".to_owned(),
        scheme,
        algorithm: HashAlgorithm::Sha256,
        signs: true,
        opened: keys::open(None, keys, NOW).unwrap(),
    }
}

/// The names of what is made at a time.
fn made(attester: &Attester, ending: Ending, at: UnixMillis) -> Result<Vec<String>, AttestError> {
    let key: RunKey = serde_json::from_str(r#"{"taskId": "Ypg6xKhKRU-pnkwylNQrMw", "runId": 0}"#).unwrap();
    let (task, artifacts) = (serde_json::from_str::<&RawValue>(TASK).unwrap(), BTreeMap::new());
    let run = Run { key: &key, ending, worker_group: "g", task, artifacts: &artifacts };
    let how = Preparation { scratch: "/nowhere".into(), compress: true, sha512: false };
    let made = attester.make(&run, at, &how)?;
    Ok(made.iter().map(|artifact| artifact.name().to_string()).collect())
}

/// A pair that is good for a day.
fn pair(dir: &Path) -> OpenPgpKeyFiles {
    let owner = KeyOwner::of_worker("u", "h.example.com").unwrap();
    let plan = KeyPlan { owner, algorithm: KeyAlgorithm::Ed25519, expiry: Expiry::After(86_400) };
    let key = SecretKey::generate(&plan, NOW, &mut StdRng::seed_from_u64(1)).unwrap();
    let (secret, public) = (dir.join("sec"), dir.join("pub"));
    write_new(&secret, key.to_armored().unwrap().as_bytes(), SECRET_MODE).unwrap();
    write_new(&public, key.certificate().to_armored().as_bytes(), PUBLIC_MODE).unwrap();
    OpenPgpKeyFiles { secret, passphrase: None, public: Some(public) }
}

#[test]
fn without_a_signature_there_is_nothing() {
    let attester = attester(SignatureScheme::Ed25519, &SigningKeyFiles::default());
    let error = made(&attester, Ending::Natural, NOW).unwrap_err();
    assert!(matches!(error, AttestError::NoKey { .. }), "{error}");
    assert_eq!(error.status(), TaskStatus::InternalError);
}

#[test]
fn a_key_that_expires_meanwhile_signs_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let keys = SigningKeyFiles { openpgp: Some(pair(dir.path())), ed25519: None };
    let attester = attester(SignatureScheme::OpenPgp, &keys);
    assert_eq!(made(&attester, Ending::TimeLimit, NOW).unwrap(), ["public/chainOfTrust.json.asc"]);
    let later = NOW.plus(2 * 86_400_000);
    let error = made(&attester, Ending::Natural, later).unwrap_err();
    assert!(matches!(error, AttestError::Sign(_)), "{error}");
    assert_eq!(error.status(), TaskStatus::InternalError);
    let problems = keys::open(None, &keys, later).unwrap_err();
    assert!(matches!(problems[0].error, SigningKeyError::DoesNotSign { .. }), "{problems:?}");
    assert_eq!((problems[0].key, problems.len()), ("privkey_path", 1));
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write_new(&at("schema"), b"{\"type\": 7}", PUBLIC_MODE).unwrap();
    write_new(&at("seed"), b"canary", SECRET_MODE).unwrap();
    let openpgp = OpenPgpKeyFiles { secret: at("seed"), passphrase: None, public: Some(at("nothing")) };
    let keys = SigningKeyFiles { ed25519: Some(at("seed")), openpgp: Some(openpgp) };
    let problems = keys::open(Some(&at("schema")), &keys, NOW).unwrap_err();
    let keys: Vec<_> = problems.iter().map(|problem| (problem.key, problem.is_missing())).collect();
    let expected = [
        ("cot_schema_path", false),
        ("ed25519_private_key_path", false),
        ("privkey_path", false),
        ("pubkey_path", true),
    ];
    assert_eq!(keys, expected);
    assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
}

#[test]
fn opened_keys_print_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    write_new(&dir.path().join("seed"), b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=", SECRET_MODE)
        .unwrap();
    let keys = SigningKeyFiles { ed25519: Some(dir.path().join("seed")), openpgp: Some(pair(dir.path())) };
    let text = format!("{:?}", attester(SignatureScheme::Both, &keys));
    assert!(text.contains("***") && !text.contains("nWGx"), "{text}");
}
