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
