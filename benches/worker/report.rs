//! What came out: tables for people, raw numbers for machines.

use crate::plot;
use crate::scenarios::{Bar, Scenario};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const BEGIN: &str = "<!-- results: begin -->";
const END: &str = "<!-- results: end -->";

/// A scenario with everything that was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    pub scenario: String,
    /// Seconds since 1970.
    pub measured: i64,
    pub rounds: usize,
    pub figures: Vec<Measured>,
}

/// A figure with its values, one per round and side.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    pub label: String,
    pub unit: String,
    pub bare_label: String,
    pub ours: Vec<f64>,
    pub python: Vec<f64>,
    /// Empty: there is no counterpart.
    pub bare: Vec<f64>,
    pub bars: Vec<Verdict>,
}

/// A bar and how the figure stands to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// `Python`, `bare` or `fixed`.
    pub against: String,
    /// At most this: a ratio, or for `fixed` a value.
    pub most: f64,
    pub found: f64,
    pub passes: bool,
}

impl Outcome {
    pub fn new(scenario: &Scenario, rounds: usize) -> Self {
        let measured = |figure: &crate::scenarios::Figure| Measured {
            label: figure.label.clone(),
            unit: figure.unit.to_owned(),
            bare_label: figure.bare.to_owned(),
            ours: Vec::new(),
            python: Vec::new(),
            bare: Vec::new(),
            bars: figure.bars.iter().map(Verdict::open).collect(),
        };
        Self {
            scenario: scenario.name.clone(),
            measured: chrono::Utc::now().timestamp(),
            rounds,
            figures: scenario.figures.iter().map(measured).collect(),
        }
    }

    /// Takes in a round.
    pub fn add(&mut self, ours: Vec<f64>, python: Vec<f64>, bare: Vec<f64>) {
        for (((figure, ours), python), bare) in self.figures.iter_mut().zip(ours).zip(python).zip(bare) {
            figure.ours.push(ours);
            figure.python.push(python);
            if !bare.is_nan() {
                figure.bare.push(bare);
            }
            figure.judge();
        }
    }

    pub fn bars(&self) -> impl Iterator<Item = &Verdict> {
        self.figures.iter().flat_map(|figure| &figure.bars)
    }
}

impl Verdict {
    fn open(bar: &Bar) -> Self {
        let (against, most) = match bar {
            Bar::Python(most) => ("Python", *most),
            Bar::Bare(most) => ("bare", *most),
            Bar::Most(most) => ("fixed", *most),
        };
        Self { against: against.to_owned(), most, found: f64::NAN, passes: false }
    }
}

impl Measured {
    fn judge(&mut self) {
        for bar in &mut self.bars {
            bar.found = match bar.against.as_str() {
                "Python" => ratio(&self.ours, &self.python),
                "bare" => ratio(&self.ours, &self.bare),
                _ => median(&self.ours),
            };
            bar.passes = bar.found <= bar.most;
        }
    }

    /// Median of ours over theirs, round by round; nothing without a counterpart.
    pub fn ratio_to(&self, theirs: &[f64]) -> Option<f64> {
        (!theirs.is_empty()).then(|| ratio(&self.ours, theirs))
    }
}

/// The median of the ratios within the rounds: whatever slowed a round down slowed both.
fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(&ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn times(value: f64) -> String {
    if value < 0.05 { format!("1/{:.0}", 1.0 / value) } else { format!("{} ×", short(value)) }
}

/// A Markdown table.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| scenario | figure | scriptworker | Python worker | bare tools | ours / Python | ours / bare | bars |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        for figure in &outcome.figures {
            let value = |values: &[f64]| match values {
                [] => "–".to_owned(),
                values => format!("{} {}", short(median(values)), figure.unit).trim_end().to_owned(),
            };
            let bare = match figure.bare_label.as_str() {
                "" => value(&figure.bare),
                label => format!("{} ({label})", value(&figure.bare)),
            };
            let against = |theirs| figure.ratio_to(theirs).map_or("–".to_owned(), times);
            let bars: Vec<_> = figure.bars.iter().map(|bar| verdict(bar, &figure.unit)).collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {bare} | {} | {} | {} |",
                outcome.scenario,
                figure.label,
                value(&figure.ours),
                value(&figure.python),
                against(&figure.python),
                against(&figure.bare),
                if bars.is_empty() { "–".to_owned() } else { bars.join("; ") },
            );
        }
    }
    text
}

fn verdict(bar: &Verdict, unit: &str) -> String {
    let most = match bar.against.as_str() {
        "fixed" => format!("{} {unit}", short(bar.most)).trim_end().to_owned(),
        "Python" if bar.most < 1.0 => format!("1/{:.0} of Python", 1.0 / bar.most),
        against => format!("{} × {against}", short(bar.most)),
    };
    format!("{} ≤ {most}", if bar.passes { "✓" } else { "**missed**:" })
}

/// Keeps what was measured, with what is known already of scenarios that were not run.
pub fn record(root: &Path, outcomes: &[Outcome]) {
    let path = root.join("benches/results/latest.json");
    let mut known: Vec<Outcome> = std::fs::read(&path)
        .map(|bytes| {
            serde_json::from_value(
                serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["outcomes"].take(),
            )
            .unwrap()
        })
        .unwrap_or_default();
    for outcome in outcomes {
        match known.iter_mut().find(|old| old.scenario == outcome.scenario) {
            Some(old) => *old = outcome.clone(),
            None => known.push(outcome.clone()),
        }
    }
    let machine = machine();
    let raw = serde_json::json!({ "machine": machine, "outcomes": known });
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("{raw:#}\n")).unwrap();
    std::fs::write(root.join("docs/benchmarks.svg"), plot::svg(&known)).unwrap();
    let described: Vec<_> = machine.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let text = format!("{BEGIN}\n{}.\n\n{}{END}", described.join(" · "), table(&known));
    let path = root.join("docs/benchmarks.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("a place for the results");
    let (_, after) = rest.split_once(END).expect("its end");
    std::fs::write(&path, format!("{before}{text}{after}")).unwrap();
}

/// What the figures depend on; no names of hosts.
fn machine() -> BTreeMap<&'static str, String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let line = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned()
    };
    let memory: f64 = line(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    let version = std::process::Command::new("rustc").arg("--version").output().map(|output| output.stdout);
    BTreeMap::from([
        ("processor", line(&read("/proc/cpuinfo"), "model name")),
        ("cores", std::thread::available_parallelism().map_or(0, usize::from).to_string()),
        ("memory", format!("{:.0} GB", memory / 1e6)),
        ("Linux", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("compiler", String::from_utf8_lossy(&version.unwrap_or_default()).trim().to_owned()),
    ])
}
