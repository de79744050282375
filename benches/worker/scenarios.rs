//! What is measured, and the bars.

use crate::bare;
use crate::report::{Bar, Figure};
use crate::subject::{Site, Subject};
use nix::sys::signal::Signal;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

type Measured = Vec<f64>;

/// One measurement of one subject.
type Measure = Box<dyn Fn(&Lab, &Subject) -> Measured>;

/// Something that both workers do. Every function answers one value for each figure.
pub struct Scenario {
    pub name: String,
    pub figures: Vec<Figure>,
    /// Whether a first round is thrown away.
    pub warm_up: bool,
    pub worker: Measure,
    /// NaN for a figure that has no counterpart.
    pub bare: Box<dyn Fn(&Lab) -> Measured>,
}

/// Where inputs and sites are.
pub struct Lab {
    dir: PathBuf,
    pub quick: bool,
}

impl Lab {
    pub fn new(dir: &Path, quick: bool) -> Self {
        let _ = std::fs::remove_dir_all(dir);
        std::fs::create_dir_all(dir).unwrap();
        // scripts have another working directory
        Self { dir: dir.canonicalize().unwrap(), quick }
    }

    /// A site without long poll: whoever asks for work is answered at once.
    pub fn site(&self) -> Site {
        Site::new(&self.dir, Duration::ZERO)
    }

    /// `full`, or the smaller number when only the program itself is to be tried.
    pub fn size(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(20) } else { full }
    }

    pub fn scratch(&self) -> String {
        self.dir.join("scratch").to_str().unwrap().to_owned()
    }

    /// A file that is made when it is asked for first.
    fn input(&self, name: &str, fill: impl FnOnce(&mut dyn Write)) -> PathBuf {
        let path = self.dir.join(name);
        if !path.exists() {
            let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
            fill(&mut file);
            // so that its way to the disk is not part of what follows
            file.into_inner().unwrap().sync_all().unwrap();
        }
        path
    }

    /// A log of so many megabytes: lines of 100 bytes as build tools write them.
    pub fn log(&self, megabytes: usize) -> PathBuf {
        self.input(&format!("log-{megabytes}.txt"), |file| {
            let mut random = Random(1);
            for line in 0..megabytes * 10_000 {
                let (seconds, millis) = (line / 1000 % 60, line % 1000);
                let text = format!(
                    "2026-11-23 10:{:02}:{seconds:02},{millis:03} - build - INFO - compiled unit {:05} of module {:04} in {:4} ms",
                    line / 60_000 % 60,
                    random.below(100_000),
                    random.below(10_000),
                    random.below(10_000),
                );
                writeln!(file, "{text:.<99}").unwrap();
            }
        })
    }

    /// A file of so many megabytes that nothing can compress.
    pub fn noise(&self, megabytes: usize) -> PathBuf {
        self.input(&format!("noise-{megabytes}.bin"), |file| {
            let mut random = Random(2);
            for _ in 0..megabytes << 17 {
                file.write_all(&random.next().to_le_bytes()).unwrap();
            }
        })
    }

    /// A folder of so many files of 20 kB.
    pub fn small_files(&self, count: usize) -> PathBuf {
        let dir = self.dir.join(format!("small-{count}"));
        if !dir.exists() {
            std::fs::create_dir(&dir).unwrap();
            let noise = small_file();
            (0..count).for_each(|number| std::fs::write(dir.join(format!("{number}.bin")), &noise).unwrap());
        }
        dir
    }
}

/// Always the same numbers: an xorshift generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 33) % end
    }
}

pub fn small_file() -> Vec<u8> {
    let mut random = Random(3);
    (0..2500).flat_map(|_| random.next().to_le_bytes()).collect()
}

pub fn all() -> Vec<Scenario> {
    vec![start(), idle(), tasks(), log(), big_artifact(), text_artifact(), artifacts(), shutdown()]
}

fn figure(label: &str, unit: &'static str, bare: &'static str, bars: &[Bar]) -> Figure {
    Figure { label: label.to_owned(), unit, bare, bars: bars.to_vec() }
}

fn start() -> Scenario {
    Scenario {
        name: "start".to_owned(),
        figures: vec![figure("exec to the first claimWork", "ms", "", &[Bar::Python(1.0 / 30.0)])],
        warm_up: true,
        worker: Box::new(|lab, subject| {
            let mut site = lab.site();
            let worker = site.start(subject, &["true"]);
            let first = site.queue.wait("claimWork", 1);
            vec![(first.began - worker.started) as f64 / 1e6]
        }),
        bare: Box::new(|_| vec![f64::NAN]),
    }
}

fn idle() -> Scenario {
    /// The first ones warm up.
    const BEFORE: usize = 2;
    Scenario {
        name: "idle".to_owned(),
        figures: vec![
            figure("resident while polling", "MB", "", &[Bar::Python(1.0 / 6.0)]),
            figure("CPU of a poll", "ms", "", &[Bar::Python(1.0 / 7.0)]),
        ],
        warm_up: false,
        worker: Box::new(|lab, subject| {
            let polls = lab.size(10).max(2);
            let mut site = lab.site();
            let worker = site.start(subject, &["true"]);
            // half-way between two polls: waiting for one that answers means being between it and the next
            site.queue.wait("claimWork", BEFORE);
            let before = worker.cpu();
            site.queue.wait("claimWork", BEFORE + polls);
            let after = worker.cpu();
            let (resident, _) = worker.memory();
            vec![resident / 1e6, (after - before) as f64 / 1e6 / polls as f64]
        }),
        bare: Box::new(|_| vec![f64::NAN; 2]),
    }
}

/// So many tasks in a row; seconds from the first claim to the last report, and the greatest resident memory.
pub fn run_tasks(lab: &Lab, subject: &Subject, count: usize) -> (f64, f64) {
    let mut site = lab.site();
    site.queue.create(count);
    let worker = site.start(subject, &["true"]);
    let last = site.queue.wait("report", count);
    let first = site.queue.wait("claimWork", 1);
    let (_, most) = worker.memory();
    let ends = site.queue.ends();
    let wrong = ends.iter().find(|(end, uploads, _)| end != "completed" || *uploads != subject.own_artifacts);
    assert!(wrong.is_none(), "{}: {wrong:?}", subject.name);
    ((last.ended - first.began) as f64 / 1e9, most)
}

fn tasks() -> Scenario {
    const COUNT: usize = 200;
    Scenario {
        name: "tasks".to_owned(),
        figures: vec![figure(
            "a task running `true`, of 200 in a row",
            "ms",
            "the same requests and `posix_spawn`",
            &[Bar::Bare(1.7), Bar::Python(0.25)],
        )],
        warm_up: true,
        worker: Box::new(|lab, subject| {
            let count = lab.size(COUNT);
            vec![run_tasks(lab, subject, count).0 * 1e3 / count as f64]
        }),
        bare: Box::new(|lab| {
            let count = lab.size(COUNT);
            let mut site = lab.site();
            site.queue.create(count);
            vec![bare::tasks(&site, count) * 1e3 / count as f64]
        }),
    }
}

/// What one task took.
pub struct OneTask {
    /// The script, in seconds.
    pub script: f64,
    /// From the end of the script to the answer to the report, in seconds.
    pub after: f64,
    /// The greatest resident memory, in bytes.
    pub most: f64,
}

/// One task with this script, which leaves `artifacts` artifacts.
pub fn run_one(lab: &Lab, subject: &Subject, script: &str, artifacts: usize) -> OneTask {
    let mut site = lab.site();
    site.queue.create(1);
    let script = site.script(script);
    let worker = site.start(subject, &script.iter().map(String::as_str).collect::<Vec<_>>());
    let report = site.queue.wait("report", 1);
    let (_, most) = worker.memory();
    let ends = site.queue.ends();
    let uploads = artifacts + subject.own_artifacts;
    assert_eq!((ends[0].0.as_str(), ends[0].1), ("completed", uploads), "{}", subject.name);
    let (began, ended) = (site.mark("began"), site.mark("ended"));
    let after = report.ended.saturating_sub(ended) as f64 / 1e9;
    OneTask { script: (ended - began) as f64 / 1e9, after, most }
}

fn log() -> Scenario {
    const MEGABYTES: usize = 200;
    Scenario {
        name: "log".to_owned(),
        figures: vec![
            figure(
                "a script that writes 200 MB of lines",
                "s",
                "`cat` through a pipe into a file",
                &[Bar::Bare(6.0)],
            ),
            figure("resident at most meanwhile", "MB", "", &[Bar::Most(24.0)]),
            figure("its end to resolved", "s", "`gzip -6`", &[Bar::Bare(0.6)]),
        ],
        warm_up: true,
        worker: Box::new(|lab, subject| {
            let file = lab.log(lab.size(MEGABYTES));
            let done = run_one(lab, subject, &format!("cat '{}'", file.display()), 0);
            vec![done.script, done.most / 1e6, done.after]
        }),
        bare: Box::new(|lab| {
            let file = lab.log(lab.size(MEGABYTES));
            let (file, scratch) = (file.display(), lab.scratch());
            let cat = bare::shell(&format!("cat '{file}' | cat >'{scratch}'"));
            let gzip = bare::shell(&format!("gzip -6 -c '{file}' >'{scratch}'"));
            vec![cat, f64::NAN, gzip]
        }),
    }
}

fn big_artifact() -> Scenario {
    const MEGABYTES: usize = 1024;
    Scenario {
        name: "big-artifact".to_owned(),
        figures: vec![
            figure(
                "1 GiB that cannot be compressed, script's end to resolved",
                "s",
                "the slower of `sha256sum` and `curl -T`",
                &[Bar::Bare(1.3)],
            ),
            figure("resident at most meanwhile", "MB", "", &[]),
        ],
        warm_up: true,
        worker: Box::new(|lab, subject| {
            let file = lab.noise(lab.size(MEGABYTES));
            let script =
                format!("mkdir -p $artifacts/public; ln '{}' $artifacts/public/big.bin", file.display());
            let done = run_one(lab, subject, &script, 1);
            vec![done.after, done.most / 1e6]
        }),
        bare: Box::new(|lab| {
            let file = lab.noise(lab.size(MEGABYTES));
            let mut site = lab.site();
            site.queue.create(1);
            let hash = bare::shell(&format!("sha256sum '{}'", file.display()));
            let curl = bare::curl(&site, &file);
            eprintln!("  sha256sum {hash:.3} s, curl -T {curl:.3} s");
            vec![hash.max(curl), f64::NAN]
        }),
    }
}

fn text_artifact() -> Scenario {
    const MEGABYTES: usize = 200;
    Scenario {
        name: "text-artifact".to_owned(),
        figures: vec![figure(
            "200 MB of text, script's end to resolved",
            "s",
            "`gzip -6`",
            &[Bar::Bare(0.6)],
        )],
        warm_up: true,
        worker: Box::new(|lab, subject| {
            let file = lab.log(lab.size(MEGABYTES));
            // a copy, for the Python worker compresses in place
            let script =
                format!("mkdir -p $artifacts/public; cp '{}' $artifacts/public/text.txt", file.display());
            vec![run_one(lab, subject, &script, 1).after]
        }),
        bare: Box::new(|lab| {
            let file = lab.log(lab.size(MEGABYTES));
            vec![bare::shell(&format!("gzip -6 -c '{}' >'{}'", file.display(), lab.scratch()))]
        }),
    }
}

/// So many files of 20 kB as artifacts.
pub fn run_artifacts(lab: &Lab, subject: &Subject, count: usize) -> OneTask {
    let files = lab.small_files(count);
    run_one(
        lab,
        subject,
        &format!("mkdir -p $artifacts; cp -r '{}' $artifacts/public/files", files.display()),
        count,
    )
}

fn artifacts() -> Scenario {
    const COUNT: usize = 500;
    /// As many as the worker has uploads at once (`max_concurrent_uploads`).
    const CONNECTIONS: usize = 10;
    Scenario {
        name: "artifacts".to_owned(),
        figures: vec![figure(
            "500 artifacts of 20 kB, script's end to resolved",
            "s",
            "the same requests over as many connections",
            &[Bar::Bare(1.3)],
        )],
        warm_up: true,
        worker: Box::new(|lab, subject| vec![run_artifacts(lab, subject, lab.size(COUNT)).after]),
        bare: Box::new(|lab| {
            let mut site = lab.site();
            site.queue.create(1);
            vec![bare::artifacts(&site, lab.size(COUNT), &small_file(), CONNECTIONS)]
        }),
    }
}

/// SIGTERM while the log is being uploaded: the script is gone, its log is not there yet, the run not reported.
fn shutdown_uploading(lab: &Lab, subject: &Subject) -> f64 {
    /// The upload waits that long for the first answer, so that the signal comes while it does.
    const HELD: Duration = Duration::from_millis(300);
    let mut site = lab.site();
    site.queue.create(1);
    site.queue.hold("createArtifact", HELD);
    let worker = site.start(subject, &["true"]);
    site.queue.wait_open("createArtifact");
    worker.signal(Signal::SIGTERM);
    let report = site.queue.wait("report", 1);
    let held = site.queue.calls().into_iter().find(|call| call.call == "createArtifact").unwrap();
    worker.wait();
    (report.ended - held.ended) as f64 / 1e6
}

/// SIGTERM to a worker whose script ends at the first signal.
fn shutdown_running(lab: &Lab, subject: &Subject) -> f64 {
    let mut site = lab.site();
    site.queue.create(1);
    let script = site.script("exec sleep 600");
    let worker = site.start(subject, &script.iter().map(String::as_str).collect::<Vec<_>>());
    while std::fs::read(site.path("began")).unwrap_or_default().is_empty() {
        // there is no event for a file of another process
        std::thread::sleep(Duration::from_millis(5));
    }
    let asked = crate::queue::monotonic();
    worker.signal(Signal::SIGTERM);
    let report = site.queue.wait("report", 1);
    assert_eq!(site.queue.ends()[0].0, "worker-shutdown");
    worker.wait();
    (report.ended - asked) as f64 / 1e6
}

fn shutdown() -> Scenario {
    const REQUESTS: &str = "the requests it takes";
    Scenario {
        name: "shutdown".to_owned(),
        figures: vec![
            figure("SIGTERM to report, script already gone", "ms", REQUESTS, &[Bar::Bare(4.0)]),
            figure("SIGTERM to report, script ends at the signal", "ms", REQUESTS, &[]),
        ],
        warm_up: true,
        worker: Box::new(|lab, subject| {
            vec![shutdown_uploading(lab, subject), shutdown_running(lab, subject)]
        }),
        bare: Box::new(|lab| {
            let mut site = lab.site();
            site.queue.create(2);
            let mut connection = bare::Connection::open(&site);
            let worker = bare::Signer::worker();
            // connection and queue are warm, as those of a worker that has just claimed
            let run = bare::Run::claim(&mut connection, &worker);
            // that one is answered before the time begins
            let url = run.create_log(&mut connection);
            let gone = bare::seconds(|| {
                run.finish_log(&mut connection, &url);
                run.report_completed(&mut connection);
            });
            let run = bare::Run::claim(&mut connection, &worker);
            let ends = bare::seconds(|| {
                run.upload_log(&mut connection);
                run.report_shutdown(&mut connection);
            });
            vec![gone * 1e3, ends * 1e3]
        }),
    }
}
