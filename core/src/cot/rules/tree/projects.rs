//! The list of projects: which repository has which level (chain-of-trust.md 6.6).

use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::json::DocumentKind;
use crate::source_url::{RepoUrl, SourceUrl};
use crate::yaml;
use serde_json::Value;

/// A project of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Project {
    /// Its name in the list.
    pub(super) alias: String,
    /// Its level, as text.
    pub(super) level: String,
}

/// The whole list.
#[derive(Debug)]
pub(super) struct Projects(Value);

impl Projects {
    /// Reads it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Finding> {
        match yaml::read_strict(bytes, DocumentKind::Projects) {
            Ok(list) => Ok(Self(list)),
            Err(error) => Err(Finding::new(Reason::Yaml).at("the list of projects").because(error)),
        }
    }

    /// The project that a source address is in.
    pub(super) fn find(&self, source: &SourceUrl) -> Result<Project, Finding> {
        let entries = self.0.as_object().into_iter().flatten();
        let holds = |entry: &Value| {
            let repository =
                entry.get("repo").and_then(Value::as_str).and_then(|url| RepoUrl::parse(url).ok());
            repository.is_some_and(|repository| source.is_inside(&repository))
        };
        let mut found = entries.filter(|(_, entry)| holds(entry));
        let refused = || Finding::new(Reason::Project).at("the list of projects");
        match (found.next(), found.next()) {
            (Some((alias, entry)), None) => Ok(Project { alias: alias.clone(), level: level(alias, entry)? }),
            (None, _) => Err(refused().found(source)),
            (Some((one, _)), Some((other, _))) => Err(refused()
                .because("more than one project has the repository")
                .found(format!("{one}, {other}"))),
        }
    }

    /// The project of a name.
    pub(super) fn named(&self, name: &str) -> Result<Project, Finding> {
        let entry = self
            .0
            .get(name)
            .ok_or_else(|| Finding::new(Reason::Project).at("the list of projects").found(name))?;
        Ok(Project { alias: name.to_owned(), level: level(name, entry)? })
    }
}

/// Mercurial projects have a level; Git projects have one for each branch, of which the default one counts.
fn level(alias: &str, entry: &Value) -> Result<String, Finding> {
    let access = match entry.get("repo_type").and_then(Value::as_str) {
        Some("git") => branch_level(entry),
        _ => entry.get("access").and_then(Value::as_str).and_then(|access| access.strip_prefix("scm_level_")),
    };
    let number = match access {
        Some(text) => Some(text.to_owned()),
        None => git_level_number(entry),
    };
    number.filter(|level| matches!(level.as_str(), "1" | "2" | "3")).ok_or_else(|| {
        Finding::new(Reason::Project).at(format!("the list of projects: {alias}")).expected("a level")
    })
}

fn default_branch(entry: &Value) -> Option<&Value> {
    let name = entry.get("default_branch").and_then(Value::as_str).unwrap_or("main");
    let branches = entry.get("branches")?.as_array()?;
    branches.iter().find(|branch| branch.get("name").and_then(Value::as_str) == Some(name))
}

fn branch_level(entry: &Value) -> Option<&str> {
    default_branch(entry)?.get("level")?.as_str()
}

fn git_level_number(entry: &Value) -> Option<String> {
    default_branch(entry)?.get("level")?.as_u64().map(|level| level.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "
mozilla-central: {repo: 'https://hg.mozilla.org/mozilla-central', repo_type: hg, access: scm_level_3}
try: {repo: 'https://hg.mozilla.org/try', repo_type: hg, access: scm_level_1}
firefox: {repo: 'https://github.com/mozilla-firefox/firefox', repo_type: git, default_branch: b, branches: [{name: a, level: 1}, {name: b, level: 3}]}
glean: {repo: 'https://github.com/mozilla/glean', repo_type: git, branches: [{name: main, level: 3}]}
odd: {repo: 'https://hg.mozilla.org/odd', access: scm_nss}
bare: {repo: 'https://github.com/mozilla/bare', repo_type: git}
text: {repo: 'https://github.com/mozilla/text', repo_type: git, access: scm_level_3, branches: [{name: main, level: '1'}]}
both: {repo: 'https://github.com/mozilla/both', repo_type: git, access: scm_level_3, branches: [{name: main, level: 1}]}
";

    fn find(url: &str) -> Result<(String, String), Reason> {
        let projects = Projects::read(LIST.as_bytes()).unwrap();
        projects
            .find(&SourceUrl::parse(url).unwrap())
            .map(|project| (project.alias, project.level))
            .map_err(|finding| finding.reason)
    }

    #[test]
    fn a_project_is_known_by_its_repository_and_has_a_level() {
        let is = |alias: &str, level: &str| Ok((alias.to_owned(), level.to_owned()));
        assert_eq!(find("https://hg.mozilla.org/mozilla-central/file/abc/x"), is("mozilla-central", "3"));
        assert_eq!(find("https://hg.mozilla.org/try"), is("try", "1"));
        assert_eq!(find("https://github.com/mozilla-firefox/firefox.git"), is("firefox", "3"));
        assert_eq!(find("https://github.com/mozilla/glean"), is("glean", "3"));
        assert_eq!(find("https://github.com/mozilla/text"), is("text", "1"));
        assert_eq!(find("https://github.com/mozilla/both"), is("both", "1"));
    }

    #[test]
    fn row_131_an_unknown_project_is_refused() {
        for url in [
            "https://hg.mozilla.org/unknown",
            "https://hg.mozilla.org/mozilla-central-evil",
            "https://hg.mozilla.org/odd",
            "https://github.com/mozilla/bare",
        ] {
            assert_eq!(find(url), Err(Reason::Project), "{url}");
        }
        assert_eq!(Projects::read(b"a: 1\na: 2").unwrap_err().reason, Reason::Yaml);
    }
}
