//! The keys about keyrings and the repository that they come from (config.md 5.6): from merged values to types.

use super::build::Raw;
use super::environment::Environment;
use super::problem::{ConfigProblem, Rule};
use super::tree::shorten;
use config::{Value, ValueKind};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// How the keys of one worker implementation lie in the key repository, and what makes them valid (keyrings.md 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyringModel {
    /// Every key of the folder is valid.
    Flat,
    /// A key in `valid/` is valid when a key in `trusted/` certified it.
    Signed,
}

/// The entry of one worker implementation in `gpg_homedirs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringLayout {
    /// What makes its keys valid.
    pub model: KeyringModel,
    /// Files whose names end so are no keys.
    pub ignore_suffixes: Vec<String>,
}

/// Where the keys of other workers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRepositoryConfig {
    /// `git_key_repo_dir`: a clone; made when it is missing.
    pub dir: PathBuf,
    /// `git_key_repo_url`.
    pub url: String,
    /// Whether the file gave that URL. If not, the origin of a clone that is there goes first.
    pub url_given: bool,
    /// `git_commit_signing_pubkey_dir`: who may sign the repository.
    pub signer_keys: PathBuf,
    /// `last_good_git_revision_file`.
    pub last_good_file: PathBuf,
}

/// Everything about keyrings. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringsConfig {
    /// `base_gpg_home_dir`: the parent of the keyrings of all implementations.
    pub base: Option<PathBuf>,
    /// `gpg_homedirs`, by worker implementation.
    pub layouts: BTreeMap<String, KeyringLayout>,
    /// `gpg_lockfile`.
    pub lockfile: PathBuf,
    /// The key repository, when one is configured.
    pub repository: Option<KeyRepositoryConfig>,
    /// `keyring_update_interval`: the pause between two looks at the key repository.
    pub update_interval: Duration,
}

/// Builds that part of the configuration, or reports why not. `given` tells which keys the file has.
pub(super) fn build(
    raw: &Raw,
    env: &Environment,
    given: impl Fn(&str) -> bool,
    problems: &mut Vec<ConfigProblem>,
) -> Option<KeyringsConfig> {
    let before = problems.len();
    let absolute = |path: &String| env.cwd.join(path);
    let layouts = layouts(&raw.gpg_homedirs, problems);
    let mut needed = |key: &str, value: &Option<String>| {
        if value.is_none() {
            let expected = "a path, because git_key_repo_dir is set";
            problems.push(ConfigProblem::new(Rule::Contradiction, key, expected, "none"));
        }
    };
    if raw.git_key_repo_dir.is_some() {
        needed("base_gpg_home_dir", &raw.base_gpg_home_dir);
        needed("git_commit_signing_pubkey_dir", &raw.git_commit_signing_pubkey_dir);
    }
    if raw.git_key_repo_dir.is_some() && !usable_url(&raw.git_key_repo_url) {
        let expected = "an https URL without a user, an ssh or file URL, user@host:path, or an absolute path";
        // there may be a password in it
        let shown =
            |url: &str| if url.contains('@') { "an address (not shown)".to_owned() } else { shorten(url) };
        let found = shown(&raw.git_key_repo_url);
        problems.push(ConfigProblem::new(Rule::OutOfRange, "git_key_repo_url", expected, found));
    }
    let repository = match (&raw.git_key_repo_dir, &raw.git_commit_signing_pubkey_dir) {
        (Some(dir), Some(keys)) => Some(KeyRepositoryConfig {
            dir: absolute(dir),
            url: raw.git_key_repo_url.clone(),
            url_given: given("git_key_repo_url"),
            signer_keys: absolute(keys),
            last_good_file: absolute(&raw.last_good_git_revision_file),
        }),
        _ => None,
    };
    (problems.len() == before).then(|| KeyringsConfig {
        base: raw.base_gpg_home_dir.as_ref().map(absolute),
        layouts,
        lockfile: absolute(&raw.gpg_lockfile),
        repository,
        update_interval: Duration::from_secs(raw.keyring_update_interval),
    })
}

/// What git may be given as a place to fetch from: transports that start no other program than ssh. An https address
/// names nobody: git would show user and password to everybody who can list processes.
pub(crate) fn usable_url(url: &str) -> bool {
    let plain = !url.starts_with('-') && !url.chars().any(|c| c.is_control() || c.is_whitespace());
    let by_scheme = ["https://", "ssh://", "file:///"].iter().any(|scheme| url.starts_with(scheme));
    // `user@host:path`; `::` would name a helper program
    let like_scp = !url.contains("::")
        && !url.contains("://")
        && url.split_once(':').is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'));
    let authority = url.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or_default());
    let names_somebody = authority.is_some_and(|authority| authority.contains('@'));
    plain && !names_somebody && (by_scheme || url.starts_with('/') || like_scp)
}

fn layouts(
    table: &HashMap<String, Value>,
    problems: &mut Vec<ConfigProblem>,
) -> BTreeMap<String, KeyringLayout> {
    let sorted: BTreeMap<&String, &Value> = table.iter().collect();
    let mut layouts = BTreeMap::new();
    for (name, value) in sorted {
        let place = format!("gpg_homedirs.{name}");
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(letter) {
            let expected = "the name of a worker implementation: letters, digits, - or _";
            problems.push(ConfigProblem::new(Rule::OutOfRange, place, expected, shorten(name)));
            continue;
        }
        if let Some(layout) = layout(&place, value, problems) {
            layouts.insert(name.clone(), layout);
        }
    }
    layouts
}

fn layout(place: &str, value: &Value, problems: &mut Vec<ConfigProblem>) -> Option<KeyringLayout> {
    let mut refuse = |place: String, expected: &str, found: &Value| {
        problems.push(ConfigProblem::new(Rule::WrongType, place, expected, shorten(&found.to_string())));
    };
    let ValueKind::Table(entries) = &value.kind else {
        refuse(place.to_owned(), "a map with type and ignore_suffixes", value);
        return None;
    };
    let (mut model, mut ignore_suffixes) = (None, Some(Vec::new()));
    let sorted: BTreeMap<&String, &Value> = entries.iter().collect();
    for (key, value) in sorted {
        let here = format!("{place}.{key}");
        match key.as_str() {
            "type" => {
                model = match &value.kind {
                    ValueKind::String(text) if text == "flat" => Some(KeyringModel::Flat),
                    ValueKind::String(text) if text == "signed" => Some(KeyringModel::Signed),
                    _ => None,
                };
                if model.is_none() {
                    refuse(here, "flat or signed", value);
                }
            }
            "ignore_suffixes" => {
                ignore_suffixes = texts(value);
                if ignore_suffixes.is_none() {
                    refuse(here, "a list of texts", value);
                }
            }
            _ => refuse(here, "type or ignore_suffixes", value),
        }
    }
    if !entries.contains_key("type") {
        refuse(place.to_owned(), "a map with type: flat or signed", value);
    }
    Some(KeyringLayout { model: model?, ignore_suffixes: ignore_suffixes? })
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let ValueKind::Array(items) = &value.kind else { return None };
    let text = |item: &Value| match &item.kind {
        ValueKind::String(text) => Some(text.clone()),
        _ => None,
    };
    items.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_transports_without_helper_programs() {
        for url in [
            "https://example.com/keys.git",
            "ssh://git@example.com/keys.git",
            "git@example.com:org/keys.git",
            "/srv/keys.git",
            "file:///srv/keys.git",
        ] {
            assert!(usable_url(url), "{url}");
        }
        for url in [
            "",
            "keys.git",
            "../keys.git",
            "./a:b",
            "http://example.com/keys.git",
            "git://example.com/keys.git",
            "ext::sh -c id",
            "ext::id",
            "fd::17",
            "--upload-pack=id",
            "-oProxyCommand=id:x",
            "file://host/keys.git",
            "https://example.com/a b",
            "https://user:password@example.com/keys.git",
            "https://token@example.com/keys.git",
            ":path",
        ] {
            assert!(!usable_url(url), "{url}");
        }
    }

    #[test]
    fn every_mistake_of_the_layout_is_named() {
        let table: HashMap<String, Value> = serde_json::from_value(json!({
            "docker-worker": {"type": "flat", "ignore_suffixes": [".md"]},
            "bare": {"type": "signed"},
            "../up": {"type": "flat"},
            "a": 5,
            "b": {"type": "round"},
            "c": {"type": "flat", "ignore_suffixes": ".md"},
            "d": {"type": "flat", "tpye": "flat"},
            "e": {},
        }))
        .unwrap();
        let mut problems = Vec::new();
        let layouts = layouts(&table, &mut problems);
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        let expected = [
            "gpg_homedirs.../up",
            "gpg_homedirs.a",
            "gpg_homedirs.b.type",
            "gpg_homedirs.c.ignore_suffixes",
            "gpg_homedirs.d.tpye",
            "gpg_homedirs.e",
        ];
        assert_eq!(keys, expected);
        assert_eq!(layouts["docker-worker"].ignore_suffixes, [".md"]);
        assert_eq!(layouts["bare"], KeyringLayout { model: KeyringModel::Signed, ignore_suffixes: vec![] });
    }
}
