//! A case: what lies in a folder of `tests/fixtures/openpgp`, and what has to come out of it.

use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `case.json` of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Expected {
    /// The row of the list of attacks.
    pub(crate) row: u16,
    /// What is tampered with, or that nothing is.
    pub(crate) what: String,
    /// When it is judged.
    pub(crate) at: UnixMillis,
    pub(crate) verdict: Verdict,
}

/// What a correct verifier says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Accept,
    /// With exactly this code.
    Reject(String),
}

/// A folder's content.
///
/// `document.asc` is a clear-signed document; `document` and `document.sig` are one with a detached signature. The
/// keyring is `flat/` or `trusted/` and `valid/`, one key a file. `text` is what a clear-signed document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) expected: Expected,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Case {
    /// Where all of them are.
    pub(crate) fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/openpgp")
    }

    /// The name of the valid twin of a `_fail` folder: `NNN_name` for `NNN_name_fail` and `NNN_name__variant_fail`.
    pub(crate) fn twin(&self) -> Option<&str> {
        let name = self.name.strip_suffix("_fail")?;
        Some(name.split_once("__").map_or(name, |(name, _)| name))
    }

    /// The keys of one of the folders `flat`, `trusted`, `valid`, in the order of their names.
    pub(crate) fn keys(&self, folder: &str) -> impl Iterator<Item = &[u8]> {
        let inside = move |(path, bytes): (&String, _)| {
            path.split_once('/').is_some_and(|(of, _)| of == folder).then_some(bytes)
        };
        self.files.iter().filter_map(inside).map(Vec::as_slice)
    }

    /// Reads every folder.
    pub(crate) fn read_all() -> Vec<Self> {
        let folders = std::fs::read_dir(Self::folder()).into_iter().flatten();
        let mut cases: Vec<_> = folders
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .map(|path| Self::read(&path))
            .collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    fn read(path: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(path, "", &mut files);
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let case = files.remove("case.json").unwrap_or_else(|| panic!("{name} has no case.json"));
        let expected = serde_json::from_slice(&case).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, expected, files }
    }

    /// Writes the folder.
    pub(crate) fn write(&self) {
        let folder = Self::folder().join(&self.name);
        let case = serde_json::to_string_pretty(&self.expected).unwrap() + "\n";
        let all = self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
        for (path, bytes) in all.chain([("case.json", case.as_bytes())]) {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}
