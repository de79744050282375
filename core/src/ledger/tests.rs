use super::*;
use crate::cot::policy::PolicyId;
use crate::cot::reason::Reason;
use crate::digest::Digest;
use crate::ids::{RunId, TaskId, TaskQueueId, WorkerGroup, WorkerId};
use crate::run::{
    ExceptionReason, LossCause, Phase, Report, Resolution, ScriptEnd, StopCause, TaskStatus, Verdict,
};
use crate::time::UnixMillis;
use proptest::prelude::*;

fn run(number: u64) -> RunRecord {
    let task = TaskId::parse("Ypg6xKhKRU-pnkwylNQrMw").unwrap();
    let mut phases = PhaseTimes::default();
    phases.add(Phase::Running { stop: None }, 900);
    phases.add(Phase::Running { stop: Some(StopCause::TimeLimit) }, number);
    let millis = i64::try_from(number).unwrap();
    RunRecord {
        task_id: task,
        run_id: RunId::new(number % 3).unwrap(),
        task_queue_id: TaskQueueId::parse("provisioner/signing").unwrap(),
        worker_group: WorkerGroup::parse("group").unwrap(),
        worker_id: WorkerId::parse("signing-1").unwrap(),
        definition: Digest::Sha256([7; 32]),
        claimed_at: UnixMillis(1_790_000_000_000 + millis),
        ended_at: UnixMillis(1_790_000_010_000 + millis),
        phases,
        verdict: number.is_multiple_of(2).then(|| VerdictRecord {
            reason: Some(Reason::GraphMismatch),
            link: Some("signing:build \"é\"".to_owned()),
            policy: Some(PolicyId {
                name: "classic".to_owned(),
                serial: 3,
                sha256: [9; 32],
                overridden: Vec::new(),
            }),
            bundle: Some(Digest::Sha256([8; 32])),
            ..VerdictRecord::new(Verdict::Refused)
        }),
        script: Some(ScriptEnd::Exited { status: TaskStatus::Failure, by_itself: true }),
        status: TaskStatus::Failure,
        resolution: Resolution::Resolved(Report::Failed),
        clean: true,
        by: "scriptworker 1.0.0".to_owned(),
    }
}

/// So many lines after a head.
fn lines_after(mut head: Head, count: u64) -> Vec<String> {
    (0..count)
        .map(|number| {
            let line;
            (line, head) = Entry::after(head, None, run(number)).write().unwrap();
            line
        })
        .collect()
}

fn lines(count: u64) -> Vec<String> {
    lines_after(Head::START, count)
}

fn head_of(line: &str) -> Head {
    Entry::read(line.as_bytes()).unwrap().1
}

fn file(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

fn audited(mut audit: Audit, file: &[u8]) -> AuditReport {
    let mut pieces = file.split(|byte| *byte == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        match pieces.peek() {
            Some(_) => audit.line(piece),
            None => return audit.end(piece),
        }
    }
    unreachable!("split gives one piece at least")
}

fn audit(file: &[u8]) -> AuditReport {
    audited(Audit::default(), file)
}

/// Where and what.
fn breaks(report: &AuditReport) -> Vec<(u64, &'static str)> {
    report.breaks.iter().map(|found| (found.line, found.problem.kind())).collect()
}

#[test]
fn a_line_reads_in_the_field_s_own_words() {
    let (line, head) = Entry::after(Head::START, None, run(0)).write().unwrap();
    let zeros = "0".repeat(64);
    let expected = format!(
        "{{\"sequence\":1,\"previous\":\"sha256:{zeros}\",\"run\":{{\"taskId\":\"Ypg6xKhKRU-pnkwylNQrMw\",\"runId\":0,\
         \"taskQueueId\":\"provisioner/signing\",\"workerGroup\":\"group\",\"workerId\":\"signing-1\",\
         \"definition\":\"sha256:{}\",\"claimedAt\":\"2026-09-21T14:13:20.000Z\",\"endedAt\":\"2026-09-21T14:13:30.000Z\",\
         \"phases\":{{\"running\":900}},\"verdict\":{{\"verdict\":\"refused\",\"reason\":\"graph-mismatch\",\
         \"link\":\"signing:build \\\"é\\\"\",\
         \"policy\":{{\"name\":\"classic\",\"serial\":3,\"sha256\":\"{}\"}},\"bundle\":\"sha256:{}\"}},\
         \"script\":{{\"exited\":{{\"status\":\"failure\",\"byItself\":true}}}},\"status\":\"failure\",\
         \"resolution\":{{\"resolved\":\"failed\"}},\"clean\":true,\"by\":\"scriptworker 1.0.0\"}}",
        "07".repeat(32),
        "09".repeat(32),
        "08".repeat(32)
    );
    assert_eq!(line, format!("{expected},\"digest\":\"{}\"}}", head.digest));
    assert_eq!(head.sequence, 1);
}

#[test]
fn every_end_of_a_run_comes_back_as_it_was() {
    let reports = TaskStatus::ALL.map(|status| Resolution::Resolved(status.report()));
    let losses = [LossCause::Refused, LossCause::Expired].map(Resolution::ClaimLost);
    let resolutions = [&reports[..], &losses, &[Resolution::Unresolved]].concat();
    let scripts = [
        None,
        Some(ScriptEnd::Exited { status: TaskStatus::Success, by_itself: false }),
        Some(ScriptEnd::NotStarted),
        Some(ScriptEnd::Deadline),
        Some(ScriptEnd::Unknown),
    ];
    for resolution in resolutions {
        for script in scripts {
            for status in TaskStatus::ALL {
                let run = RunRecord { resolution, script, status, ..run(1) };
                let entry = Entry::after(Head::START, Some(Digest::Sha256([1; 32])), run);
                let (line, head) = entry.write().unwrap();
                assert_eq!(Entry::read(line.as_bytes()).unwrap(), (entry, head));
            }
        }
    }
    let report = Resolution::Resolved(Report::Exception(ExceptionReason::MalformedPayload));
    assert_eq!(
        serde_json::to_value(report).unwrap(),
        serde_json::json!({"resolved": {"exception": "malformed-payload"}})
    );
}

/// A line that says this, with a digest that is right.
fn sealed(text: &str) -> String {
    let text = text.strip_suffix('}').unwrap();
    format!("{text},\"digest\":\"{}\"}}", entry::sha256(text.as_bytes()))
}

#[test]
fn a_line_has_one_form() {
    let line = &lines(1)[0];
    let text = format!("{}}}", line.split(",\"digest\"").next().unwrap());
    assert_eq!(sealed(&text), *line);
    for (what, other) in [
        ("a blank", text.replace("\"runId\":0", "\"runId\": 0")),
        (
            "another order",
            text.replace("\"runId\":0,", "").replace("\"clean\":true", "\"clean\":true,\"runId\":0"),
        ),
        ("an escape", text.replace("provisioner", "\\u0070rovisioner")),
        ("null for nothing", text.replace("\"previous\"", "\"torn\":null,\"previous\"")),
    ] {
        assert_ne!(other, text, "{what}");
        assert!(matches!(Entry::read(sealed(&other).as_bytes()), Err(LineError::Form)), "{what}");
    }
    for (what, other) in [
        ("an unknown member", text.replace("\"runId\":0", "\"runId\":0,\"more\":1")),
        ("a member twice", text.replace("\"runId\":0", "\"runId\":0,\"runId\":0")),
        ("a member less", text.replace("\"runId\":0,", "")),
        ("an unknown reason", text.replace("graph-mismatch", "graph-mishap")),
        (
            "an unknown status",
            text.replace("\"status\":\"failure\",\"resolution", "\"status\":\"Failure\",\"resolution"),
        ),
        ("a digest in upper case", text.replace("0707", "0A0A")),
    ] {
        assert_ne!(other, text, "{what}");
        assert!(matches!(Entry::read(sealed(&other).as_bytes()), Err(LineError::Unreadable(_))), "{what}");
    }
    assert!(matches!(Entry::read(b"{}"), Err(LineError::Form)));
    assert!(matches!(Entry::read(b"no JSON"), Err(LineError::Unreadable(_))));
    assert!(matches!(Entry::read(&line.as_bytes()[..40]), Err(LineError::Torn)));
}

#[test]
fn a_run_that_nobody_was_told_of_is_no_success() {
    let ending = |resolution| RunRecord { resolution, status: TaskStatus::Success, ..run(1) }.ending();
    assert_eq!(ending(Resolution::Resolved(Report::Completed)), "success");
    assert_eq!(ending(Resolution::ClaimLost(LossCause::Refused)), "claim-lost");
    assert_eq!(ending(Resolution::Unresolved), "unresolved");
}

#[test]
fn a_ledger_without_lines_is_whole() {
    let report = audit(b"");
    assert_eq!((report.lines, report.head, breaks(&report)), (0, Head::START, vec![]));
}

#[test]
fn a_whole_ledger_is_summed_up() {
    let lines = lines(3);
    let report = audit(&file(&lines));
    assert_eq!(breaks(&report), []);
    assert_eq!((report.lines, report.head), (3, head_of(&lines[2])));
    assert_eq!(report.first, Some(run(0).ended_at));
    assert_eq!(report.last, Some(run(2).ended_at));
    assert_eq!(report.endings.into_iter().collect::<Vec<_>>(), [("failure", 3)]);
    assert!(report.torn.is_empty());
}

#[test]
fn each_kind_of_break_is_told_with_its_line() {
    let whole = lines(5);
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = whole.clone();
        change(&mut lines);
        let report = audit(&file(&lines));
        breaks(&report)
    };
    assert_eq!(with(&|lines| lines[2] = lines[2].replace("\"runId\":2", "\"runId\":1")), [(3, "changed")]);
    assert_eq!(with(&|lines| lines[4] = lines[4].replace("true", "false")), [(5, "changed")]);
    assert_eq!(with(&|lines| lines[1] = "{}".to_owned()), [(2, "form")]);
    assert_eq!(with(&|lines| lines[1].truncate(50)), [(2, "torn")], "no line says that it was torn");
    assert_eq!(with(&|lines| lines[4].truncate(50)), [(5, "torn")], "a torn line has no line break");
    assert_eq!(with(&|lines| drop(lines.remove(0))), [(1, "start")]);
    assert_eq!(with(&|lines| drop(lines.drain(1..3))), [(2, "missing")]);
    assert_eq!(with(&|lines| lines.insert(2, lines[1].clone())), [(3, "order")]);
    assert_eq!(with(&|lines| lines.swap(1, 2)), [(2, "missing"), (3, "order"), (4, "missing")]);
    // a line that is right in itself, and was written after the line that stood before it
    let other = Entry::after(head_of(&whole[0]), None, run(7)).write().unwrap().0;
    assert_eq!(with(&|lines| lines[1] = other.clone()), [(3, "link")]);
    let renumbered = Entry { sequence: 2, ..Entry::after(Head::START, None, run(0)) }.write().unwrap().0;
    assert_eq!(breaks(&audit(&file(&[renumbered]))), [(1, "missing")]);
}

#[test]
fn a_file_goes_on_where_another_one_ended() {
    let older = lines(2);
    let head = head_of(&older[1]);
    let newer = file(&lines_after(head, 2));
    assert_eq!(breaks(&audit(&newer)), [(1, "start")]);
    assert_eq!(breaks(&audited(Audit::after(head.digest), &newer)), []);
    assert_eq!(breaks(&audited(Audit::after(head_of(&older[0]).digest), &newer)), [(1, "start")]);
}

#[test]
fn only_a_head_that_was_kept_tells_that_the_end_is_missing() {
    let lines = lines(4);
    let kept = head_of(&lines[2]).digest;
    let audited = |count: usize| audited(Audit::default().expecting(kept), &file(&lines[..count]));
    assert_eq!((breaks(&audited(4)), audited(4).expected_at), (vec![], Some(3)));
    assert_eq!(breaks(&audited(3)), []);
    assert_eq!(breaks(&audited(2)), [(2, "head")]);
    assert_eq!(breaks(&audited(0)), [(0, "head")]);
    assert_eq!(breaks(&audit(&file(&lines[..2]))), [], "the chain alone does not");
}

#[test]
fn what_a_crash_leaves_is_torn_and_not_broken() {
    let lines = lines(3);
    for cut in 1..lines[2].len() {
        let mut bytes = file(&lines[..2]);
        bytes.extend_from_slice(&lines[2].as_bytes()[..cut]);
        let report = audit(&bytes);
        assert_eq!((breaks(&report), &report.torn[..]), (vec![], &[3][..]), "{cut}");
        let tail = Tail::of(&bytes, true).unwrap();
        assert_eq!((tail.head, tail.open), (Some(head_of(&lines[1])), true));
        // twice in a row
        bytes.extend_from_slice(b"\n");
        bytes.extend_from_slice(&lines[2].as_bytes()[..7]);
        let tail = Tail::of(&bytes, true).unwrap();
        let (line, head) = Entry::after(tail.head.unwrap(), tail.torn, run(9)).write().unwrap();
        bytes.extend_from_slice(format!("\n{line}\n").as_bytes());
        let report = audit(&bytes);
        assert_eq!((breaks(&report), &report.torn[..], report.head), (vec![], &[3, 4][..], head), "{cut}");
        // the torn lines are part of the chain
        let without = [file(&lines[..2]), format!("{line}\n").into_bytes()].concat();
        assert_eq!(breaks(&audit(&without)), [(3, "torn-missing")]);
        let at = file(&lines[..2]).len();
        bytes[at] = b'[';
        assert_eq!(breaks(&audit(&bytes))[0].0, 3);
    }
}

#[test]
fn a_line_that_lacks_only_its_line_break_is_whole() {
    let lines = lines(2);
    let bytes = lines.join("\n").into_bytes();
    let report = audit(&bytes);
    assert_eq!((breaks(&report), report.torn.is_empty(), report.lines), (vec![], true, 2));
    let tail = Tail { head: Some(head_of(&lines[1])), torn: None, open: true };
    assert_eq!(Tail::of(&bytes, true).unwrap(), tail);
}

#[test]
fn the_end_of_a_file_says_where_to_go_on_or_that_nobody_should() {
    let lines = lines(3);
    let bytes = file(&lines);
    let tail = Tail { head: Some(head_of(&lines[2])), torn: None, open: false };
    assert_eq!(Tail::of(&bytes, true).unwrap(), tail);
    assert_eq!(Tail::of(&bytes[lines[0].len() - 5..], false).unwrap(), tail, "it begins within a line");
    let nothing = Tail { head: None, torn: None, open: false };
    assert_eq!(Tail::of(b"", true).unwrap(), nothing);
    let first_torn = Tail::of(b"{\"sequ", true).unwrap();
    assert!(first_torn.head.is_none() && first_torn.torn.is_some() && first_torn.open);

    let changed = file(&[lines[0].clone(), lines[1].replace("true", "false")]);
    assert!(matches!(Tail::of(&changed, true), Err(TailError::Damaged(LineError::Changed { .. }))));
    for foreign in ["someone's notes\n", "{\"a\": 1}\n", "\0\0\0\0"] {
        let bytes = [&file(&lines)[..], foreign.as_bytes()].concat();
        assert!(matches!(Tail::of(&bytes, true), Err(TailError::Damaged(_))), "{foreign:?}");
    }
    for cut in [10, lines[2].len() - 10] {
        let end = &lines[2].as_bytes()[cut..];
        assert!(matches!(Tail::of(end, false), Err(TailError::NoLine { .. })), "{cut}");
    }
    assert!(matches!(Tail::of(b"", false), Err(TailError::NoLine { looked: 0 })));
}

proptest! {
    #[test]
    fn any_changed_byte_is_found(count in 1u64..6, at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = file(&lines(count));
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let report = audit(&bytes);
        prop_assert!(!report.breaks.is_empty(), "{}", String::from_utf8_lossy(&bytes));
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        prop_assert!(report.breaks[0].line == line, "expected line {line}: {:?}", report.breaks);
    }

    #[test]
    fn any_removed_line_is_found_but_for_the_end(count in 2u64..8, from in any::<prop::sample::Index>(), more in 1usize..4) {
        let mut lines = lines(count);
        let from = from.index(lines.len() - 1);
        let to = (from + more).min(lines.len() - 1);
        lines.drain(from..to);
        prop_assert_eq!(breaks(&audit(&file(&lines)))[0].0, from as u64 + 1);
    }

    #[test]
    fn any_other_order_is_found(order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle()) {
        let whole = lines(6);
        let shuffled: Vec<_> = order.iter().map(|at| whole[*at].clone()).collect();
        prop_assert_eq!(audit(&file(&shuffled)).breaks.is_empty(), shuffled == whole);
    }

    #[test]
    fn any_bytes_are_audited_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let report = audit(&bytes);
        prop_assert_eq!(report.breaks.is_empty(), report.lines == report.torn.len() as u64);
        let _ = Tail::of(&bytes, true);
        let _ = Tail::of(&bytes, false);
    }
}
