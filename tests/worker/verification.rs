//! Chains of trust that the worker verifies before a script starts.

use crate::support::{PATIENCE, REPORTS, Site, content, key, options, until};
use nix::sys::signal::Signal;
use scriptworker::embedded_queue::release::{Plan, Release, Releases, Tampering};
use scriptworker::embedded_queue::{Call, ClientGrant, Fault, FaultKind, Options};
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::ids::TaskId;
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

const LOG: &str = "public/logs/chain_of_trust.log";
const DOCUMENT: &str = "public/logs/chain_of_trust.json";
const BUNDLE: &str = "public/logs/chain_of_trust.bundle";
const SCRIPT_LOG: &str = "public/logs/live_backing.log";

/// A worker of the pool of a generation's signing tasks, and who makes those.
struct Chains {
    site: Site,
    releases: Releases,
}

impl Chains {
    fn new(generation: RuleSet) -> Self {
        let worker = ClientGrant {
            client_id: "test/worker".to_owned(),
            access_token: Secret::new("test-worker-token"),
            scopes: ["queue:claim-work:*", "queue:worker-id:test-group/*"]
                .iter()
                .map(|scope| Scope::parse(scope).unwrap())
                .collect(),
        };
        let mut site = Site::with(Options { clients: vec![worker], ..options() });
        let releases = Releases::start(generation, &site.path("releases")).unwrap();
        for (name, value) in releases.configuration() {
            site = site.set(&name, value);
        }
        // its own attestations are another test's business
        site = site.set("sign_chain_of_trust", false);
        if generation == RuleSet::Classic {
            // a key of the other generation
            site = site.without("ed25519_private_key_path");
        }
        Self { site, releases }
    }

    fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.site = self.site.set(name, value);
        self
    }

    /// A release whose signing task runs this shell text.
    fn release(&self, command: &str, tampering: Option<Tampering>) -> Release {
        let Value::Object(payload) = crate::support::payload(command) else { panic!("an object") };
        let plan = Plan { payload, tampering, ..Plan::default() };
        self.releases.make(&self.site.queue, &plan).unwrap()
    }

    fn text(&self, task: &TaskId, name: &str) -> String {
        let artifact = self.site.artifact(task, 0, name);
        let artifact = artifact.unwrap_or_else(|| panic!("no {name}\n{}", self.site.log()));
        String::from_utf8(content(&artifact)).unwrap()
    }

    fn document(&self, task: &TaskId) -> Value {
        serde_json::from_str(&self.text(task, DOCUMENT)).unwrap()
    }
}

/// Codes of everything that is broken, with the task of each.
fn refusals(document: &Value) -> Vec<(String, String)> {
    let mut refusals = Vec::new();
    for link in document["links"].as_array().unwrap() {
        for rule in link["rules"].as_array().unwrap() {
            if rule["outcome"] == "failed" {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                refusals.push((text(&link["taskId"]), text(&rule["reason"])));
            }
        }
    }
    refusals
}

#[test]
fn a_script_finds_what_was_proven_and_nothing_else() {
    for generation in [RuleSet::Current, RuleSet::Classic] {
        let chains = Chains::new(generation);
        chains.site.start();
        let release = chains.release(
            "mkdir -p $artifacts/public; (cd $work && find . -type f | sort; stat -c '%a %n' cot/*/public/build/*) \
             > $artifacts/public/seen; for file in $work/cot/*/public/build/*; do cp -f $file $artifacts/public/; done",
            None,
        );
        let task = &release.signing;
        assert_eq!(chains.site.outcome(task, 0), "completed completed", "{}", chains.site.log());
        let seen = chains.text(task, "public/seen");
        for build in &release.builds {
            for (name, served) in &build.artifacts {
                assert!(seen.contains(&format!("./cot/{}/{name}\n", build.id)), "{seen}");
                assert!(seen.contains(&format!("400 cot/{}/{name}\n", build.id)), "read-only: {seen}");
                let copied = format!("public/{}", name.rsplit('/').next().unwrap());
                let copy = content(&chains.site.artifact(task, 0, &copied).unwrap());
                // builds have artifacts of the same names: one of them was copied last
                let any = release.builds.iter().flat_map(|build| &build.artifacts);
                assert!(any.clone().any(|(_, path)| std::fs::read(path).unwrap() == copy), "{served:?}");
            }
            assert!(seen.contains(&format!("./cot/{}/task.json\n", build.id)), "{seen}");
        }
        assert!(seen.contains(&format!("./cot/{}/public/task-graph.json\n", release.decision)), "{seen}");
        assert!(!seen.contains("image.tar"), "what the verifier alone looked at: {seen}");
        let log = chains.text(task, LOG);
        let first = log.lines().next().unwrap();
        assert!(first.contains(&format!(": verified: signing {task} of firefox, ")), "{first}");
        assert!(log.contains("\nwhat was asked, and when it was known:\n"), "{log}");
        let document = chains.document(task);
        assert_eq!((&document["verified"], &document["runId"]), (&true.into(), &0.into()), "{document}");
        assert_eq!(document["policy"]["serial"], 1, "{document}");
        assert!(chains.site.task_log(task, 0).contains("exit code: 0"), "the script's own log");
    }
}

#[test]
fn a_broken_chain_stops_the_task_before_its_script() {
    for generation in [RuleSet::Current, RuleSet::Classic] {
        let chains = Chains::new(generation);
        chains.site.start();
        for tampering in Tampering::of(generation) {
            let started = chains.site.path("started");
            let release = chains.release(&format!("touch {}", started.display()), Some(tampering));
            let task = &release.signing;
            let outcome = chains.site.outcome(task, 0);
            assert_eq!(outcome, "exception malformed-payload", "{tampering:?}\n{}", chains.site.log());
            assert!(!started.exists(), "{tampering:?}: the script never starts");
            let culprit = release.culprit(tampering).to_string();
            let reason = tampering.reason(generation).code().to_owned();
            let document = chains.document(task);
            assert_eq!(document["verified"], false);
            assert_eq!(refusals(&document), [(culprit, reason.clone())], "{tampering:?}");
            let log = chains.text(task, LOG);
            let first = log.lines().next().unwrap();
            assert!(first.contains(": refused: ") && first.ends_with(&format!("[{reason}]")), "{first}");
            let link = chains.site.artifact(task, 0, SCRIPT_LOG).unwrap();
            assert_eq!((link.storage_type, link.content_type.as_str()), ("link", "text/plain"));
            let names = chains.site.artifact_names(task, 0);
            let expected = [DOCUMENT, LOG, "public/logs/live.log", SCRIPT_LOG];
            assert_eq!(names, expected, "{tampering:?}: nothing is attested");
        }
        let honest = chains.release("true", None);
        assert_eq!(chains.site.outcome(&honest.signing, 0), "completed completed");
        // the runs before it are over, and written down
        let ledger = chains.site.read("log/runs.jsonl");
        for (line, tampering) in ledger.lines().zip(Tampering::of(generation)) {
            let line: Value = serde_json::from_str(line).unwrap();
            let verdict = &line["run"]["verdict"];
            let reason = tampering.reason(generation).code();
            assert_eq!(
                (&verdict["verdict"], &verdict["reason"]),
                (&"refused".into(), &reason.into()),
                "{line}"
            );
        }
    }
}

#[test]
fn row_132_what_cannot_be_had_is_no_verdict() {
    let chains = Chains::new(RuleSet::Current);
    chains.site.start();
    let release = chains.release("true", None);
    let (_, mirror) = chains.releases.mirror();
    let path = mirror.strip_prefix(chains.releases.host().url()).unwrap();
    chains.releases.host().answer(path, 503, "down");
    let task = &release.signing;
    assert_eq!(chains.site.outcome(task, 0), "exception resource-unavailable", "{}", chains.site.log());
    let log = chains.text(task, LOG);
    assert!(log.lines().next().unwrap().contains(": no verdict: "), "{log}");
    assert_eq!(chains.site.artifact(task, 0, DOCUMENT), None);
}

#[test]
fn row_135_a_shutdown_ends_the_verification_and_leaves_nothing_of_it() {
    let chains = Chains::new(RuleSet::Current);
    let release = chains.release("true", None);
    // the definition is asked for at once; the rest of the questions about the states never end
    chains.site.queue.inject(Fault::new(Call::Status, FaultKind::Hang));
    chains.site.start();
    chains.site.wait_for_open_call(Call::Status);
    chains.site.signal(Signal::SIGTERM);
    assert_eq!(chains.site.exit_code(), 0, "{}", chains.site.log());
    let task = &release.signing;
    assert_eq!(chains.site.outcome(task, 0), "exception worker-shutdown");
    let log = chains.text(task, LOG);
    assert!(log.lines().next().unwrap().contains("no verdict: the verification was ended early"), "{log}");
    let left: Vec<_> = std::fs::read_dir(chains.site.path("work")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_task_that_is_cancelled_while_it_is_verified_is_let_go() {
    let chains = Chains::new(RuleSet::Current).set("reclaim_interval", 1);
    let release = chains.release("true", None);
    chains.site.queue.inject(Fault::new(Call::Status, FaultKind::Hang));
    chains.site.start();
    chains.site.wait_for_open_call(Call::Status);
    chains.site.queue.cancel(&release.signing).unwrap();
    chains.site.wait_for_log("given up");
    assert_eq!(chains.site.calls_of(&release.signing, 0, &REPORTS), [], "{}", chains.site.log());
    chains.site.queue.clear_faults();
    let next = chains.release("true", None);
    assert_eq!(chains.site.outcome(&next.signing, 0), "completed completed");
}

#[test]
fn what_a_verdict_rests_on_is_kept_where_it_is_wanted() {
    for place in ["artifact", "local"] {
        let chains = Chains::new(RuleSet::Current).set("cot_bundle", place);
        chains.site.start();
        for (tampering, code) in [(None, 0), (Some(Tampering::Artifact), 3)] {
            let release = chains.release("true", tampering);
            let task = &release.signing;
            let outcome = chains.site.outcome(task, 0);
            let bundle = chains.site.path("bundle");
            match place {
                "artifact" => {
                    let artifact = chains.site.artifact(task, 0, BUNDLE);
                    let artifact = artifact.unwrap_or_else(|| panic!("{outcome}\n{}", chains.site.log()));
                    std::fs::write(&bundle, content(&artifact)).unwrap();
                }
                _ => {
                    let kept = chains.site.path("log/cot_bundles").join(format!("{task}-0.bundle"));
                    std::fs::copy(kept, &bundle).unwrap();
                }
            }
            let again = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
                .args(["verify-cot", "--verify-sigs", "--json", "--offline"])
                .arg(&bundle)
                .arg("--config")
                .arg(chains.site.path("scriptworker.json"))
                .env_clear()
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&again.stderr).into_owned();
            assert_eq!(again.status.code(), Some(code), "{said}");
            let (again, online): (Value, _) =
                (serde_json::from_slice(&again.stdout).unwrap(), chains.document(task));
            assert_eq!(refusals(&again), refusals(&online));
        }
    }
}

#[test]
fn a_policy_is_read_anew_between_tasks_and_a_bad_one_is_not_taken() {
    let policy = |serial: u64, more: &str| {
        let text = scriptworker_core::cot::policy::CURRENT;
        let (before, after) = text.split_once("\nserial: 1\n").unwrap();
        format!("{before}\nserial: {serial}\n{after}{more}")
    };
    let chains = Chains::new(RuleSet::Current);
    let path = chains.site.path("policy.yml");
    let chains = chains.set("policy_path", path.to_str().unwrap());
    std::fs::write(&path, policy(5, "")).unwrap();
    chains.site.start();
    let judged_by = |serial: u64| {
        let release = chains.release("true", None);
        assert_eq!(chains.site.outcome(&release.signing, 0), "completed completed", "{}", chains.site.log());
        assert_eq!(chains.document(&release.signing)["policy"]["serial"], serial);
    };
    judged_by(5);
    std::fs::write(&path, policy(6, "")).unwrap();
    chains.site.signal(Signal::SIGHUP);
    chains.site.wait_for_log("current 6 ");
    judged_by(6);
    for wrong in [policy(4, ""), policy(7, "shoe_size: 1\n")] {
        let before = chains.site.log().matches("the policy is not taken").count();
        std::fs::write(&path, wrong).unwrap();
        chains.site.signal(Signal::SIGHUP);
        chains.site.wait_for_lines("the policy is not taken", before + 1);
        judged_by(6);
    }
}

#[test]
fn a_worker_does_not_start_with_a_policy_or_a_task_type_that_cannot_be_used() {
    for (name, value, part) in [
        ("policy_path", "/nonexistent/policy.yml", "policy_path: "),
        ("cot_job_type", "shoes", "cot_job_type: expected a task type"),
        ("cot_product", "shoes", "cot_product"),
    ] {
        let chains = Chains::new(RuleSet::Current).set(name, value);
        chains.site.start();
        assert_eq!(chains.site.exit_code(), 1, "{name}");
        assert!(chains.site.read("stderr").contains(part), "{}", chains.site.read("stderr"));
    }
}

#[test]
fn a_script_does_not_change_what_tells_of_its_chain_of_trust() {
    let chains = Chains::new(RuleSet::Current);
    chains.site.start();
    let release = chains.release(
        "cd $artifacts/public/logs && echo verified by me > chain_of_trust.log && rm chain_of_trust.json && \
         ln -s /etc/hostname chain_of_trust.json",
        None,
    );
    let task = &release.signing;
    assert_eq!(chains.site.outcome(task, 0), "completed completed", "{}", chains.site.log());
    assert_eq!(chains.document(task)["taskId"], task.as_str());
    assert!(chains.text(task, LOG).contains(": verified: signing "));
    assert_eq!(chains.site.log().matches("has changed what tells of its chain of trust").count(), 2);
}

#[test]
fn row_018_without_signatures_only_what_needs_no_trust_is_run() {
    let chains = Chains::new(RuleSet::Current).set("verify_cot_signature", false);
    chains.site.start();
    let release = chains.release("true", None);
    assert_eq!(chains.site.outcome(&release.signing, 0), "exception malformed-payload");
    assert_eq!(
        refusals(&chains.document(&release.signing)),
        [(release.signing.to_string(), "policy".to_owned())]
    );
}

#[test]
fn row_076_what_is_handed_over_cannot_be_exchanged_by_others() {
    let chains = Chains::new(RuleSet::Current);
    chains.site.start();
    let go = chains.site.path("go");
    let release = chains
        .release(&format!("touch $work/../there; until test -e {}; do sleep 0.1; done", go.display()), None);
    chains.site.wait_for_file("there");
    let cot = chains.site.path("work/cot");
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&cot), 0o700, "nobody else enters");
    for build in &release.builds {
        for (name, served) in &build.artifacts {
            let path = cot.join(build.id.as_str()).join(name);
            assert!(std::fs::symlink_metadata(&path).unwrap().is_file(), "no link");
            assert_eq!(mode(&path), 0o400);
            assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(served).unwrap());
        }
    }
    let others: Vec<_> = std::fs::read_dir(chains.site.path("work"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".cot") || name == "staging")
        .collect();
    assert_eq!(others, Vec::<String>::new(), "what was not handed over is gone");
    chains.site.touch("go");
    assert_eq!(chains.site.outcome(&release.signing, 0), "completed completed");
    until(PATIENCE, || (!cot.exists()).then_some(())).unwrap();
    assert!(chains.site.queue.artifact(&key(&release.signing, 0), LOG).is_some());
}
