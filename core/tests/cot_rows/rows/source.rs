//! Rows 108, 116 to 130 and 136: source addresses, scopes, and the verifier's clock.

use crate::folders::{Attack, Benign, Plan};
use crate::release::{BUILD, DECISION, IMAGE, REPOSITORY, REVISION, SCOPE, SIGNING};
use crate::world::{World, at};
use scriptworker_core::cot::reason::Reason;
use serde_json::json;

const RELEASE: &str = "release_current_pass";

pub(super) fn add(plan: &mut Plan) {
    plan.attacks(RELEASE, World::release, PLACES);
    plan.attacks(RELEASE, World::release, FORMS);
    plan.attacks(RELEASE, World::release, TREES);
    plan.attacks(RELEASE, World::release, SCOPES);
    plan.attacks(RELEASE, World::release, CLOCK);
    plan.attacks("release_classic_pass", World::classic, CLASSIC);
    plan.benign(World::release, BENIGN);
}

/// The signing task has its source there, by queue, graph and attestation.
fn source(world: &mut World, address: &str) {
    world.change_task(SIGNING, |task| task["metadata"]["source"] = json!(address));
}

/// The build has.
fn build_source(world: &mut World, address: &str) {
    world.change_task(BUILD, |task| task["metadata"]["source"] = json!(address));
}

/// The tree of the signing task is not trusted: it may not have its scope, and the others are of another tree.
const fn elsewhere(reason: Reason) -> [(&'static str, Reason); 5] {
    [
        (SIGNING, reason),
        (SIGNING, Reason::Scope),
        (DECISION, Reason::SourceMismatch),
        (BUILD, Reason::SourceMismatch),
        (IMAGE, Reason::SourceMismatch),
    ]
}

const OTHER_HOST: [(&str, Reason); 5] = elsewhere(Reason::Host);
const OTHER_FORM: [(&str, Reason); 5] = elsewhere(Reason::UrlForm);
const OTHER_PATH: [(&str, Reason); 5] = elsewhere(Reason::Untrusted);

const PLACES: &[Attack] = &[
    (
        116,
        "host_with_more",
        "The signing task's source is on a host whose name begins like the trusted one's.",
        |world| source(world, "https://hg.mozilla.org.evil/mozilla-central/file/x"),
        &OTHER_HOST,
    ),
    (
        118,
        "look_alike_host",
        "The signing task's source is on a host whose name looks like the trusted one's.",
        |world| source(world, "https://hg.xn--mozila-5xb.org/mozilla-central/file/x"),
        &OTHER_FORM,
    ),
    (
        120,
        "name_with_more",
        "The signing task's source is in a repository whose name begins like a trusted one's.",
        |world| source(world, "https://hg.mozilla.org/mozilla-central-evil/file/x"),
        &OTHER_PATH,
    ),
    (
        120,
        "name_with_a_letter_more",
        "The signing task's source is in a repository whose name is a trusted one's and a letter.",
        |world| source(world, "https://hg.mozilla.org/mozilla-centralx/file/x"),
        &OTHER_PATH,
    ),
];

/// The source is looked at for itself, and as a possible try push.
const URL: [(&str, Reason); 2] = [(BUILD, Reason::Url), (BUILD, Reason::Url)];
const URL_FORM: [(&str, Reason); 2] = [(BUILD, Reason::UrlForm), (BUILD, Reason::UrlForm)];
const SCHEME: [(&str, Reason); 2] = [(BUILD, Reason::Scheme), (BUILD, Reason::Scheme)];

const FORMS: &[Attack] = &[
    (
        117,
        "user",
        "The trusted host stands for a user in the build's source.",
        |world| build_source(world, "https://hg.mozilla.org@evil/mozilla-central/file/x"),
        &URL,
    ),
    (
        117,
        "fragment",
        "The trusted host stands behind a hash in the build's source.",
        |world| build_source(world, "https://evil#hg.mozilla.org/mozilla-central/file/x"),
        &URL,
    ),
    (
        117,
        "backslash",
        "The trusted host stands behind a backslash in the build's source.",
        |world| build_source(world, "https://evil\\@hg.mozilla.org/mozilla-central/file/x"),
        &URL,
    ),
    (
        118,
        "port",
        "The build's source has a port.",
        |world| build_source(world, "https://hg.mozilla.org:443/mozilla-central/file/x"),
        &URL_FORM,
    ),
    (
        118,
        "capitals",
        "The build's source has capitals in its host.",
        |world| build_source(world, "https://HG.MOZILLA.ORG/mozilla-central/file/x"),
        &URL_FORM,
    ),
    (
        118,
        "dot_at_the_end",
        "The host of the build's source ends with a dot.",
        |world| build_source(world, "https://hg.mozilla.org./mozilla-central/file/x"),
        &URL_FORM,
    ),
    (
        119,
        "http",
        "The build's source is fetched without encryption.",
        |world| build_source(world, "http://hg.mozilla.org/mozilla-central/file/x"),
        &SCHEME,
    ),
    (
        119,
        "git",
        "The build's source is fetched without knowing from whom.",
        |world| build_source(world, "git://hg.mozilla.org/mozilla-central/file/x"),
        &SCHEME,
    ),
    (
        119,
        "file",
        "The build's source is a file.",
        |world| build_source(world, "file:///mozilla-central/file/x"),
        &SCHEME,
    ),
    (
        121,
        "up",
        "The build's source goes up from the trusted repository.",
        |world| build_source(world, "https://hg.mozilla.org/mozilla-central/../try/file/x"),
        &URL_FORM,
    ),
    (
        121,
        "encoded_up",
        "The build's source goes up from the trusted repository in an encoded way.",
        |world| build_source(world, "https://hg.mozilla.org/mozilla-central%2F..%2Ftry/file/x"),
        &URL_FORM,
    ),
    (
        121,
        "two_slashes",
        "The build's source has an empty name in it.",
        |world| build_source(world, "https://hg.mozilla.org//mozilla-central/file/x"),
        &URL_FORM,
    ),
    (
        121,
        "semicolon",
        "The build's source has a parameter in a name.",
        |world| build_source(world, "https://hg.mozilla.org/mozilla-central;x/file/x"),
        &URL_FORM,
    ),
];

const BUILD_MISMATCH: &[(&str, Reason)] = &[(BUILD, Reason::SourceMismatch)];

const TREES: &[Attack] = &[
    (
        123,
        "head_repository_elsewhere",
        "The build's source is in the trusted repository, and its head repository is another one.",
        |world| {
            world.change_task(BUILD, |task| {
                task["payload"]["env"]["GECKO_HEAD_REPOSITORY"] = json!("https://hg.mozilla.org/users/evil");
            });
        },
        BUILD_MISMATCH,
    ),
    (
        124,
        "second_tree",
        "The build names a second tree, of another application, that nobody trusts.",
        |world| {
            world.change_task(BUILD, |task| {
                task["payload"]["env"]["COMM_HEAD_REPOSITORY"] = json!("https://hg.mozilla.org/users/evil");
            });
        },
        BUILD_MISMATCH,
    ),
    (
        130,
        "sibling_of_another_tree",
        "The image task is in the decision task's group, and its source in another trusted tree.",
        |world| {
            world.change_task(IMAGE, |task| {
                task["metadata"]["source"] =
                    json!(format!("https://hg.mozilla.org/integration/autoland/file/{REVISION}/x"));
            });
        },
        &[(IMAGE, Reason::SourceMismatch)],
    ),
    (
        108,
        "try_push",
        "The build was scheduled as what everybody may push.",
        |world| world.change_task(BUILD, |task| task["schedulerId"] = json!("gecko-level-1")),
        &[(BUILD, Reason::UntrustedSource)],
    ),
    (
        108,
        "try_branch",
        "The build's branch is one for trying something out.",
        |world| world.change_task(BUILD, |task| task["payload"]["env"]["MH_BRANCH"] = json!("try-comm")),
        &[(BUILD, Reason::UntrustedSource)],
    ),
];

fn scope(world: &mut World, scope: &str) {
    world.change_task(SIGNING, |task| task["scopes"] = json!([scope]));
}

const NO_SCOPE: &[(&str, Reason)] = &[(SIGNING, Reason::Scope)];

const SCOPES: &[Attack] = &[
    (
        125,
        "scope_of_another_branch",
        "The signing task has a scope of beta, and comes from central.",
        |world| scope(world, "project:releng:balrog:server:beta"),
        NO_SCOPE,
    ),
    (
        125,
        "release_scope",
        "The signing task has a scope of releases, and comes from central.",
        |world| scope(world, "project:releng:signing:cert:release-signing"),
        NO_SCOPE,
    ),
    (
        126,
        "star_of_a_kind",
        "The signing task has all scopes of a kind.",
        |world| scope(world, "project:releng:signing:cert:*"),
        NO_SCOPE,
    ),
    (
        126,
        "star_of_a_project",
        "The signing task has all scopes of a project.",
        |world| scope(world, "project:releng:*"),
        NO_SCOPE,
    ),
    (126, "star", "The signing task has all scopes.", |world| scope(world, "*"), NO_SCOPE),
    (
        127,
        "role_of_a_repository",
        "The signing task has the scopes of a repository.",
        |world| scope(world, "assume:repo:hg.mozilla.org/mozilla-central:branch:default"),
        NO_SCOPE,
    ),
    (
        127,
        "role_of_a_hook",
        "The signing task has the scopes of a hook.",
        |world| scope(world, "assume:hook-id:project-gecko/in-tree-action-3-release/0123"),
        NO_SCOPE,
    ),
];

const CLOCK: &[Attack] = &[
    (
        136,
        "clock_ahead",
        "The verifier's clock is a year ahead of the queue's.",
        |world| world.queue_now = Some(at("2025-11-25T22:00:00.000Z")),
        &[(SIGNING, Reason::Clock)],
    ),
    (
        136,
        "clock_behind",
        "The verifier's clock is a year behind the queue's.",
        |world| world.now = at("2025-11-25T22:00:00.000Z"),
        &[(SIGNING, Reason::Clock)],
    ),
];

const CLASSIC: &[Attack] = &[
    (
        108,
        "try_push_classic",
        "The build was scheduled as what everybody may push.",
        |world| world.change_task(BUILD, |task| task["schedulerId"] = json!("gecko-level-1")),
        &[(BUILD, Reason::UntrustedSource)],
    ),
    (
        125,
        "scope_of_another_branch_classic",
        "The signing task has a scope of releases, and comes from central.",
        |world| scope(world, "project:releng:signing:cert:release-signing"),
        NO_SCOPE,
    ),
    (
        130,
        "sibling_of_another_tree_classic",
        "The image task is in the decision task's group, and its source in another trusted tree.",
        |world| {
            world.change_task(IMAGE, |task| {
                task["metadata"]["source"] =
                    json!(format!("https://hg.mozilla.org/releases/mozilla-beta/file/{REVISION}/x"));
            });
        },
        &[(IMAGE, Reason::SourceMismatch)],
    ),
];

const BENIGN: &[Benign] = &[
    (
        124,
        "second_tree_that_is_trusted",
        "The build names a second tree, of another application, that is trusted, too.",
        |world| {
            world.change_task(BUILD, |task| {
                task["payload"]["env"]["COMM_HEAD_REPOSITORY"] = json!("https://hg.mozilla.org/comm-central");
            });
        },
        None,
    ),
    (
        118,
        "source_of_the_tree_itself",
        "The signing task's source is the trusted repository itself.",
        |world| source(world, REPOSITORY),
        None,
    ),
    (
        127,
        "role_by_policy",
        "The policy takes roles as harmless.",
        |world| {
            world.policy.insert("/switches/allow_assumed_roles", json!(true));
            world.change_task(SIGNING, |task| task["scopes"] = json!([SCOPE, "assume:project:x"]));
        },
        None,
    ),
];
