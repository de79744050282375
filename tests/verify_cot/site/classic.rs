//! The same release ten years ago: clear-signed, its decision task known by its command, its images by their digests.

use super::{BUILD, DECISION, IMAGE, Release, SIGNING, Signer, hg};
use rand::SeedableRng;
use rand::rngs::StdRng;
use scriptworker_core::cot::policy::CLASSIC;
use scriptworker_core::json::DocumentKind;
use scriptworker_core::openpgp::{Expiry, KeyAlgorithm, KeyOwner, KeyPlan, SecretKey};
use scriptworker_core::yaml;
use serde_json::{Value, json};

/// A key of a worker.
pub(crate) fn openpgp_key(number: u64) -> SecretKey {
    let owner = KeyOwner::of_worker("worker", &format!("host-{number}.example.com")).unwrap();
    let plan = KeyPlan { owner, algorithm: KeyAlgorithm::Ed25519, expiry: Expiry::Never };
    let made = super::now().plus(-30 * super::DAY);
    SecretKey::generate(&plan, made, &mut StdRng::seed_from_u64(number)).unwrap()
}

/// An honest release: the keys of those that made it, and of the one that signed.
pub(crate) fn release(docker: &SecretKey, scriptworker: &SecretKey) -> Release {
    let mut release = hg::release();
    let policy: Value = yaml::read_strict(CLASSIC.as_bytes(), DocumentKind::Policy).unwrap();
    let in_pool = |task: &mut Value, provisioner: &str, worker: &str| {
        task["provisionerId"] = json!(provisioner);
        task["workerType"] = json!(worker);
    };
    release.change(IMAGE, |task| in_pool(task, "aws-provisioner-v1", "gecko-images"));
    release.change(SIGNING, |task| in_pool(task, "scriptworker-prov-v1", "signing-linux-v1"));
    let shell =
        "cd /home/worker/checkouts/gecko && ./mach --log-no-times taskgraph decision --pushlog-id='1'";
    release.change(DECISION, |task| {
        in_pool(task, "aws-provisioner-v1", "gecko-decision");
        task["payload"]["command"] =
            json!(["/home/worker/bin/run-task", "--vcs-checkout=/x", "--", "bash", "-cx", shell]);
    });
    for (task, list) in [(DECISION, "decision"), (IMAGE, "docker-image")] {
        let allowed = policy["products"]["firefox"]["docker_image_allowlists"][list][0].clone();
        release.environments.insert(task, json!({"imageHash": allowed}));
    }
    for task in [DECISION, IMAGE, BUILD] {
        release.signers.insert(task, Signer::OpenPgp(Box::new(docker.clone())));
    }
    release.signers.insert(SIGNING, Signer::OpenPgp(Box::new(scriptworker.clone())));
    // the classic generation asks no source host
    release.host.clear();
    release.config.insert("base_gpg_home_dir".to_owned(), json!("keyrings"));
    release
}
