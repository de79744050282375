//! The worker and its verbs as a user who is in no passwd file, and without an environment.

use super::{BASE, Place, ran};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// A place that user 10001 can use; `None`, said aloud, when this user cannot become another one.
#[expect(clippy::print_stdout, reason = "what was not tested is to be seen")]
fn place_of_another_user() -> Option<(Place, PathBuf)> {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: only root can become another user");
        return None;
    }
    let place = Place::new();
    // the build directory may be closed to others
    let program = place.path("scriptworker");
    // by another process: a descriptor that another test's child inherits would keep the program busy
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_scriptworker")).arg(&program).status().unwrap();
    assert!(copied.success());
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(place.0.path(), Some(10001), Some(10001)).unwrap();
    Some((place, program))
}

/// As the containers do it: a user who is in no passwd file, and no environment at all.
#[test]
fn a_user_without_a_name_and_an_environment_can_check_and_show() {
    let Some((place, program)) = place_of_another_user() else { return };
    place.write("c.yaml", BASE);
    for verb in ["check-config", "show-config"] {
        let mut command = Command::new(&program);
        command.args([verb, "c.yaml"]).env_clear().current_dir(place.0.path()).uid(10001).gid(10001);
        let ran = ran(command);
        assert_eq!(ran.code, Some(0), "{verb}: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn the_worker_runs_as_a_user_without_a_name_and_an_environment() {
    let Some((place, program)) = place_of_another_user() else { return };
    let here = place.0.path().to_str().unwrap();
    // nobody listens at port 9: asking for work fails, and is tried again
    let text = BASE.replace("/srv", here) + "taskcluster_root_url: http://127.0.0.1:9\npoll_interval: 0\n";
    place.write("c.yaml", &text);
    let mut worker = Command::new(&program)
        .arg("c.yaml")
        .env_clear()
        .current_dir(here)
        .uid(10001)
        .gid(10001)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // with verbose, stderr is a copy of the log
    let stderr = std::io::BufReader::new(worker.stderr.take().unwrap());
    let mut lines = std::io::BufRead::lines(stderr).map(Result::unwrap);
    let asked = lines.by_ref().find(|line| line.contains("asking for work failed"));
    let pid = nix::unistd::Pid::from_raw(worker.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(worker.wait().unwrap().code(), Some(0), "{rest:?}");
    let log = std::fs::read_to_string(place.path("l/worker.log")).unwrap();
    assert!(asked.is_some_and(|line| log.lines().any(|logged| logged == line)), "{log}");
}
