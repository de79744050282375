//! The policy of a worker: whole, or not at all.

use super::load::{LoadedPolicy, PolicyFault, PolicyLoadError, load};
use super::record::Record;
use crate::config::{Config, PolicyConfig};
use crate::signing;
use scriptworker_core::cot::policy::{LintLevel, PolicyId};
use scriptworker_core::time::UnixMillis;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The policy in use, read per task: whoever verifies takes it once, so a reload never comes in between.
#[derive(Debug)]
pub struct PolicyStore {
    config: PolicyConfig,
    /// The type of the worker's own tasks; none for a worker that judges nothing.
    task_type: Option<String>,
    /// The file of this worker's ed25519 key, which must not be among the public ones.
    own_key: Option<PathBuf>,
    record: PathBuf,
    current: watch::Sender<Arc<LoadedPolicy>>,
}

/// The policy in use has expired since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id} expired at {last}, and no other was loaded")]
pub struct Unusable {
    /// Which policy.
    pub id: Box<PolicyId>,
    /// The last moment at which it was good.
    pub last: UnixMillis,
}

impl PolicyStore {
    /// Loads the policy of a worker that starts. `now` is this machine's time. Blocks.
    ///
    /// # Errors
    /// Everything that is wrong: the worker must not start then.
    pub fn open(config: &Config, now: UnixMillis) -> Result<Self, PolicyLoadError> {
        let (policy, record) = (config.policy.clone(), config.policy_record());
        let own_key = config.attestation.keys.ed25519.clone();
        let task_type = task_type(config).map(str::to_owned);
        let loaded = take(&policy, task_type.as_deref(), own_key.as_deref(), &record, now)?;
        let current = watch::Sender::new(Arc::new(loaded));
        Ok(Self { config: policy, task_type, own_key, record, current })
    }

    /// The policy in use, unless it has expired meanwhile. Does not block.
    ///
    /// # Errors
    /// When it has: nothing may be judged by it any more.
    pub fn current(&self, now: UnixMillis) -> Result<Arc<LoadedPolicy>, Unusable> {
        let loaded = self.current.borrow().clone();
        match loaded.policy.expires.filter(|_| loaded.policy.is_expired(now)) {
            Some(last) => Err(Unusable { id: Box::new(loaded.policy.id.clone()), last }),
            None => Ok(loaded),
        }
    }

    /// What the policy in use is called, for status and log; even if it has expired.
    pub fn id(&self) -> PolicyId {
        self.current.borrow().policy.id.clone()
    }

    /// Reads the policy anew (SIGHUP) and puts it in use for the tasks to come. What is wrong with it is logged at ERROR,
    /// and the one before stays in use. Blocks.
    ///
    /// # Errors
    /// Everything that is wrong, for whoever asks: nobody has to log it again.
    pub fn reload(&self, now: UnixMillis) -> Result<Arc<LoadedPolicy>, PolicyLoadError> {
        match take(&self.config, self.task_type.as_deref(), self.own_key.as_deref(), &self.record, now) {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                self.current.send_replace(Arc::clone(&loaded));
                Ok(loaded)
            }
            Err(error) => {
                let stays = self.id();
                for fault in &error.0 {
                    tracing::error!("the policy is not taken, {stays} stays in use: {fault}");
                }
                Err(error)
            }
        }
    }
}

/// Whether a worker with this configuration could start with its policy; nothing is written down. Blocks.
///
/// # Errors
/// Everything that is wrong.
pub fn check(config: &Config, now: UnixMillis) -> Result<LoadedPolicy, PolicyLoadError> {
    let own_key = config.attestation.keys.ed25519.as_deref();
    admitted(&config.policy, task_type(config), own_key, &config.policy_record(), now)
        .map(|(loaded, _)| loaded)
}

/// Only a worker that verifies asks for rules for tasks of its own type.
fn task_type(config: &Config) -> Option<&str> {
    config.verify_chain_of_trust.then_some(config.verification.task_type.as_str())
}

/// Loads a policy that may follow the one before, writes down that it did, and tells of it.
fn take(
    config: &PolicyConfig,
    task_type: Option<&str>,
    own_key: Option<&Path>,
    record: &Path,
    now: UnixMillis,
) -> Result<LoadedPolicy, PolicyLoadError> {
    let (loaded, before) = admitted(config, task_type, own_key, record, now)?;
    before.accept(&loaded.policy.id, &loaded.origin).map_err(one)?;
    for lint in &loaded.lints {
        match lint.level {
            LintLevel::Error | LintLevel::Warning => {
                tracing::warn!("{}: {}: {}", loaded.origin, lint.path, lint.text);
            }
            LintLevel::Note => tracing::debug!("{}: {}: {}", loaded.origin, lint.path, lint.text),
        }
    }
    tracing::info!(product = loaded.product_name, origin = %loaded.origin, "{} is in use", loaded.policy.id);
    Ok(loaded)
}

/// A policy that may follow the one before, and what was before.
fn admitted(
    config: &PolicyConfig,
    task_type: Option<&str>,
    own_key: Option<&Path>,
    record: &Path,
    now: UnixMillis,
) -> Result<(LoadedPolicy, Record), PolicyLoadError> {
    // a key that cannot be read is told by whoever signs with it
    let own = own_key.and_then(|path| signing::read_ed25519(path).ok());
    let loaded = load(config, None, own.as_ref(), now)?;
    if let Some(found) = task_type.filter(|found| !loaded.policy.task_types.contains_key(*found)) {
        let known = loaded.policy.task_types.keys().cloned().collect();
        let policy = Box::new(loaded.policy.id.clone());
        return Err(one(PolicyFault::TaskType { policy, known, found: found.to_owned() }));
    }
    let before = Record::read(record).map_err(one)?;
    before.admits(&loaded.policy, &loaded.origin).map_err(one)?.map_err(|source| {
        one(PolicyFault::Succession { origin: loaded.origin.clone(), source, record: record.to_path_buf() })
    })?;
    Ok((loaded, before))
}

fn one(fault: impl Into<PolicyFault>) -> PolicyLoadError {
    PolicyLoadError(vec![fault.into()])
}
