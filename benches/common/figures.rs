//! Numbers and their places: medians, ratios, how they are written, and the page that shows them.

use std::collections::BTreeMap;
use std::path::Path;

/// The median of the ratios within the rounds: whatever slowed a round down slowed both.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(&ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
}

/// Of no values there is none.
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
pub fn short(value: f64) -> String {
    let digits = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// A ratio; small ones as a fraction.
pub fn times(value: f64) -> String {
    if value < 0.05 { format!("1/{:.0}", 1.0 / value) } else { format!("{} ×", short(value)) }
}

/// Puts a text between the comments of this name in `docs/benchmarks.md`.
pub fn replace(root: &Path, mark: &str, text: &str) {
    let (begin, end) = (format!("<!-- {mark}: begin -->"), format!("<!-- {mark}: end -->"));
    let path = root.join("docs/benchmarks.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(&begin).expect("a place for the figures");
    let (_, after) = rest.split_once(&end).expect("its end");
    std::fs::write(&path, format!("{before}{begin}\n{text}{end}{after}")).unwrap();
}

/// What the figures depend on; no names of hosts.
pub fn machine() -> BTreeMap<&'static str, String> {
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
