//! Every configuration key of both generations, in one table (config.md 5).
//!
//! The table is what the loader checks against, what unknown names are compared with, and what the documentation
//! can be made from. It says nothing about how values are used: that is in `typed.rs`.

use BuiltIn::{ByGeneration, ClassicText, Cwd, Json, MustBeGiven, Null, Policy};
use Generation::{Both, Classic, Current, Own};
use Kind::{Any, ByProduct, Credentials, Int, IntMap, List, Map, OneOf, Path, Str, StrList, StrOrList};
use State::{Acts, Gone};
use std::fmt;

/// The type that a value must have exactly: nothing is converted (config.md 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything: the generation that knew the key never checked it.
    Any,
    /// Text.
    Str,
    /// Text that names a file or directory; relative ones start at the current directory.
    Path,
    /// One of a few words.
    OneOf(&'static [&'static str]),
    /// A whole number within a range (both ends included).
    Int(i64, i64),
    /// `true` or `false`.
    Bool,
    /// A list of texts.
    StrList,
    /// A text, or a list of texts.
    StrOrList,
    /// A list of maps.
    List,
    /// A map with text keys.
    Map,
    /// A map from whole numbers to texts; the numbers may be written as texts, because JSON knows no others.
    IntMap,
    /// The credentials map (config.md 2).
    Credentials,
    /// Either a value of the inner kind, or a map with the one key `by-cot-product` that holds one such value per
    /// product (config.md 4), or null.
    ByProduct(&'static Kind),
}

/// In the words of messages and of the reference.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Any => f.write_str("any value"),
            Str => f.write_str("a text"),
            Path => f.write_str("a path"),
            OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Int(0, i64::MAX) => f.write_str("a whole number from 0 on"),
            Int(least, most) => write!(f, "a whole number from {least} to {most}"),
            Kind::Bool => f.write_str("true or false"),
            StrList => f.write_str("a list of texts"),
            StrOrList => f.write_str("a text or a list of texts"),
            List => f.write_str("a list of maps"),
            Map => f.write_str("a map with texts as keys"),
            IntMap => f.write_str("a map from whole numbers to texts"),
            Credentials => f.write_str("a map with clientId and accessToken"),
            ByProduct(inner) => write!(f, "{inner}, or by-cot-product with one for each product"),
        }
    }
}

/// What holds when the file does not have the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    /// Nothing: the file (for `credentials` one of the other sources) must give it.
    MustBeGiven,
    /// Null; the file may say null, too.
    Null,
    /// This text.
    Text(&'static str),
    /// This number.
    Number(i64),
    /// This flag.
    Flag(bool),
    /// This value, written as JSON.
    Json(&'static str),
    /// A file of this name in the current directory.
    Cwd(&'static str),
    /// The tables of the product policies, which are data of their own.
    Policy,
    /// One number for each scheme: classic, current.
    ByGeneration(i64, i64),
    /// This text under the classic scheme, null under the current one.
    ClassicText(&'static str),
}

/// Which generation of the worker knows the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Only the OpenPGP one (4.1.1).
    Classic,
    /// Only the ed25519 one (63.6.1).
    Current,
    /// Both.
    Both,
    /// Neither: a key of this worker.
    Own,
}

/// What this version does with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has its effect.
    Acts,
    /// It is accepted so that old files load, and has no effect any more, for this reason. Loading warns.
    Gone(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// Its name in the file.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// The value without the key.
    pub default: BuiltIn,
    /// Which generation knows it.
    pub generation: Generation,
    /// What this version does with it.
    pub state: State,
    /// What it means, in one line.
    pub meaning: &'static str,
}

impl KeySpec {
    /// Whether the file (or another source) has to give it.
    pub fn must_be_given(&self) -> bool {
        self.default == MustBeGiven
    }

    /// Whether it means something in a file of that generation, under its name of today.
    pub(super) fn belongs_to(&self, generation: Generation) -> bool {
        matches!(self.generation, Both | Own)
            || self.generation == generation
            || RENAMED.iter().any(|(_, new)| *new == self.name)
    }

    /// Whether null is a value of it.
    pub fn may_be_null(&self) -> bool {
        matches!(self.default, Null | ClassicText(_)) || matches!(self.kind, ByProduct(_))
    }
}

/// Old names of keys and what they are called now (config.md 9, C2).
pub const RENAMED: &[(&str, &str)] = &[
    ("log_num_backups", "log_max_backups"),
    ("valid_vcs_rules", "trusted_vcs_rules"),
    ("valid_decision_worker_types", "valid_decision_worker_pools"),
    ("valid_docker_image_worker_types", "valid_docker_image_worker_pools"),
];

/// A count of seconds up to a year; the first number is the least that makes sense.
const fn seconds(least: i64) -> Kind {
    Int(least, 365 * 24 * 3600)
}

const fn text(value: &'static str) -> BuiltIn {
    BuiltIn::Text(value)
}

const fn number(value: i64) -> BuiltIn {
    BuiltIn::Number(value)
}

const fn flag(value: bool) -> BuiltIn {
    BuiltIn::Flag(value)
}

const BOOL: Kind = Kind::Bool;
const COUNT: Kind = Int(0, i64::MAX);
const GPG: State = Gone("OpenPGP is part of the worker, no gpg program is called");
const NO_HOME: State = Gone("keys are read from the files that the other keys name");
const UNUSED: State = Gone("no worker of any generation read it any more");
const INFORMATIONAL: State = Gone("it has always been informational");

const ED25519_KEYS: &str = r#"{
    "docker-worker": ["kni6ts7z/MRkvs7i6+SF/T6UWj0hAJoHEcrgHB8BBR0=", "Kz/aZIVeR6NP8gQU1U+2CCIZqvbd+4QCP6J63lflwik="],
    "generic-worker": ["Kz/aZIVeR6NP8gQU1U+2CCIZqvbd+4QCP6J63lflwik="],
    "scriptworker": ["KO3FX9JnNga/XViTRBiUMHYnji9Fu3s332sU2lXjSwE=", "jFmyvf3lQiiX0qIFxal5KgIIq6VpUBTQfAtD6hEi8Ms="]
}"#;
const GPG_HOMEDIRS: &str = r#"{
    "docker-worker": {"type": "flat", "ignore_suffixes": [".md"]},
    "generic-worker": {"type": "flat", "ignore_suffixes": [".md", ".in", ".sh"]},
    "scriptworker": {"type": "signed", "ignore_suffixes": [".md"]}
}"#;

macro_rules! keys {
    ($($name:ident: $kind:expr, $default:expr, $generation:expr, $state:expr, $meaning:literal;)*) => {
        /// Every key, in the order of config.md 5; the worker's own keys last.
        pub const KEYS: &[KeySpec] = &[$(KeySpec {
            name: stringify!($name),
            kind: $kind,
            default: $default,
            generation: $generation,
            state: $state,
            meaning: $meaning,
        }),*];
    };
}

keys! {
    // identity, credentials, logging (5.1)
    taskcluster_root_url: Str, text("https://firefox-ci-tc.services.mozilla.com/"), Current, Acts, "root URL of the Taskcluster deployment; the default can come from the environment";
    provisioner_id: Str, text("test-dummy-provisioner"), Both, Acts, "first half of the task queue id";
    worker_group: Str, text("test-dummy-workers"), Both, Acts, "group part of the worker's identity";
    worker_type: Str, text("dummy-worker-myname"), Both, Acts, "second half of the task queue id";
    worker_id: Str, text("dummy-worker-myname1"), Both, Acts, "id part of the worker's identity; the default can come from the environment";
    credentials: Credentials, MustBeGiven, Both, Acts, "clientId, accessToken and, for temporary ones, certificate; can come from elsewhere";
    log_datefmt: Str, text("%Y-%m-%dT%H:%M:%S"), Both, Acts, "strftime format of the dates in worker.log";
    log_fmt: Str, text("%(asctime)s %(levelname)8s - %(message)s"), Both, Acts, "Python %-format of the lines in worker.log";
    log_max_bytes: COUNT, ByGeneration(536_870_912, 0), Both, Acts, "size at which worker.log is rotated; 0 for never";
    log_num_backups: Int(0, 1000), number(10), Classic, Acts, "old name of log_max_backups";
    log_max_backups: Int(0, 1000), number(10), Current, Acts, "how many rotated files are kept; 0 for no rotation";
    watch_log_file: BOOL, flag(false), Current, Acts, "reopen worker.log when somebody else moved it; switches the own rotation off";
    log_format: OneOf(&["text", "json"]), text("text"), Own, Acts, "lines of worker.log: by log_fmt, or one JSON object each";
    verbose: BOOL, flag(true), Both, Acts, "log at level DEBUG, and to stderr, too";

    // timing and task behaviour (5.2)
    artifact_expiration_hours: Int(1, 24 * 365 * 100), Null, Classic, Acts, "artifacts expire after so many hours, never later than the task; null: with the task";
    task_max_timeout: seconds(1), number(1200), Both, Acts, "how long a script may run, in seconds";
    task_max_timeout_status: Int(1, 7), number(1), Current, Acts, "status of a run whose script ran too long";
    invalid_reclaim_status: Int(0, 7), number(7), Current, Gone("a lost claim is never reported: the queue has closed the run"), "status after a refused reclaim";
    reversed_statuses: IntMap, Json(r#"{"245": "intermittent-task", "241": "intermittent-task"}"#), Current, Acts, "exit codes of the script that are reported as an exception with this reason";
    reclaim_interval: seconds(1), number(300), Both, Acts, "longest time between two renewals of a claim, in seconds";
    poll_interval: seconds(0), number(10), Both, Acts, "pause after a claim request that brought no task, in seconds";
    sign_key_timeout: seconds(0), number(120), Both, UNUSED, "limit for one key signing";
    task_script: StrList, Json(r#"["bash", "-c", "echo foo && sleep 19 && exit 1"]"#), Both, Acts, "the script: program and arguments, no shell";
    artifact_upload_timeout: seconds(1), number(1200), Both, Acts, "how long the upload of one artifact may take, in seconds";
    aiohttp_max_connections: Int(1, 10_000), number(15), Classic, Gone("uploads are limited by max_concurrent_uploads"), "size of the connection pool";
    max_concurrent_downloads: Int(1, 1000), number(5), Current, Acts, "how many questions and downloads of a verification are under way at once";

    // directories (5.3)
    work_dir: Path, MustBeGiven, Both, Acts, "where the script works; wiped around every task";
    artifact_dir: Path, MustBeGiven, Both, Acts, "what will be uploaded; wiped around every task";
    task_log_dir: Path, MustBeGiven, Both, Acts, "where the task's logs are written; wiped around every task, normally artifact_dir/public/logs";
    log_dir: Path, MustBeGiven, Both, Acts, "the worker's own logs; kept";

    // chain of trust (5.4)
    sign_chain_of_trust: BOOL, flag(true), Both, Acts, "sign what the task made; false: it is attested without a signature";
    verify_chain_of_trust: BOOL, flag(false), Both, Acts, "verify where the task comes from before its script runs";
    verify_cot_signature: BOOL, flag(false), Both, Acts, "check the signatures of upstream attestations while verifying";
    cot_job_type: Str, text("unknown"), Both, Acts, "task type of the worker's own tasks";
    cot_product: Str, ClassicText("firefox"), Both, Acts, "the product whose rules apply";
    chain_of_trust_hash_algorithm: OneOf(&["sha256", "sha512"]), text("sha256"), Both, Acts, "hash of the artifacts in an attestation";
    cot_schema_path: Path, Null, Both, Acts, "JSON schema of an attestation; null: the one that is built in";
    valid_hash_algorithms: StrList, Json(r#"["sha256", "sha512"]"#), Both, Acts, "hashes that are accepted in upstream attestations";
    valid_artifact_rules: List, Policy, Both, Gone("the worker makes the addresses of upstream artifacts by itself; scripts have this key in their own configuration"), "which URLs of upstream artifacts are accepted";
    scriptworker_provisioners: StrList, Json(r#"["scriptworker-prov-v1", "scriptworker-k8s"]"#), Both, Acts, "provisioners whose tasks are scriptworker tasks";
    cot_restricted_scopes: ByProduct(&Map), Policy, Both, Acts, "scopes that only some trees may use";
    cot_restricted_trees: ByProduct(&Map), Policy, Both, Acts, "restriction levels and the trees that they allow";

    // chain of trust, classic (5.5)
    docker_image_allowlists: Map, Policy, Classic, Acts, "allowed image hashes per task type";
    scriptworker_worker_types: StrList, Policy, Classic, Acts, "worker types that are scriptworkers";
    valid_decision_worker_types: StrList, Policy, Classic, Acts, "old name of valid_decision_worker_pools; an entry without / is a worker type of any provisioner";
    valid_docker_image_worker_types: StrList, Policy, Classic, Acts, "old name of valid_docker_image_worker_pools; an entry without / is a worker type of any provisioner";
    valid_vcs_rules: List, Policy, Classic, Acts, "old name of trusted_vcs_rules";

    // OpenPGP and the key repository, classic (5.6)
    gpg_home: Path, Null, Classic, NO_HOME, "own keyring directory";
    gpg_options: Any, Null, Classic, GPG, "more options for gpg";
    gpg_path: Path, Null, Classic, GPG, "the gpg program";
    gpg_public_keyring: Str, text("%(gpg_home)s/pubring.gpg"), Classic, GPG, "file of the public keyring";
    gpg_secret_keyring: Str, text("%(gpg_home)s/secring.gpg"), Classic, GPG, "file of the secret keyring";
    gpg_use_agent: BOOL, flag(false), Classic, GPG, "use the agent";
    gpg_encoding: Str, text("utf-8"), Classic, GPG, "text encoding of gpg";
    base_gpg_home_dir: Path, Null, Classic, Acts, "parent of the keyrings per worker implementation";
    gpg_lockfile: Path, Cwd("gpg_homedir.lock"), Classic, Acts, "lock between whoever rebuilds keyrings and the worker";
    git_key_repo_dir: Path, Null, Classic, Acts, "clone of the key repository; made when it is missing";
    git_key_repo_url: Str, text("https://github.com/mozilla-releng/cot-gpg-keys.git"), Classic, Acts, "where the key repository comes from (https, ssh or file); without it in the file, the origin of the clone in git_key_repo_dir goes first";
    git_commit_signing_pubkey_dir: Path, Null, Classic, Acts, "public keys that may sign the key repository";
    last_good_git_revision_file: Path, Cwd("git_revision"), Classic, Acts, "revision that the keyrings were built from";
    pubkey_path: Path, Null, Classic, Acts, "this worker's OpenPGP public key; has to be the other half of privkey_path";
    privkey_path: Path, Null, Classic, Acts, "this worker's OpenPGP secret key; a file that nobody else can read";
    my_email: Str, text("scriptworker@example.com"), Classic, INFORMATIONAL, "address of whoever runs the worker";
    gpg_homedirs: Map, Json(GPG_HOMEDIRS), Classic, Acts, "layout of the key repository: by worker implementation its type (flat or signed) and ignore_suffixes";

    // current only (5.7)
    cot_version: Int(0, 1000), number(3), Current, UNUSED, "version of the attestation";
    min_cot_version: Int(0, 1000), number(2), Current, UNUSED, "oldest accepted version of an attestation";
    max_chain_length: Int(1, 10_000), number(20), Current, Acts, "how deep a chain may be";
    github_oauth_token: Str, text(""), Current, Acts, "token for the GitHub API";
    github_app_name: Str, text("read"), Current, Acts, "which app gives GitHub tokens";
    ed25519_private_key_path: Path, Null, Current, Acts, "file with the seed that attestations are signed with, in base64; nobody else can read it";
    ed25519_public_keys: Map, Json(ED25519_KEYS), Current, Acts, "accepted signing keys per worker implementation";
    project_configuration_url: Str, text("https://raw.githubusercontent.com/mozilla-releng/fxci-config/main/projects.yml"), Current, Acts, "list of projects";
    pushlog_url: Str, text("{repo}/json-pushes?changeset={revision}&version=2&full=1"), Current, Acts, "where pushes are looked up";
    cot_product_type: ByProduct(&StrOrList), Policy, Current, Acts, "hg, github or both";
    valid_decision_worker_pools: ByProduct(&StrList), Policy, Current, Acts, "pools that run decision tasks";
    valid_docker_image_worker_pools: ByProduct(&StrList), Policy, Current, Acts, "pools that build images";
    trusted_vcs_rules: ByProduct(&List), Policy, Current, Acts, "repositories that may have restricted scopes";
    hg_git_mirrors: ByProduct(&Map), Policy, Current, Acts, "Mercurial paths and their mirrors on GitHub";
    valid_tasks_for: ByProduct(&StrList), Policy, Current, Acts, "accepted values of tasks_for";
    official_github_repos_owner: ByProduct(&StrOrList), Policy, Current, Acts, "owners whose repositories are no forks";
    prebuilt_docker_image_task_types: ByProduct(&StrOrList), Policy, Current, Acts, "task types that may use a ready image; any for all";
    source_env_prefix: ByProduct(&Str), Policy, Current, Acts, "prefix of the environment variables that name the source";

    // the worker's own keys
    shutdown_timeout: seconds(2), number(120), Own, Acts, "how long a shutdown may take for upload and report, in seconds; the last 2 are for the report";
    kill_grace: seconds(0), number(1), Own, Acts, "pause between the first signal to the script and SIGKILL, in seconds";
    kill_first_signal: OneOf(&["TERM", "INT"]), text("TERM"), Own, Acts, "the first signal to a script that has to end";
    drain_timeout: seconds(0), number(2), Own, Acts, "how long output is awaited after the script has ended, in seconds";
    max_log_size: COUNT, number(0), Own, Acts, "how much of a script's output its log keeps, in bytes: the beginning, and 1 MiB (of less than 2 MiB the half) of the end; 0 for all of it";
    artifact_storage: OneOf(&["s3", "object"]), text("s3"), Own, Acts, "storage type of uploaded artifacts";
    max_concurrent_uploads: Int(1, 1000), number(10), Own, Acts, "how many artifacts are uploaded at once";
    live_log_link: BOOL, flag(true), Own, Acts, "make public/logs/live.log a link to live_backing.log";
    cot_bundle: OneOf(&["off", "local", "artifact"]), text("off"), Own, Acts, "keep what each verdict rests on: below cot_bundles in log_dir, where nobody removes it, or as public/logs/chain_of_trust.bundle";
    source_mirrors: Map, Json("{}"), Own, Acts, "addresses of source hosts, and where they are read from instead: what comes from there counts as if it came from the host";
    cot_signature_scheme: OneOf(&["ed25519", "openpgp", "both"]), Null, Own, Acts, "how runs are attested: chain-of-trust.json with an ed25519 signature, chainOfTrust.json.asc with an OpenPGP one, or both; null: by the generation of the file";
    privkey_passphrase_path: Path, Null, Own, Acts, "file whose first line unlocks privkey_path; nobody else can read it";
    policy_path: Path, Null, Own, Acts, "file with the policy that chains of trust are judged by, read at start and on SIGHUP; null: the one that is built in";
    policy_public_keys: StrList, Json("[]"), Own, Acts, "ed25519 public keys in base64: one of them has to have signed the file in policy_path, the signature (64 bytes) is in the file of that name with .sig behind it; none: it needs no signature";
    shared_ed25519_public_keys: StrList, Policy, Own, Acts, "keys that stand in more than one list of ed25519_public_keys on purpose";
    keyring_update_interval: seconds(1), number(3600), Own, Acts, "pause between two looks at the key repository, in seconds";
    scrub_environment: BOOL, flag(true), Own, Acts, "keep the worker's own credentials out of the script's environment";
}

/// The row of a key.
pub fn find(name: &str) -> Option<&'static KeySpec> {
    KEYS.iter().find(|spec| spec.name == name)
}

/// Whether a value of this key must not be shown.
pub fn is_secret(name: &str) -> bool {
    matches!(name, "credentials" | "github_oauth_token")
}
