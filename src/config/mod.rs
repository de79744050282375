//! The configuration: one YAML or JSON file with the keys of both generations of the worker.
//!
//! [`load`] reads it, checks it against [`KEYS`] and gives a typed, immutable [`Config`] or **all** findings at
//! once. Precedence: built-in values, then the defaults that the environment gives, then the file; a key in the
//! file replaces the whole default (config.md 1; design.md 9). The module reads files and otherwise only what
//! [`Environment`] holds; it writes nothing and starts nothing.
//!
//! | file | what it does |
//! |---|---|
//! | `keys` | the one table of every key |
//! | `parse` | from the text to the tree: YAML and JSON |
//! | `tree` | the file as a tree with positions and exact types, duplicates found |
//! | `spots` | from key paths to lines |
//! | `check` | names and types against the table |
//! | `products` | what `cot_product` asks of the other keys |
//! | `credentials` | the four sources of the worker's own credentials |
//! | `load` | the whole way, and the merge |
//! | `inspection` | what verbs that only look take out of it |
//! | `build`, `directories` | rules beyond types; which directory may lie in which |
//! | `attestation` | the keys about what is attested, and with which keys |
//! | `keyrings` | the keys about keyrings and the key repository |
//! | `policy` | the keys about the policy, and the tables that replace some of its own |
//! | `verification` | the keys about verifying chains of trust |
//! | `typed` | the result |
//! | `settings` | the effective values with their origin, for showing |
//! | `script_config` | what the script's own configuration must have in common with the worker's |
//! | `problem` | findings as facts |

mod attestation;
mod build;
mod check;
mod credentials;
mod directories;
mod environment;
mod inspection;
mod keyrings;
mod keys;
mod load;
mod parse;
mod policy;
mod problem;
mod products;
mod script_config;
mod settings;
mod spots;
mod tree;
mod typed;
mod verification;

pub use attestation::{AttestationConfig, OpenPgpKeyFiles, SignatureScheme, SigningKeyFiles};
pub use credentials::CredentialsConfig;
pub(crate) use directories::resolve as real_place;
pub use environment::{Environment, VARIABLES};
pub(crate) use keyrings::usable_url;
pub use keyrings::{KeyRepositoryConfig, KeyringLayout, KeyringModel, KeyringsConfig};
pub use keys::{BuiltIn, Generation, KEYS, KeySpec, Kind, RENAMED, State, find as find_key, is_secret};
pub use load::{DEFAULT_FILE, Inspection, Loaded, inspect, load, load_without_credentials};
pub use policy::PolicyConfig;
pub use problem::{ConfigErrors, ConfigProblem, Rule};
pub use products::PRODUCTS;
pub use script_config::compare as compare_script_config;
pub use settings::Setting;
pub use typed::{ArtifactStorage, Config, FirstSignal, Trial, TrialFile};
pub use verification::{BundlePlace, CLASSIC_HOPS, VerificationConfig};
