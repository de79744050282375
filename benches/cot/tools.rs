//! Who does the work: our verifier, the Python verifier, and the bare tools.

use crate::site::Site;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a process is asked how much memory it has needed so far.
const LOOK: Duration = Duration::from_millis(5);

pub struct Tools {
    pub ours: PathBuf,
    /// A Python in whose environment the Python verifier is installed.
    pub python: PathBuf,
    pub dir: PathBuf,
}

/// What a process took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    pub seconds: f64,
    /// The greatest resident memory, in bytes.
    pub most: f64,
}

/// Runs a process that must succeed, from its start to its end.
fn run(command: &mut Command) -> Took {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    // the greatest memory only grows, so that the last look counts
    let watcher = std::thread::spawn(move || {
        let mut most = 0.0;
        // of a process that ended there is no such line, whether somebody has waited for it or not
        while let Some(now) = memory(&status) {
            most = now;
            std::thread::sleep(LOOK);
        }
        most
    });
    let ended = child.wait().unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    assert!(ended.success(), "{command:?}: {ended}");
    Took { seconds, most: watcher.join().unwrap() }
}

/// The greatest resident memory of a process so far, in bytes.
pub fn memory(status: &str) -> Option<f64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0)
}

/// Seconds that a command takes.
fn seconds(command: &mut Command) -> f64 {
    run(command).seconds
}

impl Tools {
    /// A directory that does not exist, and will be removed.
    fn scratch(&self) -> PathBuf {
        let scratch = self.dir.join("scratch");
        let _ = std::fs::remove_dir_all(&scratch);
        scratch
    }

    /// Verifies online. What was downloaded goes at the end.
    pub fn verify(&self, site: &Site, more: &[&str]) -> Took {
        let scratch = self.scratch();
        std::fs::create_dir(&scratch).unwrap();
        let (from, to) = &site.served.mirror;
        run(Command::new(&self.ours)
            .args(["verify-cot", &site.served.signing, "--task-type", "signing", "--no-check-task"])
            .args(["--verify-sigs", "--cleanup", "--mirror", &format!("{from}={to}"), "--config"])
            .arg(site.dir.join("scriptworker.json"))
            .args(more)
            .env_clear()
            .env("TMPDIR", scratch))
    }

    /// Judges a bundle.
    pub fn judge(&self, site: &Site, bundle: &Path) -> Took {
        run(Command::new(&self.ours)
            .args(["verify-cot", "--verify-sigs", "--config"])
            .arg(site.dir.join("scriptworker.json"))
            .arg("--offline")
            .arg(bundle)
            .env_clear())
    }

    /// The Python verifier: seconds of the verification alone.
    pub fn python(&self, site: &Site, read_size: Option<u64>) -> f64 {
        let scratch = self.scratch();
        std::fs::create_dir(&scratch).unwrap();
        let served = &site.served;
        let given = json!({
            "rootUrl": served.root_url,
            "taskId": served.signing,
            "mirror": served.mirror,
            "product": served.config["cot_product"],
            "keys": served.config["ed25519_public_keys"],
            "projectsUrl": served.config["project_configuration_url"],
            "readSize": read_size,
        });
        std::fs::write(scratch.join("given.json"), given.to_string()).unwrap();
        let log = std::fs::File::create(scratch.join("log")).unwrap();
        let output = Command::new(&self.python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/cot/verifier.py"))
            .arg(scratch.join("given.json"))
            .arg(&scratch)
            .stderr(log)
            .output()
            .unwrap();
        let log = || std::fs::read_to_string(scratch.join("log")).unwrap();
        assert!(output.status.success(), "{}", log());
        let seconds = serde_json::from_slice::<Value>(&output.stdout).unwrap().as_f64().unwrap();
        std::fs::remove_dir_all(&scratch).unwrap();
        seconds
    }

    /// The slower of `curl` of all artifacts that the task is given, and hashing them.
    pub fn curl_or_hash(&self, site: &Site) -> f64 {
        let scratch = self.scratch();
        std::fs::create_dir(&scratch).unwrap();
        let root = site.served.root_url.trim_end_matches('/');
        let mut list = String::new();
        for (number, (task, name, _)) in site.served.artifacts.iter().enumerate() {
            let name = name.replace('/', "%2F");
            let target = scratch.join(number.to_string());
            list += &format!(
                "url={root}/api/queue/v1/task/{task}/artifacts/{name}\noutput={}\n",
                target.display()
            );
        }
        let config = scratch.join("curl");
        std::fs::write(&config, list).unwrap();
        let curl = seconds(Command::new("curl").args(["-sSfL", "-K"]).arg(&config));
        std::fs::remove_dir_all(&scratch).unwrap();
        let files = site.served.artifacts.iter().map(|(_, _, path)| path);
        // `sha256sum` of some distributions does without the processor's own instructions, and takes five times as long
        let hash = seconds(Command::new("openssl").args(["dgst", "-sha256"]).args(files));
        eprintln!("  curl {curl:.3} s, openssl dgst {hash:.3} s");
        curl.max(hash)
    }

    /// Seconds that `openssl` takes to verify so many ed25519 signatures.
    pub fn openssl(&self, count: usize) -> f64 {
        let output = Command::new("openssl").args(["speed", "-seconds", "1", "ed25519"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let last = text.lines().last().and_then(|line| line.split_whitespace().last());
        count as f64 / last.and_then(|each| each.parse::<f64>().ok()).expect("verifications in a second")
    }

    /// Seconds that Python's JSON parser, which is C, takes for a file.
    pub fn json_load(&self, file: &Path) -> f64 {
        let script = "import json, sys, time\n\
                      begun = time.perf_counter()\n\
                      with open(sys.argv[1]) as file: json.load(file)\n\
                      print(time.perf_counter() - begun)";
        let output = Command::new("python3").args(["-c", script]).arg(file).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }
}
