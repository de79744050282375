//! Secrets go in everywhere, in good weather and bad, and must come out nowhere: not in the worker's log or on its
//! stderr, not in what is uploaded, not in arguments of processes, not in files that stay behind.
//!
//! What a script itself prints of what it was given is its own matter: the scripts here print other things.

mod forms;
mod signing;
mod tap;

use crate::skip::skip;
use crate::support::{PATIENCE, Site, content, key, options, until};
use nix::sys::signal::Signal;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scriptworker::embedded_queue::{Call, Fault, FaultKind};
use scriptworker_core::ids::TaskId;
use scriptworker_core::secret::Secret;
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use tap::Tap;

const CONFIG_TOKEN: &str = "canary/config+token=0123456789abcdef";
const GITHUB_TOKEN: &str = "canary github token ä 0123456789";
const ENV_TOKEN: &str = "canary-environment-token-0123456789";
const ENV_CERTIFICATE: &str = "{\"version\":1,\"signature\":\"canary-environment-signature\"}";
const ENV_OTHER: &str = "canary-other-variable-0123456789";
const GARBAGE: &str = "canary-in-a-wrong-answer-0123456789";
const PASSPHRASE: &str = "canary passphrase 0123456789";

/// What was found where.
struct Findings {
    secrets: Vec<(String, String)>,
    /// Secrets that are no text.
    keys: Vec<(&'static str, Vec<u8>)>,
    found: Vec<String>,
    looked_at: usize,
}

impl Findings {
    fn look(&mut self, place: &str, bytes: &[u8]) {
        self.looked_at += bytes.len();
        for (name, secret) in &self.secrets {
            if let Some(form) = forms::find(bytes, secret) {
                self.found.push(format!("{place}: {name}, {form}"));
            }
        }
        for (name, key) in &self.keys {
            if let Some(form) = forms::find_key(bytes, key) {
                self.found.push(format!("{place}: {name}, {form}"));
            }
        }
    }

    /// Every file below a directory, and its name.
    fn look_below(&mut self, dir: &Path) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            self.look("a name", path.as_os_str().as_encoded_bytes());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.look_below(&path);
            } else if path.file_name().is_none_or(|name| name != "scriptworker.json") {
                self.look(&path.display().to_string(), &std::fs::read(&path).unwrap_or_default());
            }
        }
    }

    /// What `ps` shows to everybody: the arguments of the worker and of everything below it.
    fn look_at_processes(&mut self, worker: u32) -> usize {
        let mut family = vec![worker];
        let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid: u32| {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
                let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
                Some((pid, parent))
            })
            .collect();
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        for pid in &family {
            for file in ["cmdline", "comm"] {
                let place = format!("{file} of process {pid}");
                self.look(&place, &std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default());
            }
        }
        family.len()
    }

    fn look_at_artifacts(&mut self, site: &Site, task: &TaskId) {
        for artifact in site.queue.artifacts(&key(task, 0)) {
            self.look("an artifact's name", artifact.name.as_bytes());
            if artifact.path.is_some() {
                self.look(&artifact.name, &content(&artifact));
            }
        }
    }
}

fn bad_weather(site: &Site) {
    let once = |call, kind| site.queue.inject(Fault::new(call, kind).times(1));
    let garbage = |body: serde_json::Value| FaultKind::Garbage { body: body.to_string() };
    once(Call::ClaimWork, FaultKind::Reset);
    once(Call::ClaimWork, garbage(json!({ "tasks": GARBAGE })));
    once(Call::ClaimWork, FaultKind::Garbage { body: format!("{{\"accessToken\": \"{GARBAGE}") });
    once(
        Call::ReclaimTask,
        garbage(json!({ "credentials": { "accessToken": [GARBAGE] }, "takenUntil": GARBAGE })),
    );
    once(Call::ReclaimTask, FaultKind::Status { status: 500, retry_after: None });
    once(Call::CreateArtifact, FaultKind::Status { status: 503, retry_after: None });
    // one for each of the script's two artifacts
    once(Call::StoragePut, FaultKind::HtmlBody { status: 502 });
    once(Call::StoragePut, FaultKind::Status { status: 403, retry_after: None });
    once(Call::ReportCompleted, FaultKind::Truncate);
}

/// A core file holds everything.
#[test]
fn the_worker_leaves_no_core() {
    let most = getrlimit(Resource::Core).maximum;
    setrlimit(Resource::Core, Rlimit { current: most, maximum: most }).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let other =
        Command::new("sh").args(["-c", "kill -ABRT $$"]).current_dir(elsewhere.path()).status().unwrap();
    if !other.core_dumped() {
        skip("this system writes no core files");
        return;
    }
    let site = Site::new();
    site.start();
    site.wait_for_log("asking for work");
    site.signal(Signal::SIGABRT);
    let status = site.exit_status();
    assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::SIGABRT as i32), false), "{status:?}");
}

#[test]
fn no_secret_comes_out_anywhere() {
    let mut options = options();
    options.clients[0].access_token = Secret::new(CONFIG_TOKEN);
    let site = Site::with(options);
    let tap = Tap::before(&site.queue.root_url());
    let site = site
        .set("taskcluster_root_url", tap.url())
        .set("credentials", json!({ "clientId": "test/worker", "accessToken": CONFIG_TOKEN }))
        .set("github_oauth_token", GITHUB_TOKEN)
        .set("reclaim_interval", 1)
        .set("poll_interval", 0);
    // outside of the places that are searched
    let outside = tempfile::tempdir().unwrap();
    let (site, (key_texts, keys)) = signing::with_keys(site, outside.path(), PASSPHRASE);
    bad_weather(&site);
    site.start_with(&[
        ("TASKCLUSTER_CLIENT_ID", "canary-environment-client"),
        ("TASKCLUSTER_ACCESS_TOKEN", ENV_TOKEN),
        ("TASKCLUSTER_CERTIFICATE", ENV_CERTIFICATE),
        ("SOME_OTHER_SECRET", ENV_OTHER),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ]);

    let out = outside.path().display();
    let task = site.task(&format!(
        "cat <&4 > {out}/first\n\
         mkdir -p $artifacts/public; echo content > $artifacts/public/file.txt; echo nothing to see here\n\
         until [ -e {out}/go ]; do sleep 0.1; done\n"
    ));
    // the credentials were renewed at least once while the script ran, and every open message was written down
    until(PATIENCE, || (tap.secrets("accessToken").len() >= 2).then_some(())).expect("renewed credentials");
    site.signal(Signal::SIGUSR2);
    site.wait_for_log("closed messages:");
    let mut secrets = vec![
        ("the configuration's token".to_owned(), CONFIG_TOKEN.to_owned()),
        ("the GitHub token".to_owned(), GITHUB_TOKEN.to_owned()),
        ("the environment's token".to_owned(), ENV_TOKEN.to_owned()),
        ("the environment's certificate".to_owned(), "canary-environment-signature".to_owned()),
        ("another variable".to_owned(), ENV_OTHER.to_owned()),
        ("a wrong answer".to_owned(), GARBAGE.to_owned()),
        ("the passphrase".to_owned(), PASSPHRASE.to_owned()),
    ];
    secrets.extend(key_texts);
    let add_from_the_wire = |secrets: &mut Vec<(String, String)>| {
        for name in ["accessToken", "certificate", "signature", "seed", "putUrl"] {
            let mut found = tap.secrets(name);
            if name == "putUrl" {
                let signatures =
                    found.iter().filter_map(|url| url.split_once("signature=")).map(|(_, value)| value);
                found = signatures.map(str::to_owned).collect();
            }
            secrets.extend(found.into_iter().map(|secret| (format!("{name} on the wire"), secret)));
        }
        secrets.sort();
        secrets.dedup();
    };
    add_from_the_wire(&mut secrets);
    // the script may be slower than the renewal
    let first = || std::fs::read(outside.path().join("first")).ok();
    let given: serde_json::Value =
        until(PATIENCE, || serde_json::from_slice(&first()?).ok()).expect("the script's credentials");
    let token = given["accessToken"].as_str().unwrap();
    assert!(secrets.iter().any(|(_, secret)| secret == token), "the tap sees what the script is given");

    let mut findings = Findings { secrets, keys, found: Vec::new(), looked_at: 0 };
    let processes = findings.look_at_processes(site.worker_pid());
    assert!(processes >= 3, "worker, guardian, script: {processes}");
    let dir = site.path("");
    findings.look_below(&dir);

    std::fs::write(outside.path().join("go"), "").unwrap();
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert_eq!(site.task_log(&task, 0), "nothing to see here\nexit code: 0\n");
    site.wait_for_log("finished");
    add_from_the_wire(&mut findings.secrets);
    let signed = findings.secrets.iter().filter(|(name, _)| name.starts_with("putUrl")).count();
    assert!(signed >= 2, "signed URLs: {signed}");
    findings.look_at_artifacts(&site, &task);
    assert_eq!(site.queue.artifacts(&key(&task, 0)).len(), 6, "a file, log and link, and both attestations");
    findings.look_below(&dir);

    // and while leaving
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    findings.look_below(&dir);
    assert!(findings.looked_at > 10_000, "{}", findings.looked_at);
    findings.found.sort();
    findings.found.dedup();
    assert!(findings.found.is_empty(), "{:#?}\n{}", findings.found, site.log());
}
