//! What a script needs from the worker's side of the contract (client.md 2, 3 and 7): its task, its configuration,
//! schema checks, checks of artifact addresses, the layout of upstream artifacts, and errors that know their exit
//! code.
//!
//! Nothing here knows the worker's insides, and nothing does I/O: texts and answers about files are handed in. The
//! crate `scriptworker` reads the files (`scriptworker::script`, for scripts in Rust) and offers the same as
//! `scriptworker client …` for scripts in any other language.
//!
//! | of the Python library | here |
//! |---|---|
//! | `get_task` | [`ScriptTask::parse`] |
//! | `validate_artifact_url`, `match_url_regex` | [`ArtifactUrlRules::file_path`], [`ArtifactUrlRules::find`] |
//! | `validate_json_schema`, `validate_task_schema` | [`TaskSchema`], [`ScriptConfig::lookup`] |
//! | `get_upstream_artifacts_full_paths_per_task_id` and its relatives | [`UpstreamArtifact`], [`look_up`], [`place_of`] |
//! | `STATUSES` | [`STATUSES`], [`exit_code`], [`crate::run::TaskStatus`] |
//! | the exception classes | [`ScriptError`] and the errors of each part, with `status()` |
//!
//! Every error is status 1 (`failure`) but those that say that the task itself is wrong: they are status 3
//! (`malformed-payload`).

mod config;
mod error;
mod schema;
mod statuses;
mod task;
mod upstream;
mod url;

pub use config::{ConfigError, ScriptConfig};
pub use error::ScriptError;
pub use schema::{SchemaError, SchemaViolations, TaskSchema, Violation};
pub use statuses::{STATUSES, exit_code};
pub use task::{PayloadError, ScriptTask, TaskError};
pub use upstream::{
    CotFiles, LookupError, Upstream, UpstreamArtifact, UpstreamError, UpstreamPlace, glob_matches, look_up,
    place_of,
};
pub use url::{ArtifactUrlRule, ArtifactUrlRules, RuleError, UrlRefused};
