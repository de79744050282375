//! 1, 10 and 100 times the size: time must stay linear, memory flat.

use crate::report::{Bar, Figure};
use crate::scenarios::{Lab, OneTask, Scenario, run_artifacts, run_one, run_tasks};
use crate::subject::Subject;

const STEPS: [(usize, &str); 3] = [(1, "1 ×"), (10, "10 ×"), (100, "100 ×")];

/// A hundred times as much takes at most so many times as long: linear, with some allowance for what a machine with
/// other work on it adds.
const LINEAR: f64 = 110.0;

/// Memory at 100 times the size, against that at the size.
const FLAT: f64 = 1.25;

/// Seconds and bytes of a size.
type Grow = fn(&Lab, &Subject, usize) -> (f64, f64);

pub fn all() -> Vec<Scenario> {
    vec![
        growth("growth-tasks", "20 tasks", |lab, subject, times| {
            run_tasks(lab, subject, lab.size(20 * times))
        }),
        growth("growth-artifacts", "5 artifacts of 20 kB", |lab, subject, times| {
            let OneTask { after, most, .. } = run_artifacts(lab, subject, lab.size(5 * times));
            (after, most)
        }),
        growth("growth-log", "2 MB of log", |lab, subject, times| {
            let file = lab.log(lab.size(2 * times));
            let OneTask { script, after, most } =
                run_one(lab, subject, &format!("cat '{}'", file.display()), 0);
            (script + after, most)
        }),
    ]
}

fn growth(name: &str, unit_of_work: &str, grow: Grow) -> Scenario {
    let mut figures: Vec<Figure> = Vec::new();
    for (_, times) in STEPS {
        figures.push(figure(format!("{times} {unit_of_work}"), "s", Vec::new()));
        figures.push(figure(format!("{times} {unit_of_work}: resident at most"), "MB", Vec::new()));
    }
    figures.push(figure(format!("{unit_of_work}: time at 100 × / at 1 ×"), "", vec![Bar::Most(LINEAR)]));
    figures.push(figure(format!("{unit_of_work}: memory at 100 × / at 1 ×"), "", vec![Bar::Most(FLAT)]));
    let values = figures.len();
    Scenario {
        name: name.to_owned(),
        figures,
        warm_up: false,
        worker: Box::new(move |lab, subject| {
            let steps: Vec<_> = STEPS.iter().map(|(times, _)| grow(lab, subject, *times)).collect();
            let (first, last) = (steps[0], steps[2]);
            let mut values: Vec<_> =
                steps.into_iter().flat_map(|(seconds, bytes)| [seconds, bytes / 1e6]).collect();
            values.extend([last.0 / first.0, last.1 / first.1]);
            values
        }),
        bare: Box::new(move |_| vec![f64::NAN; values]),
    }
}

fn figure(label: String, unit: &'static str, bars: Vec<Bar>) -> Figure {
    Figure { label, unit, bare: "", bars }
}
