//! A case: what lies in a folder of `tests/fixtures/cot`, and what has to come out of it. Whoever runs another verifier
//! on the folders includes this file, too.

use scriptworker_core::cot::bundle::{BundleError, Recorded, write};
use scriptworker_core::cot::evidence::{Answer, Evidence, StoredArtifact};
use scriptworker_core::cot::need::Need;
use scriptworker_core::cot::policy::{CLASSIC, CURRENT};
use scriptworker_core::digest::{Digest, HashAlgorithm};
use scriptworker_core::ids::TaskId;
use scriptworker_core::json::DocumentKind;
use scriptworker_core::time::UnixMillis;
use scriptworker_core::yaml;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `case.json` of a folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Expected {
    /// The rows of the list of attacks; none for a world that others are twins of.
    pub(crate) rows: Vec<u16>,
    /// What is tampered with, or what is unusual and fine.
    pub(crate) what: String,
    /// `current` or `classic`: the file below `config` that counts.
    pub(crate) generation: String,
    pub(crate) product: String,
    pub(crate) task_id: TaskId,
    pub(crate) task_type: String,
    /// Whether the task's own attestation is looked at (without `--no-check-task`).
    pub(crate) attested: bool,
    pub(crate) verify_signatures: bool,
    /// The time by the verifier's clock, and by the queue's.
    pub(crate) now: UnixMillis,
    pub(crate) queue_now: Option<UnixMillis>,
    /// Keys of the configuration that this case has in place of those in `config`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) config: Map<String, Value>,
    /// Changes to the built-in policy that no configuration can make, by JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) policy: BTreeMap<String, Value>,
    pub(crate) verdict: Verdict,
    /// Everything that is broken, the first of them first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) findings: Vec<Found>,
    /// A part of what the verdict notes although it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// The valid folder that differs in `tampered` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) twin: Option<String>,
    /// What differs: answers, or `case: …` for what stands in this file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tampered: Vec<String>,
}

/// What a correct verifier says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Verified,
    Refused,
    /// None can be given: something is not known.
    Unavailable,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Found {
    /// The stable code.
    pub(crate) reason: String,
    /// The link.
    pub(crate) task_id: String,
}

/// A built-in policy with these changes.
pub(crate) fn policy_document(generation: &str, changes: &BTreeMap<String, Value>) -> Value {
    let built_in = if generation == "classic" { CLASSIC } else { CURRENT };
    let mut document = yaml::read_strict(built_in.as_bytes(), DocumentKind::Policy).unwrap();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"))[key] = value.clone();
    }
    document
}

/// An answer as `index.json` and bundles write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Said {
    /// The bytes are the blob with this digest.
    Present(String),
    /// An artifact; its bytes are the blob with the first digest, if there is one.
    Stored {
        sha256: String,
        sha512: Option<String>,
        length: u64,
    },
    Absent,
    TooLarge {
        limit: u64,
    },
    /// The way to it leads where nobody goes.
    Forbidden {
        problem: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) need: Need,
    pub(crate) answer: Said,
}

/// A folder's content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) expected: Expected,
    pub(crate) answers: BTreeMap<Need, Answer>,
}

/// Bytes by their SHA-256.
pub(crate) type Blobs = BTreeMap<String, Vec<u8>>;

impl Case {
    /// Where all of them are, relative to the crate that compiles this.
    pub(crate) fn root() -> PathBuf {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let inner = here.join("../tests/fixtures/cot");
        if here.ends_with("core") { inner } else { here.join("tests/fixtures/cot") }
    }

    /// All bytes that any of them refers to.
    pub(crate) fn read_blobs() -> Blobs {
        let read = |path: PathBuf| (file_name(&path), std::fs::read(&path).unwrap());
        entries(&Self::root().join("blobs")).into_iter().map(read).collect()
    }

    /// Reads every folder.
    pub(crate) fn read_all(blobs: &Blobs) -> Vec<Self> {
        let folders = entries(&Self::root()).into_iter().filter(|path| path.join("case.json").exists());
        folders.map(|path| Self::read(&path, blobs)).collect()
    }

    fn read(folder: &Path, blobs: &Blobs) -> Self {
        let name = file_name(folder);
        let text = |file: &str| {
            std::fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{name}/{file}: {error}"))
        };
        let expected = serde_json::from_slice(&text("case.json"))
            .unwrap_or_else(|error| panic!("{name}/case.json: {error}"));
        let index: Vec<Entry> = serde_json::from_slice(&text("index.json"))
            .unwrap_or_else(|error| panic!("{name}/index.json: {error}"));
        let answers = index.into_iter().map(|entry| (entry.need, entry.answer.heard(blobs))).collect();
        Self { name, expected, answers }
    }

    /// The answers, to be judged.
    pub(crate) fn evidence(&self) -> Evidence {
        let mut evidence = Evidence::new();
        for (need, answer) in &self.answers {
            evidence.add(need.clone(), answer.clone()).unwrap();
        }
        evidence
    }

    /// The same in one file, as `verify-cot --offline` reads it.
    pub(crate) fn bundle(&self) -> Result<Vec<u8>, BundleError> {
        let recorded = Recorded {
            policy: None,
            task_id: self.expected.task_id.clone(),
            task_type: self.expected.task_type.clone(),
            product: self.expected.product.clone(),
            attested: self.expected.attested,
            signatures_checked: true,
            at: self.expected.now,
            queue_now: self.expected.queue_now,
            by: "a fixture".to_owned(),
        };
        write(&recorded, &self.evidence())
    }
}

impl Said {
    fn heard(self, blobs: &Blobs) -> Answer {
        match self {
            Self::Present(sha256) => match blobs.get(&sha256) {
                Some(bytes) => Answer::Present(bytes.clone().into()),
                None => panic!("there is no blob {sha256}"),
            },
            Self::Stored { sha256, sha512, length } => {
                let digest = |algorithm, text: &str| Digest::parse(algorithm, text).unwrap();
                let Digest::Sha256(sha256) = digest(HashAlgorithm::Sha256, &sha256) else {
                    panic!("{sha256}")
                };
                let sha512 = sha512.map(|text| match digest(HashAlgorithm::Sha512, &text) {
                    Digest::Sha512(bytes) => bytes,
                    Digest::Sha256(_) => panic!("{text}"),
                });
                Answer::Stored(StoredArtifact { sha256, sha512, length })
            }
            Self::Absent => Answer::Absent,
            Self::TooLarge { limit } => Answer::TooLarge { limit },
            Self::Forbidden { problem } => Answer::Forbidden { problem },
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
