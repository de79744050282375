//! The source tree: a directory on this machine, pushed to a source host as it is at that moment.

use super::ReleaseError;
use super::source_host::SourceHost;
use crate::fsio;
use bytes::Bytes;
use scriptworker_core::time::UnixMillis;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which repository the tree is said to be.
pub(super) const REPOSITORY: &str = "https://hg.mozilla.org/mozilla-central";
/// The host of that repository, which has to be read from the source host instead.
pub(super) const HOST: &str = "https://hg.mozilla.org";
/// Who pushes.
pub(super) const PUSHER: &str = "pusher@mozilla.com";
/// The level of its tasks, as the list of projects gives it.
pub(super) const LEVEL: &str = "3";
/// The file that decision tasks are made of.
pub(super) const TEMPLATE: &str = ".taskcluster.yml";

/// Where [`HOST`] lies on the source host.
pub(super) const ROOT: &str = "/hg";
const PATH: &str = "/hg/mozilla-central";
/// Where the list of projects lies on the source host.
pub(super) const PROJECTS: &str = "/projects.yml";

const README: &str = "The source tree of a made-up release.\n";

/// The directory.
#[derive(Debug)]
pub(super) struct Tree(PathBuf);

/// A push of it.
pub(super) struct Push {
    pub(super) revision: String,
    pub(super) template: Bytes,
}

impl Tree {
    /// A new directory with a template in it.
    pub(super) fn make(dir: PathBuf) -> Result<Self, ReleaseError> {
        fsio::create_dir_all(&dir).map_err(ReleaseError::file(&dir))?;
        for (name, text) in [(TEMPLATE, include_str!("taskcluster.yml")), ("README.txt", README)] {
            let path = dir.join(name);
            fsio::write_atomic(&path, text.as_bytes(), 0o644).map_err(ReleaseError::file(&path))?;
        }
        Ok(Self(dir))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Pushes it, as one new changeset. Its revision is a digest of it and of everything in the tree.
    pub(super) fn push(
        &self,
        host: &SourceHost,
        number: u64,
        created: UnixMillis,
    ) -> Result<Push, ReleaseError> {
        let mut files = BTreeMap::new();
        read(&self.0, "", &mut files)?;
        let description = format!("Release {number}");
        let mut digest = Sha256::new();
        digest.update(format!("{description}\n{}\n", created.0));
        for (name, content) in &files {
            digest.update(format!("{name}\n{}\n", content.len()));
            digest.update(content);
        }
        let revision: String = digest.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        let template =
            files.get(TEMPLATE).cloned().ok_or_else(|| ReleaseError::NoTemplate { tree: self.0.clone() })?;
        for (name, content) in files {
            host.answer(&format!("{PATH}/raw-file/{revision}/{name}"), 200, content);
        }
        let pushed = created.plus(-60_000).0 / 1000;
        let changeset = json!({"node": &revision, "parents": ["0".repeat(40)], "desc": description});
        let push = json!({"user": PUSHER, "date": pushed, "changesets": [changeset]});
        let pushes = json!({"pushes": {number.to_string(): push}});
        host.answer(&format!("{PATH}/json-pushes?changeset={revision}"), 200, pushes.to_string());
        let projects =
            format!("mozilla-central: {{repo: '{REPOSITORY}', repo_type: hg, access: scm_level_{LEVEL}}}\n");
        host.answer(PROJECTS, 200, projects);
        Ok(Push { revision, template })
    }
}

/// From now on that push has another template.
pub(super) fn exchange_template(host: &SourceHost, push: &Push) {
    let evil = [&push.template, &b"# and something more\n"[..]].concat();
    let evil = String::from_utf8_lossy(&evil).replace("taskgraph:decision", "taskgraph:evil");
    host.answer(&format!("{PATH}/raw-file/{}/{TEMPLATE}", push.revision), 200, evil);
}

/// Everything below a directory, by path with slashes.
fn read(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Bytes>) -> Result<(), ReleaseError> {
    for entry in fs::read_dir(dir).map_err(ReleaseError::file(dir))? {
        let path = entry.map_err(ReleaseError::file(dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
        let kind = fs::symlink_metadata(&path).map_err(ReleaseError::file(&path))?.file_type();
        if kind.is_dir() {
            read(&path, &name, files)?;
        } else if kind.is_file() {
            files.insert(name, fs::read(&path).map_err(ReleaseError::file(&path))?.into());
        }
    }
    Ok(())
}
