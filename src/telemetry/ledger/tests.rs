use super::*;
use crate::fsio;
use scriptworker_core::ledger::{Audit, AuditReport};
use serde_json::json;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

fn record(run: u64) -> RunRecord {
    let digest = format!("sha256:{}", "07".repeat(32));
    let record = json!({
        "taskId": "Ypg6xKhKRU-pnkwylNQrMw", "runId": run, "taskQueueId": "provisioner/signing",
        "workerGroup": "group", "workerId": "signing-1", "definition": digest,
        "claimedAt": "2026-01-01T00:00:00.000Z", "endedAt": "2026-01-01T00:00:10.000Z", "phases": {"running": 900},
        "status": "success", "resolution": {"resolved": "completed"}, "clean": true, "by": "scriptworker 1.0.0",
    });
    serde_json::from_value(record).unwrap()
}

fn audited(mut audit: Audit, path: &Path) -> AuditReport {
    let text = fs::read_to_string(path).unwrap();
    let (lines, rest) = text.rsplit_once('\n').map_or(("", text.as_str()), |(lines, rest)| (lines, rest));
    lines.lines().for_each(|line| audit.line(line.as_bytes()));
    audit.end(rest.as_bytes())
}

/// Where and what, and how many lines there are.
fn found(report: &AuditReport) -> (u64, Vec<(u64, &'static str)>) {
    (report.lines, report.breaks.iter().map(|found| (found.line, found.problem.kind())).collect())
}

fn runs(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    let entries = text.lines().filter_map(|line| Entry::read(line.as_bytes()).ok());
    entries.map(|(entry, _)| entry.run.run_id.get().into()).collect()
}

fn started(path: &Path) -> Book {
    let mut book = Book::new(path.to_owned());
    book.look();
    book
}

#[test]
fn a_later_life_goes_on_where_the_earlier_one_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.jsonl");
    for life in 0..3 {
        let mut book = started(&path);
        book.note(record(2 * life));
        book.note(record(2 * life + 1));
    }
    let report = audited(Audit::default(), &path);
    assert_eq!(found(&report), (6, vec![]));
    assert_eq!(report.endings.into_iter().collect::<Vec<_>>(), [("success", 6)]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_was_moved_away_is_followed_by_one_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join("runs.jsonl"), dir.path().join("runs.jsonl.1"));
    let mut book = started(&path);
    book.note(record(0));
    fsio::rename(&path, &aside).unwrap();
    book.note(record(1));
    let older = audited(Audit::default(), &aside);
    assert_eq!(found(&audited(Audit::after(older.head.digest), &path)), (1, vec![]));
    assert_eq!(book.head.unwrap().sequence, 2);
}

#[test]
fn an_end_that_was_cut_off_meanwhile_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.jsonl");
    let mut book = started(&path);
    book.note(record(0));
    let length = fs::metadata(&path).unwrap().len();
    book.note(record(1));
    fsio::append(&path, MODE).unwrap().set_len(length).unwrap();
    book.note(record(2));
    assert_eq!(found(&audited(Audit::default(), &path)), (2, vec![(2, "missing")]));
}

#[test]
fn a_torn_line_is_left_and_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.jsonl");
    let mut book = started(&path);
    book.note(record(0));
    let whole = fs::metadata(&path).unwrap().len();
    book.note(record(1));
    fsio::append(&path, MODE).unwrap().set_len(whole + 100).unwrap();
    assert_eq!(audited(Audit::default(), &path).torn, [2]);
    started(&path).note(record(2));
    let report = audited(Audit::default(), &path);
    assert_eq!((found(&report), &report.torn[..]), ((3, vec![]), &[2][..]));
    assert_eq!(runs(&path), [0, 2]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests make links of their own")]
fn a_file_of_somebody_else_is_not_touched_and_no_line_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.jsonl");
    for foreign in ["someone's notes\n", "\0\0\0"] {
        let mut file = fsio::create(&path, MODE).unwrap();
        file.write_all(foreign.as_bytes()).unwrap();
        let mut book = started(&path);
        book.note(record(0));
        book.note(record(1));
        assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
        fsio::remove_file(&path).unwrap();
        book.note(record(2));
        assert_eq!(found(&audited(Audit::default(), &path)), (3, vec![]));
        assert_eq!(runs(&path), [0, 1, 2]);
    }
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    let error = started(&link).write_one(record(3)).unwrap_err();
    assert!(matches!(error, LedgerError::Io(_)), "{error}");
    let error = started(Path::new("/dev/full")).write_one(record(3)).unwrap_err();
    assert!(matches!(error, LedgerError::NotAFile), "{error}");
}

#[test]
fn what_cannot_be_written_waits_for_a_better_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log/runs.jsonl");
    let ledger = Ledger::open(path.clone()).unwrap();
    ledger.note(|| record(0));
    ledger.note(|| record(1));
    ledger.flush(Duration::from_secs(60));
    assert!(!path.exists());
    fsio::create_dir_all(&dir.path().join("log")).unwrap();
    // leaving is such a time
    ledger.flush(Duration::from_secs(60));
    assert_eq!(runs(&path), [0, 1]);
    ledger.clone().note(|| record(2));
    ledger.flush(Duration::from_secs(60));
    assert_eq!(found(&audited(Audit::default(), &path)), (3, vec![]));
}

#[test]
fn more_than_can_wait_is_lost_from_the_front() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log/runs.jsonl");
    let mut book = started(&path);
    let most = u64::try_from(WAITING).unwrap();
    (0..most).for_each(|run| book.waiting.push_back(record(run)));
    book.note(record(most));
    assert_eq!(book.waiting.len(), WAITING);
    fsio::create_dir_all(&dir.path().join("log")).unwrap();
    book.write();
    assert_eq!(runs(&path), (1..=most).collect::<Vec<_>>());
    assert_eq!(found(&audited(Audit::default(), &path)), (most, vec![]));
}

#[test]
fn a_ledger_whose_disk_hangs_delays_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path().join("runs.jsonl")).unwrap();
    let (go, wait) = sync_channel::<()>(0);
    ledger.note(move || {
        let _ = wait.recv();
        record(0)
    });
    for run in 1..=2 * QUEUE {
        ledger.note(move || record(run.try_into().unwrap()));
    }
    ledger.flush(Duration::from_millis(1));
    drop(go);
}
