//! What a script starts with: its configuration and its task, read from their files.

use super::upstream::{CotDirectory, CotFileError};
use scriptworker_core::client::{
    ArtifactUrlRule, ArtifactUrlRules, ConfigError, LookupError, RuleError, SchemaError, SchemaViolations,
    ScriptConfig, ScriptError, ScriptTask, TaskError, TaskSchema, Upstream, UpstreamArtifact, look_up,
};
use scriptworker_core::run::TaskStatus;
use serde_json::{Map, Value};
use std::io;
use std::path::{Path, PathBuf};

/// A file that a script needs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("failed to read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not JSON.
    #[error("failed to read {path} as JSON: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// It is not YAML.
    #[error("failed to read {path} as YAML: {source}", path = path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_yaml_ng::Error,
    },
    /// The task.
    #[error("failed to read the task from {path}: {source}", path = path.display())]
    Task {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TaskError,
    },
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The schema.
    #[error("{path}: {source}", path = path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SchemaError,
    },
    /// The rules for artifact URLs.
    #[error("valid_artifact_rules: {0}")]
    Rules(#[from] RuleError),
    /// The rules for artifact URLs are not rules.
    #[error("valid_artifact_rules: {0}")]
    RulesShape(#[source] serde_json::Error),
}

impl LoadError {
    /// Nothing of this is the task's fault: a plain failure.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Read { .. } | Self::Json { .. } | Self::Yaml { .. } | Self::RulesShape(_) => {
                TaskStatus::Failure
            }
            Self::Task { source, .. } => source.status(),
            Self::Config(error) => error.status(),
            Self::Schema { source, .. } => source.status(),
            Self::Rules(error) => error.status(),
        }
    }
}

impl From<LoadError> for ScriptError {
    fn from(error: LoadError) -> Self {
        Self::new(error.status(), error)
    }
}

/// The task does not fit its schema, or there is no schema to be had.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// No schema.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A schema, and another task.
    #[error(transparent)]
    Violations(#[from] SchemaViolations),
}

impl ValidateError {
    /// 3 when it is the task's fault, else 1.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Load(error) => error.status(),
            Self::Violations(error) => error.status(),
        }
    }
}

impl From<ValidateError> for ScriptError {
    fn from(error: ValidateError) -> Self {
        Self::new(error.status(), error)
    }
}

/// A script's configuration and task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The configuration, defaults included.
    pub config: ScriptConfig,
    /// The task.
    pub task: ScriptTask,
}

impl Context {
    /// Reads the configuration file (JSON, or YAML when its name ends so) over the defaults, then
    /// `<work_dir>/task.json`. Blocks.
    pub fn load(config: &Path, defaults: Map<String, Value>) -> Result<Self, LoadError> {
        let config = ScriptConfig::overlay(defaults, read_value(config)?)?;
        let path = config.work_dir()?.join("task.json");
        let task = ScriptTask::parse(&read(&path)?).map_err(|source| LoadError::Task { path, source })?;
        Ok(Self { config, task })
    }

    /// The schema whose file is named by a key of the configuration; dots descend (`schema_files.beta`). Blocks.
    pub fn schema(&self, key: &str) -> Result<TaskSchema, LoadError> {
        let path = PathBuf::from(self.config.text(key)?);
        let schema = read_value(&path)?;
        TaskSchema::new(&schema).map_err(|source| LoadError::Schema { path, source })
    }

    /// Checks the task against that schema (`validate_task_schema`). Blocks.
    pub fn validate_task(&self, schema_key: &str) -> Result<(), ValidateError> {
        Ok(self.schema(schema_key)?.check(&self.task.to_value(), "task")?)
    }

    /// Where all upstream artifacts of the task are; paths are absolute. Blocks.
    pub fn upstream(&self) -> Result<Upstream, LookupError<CotFileError>> {
        let wanted = UpstreamArtifact::of_task(&self.task)?;
        let work_dir = self.config.work_dir().map_err(|error| LookupError::Files(error.into()))?;
        let cot = CotDirectory::of(work_dir).map_err(LookupError::Files)?;
        look_up(&wanted, cot.work_dir(), &cot)
    }

    /// The rules for artifact URLs: the configuration's `valid_artifact_rules`, or the defaults with one for the
    /// deployment at `root_url`.
    pub fn artifact_url_rules(&self, root_url: Option<&str>) -> Result<ArtifactUrlRules, LoadError> {
        let rules = match self.config.values().get("valid_artifact_rules") {
            None => ArtifactUrlRule::defaults(root_url),
            Some(rules) => serde_json::from_value(rules.clone()).map_err(LoadError::RulesShape)?,
        };
        Ok(ArtifactUrlRules::new(&rules)?)
    }
}

/// Reads a file of values: YAML when its name ends in `.yml` or `.yaml`, else JSON. Blocks.
pub fn read_value(path: &Path) -> Result<Value, LoadError> {
    let text = read(path)?;
    let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    if is_yaml {
        serde_yaml_ng::from_slice(&text).map_err(|source| LoadError::Yaml { path: path.to_owned(), source })
    } else {
        serde_json::from_slice(&text).map_err(|source| LoadError::Json { path: path.to_owned(), source })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })
}
