//! `scriptworker client …`: the services of the client libraries for scripts in any language (client.md 2 to 4).
//!
//! The answer is JSON on stdout, what went wrong is on stderr, and the exit code is the one that the script may end with
//! itself: 3 when the task is wrong as it is written, 1 for everything else.

use crate::script::{Context, ValidateError};
use clap::{Args, Subcommand};
use scriptworker_core::client::{STATUSES, SchemaViolations, ScriptError, exit_code};
use scriptworker_core::json::format_json;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The services, one verb each.
#[derive(Subcommand)]
pub(super) enum Client {
    /// Print the task definition.
    GetTask(Config),
    /// Check the task against the script's schema.
    ValidateTask {
        #[command(flatten)]
        config: Config,
        /// The key of the configuration that names the schema's file; dots descend.
        #[arg(long, value_name = "KEY", default_value = "schema_file")]
        schema_key: String,
    },
    /// Check that the task may download from a URL, and print the file's relative path.
    ValidateArtifactUrl {
        #[command(flatten)]
        config: Config,
        /// A task that may be downloaded from, instead of the dependencies and the decision task (repeatable).
        #[arg(long = "task-id", value_name = "ID")]
        task_ids: Vec<String>,
        /// The deployment whose URLs are fine without configuration.
        #[arg(long, value_name = "URL", env = "TASKCLUSTER_ROOT_URL")]
        root_url: Option<String>,
        /// The address.
        #[arg(value_name = "URL")]
        url: String,
    },
    /// Print where the upstream artifacts are, and which optional ones are missing.
    UpstreamArtifacts(Config),
    /// Print the exit code of a status.
    ExitCode {
        /// Such as `malformed-payload`.
        #[arg(value_name = "STATUS")]
        name: String,
    },
    /// Print all statuses with their exit codes.
    Statuses,
}

#[derive(Args)]
pub(super) struct Config {
    /// The script's own configuration: the file that its `task_script` is called with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Config {
    fn load(&self) -> Result<Context, ScriptError> {
        Ok(Context::load(&self.config, Map::new())?)
    }
}

/// Answers one question.
pub(super) fn client(verb: &Client) -> ExitCode {
    let answered = answer(verb).and_then(|answer| {
        print(&answer)?;
        Ok(())
    });
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    }
}

fn answer(verb: &Client) -> Result<Value, ScriptError> {
    Ok(match verb {
        Client::GetTask(config) => config.load()?.task.to_value(),
        Client::ValidateTask { config, schema_key } => match config.load()?.validate_task(schema_key) {
            Ok(()) => json!({ "valid": true, "violations": [] }),
            Err(ValidateError::Violations(violations)) => {
                print(&described(&violations))?;
                return Err(violations.into());
            }
            Err(error) => return Err(error.into()),
        },
        Client::ValidateArtifactUrl { config, task_ids, root_url, url } => {
            let context = config.load()?;
            let given: Vec<&str> = task_ids.iter().map(String::as_str).collect();
            let valid = if given.is_empty() { context.task.valid_artifact_task_ids() } else { given };
            let path = context.artifact_url_rules(root_url.as_deref())?.file_path(&valid, url)?;
            json!({ "filepath": path })
        }
        Client::UpstreamArtifacts(config) => {
            let upstream = config.load()?.upstream()?;
            json!({ "found": upstream.found, "missingOptional": upstream.missing_optional })
        }
        Client::ExitCode { name } => match exit_code(name) {
            Some(code) => json!(code),
            None => return Err(ScriptError::failure(UnknownStatus { name: name.clone() })),
        },
        Client::Statuses => STATUSES.iter().map(|(name, code)| ((*name).to_owned(), json!(code))).collect(),
    })
}

/// A name that is no status's.
#[derive(Debug, thiserror::Error)]
#[error("expected one of {known}, found {name:?}", known = STATUSES.map(|(known, _)| known).join(", "))]
struct UnknownStatus {
    name: String,
}

fn described(violations: &SchemaViolations) -> Value {
    let each = violations.violations.iter().map(
        |violation| json!({ "place": violation.place, "problem": violation.problem, "rule": violation.rule }),
    );
    json!({ "valid": false, "count": violations.count, "violations": each.collect::<Vec<_>>() })
}

/// A reader that has seen enough and closed the pipe is no reason to fail.
fn print(value: &Value) -> std::io::Result<()> {
    match writeln!(std::io::stdout().lock(), "{}", format_json(value)) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[expect(clippy::print_stderr, reason = "this is what stderr is for")]
fn complain(error: &ScriptError) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(error.exit_code())
}
