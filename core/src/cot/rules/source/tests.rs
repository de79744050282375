use super::*;
use crate::cot::policy::{CLASSIC, CURRENT};
use crate::json::DocumentKind;
use crate::yaml;
use serde_json::{Value, json};

fn place_of(rule_set: RuleSet, overrides: bool, source: &str, env: Value) -> Result<Place, Reason> {
    let built_in = match rule_set {
        RuleSet::Classic => CLASSIC,
        RuleSet::Current => CURRENT,
    };
    let mut document = yaml::read_strict(built_in.as_bytes(), DocumentKind::Policy).unwrap();
    let product = &mut document["products"]["firefox"];
    product["trusted_vcs_rules"] = json!([{
        "schemes": ["https", "ssh"], "netlocs": ["hg.mozilla.org"],
        "path_regexes": ["^(?P<path>/mozilla-central)(/|$)", "^(?P<path>/comm-central)(/|$)"],
    }]);
    if overrides {
        product["overriding_source_env_prefix"] = json!("COMM");
    }
    let policy = Policy::from_value(document).unwrap();
    let task = json!({
        "taskQueueId": "p/w", "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "created": "2026-11-25T20:00:00.000Z",
        "payload": {"env": env}, "metadata": {"source": source},
    });
    let task = Definition::from_value(task).unwrap();
    place(&policy, policy.product("firefox").unwrap(), &task).map_err(|finding| finding.reason)
}

const CENTRAL: &str = "https://hg.mozilla.org/mozilla-central";

#[test]
fn a_source_in_a_trusted_tree_has_a_path() {
    let file = format!("{CENTRAL}/file/abc/taskcluster");
    for env in [
        json!({}),
        json!({"GECKO_HEAD_REPOSITORY": CENTRAL}),
        json!({"GECKO_HEAD_REPOSITORY": format!("{CENTRAL}/")}),
    ] {
        assert_eq!(place_of(RuleSet::Current, false, &file, env), Ok(Ok("/mozilla-central".to_owned())));
    }
    let other = "https://hg.mozilla.org/other";
    assert_eq!(place_of(RuleSet::Current, false, other, json!({})), Ok(Err(Untrusted::Path)));
}

#[test]
fn row_117_to_row_121_an_address_with_two_readings_is_refused() {
    for (source, reason) in [
        ("https://hg.mozilla.org@evil/mozilla-central", Reason::Url),
        ("https://evil#hg.mozilla.org/", Reason::Url),
        ("https://evil\\@hg.mozilla.org/", Reason::Url),
        ("https://hg.mozilla.org:443/mozilla-central", Reason::UrlForm),
        ("https://HG.MOZILLA.ORG/mozilla-central", Reason::UrlForm),
        ("http://hg.mozilla.org/mozilla-central", Reason::Scheme),
        ("ext::sh -c x", Reason::Url),
        ("https://hg.mozilla.org/mozilla-central/../try", Reason::UrlForm),
        ("https://hg.mozilla.org/mozilla-central%2F..%2Ftry", Reason::UrlForm),
        ("", Reason::Url),
    ] {
        assert_eq!(place_of(RuleSet::Current, false, source, json!({})), Err(reason), "{source}");
        let env = json!({"GECKO_HEAD_REPOSITORY": source});
        if !source.is_empty() {
            assert_eq!(place_of(RuleSet::Current, false, CENTRAL, env), Err(reason), "{source}");
        }
    }
}

#[test]
fn row_123_a_source_is_in_the_repository_it_names() {
    let env = || json!({"GECKO_HEAD_REPOSITORY": "https://hg.mozilla.org/evil"});
    assert_eq!(place_of(RuleSet::Current, false, CENTRAL, env()), Err(Reason::SourceMismatch));
    assert_eq!(
        place_of(RuleSet::Classic, false, CENTRAL, env()),
        Ok(Err(Untrusted::Path)),
        "the repository counts"
    );
}

#[test]
fn row_124_two_trees_are_both_trusted() {
    let env = |comm: &str| json!({"GECKO_HEAD_REPOSITORY": CENTRAL, "COMM_HEAD_REPOSITORY": comm});
    let comm = "https://hg.mozilla.org/comm-central";
    assert_eq!(place_of(RuleSet::Current, false, CENTRAL, env(comm)), Ok(Ok("/mozilla-central".to_owned())));
    assert_eq!(
        place_of(RuleSet::Current, false, CENTRAL, env("https://hg.mozilla.org/evil")),
        Err(Reason::SourceMismatch)
    );
    // where the other tree is the one that counts, the source is in that one
    assert_eq!(place_of(RuleSet::Current, true, comm, env(comm)), Ok(Ok("/comm-central".to_owned())));
    assert_eq!(place_of(RuleSet::Current, true, CENTRAL, env(comm)), Err(Reason::SourceMismatch));
}

const SIGNING: &str = "SigningTQ0WAAAAAAAAAAA";
const BUILD: &str = "BuildTskQ0WAAAAAAAAAAA";
const IMAGE: &str = "ImageTskQ0WAAAAAAAAAAA";
const ELSEWHERE: &str = "ElseTaskQ0WAAAAAAAAAAA";
const ACTION: &str = "ActionTsQ0WAAAAAAAAAAA";
const DECISION: &str = "DecisionQ0WAAAAAAAAAAA";
const OTHER: &str = "OtherDecQ0WAAAAAAAAAAA";
const HG: &str = "/mozilla-central";
const MIRROR: &str = "/mozilla-firefox/firefox";

/// A chain of a signing task that an action made; one of its builds is of another group.
fn chain(policy: &Policy) -> Chain {
    use crate::cot::chain::{ChainLimits, ChainRules, Subject, grow};
    use crate::cot::evidence::{Answer, Evidence};
    use crate::cot::examine::Pass;
    use crate::cot::need::Need;

    let id = |text: &str| TaskId::parse(text).unwrap();
    let task = |group: &str, parent: &str, action: Value, upstream: &[(&str, &str)]| {
        let entry =
            |(task, kind): &(&str, &str)| json!({"taskId": task, "taskType": kind, "paths": ["public/a"]});
        json!({
            "taskQueueId": "p/w", "taskGroupId": group, "created": "2026-11-25T20:00:00.000Z",
            "payload": {"upstreamArtifacts": upstream.iter().map(entry).collect::<Vec<_>>()},
            "extra": {"parent": parent, "action": action},
        })
    };
    let upstream = [(BUILD, "build"), (IMAGE, "docker-image"), (ELSEWHERE, "build")];
    let signing = task(DECISION, ACTION, Value::Null, &upstream);
    let mut evidence = Evidence::new();
    for (name, task) in [
        (BUILD, task(DECISION, DECISION, Value::Null, &[])),
        (IMAGE, task(DECISION, DECISION, Value::Null, &[])),
        (ELSEWHERE, task(OTHER, OTHER, Value::Null, &[])),
        (ACTION, task(DECISION, DECISION, json!({}), &[])),
        (DECISION, task(DECISION, DECISION, Value::Null, &[])),
        (OTHER, task(OTHER, OTHER, Value::Null, &[])),
    ] {
        let answer = Answer::Present(task.to_string().into_bytes().into());
        evidence.add(Need::Task { task: id(name) }, answer).unwrap();
    }
    let limits = ChainLimits { hops: 5, links: 20, inputs: 10 };
    let rules = ChainRules { rule_set: RuleSet::Current, roles: &policy.task_types, limits };
    let task = Definition::from_value(signing).unwrap();
    let subject = Subject { id: id(SIGNING), task_type: "signing".to_owned(), task };
    let (chain, complete) = grow(&Pass::new(&evidence), &rules, &subject).unwrap();
    assert!(complete && chain.links().len() == 7);
    chain
}

/// The places of these tasks once mirrors are mapped: signing, build, image, build of another group, action, decision.
fn mapped(paths: [&'static str; 6]) -> [String; 6] {
    let policy = Policy::parse(CURRENT.as_bytes()).unwrap();
    let mut product = policy.product("firefox").unwrap().clone();
    product.mirrors = BTreeMap::from([(HG.to_owned(), MIRROR.to_owned())]);
    let (chain, mut places) = (chain(&policy), Places::default());
    let link = |task: &str| chain.link(&TaskId::parse(task).unwrap()).unwrap();
    let tasks = [SIGNING, BUILD, IMAGE, ELSEWHERE, ACTION, DECISION];
    for (task, path) in tasks.iter().zip(paths) {
        places.add(link(task), Ok(path.to_owned()));
    }
    places.map_mirrors(&product, &chain);
    tasks.map(|task| places.of(link(task)).unwrap().clone().unwrap())
}

#[test]
fn a_mirror_counts_as_the_tree_of_the_graph_for_tasks_of_that_graph_alone() {
    const EVIL: &str = "/evil";
    // the tree is that of the parents, even where the subject itself comes from the mirror
    assert_eq!(mapped([MIRROR, MIRROR, EVIL, MIRROR, HG, HG]), [HG, HG, EVIL, MIRROR, HG, HG]);
    // a parent is never mapped; where parents differ, the subject's tree counts
    assert_eq!(mapped([HG, MIRROR, EVIL, MIRROR, MIRROR, HG]), [HG, HG, EVIL, MIRROR, MIRROR, HG]);
    let two_trees = [MIRROR, MIRROR, EVIL, MIRROR, MIRROR, HG];
    assert_eq!(mapped(two_trees), two_trees);
    for unmirrored in [MIRROR, EVIL] {
        let paths = [HG, MIRROR, EVIL, MIRROR, unmirrored, unmirrored];
        assert_eq!(mapped(paths), paths);
    }
}
