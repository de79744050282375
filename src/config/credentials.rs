//! Where the worker's own Taskcluster credentials come from (config.md 2): the configuration file, two JSON files,
//! the environment, in this order. They are read once, at start.

use super::check::PLACEHOLDER;
use super::environment::Environment;
use super::parse;
use super::problem::{ConfigProblem, Rule};
use super::spots::Spots;
use super::tree::{self, Data, Node};
use scriptworker_core::secret::Secret;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// The worker's own credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialsConfig {
    /// Who the worker is.
    pub client_id: String,
    /// What proves it.
    pub access_token: Secret,
    /// Only for temporary credentials: their certificate, a JSON text.
    pub certificate: Option<Secret>,
}

/// Which source gave the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The configuration file.
    Config,
    /// One of the two JSON files.
    File(PathBuf),
    /// The environment.
    Variables,
}

/// Looks through the sources. `in_file` is the value of `credentials` in the configuration file.
///
/// `None` means that a problem was reported.
pub(super) fn find(
    in_file: Option<&Node>,
    env: &Environment,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<(CredentialsConfig, Source)> {
    if let Some(value) = in_file.filter(|value| value.is_truthy()) {
        return Some((read(value, problems, warnings)?, Source::Config));
    }
    let home = env.home.as_ref().unwrap_or(&env.system_dir);
    for file in [env.cwd.join("secrets.json"), home.join(".scriptworker")] {
        let mut found = Vec::new();
        let mut noted = Vec::new();
        let credentials = from_file(&file, &mut found, &mut noted);
        let ended = credentials.is_some() || !found.is_empty();
        problems
            .extend(found.into_iter().map(|problem| ConfigProblem { file: Some(file.clone()), ..problem }));
        warnings
            .extend(noted.into_iter().map(|problem| ConfigProblem { file: Some(file.clone()), ..problem }));
        if ended {
            return Some((credentials?, Source::File(file)));
        }
    }
    if let (Some(client_id), Some(access_token)) =
        (env.var("TASKCLUSTER_CLIENT_ID"), env.var("TASKCLUSTER_ACCESS_TOKEN"))
    {
        let certificate = env.var("TASKCLUSTER_CERTIFICATE").cloned();
        if let Some(text) = &certificate {
            check_certificate(text.expose(), "TASKCLUSTER_CERTIFICATE", problems)?;
        }
        let client_id = client_id.expose().to_owned();
        let credentials = CredentialsConfig { client_id, access_token: access_token.clone(), certificate };
        return Some((credentials, Source::Variables));
    }
    let expected = "credentials here, in ./secrets.json, in $HOME/.scriptworker (without HOME /etc/.scriptworker) \
                    or in TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN";
    problems.push(ConfigProblem::new(Rule::NeedsToBeDefined, "credentials", expected, "none"));
    None
}

/// The key `credentials` of a JSON file. No file, or none in it: `None` without a problem.
fn from_file(
    path: &Path,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<CredentialsConfig> {
    let mut text = String::new();
    if let Err(error) = File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            let found = error.to_string();
            problems.push(ConfigProblem::new(Rule::Unreadable, "", "a readable JSON file in UTF-8", found));
        }
        return None;
    }
    let node = match parse::read_json(&text) {
        Ok(node) => node,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let spots = Spots::of(&node);
    let node = tree::settle(node, "", problems);
    if !matches!(node.data, Data::Map(_)) {
        problems.push(ConfigProblem::new(Rule::NotAMap, "", "a JSON object", node.type_name()));
        return None;
    }
    let value = node.get("credentials").filter(|value| value.is_truthy())?;
    let credentials = read(value, problems, warnings);
    spots.locate(problems);
    spots.locate(warnings);
    credentials
}

/// Reads the three fields.
fn read(
    value: &Node,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<CredentialsConfig> {
    let Data::Map(entries) = &value.data else {
        let found = value.describe(true);
        let expected = "a map with clientId and accessToken";
        problems.push(ConfigProblem::new(Rule::WrongType, "credentials", expected, found));
        return None;
    };
    for (key, _) in entries {
        let name = key.key_text();
        let known = ["clientId", "accessToken", "certificate"];
        if !known.contains(&name.as_str()) {
            let place = tree::join("credentials", &name);
            let close = super::problem::nearest(&name, known.into_iter());
            let problem = ConfigProblem::new(
                Rule::NoEffect,
                place,
                "clientId, accessToken or certificate",
                "another key",
            );
            warnings.push(problem.near(close));
        }
    }
    let client_id = field(value, "clientId", true, problems);
    let access_token = field(value, "accessToken", true, problems);
    let certificate = field(value, "certificate", false, problems);
    if let Some(text) = &certificate {
        check_certificate(text, "credentials.certificate", problems)?;
    }
    Some(CredentialsConfig {
        client_id: client_id?,
        access_token: Secret::new(access_token?),
        certificate: certificate.map(Secret::new),
    })
}

fn field(value: &Node, name: &str, needed: bool, problems: &mut Vec<ConfigProblem>) -> Option<String> {
    let mut refuse = |rule, found: &str| {
        let place = tree::join("credentials", name);
        problems.push(ConfigProblem::new(rule, place, "a text", found));
    };
    let field = value.get(name);
    match field.map(|field| &field.data) {
        None | Some(Data::Null) if needed => refuse(Rule::NeedsToBeDefined, "nothing"),
        Some(Data::Text(text)) if text == PLACEHOLDER => {
            refuse(Rule::ToBeFilledIn, "the placeholder \"...\"");
        }
        Some(Data::Text(text)) if text.is_empty() && needed => {
            refuse(Rule::NeedsToBeDefined, "an empty text")
        }
        Some(Data::Text(text)) if !text.is_empty() => return Some(text.clone()),
        None | Some(Data::Null | Data::Text(_)) => {}
        Some(_) => refuse(Rule::WrongType, field.map_or("", Node::type_name)),
    }
    None
}

/// A certificate that is no JSON object would be refused by every service, call after call.
fn check_certificate(text: &str, place: &str, problems: &mut Vec<ConfigProblem>) -> Option<()> {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(_) => Some(()),
        Err(_) => {
            let found = "a text that is none (not shown)";
            problems.push(ConfigProblem::new(Rule::OutOfRange, place, "a JSON object as text", found));
            None
        }
    }
}
