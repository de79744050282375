//! Which addresses a task may download from (artifacts.md 5.1, config.md 6).

use crate::run::TaskStatus;
use percent_encoding::percent_decode_str;
use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

/// A rule as configurations write it: `valid_artifact_rules`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactUrlRule {
    /// In lower case, such as `https`.
    pub schemes: Vec<String>,
    /// Host with its port, if any; compared letter by letter.
    pub netlocs: Vec<String>,
    /// Regular expressions, searched for anywhere in the decoded path. The group `filepath` is what is downloaded,
    /// the group `taskId`, if there is one, from which task.
    pub path_regexes: Vec<String>,
}

/// A rule that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("rule {index} for artifact URLs has an expression that cannot be used: {source}")]
pub struct RuleError {
    /// Which rule, counted from 0.
    pub index: usize,
    /// The expression, and what is wrong with it. Look-around and back-references are not to be had.
    #[source]
    pub source: Box<regex::Error>,
}

impl RuleError {
    /// Whoever wrote the configuration is to blame, not the task: a plain failure.
    pub fn status(&self) -> TaskStatus {
        TaskStatus::Failure
    }
}

/// An address that no rule allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the artifact URL {url:?} is not allowed: it fits no rule with a task that may be downloaded from")]
pub struct UrlRefused {
    /// The address, without its query.
    pub url: String,
}

impl UrlRefused {
    /// The task is wrong as it is written.
    pub fn status(&self) -> TaskStatus {
        TaskStatus::MalformedPayload
    }
}

/// Rules, ready to use.
#[derive(Debug, Clone)]
pub struct ArtifactUrlRules(Vec<Compiled>);

#[derive(Debug, Clone)]
struct Compiled {
    schemes: Vec<String>,
    netlocs: Vec<String>,
    paths: Vec<Regex>,
}

const CLASSIC_PATH: &str = r"^/v1/task/(?P<taskId>[^/]+)(/runs/\d+)?/artifacts/(?P<filepath>.*)$";
const CURRENT_PATH: &str = r"^/api/queue/v1/task/(?P<taskId>[^/]+)(/runs/\d+)?/artifacts/(?P<filepath>.*)$";

impl ArtifactUrlRule {
    /// The rules without any configuration: those of both generations, and one for the deployment at `root_url`.
    pub fn defaults(root_url: Option<&str>) -> Vec<Self> {
        let rule = |scheme: &str, netlocs: &[&str], path: &str| Self {
            schemes: vec![scheme.to_owned()],
            netlocs: netlocs.iter().map(|&netloc| netloc.to_owned()).collect(),
            path_regexes: vec![path.to_owned()],
        };
        let known = ["firefox-ci-tc.services.mozilla.com", "stage.taskcluster.nonprod.cloudops.mozgcp.net"];
        let mut rules = vec![
            rule("https", &["queue.taskcluster.net"], CLASSIC_PATH),
            rule("https", &known, CURRENT_PATH),
        ];
        if let Some(root) = root_url.and_then(split)
            && !(root.scheme == "https" && known.contains(&root.netloc))
        {
            rules.push(rule(&root.scheme, &[root.netloc], CURRENT_PATH));
        }
        rules
    }
}

impl ArtifactUrlRules {
    /// Compiles rules.
    pub fn new(rules: &[ArtifactUrlRule]) -> Result<Self, RuleError> {
        let compile = |(index, rule): (usize, &ArtifactUrlRule)| {
            let paths =
                rule.path_regexes.iter().map(|expression| Regex::new(expression)).collect::<Result<_, _>>();
            Ok(Compiled {
                schemes: rule.schemes.clone(),
                netlocs: rule.netlocs.clone(),
                paths: paths.map_err(|source| RuleError { index, source: Box::new(source) })?,
            })
        };
        rules.iter().enumerate().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// The first answer that `look` gives to a match: of each rule for the URL's scheme and host, in order, each
    /// expression that is found in the decoded path (`match_url_regex`).
    pub fn find<T>(&self, url: &str, mut look: impl FnMut(&Regex, &Captures<'_>) -> Option<T>) -> Option<T> {
        let parts = split(url)?;
        let path = decode(parts.path);
        let mut fitting = self.0.iter().filter(|rule| {
            rule.schemes.contains(&parts.scheme) && rule.netlocs.iter().any(|netloc| netloc == parts.netloc)
        });
        let mut try_one = |regex: &Regex| regex.captures(&path).and_then(|found| look(regex, &found));
        fitting.find_map(|rule| rule.paths.iter().find_map(&mut try_one))
    }

    /// The file that a URL leads to, as a relative path (`validate_artifact_url`).
    ///
    /// A match counts when its task, if the expression names one, is among `valid_task_ids`. As in the current Python library
    /// the path is decoded once more. Other than there, a path with a `..` or
    /// without any name in it is refused here already: it is going to be a file's.
    pub fn file_path<S: AsRef<str>>(&self, valid_task_ids: &[S], url: &str) -> Result<String, UrlRefused> {
        let path = self.find(url, |regex, found| {
            // a group that took no part in the match names no task, and so none that is valid
            let has_task = regex.capture_names().flatten().any(|name| name == "taskId");
            let task = found.name("taskId").map(|task| task.as_str());
            if has_task && !valid_task_ids.iter().any(|valid| Some(valid.as_ref()) == task) {
                return None;
            }
            found.name("filepath").map(|path| decode(path.as_str()).trim_start_matches('/').to_owned())
        });
        path.filter(|path| is_harmless(path)).ok_or_else(|| UrlRefused { url: without_query(url) })
    }
}

fn is_harmless(path: &str) -> bool {
    let mut names = path.split('/').filter(|part| !matches!(*part, "" | "."));
    !path.contains('\0') && names.clone().next().is_some() && names.all(|name| name != "..")
}

struct Parts<'a> {
    scheme: String,
    netloc: &'a str,
    path: &'a str,
}

/// Takes a URL apart, without judging. A `;` belongs to the path. What no address holds is no address.
fn split(url: &str) -> Option<Parts<'_>> {
    if url.chars().any(|character| character.is_control() || character == ' ') {
        return None;
    }
    let url = url.split(['?', '#']).next()?;
    let (scheme, rest) = url.split_once("://")?;
    let (netloc, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some(Parts { scheme: scheme.to_ascii_lowercase(), netloc, path })
}

/// Percent-decoding as Python does it: `%` without two hexadecimal digits stays, bytes that are no UTF-8 become U+FFFD.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn without_query(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    url.get(..end).unwrap_or_default().chars().take(1000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "Ypg6xKhKRU-pnkwylNQrMw";

    fn default_rules(root: Option<&str>) -> ArtifactUrlRules {
        ArtifactUrlRules::new(&ArtifactUrlRule::defaults(root)).unwrap()
    }

    fn rules(path: &str) -> ArtifactUrlRules {
        let texts = |text: &str| vec![text.to_owned()];
        let rule = ArtifactUrlRule {
            schemes: texts("https"),
            netlocs: texts("h:8443"),
            path_regexes: vec!["^/never$".to_owned(), path.to_owned()],
        };
        ArtifactUrlRules::new(&[rule]).unwrap()
    }

    #[test]
    fn default_rules_know_both_generations_and_the_deployment() {
        let rules = default_rules(Some("http://127.0.0.1:8080/"));
        for (url, path) in [
            ("https://queue.taskcluster.net/v1/task/ID/artifacts/public/a", Some("public/a")),
            ("https://queue.taskcluster.net/v1/task/ID/runs/12/artifacts/public/a", Some("public/a")),
            (
                "https://firefox-ci-tc.services.mozilla.com/api/queue/v1/task/ID/artifacts/public%2Fa",
                Some("public/a"),
            ),
            ("https://firefox-ci-tc.services.mozilla.com/api/queue/v1/task/ID/runs/0/artifacts/x", Some("x")),
            (
                "http://127.0.0.1:8080/api/queue/v1/task/ID/artifacts/public/a?bewit=abc#frag",
                Some("public/a"),
            ),
            ("HTTP://127.0.0.1:8080/api/queue/v1/task/ID/artifacts/a", Some("a")),
            ("https://127.0.0.1:8080/api/queue/v1/task/ID/artifacts/a", None),
            ("http://127.0.0.1/api/queue/v1/task/ID/artifacts/a", None),
            ("http://queue.taskcluster.net/v1/task/ID/artifacts/public/a", None),
            ("https://queue.taskcluster.net/v1/task/ID/runs/x/artifacts/public/a", None),
            ("https://queue.taskcluster.net.evil.example/v1/task/ID/artifacts/public/a", None),
            ("https://a@queue.taskcluster.net/v1/task/ID/artifacts/public/a", None),
            ("https://queue.taskcluster.net\\@evil/v1/task/ID/artifacts/public/a", None),
            ("https://QUEUE.taskcluster.net/v1/task/ID/artifacts/public/a", None),
            ("https://queue.taskcluster.net/v1/task/OTHER/artifacts/public/a", None),
            ("https://queue.taskcluster.net/v1/task/ID/artifacts/", None),
            ("https://queue.taskcluster.net/v1/task/ID%2Fx/artifacts/public/a", None),
            (" https://queue.taskcluster.net/v1/task/ID/artifacts/public/a", None),
            ("queue.taskcluster.net/v1/task/ID/artifacts/public/a", None),
            ("", None),
        ] {
            let url = url.replace("/ID", &format!("/{TASK}"));
            let found = rules.file_path(&["other", TASK], &url);
            assert_eq!(found.as_deref().ok(), path, "{url}");
        }
    }

    /// Configurations carry the default rules along in the spelling that a Python version once had, with the backslash
    /// doubled. They are taken at their word: addresses with a run fit the right spelling alone.
    #[test]
    fn both_spellings_of_the_default_rules_do_what_they_say() {
        let doubled = |path: &str| path.replace(r"\d", r"\\d");
        for (right, base) in [(CLASSIC_PATH, "v1"), (CURRENT_PATH, "api/queue/v1")] {
            let latest = format!("https://h:8443/{base}/task/{TASK}/artifacts/public/a");
            let of_run = format!("https://h:8443/{base}/task/{TASK}/runs/0/artifacts/public/a");
            let find = |path: &str, url: &str| rules(path).file_path(&[TASK], url).ok();
            assert_ne!(doubled(right), right);
            assert_eq!(find(right, &latest).as_deref(), Some("public/a"));
            assert_eq!(find(right, &of_run).as_deref(), Some("public/a"));
            assert_eq!(find(&doubled(right), &latest).as_deref(), Some("public/a"));
            assert_eq!(find(&doubled(right), &of_run), None);
        }
    }

    #[test]
    fn a_root_url_that_has_a_rule_gets_no_second_one() {
        assert_eq!(ArtifactUrlRule::defaults(None).len(), 2);
        assert_eq!(ArtifactUrlRule::defaults(Some("https://firefox-ci-tc.services.mozilla.com")).len(), 2);
        assert_eq!(ArtifactUrlRule::defaults(Some("https://tc.example.com")).len(), 3);
        assert_eq!(ArtifactUrlRule::defaults(Some("no url")).len(), 2);
    }

    #[test]
    fn paths_are_decoded_twice_and_stay_inside() {
        let rules = rules("^/(?P<filepath>.*)$");
        for (path, expected) in [
            ("a%20b", Some("a b")),
            ("a%2520b", Some("a b")),
            ("a%2zb", Some("a%2zb")),
            ("a+b;c=d", Some("a+b;c=d")),
            ("%E4", Some("\u{fffd}")),
            ("%C3%A4", Some("ä")),
            ("//x//y", Some("x//y")),
            ("%2F%252Fx", Some("x")),
            ("a/..b/c..", Some("a/..b/c..")),
            ("a/../b", None),
            ("a/%2e%2e/b", None),
            ("%252e%252e/b", None),
            ("..", None),
            ("a%00b", None),
            ("a%0Ab", None),
            (".", None),
            ("", None),
        ] {
            let found = rules.file_path::<&str>(&[], &format!("https://h:8443/{path}"));
            assert_eq!(found.as_deref().ok(), expected, "{path}");
        }
    }

    #[test]
    fn matches_are_searched_for_anywhere_and_need_their_groups() {
        let url = "https://h:8443/pre/T/x/file";
        assert_eq!(rules("T/(?P<filepath>[a-z]+)").file_path::<&str>(&[], url).as_deref(), Ok("x"));
        assert!(rules("T/(?P<other>.*)").file_path(&["T"], url).is_err(), "no filepath");
        // a group that takes no part is no valid task, and no file
        assert!(rules("(?P<taskId>Q)?/(?P<filepath>file)").file_path(&["T"], url).is_err());
        assert!(rules("(?P<taskId>T)|(?P<filepath>nothing)").file_path(&["T"], url).is_err());
        assert_eq!(rules("/(?P<taskId>.)/(?P<filepath>x)").file_path(&["T"], url).as_deref(), Ok("x"));
    }

    #[test]
    fn the_first_match_that_counts_wins() {
        let text = |text: &str| vec![text.to_owned()];
        let rule = |path: &str| ArtifactUrlRule {
            schemes: text("https"),
            netlocs: text("h"),
            path_regexes: text(path),
        };
        let rules = ArtifactUrlRules::new(&[
            rule("/(?P<taskId>A)/(?P<filepath>.*)"),
            rule("/(?P<taskId>[A-Z])/(?P<filepath>.)"),
            rule("/(?P<filepath>.*)"),
        ])
        .unwrap();
        assert_eq!(rules.file_path(&["A"], "https://h/A/xyz").as_deref(), Ok("xyz"));
        assert_eq!(rules.file_path(&["B"], "https://h/B/xyz").as_deref(), Ok("x"));
        assert_eq!(rules.file_path(&["B"], "https://h/C/xyz").as_deref(), Ok("C/xyz"));
    }

    #[test]
    fn errors_say_whose_they_are() {
        let rule =
            ArtifactUrlRule { schemes: vec![], netlocs: vec![], path_regexes: vec!["(?=x)".to_owned()] };
        let error = ArtifactUrlRules::new(&[rule]).unwrap_err();
        assert_eq!((error.index, error.status()), (0, TaskStatus::Failure));
        let refused = default_rules(None).file_path(&[TASK], "https://h/x?token=secret").unwrap_err();
        assert_eq!(refused, UrlRefused { url: "https://h/x".to_owned() });
        assert_eq!(refused.status(), TaskStatus::MalformedPayload);
    }
}
