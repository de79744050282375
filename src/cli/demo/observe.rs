//! Reads a task's status as the queue gives it.

use scriptworker_core::time::UnixMillis;
use serde_json::Value;

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for the worker; `again`: earlier runs were not the last word.
    Pending { again: bool },
    /// The worker has it since then.
    Running { run: usize, since: UnixMillis },
    /// So many artifacts of the run have reached the queue.
    Uploading { run: usize, artifacts: usize },
    /// Over, with the outcomes of its runs.
    Resolved(Vec<String>),
}

impl Stage {
    /// Of a status, and the number of artifacts that the last run has so far.
    pub(super) fn of(status: &Value, artifacts: usize) -> Self {
        let runs = runs(status);
        let number = runs.len().saturating_sub(1);
        let Some(run) = runs.last() else { return Self::Pending { again: false } };
        if run.get("resolved").is_some() {
            return Self::Resolved(outcomes(status));
        }
        match date(run, "started") {
            None => Self::Pending { again: number > 0 },
            Some(since) if artifacts == 0 => Self::Running { run: number, since },
            Some(_) => Self::Uploading { run: number, artifacts },
        }
    }

    /// In words, at a moment.
    pub(super) fn text(&self, now: UnixMillis) -> String {
        match self {
            Self::Pending { again: false } => "pending".to_owned(),
            Self::Pending { again: true } => "pending again".to_owned(),
            Self::Running { since, .. } => format!("running {}", seconds(now.since(*since))),
            Self::Uploading { artifacts, .. } => format!("uploading, {artifacts} there"),
            Self::Resolved(outcomes) => super::compare::in_words(outcomes.iter().map(String::as_str)),
        }
    }

    /// Whether somebody who gets one line per change wants to hear of this one.
    pub(super) fn is_news(&self, before: Option<&Self>) -> bool {
        match (before, self) {
            (Some(Self::Uploading { run: before, .. }), Self::Uploading { run, .. }) => before != run,
            (before, now) => before != Some(now),
        }
    }
}

/// Milliseconds as seconds with one decimal.
pub(super) fn seconds(millis: i64) -> String {
    let tenths = millis.max(0) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn runs(status: &Value) -> &[Value] {
    status.get("runs").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn date(run: &Value, key: &str) -> Option<UnixMillis> {
    UnixMillis::parse(run.get(key)?.as_str()?).ok()
}

/// The outcome of each run.
pub(super) fn outcomes(status: &Value) -> Vec<String> {
    runs(status).iter().map(outcome).collect()
}

/// State and, where it says more, the reason: `completed`, `failed`, `exception canceled`, `pending`.
fn outcome(run: &Value) -> String {
    let text = |key| run.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("state"), text("reasonResolved")) {
        (state, reason) if reason.is_empty() || state == reason => state.to_owned(),
        (state, reason) => format!("{state} {reason}"),
    }
}

/// From the start of the first run to the end of the last one, in milliseconds.
pub(super) fn took(status: &Value) -> Option<i64> {
    let runs = runs(status);
    Some(date(runs.last()?, "resolved")?.since(date(runs.first()?, "started")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_read_as_a_stage() {
        let stage = |runs: Value, artifacts| Stage::of(&json!({ "runs": runs }), artifacts);
        assert_eq!(stage(json!([]), 0), Stage::Pending { again: false });
        assert_eq!(stage(json!([{ "state": "pending" }]), 0), Stage::Pending { again: false });
        let running = json!({ "state": "running", "started": "1970-01-01T00:00:01.000Z" });
        assert_eq!(stage(json!([running]), 0), Stage::Running { run: 0, since: UnixMillis(1000) });
        assert_eq!(stage(json!([running]), 2), Stage::Uploading { run: 0, artifacts: 2 });
        let intermittent = json!({
            "state": "exception", "reasonResolved": "intermittent-task",
            "started": "1970-01-01T00:00:01.000Z", "resolved": "1970-01-01T00:00:02.000Z",
        });
        assert_eq!(stage(json!([intermittent, { "state": "pending" }]), 0), Stage::Pending { again: true });
        let done = json!({
            "state": "completed", "reasonResolved": "completed",
            "started": "1970-01-01T00:00:03.000Z", "resolved": "1970-01-01T00:00:04.250Z",
        });
        let both = stage(json!([intermittent, done]), 1);
        assert_eq!(both.text(UnixMillis(0)), "exception intermittent-task, then completed");
        assert_eq!(took(&json!({ "runs": [intermittent, done] })), Some(3250));
        assert_eq!(took(&json!({ "runs": [running] })), None);
    }

    #[test]
    fn the_same_stage_is_no_news() {
        let running = Stage::Running { run: 0, since: UnixMillis(0) };
        assert!(running.is_news(None));
        assert!(!running.is_news(Some(&running)));
        let uploading = |run, artifacts| Stage::Uploading { run, artifacts };
        assert!(uploading(0, 1).is_news(Some(&running)));
        assert!(!uploading(0, 2).is_news(Some(&uploading(0, 1))));
        assert!(uploading(1, 1).is_news(Some(&uploading(0, 1))));
        assert_eq!(running.text(UnixMillis(1250)), "running 1.2 s");
        assert_eq!(seconds(-5), "0.0 s");
    }
}
