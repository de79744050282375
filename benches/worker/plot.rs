//! The picture: how each figure stands to its bar, and to the Python worker.

use crate::report::{Outcome, Verdict};
use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
const ROW: f64 = 22.0;
const LEFT: f64 = 430.0;
const TOP: f64 = 48.0;

/// One bar of the picture: how much of what is allowed was used.
struct Row {
    label: String,
    used: f64,
    passes: bool,
}

/// Every bar of every scenario as a share of what it allows: the line at 100 % is the bar.
pub fn svg(outcomes: &[Outcome]) -> String {
    let rows: Vec<Row> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.figures)
        .flat_map(|figure| figure.bars.iter().map(move |bar| row(&figure.label, bar)))
        .collect();
    let height = TOP + ROW * rows.len() as f64 + 16.0;
    let scale = (WIDTH - LEFT - 60.0) / rows.iter().map(|row| row.used).fold(1.0, f64::max).min(2.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\">Share of what each bar allows (shorter is better)</text>\n"
    );
    for (number, row) in rows.iter().enumerate() {
        let y = TOP + ROW * number as f64;
        let colour = if row.passes { "#3a7d44" } else { "#b23a48" };
        let width = row.used.min(2.0) * scale;
        let _ = writeln!(
            text,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"14\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.0}\">{:.0} %</text>",
            LEFT - 8.0,
            y + 11.0,
            escaped(&row.label),
            LEFT + width + 4.0,
            y + 11.0,
            row.used * 100.0,
        );
    }
    let _ = writeln!(
        text,
        "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#222\" stroke-dasharray=\"4 3\"/>\n</svg>",
        LEFT + scale,
        TOP - 8.0,
        height - 8.0,
    );
    text
}

fn row(label: &str, bar: &Verdict) -> Row {
    let against = match bar.against.as_str() {
        "fixed" => String::new(),
        other => format!(" / {other}"),
    };
    Row { label: format!("{label}{against}"), used: bar.found / bar.most, passes: bar.passes }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('`', "")
}
