//! The definitions of the tasks of a release.

use super::ReleaseError;
use super::tampering::Tampering;
use super::tree::{LEVEL, PUSHER, Push, REPOSITORY};
use scriptworker_core::cot::policy::{CLASSIC, Policy};
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::cot::template::{Rendering, render};
use scriptworker_core::digest::Digest;
use scriptworker_core::ids::TaskId;
use scriptworker_core::json::DocumentKind;
use scriptworker_core::time::UnixMillis;
use scriptworker_core::yaml;
use serde_json::{Map, Value, json};

/// The product whose rules a release obeys.
pub(super) const PRODUCT: &str = "firefox";
/// What the signing task is in a chain.
pub(super) const TASK_TYPE: &str = "signing";
/// The artifact of the image task.
pub(super) const IMAGE_ARTIFACT: &str = "public/image.tar.zst";
/// A scope that the tree gives.
const SCOPE: &str = "project:releng:signing:cert:nightly-signing";
/// One that it does not give.
const SCOPE_OF_ANOTHER_BRANCH: &str = "project:releng:signing:cert:release-signing";
const DAY: i64 = 86_400_000;
/// A variable that makes a definition longer: about as long as this with its name.
const VALUE: &str = "a path or an address of usual length, or some option";
const PIECE: usize = VALUE.len() + 18;
/// What a decision task of the classic generation runs.
const SHELL: &str =
    "cd /home/worker/checkouts/gecko && ./mach --log-no-times taskgraph decision --pushlog-id='1'";

/// What a build rests on, beside its decision task.
pub(super) struct Inputs<'a> {
    pub(super) image: &'a TaskId,
    pub(super) builds: &'a [TaskId],
}

/// The name of an artifact of a build, by its number.
pub(super) fn artifact_of_build(number: usize) -> String {
    format!("public/build/target-{number}.tar.gz")
}

/// The members that the queue would fill in. They are there from the beginning, so that everybody has the same.
fn filled(mut task: Map<String, Value>) -> Map<String, Value> {
    let name = |key: &str| task.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let queue = format!("{}/{}", name("provisionerId"), name("workerType"));
    for (key, value) in [
        ("taskQueueId", json!(queue)),
        ("projectId", json!("none")),
        ("dependencies", json!([])),
        ("routes", json!([])),
        ("tags", json!({})),
        ("extra", json!({})),
        ("scopes", json!([])),
    ] {
        task.entry(key).or_insert(value);
    }
    task
}

/// What all tasks of a release have in common.
pub(super) struct Common<'a> {
    pub(super) generation: RuleSet,
    pub(super) created: UnixMillis,
    pub(super) push: &'a Push,
    pub(super) decision: &'a TaskId,
    pub(super) tampering: Option<Tampering>,
}

impl Common<'_> {
    /// The pool of the signing task: provisioner and worker type.
    pub(super) fn signing_pool(generation: RuleSet) -> (&'static str, &'static str) {
        match generation {
            RuleSet::Classic => ("scriptworker-prov-v1", "signing-linux-v1"),
            RuleSet::Current => ("scriptworker-k8s", "gecko-3-signing"),
        }
    }

    /// The decision task: what the template makes of the push.
    pub(super) fn decision(&self) -> Result<Map<String, Value>, ReleaseError> {
        let revision = &self.push.revision;
        let rendering = Rendering {
            template: yaml::read_strict(&self.push.template, DocumentKind::TaskTemplate)?,
            context: Map::from_iter([
                ("tasks_for".to_owned(), json!("hg-push")),
                ("ownTaskId".to_owned(), json!(self.decision)),
                ("push".to_owned(), json!({"owner": PUSHER, "revision": revision})),
                ("repository".to_owned(), json!({"url": REPOSITORY, "level": LEVEL})),
            ]),
            now: self.created,
            decision: self.decision.clone(),
            own: self.decision.clone(),
        };
        let mut rendered = render(&rendering)?;
        let Some(Value::Object(mut task)) = rendered.pointer_mut("/tasks/0").map(Value::take) else {
            return Err(ReleaseError::NoDecision);
        };
        task.remove("taskId");
        if self.generation == RuleSet::Classic {
            task.insert("provisionerId".to_owned(), json!("aws-provisioner-v1"));
            task.insert("workerType".to_owned(), json!("gecko-decision"));
            let shell = match self.tampering {
                Some(Tampering::Command) => format!("{SHELL} && curl https://example.com/more"),
                _ => SHELL.to_owned(),
            };
            let command =
                json!(["/home/worker/bin/run-task", "--vcs-checkout=/gecko", "--", "bash", "-cx", shell]);
            if let Some(Value::Object(payload)) = task.get_mut("payload") {
                payload.insert("command".to_owned(), command);
            }
        }
        Ok(filled(task))
    }

    fn task(&self, name: &str, pool: (&str, &str), payload: Value) -> Map<String, Value> {
        let created = self.created;
        filled(Map::from_iter(
            [
                ("provisionerId", json!(pool.0)),
                ("workerType", json!(pool.1)),
                ("taskGroupId", json!(self.decision)),
                ("schedulerId", json!(format!("gecko-level-{LEVEL}"))),
                ("created", json!(created)),
                ("deadline", json!(created.plus(DAY))),
                ("expires", json!(created.plus(300 * DAY))),
                ("priority", json!("low")),
                ("retries", json!(5)),
                ("requires", json!("all-completed")),
                ("payload", payload),
                (
                    "metadata",
                    json!({
                        "name": name,
                        "description": "A task of a made-up release",
                        "owner": PUSHER,
                        "source": format!("{REPOSITORY}/file/{}/taskcluster/ci", self.push.revision),
                    }),
                ),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        ))
    }

    /// The task that makes the image of the builds.
    pub(super) fn image(&self) -> Map<String, Value> {
        let pool = match self.generation {
            RuleSet::Classic => ("aws-provisioner-v1", "gecko-images"),
            RuleSet::Current => ("gecko-3", "images"),
        };
        let payload = json!({"image": "builder:1", "features": {"chainOfTrust": true}, "env": {}});
        self.task("docker-image", pool, payload)
    }

    /// A build in that image, out of what other builds made, with `padding` bytes more than it needs.
    pub(super) fn build(&self, number: usize, inputs: &Inputs<'_>, padding: usize) -> Map<String, Value> {
        let image = inputs.image;
        let mut env = Map::from_iter(
            [
                ("GECKO_HEAD_REPOSITORY", json!(REPOSITORY)),
                ("GECKO_HEAD_REV", json!(self.push.revision)),
                ("BUILD_NUMBER", json!(number.to_string())),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        // in many small pieces, as in real life
        for piece in 0..padding.div_ceil(PIECE) {
            env.insert(format!("VARIABLE_{piece:04}"), json!(VALUE));
        }
        let mut payload = Map::from_iter(
            [
                ("image", json!({"type": "task-image", "taskId": image, "path": IMAGE_ARTIFACT})),
                ("features", json!({"chainOfTrust": true})),
                ("env", Value::Object(env)),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        if !inputs.builds.is_empty() {
            let upstream =
                |build| json!({"taskId": build, "taskType": "build", "paths": [artifact_of_build(1)]});
            payload.insert("upstreamArtifacts".to_owned(), inputs.builds.iter().map(upstream).collect());
        }
        let name = format!("build-{number}");
        let mut task = self.task(&name, ("gecko-3", "b-linux"), Value::Object(payload));
        let inputs = json!({"chainOfTrust": {"inputs": {"docker-image": image}}});
        task.insert("extra".to_owned(), inputs);
        task
    }

    /// The task that signs these artifacts; `more` comes into its payload.
    pub(super) fn signing(
        &self,
        upstream: &[(TaskId, Vec<String>)],
        more: &Map<String, Value>,
    ) -> Map<String, Value> {
        let entry = |(build, paths): &(TaskId, Vec<String>)| json!({"taskId": build, "taskType": "build", "paths": paths, "formats": ["autograph_gpg"]});
        let mut payload = more.clone();
        payload.insert("upstreamArtifacts".to_owned(), upstream.iter().map(entry).collect());
        let pool = Self::signing_pool(self.generation);
        let mut task = self.task("signing", pool, Value::Object(payload));
        let scope = match self.tampering {
            Some(Tampering::Scope) => SCOPE_OF_ANOTHER_BRANCH,
            _ => SCOPE,
        };
        task.insert("scopes".to_owned(), json!([scope]));
        task
    }
}

/// What a worker says of the image that it ran a decision or image task in: any, or one of those that the policy of
/// the classic generation allows.
pub(super) fn image_hash(generation: RuleSet, task_type: &str) -> Result<String, ReleaseError> {
    if generation == RuleSet::Current {
        return Ok(format!("sha256:{}", Digest::Sha256([0; 32]).digits()));
    }
    let policy = Policy::parse(CLASSIC.as_bytes())?;
    let lists = policy.product(PRODUCT).and_then(|product| product.image_allowlists.as_ref());
    let allowed = lists.and_then(|lists| lists.get(task_type)?.first());
    allowed.map(ToString::to_string).ok_or_else(|| ReleaseError::NoImage { task_type: task_type.to_owned() })
}
