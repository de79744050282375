//! The script has a configuration file of its own, in which two directories must be those of the worker
//! (production-contract.md 5): where it finds its task, and where it puts what is uploaded.

use super::directories::Place;
use super::environment::Environment;
use super::load::Inspection;
use super::parse;
use super::problem::{ConfigProblem, Rule};
use super::spots::Spots;
use super::tree::{self, Data, shorten};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Compares a script's configuration (JSON or YAML) with the worker's: the problems, then the warnings. A directory
/// that the worker's own file does not say is not compared: that is a finding of its own.
pub fn compare(
    path: &Path,
    worker: &Inspection,
    env: &Environment,
) -> (Vec<ConfigProblem>, Vec<ConfigProblem>) {
    let file = env.cwd.join(path);
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    if let Err(problem) = compare_into(&file, worker, env, &mut problems, &mut warnings) {
        problems.push(problem);
    }
    for finding in problems.iter_mut().chain(&mut warnings) {
        finding.file = Some(file.clone());
    }
    (problems, warnings)
}

fn compare_into(
    file: &Path,
    worker: &Inspection,
    env: &Environment,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Result<(), ConfigProblem> {
    let mut text = String::new();
    File::open(file)
        .and_then(|mut open| open.read_to_string(&mut text))
        .map_err(|error| ConfigProblem::new(Rule::Unreadable, "", "a readable file", error.to_string()))?;
    let root = parse::read(&text)?;
    let spots = Spots::of(&root);
    let root = tree::settle(root, "", problems);
    if !matches!(root.data, Data::Map(_)) {
        let expected = "a map of keys and values";
        return Err(ConfigProblem::new(Rule::NotAMap, "", expected, root.type_name()));
    }
    for key in ["work_dir", "artifact_dir"] {
        let setting = worker.settings.iter().find(|setting| setting.spec.name == key);
        let ours = setting.and_then(|setting| setting.value.as_ref()).and_then(|value| value.as_str());
        let Some(ours) = ours else { continue };
        let expected = || format!("the worker's {key}, {}", shorten(ours));
        match root.get(key) {
            None => warnings.push(ConfigProblem::new(Rule::ScriptDiffers, key, expected(), "no such key")),
            Some(theirs) => {
                let same = theirs.as_text().is_some_and(|theirs| {
                    Place::new(key, &env.cwd.join(theirs)).real == Place::new(key, &env.cwd.join(ours)).real
                });
                if !same {
                    let found = theirs.describe(false);
                    problems.push(ConfigProblem::new(Rule::ScriptDiffers, key, expected(), found));
                }
            }
        }
    }
    spots.locate(problems);
    spots.locate(warnings);
    Ok(())
}
