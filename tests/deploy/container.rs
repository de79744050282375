//! The life of a worker in a container: start, probe, end; and what it owes to others as process 1.

use crate::support::{
    APP_USER, App, Process, TOKEN, WORKER_TYPE, can_unshare, is_root, outcome, queue, read, repository,
    signal, task, until, wait_for_text,
};
use nix::sys::signal::Signal;
use scriptworker::embedded_queue::EmbeddedQueue;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// A container's command line, ready to be started as its user.
fn init(app: &App, queue: &EmbeddedQueue) -> Command {
    app.install_worker("bin/scriptworker");
    app.install_script("script", &app.path("workdir"));
    app.write("configs/worker.json", "{}", 0o600);
    let mut command = Command::new("/app/docker.d/init.sh");
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("APP_DIR", app.path("").to_str().unwrap().trim_end_matches('/'))
        .env("PROJECT_NAME", "test")
        .env("ENV", "dev")
        .env("COT_PRODUCT", "firefox")
        .env("CHAIN_OF_TRUST", "none")
        .env("TASK_SCRIPT", app.path("script"))
        .env("TASKCLUSTER_ROOT_URL", queue.root_url())
        .env("TASKCLUSTER_CLIENT_ID", "test/worker")
        .env("TASKCLUSTER_ACCESS_TOKEN", TOKEN);
    command
}

/// The same command with the script of the repository in the image's place, as the image's user where that is possible.
fn start(app: &App, command: Command, before: &[&str]) -> Process {
    // the repository may be out of reach for the image's user
    app.write("docker.d/init.sh", &read(&repository("deploy/container/init.sh")), 0o755);
    let mut argv: Vec<String> = before.iter().map(|&word| word.to_owned()).collect();
    argv.push(app.path("docker.d/init.sh").to_str().unwrap().to_owned());
    let mut started = Command::new(&argv[0]);
    started.args(&argv[1..]).env_clear().current_dir(app.path(""));
    started.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if is_root() && before.is_empty() {
        started.uid(APP_USER).gid(APP_USER);
    }
    Process::start(&mut started)
}

/// A command that says that it runs and waits for the file `go`.
fn waiting(app: &App) -> String {
    format!(
        "echo $$ > '{}'\nwhile [ ! -e '{}' ]; do sleep 0.05; done\nid -u\n",
        app.path("running").display(),
        app.path("go").display()
    )
}

fn wait_until_running(app: &App, log: &Path) {
    until(|| app.path("running").exists().then_some(()))
        .unwrap_or_else(|| panic!("the script does not run\n{}", read(log)));
}

fn healthcheck(log: &Path) -> Option<i32> {
    let output = Command::new(repository("deploy/container/healthcheck")).arg(log).output().unwrap();
    output.status.code()
}

#[test]
fn a_container_starts_is_probed_and_leaves_when_its_task_is_done() {
    let (app, queue) = (App::new(), queue());
    let log = app.path("logs/worker.log");
    assert_eq!(healthcheck(&log), Some(1), "there is no log yet");
    let held = task(&queue, &waiting(&app));
    let mut worker = start(&app, init(&app, &queue), &[]);
    wait_until_running(&app, &log);

    assert_eq!(healthcheck(&log), Some(0));
    let old = app.path("old.log");
    for (age, healthy) in [(300, 0), (420, 1)] {
        let file = std::fs::File::create(&old).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        assert_eq!(healthcheck(&old), Some(healthy), "{age} s");
    }

    let pid = worker.pid().to_string();
    let stopping = ["600", pid.as_str()];
    let mut stopping =
        Process::start(Command::new(repository("deploy/container/pre-stop.sh")).args(stopping));
    wait_for_text(&log, "SIGUSR1 received");
    std::fs::write(app.path("go"), "").unwrap();
    assert_eq!(outcome(&queue, &held, &log), "completed completed");
    assert_eq!(worker.exit_code("the worker"), 0, "{}", read(&log));
    assert_eq!(stopping.exit_code("pre-stop.sh"), 0);
    if is_root() {
        assert!(
            read(&log).contains(&format!("- {APP_USER}")),
            "the script ran as the image's user\n{}",
            read(&log)
        );
    }
    let config = read(&app.path("configs/scriptworker.json"));
    assert!(config.contains(WORKER_TYPE), "{config}");
}

#[test]
fn pre_stop_gives_up_in_time_and_refuses_nonsense() {
    let mut stubborn = Command::new("/bin/sh");
    stubborn.args(["-c", "trap '' USR1; echo ready > \"$0\"; exec sleep 600"]);
    let app = App::new();
    let stubborn = Process::start(stubborn.arg(app.path("ready")));
    until(|| app.path("ready").exists().then_some(())).expect("a shell starts");
    let pid = stubborn.pid().to_string();
    for (arguments, expected) in [(["0", &pid], 1), (["soon", &pid], 2), (["0", "-1"], 2)] {
        let mut stopping = Command::new(repository("deploy/container/pre-stop.sh"));
        assert_eq!(stopping.args(arguments).output().unwrap().status.code(), Some(expected), "{arguments:?}");
    }
}

#[test]
fn the_image_is_made_of_files_that_are_there() {
    let text = read(&repository("deploy/Containerfile"));
    let mut sources = 0;
    let mut copied_into_build = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.contains("--from=") {
            continue;
        }
        let (_, copied) = words.split_last().unwrap();
        for source in copied.iter().filter(|word| !word.starts_with("--")) {
            assert!(repository(source).exists(), "{source}");
            copied_into_build.push(repository(source).canonicalize().unwrap());
            sources += 1;
        }
    }
    for (source, included) in included_files() {
        let copied = copied_into_build.iter().any(|copied| included.starts_with(copied));
        assert!(
            copied,
            "{} includes {}, which the image does not have",
            source.display(),
            included.display()
        );
    }
    assert!(sources >= 7, "{sources}: the test no longer reads the file");
    assert!(text.contains(&format!("USER {APP_USER}:{APP_USER}")));
}

/// Every file that a source includes as it is compiled, with the source; tests are not part of the image.
fn included_files() -> Vec<(PathBuf, PathBuf)> {
    let mut included = Vec::new();
    let mut directories = vec![repository("src"), repository("core/src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = read(&path);
            let code = text.split("#[cfg(test)]").next().unwrap();
            for rest in code.split("include_str!(\"").chain(code.split("include_bytes!(\"")).skip(1) {
                let name = rest.split('"').next().unwrap();
                if let Ok(file) = path.with_file_name(name).canonicalize() {
                    included.push((path.clone(), file));
                }
            }
        }
    }
    assert!(!included.is_empty(), "the test no longer finds what is included");
    included
}

/// The worker as process 1 of a namespace, and the number that it has outside.
fn start_as_init(app: &App, queue: &EmbeddedQueue) -> (Process, u32) {
    // as root: the namespace takes away nothing that the test of the container has shown already
    let init = init(app, queue);
    let before = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let outside = start(app, init, &before);
    let parent = outside.pid();
    let worker = until(|| {
        let worker = child_of(parent, "scriptworker")?;
        let status = read(Path::new(&format!("/proc/{worker}/status")));
        status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")).then_some(worker)
    });
    (outside, worker.expect("the worker becomes process 1"))
}

fn child_of(parent: u32, name: &str) -> Option<u32> {
    children_of(parent).into_iter().find(|(_, found)| found == name).map(|(pid, _)| pid)
}

/// Numbers and names of all children, ended ones included.
fn children_of(parent: u32) -> Vec<(u32, String)> {
    let processes = std::fs::read_dir("/proc").unwrap();
    processes
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, rest) = stat.split_once('(')?;
            let (name, fields) = rest.rsplit_once(") ")?;
            let its_parent: u32 = fields.split(' ').nth(1)?.parse().ok()?;
            (its_parent == parent).then(|| (pid, name.to_owned()))
        })
        .collect()
}

#[test]
fn as_process_1_the_worker_reaps_what_others_left_and_keeps_its_own_statuses() {
    if !can_unshare("the worker as process 1", &["--pid", "--fork", "--mount-proc"]) {
        return;
    }
    let (app, queue) = (App::new(), queue());
    let log = app.path("logs/worker.log");
    let (mut outside, worker) = start_as_init(&app, &queue);
    wait_for_text(&log, "asking for work");

    // what `kubectl exec` leaves behind: a process whose parent has ended
    let pipe = app.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let leave_cat = "cat \"$0\" >/dev/null 2>&1 &";
    let number = worker.to_string();
    let entered =
        Command::new("nsenter").args(["-t", &number, "-p", "sh", "-c", leave_cat]).arg(&pipe).status();
    assert!(entered.unwrap().success());
    let cat = until(|| child_of(worker, "cat")).expect("the orphan becomes the worker's");
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
    let gone = |pid: u32| until(|| (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    gone(cat).unwrap_or_else(|| panic!("the orphan stays a zombie\n{}", read(&log)));

    // what a killed guardian leaves behind: the script and what it had started
    let killed = task(&queue, "sleep 600 & setsid sleep 0 & kill -9 $PPID; sleep 600");
    assert_eq!(outcome(&queue, &killed, &log), "exception internal-error", "{}", read(&log));
    until(|| children_of(worker).is_empty().then_some(()))
        .unwrap_or_else(|| panic!("left: {:?}\n{}", children_of(worker), read(&log)));

    // nobody has taken away the statuses of scripts and guardians
    for (command, expected) in [("exit 0", "completed completed"), ("exit 3", "exception malformed-payload")]
    {
        let task = task(&queue, command);
        assert_eq!(outcome(&queue, &task, &log), expected, "{}", read(&log));
    }
    wait_for_text(&log, "nothing is left of the script");

    let held = task(&queue, &waiting(&app));
    wait_until_running(&app, &log);
    signal(worker, Signal::SIGUSR1);
    wait_for_text(&log, "SIGUSR1 received");
    std::fs::write(app.path("go"), "").unwrap();
    assert_eq!(outcome(&queue, &held, &log), "completed completed");
    assert_eq!(outside.exit_code("the worker"), 0, "{}", read(&log));
    assert_eq!(read(&log).matches("guardian ended badly").count(), 1, "only the killed one\n{}", read(&log));
}

#[test]
fn as_process_1_the_worker_obeys_sigterm() {
    if !can_unshare("the worker as process 1", &["--pid", "--fork", "--mount-proc"]) {
        return;
    }
    let (app, queue) = (App::new(), queue());
    let log = app.path("logs/worker.log");
    let held = task(&queue, &waiting(&app));
    let (mut outside, worker) = start_as_init(&app, &queue);
    wait_until_running(&app, &log);
    signal(worker, Signal::SIGTERM);
    assert_eq!(outcome(&queue, &held, &log), "exception worker-shutdown", "{}", read(&log));
    assert_eq!(outside.exit_code("the worker"), 0, "{}", read(&log));
}
