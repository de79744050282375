//! The same release, ten years ago: clear-signed, its decision task known by its command.

use super::release::{BUILD, DECISION, IMAGE, SIGNING, filled, openpgp_key};
use super::world::{Generation, World};
use scriptworker_core::cot::policy::CLASSIC;
use scriptworker_core::json::DocumentKind;
use scriptworker_core::yaml;
use serde_json::{Value, json};

const SHELL: &str =
    "cd /home/worker/checkouts/gecko && ./mach --log-no-times taskgraph decision --pushlog-id='1'";

fn in_pool(task: &mut Value, provisioner: &str, worker: &str) {
    task["provisionerId"] = json!(provisioner);
    task["workerType"] = json!(worker);
    let members = task.as_object_mut().unwrap();
    members.remove("taskQueueId");
    *task = filled(task.take());
}

impl World {
    /// An honest release of the classic generation.
    pub(crate) fn classic() -> Self {
        let mut world = Self::release();
        world.generation = Generation::Classic;
        world.signers.clear();
        world.clear_signers = [(DECISION, 1), (IMAGE, 1), (BUILD, 1), (SIGNING, 3)]
            .map(|(task, key)| (task, openpgp_key(key)))
            .into();
        let policy = yaml::read_strict(CLASSIC.as_bytes(), DocumentKind::Policy).unwrap();
        let lists = &policy["products"]["firefox"]["docker_image_allowlists"];
        for (task, list) in [(DECISION, "decision"), (IMAGE, "docker-image")] {
            world.image_hashes.insert(task, lists[list][0].as_str().unwrap().to_owned());
        }
        let decision = world.tasks.get_mut(DECISION).unwrap();
        in_pool(decision, "aws-provisioner-v1", "gecko-decision");
        decision["payload"]["command"] =
            json!(["/home/worker/bin/run-task", "--vcs-checkout=/x", "--", "bash", "-cx", SHELL]);
        in_pool(world.tasks.get_mut(IMAGE).unwrap(), "aws-provisioner-v1", "gecko-images");
        in_pool(world.tasks.get_mut(SIGNING).unwrap(), "scriptworker-prov-v1", "signing-linux-v1");
        world.attest();
        world
    }
}
