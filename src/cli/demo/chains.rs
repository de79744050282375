//! The releases of the demo: some honest, some tampered with, and what the verifying workers have to make of them.

use super::cases::{CLASSIC, CURRENT, Case, Content, ExpectedArtifact, ExpectedRun, Form, artifact, run};
use super::places::Who;
use crate::cli::stored::hex;
use crate::embedded_queue::release::{Culprit, Plan, Release, Tampering};
use scriptworker_core::cot::role::RuleSet;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::path::PathBuf;

/// The log of a verification, as an artifact.
pub(super) const CHAIN_LOG: &str = "public/logs/chain_of_trust.log";
/// Its verdict.
pub(super) const VERDICT: &str = "public/logs/chain_of_trust.json";
/// What the script makes: a digest of every file that it was given.
const SUMS: &str = "public/signed/SHA256SUMS.txt";
/// What the payload asks the script to do.
pub(super) const BEHAVIOUR: &str = "sign";

/// A release, and the task that signs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    pub(super) name: &'static str,
    pub(super) generation: RuleSet,
    pub(super) tampering: Option<Tampering>,
}

/// All of them. Every tampering is there once, at least.
pub(super) const CHAINS: [Chain; 13] = [
    current("signing", None),
    current("artifact", Some(Tampering::Artifact)),
    current("signer", Some(Tampering::SignerOfAnotherClass)),
    current("attestation", Some(Tampering::Attestation)),
    current("graph", Some(Tampering::Graph)),
    current("template", Some(Tampering::Template)),
    current("scope", Some(Tampering::Scope)),
    classic("classic", None),
    classic("classic-artifact", Some(Tampering::Artifact)),
    classic("classic-signer", Some(Tampering::UnknownSigner)),
    classic("classic-unsigned", Some(Tampering::NoSignature)),
    classic("classic-run", Some(Tampering::OtherRun)),
    classic("classic-command", Some(Tampering::Command)),
];

const fn current(name: &'static str, tampering: Option<Tampering>) -> Chain {
    Chain { name, generation: RuleSet::Current, tampering }
}

const fn classic(name: &'static str, tampering: Option<Tampering>) -> Chain {
    Chain { name, generation: RuleSet::Classic, tampering }
}

/// A file of a release cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read {}: {source}", path.display())]
pub(super) struct UnreadableFile {
    path: PathBuf,
    source: io::Error,
}

impl Chain {
    /// What the release is made of.
    pub(super) fn plan(&self) -> Plan {
        let payload = [("behaviour".to_owned(), json!(BEHAVIOUR))].into_iter().collect();
        Plan { payload, tampering: self.tampering, ..Plan::default() }
    }

    /// What it shows.
    pub(super) fn story(&self) -> &'static str {
        match self.tampering {
            None => "a whole chain is proven, then its artifacts are signed",
            Some(tampering) => tampering.story(),
        }
    }

    /// What has to come of its signing task.
    pub(super) fn case(&self, release: Release) -> Result<Case, UnreadableFile> {
        let (verdict, expected) = match self.tampering {
            None => (VERIFIED.to_owned(), self.signed(&release)?),
            Some(tampering) => {
                let reason = tampering.reason(self.generation).code();
                (in_words(reason, role(tampering.culprit())), refused(reason))
            }
        };
        Ok(Case {
            name: self.name,
            who: Who::Verifying(self.generation),
            story: self.story(),
            payload: Value::Null,
            cancel: false,
            starts: self.tampering.is_none(),
            checked: match self.tampering {
                None => "verdict, files for the script, its output, signature",
                Some(_) => "verdict, script never started, log",
            },
            runs: vec![expected],
            chain: Some(Proof { release, verdict }),
        })
    }

    fn signed(&self, release: &Release) -> Result<ExpectedRun, UnreadableFile> {
        let mut sums = Vec::new();
        for build in &release.builds {
            for (name, path) in &build.artifacts {
                let bytes = fs::read(path).map_err(|source| UnreadableFile { path: path.clone(), source })?;
                // as the script finds them below work_dir/cot
                sums.push((format!("./{}/{name}", build.id), hex(&Sha256::digest(bytes))));
            }
        }
        sums.sort();
        let sums: String = sums.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
        let forms: &[Form] = match self.generation {
            RuleSet::Current => CURRENT,
            RuleSet::Classic => CLASSIC,
        };
        let mut more = vec![artifact(SUMS, "text/plain", Content::of(sums.as_bytes()))];
        more.extend(records("verified: signing "));
        Ok(run("completed", Content::of(b"signed\nexit code: 0\n"), more, forms))
    }
}

/// What a verification leaves: the log's first line says this, too.
fn records(first_line: &str) -> [ExpectedArtifact; 2] {
    [
        artifact(CHAIN_LOG, "text/plain", Content::FirstLine(first_line.to_owned())),
        artifact(VERDICT, "application/json", Content::Verdict),
    ]
}

/// No script, no attestation; whoever looks for the log finds the one that says why.
fn refused(reason: &str) -> ExpectedRun {
    let links = [super::cases::LOG, super::cases::LINK];
    let mut artifacts = records(&format!("[{reason}]")).to_vec();
    artifacts.extend(links.map(|name| artifact(name, "text/plain", Content::Link(CHAIN_LOG))));
    ExpectedRun { outcome: "exception malformed-payload", artifacts }
}

/// A release, and the verdict on it in words.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    release: Release,
    pub(super) verdict: String,
}

const VERIFIED: &str = "verified";

const fn role(culprit: Culprit) -> &'static str {
    match culprit {
        Culprit::Decision => "decision",
        Culprit::Image => "docker-image",
        Culprit::Build => "build",
        Culprit::Signing => "signing",
    }
}

fn in_words(reason: &str, role: &str) -> String {
    format!("{reason} ({role})")
}

impl Proof {
    /// A verdict in words: that everything holds, or each reason and where it was found.
    pub(super) fn read(&self, document: &Value) -> String {
        if document.get("verified") == Some(&Value::Bool(true)) {
            return VERIFIED.to_owned();
        }
        let array =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let text =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut reasons = Vec::new();
        for link in array(document, "links") {
            let role = self.role_of(&text(&link, "taskId"));
            let rules = array(&link, "rules");
            let failed = rules.iter().filter(|rule| text(rule, "outcome") == "failed");
            reasons.extend(failed.map(|rule| in_words(&text(rule, "reason"), role)));
        }
        if reasons.is_empty() { "no verdict".to_owned() } else { reasons.join(", ") }
    }

    fn role_of(&self, task: &str) -> &'static str {
        let Release { decision, image, builds, signing, .. } = &self.release;
        if task == decision.as_str() {
            role(Culprit::Decision)
        } else if task == image.as_str() {
            role(Culprit::Image)
        } else if task == signing.as_str() {
            role(Culprit::Signing)
        } else if builds.iter().any(|build| task == build.id.as_str()) {
            role(Culprit::Build)
        } else {
            "another task"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded_queue::release::Build;
    use scriptworker_core::ids::TaskId;
    use std::collections::BTreeSet;

    #[test]
    fn every_tampering_is_shown_and_means_something_where_it_is_shown() {
        let shown: BTreeSet<_> = CHAINS.iter().filter_map(|chain| chain.tampering).collect();
        assert_eq!(shown, Tampering::ALL.into_iter().collect());
        for chain in CHAINS {
            assert!(chain.tampering.is_none_or(|it| Tampering::of(chain.generation).any(|one| one == it)));
        }
    }

    #[test]
    fn a_verdict_is_told_with_its_place() {
        let id = |text: &str| TaskId::parse(text).unwrap();
        let release = Release {
            revision: String::new(),
            decision: id("DecisionQ0WAAAAAAAAAAA"),
            image: id("ImageTskQ0WAAAAAAAAAAA"),
            builds: vec![Build { id: id("BuildTskQ0WAAAAAAAAAAA"), artifacts: Vec::new() }],
            signing: id("SigningTQ0WAAAAAAAAAAA"),
        };
        let proof = Proof { release, verdict: String::new() };
        let failed = |reason: &str| json!({"outcome": "failed", "reason": reason});
        let link = |task: &str, rules: Value| json!({"taskId": task, "rules": rules});
        let links = json!({"verified": false, "links": [
            link("SigningTQ0WAAAAAAAAAAA", json!([{"outcome": "passed"}])),
            link("BuildTskQ0WAAAAAAAAAAA", json!([failed("hash"), {"outcome": "not-judged"}])),
            link("DecisionQ0WAAAAAAAAAAA", json!([failed("scope")])),
            link("AnotherTQ0WAAAAAAAAAAA", json!([failed("url")])),
        ]});
        assert_eq!(proof.read(&links), "hash (build), scope (decision), url (another task)");
        assert_eq!(proof.read(&json!({"verified": true})), "verified");
        assert_eq!(proof.read(&Value::Null), "no verdict");
    }
}
