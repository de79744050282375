//! The classic generation: clear-signed attestations, decision tasks that are known by their command.

use super::super::Judgement;
use super::refused_with;
use super::world::{BUILD, DECISION, IMAGE, SIGNING, World, key};
use crate::cot::implementation::Implementation;
use crate::cot::policy::CLASSIC;
use crate::cot::reason::Reason;
use crate::json::DocumentKind;
use crate::openpgp::{Expiry, KeyAlgorithm, KeyOwner, KeyPlan, Keyring, SecretKey, SignaturePolicy};
use crate::time::UnixMillis;
use crate::yaml;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

fn openpgp_key(number: u64) -> SecretKey {
    let plan = KeyPlan {
        owner: KeyOwner::of_worker("worker", "host.example.com").unwrap(),
        algorithm: KeyAlgorithm::Ed25519,
        expiry: Expiry::Never,
    };
    let made = UnixMillis::parse("2026-01-01T00:00:00Z").unwrap();
    SecretKey::generate(&plan, made, &mut StdRng::seed_from_u64(number)).unwrap()
}

impl World {
    /// The same release, ten years ago: clear-signed, its decision task known by its command.
    pub(super) fn classic() -> Self {
        let mut world = Self::new();
        world.policy = yaml::read_strict(CLASSIC.as_bytes(), DocumentKind::Policy).unwrap();
        let key = openpgp_key(1);
        let keyring = Keyring::flat(vec![key.certificate().clone()], SignaturePolicy::default());
        world.keyrings.insert(Implementation::DockerWorker, keyring);
        world.signers.clear();
        world.clear_signers = [DECISION, IMAGE, BUILD].map(|task| (task, openpgp_key(1))).into();
        let in_pool = |task: &mut Value, provisioner: &str, worker: &str| {
            task["provisionerId"] = json!(provisioner);
            task["workerType"] = json!(worker);
        };
        world.change_task(IMAGE, |task| in_pool(task, "aws-provisioner-v1", "gecko-images"));
        world.change_task(SIGNING, |task| in_pool(task, "scriptworker-prov-v1", "signing-linux-v1"));
        let digest = |task: &str, policy: &Value| {
            policy["products"]["firefox"]["docker_image_allowlists"][task][0].clone()
        };
        let decision = world.tasks.get_mut(DECISION).unwrap();
        in_pool(decision, "aws-provisioner-v1", "gecko-decision");
        let shell =
            "cd /home/worker/checkouts/gecko && ./mach --log-no-times taskgraph decision --pushlog-id='1'";
        decision["payload"]["command"] =
            json!(["/home/worker/bin/run-task", "--vcs-checkout=/x", "--", "bash", "-cx", shell]);
        world.attest();
        for (task, list) in [(DECISION, "decision"), (IMAGE, "docker-image")] {
            let allowed = digest(list, &world.policy);
            world.bodies.get_mut(task).unwrap()["environment"] = json!({"imageHash": allowed});
        }
        world
    }
}

#[test]
fn an_honest_release_of_the_classic_generation_is_verified() {
    let judgement = World::classic().judge();
    let Judgement::Verified(task, report) = judgement else { panic!("{judgement:#?}") };
    assert_eq!(task.artifacts().len(), 1);
    assert!(
        report
            .links
            .iter()
            .filter_map(|link| link.signer.as_deref())
            .all(|signer| signer.starts_with("OpenPGP"))
    );
}

#[test]
fn classic_chains_are_refused_for_their_own_reasons() {
    let mut world = World::classic();
    world.clear_signers.insert(BUILD, openpgp_key(2));
    refused_with(&world, BUILD, Reason::UnknownKey);
    let mut world = World::classic();
    world.tasks.get_mut(DECISION).unwrap()["payload"]["command"][5] = json!("curl evil");
    let environment = world.bodies[DECISION]["environment"].clone();
    world.attest();
    world.bodies.get_mut(DECISION).unwrap()["environment"] = environment;
    refused_with(&world, DECISION, Reason::Command);
    let mut world = World::classic();
    for digest in ["evil".to_owned(), "a".repeat(64)] {
        let digest = format!("sha256:{digest}");
        world.bodies.get_mut(DECISION).unwrap()["environment"] = json!({"imageHash": digest});
        refused_with(&world, DECISION, Reason::Image);
    }
    let mut world = World::classic();
    world.damage =
        Some((BUILD, "public/chainOfTrust.json.asc", |bytes| Some([&bytes[..], b"more"].concat())));
    refused_with(&world, BUILD, Reason::TrailingData);
}

#[test]
fn row_019_and_row_020_forms_neither_contradict_nor_replace_each_other() {
    let mut world = World::classic();
    world.signers = [(BUILD, key(1))].into();
    world.clear_signers.remove(BUILD);
    refused_with(&world, BUILD, Reason::WeakForm);
    let mut world = World::classic();
    world.policy["attestations"]["docker-worker"] = json!([{"form": "openpgp"}, {"form": "ed25519"}]);
    world.policy["ed25519_public_keys"] = json!({"docker-worker": [key(1).public().to_string()]});
    world.signers = [(BUILD, key(1))].into();
    assert!(matches!(world.judge(), Judgement::Verified(..)), "both say the same: {:?}", world.refusals());
    world.damage = Some((BUILD, "public/chain-of-trust.json.sig", |_| None));
    refused_with(&world, BUILD, Reason::MissingSignature);
}
