//! From the configuration to a policy that may be used.

use super::record::RecordError;
use crate::config::PolicyConfig;
use crate::key_files::{self, KeyFileError};
use scriptworker_core::cot::keys::Form;
use scriptworker_core::cot::policy::{
    CLASSIC, CURRENT, Lint, LintLevel, Policy, PolicyError, PolicyId, PolicyProblem, PolicySuccession,
    Product,
};
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::ed25519::{PrivateKey, PublicKey};
use scriptworker_core::time::UnixMillis;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a policy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the program.
    BuiltIn,
    /// It was read from this file.
    File(PathBuf),
}

/// A policy that may be used: of whom it has to be, with the configuration's tables, for a product that it knows, and
/// without errors.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    /// The name of the product whose tables count.
    pub product_name: String,
    /// The tables of that product.
    pub product: Product,
    /// Where it comes from.
    pub origin: Origin,
    /// Warnings and notes about it.
    pub lints: Vec<Lint>,
}

/// A policy as a configuration makes it, whether it may be used or not.
#[derive(Debug)]
pub struct Effective {
    /// The policy.
    pub policy: Policy,
    /// Where it comes from.
    pub origin: Origin,
    /// Warnings and notes about it.
    pub lints: Vec<Lint>,
    /// Why it must not be used; none when it may.
    pub faults: Vec<PolicyFault>,
}

impl LoadedPolicy {
    /// Whether any worker implementation's attestations may be clear-signed, so that keyrings matter.
    pub fn takes_openpgp(&self) -> bool {
        takes_openpgp(&self.policy)
    }
}

/// Whether any worker implementation's attestations may be clear-signed by a policy.
pub fn takes_openpgp(policy: &Policy) -> bool {
    let accepted = policy.attestations.values().flatten();
    accepted.into_iter().any(|accepted| accepted.form == Form::OpenPgp)
}

/// One reason why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFault {
    /// The document cannot be read.
    #[error("policy_path: {0}")]
    File(#[source] KeyFileError),
    /// The signature cannot be read.
    #[error("policy_public_keys: the signature of the policy: {0}")]
    SignatureFile(#[source] KeyFileError),
    /// It is no policy, or nobody who counts has signed it.
    #[error("{origin}: {source}")]
    Policy {
        /// Which.
        origin: Origin,
        /// What is wrong.
        source: PolicyError,
    },
    /// A mistake in the document.
    #[error("{origin}: {problem}")]
    Document {
        /// Which.
        origin: Origin,
        /// The mistake.
        problem: PolicyProblem,
    },
    /// It is for the rules of the other generation.
    #[error("{origin}: rules: expected {}, the generation of the configuration, found {}", name(*expected), name(*found))]
    Rules {
        /// Which.
        origin: Origin,
        /// The configuration's generation.
        expected: RuleSet,
        /// The document's.
        found: RuleSet,
    },
    /// It must not be used any more.
    #[error("{origin}: the policy expired at {last}")]
    Expired {
        /// Which.
        origin: Origin,
        /// The last moment at which it was good.
        last: UnixMillis,
    },
    /// A table of the configuration does not fit.
    #[error("the configuration's policy tables: {0}")]
    Table(PolicyProblem),
    /// Something that cannot be meant.
    #[error("{origin}: {}: {}", lint.path, lint.text)]
    Lint {
        /// Which policy.
        origin: Origin,
        /// The finding; an error.
        lint: Lint,
    },
    /// No product is named.
    #[error("cot_product: expected a product of the policy, found none")]
    NoProduct,
    /// The policy does not know the product.
    #[error("cot_product: expected one of the policy's products ({}), found {found:?}", known.join(", "))]
    Product {
        /// Those of the policy.
        known: Vec<String>,
        /// The one that is asked for.
        found: String,
    },
    /// The policy does not know the worker's own task type.
    #[error("cot_job_type: expected a task type of {policy} ({}), found {found:?}", known.join(", "))]
    TaskType {
        /// Which policy.
        policy: Box<PolicyId>,
        /// Those that it knows.
        known: Vec<String>,
        /// The configuration's.
        found: String,
    },
    /// Another policy was in use before that it must not follow.
    #[error("{origin}: {source}; {} tells what was in use before", record.display())]
    Succession {
        /// Which.
        origin: Origin,
        /// Why not.
        source: PolicySuccession,
        /// The file that remembers.
        record: PathBuf,
    },
    /// What was in use before cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Everything that is wrong, a line each.
#[derive(Debug, thiserror::Error)]
pub struct PolicyLoadError(
    /// Never empty.
    pub Vec<PolicyFault>,
);

impl fmt::Display for PolicyLoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("the built-in policy"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The file with the detached signature of a policy: its name with `.sig` behind it.
pub fn signature_path(document: &Path) -> PathBuf {
    let mut name = OsString::from(document);
    name.push(".sig");
    name.into()
}

/// Reads a policy file. If there are keys, one of them has to have signed it, and nothing of it is looked at before.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_policy(path: &Path, keys: &[PublicKey]) -> Result<Policy, Vec<PolicyFault>> {
    let origin = || Origin::File(path.to_path_buf());
    let document = key_files::read_public(path).map_err(|error| vec![PolicyFault::File(error)])?;
    if keys.is_empty() {
        return Policy::parse(&document).map_err(|error| faults(&origin(), error));
    }
    let signature = key_files::read_public(&signature_path(path))
        .map_err(|error| vec![PolicyFault::SignatureFile(error)])?;
    Policy::parse_signed(&document, &signature, keys).map_err(|error| faults(&origin(), error))
}

/// The policy of a configuration. `product` is the one whose tables count, else the configuration's; `own` is this
/// worker's private key, which stands in no list (cot-attacks.md row 17); `now` is this machine's time.
///
/// # Errors
/// Everything that is wrong, as far as the document can be read.
pub fn load(
    config: &PolicyConfig,
    product: Option<&str>,
    own: Option<&PrivateKey>,
    now: UnixMillis,
) -> Result<LoadedPolicy, PolicyLoadError> {
    let Effective { policy, origin, lints, mut faults } =
        effective(config, product, own, now).map_err(PolicyLoadError)?;
    let selected = match product.or(config.product.as_deref()) {
        None => Err(PolicyFault::NoProduct),
        Some(name) => match policy.product(name) {
            Some(product) => Ok((name.to_owned(), product.clone())),
            None => {
                let known = policy.products.keys().cloned().collect();
                Err(PolicyFault::Product { known, found: name.to_owned() })
            }
        },
    };
    match selected {
        Ok((product_name, product)) if faults.is_empty() => {
            Ok(LoadedPolicy { policy, product_name, product, origin, lints })
        }
        Ok(_) => Err(PolicyLoadError(faults)),
        Err(fault) => {
            faults.push(fault);
            Err(PolicyLoadError(faults))
        }
    }
}

/// The policy of a configuration with all its products, and what speaks against its use. `product` is the one that
/// values of the configuration without a product are for, unless the configuration names one itself; the rest is as for
/// [`load`].
///
/// # Errors
/// Everything that is wrong, when there is no policy to look at.
pub fn effective(
    config: &PolicyConfig,
    product: Option<&str>,
    own: Option<&PrivateKey>,
    now: UnixMillis,
) -> Result<Effective, Vec<PolicyFault>> {
    let (origin, read) = match &config.path {
        Some(path) => (Origin::File(path.clone()), read_policy(path, &config.public_keys)),
        None => (Origin::BuiltIn, built_in(config.rules)),
    };
    let base = read?;
    let mut faults = Vec::new();
    if base.rules != config.rules {
        let (expected, found) = (config.rules, base.rules);
        faults.push(PolicyFault::Rules { origin: origin.clone(), expected, found });
    }
    if let Some(last) = base.expires.filter(|_| base.is_expired(now)) {
        faults.push(PolicyFault::Expired { origin: origin.clone(), last });
    }
    // a value without a product is for the configuration's, whichever is asked for
    let own_product = config.product.as_deref().or(product);
    let policy = match config.tables.is_empty() {
        true => base,
        false => match base.overridden(&config.tables, own_product) {
            Ok(policy) => policy,
            Err(mistakes) => {
                faults.extend(mistakes.into_iter().map(PolicyFault::Table));
                return Err(faults);
            }
        },
    };
    let (errors, lints): (Vec<_>, Vec<_>) =
        policy.lint(own).into_iter().partition(|lint| lint.level == LintLevel::Error);
    faults.extend(errors.into_iter().map(|lint| PolicyFault::Lint { origin: origin.clone(), lint }));
    Ok(Effective { policy, origin, lints, faults })
}

fn built_in(rules: RuleSet) -> Result<Policy, Vec<PolicyFault>> {
    let text = match rules {
        RuleSet::Classic => CLASSIC,
        RuleSet::Current => CURRENT,
    };
    Policy::parse(text.as_bytes()).map_err(|error| faults(&Origin::BuiltIn, error))
}

/// Every mistake of a document by itself.
fn faults(origin: &Origin, error: PolicyError) -> Vec<PolicyFault> {
    match error {
        PolicyError::Document(problems) => {
            let each = problems.into_iter();
            each.map(|problem| PolicyFault::Document { origin: origin.clone(), problem }).collect()
        }
        source @ (PolicyError::Yaml(_) | PolicyError::SignatureFormat(_) | PolicyError::Unsigned { .. }) => {
            vec![PolicyFault::Policy { origin: origin.clone(), source }]
        }
    }
}

fn name(rules: RuleSet) -> &'static str {
    match rules {
        RuleSet::Classic => "classic",
        RuleSet::Current => "current",
    }
}
