//! How scripts end, or fail to begin.

use super::support::*;
use scriptworker::process::{Guardian, LaunchError, NotStarted, Running, ScriptEnd, StartFailure, launch};
use scriptworker_core::run::ScriptExit;

#[tokio::test]
async fn every_exit_code_arrives() {
    for code in 0..=255 {
        let whole = run(shell(&format!("exit {code}"))).await;
        let expected =
            ScriptEnd::Exited { exit: ScriptExit::Code(code), raw: i32::from(code) << 8, by: None };
        assert_eq!(whole.end, expected);
        assert_eq!(whole.survivors, 0);
    }
}

#[tokio::test]
async fn every_signal_that_ends_a_process_arrives_as_the_kernel_gave_it() {
    // All but those whose default is to be ignored or to stop: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH. 40 and
    // 64 are real-time signals, which have no name in most libraries.
    let ending = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31, 40, 64];
    for number in ending {
        let whole = run(shell(&format!("kill -{number} $$; sleep 1000"))).await;
        let ScriptEnd::Exited { exit, raw, by: None } = whole.end else {
            panic!("{number}: {:?}", whole.end)
        };
        assert_eq!(exit, ScriptExit::Signal(number));
        assert_eq!(raw & 0x7f, i32::from(number), "signal {number}");
        assert_eq!(raw & !0xff, 0, "signal {number}");
    }
}

#[tokio::test]
async fn the_core_dump_bit_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let whole = run(shell(&format!("cd '{}' && ulimit -c 0 && kill -SEGV $$", dir.path().display()))).await;
    assert!(matches!(whole.end, ScriptEnd::Exited { raw: 11, .. }), "{:?}", whole.end);
    // Whether a core is written depends on the machine: ask it with a process that has no guardian.
    let dumping = format!("cd '{}' && ulimit -c unlimited && kill -SEGV $$", dir.path().display());
    let status = status_as_own_child(&dumping);
    let whole = run(shell(&dumping)).await;
    let ScriptEnd::Exited { raw, .. } = whole.end else { panic!("{:?}", whole.end) };
    assert_eq!(raw, status);
}

#[tokio::test]
async fn a_script_that_cannot_be_started_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    write_script(dir.path().join("not-executable").as_path(), "#!/bin/sh\n", 0o644);
    write_script(dir.path().join("no-interpreter").as_path(), "#!/no/such/sh\n", 0o755);
    write_script(dir.path().join("no-program").as_path(), "just text\n", 0o755);
    write_script(dir.path().join("fine").as_path(), "#!/bin/sh\n", 0o755);
    let long = "x".repeat(4 << 20);
    for (argv, errno, reason) in [
        (vec![at("missing")], 2, StartFailure::Missing),
        (vec!["no-such-program-anywhere".to_owned()], 2, StartFailure::Missing),
        (vec![at("not-executable")], 13, StartFailure::NotExecutable),
        (vec![at("")], 13, StartFailure::NotExecutable),
        (
            vec![at("no-interpreter")],
            2,
            StartFailure::InterpreterMissing { interpreter: "/no/such/sh".to_owned() },
        ),
        (vec![at("no-program")], 8, StartFailure::NotAProgram),
        (vec![at("fine"), long], 7, StartFailure::TooLong),
    ] {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let script = start(spec(&argv)).await;
        assert_eq!(script.started, None);
        let whole = script.whole(PATIENCE).await;
        let program = argv[0].to_owned();
        assert_eq!(whole.end, ScriptEnd::NotStarted(NotStarted { program, errno, reason }));
        assert_eq!((whole.survivors, whole.log.as_slice()), (0, b"".as_slice()));
    }
}

#[tokio::test]
async fn a_program_without_a_slash_is_found_in_the_scripts_path() {
    let dir = tempfile::tempdir().unwrap();
    for (sub, text, mode) in [("a", "#!/bin/sh\necho a\n", 0o644), ("b", "#!/bin/sh\necho b\n", 0o755)] {
        std::fs::DirBuilder::new().create(dir.path().join(sub)).unwrap();
        write_script(&dir.path().join(sub).join("tool"), text, mode);
    }
    let mut found = spec(&["tool"]);
    found.env = vec![("PATH".into(), format!("{0}/none:{0}/a:{0}/b", dir.path().display()).into())];
    assert_eq!(run(found).await.log, b"b\n");
    let mut refused = spec(&["tool"]);
    refused.env = vec![("PATH".into(), format!("{}/a", dir.path().display()).into())];
    let ScriptEnd::NotStarted(failure) = run(refused).await.end else { panic!("started") };
    assert_eq!(failure.reason, StartFailure::NotExecutable);
    let mut without_path = spec(&["sh", "-c", "echo found"]);
    without_path.env = vec![];
    assert_eq!(run(without_path).await.log, b"found\n");
}

#[tokio::test]
async fn a_guardian_that_cannot_be_started_is_an_error_of_the_launch() {
    let mut spec = shell("true");
    spec.guardian = "/no/such/guardian".into();
    let error = launch(spec).await.err().unwrap();
    assert!(matches!(error, LaunchError::Guardian { errno: nix::errno::Errno::ENOENT, .. }), "{error}");
    // A program that is no guardian takes the place of one that dies at once.
    let mut spec = shell("true");
    spec.guardian = "/bin/true".into();
    assert_eq!(within(launch(spec).await.unwrap().exit).await, ScriptEnd::GuardianLost);
}

#[tokio::test]
async fn a_guardian_may_be_started_before_its_script_is_known() {
    let waiting = Guardian::start_as(guardian(), None).await.unwrap();
    let pid = waiting.pid();
    let Running { started, exit, control, guardian_pid, .. } = waiting.launch(shell("exit 3")).unwrap();
    assert_eq!(guardian_pid, pid);
    assert!(within(started).await.is_some());
    let ScriptEnd::Exited { raw, .. } = within(exit).await else { panic!("did not run") };
    assert_eq!(raw, 3 << 8);
    assert_eq!(within(control.sweep()).await, Ok(0));
    drop(control);
    gone(pid).await;
}

#[tokio::test]
async fn a_guardian_that_was_started_for_nothing_leaves() {
    let waiting = Guardian::start_as(guardian(), None).await.unwrap();
    let pid = waiting.pid();
    assert!(alive(pid) && !waiting.is_gone());
    drop(waiting);
    gone(pid).await;
    let killed = Guardian::start_as(guardian(), None).await.unwrap();
    signal(killed.pid(), nix::sys::signal::Signal::SIGKILL);
    eventually("the news of its end", || killed.is_gone().then_some(())).await;
    assert_eq!(within(killed.launch(shell("true")).unwrap().exit).await, ScriptEnd::GuardianLost);
}

#[tokio::test]
async fn a_guardian_that_is_killed_is_an_end_of_its_own() {
    let mut script = start(shell("echo ready; exec sleep 1000")).await;
    script.line("ready").await;
    signal(script.guardian_pid, nix::sys::signal::Signal::SIGKILL);
    assert_eq!(within(&mut script.exit).await, ScriptEnd::GuardianLost);
    assert!(within(script.control.sweep()).await.is_err());
    // As documented: nobody is left to kill the script, so it still runs.
    assert!(alive(script.pid()));
    signal(script.pid(), nix::sys::signal::Signal::SIGKILL);
    gone(script.pid()).await;
}

/// The raw wait status of a shell script that is this process's own child.
fn status_as_own_child(script: &str) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    std::process::Command::new("/bin/sh").args(["-c", script]).status().unwrap().into_raw()
}
