//! What came out: a table for people, raw numbers for machines.

use crate::figures::{median, ratio, replace};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// What a figure has to keep.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// Ours over gpg's: at most this.
    Gpg(f64),
    /// The figure itself: at most this.
    Most(f64),
}

/// A figure with its values, one per round and side; those of the first round are thrown away.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    what: String,
    size: String,
    ours: Vec<f64>,
    gpg: Vec<f64>,
    #[serde(skip)]
    warm: bool,
    /// What counts: the median of the ratios within the rounds, or of the figure itself.
    found: f64,
    /// At most this.
    most: f64,
}

impl Figure {
    pub(crate) fn new(what: &str, size: &str) -> Self {
        let (ours, gpg) = (Vec::new(), Vec::new());
        Self {
            what: what.to_owned(),
            size: size.to_owned(),
            ours,
            gpg,
            warm: false,
            found: f64::NAN,
            most: f64::NAN,
        }
    }

    /// Seconds of a round.
    pub(crate) fn add(&mut self, ours: f64, gpg: f64) {
        eprintln!("  {}, {}: ours {ours:.4} s, gpg {gpg:.4} s", self.what, self.size);
        if std::mem::replace(&mut self.warm, true) {
            self.ours.push(ours);
            self.gpg.push(gpg);
        }
    }

    /// How much more than in proportion the larger one takes, round by round.
    pub(crate) fn growth(size: &str, large: &Self, small: &Self, times: f64) -> Self {
        let over = |large: &[f64], small: &[f64]| -> Vec<f64> {
            large.iter().zip(small).map(|(large, small)| large / small / times).collect()
        };
        let mut figure = Self::new("growth with the size", size);
        figure.ours = over(&large.ours, &small.ours);
        figure.gpg = over(&large.gpg, &small.gpg);
        figure
    }

    pub(crate) fn bar(mut self, bar: Bar) -> Self {
        (self.found, self.most) = match bar {
            Bar::Gpg(most) => (ratio(&self.ours, &self.gpg), most),
            Bar::Most(most) => (median(&self.ours), most),
        };
        self
    }

    pub(crate) fn passes(&self) -> bool {
        self.found <= self.most
    }
}

/// A Markdown table.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut text =
        String::from("| what | size | scriptworker | gpg | ours / gpg | bar |\n|---|---|---|---|---|---|\n");
    for figure in figures {
        let (ours, gpg) = (median(&figure.ours), median(&figure.gpg));
        let is_ratio = figure.what.starts_with("growth");
        let value =
            |value: f64| if is_ratio { format!("{value:.2}") } else { format!("{:.1} ms", value * 1000.0) };
        let ratio = if is_ratio { "–".to_owned() } else { format!("{:.3}", figure.found) };
        let mark = if figure.passes() { "✓" } else { "**missed**:" };
        let (what, size, most) = (&figure.what, &figure.size, figure.most);
        let _ = writeln!(
            text,
            "| {what} | {size} | {} | {} | {ratio} | {mark} ≤ {most} |",
            value(ours),
            value(gpg)
        );
    }
    text
}

/// Keeps what was measured.
pub(crate) fn record(root: &Path, runs: usize, figures: &[Figure]) {
    let raw =
        serde_json::json!({ "measured": chrono::Utc::now().timestamp(), "rounds": runs, "figures": figures });
    let results = root.join("benches/results");
    std::fs::create_dir_all(&results).unwrap();
    std::fs::write(results.join("keys.json"), format!("{raw:#}\n")).unwrap();
    replace(root, "keys", &table(figures));
}
