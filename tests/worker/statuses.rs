//! What the end of a script means: what the queue is told, and what the last line of the log says (worker.md 1).

use crate::support::Site;
use serde_json::json;

/// The end of a script, what the queue says about the run, the last line of the task's log.
type Case = (&'static str, &'static str, &'static str);

/// The queue runs a task again after some of these; the second run goes well.
fn check(site: &Site, cases: &[Case]) {
    site.start();
    let command = |end: &str| format!("echo output; [ $RUN_ID = 0 ] || exit 0; {end}");
    let tasks: Vec<_> = cases.iter().map(|(end, ..)| site.task(&command(end))).collect();
    for (task, (end, outcome, last)) in tasks.iter().zip(cases) {
        assert_eq!(site.outcome(task, 0), *outcome, "{end}\n{}", site.log());
        assert_eq!(site.task_log(task, 0), format!("output\n{last}\n"), "{end}");
        assert!(site.log().contains(last), "the worker's log says it, too: {last}");
        let again = outcome.ends_with("worker-shutdown") || outcome.ends_with("intermittent-task");
        let status = site.wait(task, |status| status["state"] != "running" && status["state"] != "pending");
        assert_eq!(status["runs"].as_array().unwrap().len(), if again { 2 } else { 1 }, "{end}: {status}");
        if again {
            assert_eq!(site.outcome(task, 1), "completed completed", "{end}");
        }
    }
}

#[test]
fn every_end_of_a_script_has_its_status() {
    check(
        &Site::new(),
        &[
            ("exit 0", "completed completed", "exit code: 0"),
            ("exit 1", "failed failed", "exit code: 1"),
            ("exit 2", "exception worker-shutdown", "exit code: 2"),
            ("exit 3", "exception malformed-payload", "exit code: 3"),
            ("exit 4", "exception resource-unavailable", "exit code: 4"),
            ("exit 5", "exception internal-error", "exit code: 5"),
            ("exit 6", "exception internal-error", "exit code: 6"),
            ("exit 7", "exception intermittent-task", "exit code: 7"),
            ("exit 9", "failed failed", "exit code: 9"),
            ("exit 241", "exception intermittent-task", "exit code: 241"),
            ("exit 245", "exception intermittent-task", "exit code: 245"),
            ("kill -TERM $$", "failed failed", "Automation Error: python exited with signal -15"),
            ("kill -SEGV $$", "failed failed", "Automation Error: python exited with signal -11"),
            ("kill -KILL $$", "failed failed", "Automation Error: python exited with signal -9"),
        ],
    );
}

#[test]
fn the_configured_table_replaces_the_built_in_one() {
    let table = json!({ "1": "intermittent-task", "9": "resource-unavailable", "200": "superseded" });
    check(
        &Site::new().set("reversed_statuses", table),
        &[
            ("exit 1", "exception intermittent-task", "exit code: 1"),
            ("exit 9", "exception resource-unavailable", "exit code: 9"),
            ("exit 200", "exception internal-error", "exit code: 200"),
            ("exit 4", "exception resource-unavailable", "exit code: 4"),
            ("exit 241", "failed failed", "exit code: 241"),
            ("exit 245", "failed failed", "exit code: 245"),
            ("kill -KILL $$", "failed failed", "Automation Error: python exited with signal -9"),
        ],
    );
}
