//! What a script finds around itself.

use super::support::*;
use nix::sys::signal::Signal;
use scriptworker::process::CredentialsFile;
use serde_json::Map;
use std::io::Write;

async fn output_of(spec: scriptworker::process::LaunchSpec) -> String {
    String::from_utf8(run(spec).await.log).unwrap()
}

/// The open descriptors of a script, looked at from outside: any command of its own would show its own.
async fn descriptors(script: Script) -> Vec<String> {
    script.line("ready").await;
    let mut open: Vec<_> = std::fs::read_dir(format!("/proc/{}/fd", script.pid()))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    open.sort();
    open
}

#[tokio::test]
async fn only_the_promised_descriptors_are_open() {
    // One that the worker itself inherited or opened carelessly must not get through either.
    let _leak = nix::unistd::dup(std::io::stderr()).unwrap();
    let (stdin, _keyboard) = std::io::pipe().unwrap();
    let waiting = || {
        let mut spec = shell("echo ready; read go");
        spec.stdin = Some(stdin.try_clone().unwrap().into());
        spec
    };
    assert_eq!(descriptors(start(waiting()).await).await, ["0", "1", "2"]);
    let dir = tempfile::tempdir().unwrap();
    let file = CredentialsFile::create(dir.path(), &Map::new()).unwrap();
    let mut with_credentials = waiting();
    with_credentials.credentials = Some(file.for_script().unwrap());
    assert_eq!(descriptors(start(with_credentials).await).await, ["0", "1", "2", "4"]);
}

#[tokio::test]
async fn credentials_and_their_renewals_are_read_from_descriptor_4() {
    let dir = tempfile::tempdir().unwrap();
    let token = |text: &str| Map::from_iter([("accessToken".to_owned(), serde_json::Value::from(text))]);
    let mut file = CredentialsFile::create(dir.path(), &token("first")).unwrap();
    let (stdin, mut keyboard) = std::io::pipe().unwrap();
    // Opened anew each time, as `pread` at 0 would read it.
    let mut spec = shell("cat /proc/self/fd/4; echo one; read go; cat /proc/self/fd/4; echo two");
    spec.stdin = Some(stdin.into());
    spec.credentials = Some(file.for_script().unwrap());
    let script = start(spec).await;
    script.line("one").await;
    file.renew(&token("second")).unwrap();
    keyboard.write_all(b"go\n").unwrap();
    let log = String::from_utf8(script.whole(PATIENCE).await.log).unwrap();
    let (one, two) = log.split_once("one\n").unwrap();
    let parse = |text: &str| serde_json::from_str::<Map<String, serde_json::Value>>(text).unwrap();
    assert_eq!(parse(one), token("first"));
    assert_eq!(parse(two.strip_suffix("two\n").unwrap()), token("second"));
}

#[tokio::test]
async fn it_leads_a_session_of_its_own() {
    let script = start(shell("cut -d' ' -f1,5,6 /proc/$$/stat; read go")).await;
    let pid = script.pid();
    script.line(&format!("{pid} {pid} {pid}")).await;
}

#[tokio::test]
async fn signals_are_as_a_new_process_expects_them() {
    // The test binary itself ignores SIGPIPE, as every Rust program does.
    let text = output_of(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status")).await;
    let sets: Vec<u64> = text.lines().map(|line| u64::from_str_radix(&line[8..], 16).unwrap()).collect();
    // glibc keeps 32 and 33 for itself and ignores them in whatever it spawns.
    let internal = 1 << 31 | 1 << 32;
    assert!(matches!(sets[..], [0, ignored] if ignored & !internal == 0), "{text}");
    let whole = run(shell("yes | head -1; true")).await;
    assert_eq!(whole.log, b"y\n");
}

#[tokio::test]
async fn environment_arguments_and_directory_are_as_given() {
    let mut spec =
        spec(&["/bin/sh", "-c", "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL=; echo \"$0|$1|$PWD\"", "a b", "*"]);
    spec.env = vec![("ONLY".into(), "this\u{e4}".into())];
    let here = std::env::current_dir().unwrap();
    assert_eq!(output_of(spec).await, format!("ONLY=thisä\na b|*|{}\n", here.display()));
}

#[tokio::test]
async fn standard_input_is_the_one_given() {
    let (stdin, mut keyboard) = std::io::pipe().unwrap();
    let mut spec = shell("read line; echo got $line");
    spec.stdin = Some(stdin.into());
    let script = start(spec).await;
    keyboard.write_all(b"hello\n").unwrap();
    assert_eq!(script.whole(PATIENCE).await.log, b"got hello\n");
}

#[tokio::test]
async fn the_guardian_cannot_be_reached_by_the_workers_signals() {
    let mut script = start(shell("echo ready; exec sleep 1000")).await;
    script.line("ready").await;
    for ignored in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2] {
        signal(script.guardian_pid, ignored);
    }
    // The answer comes after the signals were delivered.
    assert_eq!(within(script.control.sweep()).await, Ok(0));
    within(&mut script.exit).await;
    let open: Vec<_> = std::fs::read_dir(format!("/proc/{}/fd", script.guardian_pid))
        .unwrap()
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .filter(|target| target.starts_with("pipe:"))
        .collect();
    assert_eq!(open, Vec::<String>::new(), "the guardian holds a pipe open");
}

#[test]
fn the_verb_is_of_no_use_by_hand() {
    let run =
        std::process::Command::new(guardian()).arg("guardian").stdin(std::process::Stdio::null()).output();
    let output = run.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("for the worker's own use"));
}
