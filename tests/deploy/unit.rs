//! The systemd unit, without systemd: its command line is run, its numbers are compared with the worker's.

use crate::support::{
    APP_USER, App, PROVISIONER, Process, TOKEN, WORKER_TYPE, can_unshare, outcome, queue, read, repository,
    signal, task, wait_for_text,
};
use nix::sys::signal::Signal;
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// All values of a key, in order.
fn unit(key: &str) -> Vec<String> {
    let text = read(&repository("deploy/scriptworker.service"));
    let values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.map(str::to_owned).collect()
}

fn only(key: &str) -> String {
    let mut values = unit(key);
    assert_eq!(values.len(), 1, "{key}");
    values.remove(0)
}

/// The paths of the unit are this directory's for one process: the files that are in the way stay untouched.
const IN_PLACE: &str = "mount --bind \"$1/etc\" /etc; mount --bind \"$1/bin\" /usr/local/bin\n\
    mount --bind \"$1/lib\" /var/lib; mount --bind \"$1/log\" /var/log\n\
    cd \"$2\"; umask \"$3\"; user=$4; shift 4\n\
    exec setpriv --reuid \"$user\" --regid \"$user\" --clear-groups --no-new-privs env - \"$@\"";

#[test]
fn the_worker_runs_by_the_units_command_line() {
    if !can_unshare("the unit's command line", &["--mount"]) {
        return;
    }
    let (app, queue) = (App::new(), queue());
    app.install_worker("bin/scriptworker");
    for directory in ["lib/scriptworker", "log/scriptworker"] {
        app.mkdir(directory);
    }
    app.install_script("etc/scriptworker/script", Path::new("/var/lib/scriptworker/work"));
    let config = json!({
        "taskcluster_root_url": queue.root_url(),
        "provisioner_id": PROVISIONER,
        "worker_type": WORKER_TYPE,
        "worker_group": WORKER_TYPE,
        "worker_id": format!("{WORKER_TYPE}-unit"),
        "credentials": { "clientId": "test/worker", "accessToken": TOKEN },
        "work_dir": "/var/lib/scriptworker/work",
        "artifact_dir": "/var/lib/scriptworker/artifacts",
        "task_log_dir": "/var/lib/scriptworker/artifacts/public/logs",
        "log_dir": "/var/log/scriptworker",
        "task_script": ["/etc/scriptworker/script"],
        "sign_chain_of_trust": false,
        "ed25519_private_key_path": "/etc/scriptworker/key",
    });
    let argv: Vec<String> = only("ExecStart").split(' ').map(str::to_owned).collect();
    let [program, file] = &argv[..] else { panic!("one argument: {argv:?}") };
    assert_eq!(program, "/usr/local/bin/scriptworker");
    app.write(file.trim_start_matches('/'), &config.to_string(), 0o600);

    let held = task(&queue, "pwd; umask; env | sed -n s/^PATH=/inherited:/p");
    let mut worker = Process::start(
        Command::new("unshare")
            .args(["--mount", "sh", "-euc", IN_PLACE, "sh", app.path("").to_str().unwrap()])
            .args([only("WorkingDirectory"), only("UMask"), APP_USER.to_string()])
            .args(&argv),
    );
    let log = app.path("log/scriptworker/worker.log");
    assert_eq!(outcome(&queue, &held, &log), "completed completed", "{}", read(&log));
    let text = read(&log);
    for line in ["- /var/lib/scriptworker", "- 0077"] {
        assert!(text.lines().any(|found| found.ends_with(line)), "{line} in\n{text}");
    }
    assert!(!text.contains("inherited:"), "no PATH was handed on\n{text}");
    assert_eq!(only("KillSignal"), "SIGTERM");
    wait_for_text(&log, "finished");
    signal(worker.pid(), Signal::SIGTERM);
    assert_eq!(worker.exit_code("the worker"), 0, "{}", read(&log));
}

#[test]
fn a_wrong_configuration_ends_with_a_code_that_is_not_tried_again() {
    let app = App::new();
    app.write("config.yaml", "no_such_key: 1\n", 0o600);
    let worker = || Command::new(env!("CARGO_BIN_EXE_scriptworker"));
    let wrong_file = worker().arg(app.path("config.yaml")).env_clear().output().unwrap();
    let wrong_line = worker().args(["a", "b"]).env_clear().output().unwrap();
    let codes = [wrong_file, wrong_line].map(|output| output.status.code().unwrap().to_string());
    assert_eq!(codes, ["1", "2"]);
    assert_eq!(only("RestartPreventExitStatus").split(' ').collect::<Vec<_>>(), codes);
    assert_eq!(only("Restart"), "on-failure");
}

#[test]
fn stopping_waits_longer_than_the_worker_takes() {
    let template = read(&repository("deploy/scriptworker.yaml"));
    let shutdown = template.lines().find_map(|line| line.strip_prefix("shutdown_timeout: ")).unwrap();
    let shutdown: u64 = shutdown.parse().unwrap();
    let stop: u64 = only("TimeoutStopSec").parse().unwrap();
    assert!(stop >= shutdown + 20, "{stop} s for {shutdown} s");
    assert_eq!(only("KillMode"), "mixed");
}

#[test]
fn the_service_starts_with_no_environment() {
    assert_eq!(unit("Environment"), [""; 0]);
    assert_eq!(unit("EnvironmentFile"), [""; 0]);
    let unset = unit("UnsetEnvironment").join(" ");
    // what systemd.exec(5) says is set for a service of a user with these directories
    for name in [
        "PATH",
        "LANG",
        "USER",
        "LOGNAME",
        "HOME",
        "SHELL",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "STATE_DIRECTORY",
        "LOGS_DIRECTORY",
    ] {
        assert!(unset.split(' ').any(|found| found == name), "{name} in {unset}");
    }
}
