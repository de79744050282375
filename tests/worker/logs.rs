//! `worker.log` of a worker at work: signs of life, rotation by others and by itself, reload, JSON.

use crate::support::{PATIENCE, Site, until};
use nix::sys::signal::Signal;
use serde_json::Value;

fn read(site: &Site, name: &str) -> String {
    std::fs::read_to_string(site.path(name)).unwrap_or_default()
}

/// Waits until a file holds a text.
fn wait_for(site: &Site, name: &str, text: &str) {
    until(PATIENCE, || read(site, name).contains(text).then_some(()))
        .unwrap_or_else(|| panic!("{name} never says {text:?}: {}\n{}", read(site, name), site.log()));
}

#[test]
fn the_log_never_grows_old_idle_or_while_a_script_is_silent() {
    // half of the interval apart; without verbose, so that nothing but INFO counts
    let site = Site::new().set("reclaim_interval", 2).set("verbose", false);
    site.start();
    site.wait_for_log("still here, idle for 1 s");
    site.wait_for_log("still here, idle for 2 s");
    let go = site.path("go");
    let task = site.task(&format!("until [ -e {} ]; do sleep 0.1; done", go.display()));
    site.wait_running(&task);
    site.wait_for_log("still here, with a run for 1 s");
    site.wait_for_log("still here, with a run for 2 s");
    let log = site.log();
    let line = log.lines().find(|line| line.contains("with a run")).unwrap();
    assert!(
        line.contains("INFO")
            && line.contains(&format!("run={task}/0"))
            && line.contains("phase=\"running\"")
    );
    std::fs::write(go, "").unwrap();
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
}

#[test]
fn a_log_that_somebody_moved_is_made_anew_in_watch_mode() {
    let site = Site::new().set("watch_log_file", true).set("reclaim_interval", 2);
    site.start();
    wait_for(&site, "log/worker.log", "asking for work");
    std::fs::rename(site.path("log/worker.log"), site.path("log/moved")).unwrap();
    // nobody says anything to the worker
    wait_for(&site, "log/worker.log", "still here, idle");
    assert!(read(&site, "log/moved").contains("scriptworker starts"));
    assert!(!read(&site, "log/worker.log").contains("scriptworker starts"), "only later lines");
    std::fs::remove_file(site.path("log/worker.log")).unwrap();
    site.takes_the_next_task();
    wait_for(&site, "log/worker.log", "still here, idle");
}

#[test]
fn sighup_opens_the_log_anew_and_stops_nothing() {
    let site = Site::new();
    site.start();
    wait_for(&site, "log/worker.log", "asking for work");
    let go = site.path("go");
    let task = site.task(&format!("until [ -e {} ]; do sleep 0.1; done; echo done", go.display()));
    site.wait_running(&task);
    for turn in ["first", "second"] {
        std::fs::rename(site.path("log/worker.log"), site.path(turn)).unwrap();
        site.signal(Signal::SIGHUP);
        wait_for(&site, "log/worker.log", "SIGHUP received: the log is open anew");
    }
    assert!(read(&site, "first").contains("scriptworker starts"));
    std::fs::write(go, "").unwrap();
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert_eq!(site.task_log(&task, 0), "done\nexit code: 0\n");
    wait_for(&site, "log/worker.log", "finished");
    site.takes_the_next_task();
}

#[test]
fn a_log_of_its_own_is_rotated_by_size_and_the_oldest_dropped() {
    const MOST: u64 = 3000;
    let site = Site::new().set("log_max_bytes", MOST).set("log_max_backups", 2);
    site.start();
    for _ in 0..3 {
        let task =
            site.task("i=0; while [ $i -lt 60 ]; do echo a line of the script number $i; i=$((i+1)); done");
        assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    }
    let mut names: Vec<String> = std::fs::read_dir(site.path("log"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["worker.log", "worker.log.1", "worker.log.2"]);
    for name in &names {
        let size = std::fs::metadata(site.path("log").join(name)).unwrap().len();
        // what is written at once is not torn: one such piece may be larger than the limit
        assert!(size > 0 && size < 4 * MOST, "{name}: {size}");
    }
}

#[test]
fn the_json_log_is_one_object_a_line_whatever_a_script_prints() {
    let site = Site::new().set("log_format", "json");
    site.start();
    let task = site.task(r#"printf 'quote " esc \033[2J nul \000 bad \377 c1 \302\233 end\nforged: {}\n'"#);
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    site.wait_for_log("\"finished\"");
    let log = read(&site, "log/worker.log");
    let (whole, _) = log.rsplit_once('\n').unwrap();
    let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        for key in ["time", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key} in {line}");
        }
    }
    let find = |part: &str| {
        let mut found = lines.iter().filter(|line| line["message"].as_str().unwrap().contains(part));
        found.next().unwrap_or_else(|| panic!("{part} in {log}"))
    };
    // escaped as a line of text is
    let said = "quote \" esc \\u{1b}[2J nul \\u{0} bad \u{fffd} c1 \\u{9b} end";
    assert_eq!(find("quote")["message"], said);
    assert_eq!(find("forged")["message"], "forged: {}");
    let finished = find("finished");
    assert_eq!((&finished["level"], &finished["fields"]["clean"]), (&"INFO".into(), &true.into()));
    assert_eq!(finished["fields"]["run"], format!("{task}/0"));
    assert!(!log.contains(['\u{1b}', '\u{9b}', '\0']));
}
