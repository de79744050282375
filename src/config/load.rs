//! Loading: read, check, merge, build. Every finding is collected; nothing ends at the first.

use super::build::{self, Around, Raw};
use super::check::{self, Checked};
use super::credentials::{self, CredentialsConfig};
use super::directories::Place;
use super::environment::Environment;
use super::keys::{BuiltIn, Generation, KEYS, Kind, is_secret};
use super::problem::{ConfigErrors, ConfigProblem, Rule};
use super::tree::{self, Node};
use super::typed::Config;
use super::unsupported::unsupported;
use config::{ConfigBuilder, Map, Source, Value, ValueKind};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The file that is read when the command line names none (config.md 1).
pub const DEFAULT_FILE: &str = "scriptworker.yaml";

/// What a good configuration gives.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The worker's own credentials; kept apart so that the configuration can be shown.
    pub credentials: CredentialsConfig,
    /// What is to be logged about it.
    pub warnings: Vec<ConfigProblem>,
}

/// Loads the configuration of a worker: built-in values, under the environment's defaults, under the file
/// (config.md 1; design.md 9).
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(path: Option<&Path>, env: &Environment) -> Result<Loaded, ConfigErrors> {
    let file = env.cwd.join(path.unwrap_or(Path::new(DEFAULT_FILE)));
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let loaded = load_parts(&file, env, &mut problems, &mut warnings);
    for finding in problems.iter_mut().chain(&mut warnings) {
        finding.file.get_or_insert_with(|| file.clone());
    }
    match loaded {
        Some((config, credentials)) if problems.is_empty() => Ok(Loaded { config, credentials, warnings }),
        _ => Err(ConfigErrors { problems, warnings }),
    }
}

fn load_parts(
    file: &Path,
    env: &Environment,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<(Config, CredentialsConfig)> {
    let entries = match read_file(file, problems) {
        Ok(entries) => entries,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let checked = check::check(entries, problems, warnings);
    report_missing(&checked, problems);
    let credentials = if checked.refused.contains(&"credentials") {
        None
    } else {
        let in_file = checked.entries.iter().find(|(spec, _)| spec.kind == Kind::Credentials);
        credentials::find(in_file.map(|(_, value)| value), env, problems, warnings)
    };
    let raw = match merge(&checked, file, env) {
        Ok(raw) => raw,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let precious = precious(&checked, env);
    let around = Around { file, env, generation: checked.generation, precious };
    let config = build::build(&raw, around, problems, warnings)?;
    problems.extend(unsupported(&config));
    Some((config, credentials?))
}

/// Reads the file as far as it is a map.
fn read_file(file: &Path, problems: &mut Vec<ConfigProblem>) -> Result<Vec<(Node, Node)>, ConfigProblem> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|mut open| open.read_to_end(&mut bytes))
        .map_err(|error| ConfigProblem::new(Rule::Unreadable, "", "a readable file", error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let found = format!("other bytes at offset {}", error.utf8_error().valid_up_to());
        ConfigProblem::new(Rule::NotUtf8, "", "UTF-8", found)
    })?;
    match tree::settle(tree::read(&text)?, "", problems) {
        Node::Map(entries) => Ok(entries),
        Node::Null => Err(ConfigProblem::new(Rule::Empty, "", "a map of keys and values", "an empty file")),
        other => Err(ConfigProblem::new(Rule::NotAMap, "", "a map of keys and values", other.type_name())),
    }
}

/// Keys that have to be in the file. Credentials have sources of their own.
fn report_missing(checked: &Checked, problems: &mut Vec<ConfigProblem>) {
    for spec in KEYS.iter().filter(|spec| spec.must_be_given() && spec.kind != Kind::Credentials) {
        let there = checked.entries.iter().any(|(known, _)| known.name == spec.name);
        if !there && !checked.refused.contains(&spec.name) {
            let expected = format!("{} ({})", check::in_words(spec.kind), spec.meaning);
            problems.push(ConfigProblem::new(Rule::NeedsToBeDefined, spec.name, expected, "nothing"));
        }
    }
}

/// Where the keys that name long-lived files point to.
fn precious(checked: &Checked, env: &Environment) -> Vec<Place> {
    const WIPED_OR_LOG: [&str; 4] = ["work_dir", "artifact_dir", "task_log_dir", "log_dir"];
    let paths = checked.entries.iter().filter(|(spec, _)| spec.kind == Kind::Path);
    paths
        .filter(|(spec, _)| !WIPED_OR_LOG.contains(&spec.name))
        .filter_map(|(spec, value)| Some(Place::new(spec.name, &env.cwd.join(value.as_text()?))))
        .collect()
}

/// One layer for the `config` crate.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Puts the layers on one another. The `config` crate merges nested maps, the rule here is that a key in the file
/// replaces the whole default: so a default takes part only when no higher layer has its key.
fn merge(checked: &Checked, file: &Path, env: &Environment) -> Result<Raw, ConfigProblem> {
    let origin = file.display().to_string();
    let mut top = Map::new();
    for (spec, value) in checked.entries.iter().filter(|(spec, _)| !is_secret(spec.name)) {
        top.insert(spec.name.to_owned(), value.to_value(&origin));
    }
    let mut middle = Map::new();
    for (variable, key) in
        [("TASKCLUSTER_ROOT_URL", "taskcluster_root_url"), ("SCRIPTWORKER_WORKER_ID", "worker_id")]
    {
        if let Some(value) = env.var(variable) {
            middle.insert(key.to_owned(), Value::new(Some(&variable.to_owned()), value.expose()));
        }
    }
    let mut bottom = Map::new();
    for spec in KEYS.iter().filter(|spec| !top.contains_key(spec.name)) {
        if let Some(kind) = default_value(spec.default, checked.generation, env)? {
            bottom.insert(spec.name.to_owned(), Value::new(Some(&"built-in value".to_owned()), kind));
        }
    }
    ConfigBuilder::<config::builder::DefaultState>::default()
        .add_source(Layer(bottom))
        .add_source(Layer(middle))
        .add_source(Layer(top))
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(not_mergeable)
}

fn not_mergeable(error: impl std::fmt::Display) -> ConfigProblem {
    ConfigProblem::new(Rule::WrongType, "", "values that go together", error.to_string())
}

/// A default as a value; `None` where there is none to merge.
fn default_value(
    default: BuiltIn,
    generation: Generation,
    env: &Environment,
) -> Result<Option<ValueKind>, ConfigProblem> {
    Ok(Some(match default {
        BuiltIn::MustBeGiven | BuiltIn::Null | BuiltIn::Policy => return Ok(None),
        BuiltIn::Text(text) => text.into(),
        BuiltIn::Number(number) => number.into(),
        BuiltIn::Flag(flag) => flag.into(),
        BuiltIn::ByGeneration(classic, _) if generation == Generation::Classic => classic.into(),
        BuiltIn::ByGeneration(_, current) => current.into(),
        BuiltIn::Cwd(name) => env.cwd.join(name).display().to_string().into(),
        BuiltIn::Json(text) => {
            let node: Node = serde_json::from_str(text).map_err(not_mergeable)?;
            node.to_value(&"built-in value".to_owned()).kind
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::super::keys::find;
    use super::*;
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    #[test]
    fn every_default_passes_the_check_of_its_own_key() {
        let env = Environment {
            cwd: PathBuf::from("/cwd"),
            home: None,
            system_dir: PathBuf::from("/etc"),
            vars: Default::default(),
        };
        for spec in KEYS {
            let node = match spec.default {
                BuiltIn::Json(text) => serde_json::from_str(text).unwrap(),
                BuiltIn::Text(text) => Node::Text(text.to_owned()),
                BuiltIn::Number(number) => Node::Int(number.into()),
                BuiltIn::Flag(flag) => Node::Bool(flag),
                BuiltIn::ByGeneration(_, current) => Node::Int(current.into()),
                _ => continue,
            };
            let mut problems = Vec::new();
            let checked =
                check::check(vec![(Node::Text(spec.name.to_owned()), node)], &mut problems, &mut Vec::new());
            assert_eq!(problems, [], "{}", spec.name);
            assert_eq!(checked.entries.len(), 1, "{}", spec.name);
            assert!(
                default_value(spec.default, Generation::Classic, &env).unwrap().is_some(),
                "{}",
                spec.name
            );
        }
    }

    #[test]
    fn the_table_has_the_keys_of_both_generations_once() {
        let names: BTreeSet<&str> = KEYS.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), KEYS.len());
        let count = |of: &[Generation]| KEYS.iter().filter(|spec| of.contains(&spec.generation)).count();
        assert_eq!(count(&[Generation::Both]), 31);
        assert_eq!(count(&[Generation::Both, Generation::Classic]), 56);
        assert_eq!(count(&[Generation::Both, Generation::Current]), 56);
        assert!(find("work_dir").is_some_and(|spec| spec.must_be_given()));
    }
}
