//! Loading: read, check, merge, build. Every finding is collected; nothing ends at the first.

use super::build::{self, Around, Raw};
use super::check::{self, Checked};
use super::credentials::{self, CredentialsConfig};
use super::directories::Place;
use super::environment::{Environment, VARIABLES};
use super::keys::{BuiltIn, Generation, KEYS, Kind, is_secret};
use super::problem::{ConfigErrors, ConfigProblem, Rule};
use super::settings::{self, Setting};
use super::spots::Spots;
use super::tree::{self, Data, Node, Spot};
use super::typed::Config;
use super::{parse, policy, products};
use config::{ConfigBuilder, Map, Source, Value, ValueKind};
use scriptworker_core::secret::Secret;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The file that is read when the command line names none (config.md 1).
pub const DEFAULT_FILE: &str = "scriptworker.yaml";

/// The keys whose defaults the environment can give (config.md 7).
const FROM_ENVIRONMENT: [(&str, &str); 2] =
    [("TASKCLUSTER_ROOT_URL", "taskcluster_root_url"), ("SCRIPTWORKER_WORKER_ID", "worker_id")];

/// The origin of what nobody gave.
pub(super) const BUILT_IN: &str = "built-in";

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

/// Everything that can be said about a configuration, good or not.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The file, absolute.
    pub file: PathBuf,
    /// What keeps the worker from running with it, in the order of the file; notes (see [`Rule::is_a_note`]) too.
    pub problems: Vec<ConfigProblem>,
    /// What may be looked at, in the order of the file.
    pub warnings: Vec<ConfigProblem>,
    /// The effective values in the order of [`KEYS`]; empty when the file cannot be read as a map.
    pub settings: Vec<Setting>,
    /// Which scheme the file is written for.
    pub generation: Generation,
    /// Where keys stand in the file.
    spots: Spots,
    /// The results, notes aside.
    config: Option<Config>,
    credentials: Option<CredentialsConfig>,
    /// The value of `github_oauth_token`, which `settings` masks.
    pub(super) github_token: Option<Secret>,
}

/// Loads the configuration of a worker: built-in values, under the environment's defaults, under the file
/// (config.md 1; design.md 9).
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(path: Option<&Path>, env: &Environment) -> Result<Loaded, ConfigErrors> {
    let Inspection { problems, warnings, config, credentials, .. } = inspect(path, env);
    match (config, credentials) {
        (Some(config), Some(credentials)) if problems.is_empty() => {
            Ok(Loaded { config, credentials, warnings })
        }
        _ => Err(ConfigErrors { problems, warnings }),
    }
}

/// The same for a verb that neither claims tasks nor signs what they made: it needs no credentials of the worker and no
/// key of it, and what this version cannot do with a task does not matter.
///
/// # Errors
/// Everything else that is wrong, at once.
pub fn load_without_credentials(
    path: Option<&Path>,
    env: &Environment,
) -> Result<(Config, Vec<ConfigProblem>), ConfigErrors> {
    let Inspection { mut problems, warnings, config, .. } = inspect(path, env);
    let of_a_worker =
        |problem: &ConfigProblem| problem.key == "credentials" || problem.rule == Rule::NoSigningKey;
    problems.retain(|problem| !problem.rule.is_a_note() && !of_a_worker(problem));
    match config {
        Some(config) if problems.is_empty() => Ok((config, warnings)),
        _ => Err(ConfigErrors { problems, warnings }),
    }
}

impl Inspection {
    /// The configuration, notes aside; `None` when it has mistakes.
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// Where a key path stands in the file.
    pub(super) fn spot(&self, place: &str) -> Option<Spot> {
        self.spots.find(place)
    }

    /// A finding about a file that a key names, made by whoever opened it. That it is `missing` is a note: the
    /// configuration may be checked where it is not deployed.
    pub fn unusable_file(&self, key: &str, missing: bool, found: &str) -> ConfigProblem {
        let rule = if missing { Rule::FileMissing } else { Rule::UnusableFile };
        let expected = "a file that can be used";
        let problem = ConfigProblem::new(rule, key, expected, found).at(self.spots.find(key));
        ConfigProblem { file: Some(self.file.clone()), ..problem }
    }
}

/// Goes the same way as [`load`] and keeps what it saw.
pub fn inspect(path: Option<&Path>, env: &Environment) -> Inspection {
    let file = env.cwd.join(path.unwrap_or(Path::new(DEFAULT_FILE)));
    let mut inspection = Inspection {
        file,
        problems: Vec::new(),
        warnings: Vec::new(),
        settings: Vec::new(),
        generation: Generation::Current,
        spots: Spots::default(),
        config: None,
        credentials: None,
        github_token: None,
    };
    if let Some((config, credentials)) = inspect_parts(&mut inspection, env) {
        (inspection.config, inspection.credentials) = (config, credentials);
    }
    for finding in inspection.problems.iter_mut().chain(&mut inspection.warnings) {
        if finding.file.is_none() && !VARIABLES.contains(&finding.key.as_str()) {
            finding.file = Some(inspection.file.clone());
        }
    }
    for list in [&mut inspection.problems, &mut inspection.warnings] {
        // what is not there has no line, and comes last
        list.sort_by_key(|finding| (finding.file.clone(), finding.line.unwrap_or(u32::MAX)));
    }
    inspection
}

/// What a readable file comes to.
type Parts = (Option<Config>, Option<CredentialsConfig>);

fn inspect_parts(inspection: &mut Inspection, env: &Environment) -> Option<Parts> {
    let Inspection { file, problems, warnings, settings, generation, github_token, .. } = inspection;
    let root = match read_file(file) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let spots = Spots::of(&root);
    let entries = match tree::settle(root, "", problems) {
        Node { data: Data::Map(entries), .. } => entries,
        other => {
            let (rule, found) = match other.data {
                Data::Null => (Rule::Empty, "an empty file"),
                _ => (Rule::NotAMap, other.type_name()),
            };
            problems.push(ConfigProblem::new(rule, "", "a map of keys and values", found));
            return None;
        }
    };
    let checked = check::check(entries, problems, warnings);
    *generation = checked.generation;
    *github_token = checked
        .entries
        .iter()
        .find(|(spec, _)| spec.name == "github_oauth_token")
        .and_then(|(_, value)| value.as_text())
        // secret stores like to end a value with a newline
        .map(str::trim)
        .filter(|token| !token.is_empty())
        .map(Secret::new);
    products::check(&checked, problems);
    report_missing(&checked, problems);
    let credentials = if checked.refused.contains(&"credentials") {
        None
    } else {
        let in_file = checked.entries.iter().find(|(spec, _)| spec.kind == Kind::Credentials);
        credentials::find(in_file.map(|(_, value)| value), env, problems, warnings)
    };
    let config = match merge(&checked, &spots, env) {
        Ok((raw, merged)) => {
            *settings = settings::settings(&checked, merged, credentials.as_ref(), &spots, env);
            let precious = precious(&checked, env);
            let (generation, refused) = (checked.generation, &checked.refused);
            let github_token = github_token.clone();
            let tables = policy::tables(settings, generation);
            let around =
                Around { file, env, generation, precious, spots: &spots, refused, tables, github_token };
            build::build(&raw, around, problems, warnings)
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    spots.locate(problems);
    spots.locate(warnings);
    blame_the_environment(&checked, env, problems);
    blame_the_environment(&checked, env, warnings);
    inspection.spots = spots;
    Some((config, credentials.map(|(credentials, _)| credentials)))
}

/// A finding about a value that the environment gave is not about the file.
fn blame_the_environment(checked: &Checked, env: &Environment, findings: &mut [ConfigProblem]) {
    for (variable, key) in FROM_ENVIRONMENT {
        let in_file = checked.entries.iter().any(|(spec, _)| spec.name == key);
        if in_file || checked.refused.contains(&key) || env.var(variable).is_none() {
            continue;
        }
        for finding in findings.iter_mut().filter(|finding| finding.key == key) {
            finding.key = variable.to_owned();
        }
    }
}

/// Reads the file.
fn read_file(file: &Path) -> Result<Node, ConfigProblem> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|mut open| open.read_to_end(&mut bytes))
        .map_err(|error| ConfigProblem::new(Rule::Unreadable, "", "a readable file", error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let found = format!("other bytes at offset {}", error.utf8_error().valid_up_to());
        ConfigProblem::new(Rule::NotUtf8, "", "UTF-8", found)
    })?;
    parse::read(&text)
}

/// Keys that have to be in the file. Credentials have sources of their own.
fn report_missing(checked: &Checked, problems: &mut Vec<ConfigProblem>) {
    for spec in KEYS.iter().filter(|spec| spec.must_be_given() && spec.kind != Kind::Credentials) {
        let there = checked.entries.iter().any(|(known, _)| known.name == spec.name);
        if !there && !checked.refused.contains(&spec.name) {
            let expected = format!("{} ({})", spec.kind, spec.meaning);
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
fn merge(
    checked: &Checked,
    spots: &Spots,
    env: &Environment,
) -> Result<(Raw, Map<String, Value>), ConfigProblem> {
    let mut top = Map::new();
    for (spec, value) in checked.entries.iter().filter(|(spec, _)| !is_secret(spec.name)) {
        top.insert(spec.name.to_owned(), value.to_value(&in_file(spots, spec.name)));
    }
    let mut middle = Map::new();
    for (variable, key) in FROM_ENVIRONMENT {
        if let Some(value) = env.var(variable) {
            let origin = format!("environment variable {variable}");
            middle.insert(key.to_owned(), Value::new(Some(&origin), value.expose()));
        }
    }
    let mut bottom = Map::new();
    for spec in KEYS.iter().filter(|spec| !top.contains_key(spec.name)) {
        if let Some(kind) = default_value(spec.default, checked.generation, env)? {
            bottom.insert(spec.name.to_owned(), Value::new(Some(&BUILT_IN.to_owned()), kind));
        }
    }
    let merged = ConfigBuilder::<config::builder::DefaultState>::default()
        .add_source(Layer(bottom))
        .add_source(Layer(middle))
        .add_source(Layer(top))
        .build()
        .map_err(not_mergeable)?;
    let values = merged.collect().map_err(not_mergeable)?;
    Ok((merged.try_deserialize().map_err(not_mergeable)?, values))
}

/// The origin of what stands in the file.
pub(super) fn in_file(spots: &Spots, key: &str) -> String {
    match spots.find(key) {
        Some(spot) => format!("file line {}", spot.line),
        None => "file".to_owned(),
    }
}

fn not_mergeable(error: impl std::fmt::Display) -> ConfigProblem {
    ConfigProblem::new(Rule::WrongType, "", "values that go together", error.to_string())
}

/// A default as a value; `None` where there is none to merge.
pub(super) fn default_value(
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
        BuiltIn::ClassicText(text) if generation == Generation::Classic => text.into(),
        BuiltIn::ClassicText(_) => return Ok(None),
        BuiltIn::Cwd(name) => env.cwd.join(name).display().to_string().into(),
        BuiltIn::Json(text) => {
            let node: Node = serde_json::from_str(text).map_err(not_mergeable)?;
            node.to_value(&BUILT_IN.to_owned()).kind
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
                BuiltIn::Text(text) | BuiltIn::ClassicText(text) => Data::Text(text.to_owned()).into(),
                BuiltIn::Number(number) => Data::Int(number.into()).into(),
                BuiltIn::Flag(flag) => Data::Bool(flag).into(),
                BuiltIn::ByGeneration(_, current) => Data::Int(current.into()).into(),
                _ => continue,
            };
            let mut problems = Vec::new();
            let checked = check::check(
                vec![(Data::Text(spec.name.to_owned()).into(), node)],
                &mut problems,
                &mut Vec::new(),
            );
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
