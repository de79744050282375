//! What a script leaves in its artifact directory, and what becomes of it (artifacts.md 1 to 3).

use crate::support::{PATIENCE, Site, content, key};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use scriptworker::embedded_queue::{Call, Fault, FaultKind};
use scriptworker::taskcluster::artifacts::Of;
use scriptworker::taskcluster::transfer::TransferLimits;
use scriptworker::taskcluster::{Auth, Budget, Http, HttpConfig, Queue, RootUrl};
use scriptworker_core::ids::{ArtifactName, TaskId};
use scriptworker_core::time::UnixMillis;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;

fn bytes(site: &Site, task: &TaskId, name: &str) -> Vec<u8> {
    content(&site.artifact(task, 0, name).unwrap_or_else(|| panic!("there is no {name}\n{}", site.log())))
}

#[test]
fn odd_names_and_empty_files_arrive_as_they_are() {
    let site = Site::new();
    site.start();
    let folders = ["d".repeat(200), "e".repeat(50)].join("/");
    let long = format!("public/{folders}/{}", "f".repeat(100));
    let names = [
        "public/with space",
        "public/50%",
        "public/%2F%00",
        "public/a+b",
        "public/quote'quote\"quote",
        "public/a..b/..c/d..",
        "public/back\\slash",
        "public/q?a=b&c#d;e",
        "public/[x]{y}<z>|`~^",
        "public/-rf",
        "private/secret",
        "top",
        &long,
    ];
    // the names travel in a file, so that no shell reads them
    std::fs::write(site.path("names"), names.join("\n") + "\n").unwrap();
    let task = site.task(&format!(
        "while IFS= read -r name; do\n\
         mkdir -p \"$artifacts/$(dirname \"$name\")\"; printf '%s' \"$name\" > \"$artifacts/$name\"\n\
         done < {}\n\
         : > $artifacts/public/empty.bin; : > $artifacts/public/empty.txt",
        site.path("names").display()
    ));
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    for name in names {
        assert_eq!(String::from_utf8(bytes(&site, &task, name)).unwrap(), name);
    }
    for (name, encoding) in [("public/empty.bin", None), ("public/empty.txt", Some("gzip"))] {
        assert_eq!(bytes(&site, &task, name), b"");
        assert_eq!(site.artifact(&task, 0, name).unwrap().content_encoding.as_deref(), encoding);
    }
    // those and the two empty ones, the log and its link, the attestation
    assert_eq!(site.artifact_names(&task, 0).len(), names.len() + 5);
    site.takes_the_next_task();
}

#[test]
fn the_object_service_stores_them_too() {
    let site = Site::new().set("artifact_storage", "object");
    site.start();
    let task = site.task(
        "mkdir -p $artifacts/public; : > $artifacts/public/empty.bin\n\
         printf 'text' > \"$artifacts/public/a b.txt\"\n\
         head -c 300000 /dev/zero > $artifacts/public/zeros.bin",
    );
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    let text = site.artifact(&task, 0, "public/a b.txt").unwrap();
    assert_eq!((text.storage_type, text.content_encoding.as_deref()), ("object", None));
    assert_eq!(content(&text), b"text");
    assert_eq!(bytes(&site, &task, "public/empty.bin"), b"");
    assert_eq!(bytes(&site, &task, "public/zeros.bin"), vec![0; 300_000]);
    assert!(site.task_log(&task, 0).ends_with("exit code: 0\n"));
}

#[test]
fn what_is_no_file_is_refused_by_name_and_the_rest_is_uploaded() {
    let site = Site::new();
    site.start();
    let task = site.task(
        "mkdir -p $artifacts/public/below; printf kept > $artifacts/public/kept.bin\n\
         ln -s /etc/passwd $artifacts/public/link; ln -s / $artifacts/public/below/folder\n\
         mkfifo $artifacts/public/fifo; printf x > \"$artifacts/public/$(printf '\\303\\244')\"\n\
         : > $work/ready; while ! [ -e $work/go ]; do sleep 0.02; done",
    );
    site.wait_for_file("work/ready");
    // of the kinds that a shell cannot make, the second one is for root only
    let _socket = UnixListener::bind(site.path("artifacts/public/socket")).unwrap();
    let device = site.path("artifacts/public/device");
    let has_device = mknod(&device, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).is_ok();
    std::fs::write(site.path("work/go"), "").unwrap();
    assert_eq!(site.outcome(&task, 0), "failed failed", "{}", site.log());
    let log = site.log();
    for (name, reason) in [
        ("public/link", "it is a symbolic link"),
        ("public/below/folder", "it is a symbolic link"),
        ("public/fifo", "it is a FIFO"),
        ("public/socket", "it is a socket"),
        ("public/\\xc3\\xa4", "its path cannot be the name of an artifact"),
        ("public/device", "it is a device"),
    ] {
        if name == "public/device" && !has_device {
            println!("SKIPPED: making a device node needs CAP_MKNOD");
            continue;
        }
        let told = |line: &str| line.contains(&format!("refused to upload {name}")) && line.contains(reason);
        assert!(log.lines().any(told), "{name}: {reason}\n{log}");
    }
    assert_eq!(bytes(&site, &task, "public/kept.bin"), b"kept");
    let mut names = site.artifact_names(&task, 0);
    names.sort();
    let kept = ["public/chain-of-trust.json", "public/kept.bin", "public/logs/live.log"];
    assert_eq!(names[..3], kept);
    assert_eq!(names[3..], ["public/logs/live_backing.log"]);
    site.takes_the_next_task();
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_never_green() {
    let site = Site::new();
    site.start();
    // the file is looked at before it is announced, so it changes in between
    site.queue.inject(Fault::new(Call::CreateArtifact, FaultKind::Status { status: 503, retry_after: None }));
    let task = site.task("mkdir -p $artifacts/public; head -c 100000 /dev/zero > $artifacts/public/big.bin");
    let refused = |call: &scriptworker::embedded_queue::CallRecord| {
        call.call == Call::CreateArtifact && call.name.as_deref() == Some("public/big.bin")
    };
    site.queue.wait_for_call(refused, PATIENCE).unwrap();
    let mut file =
        std::fs::OpenOptions::new().append(true).open(site.path("artifacts/public/big.bin")).unwrap();
    file.write_all(b"more").unwrap();
    site.queue.clear_faults();
    assert_eq!(site.outcome(&task, 0), "exception internal-error", "{}", site.log());
    let log = site.log();
    assert!(log.contains("big.bin changed while it was read: expected 100000 bytes, found 100004"), "{log}");
    site.takes_the_next_task();
}

#[test]
fn a_log_keeps_to_its_size_and_says_what_is_left_out() {
    let site = Site::new().set("max_log_size", 100_000);
    site.start();
    let short = site.task("head -c 100000 /dev/zero | tr '\\0' x");
    assert_eq!(site.outcome(&short, 0), "completed completed", "{}", site.log());
    assert_eq!(site.task_log(&short, 0), format!("{}\nexit code: 0\n", "x".repeat(100_000)));
    let long =
        site.task("head -c 50000 /dev/zero | tr '\\0' a; head -c 20000000 /dev/zero | tr '\\0' b; echo end");
    assert_eq!(site.outcome(&long, 0), "completed completed", "{}", site.log());
    let expected = format!(
        "{}\n[19950004 bytes of output left out: max_log_size is 100000]\n{}end\nexit code: 0\n",
        "a".repeat(50_000),
        "b".repeat(49_996)
    );
    assert!(site.task_log(&long, 0) == expected, "the log differs");
    // the worker's own log repeats what is in the file
    site.wait_for_log("[19950004 bytes of output left out: max_log_size is 100000]");
}

#[test]
fn live_log_leads_to_the_log() {
    let site = Site::new();
    site.start();
    let task = site.task("echo found");
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    let link = site.artifact(&task, 0, "public/logs/live.log").unwrap();
    assert_eq!((link.storage_type, link.path.is_none()), ("link", true));
    let read = actix_rt::System::new().block_on(async {
        let http = Http::new(HttpConfig::default()).unwrap();
        let root = RootUrl::parse(&site.queue.root_url()).unwrap();
        let queue = Queue::new(http.clone(), &root, Auth::Anonymous);
        let (run, name) = (key(&task, 0), ArtifactName::parse("public/logs/live.log").unwrap());
        let found = queue.get_artifact(Of::Run(&run), &name, Budget::default()).await.unwrap();
        let limits = TransferLimits { total: Duration::from_secs(60), max_bytes: 1 << 20 };
        http.get(&found.url, None, limits).await.unwrap().collect().await.unwrap()
    });
    assert_eq!(read, "found\nexit code: 0\n");
}

#[test]
fn artifacts_expire_with_the_task_or_sooner() {
    for (hours, sooner) in [(None, false), (Some(1), true), (Some(1000), false)] {
        let mut site = Site::new();
        if let Some(hours) = hours {
            site = site.set("artifact_expiration_hours", hours);
        }
        site.start();
        let before = UnixMillis(chrono::Utc::now().timestamp_millis());
        let task = site.task("mkdir -p $artifacts/public; echo x > $artifacts/public/x.bin");
        assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
        let after = UnixMillis(chrono::Utc::now().timestamp_millis());
        let status = site.wait(&task, |_| true);
        let expires = UnixMillis::parse(status["expires"].as_str().unwrap()).unwrap();
        for name in site.artifact_names(&task, 0) {
            let until = site.artifact(&task, 0, &name).unwrap().expires;
            if sooner {
                // the queue's clock gives whole seconds
                let range = before.plus(HOUR_MS - 1000)..=after.plus(HOUR_MS);
                assert!(range.contains(&until), "{name}: {until} is not in {range:?}");
            } else {
                assert_eq!(until, expires, "{name}");
            }
        }
    }
}

#[test]
fn two_thousand_small_files() {
    many_files(2_000);
}

#[test]
#[ignore = "long: the same with ten thousand"]
fn ten_thousand_small_files() {
    many_files(10_000);
}

#[test]
#[ignore = "long: 4 GiB over loopback, and as much disk for a while"]
fn a_file_of_more_than_4_gib_arrives_whole_and_is_never_in_memory() {
    let size: u64 = (4 << 30) + 1;
    let site = Site::new();
    site.start();
    let task = site.task(&format!(
        "mkdir -p $artifacts/public; cd $artifacts/public; truncate -s {} big.bin; printf x >> big.bin",
        size - 1
    ));
    wait_long(&site, &task);
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    let stored = site.artifact(&task, 0, "public/big.bin").unwrap();
    assert_eq!((stored.size, stored.content_encoding), (Some(size), None));
    // (head -c 4294967296 /dev/zero; printf x) | sha256sum
    let digest = "07d357bda5c988a206bb478ade5af844c26eaf242e951e5ac4d4f85b417ed69f";
    assert_eq!(stored.sha256.as_deref(), Some(digest));
    let status = std::fs::read_to_string(format!("/proc/{}/status", site.worker_pid())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let most: u64 = most.unwrap().parse().unwrap();
    assert!(most < 128 * 1024, "{most} KiB were resident");
}

/// What takes a minute on a machine of its own takes more beside others.
fn wait_long(site: &Site, task: &TaskId) {
    let over = |status: &serde_json::Value| status["runs"][0]["resolved"].is_string();
    site.queue.wait_for(task, over, 10 * PATIENCE).unwrap();
}

fn many_files(count: usize) {
    let site = Site::new();
    site.start();
    let task = site.task(&format!(
        "mkdir -p $artifacts/public/many; cd $artifacts/public/many; i=0\n\
         while [ $i -lt {count} ]; do echo $i > file$i.bin; i=$((i+1)); done"
    ));
    wait_long(&site, &task);
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert_eq!(site.artifact_names(&task, 0).len(), count + 3);
    for index in [0, 1, count / 2, count - 1] {
        let found = bytes(&site, &task, &format!("public/many/file{index}.bin"));
        assert_eq!(found, format!("{index}\n").as_bytes());
    }
    site.takes_the_next_task();
}
