//! The policy of a configuration, and of a worker that goes on with it.

mod sources;
mod succession;

use super::*;
use crate::config::{self, Config, Environment};
use rand::SeedableRng;
use rand::rngs::StdRng;
use scriptworker_core::cot::policy::CURRENT;
use scriptworker_core::ed25519::{PrivateKey, PublicKey};
use scriptworker_core::time::UnixMillis;
use std::path::PathBuf;
use tempfile::TempDir;

/// Long before any test, and in no policy.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

/// A directory with a configuration, a log directory and policies.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        crate::fsio::create_dir_all(&place.path("log")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        crate::fsio::write_atomic(&path, content.as_ref(), 0o644).unwrap();
        path
    }

    /// The configuration of a worker for firefox that verifies, with these lines in its file.
    fn config(&self, more: &str) -> Config {
        let product = if more.contains("cot_product:") { "" } else { "cot_product: firefox\n" };
        self.write(
            "c.yml",
            format!(
                "work_dir: work\nartifact_dir: artifacts\ntask_log_dir: artifacts/public/logs\nlog_dir: log\n\
                 sign_chain_of_trust: false\n{product}{more}"
            ),
        );
        let env = Environment {
            cwd: self.0.path().to_path_buf(),
            home: None,
            system_dir: self.path("etc"),
            vars: Default::default(),
        };
        config::load_without_credentials(Some("c.yml".as_ref()), &env).unwrap_or_else(|e| panic!("{e}")).0
    }

    fn load(&self, more: &str) -> Result<LoadedPolicy, Vec<PolicyFault>> {
        load(&self.config(more).policy, None, None, NOW).map_err(|error| error.0)
    }

    fn open(&self, more: &str) -> Result<PolicyStore, Vec<PolicyFault>> {
        PolicyStore::open(&self.config(more), NOW).map_err(|error| error.0)
    }
}

/// The current policy under another name, with another serial, and something more behind it.
fn policy(name: &str, serial: u64, more: &str) -> String {
    let head = format!("name: {name}\nrules: current\nserial: {serial}\n{more}");
    let text = CURRENT.replacen("name: current\nrules: current\nserial: 1\n", &head, 1);
    assert!(text.contains(&head));
    text
}

fn key(seed: u64) -> PrivateKey {
    PrivateKey::generate(&mut StdRng::seed_from_u64(seed))
}

/// A private key that can be mistaken for a public one: not every one is a point of the curve.
fn mistakable_key() -> PrivateKey {
    let mut keys = (100..).map(key);
    keys.find(|key| PublicKey::parse(key.to_base64().expose()).is_ok()).unwrap()
}

fn texts(faults: &[PolicyFault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}
