//! `worker.log` of a worker at work: signs of life, rotation by others and by itself, reload, JSON, much output, and a
//! stderr that nobody reads.

use crate::support::{PATIENCE, Site, until};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};

fn read(site: &Site, name: &str) -> String {
    std::fs::read_to_string(site.path(name)).unwrap_or_default()
}

/// Waits until a file holds a text.
fn wait_for(site: &Site, name: &str, text: &str) {
    until(PATIENCE, || read(site, name).contains(text).then_some(()))
        .unwrap_or_else(|| panic!("{name} never says {text:?}: {}\n{}", read(site, name), site.log()));
}

/// The last lines of `worker.log`, however long it is.
fn tail_of(site: &Site) -> String {
    let mut file = File::open(site.path("log/worker.log")).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(length.saturating_sub(8192))).unwrap();
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).unwrap();
    String::from_utf8_lossy(&tail).into_owned()
}

/// Waits until one of the last lines holds a text: the way for a log that is too long to be read again and again.
fn wait_at_end(site: &Site, text: &str) {
    until(PATIENCE, || tail_of(site).contains(text).then_some(()))
        .unwrap_or_else(|| panic!("worker.log does not come to {text:?}: {}", tail_of(site)));
}

#[test]
fn the_log_never_grows_old_idle_or_while_a_script_is_silent() {
    // half of the interval apart; without verbose, so that nothing but INFO counts
    let site = Site::new().set("reclaim_interval", 2).set("verbose", false);
    site.start();
    site.wait_for_lines("still here, idle for", 2);
    let go = site.path("go");
    let task = site.task(&format!("until [ -e {} ]; do sleep 0.1; done", go.display()));
    site.wait_running(&task);
    site.wait_for_lines("still here, with a run for", 2);
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
        wait_for(&site, "log/worker.log", "the log is open anew");
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
        .filter(|name| name.starts_with("worker.log"))
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
    // JSON has escapes of its own: who reads it gets what the script said
    let said = "quote \" esc \u{1b}[2J nul \0 bad \u{fffd} c1 \u{9b} end";
    assert_eq!(find("quote")["message"], said);
    assert_eq!(find("forged")["message"], "forged: {}");
    let finished = find("finished");
    assert_eq!((&finished["level"], &finished["fields"]["clean"]), (&"INFO".into(), &true.into()));
    assert_eq!(finished["fields"]["run"], format!("{task}/0"));
    assert!(!log.contains(['\u{1b}', '\u{9b}', '\0']));
}

/// Prints so many numbered lines of 100 bytes, and a last one.
fn much_output(lines: u32) -> String {
    let padding = "x".repeat(91);
    format!("seq -f '%08.0f{padding}' 1 {lines}; echo that was all")
}

#[test]
fn a_stderr_that_nobody_reads_stops_neither_the_worker_nor_its_log() {
    const PAGE: usize = 4096;
    // more than is ever queued for stderr
    const LINES: u32 = 100_000;
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // full: not even the first line has room
    assert_eq!(fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap(), 4096);
    writer.write_all(&[b'-'; PAGE]).unwrap();
    let site = Site::new();
    site.start_onto(writer.into(), &[]);
    site.takes_the_next_task();
    let task = site.task(&much_output(LINES));
    assert_eq!(site.outcome(&task, 0), "completed completed");
    wait_at_end(&site, "that was all");
    // while it has something to look after, too
    let go = site.path("go");
    let task = site.task(&format!("until [ -e {} ]; do sleep 0.1; done", go.display()));
    site.wait_running(&task);
    site.signal(Signal::SIGUSR1);
    wait_at_end(&site, "SIGUSR1 received");
    std::fs::write(go, "").unwrap();
    assert_eq!(site.outcome(&task, 0), "completed completed");
    assert_eq!(site.exit_code(), 0);
    let count = BufReader::new(File::open(site.path("log/worker.log")).unwrap())
        .lines()
        .filter(|line| line.as_ref().unwrap().ends_with("xxx"))
        .count();
    assert_eq!(count, LINES as usize, "nothing that the script said is missing");
    assert!(tail_of(&site).contains("scriptworker leaves"), "{}", tail_of(&site));
    assert!(!site.log().contains("missing here"));
    let mut seen = Vec::new();
    reader.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, [b'-'; PAGE], "the pipe was full from the beginning to the end");
}

#[test]
fn sigterm_is_heeded_with_a_stderr_that_nobody_reads() {
    let (_reader, mut writer) = std::io::pipe().unwrap();
    assert_eq!(fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap(), 4096);
    writer.write_all(&[b'-'; 4096]).unwrap();
    let site = Site::new();
    site.start_onto(writer.into(), &[]);
    let task = site.task("while :; do sleep 0.1; done");
    site.wait_running(&task);
    site.wait_for_log("the script runs");
    site.signal(Signal::SIGTERM);
    assert_eq!(site.outcome(&task, 0), "exception worker-shutdown", "{}", site.log());
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert!(tail_of(&site).contains("scriptworker leaves"), "{}", site.log());
}

#[test]
fn millions_of_short_lines_are_all_in_the_log() {
    const LINES: usize = 3_000_000;
    let site = Site::new().set("verbose", false).set("log_fmt", "%(message)s");
    site.start();
    let task = site.task(&format!("yes y | head -n {LINES}; echo that was all"));
    assert_eq!(site.outcome(&task, 0), "completed completed");
    wait_at_end(&site, "that was all");
    let log = std::fs::read(site.path("log/worker.log")).unwrap();
    assert_eq!(log.split(|byte| *byte == b'\n').filter(|line| *line == b"y").count(), LINES);
}
