//! Scripts that cannot be started, and what scripts leave behind that is no artifact.

use super::{mark, quick, wait_for_line};
use crate::support::{Site, content};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

/// The program that the configuration names, as a test makes it.
fn install(site: &Site, text: &str, mode: u32) {
    let path = site.path("program");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A script that cannot be started is the worker's own failure, explained to whoever reads the task's log. Once the
/// program is right, the same worker works.
#[test]
fn a_script_that_cannot_be_started_is_explained_in_the_tasks_log() {
    let site = quick();
    let program = site.path("program").display().to_string();
    let site = site.set("task_script", json!([program]));
    site.start();
    let missing =
        "no such program: check `task_script`, and PATH if the name has no slash (No such file or directory)";
    let forbidden = "it may not be executed: give it execute permission, its directories search permission, and check \
                     for a `noexec` mount (Permission denied)";
    let interpreter = "its interpreter \"/no/such/python\" does not exist: install it or correct the program's first \
                       line (No such file or directory)";
    let no_program = "neither a program for this machine nor a script with a `#!` line: add the line that names its \
                      interpreter (Exec format error)";
    for (file, reason) in [
        (None, missing),
        (Some(("#!/bin/sh\n", 0o644)), forbidden),
        (Some(("#!/no/such/python\n", 0o755)), interpreter),
        (Some(("\u{1}\u{2}\u{3}\u{4}", 0o755)), no_program),
    ] {
        if let Some((text, mode)) = file {
            install(&site, text, mode);
        }
        let task = site.task("exit 0");
        assert_eq!(site.outcome(&task, 0), "exception internal-error", "{reason}\n{}", site.log());
        let line = format!("[scriptworker] the script could not be started: start \"{program}\": {reason}");
        assert_eq!(site.task_log(&task, 0), format!("{line}\n"));
        wait_for_line(&site, 0, &["INFO", &line, &task.to_string()]);
    }
    let script = std::fs::read_to_string(site.path("script.sh")).unwrap();
    install(&site, &format!("#!/bin/sh\n{script}"), 0o755);
    site.takes_the_next_task();
}

/// What cannot be an artifact fails the task, by name and with the reason; everything else is uploaded, and nothing
/// hangs on what would block a reader. The walk refuses a name before the queue could.
#[test]
fn what_is_no_artifact_is_refused_by_name_and_the_rest_is_uploaded() {
    let site = quick();
    std::fs::write(site.path("secret"), "canary").unwrap();
    site.start();
    let name = "its path cannot be the name of an artifact: ";
    for (make, path, reason) in [
        ("touch $artifacts/public/$(printf 'caf\\303\\251')", "public/caf\\xc3\\xa9", name),
        ("touch $artifacts/public/$(printf '\\377')", "public/\\xff", name),
        ("touch \"$artifacts/public/a\nb\"", "public/a\\nb", name),
        ("mkdir \"$artifacts/public/a\tb\"; touch \"$artifacts/public/a\tb/x\"", "public/a\\tb/x", name),
        ("ln -s ../../secret $artifacts/public/link", "public/link", "it is a symbolic link"),
        ("ln -s $work $artifacts/public/folder", "public/folder", "it is a symbolic link"),
        ("ln -s nowhere $artifacts/public/dangling", "public/dangling", "it is a symbolic link"),
        ("mkfifo $artifacts/public/pipe", "public/pipe", "it is a FIFO"),
    ] {
        let mark = mark(&site);
        let task =
            site.task(&format!("mkdir -p $artifacts/public\n{make}\necho good > $artifacts/public/good.txt"));
        assert_eq!(site.outcome(&task, 0), "failed failed", "{make}\n{}", site.log());
        let refused = format!("refused to upload {path}: {reason}");
        wait_for_line(&site, mark, &["ERROR", "not uploaded", &refused, "status=failure (1)"]);
        let mut names = site.artifact_names(&task, 0);
        names.retain(|name| name != "public/chain-of-trust.json");
        names.sort();
        assert_eq!(names, ["public/good.txt", "public/logs/live.log", "public/logs/live_backing.log"]);
        assert_eq!(content(&site.artifact(&task, 0, "public/good.txt").unwrap()), b"good\n");
        assert_eq!(site.task_log(&task, 0), "exit code: 0\n");
        site.takes_the_next_task();
    }
    assert_eq!(std::fs::read(site.path("secret")).unwrap(), b"canary", "clean-up follows no link");
}

/// The folder itself replaced by a link: nothing of where it leads is published, or removed.
#[test]
fn an_artifact_directory_that_became_a_link_is_refused() {
    let site = quick();
    let elsewhere = site.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("secret"), "canary").unwrap();
    site.start();
    let task = site.task("rm -r $artifacts; ln -s $artifacts/../elsewhere $artifacts");
    assert_eq!(site.outcome(&task, 0), "exception internal-error", "{}", site.log());
    wait_for_line(
        &site,
        0,
        &["ERROR", "the artifact directory cannot be listed", "failed to open the artifact folder"],
    );
    assert_eq!(site.artifact_names(&task, 0), Vec::<String>::new());
    site.takes_the_next_task();
    assert_eq!(std::fs::read(elsewhere.join("secret")).unwrap(), b"canary");
}
