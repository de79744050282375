//! What is shown while the tasks run: a line per task on a terminal, else a line per change.

use super::observe::Stage;
use chrono::Local;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use scriptworker_core::time::UnixMillis;
use std::io::{self, IsTerminal as _, Write as _};

/// Prints a line. That nobody reads it is no reason to stop: the worker has to be stopped in order.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// See the module.
pub(super) enum View {
    Bars(Vec<ProgressBar>),
    Lines { names: Vec<&'static str>, width: usize, before: Vec<Option<Stage>> },
}

impl View {
    /// One for these tasks.
    pub(super) fn new(names: Vec<&'static str>) -> Self {
        let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if dumb || !io::stdout().is_terminal() {
            let before = vec![None; names.len()];
            return Self::Lines { names, width, before };
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let bar = |name: &&str| {
            let bar = all.add(ProgressBar::new_spinner().with_style(style("{spinner}")));
            bar.set_prefix(format!("{name:width$}"));
            bar
        };
        Self::Bars(names.iter().map(bar).collect())
    }

    /// Shows how far a task is.
    pub(super) fn show(&mut self, index: usize, stage: &Stage, now: UnixMillis) {
        match self {
            Self::Bars(bars) => {
                let Some(bar) = bars.get(index).filter(|bar| !bar.is_finished()) else { return };
                bar.set_message(stage.text(now));
                match stage {
                    Stage::Resolved(_) => {
                        bar.set_style(style(" "));
                        bar.finish();
                    }
                    Stage::Pending { .. } => {}
                    Stage::Running { .. } | Stage::Uploading { .. } => bar.tick(),
                }
            }
            Self::Lines { names, width, before } => {
                let (Some(name), Some(before)) = (names.get(index), before.get_mut(index)) else { return };
                if stage.is_news(before.as_ref()) {
                    let (time, width) = (Local::now().format("%H:%M:%S%.3f"), *width);
                    let text = match stage {
                        Stage::Running { .. } => "running".to_owned(),
                        Stage::Uploading { .. } => "uploading".to_owned(),
                        other => other.text(now),
                    };
                    say(&format!("{time}  {name:width$}  {text}"));
                    *before = Some(stage.clone());
                }
            }
        }
    }
}

/// A line that begins with `mark`.
fn style(mark: &str) -> ProgressStyle {
    ProgressStyle::with_template(&format!("{mark} {{prefix}}  {{wide_msg}}"))
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}
