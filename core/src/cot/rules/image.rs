//! Whether the image that a docker-worker task ran in is accepted, or traced to the task that made it
//! (chain-of-trust.md 5.4 and 6.5).

use crate::cot::attested::Attested;
use crate::cot::examine::Step;
use crate::cot::finding::Finding;
use crate::cot::policy::{PrebuiltImages, Product};
use crate::cot::reason::Reason;
use crate::cot::role::RuleSet;
use crate::cot::task::Definition;
use crate::digest::{Digest, HashAlgorithm};
use crate::ids::TaskId;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What decides about images.
pub(in crate::cot) struct ImageRules<'a> {
    pub(in crate::cot) rule_set: RuleSet,
    pub(in crate::cot) product: &'a Product,
    /// Whether the verified task asks for restricted scopes.
    pub(in crate::cot) privileged: bool,
    /// Whether generic-worker signed, where it runs nothing that was written for docker-worker: the task itself may have
    /// said what the attestation says of the image (cot-attacks.md 114).
    pub(in crate::cot) claimed: bool,
}

/// Looks up what the task of an image attested.
pub(in crate::cot) type Attestations<'a> = dyn Fn(&TaskId) -> Step<Arc<Attested>> + 'a;

/// The rule.
pub(in crate::cot) fn check(
    rules: &ImageRules<'_>,
    task_type: &str,
    task: &Definition,
    attested: &Attested,
    attestations: &Attestations<'_>,
) -> Step<()> {
    let claimed = || {
        let finding = refused("environment").expected("a pool of d2g_pools, as generic-worker signed");
        Err(finding.found(task.pool()).into())
    };
    match task.at(&["payload", "image"]) {
        Some(Value::Object(image)) => {
            let kind = image.get("type").and_then(Value::as_str);
            match (rules.rule_set, kind) {
                (RuleSet::Classic, _) | (RuleSet::Current, Some("task-image")) if rules.claimed => claimed(),
                (RuleSet::Classic, _) | (RuleSet::Current, Some("task-image")) => {
                    from_task(task, image.get("taskId"), image.get("path"), attested, attestations)
                }
                (RuleSet::Current, Some("indexed-image")) if rules.privileged => {
                    Err(refused("payload.image.type")
                        .because("an image of an index, for restricted scopes")
                        .into())
                }
                (RuleSet::Current, Some("indexed-image")) => Ok(prebuilt(rules, task_type)?),
                (RuleSet::Current, other) => Err(refused("payload.image.type")
                    .expected("task-image or indexed-image")
                    .found(format!("{other:?}"))
                    .into()),
            }
        }
        _ => {
            if rules.rule_set == RuleSet::Current {
                prebuilt(rules, task_type)?;
            }
            match &rules.product.image_allowlists {
                Some(_) if rules.claimed => claimed(),
                Some(lists) => Ok(allowed(lists, task_type, attested)?),
                None => Ok(()),
            }
        }
    }
}

fn refused(place: &str) -> Finding {
    Finding::new(Reason::Image).at(place)
}

/// An image that a task made: the task names it as its input, and ran exactly what that task attested.
fn from_task(
    task: &Definition,
    image_task: Option<&Value>,
    path: Option<&Value>,
    attested: &Attested,
    attestations: &Attestations<'_>,
) -> Step<()> {
    const INPUT: &str = "extra.chainOfTrust.inputs.docker-image";
    let input = task.text(&["extra", "chainOfTrust", "inputs", "docker-image"]);
    let image_task = image_task.and_then(Value::as_str);
    if input.is_none() || input != image_task {
        let finding = refused("payload.image.taskId").expected(format!("{INPUT}, {input:?}"));
        return Err(finding.found(format!("{image_task:?}")).into());
    }
    let id = TaskId::parse(input.unwrap_or_default()).map_err(|error| refused(INPUT).because(error))?;
    let path = path
        .and_then(Value::as_str)
        .ok_or_else(|| refused("payload.image.path").expected("the name of an artifact"))?;
    let used = attested.environment.get("imageArtifactHash").and_then(Value::as_str).ok_or_else(|| {
        refused("environment.imageArtifactHash").expected("the digest of the image").found("nothing")
    })?;
    let used = Digest::parse_prefixed(used)
        .map_err(|error| refused("environment.imageArtifactHash").because(error))?;
    let made = attestations(&id)?.digests(path, &HashAlgorithm::ALL)?;
    match made.get(used.algorithm()) {
        Some(made) if *made == used => Ok(()),
        Some(made) => Err(refused("environment.imageArtifactHash").expected(made).found(used).into()),
        None => Err(refused("environment.imageArtifactHash")
            .expected("a digest that the image's task attested")
            .found(used)
            .into()),
    }
}

/// An image that no task of the chain made.
fn prebuilt(rules: &ImageRules<'_>, task_type: &str) -> Result<(), Finding> {
    match &rules.product.prebuilt_images {
        PrebuiltImages::Any => return Ok(()),
        PrebuiltImages::Types(types) if types.iter().any(|it| it == task_type) => return Ok(()),
        PrebuiltImages::Types(_) => {}
    }
    let finding = refused("payload.image").expected("an image made by a docker-image task");
    Err(finding.because(format!("a task of type {task_type} may not run in another one")))
}

/// The list of digests, where the policy has lists: a type without one runs in no such image.
fn allowed(
    lists: &BTreeMap<String, Vec<Digest>>,
    task_type: &str,
    attested: &Attested,
) -> Result<(), Finding> {
    let used = attested.environment.get("imageHash").and_then(Value::as_str);
    let digest = used.and_then(|used| Digest::parse_prefixed(used).ok());
    match (lists.get(task_type), digest) {
        (Some(list), Some(digest)) if list.contains(&digest) => Ok(()),
        _ => Err(refused("environment.imageHash")
            .expected("an image of the policy's list")
            .found(format!("{used:?}"))),
    }
}

#[cfg(test)]
mod tests;
