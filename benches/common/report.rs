//! What came out of scenarios that Python and the bare tools go through, too: tables for people, raw numbers for machines.

use crate::figures::{machine, median, ratio, replace, short, times};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;

/// A bar: how a figure of ours must stand to another one of the same round, or to a fixed value.
#[derive(Debug, Clone, Copy)]
pub enum Bar {
    /// At most so many times Python's.
    Python(f64),
    /// At most so many times what the bare tools take.
    Bare(f64),
    /// At most this value.
    Most(f64),
    /// At most this value, or so many times what the bare tools take, whichever is larger.
    Larger(f64, f64),
}

/// One number that a scenario gives.
pub struct Figure {
    pub label: String,
    pub unit: &'static str,
    /// What it is compared with when nothing else than the work itself is done; empty: with nothing.
    pub bare: &'static str,
    pub bars: Vec<Bar>,
}

/// Where the results of a benchmark are kept.
pub struct Place {
    /// Below `benches/results`.
    pub file: &'static str,
    /// The name of the comments around the table in `docs/benchmarks.md`.
    pub mark: &'static str,
}

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
    /// `Python`, `bare`, `fixed` or `larger`.
    pub against: String,
    /// At most this: a ratio, or for `fixed` and `larger` a value.
    pub most: f64,
    /// For `larger`: or so many times what the bare tools take; `found` is the share of that which was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or_bare: Option<f64>,
    pub found: f64,
    pub passes: bool,
}

impl Outcome {
    pub fn new(scenario: &str, figures: &[Figure], rounds: usize) -> Self {
        let measured = |figure: &Figure| Measured {
            label: figure.label.clone(),
            unit: figure.unit.to_owned(),
            bare_label: figure.bare.to_owned(),
            ours: Vec::new(),
            python: Vec::new(),
            bare: Vec::new(),
            bars: figure.bars.iter().map(Verdict::open).collect(),
        };
        Self {
            scenario: scenario.to_owned(),
            measured: chrono::Utc::now().timestamp(),
            rounds,
            figures: figures.iter().map(measured).collect(),
        }
    }

    /// Takes in a round.
    pub fn add(&mut self, ours: Vec<f64>, python: Vec<f64>, bare: Vec<f64>) {
        for (((figure, ours), python), bare) in self.figures.iter_mut().zip(ours).zip(python).zip(bare) {
            figure.ours.push(ours);
            if !python.is_nan() {
                figure.python.push(python);
            }
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
        let (against, most, or_bare) = match bar {
            Bar::Python(most) => ("Python", *most, None),
            Bar::Bare(most) => ("bare", *most, None),
            Bar::Most(most) => ("fixed", *most, None),
            Bar::Larger(most, bare) => ("larger", *most, Some(*bare)),
        };
        Self { against: against.to_owned(), most, or_bare, found: f64::NAN, passes: false }
    }
}

impl Measured {
    fn judge(&mut self) {
        for bar in &mut self.bars {
            bar.found = match bar.against.as_str() {
                "Python" => ratio(&self.ours, &self.python),
                "bare" => ratio(&self.ours, &self.bare),
                "larger" => {
                    let times = bar.or_bare.unwrap_or_default();
                    let allowed: Vec<_> = self.bare.iter().map(|bare| bar.most.max(times * bare)).collect();
                    ratio(&self.ours, &allowed)
                }
                _ => median(&self.ours),
            };
            bar.passes = bar.found <= if bar.or_bare.is_some() { 1.0 } else { bar.most };
        }
    }

    /// Median of ours over theirs, round by round; nothing without a counterpart.
    pub fn ratio_to(&self, theirs: &[f64]) -> Option<f64> {
        (!theirs.is_empty()).then(|| ratio(&self.ours, theirs))
    }
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
        "larger" => {
            let times = bar.or_bare.unwrap_or_default();
            format!("the larger of {} {unit} and {} × bare", short(bar.most), short(times))
        }
        "Python" if bar.most < 1.0 => {
            let times = 1.0 / bar.most;
            // one and a half is not two
            let digits = usize::from((times - times.round()).abs() > 0.05);
            format!("1/{times:.digits$} of Python")
        }
        against => format!("{} × {against}", short(bar.most)),
    };
    format!("{} ≤ {most}", if bar.passes { "✓" } else { "**missed**:" })
}

/// Keeps what was measured, with what is known already of scenarios that were not run. Answers all of that.
pub fn record(root: &Path, place: &Place, outcomes: &[Outcome]) -> Vec<Outcome> {
    let path = root.join("benches/results").join(place.file);
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
    let described: Vec<_> = machine.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    replace(root, place.mark, &format!("{}.\n\n{}", described.join(" · "), table(&known)));
    known
}
