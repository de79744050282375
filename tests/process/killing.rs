//! Ending scripts that do not want to, with everything that they started.

use super::support::*;
use scriptworker::process::{Drained, KilledBy, ScriptEnd, StopSignal, boot_now};
use scriptworker_core::run::ScriptExit;
use std::time::Duration;

const KILLED: ScriptEnd = ScriptEnd::Exited { exit: ScriptExit::Signal(9), raw: 9, by: None };

fn code(code: u8) -> ScriptEnd {
    ScriptEnd::Exited { exit: ScriptExit::Code(code), raw: i32::from(code) << 8, by: None }
}

#[tokio::test]
async fn a_script_that_honours_term_ends_its_own_way() {
    let script = start(shell("trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.01; done")).await;
    script.line("ready").await;
    script.control.stop(&[StopSignal::Term], PATIENCE).unwrap();
    let whole = script.whole(PATIENCE).await;
    assert_eq!(whole.end, code(9));
    assert!(whole.log.ends_with(b"bye\n"), "{}", whole.log.escape_ascii());
}

#[tokio::test]
async fn signals_come_in_the_order_asked_for() {
    let script = start(shell(
        "trap 'echo int' INT; trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.01; done",
    ))
    .await;
    script.line("ready").await;
    script.control.stop(&[StopSignal::Int, StopSignal::Term], Duration::from_secs(3)).unwrap();
    let whole = script.whole(PATIENCE).await;
    assert_eq!(whole.end, code(3));
    // Shells also say that their `sleep` was terminated.
    let log = String::from_utf8(whole.log).unwrap();
    let own: Vec<_> = log.lines().filter(|line| ["int", "term"].contains(line)).collect();
    assert_eq!(own, ["int", "term"]);
}

#[tokio::test]
async fn a_script_that_ignores_term_is_killed_with_its_children() {
    let script = start(shell(
        "trap '' TERM INT HUP; sleep 1000 & echo child $!; echo ready; while :; do sleep 0.01; done",
    ))
    .await;
    script.line("ready").await;
    let child = script.pid_in_line("child").await;
    script.control.stop(&[StopSignal::Int, StopSignal::Term], Duration::from_millis(50)).unwrap();
    let whole = script.whole(PATIENCE).await;
    assert_eq!(whole.end, KILLED);
    assert!(!alive(child));
}

#[tokio::test]
async fn a_stopped_script_can_still_act_on_term() {
    let script =
        start(shell("trap 'exit 8' TERM; echo ready; kill -STOP $$; while :; do sleep 0.01; done")).await;
    script.line("ready").await;
    let pid = script.pid();
    eventually("the script to stop", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T').then_some(())
    })
    .await;
    script.control.stop(&[StopSignal::Term], PATIENCE).unwrap();
    assert_eq!(script.whole(PATIENCE).await.end, code(8));
}

#[tokio::test]
async fn kill_needs_no_grace() {
    let script = start(shell("trap '' TERM; echo ready; exec sleep 1000")).await;
    script.line("ready").await;
    script.control.stop(&[StopSignal::Term], PATIENCE).unwrap();
    script.control.kill().unwrap();
    assert_eq!(script.whole(PATIENCE).await.end, KILLED);
}

/// Background children, sessions of their own, double forks, ignored signals, and a fork loop.
const ZOO: &str = "
    trap '' TERM INT HUP
    sleep 1000 & echo child $!
    setsid sh -c 'echo session $$; exec sleep 1000' &
    ( ( setsid sh -c 'trap \"\" TERM; echo daemon $$; exec sleep 1000' & ) & )
    nohup sh -c 'echo nohup $$; exec sleep 1000' &
    ( sh -c 'echo looping $$; while :; do sleep 0.001 & done' & )
";

#[tokio::test]
async fn nothing_that_the_script_left_behind_survives_the_sweep() {
    let mut script = start(shell(ZOO)).await;
    let mut pids = Vec::new();
    for name in ["child", "session", "daemon", "nohup", "looping"] {
        pids.push(script.pid_in_line(name).await);
    }
    assert_eq!(within(&mut script.exit).await, code(0));
    assert!(pids.iter().all(|pid| alive(*pid)), "the zoo did not outlive its keeper: {pids:?}");
    assert_eq!(within(script.control.sweep()).await, Ok(0));
    assert_eq!(pids.iter().filter(|pid| alive(**pid)).count(), 0);
    assert_eq!(within(script.control.sweep()).await, Ok(0));
}

#[tokio::test]
async fn a_background_child_that_holds_the_pipe_does_not_hold_the_task() {
    let script = start(shell("sleep 1000 & echo child $!")).await;
    let child = script.pid_in_line("child").await;
    let whole = script.whole(Duration::from_millis(100)).await;
    assert_eq!((whole.end, whole.drained, whole.survivors), (code(0), Drained::CutOff, 0));
    assert!(!alive(child));
    assert!(whole.report.error.is_none());
}

#[tokio::test]
async fn a_background_child_may_finish_its_output_in_the_drain_time() {
    let whole = start(shell("(sleep 0.2; echo late) &")).await.whole(PATIENCE).await;
    assert_eq!((whole.drained, whole.log.as_slice()), (Drained::AtEnd, b"late\n".as_slice()));
}

#[tokio::test]
async fn the_deadline_kills_while_the_worker_does_nothing() {
    let script = start(shell("trap '' TERM; sleep 1000 & echo child $!; wait")).await;
    let child = script.pid_in_line("child").await;
    script.control.deadline(boot_now().plus(200)).unwrap();
    let whole = script.whole(PATIENCE).await;
    let by = Some(KilledBy::Deadline);
    assert_eq!(whole.end, ScriptEnd::Exited { exit: ScriptExit::Signal(9), raw: 9, by });
    assert!(!alive(child));
}

#[tokio::test]
async fn a_deadline_that_is_over_at_the_start_ends_the_script_at_once() {
    let mut spec = shell("exec sleep 1000");
    spec.deadline = Some(boot_now());
    let whole = run(spec).await;
    assert!(
        matches!(whole.end, ScriptEnd::Exited { raw: 9, by: Some(KilledBy::Deadline), .. }),
        "{:?}",
        whole.end
    );
}

#[tokio::test]
async fn an_extended_deadline_is_the_only_one() {
    let first = boot_now().plus(5_000);
    let mut spec = shell("echo ready; read line; exit 6");
    let (stdin, keyboard) = std::io::pipe().unwrap();
    spec.stdin = Some(stdin.into());
    spec.deadline = Some(first);
    let script = start(spec).await;
    script.control.deadline(boot_now().plus(3_600_000)).unwrap();
    script.line("ready").await;
    // Well past the first one, and decided by the clock that counts.
    eventually("the first deadline to pass", || (boot_now() > first.plus(500)).then_some(())).await;
    assert!(alive(script.pid()));
    drop(keyboard);
    assert_eq!(script.whole(PATIENCE).await.end, code(6));
}

#[tokio::test]
async fn a_deadline_also_ends_what_the_script_left_behind() {
    let mut script = start(shell("sleep 1000 & echo child $!")).await;
    let child = script.pid_in_line("child").await;
    assert_eq!(within(&mut script.exit).await, code(0));
    let deadline = boot_now().plus(200);
    script.control.deadline(deadline).unwrap();
    gone(child).await;
    assert!(boot_now() >= deadline, "it ended before");
}

#[tokio::test]
async fn without_any_control_left_everything_ends() {
    let mut script = start(shell("trap '' TERM; setsid sleep 1000 & echo child $!; wait")).await;
    let child = script.pid_in_line("child").await;
    drop(script.control);
    assert_eq!(within(&mut script.exit).await, KILLED);
    gone(child).await;
    gone(script.guardian_pid).await;
}

/// A worker in a process of its own, which can be killed: this very test binary, asked for one test.
#[tokio::test]
async fn a_worker_that_is_killed_or_stopped_takes_its_script_with_it() {
    use nix::sys::signal::Signal;
    for (fatal, deadline) in [(Signal::SIGKILL, None), (Signal::SIGSTOP, Some("6000"))] {
        let dir = tempfile::tempdir().unwrap();
        let mut worker = std::process::Command::new(std::env::current_exe().unwrap());
        worker.args(["--exact", "killing::worker_to_be_killed", "--ignored"]).env("WORKER_DIR", dir.path());
        if let Some(ms) = deadline {
            worker.env("WORKER_DEADLINE_MS", ms);
        }
        let mut worker = worker.stdout(std::process::Stdio::null()).spawn().unwrap();
        let pids = eventually("the worker's script", || {
            let text = std::fs::read_to_string(dir.path().join("pids")).ok()?;
            let pids: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
            (pids.len() == 3).then_some(pids)
        })
        .await;
        signal(worker.id(), fatal);
        for pid in &pids[1..] {
            gone(*pid).await;
        }
        if fatal == Signal::SIGSTOP {
            assert!(alive(worker.id()));
            worker.kill().unwrap();
        }
        worker.wait().unwrap();
        gone(pids[0]).await;
    }
}

#[tokio::test]
#[ignore = "no test: the worker that another test kills"]
async fn worker_to_be_killed() {
    let dir = std::path::PathBuf::from(std::env::var_os("WORKER_DIR").unwrap());
    let mut spec = shell("trap '' TERM; setsid sleep 1000 & echo child $!; wait");
    if let Ok(ms) = std::env::var("WORKER_DEADLINE_MS") {
        spec.deadline = Some(boot_now().plus(ms.parse().unwrap()));
    }
    let script = start(spec).await;
    let child = script.pid_in_line("child").await;
    let pids = format!("{}\n{}\n{child}\n", script.guardian_pid, script.pid());
    scriptworker::fsio::write_atomic(&dir.join("pids"), pids.as_bytes(), 0o600).unwrap();
    std::future::pending::<()>().await;
}
