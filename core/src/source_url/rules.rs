//! Which source trees a policy trusts (`trusted_vcs_rules`, `valid_vcs_rules`; chain-of-trust-products.md 1.3 and 2.3).

use super::parse::{SourceScheme, SourceUrl};
use regex::Regex;
use serde::{Deserialize, Serialize};

/// A rule as policies and configurations write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VcsRule {
    /// `https`, `ssh`.
    pub schemes: Vec<String>,
    /// Hosts.
    pub netlocs: Vec<String>,
    /// Regular expressions for the decoded path. The group `path` is the repository.
    pub path_regexes: Vec<String>,
    /// Whether the repositories are private.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_secret: bool,
}

/// A rule that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VcsRuleError {
    /// An expression is none, or uses what is not to be had: look-around and back-references.
    #[error("expression {at} of rule {rule} cannot be used: {source}")]
    Expression {
        /// Which rule, counted from 0.
        rule: usize,
        /// Which of its expressions, counted from 0.
        at: usize,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// An expression has no group `path`, so that nothing that it finds could be trusted.
    #[error("expression {at} of rule {rule} has no group named 'path'")]
    NoPath {
        /// Which rule, counted from 0.
        rule: usize,
        /// Which of its expressions, counted from 0.
        at: usize,
    },
}

/// Why a source address is in no trusted tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// No rule has the host.
    #[error("the host is in no rule")]
    Host,
    /// The rules for the host do not have the scheme.
    #[error("the scheme is in no rule for the host")]
    Scheme,
    /// The rules for host and scheme do not have the path.
    #[error("the path is in no rule for the host")]
    Path,
}

/// Rules, ready to use.
#[derive(Debug, Clone)]
pub struct VcsRules(Vec<Compiled>);

#[derive(Debug, Clone)]
struct Compiled {
    schemes: Vec<SourceScheme>,
    hosts: Vec<String>,
    paths: Vec<Regex>,
    require_secret: bool,
}

impl VcsRules {
    /// Compiles rules. A scheme that no source address can have is passed over.
    pub fn new(rules: &[VcsRule]) -> Result<Self, VcsRuleError> {
        rules.iter().enumerate().map(|(rule, given)| compile(rule, given)).collect::<Result<_, _>>().map(Self)
    }

    /// The path of the trusted repository that an address is in (`match_url_regex` with the group `path`).
    ///
    /// Beyond what the expression asks for, the repository has to begin where the path begins and to end where a name
    /// ends, perhaps with `.git` behind it: the expressions in use would take `/mozilla/glean-git-evil` for
    /// `/mozilla/glean` (cot-attacks.md row 122).
    pub fn trusted_path(&self, url: &SourceUrl) -> Result<String, Untrusted> {
        if !self.has_host(url.host()) {
            return Err(Untrusted::Host);
        }
        let on_host = || self.0.iter().filter(|rule| rule.has_host(url.host()));
        let fitting = || on_host().filter(|rule| rule.schemes.contains(&url.scheme()));
        if fitting().next().is_none() {
            return Err(Untrusted::Scheme);
        }
        let path = url.path();
        let find = |regex: &Regex| {
            let found = regex.captures(&path)?.name("path")?;
            let rest = path.get(found.end()..)?;
            (found.start() == 0 && ends_name(rest)).then(|| found.as_str().to_owned())
        };
        fitting().find_map(|rule| rule.paths.iter().find_map(find)).ok_or(Untrusted::Path)
    }

    /// Whether any rule has the host, for whatever scheme and path.
    pub fn has_host(&self, host: &str) -> bool {
        self.0.iter().any(|rule| rule.has_host(host))
    }

    /// Whether some address leads to a trusted repository of exactly this path.
    pub fn can_give(&self, path: &str) -> bool {
        let schemes = ["https", "ssh"];
        let hosts = || self.0.iter().flat_map(|rule| &rule.hosts);
        let addresses = hosts().flat_map(|host| schemes.map(|scheme| format!("{scheme}://{host}{path}")));
        addresses
            .filter_map(|address| SourceUrl::parse(&address).ok())
            .any(|url| self.trusted_path(&url).as_deref() == Ok(path))
    }

    /// Whether any of the rules is about private repositories.
    pub fn require_secret(&self) -> bool {
        self.0.iter().any(|rule| rule.require_secret)
    }
}

impl Compiled {
    fn has_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known == host)
    }
}

fn compile(rule: usize, given: &VcsRule) -> Result<Compiled, VcsRuleError> {
    let compile = |(at, expression): (usize, &String)| {
        let regex = Regex::new(expression).map_err(|source| VcsRuleError::Expression {
            rule,
            at,
            source: Box::new(source),
        })?;
        if regex.capture_names().flatten().any(|name| name == "path") {
            Ok(regex)
        } else {
            Err(VcsRuleError::NoPath { rule, at })
        }
    };
    let scheme = |name: &String| match name.as_str() {
        "https" => Some(SourceScheme::Https),
        "ssh" => Some(SourceScheme::Ssh),
        _ => None,
    };
    Ok(Compiled {
        schemes: given.schemes.iter().filter_map(scheme).collect(),
        hosts: given.netlocs.clone(),
        paths: given.path_regexes.iter().enumerate().map(compile).collect::<Result<_, _>>()?,
        require_secret: given.require_secret,
    })
}

/// Whether a name ends before this rest of a path, a `.git` aside.
fn ends_name(rest: &str) -> bool {
    let rest = rest.strip_prefix(".git").unwrap_or(rest);
    rest.is_empty() || rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(hosts: &[&str], paths: &[&str]) -> VcsRules {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let rule = |schemes: &[&str], hosts: &[&str], paths: &[&str]| VcsRule {
            schemes: texts(schemes),
            netlocs: texts(hosts),
            path_regexes: texts(paths),
            require_secret: false,
        };
        let ssh_only = rule(&["ssh", "git"], &["ssh.example.org"], &["^(?P<path>/x)(/|$)"]);
        VcsRules::new(&[rule(&["https", "ssh"], hosts, paths), ssh_only]).unwrap()
    }

    fn trusted(rules: &VcsRules, url: &str) -> Result<String, Untrusted> {
        rules.trusted_path(&SourceUrl::parse(url).unwrap())
    }

    #[test]
    fn row_116_the_host_is_compared_whole() {
        let rules = rules(&["hg.mozilla.org"], &[r"^(?P<path>/mozilla-(central|unified))(/|$)"]);
        for url in [
            "https://hg.mozilla.org.evil/mozilla-central",
            "https://evil.org/hg.mozilla.org/mozilla-central",
            "https://xhg.mozilla.org/mozilla-central",
        ] {
            assert_eq!(trusted(&rules, url), Err(Untrusted::Host), "{url}");
        }
        assert_eq!(trusted(&rules, "https://ssh.example.org/x"), Err(Untrusted::Scheme));
        assert_eq!(trusted(&rules, "ssh://ssh.example.org/x"), Ok("/x".to_owned()));
    }

    #[test]
    fn row_120_names_are_compared_whole() {
        let rules = rules(&["hg.mozilla.org"], &[r"^(?P<path>/mozilla-(central|unified))(/|$)"]);
        let url = |path: &str| format!("https://hg.mozilla.org{path}");
        for path in ["/mozilla-central", "/mozilla-central/", "/mozilla-central/file/x"] {
            assert_eq!(trusted(&rules, &url(path)), Ok("/mozilla-central".to_owned()), "{path}");
        }
        for path in
            ["/mozilla-central-evil", "/mozilla-centralx", "/x/mozilla-central", "/Mozilla-central", "/", ""]
        {
            assert_eq!(trusted(&rules, &url(path)), Err(Untrusted::Path), "{path}");
        }
    }

    #[test]
    fn row_122_the_dot_in_git_is_no_hole() {
        let rules = rules(&["github.com"], &[r"^(?P<path>/mozilla/glean)(/|.git|$)"]);
        for url in [
            "https://github.com/mozilla/glean",
            "https://github.com/mozilla/glean.git",
            "https://github.com/mozilla/glean.git/x",
            "https://github.com/mozilla/glean/raw/abc/.taskcluster.yml",
            "git@github.com:mozilla/glean.git",
        ] {
            assert_eq!(trusted(&rules, url), Ok("/mozilla/glean".to_owned()), "{url}");
        }
        for url in [
            "https://github.com/mozilla/glean-git-evil",
            "https://github.com/mozilla/gleangit",
            "https://github.com/mozilla/glean.github.io",
            "https://github.com/mozilla/glean.gitx",
            "https://github.com/mozilla/glean.git.evil",
        ] {
            assert_eq!(trusted(&rules, url), Err(Untrusted::Path), "{url}");
        }
    }

    #[test]
    fn a_repository_begins_with_the_path_and_later_expressions_count() {
        let rules = rules(
            &["github.com"],
            &[r"(?P<path>/a/b)", r"^(?P<path>/a/bc)(/|$)", r"^/x/(?P<path>y)?", r"^(/p)(?P<path>/q)"],
        );
        assert_eq!(trusted(&rules, "https://github.com/evil/a/b"), Err(Untrusted::Path));
        assert_eq!(trusted(&rules, "https://github.com/a/bc"), Ok("/a/bc".to_owned()));
        assert_eq!(trusted(&rules, "https://github.com/x/"), Err(Untrusted::Path));
        assert_eq!(trusted(&rules, "https://github.com/p/q"), Err(Untrusted::Path));
    }

    #[test]
    fn rules_that_cannot_work_are_refused() {
        let rule = |expression: &str| VcsRule {
            schemes: vec!["https".to_owned()],
            netlocs: vec!["h".to_owned()],
            path_regexes: vec!["^(?P<path>/a)$".to_owned(), expression.to_owned()],
            require_secret: true,
        };
        let error = |expression| VcsRules::new(&[rule(expression)]).unwrap_err();
        assert_eq!(error("^/mozilla-central$"), VcsRuleError::NoPath { rule: 0, at: 1 });
        for expression in ["(?P<path>", r"(?P<path>a)(?!b)", r"(?P<path>(a)\2)"] {
            assert!(
                matches!(error(expression), VcsRuleError::Expression { rule: 0, at: 1, .. }),
                "{expression}"
            );
        }
        assert!(VcsRules::new(&[rule("(?P<path>/b)")]).unwrap().require_secret());
        assert!(!VcsRules::new(&[]).unwrap().require_secret());
    }

    #[test]
    fn knows_which_paths_it_can_give() {
        let rules = rules(&["hg.mozilla.org"], &[r"^(?P<path>/mozilla-(central|unified))(/|$)"]);
        assert!(rules.can_give("/mozilla-unified") && rules.can_give("/x"));
        for path in ["/mozilla-central/x", "/mozilla", "", "/a//b", "mozilla-central"] {
            assert!(!rules.can_give(path), "{path}");
        }
    }
}
