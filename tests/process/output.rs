//! Output: every byte, in constant memory, whatever happens to the disk.

use super::support::*;
use scriptworker::fsio;
use scriptworker::process::{Drained, Pump, Tail};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn fifty_megabytes_arrive_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    // No pattern that a lost or doubled chunk could hide in, and every byte value.
    let mut state = 1u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(50 << 20)
    .collect();
    fsio::create(&source, 0o600).unwrap().write_all(&bytes).unwrap();
    let whole = run(spec(&["/bin/cat", source.to_str().unwrap()])).await;
    assert_eq!(whole.log.len(), bytes.len());
    // Not `assert_eq`: it would print both.
    assert!(whole.log == bytes, "the log differs from what was written");
    assert_eq!((whole.report.bytes, whole.report.lost), (bytes.len() as u64, 0));
}

#[tokio::test]
async fn a_line_of_64_mib_is_one_line() {
    let size = 64 << 20;
    let mut script = start(shell(&format!("head -c {size} /dev/zero | tr '\\0' x"))).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    let tail =
        Tail::start(std::fs::File::open(script.log_path()).unwrap(), script.pump.progress(), move |text| {
            lines.lock().unwrap().extend(text.lines().map(str::to_owned));
        })
        .unwrap();
    within(&mut script.exit).await;
    script.pump.script_ended(PATIENCE);
    assert_eq!(within(script.pump.drained()).await, Drained::AtEnd);
    script.pump.note("exit code: 0");
    let report = within(script.pump.finish()).await;
    within(tail.finish()).await.unwrap();
    assert_eq!(report.lost, 0);
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|line| line.len() < 17 * 1024));
    assert!(seen.iter().any(|line| line.ends_with("x [line cut]")));
    assert_eq!(seen.last().unwrap(), "exit code: 0");
}

#[tokio::test]
async fn stdout_and_stderr_keep_their_order() {
    let whole = run(shell("for i in 1 2 3; do echo out $i; echo err $i >&2; done")).await;
    assert_eq!(whole.log, b"out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
}

#[tokio::test]
async fn the_workers_lines_stand_on_lines_of_their_own() {
    let mut script = start(shell("printf 'no newline'; exec >&- 2>&-; sleep 0.01")).await;
    within(&mut script.exit).await;
    script.pump.script_ended(PATIENCE);
    within(script.pump.drained()).await;
    script.pump.note("one");
    script.pump.note("exit code: 0");
    let path = script.log_path();
    let report = within(script.pump.finish()).await;
    assert_eq!(std::fs::read(path).unwrap(), b"no newline\none\nexit code: 0\n");
    assert_eq!(report.bytes, 28);
}

#[tokio::test]
async fn an_empty_log_gets_no_empty_line() {
    let dir = tempfile::tempdir().unwrap();
    let (output, writer) = std::io::pipe().unwrap();
    let path = dir.path().join("log");
    let mut pump = Pump::start(output.into(), fsio::create(&path, 0o600).unwrap()).unwrap();
    drop(writer);
    assert_eq!(within(pump.drained()).await, Drained::AtEnd);
    assert_eq!(within(pump.drained()).await, Drained::AtEnd);
    pump.note("only");
    within(pump.finish()).await;
    assert_eq!(std::fs::read(path).unwrap(), b"only\n");
}

#[tokio::test]
async fn a_full_disk_neither_blocks_nor_kills_the_script() {
    // Every write to this device fails with ENOSPC.
    let (output, mut writer) = std::io::pipe().unwrap();
    let pump = Pump::start(output.into(), fsio::append("/dev/full".as_ref(), 0).unwrap()).unwrap();
    let written = tokio::task::spawn_blocking(move || {
        // Many times what a pipe holds: this ends only if somebody reads.
        for _ in 0..64 {
            writer.write_all(&[b'x'; 64 * 1024]).unwrap();
        }
    });
    within(written).await.unwrap();
    let report = within(pump.finish()).await;
    assert_eq!((report.bytes, report.lost), (0, 64 * 64 * 1024));
    assert_eq!(report.error.unwrap().raw_os_error(), Some(nix::libc::ENOSPC));
}

#[tokio::test]
async fn a_writer_that_never_stops_does_not_hold_up_the_end() {
    let (output, mut writer) = std::io::pipe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut pump = Pump::start(output.into(), fsio::create(&dir.path().join("log"), 0o600).unwrap()).unwrap();
    let flood = std::thread::spawn(move || while writer.write_all(&[b'x'; 4096]).is_ok() {});
    pump.script_ended(std::time::Duration::from_millis(50));
    assert_eq!(within(pump.drained()).await, Drained::CutOff);
    within(pump.finish()).await;
    flood.join().unwrap();
}

#[tokio::test]
async fn finishing_takes_what_was_written_until_then() {
    let (output, mut writer) = std::io::pipe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let pump = Pump::start(output.into(), fsio::create(&path, 0o600).unwrap()).unwrap();
    writer.write_all(b"the last words").unwrap();
    within(pump.finish()).await;
    let mut log = String::new();
    std::fs::File::open(path).unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(log, "the last words");
}

/// In a process of its own, because the fault is armed for a whole process.
#[cfg(feature = "fault")]
#[test]
fn a_disk_that_recovers_leaves_a_mark_in_the_log() {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "output::on_a_disk_that_recovers", "--ignored"])
        .env("SW_FAULT", "fsio.write:2:ENOSPC")
        .status();
    assert!(status.unwrap().success());
}

#[cfg(feature = "fault")]
#[tokio::test]
#[ignore = "needs a fault that another test arms"]
async fn on_a_disk_that_recovers() {
    let (output, writer) = std::io::pipe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let pump = Pump::start(output.into(), fsio::create(&path, 0o600).unwrap()).unwrap();
    drop(writer);
    for line in ["one", "two", "three"] {
        pump.note(line);
    }
    let report = within(pump.finish()).await;
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        "one\n[4 bytes of output could not be written]\nthree\n"
    );
    assert_eq!((report.bytes, report.lost), (51, 4));
    assert_eq!(report.error.unwrap().raw_os_error(), Some(nix::libc::ENOSPC));
}
