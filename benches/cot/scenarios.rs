//! What is measured, and the bars.

use crate::graph;
use crate::report::{Bar, Figure};
use crate::site::{Site, Wanted};
use crate::tools::Tools;
use scriptworker_core::cot::role::RuleSet;
use std::process::{Command, Stdio};

const MIB: u64 = 1 << 20;

/// One value for each figure; NaN where there is no counterpart.
pub struct Values {
    pub ours: Vec<f64>,
    pub python: Vec<f64>,
    pub bare: Vec<f64>,
}

type Round = Box<dyn FnMut(&Tools) -> Values>;

/// Something that is verified.
pub struct Scenario {
    pub name: &'static str,
    pub figures: Vec<Figure>,
    /// Makes what is to be verified, and answers what one round does with it.
    pub prepare: Box<dyn FnOnce(&Tools) -> Round>,
}

fn figure(label: &str, unit: &'static str, bare: &'static str, bars: &[Bar]) -> Figure {
    Figure { label: label.to_owned(), unit, bare, bars: bars.to_vec() }
}

/// All of them; small ones when only the program itself is to be tried.
pub fn all(quick: bool) -> Vec<Scenario> {
    let size = move |full: usize| if quick { full.div_ceil(10) } else { full };
    vec![
        builds(size(20)),
        gigabyte(if quick { 16 * MIB } else { 1024 * MIB }),
        graph(size(20_000)),
        bundle("bundle-ed25519", RuleSet::Current, size(1000), Bar::Larger(0.1, 3.0)),
        bundle("bundle-openpgp", RuleSet::Classic, size(1000), Bar::Larger(0.4, 12.0)),
        growth([size(10).max(4), size(100), size(1000)]),
    ]
}

fn builds(builds: usize) -> Scenario {
    const BARE: &str = "the slower of `curl` and `openssl dgst -sha256` of the same bytes";
    Scenario {
        name: "builds",
        figures: vec![figure(
            &format!("{builds} builds × 5 artifacts × 4 MB"),
            "s",
            BARE,
            &[Bar::Bare(1.5), Bar::Python(1.0 / 7.0)],
        )],
        prepare: Box::new(move |tools| {
            let site = Site::start(
                &tools.dir.join("builds"),
                &Wanted {
                    generation: RuleSet::Current,
                    builds,
                    artifacts: 5,
                    size: 4_000_000,
                    direct: None,
                    padding: 0,
                },
            );
            Box::new(move |tools| Values {
                ours: vec![tools.verify(&site, &[]).seconds],
                python: vec![tools.python(&site, None)],
                bare: vec![tools.curl_or_hash(&site)],
            })
        }),
    }
}

fn gigabyte(size: u64) -> Scenario {
    const BARE: &str = "the slower of `curl` and `openssl dgst -sha256` of the same bytes";
    Scenario {
        name: "gigabyte",
        figures: vec![
            figure(
                &format!("one artifact of {} MiB", size / MIB),
                "s",
                BARE,
                &[Bar::Bare(1.5), Bar::Python(1.0 / 7.0)],
            ),
            figure("Python's read size set to 1 MiB", "s", "", &[Bar::Python(1.0 / 1.5)]),
            figure("resident at most meanwhile", "MB", "", &[Bar::Most(24.0)]),
        ],
        prepare: Box::new(move |tools| {
            let wanted = Wanted {
                generation: RuleSet::Current,
                builds: 1,
                artifacts: 1,
                size,
                direct: None,
                padding: 0,
            };
            let site = Site::start(&tools.dir.join("gigabyte"), &wanted);
            Box::new(move |tools| {
                let took = tools.verify(&site, &[]);
                let bare = tools.curl_or_hash(&site);
                Values {
                    ours: vec![took.seconds, took.seconds, took.most / 1e6],
                    python: vec![tools.python(&site, None), tools.python(&site, Some(MIB)), f64::NAN],
                    bare: vec![bare, f64::NAN, f64::NAN],
                }
            })
        }),
    }
}

fn graph(tasks: usize) -> Scenario {
    Scenario {
        name: "graph",
        figures: vec![
            figure(
                &format!("`task-graph.json` of {tasks} tasks: strict pass and match"),
                "s",
                "`json.load` of CPython",
                &[Bar::Bare(4.0)],
            ),
            figure(
                "memory at most meanwhile, the text included / size of the text",
                "",
                "",
                &[Bar::Most(4.0)],
            ),
        ],
        prepare: Box::new(move |tools| {
            let file = tools.dir.join("task-graph.json");
            graph::write(&file, tasks);
            let size = std::fs::metadata(&file).unwrap().len() as f64;
            eprintln!("  {size} bytes");
            Box::new(move |tools| {
                let mut reader = Command::new(std::env::current_exe().unwrap());
                let output = reader.arg("--graph").arg(&file).stderr(Stdio::inherit()).output().unwrap();
                let (seconds, most): (f64, f64) = serde_json::from_slice(&output.stdout).unwrap();
                Values {
                    ours: vec![seconds, most / size],
                    python: vec![f64::NAN; 2],
                    bare: vec![tools.json_load(&file), f64::NAN],
                }
            })
        }),
    }
}

/// Links of a release: decision, image, signing task, and builds.
fn links(generation: RuleSet, links: usize, padding: usize) -> Wanted {
    let builds = links - 3;
    Wanted { generation, builds, artifacts: 1, size: 100, direct: Some(builds.min(20)), padding }
}

fn bundle(name: &'static str, generation: RuleSet, count: usize, bar: Bar) -> Scenario {
    // what a body of a build has beside this is 2 kB
    const PADDING: usize = 8_000;
    Scenario {
        name,
        figures: vec![figure(
            &format!("judge a bundle of {count} links, 10 kB bodies"),
            "s",
            "`openssl speed` for as many signatures",
            &[bar],
        )],
        prepare: Box::new(move |tools| {
            let site = Site::start(&tools.dir.join(name), &links(generation, count, PADDING));
            let bundle = site.dir.join("bundle");
            tools.verify(&site, &["--bundle", bundle.to_str().unwrap()]);
            Box::new(move |tools| Values {
                ours: vec![tools.judge(&site, &bundle).seconds],
                python: vec![f64::NAN],
                bare: vec![tools.openssl(count)],
            })
        }),
    }
}

/// A hundred times as much takes at most so many times as long.
const LINEAR: f64 = 110.0;
/// The most requests in flight.
const AT_ONCE: f64 = 8.0;

fn growth(steps: [usize; 3]) -> Scenario {
    let [first, _, last] = steps;
    let mut figures: Vec<_> =
        steps.iter().map(|count| figure(&format!("a chain of {count} links"), "s", "", &[])).collect();
    figures.push(figure(&format!("time of {last} links / {first} links"), "", "", &[Bar::Most(LINEAR)]));
    figures.push(figure("requests in flight at most", "", "", &[Bar::Most(AT_ONCE)]));
    let values = figures.len();
    Scenario {
        name: "growth",
        figures,
        prepare: Box::new(move |tools| {
            let mut sites = steps.map(|count| {
                let dir = tools.dir.join(format!("growth-{count}"));
                Site::start(&dir, &links(RuleSet::Current, count, 0))
            });
            Box::new(move |tools| {
                let times = sites.each_ref().map(|site| tools.verify(site, &[]).seconds);
                let in_flight = sites.each_mut().map(Site::in_flight);
                let mut ours = times.to_vec();
                ours.push(times[2] / times[0]);
                ours.push(in_flight.into_iter().fold(0.0, f64::max));
                Values { ours, python: vec![f64::NAN; values], bare: vec![f64::NAN; values] }
            })
        }),
    }
}
