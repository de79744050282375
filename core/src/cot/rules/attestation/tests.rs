use super::*;
use crate::cot::evidence::{Answer, Evidence};
use crate::cot::examine::Stop;
use crate::ed25519::trust::KeyLists;
use crate::ids::{RunId, RunKey, TaskId, TaskQueueId, WorkerGroup, WorkerId};
use crate::time::UnixMillis;
use serde_json::json;
use std::collections::BTreeMap;

const ID: &str = "Ypg6xKhKRU-pnkwylNQrMw";

fn run() -> CompletedRun {
    CompletedRun {
        key: RunKey { task_id: TaskId::parse(ID).unwrap(), run_id: RunId::new(0).unwrap() },
        pool: TaskQueueId::parse("p/w").unwrap(),
        worker_group: WorkerGroup::parse("g").unwrap(),
        worker_id: WorkerId::parse("w").unwrap(),
        resolved: UnixMillis(0),
    }
}

/// A body that says which of two it is.
fn body(number: u64) -> Vec<u8> {
    let body = json!({
        "artifacts": {}, "chainOfTrustVersion": 1, "runId": number, "environment": {}, "taskId": ID, "workerGroup": "g",
        "workerId": "w",
        "task": {"dependencies": [], "scopes": [], "payload": {}, "taskGroupId": "g", "workerType": "w"},
    });
    body.to_string().into_bytes()
}

/// What comes of these accepted forms when these bodies are there; `None` for one of which nothing is known yet.
fn outcome(
    accepted: &[Form],
    ed25519: Option<Answer>,
    openpgp: Option<Answer>,
) -> Result<Form, Option<Reason>> {
    let mut evidence = Evidence::new();
    for (form, answer) in [(Form::Ed25519, ed25519), (Form::OpenPgp, openpgp)] {
        let name = ArtifactName::parse(form.document()).unwrap();
        let need = Need::Document { run: run().key, name, class: DocumentKind::Attestation };
        if let Some(answer) = answer {
            evidence.add(need, answer).unwrap();
        }
    }
    let (openpgp, ed25519) = (BTreeMap::new(), KeyLists::default());
    let keys = Keys { openpgp: &openpgp, ed25519: &ed25519, check: false };
    let read = read(&Pass::new(&evidence), &keys, accepted, Implementation::DockerWorker, &run());
    read.map(|signed| signed.form).map_err(|stop| match stop {
        Stop::Broken(finding) => Some(finding.reason),
        Stop::Waiting => None,
        Stop::Void => panic!("nothing is refused before this"),
    })
}

#[test]
fn row_019_and_row_020_every_combination_of_forms() {
    use Form::{Ed25519 as E, OpenPgp as P};
    let one = || Some(Answer::Present(body(0).into()));
    let other = || Some(Answer::Present(body(1).into()));
    let none = || Some(Answer::Absent);
    let refused = |reason| Err(Some(reason));
    // what is there: in the one form, in the other
    let there: [(Option<Answer>, Option<Answer>); 9] = [
        (none(), none()),
        (one(), none()),
        (none(), one()),
        (one(), one()),
        (one(), other()),
        (None, none()),
        (None, one()),
        (one(), None),
        (None, None),
    ];
    let missing = refused(Reason::MissingSignature);
    let weak = refused(Reason::WeakForm);
    let conflict = refused(Reason::ConflictingAttestations);
    let wait = Err(None);
    for (accepted, expected) in [
        (&[][..], [refused(Reason::Config); 9]),
        (&[E], [missing, Ok(E), weak, Ok(E), Ok(E), wait, wait, Ok(E), wait]),
        (&[P], [missing, weak, Ok(P), Ok(P), Ok(P), missing_or_wait(), Ok(P), wait, wait]),
        (&[E, P], [missing, Ok(E), Ok(P), Ok(E), conflict, wait, wait, wait, wait]),
        (&[P, E], [missing, Ok(E), Ok(P), Ok(P), conflict, wait, wait, wait, wait]),
    ] {
        for ((ed25519, openpgp), expected) in there.iter().zip(expected) {
            let found = outcome(accepted, ed25519.clone(), openpgp.clone());
            assert_eq!(found, expected, "{accepted:?} accepted, {ed25519:?} and {openpgp:?} there");
        }
    }
}

/// Whether the accepted form was taken away is only known once it is known what else is there.
fn missing_or_wait() -> Result<Form, Option<Reason>> {
    Err(None)
}
