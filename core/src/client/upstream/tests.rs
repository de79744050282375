use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::convert::Infallible;

#[test]
fn entries_are_read_with_everything_in_them() {
    let task = ScriptTask::from_value(json!({"payload": {"upstreamArtifacts": [
        {"taskId": "A", "taskType": "build", "paths": ["public/a"], "formats": ["gpg"]},
        {"taskId": "B", "paths": ["public/*"], "optional": true},
        {"taskId": "C", "paths": [], "optional": "true"},
    ]}}))
    .unwrap();
    let entries = UpstreamArtifact::of_task(&task).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.optional).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(entries[0].entry["formats"], json!(["gpg"]));
    assert!(
        UpstreamArtifact::of_task(&ScriptTask::from_value(json!({"payload": {}})).unwrap())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn wrong_entries_are_malformed_and_named() {
    let wrong = |upstream: Value| json!({"payload": {"upstreamArtifacts": upstream}});
    for (definition, expected) in [
        (json!({}), "payload"),
        (wrong(json!({})), "payload.upstreamArtifacts"),
        (wrong(json!(null)), "payload.upstreamArtifacts"),
        (wrong(json!([1])), "payload.upstreamArtifacts[0]"),
        (wrong(json!([{"paths": []}])), "payload.upstreamArtifacts[0].taskId"),
        (wrong(json!([{"taskId": "A", "paths": []}, {"taskId": "A"}])), "payload.upstreamArtifacts[1].paths"),
        (wrong(json!([{"taskId": "A", "paths": ["a", 1]}])), "payload.upstreamArtifacts[0].paths"),
    ] {
        let error = UpstreamArtifact::of_task(&ScriptTask::from_value(definition).unwrap()).unwrap_err();
        assert!(matches!(&error, UpstreamError::WrongType { place, .. } if place == expected), "{error}");
        assert_eq!(error.status(), TaskStatus::MalformedPayload);
    }
}

#[test]
fn places_are_below_the_task() {
    let work_dir = Path::new("/var/lib/scriptworker/work");
    let place = |task_id, path| place_of(work_dir, task_id, path);
    assert_eq!(place("ID", "public/a b").unwrap(), work_dir.join("cot/ID/public/a b"));
    assert_eq!(place("ID", "./public//a").unwrap(), work_dir.join("cot/ID/public/a"));
    assert!(place("ID", "a/..b/c..").is_ok());
    for (task_id, path) in [
        ("ID", "/etc/passwd"),
        ("ID", "../OTHER/a"),
        ("ID", "a/../../b"),
        ("ID", "a/../b"),
        ("ID", ""),
        ("ID", "."),
        ("ID", "a\0b"),
        ("", "a"),
        (".", "a"),
        ("..", "a"),
        ("a/b", "a"),
        ("a/", "a"),
        ("/a", "a"),
        ("a\0", "a"),
    ] {
        let error = place(task_id, path).unwrap_err();
        assert_eq!(error, UpstreamError::Outside { task_id: task_id.to_owned(), path: path.to_owned() });
    }
}

#[test]
fn patterns_match_as_in_a_shell_but_across_folders() {
    for (pattern, name, matches) in [
        ("*", "", true),
        ("*", "public/build/a.tar", true),
        ("public/*.apk", "public/build/en-US/a.apk", true),
        ("public/*.apk", "public/a.apk.asc", false),
        ("public/*.apk", "Public/a.apk", false),
        ("public/**/a", "public/x/a", true),
        ("a?c", "abc", true),
        ("a?c", "a/c", true),
        ("a?c", "ac", false),
        ("[abc]x", "bx", true),
        ("[a-c]x", "dx", false),
        ("[!a-c]x", "dx", true),
        ("[!a-c]x", "bx", false),
        ("[]]x", "]x", true),
        ("[!]]x", "]x", false),
        ("[a-]x", "-x", true),
        ("[x", "[x", true),
        ("[x", "x", false),
        ("[", "[", true),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false),
        ("*.ä?", "x.ä€", true),
        ("", "", true),
        ("", "a", false),
    ] {
        assert_eq!(glob_matches(pattern, name), matches, "{pattern:?} {name:?}");
    }
    // no pattern makes it look long
    assert!(!glob_matches(&"*a".repeat(200), &"a".repeat(199).replace("aa", "ab")));
}

/// The rule written as it is said, without a thought for time.
fn plain(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        (['*', rest @ ..], _) => (0..=name.len()).any(|skipped| plain(rest, &name[skipped..])),
        (['?', rest @ ..], [_, tail @ ..]) => plain(rest, tail),
        ([one, rest @ ..], [character, tail @ ..]) => one == character && plain(rest, tail),
        _ => false,
    }
}

proptest! {
    #[test]
    fn matching_without_going_back_finds_the_same(pattern in "[ab*?/]{0,8}", name in "[ab/]{0,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(glob_matches(&pattern, &name), plain(&chars(&pattern), &chars(&name)));
    }

    #[test]
    fn no_place_is_ever_outside(task_id in "[a./]{0,4}", path in "[a./]{0,8}") {
        if let Ok(place) = place_of(Path::new("/w"), &task_id, &path) {
            let parent = Path::new("/w/cot").join(&task_id);
            prop_assert!(place.starts_with(&parent) && place != parent, "{}", place.display());
            prop_assert!(place.components().all(|part| part != Component::ParentDir));
        }
    }
}

struct Listing(&'static [&'static str]);

impl CotFiles for Listing {
    type Error = Infallible;

    fn has(&self, artifact: &UpstreamPlace<'_>) -> Result<bool, Infallible> {
        Ok(self.0.contains(&format!("{}/{}", artifact.task_id, artifact.path).as_str()))
    }

    fn files(&self, task_id: &str) -> Result<Vec<String>, Infallible> {
        let below = |name: &&str| Some(name.strip_prefix(task_id)?.strip_prefix('/')?.to_owned());
        Ok(self.0.iter().filter_map(below).collect())
    }
}

fn wanted(task_id: &str, paths: &[&str], optional: bool) -> UpstreamArtifact {
    let paths = paths.iter().map(|&path| path.to_owned()).collect();
    UpstreamArtifact { task_id: task_id.to_owned(), paths, optional, entry: Map::new() }
}

fn look(wanted: &[UpstreamArtifact]) -> Result<Upstream, LookupError<Infallible>> {
    let files = Listing(&["A/public/z.apk", "A/public/a.apk", "A/task.json", "B/public/x"]);
    look_up(wanted, Path::new("/w"), &files)
}

#[test]
fn found_and_missing_are_told_by_task() {
    let upstream = look(&[
        wanted("A", &["task.json"], false),
        wanted("B", &["public/x"], false),
        wanted("A", &["public/*.apk", "public/gone", "public/*.none"], true),
        wanted("C", &["public/*"], true),
    ])
    .unwrap();
    let paths = |texts: &[&str]| texts.iter().map(|text| Path::new("/w/cot").join(text)).collect::<Vec<_>>();
    assert_eq!(upstream.found["A"], paths(&["A/task.json", "A/public/a.apk", "A/public/z.apk"]));
    assert_eq!(upstream.found["B"], paths(&["B/public/x"]));
    assert_eq!(upstream.missing_optional, BTreeMap::from([("A".to_owned(), vec!["public/gone".to_owned()])]));
    assert!(!upstream.found.contains_key("C"));
    assert_eq!(look(&[]).unwrap(), Upstream::default());
}

#[test]
fn a_path_is_optional_when_any_entry_of_its_task_says_so() {
    let both = [wanted("A", &["gone"], false), wanted("A", &["gone"], true)];
    assert_eq!(look(&both).unwrap().missing_optional["A"], ["gone", "gone"]);
    let other_task = [wanted("A", &["gone"], false), wanted("B", &["gone"], true)];
    assert!(matches!(look(&other_task), Err(LookupError::Missing(_))));
}

#[test]
fn everything_that_is_missing_is_named() {
    let error = look(&[wanted("A", &["one", "task.json"], false), wanted("B", &["two"], false)]).unwrap_err();
    assert_eq!(error.to_string(), "upstream artifacts do not exist: /w/cot/A/one, /w/cot/B/two");
    assert_eq!(error.status(), TaskStatus::Failure);
    let error = look(&[wanted("A", &["../B/public/x"], true)]).unwrap_err();
    assert_eq!(error.status(), TaskStatus::MalformedPayload, "{error}");
    assert!(look(&[wanted("A", &["../*"], true)]).is_err());
}
