//! A key repository, people with keys, and a configuration that names them.

use scriptworker::config::{self, Config, Environment};
use scriptworker::keyrings::{KeyringSet, Store, StoreError, fetch_ready};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Everything below one directory.
pub(crate) struct Place {
    dir: TempDir,
    config: std::cell::RefCell<Value>,
}

/// How a call of the command ended.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) code: i32,
    pub(crate) said: String,
}

impl Place {
    /// The keeper's key may sign; keys of two workers and one trusted person are in the repository, nothing is tagged.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let config = json!({
            "work_dir": at("work"),
            "artifact_dir": at("artifacts"),
            "task_log_dir": at("artifacts/public/logs"),
            "log_dir": at("log"),
            "sign_chain_of_trust": false,
            "base_gpg_home_dir": at("keyrings"),
            "gpg_lockfile": at("gpg_homedir.lock"),
            "git_key_repo_dir": at("clone"),
            "git_key_repo_url": at("origin"),
            "git_commit_signing_pubkey_dir": at("signers"),
            "last_good_git_revision_file": at("git_revision"),
            "gpg_homedirs": {
                "docker-worker": {"type": "flat", "ignore_suffixes": [".md"]},
                "scriptworker": {"type": "signed", "ignore_suffixes": [".md"]},
            },
        });
        let place = Self { dir, config: config.into() };
        for folder in ["gnupg", "signers", "origin"] {
            std::fs::create_dir(place.path(folder)).unwrap();
        }
        std::fs::set_permissions(place.path("gnupg"), std::fs::Permissions::from_mode(0o700)).unwrap();
        for name in ["keeper", "stranger", "docker", "trusted", "worker"] {
            let who = format!("{name} (test key) <{name}@example.com>");
            place.gpg(&["--passphrase", "", "--quick-generate-key", &who, "ed25519", "sign", "never"]);
        }
        place.gpg(&["--local-user", "trusted@example.com", "--quick-sign-key", &place.fingerprint("worker")]);
        std::fs::write(place.path("signers/keeper.asc"), place.public("keeper")).unwrap();
        place.git(&["init", "--quiet", "--initial-branch=master"]);
        place.put("README.md", "no key");
        place.put("docker-worker/docker.asc", place.public("docker"));
        place.put("docker-worker/README.md", "no key");
        place.put("scriptworker/trusted/trusted.asc", place.public("trusted"));
        place.put("scriptworker/valid/worker.asc", place.public("worker"));
        place.commit("the first keys");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Changes the configuration.
    pub(crate) fn set(&self, key: &str, value: impl Into<Value>) {
        self.config.borrow_mut()[key] = value.into();
    }

    pub(crate) fn unset(&self, key: &str) {
        self.config.borrow_mut().as_object_mut().unwrap().remove(key);
    }

    // ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────

    pub(crate) fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--yes"])
            .args(arguments)
            .env("GNUPGHOME", self.path("gnupg"))
            .output()
            .expect("gpg");
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    pub(crate) fn public(&self, name: &str) -> Vec<u8> {
        self.gpg(&["--armor", "--export", &format!("{name}@example.com")])
    }

    pub(crate) fn secret(&self, name: &str) -> Vec<u8> {
        self.gpg(&["--armor", "--export-secret-keys", &format!("{name}@example.com")])
    }

    pub(crate) fn fingerprint(&self, name: &str) -> String {
        let listing = self.gpg(&["--with-colons", "--list-keys", &format!("{name}@example.com")]);
        let listing = String::from_utf8(listing).unwrap();
        let line = listing.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    // ── the repository ──────────────────────────────────────────────────────────────────────────────────────────────

    pub(crate) fn try_git(&self, arguments: &[&str]) -> Output {
        Command::new("git")
            .arg("-C")
            .arg(self.path("origin"))
            .args(["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"])
            .args(["-c", "tag.gpgSign=false", "-c", "commit.gpgSign=false"])
            .args(arguments)
            .env("GNUPGHOME", self.path("gnupg"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .expect("git")
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path("origin").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Commits everything, unsigned; the commit.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.head()
    }

    /// Commits everything, signed; the commit.
    pub(crate) fn commit_signed(&self, message: &str, signer: &str) -> String {
        self.git(&["add", "--all"]);
        let signed = format!("--gpg-sign={signer}@example.com");
        self.git(&["commit", "--quiet", "--allow-empty", &signed, "--message", message]);
        self.head()
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes a signed tag.
    pub(crate) fn tag(&self, name: &str, signer: &str) {
        let signer = format!("--local-user={signer}@example.com");
        self.git(&["tag", "--sign", &signer, "--message", name, name]);
    }

    // ── the worker's side ───────────────────────────────────────────────────────────────────────────────────────────

    pub(crate) fn config_file(&self) -> PathBuf {
        let path = self.path("scriptworker.json");
        std::fs::write(&path, self.config.borrow().to_string()).unwrap();
        path
    }

    /// What a worker's configuration has about keyrings.
    pub(crate) fn keyring_keys(&self) -> Vec<(String, Value)> {
        let config = self.config.borrow();
        let about =
            |key: &str| key.starts_with("base_gpg") || key.starts_with("gpg_") || key.contains("git_");
        let keys = config.as_object().unwrap().iter().filter(|(key, _)| about(key));
        keys.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(crate) fn config(&self) -> Config {
        let environment = Environment {
            cwd: self.dir.path().to_path_buf(),
            home: None,
            system_dir: self.dir.path().to_path_buf(),
            vars: Default::default(),
        };
        config::load_without_credentials(Some(&self.config_file()), &environment).unwrap().0
    }

    /// Calls `scriptworker rebuild-keyrings` as cron does.
    pub(crate) fn rebuild(&self) -> Called {
        self.rebuild_with(&[])
    }

    pub(crate) fn rebuild_with(&self, env: &[(&str, &str)]) -> Called {
        let output = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
            .arg("rebuild-keyrings")
            .arg(self.config_file())
            .current_dir(self.dir.path())
            .env_clear()
            .envs(env.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Called { code: output.status.code().unwrap_or(-1), said }
    }

    pub(crate) fn store(&self) -> Store {
        Store::new(self.path("keyrings"))
    }

    pub(crate) fn load(&self) -> Result<KeyringSet, StoreError> {
        self.store().load()
    }

    /// Rebuilds, takes the result over as the worker does; its revision.
    pub(crate) fn update(&self) -> String {
        let called = self.rebuild();
        assert_eq!(called.code, 0, "{}", called.said);
        fetch_ready(&self.config().keyrings).unwrap();
        self.load().unwrap().source().revision.clone()
    }

    /// Everything that tells which keyrings are in force.
    pub(crate) fn state(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for top in ["keyrings", "git_revision", "gpg_homedir.lock"] {
            collect(&self.path(top), &mut files);
        }
        files
    }

    /// Rebuilds, and expects that the update is refused for this reason and nothing else changes.
    pub(crate) fn refused(&self, code: &str) -> String {
        let before = self.state();
        let called = self.rebuild();
        assert_eq!(called.code, 5, "{}", called.said);
        let reason = format!("the keyrings stay as they are ({code}): ");
        assert!(called.said.contains(&reason), "expected {code}: {}", called.said);
        let log = std::fs::read_to_string(self.path("log/rebuild_gpg_homedirs.log")).unwrap();
        let alarm = log.lines().rfind(|line| line.contains("the keyrings stay as they are"));
        assert!(alarm.is_some_and(|line| line.contains("ERROR")), "the alarm: {log}");
        assert_eq!(self.state(), before, "the last good set stays: {}", called.said);
        assert!(!self.path("keyrings.tmp/index.json").exists(), "nothing waits");
        called.said
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // the agent would live on and hold the directory
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.path("gnupg")).output();
    }
}

fn collect(path: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    if path.is_dir() {
        let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.iter().for_each(|path| collect(path, files));
    } else if let Ok(content) = std::fs::read(path) {
        files.push((path.display().to_string(), content));
    }
}
