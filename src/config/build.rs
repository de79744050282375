//! From merged values to the typed configuration: everything that a value's type alone does not say.

use super::attestation;
use super::directories::{self, Directories, Place};
use super::environment::Environment;
use super::keyrings;
use super::keys::Generation;
use super::policy;
use super::problem::{ConfigProblem, Rule};
use super::spots::Spots;
use super::tree::shorten;
use super::typed::{ArtifactStorage, Config, FirstSignal};
use super::verification;
use crate::telemetry::{LineFormat, LineFormatError};
use scriptworker_core::ids::{TaskQueueId, WorkerGroup, WorkerId};
use scriptworker_core::run::{ExceptionReason, ExitCodes, TaskStatus};
use scriptworker_core::secret::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// The keys that act, after the merge. Types and ranges are already right; whoever gives a directory is not.
#[derive(Deserialize)]
pub(super) struct Raw {
    taskcluster_root_url: String,
    provisioner_id: String,
    worker_group: String,
    worker_type: String,
    worker_id: String,
    log_datefmt: String,
    log_fmt: String,
    log_format: String,
    log_max_bytes: u64,
    log_max_backups: u32,
    watch_log_file: bool,
    verbose: bool,
    artifact_expiration_hours: Option<u32>,
    task_max_timeout: u64,
    task_max_timeout_status: i64,
    reversed_statuses: HashMap<String, String>,
    reclaim_interval: u64,
    poll_interval: u64,
    task_script: Vec<String>,
    artifact_upload_timeout: u64,
    work_dir: Option<String>,
    artifact_dir: Option<String>,
    task_log_dir: Option<String>,
    log_dir: Option<String>,
    pub(super) sign_chain_of_trust: bool,
    pub(super) verify_chain_of_trust: bool,
    pub(super) verify_cot_signature: bool,
    pub(super) cot_job_type: String,
    pub(super) cot_bundle: String,
    pub(super) max_chain_length: usize,
    pub(super) max_concurrent_downloads: usize,
    pub(super) project_configuration_url: String,
    pub(super) github_app_name: String,
    pub(super) pushlog_url: String,
    pub(super) source_mirrors: HashMap<String, config::Value>,
    pub(super) cot_product: Option<String>,
    pub(super) policy_path: Option<String>,
    pub(super) policy_public_keys: Vec<String>,
    pub(super) chain_of_trust_hash_algorithm: String,
    pub(super) cot_schema_path: Option<String>,
    pub(super) cot_signature_scheme: Option<String>,
    pub(super) ed25519_private_key_path: Option<String>,
    pub(super) pubkey_path: Option<String>,
    pub(super) privkey_path: Option<String>,
    pub(super) privkey_passphrase_path: Option<String>,
    shutdown_timeout: u64,
    kill_grace: u64,
    kill_first_signal: String,
    drain_timeout: u64,
    max_log_size: u64,
    artifact_storage: String,
    max_concurrent_uploads: usize,
    live_log_link: bool,
    scrub_environment: bool,
    pub(super) base_gpg_home_dir: Option<String>,
    pub(super) gpg_homedirs: HashMap<String, config::Value>,
    pub(super) gpg_lockfile: String,
    pub(super) git_key_repo_dir: Option<String>,
    pub(super) git_key_repo_url: String,
    pub(super) git_commit_signing_pubkey_dir: Option<String>,
    pub(super) last_good_git_revision_file: String,
    pub(super) keyring_update_interval: u64,
}

/// What the builder knows besides the values.
pub(super) struct Around<'a> {
    pub(super) file: &'a Path,
    pub(super) env: &'a Environment,
    pub(super) generation: Generation,
    /// Files that other keys name: they must survive the wiping of directories.
    pub(super) precious: Vec<Place>,
    /// Where keys stand.
    pub(super) spots: &'a Spots,
    /// `github_oauth_token`, which is not among the values.
    pub(super) github_token: Option<Secret>,
    /// Keys that have a mistake already.
    pub(super) refused: &'a [&'static str],
    /// The tables of the policy that the file replaces.
    pub(super) tables: Map<String, Value>,
}

/// Builds the configuration, or reports why not.
pub(super) fn build(
    raw: &Raw,
    around: Around<'_>,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<Config> {
    let root_url = root_url(&raw.taskcluster_root_url, problems);
    let task_queue_id = task_queue_id(raw, problems, warnings);
    let worker_group = identifier("worker_group", &raw.worker_group, WorkerGroup::parse, problems);
    let worker_id = identifier("worker_id", &raw.worker_id, WorkerId::parse, problems);
    let log_format = log_format(raw, problems);
    let reversed_statuses = reversed_statuses(&raw.reversed_statuses, problems, warnings);
    check_script(&raw.task_script, problems);
    let dirs = directories(raw, &around, problems, warnings);
    let attestation = attestation::build(raw, &around, problems, warnings);
    let policy = policy::build(raw, &around, problems, warnings);
    let given = |key: &str| around.spots.find(key).is_some();
    let keyrings = keyrings::build(raw, around.env, given, problems);
    let verification = verification::build(raw, &around, problems);
    if raw.verify_chain_of_trust && raw.cot_product.is_none() && !around.refused.contains(&"cot_product") {
        let expected = "a product, because verify_chain_of_trust is true";
        let problem = ConfigProblem::new(Rule::Contradiction, "cot_product", expected, "none");
        let at = around.spots.find("cot_product").or_else(|| around.spots.find("verify_chain_of_trust"));
        problems.push(problem.at(at));
    }
    let [work_dir, artifact_dir, task_log_dir, log_dir] = dirs?;
    Some(Config {
        file: around.file.to_path_buf(),
        generation: around.generation,
        root_url: root_url?,
        task_queue_id: task_queue_id?,
        worker_group: worker_group?,
        worker_id: worker_id?,
        log_format: log_format?,
        log_max_bytes: raw.log_max_bytes,
        log_max_backups: raw.log_max_backups,
        verbose: raw.verbose,
        watch_log_file: raw.watch_log_file,
        poll_interval: Duration::from_secs(raw.poll_interval),
        reclaim_interval: Duration::from_secs(raw.reclaim_interval),
        task_max_timeout: Duration::from_secs(raw.task_max_timeout),
        task_max_timeout_status: TaskStatus::from_number(raw.task_max_timeout_status)?,
        reversed_statuses: reversed_statuses?,
        task_script: raw.task_script.clone(),
        work_dir,
        artifact_dir,
        task_log_dir,
        log_dir,
        artifact_upload_timeout: Duration::from_secs(raw.artifact_upload_timeout),
        artifact_expiration_hours: raw.artifact_expiration_hours,
        sign_chain_of_trust: raw.sign_chain_of_trust,
        attestation: attestation?,
        verify_chain_of_trust: raw.verify_chain_of_trust,
        verification,
        keyrings: keyrings?,
        policy: policy?,
        shutdown_timeout: Duration::from_secs(raw.shutdown_timeout),
        kill_grace: Duration::from_secs(raw.kill_grace),
        kill_first_signal: if raw.kill_first_signal == "INT" { FirstSignal::Int } else { FirstSignal::Term },
        drain_timeout: Duration::from_secs(raw.drain_timeout),
        max_log_size: Some(raw.max_log_size).filter(|size| *size > 0),
        artifact_storage: if raw.artifact_storage == "object" {
            ArtifactStorage::Object
        } else {
            ArtifactStorage::S3
        },
        max_concurrent_uploads: raw.max_concurrent_uploads,
        live_log_link: raw.live_log_link,
        scrub_environment: raw.scrub_environment,
        trial: None,
    })
}

fn root_url(text: &str, problems: &mut Vec<ConfigProblem>) -> Option<Url> {
    let usable = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    let Some(mut url) = Url::parse(text).ok().filter(usable) else {
        let expected = "an http or https URL without query, fragment and user";
        problems.push(ConfigProblem::new(Rule::OutOfRange, "taskcluster_root_url", expected, shorten(text)));
        return None;
    };
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Some(url)
}

fn identifier<T, E>(
    key: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    problems: &mut Vec<ConfigProblem>,
) -> Option<T> {
    let parsed = parse(text).ok();
    if parsed.is_none() {
        let expected = "1 to 38 letters, digits, - or _";
        problems.push(ConfigProblem::new(Rule::BadIdentifier, key, expected, shorten(text)));
    }
    parsed
}

fn task_queue_id(
    raw: &Raw,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<TaskQueueId> {
    // Both halves have the pattern of a worker group (config.md 3).
    let provisioner = identifier("provisioner_id", &raw.provisioner_id, WorkerGroup::parse, problems);
    let worker_type = identifier("worker_type", &raw.worker_type, WorkerGroup::parse, problems);
    if worker_type.is_some() && !queue_accepts_worker_type(&raw.worker_type) {
        let expected =
            "small letters, digits and -, a letter first and no - last: queues of today refuse others";
        let found = shorten(&raw.worker_type);
        warnings.push(ConfigProblem::new(Rule::BadIdentifier, "worker_type", expected, found));
    }
    TaskQueueId::from_parts(provisioner?.as_str(), worker_type?.as_str()).ok()
}

/// `^[a-z]([-a-z0-9]{0,36}[a-z0-9])?$` (config.md 3).
fn queue_accepts_worker_type(text: &str) -> bool {
    text.len() <= 38
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn log_format(raw: &Raw, problems: &mut Vec<ConfigProblem>) -> Option<LineFormat> {
    let mut refuse = |key: &str, text: &str, error: LineFormatError| {
        let found = format!("{}: {error}", shorten(text));
        problems.push(ConfigProblem::new(Rule::OutOfRange, key, "a format this worker knows", found));
    };
    // one by one: each may be wrong
    if let Err(error) = LineFormat::parse("", &raw.log_datefmt) {
        refuse("log_datefmt", &raw.log_datefmt, error);
    }
    if let Err(error) = LineFormat::parse(&raw.log_fmt, "") {
        refuse("log_fmt", &raw.log_fmt, error);
    }
    let format = LineFormat::parse(&raw.log_fmt, &raw.log_datefmt).ok()?;
    Some(if raw.log_format == "json" { LineFormat::json() } else { format })
}

fn reversed_statuses(
    table: &HashMap<String, String>,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<ExitCodes> {
    let before = problems.len();
    let mut codes = BTreeMap::new();
    let sorted: BTreeMap<&String, &String> = table.iter().collect();
    for (key, name) in sorted {
        let place = format!("reversed_statuses.{key}");
        let Some(reason) = ExceptionReason::from_name(name) else {
            let expected = "worker-shutdown, malformed-payload, resource-unavailable, internal-error or \
                            intermittent-task";
            problems.push(ConfigProblem::new(Rule::OutOfRange, place, expected, shorten(name)));
            continue;
        };
        // keys that are no numbers, or the same number twice, were refused by the type check
        let Ok(code) = key.parse::<i64>() else { continue };
        if !(0..=255).contains(&code) {
            let expected = "an exit code from 0 to 255: there are no others";
            warnings.push(ConfigProblem::new(Rule::NoEffect, place.as_str(), expected, key.as_str()));
        }
        codes.insert(code, reason);
    }
    (problems.len() == before).then(|| ExitCodes::new(codes))
}

fn check_script(script: &[String], problems: &mut Vec<ConfigProblem>) {
    if script.first().is_none_or(String::is_empty) {
        let found = if script.is_empty() { "an empty list" } else { "an empty name" };
        problems.push(ConfigProblem::new(
            Rule::OutOfRange,
            "task_script",
            "a program and its arguments",
            found,
        ));
    }
    for (index, word) in script.iter().enumerate().filter(|(_, word)| word.contains('\0')) {
        let place = format!("task_script[{index}]");
        problems.push(ConfigProblem::new(
            Rule::OutOfRange,
            place,
            "a text without zero bytes",
            shorten(word),
        ));
    }
}

/// The four directories, absolute, once their relations are found harmless.
fn directories(
    raw: &Raw,
    around: &Around<'_>,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<[PathBuf; 4]> {
    let absolute = |path: &Option<String>| path.as_ref().map(|path| around.env.cwd.join(path));
    let [work, artifact, task_log, log] =
        [&raw.work_dir, &raw.artifact_dir, &raw.task_log_dir, &raw.log_dir].map(absolute);
    let place = |name: &str, path: &Option<PathBuf>| path.as_ref().map(|path| Place::new(name, path));
    let dirs = Directories {
        work: place("work_dir", &work),
        artifact: place("artifact_dir", &artifact),
        task_log: place("task_log_dir", &task_log),
        log: place("log_dir", &log),
    };
    let mut precious = around.precious.clone();
    precious.push(Place::new("the configuration file", around.file));
    precious.push(Place::new("the current directory", &around.env.cwd));
    precious.extend(around.env.home.as_ref().map(|home| Place::new("the home directory", home)));
    let before = problems.len();
    directories::check(&dirs, &precious, problems, warnings);
    if problems.len() > before { None } else { Some([work?, artifact?, task_log?, log?]) }
}
