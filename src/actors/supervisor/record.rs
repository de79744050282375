//! What is written down about a run: gathered while it is in hand, noted in the ledger when it is over or left behind.

use super::Supervisor;
use crate::actors::cot_verifier::Summary;
use crate::process::boot_now;
use scriptworker_core::cot::reason::Reason;
use scriptworker_core::digest::{Digest, HashAlgorithm};
use scriptworker_core::ledger::{PhaseTimes, RunRecord, VerdictRecord};
use scriptworker_core::run::{Event, Outcome, Phase, Resolution, ScriptEnd, Verdict};
use scriptworker_core::time::{BootMillis, UnixMillis};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// What the state machine of a run does not keep.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// When it came into its phase.
    since: BootMillis,
    phases: PhaseTimes,
    script: Option<ScriptEnd>,
    verdict: Option<VerdictRecord>,
}

impl Record {
    /// Of a run that was just claimed.
    pub(super) fn new(now: BootMillis) -> Self {
        Self { since: now, phases: PhaseTimes::default(), script: None, verdict: None }
    }

    /// Something happened to the run in a phase, and led to another one, or did not. What comes too late for its phase
    /// changes nothing here either.
    pub(super) fn take(&mut self, event: &Event, before: Phase, after: Phase) {
        self.take_at(boot_now(), event, before, after);
    }

    /// The chain of trust was judged, in this phase.
    pub(super) fn judged(&mut self, phase: Phase, verdict: Verdict, summary: Summary) {
        if let Phase::Verifying { .. } = phase {
            let Summary { policy, reason, bundle } = summary;
            let (reason, link) = reason.unzip();
            self.verdict = Some(VerdictRecord {
                verdict,
                reason: reason.and_then(Reason::from_code),
                link,
                policy,
                bundle: bundle.and_then(|digits| Digest::parse(HashAlgorithm::Sha256, &digits).ok()),
            });
        }
    }

    fn take_at(&mut self, now: BootMillis, event: &Event, before: Phase, after: Phase) {
        match (event, before) {
            (Event::ScriptEnded(end), Phase::Running { .. }) => self.script = Some(*end),
            (Event::Verdict(verdict), Phase::Verifying { .. }) => {
                self.verdict.get_or_insert_with(|| VerdictRecord::new(*verdict));
            }
            _ => {}
        }
        if before != after {
            self.phases.add(before, self.since.until(now));
            self.since = now;
        }
    }
}

impl Supervisor {
    /// Notes the run in hand, which ended like this.
    pub(super) fn note(&self, outcome: Outcome) {
        // a worker that has left noted it then
        let (Some(hand), Some(_)) = (&self.hand, &self.leave) else { return };
        if self.crew.config.trial.is_some() {
            // what a queue in the process gave is no run of a deployment's
            return;
        }
        let Record { since, mut phases, script, verdict } = hand.record.clone();
        phases.add(hand.run.phase(), since.until(boot_now()));
        let Outcome { status, resolution, clean } = outcome;
        let (config, key, claimed_at) = (&self.crew.config, hand.key.clone(), hand.claimed.claimed_at);
        let (task_queue_id, worker_group, worker_id) =
            (config.task_queue_id.clone(), config.worker_group.clone(), config.worker_id.clone());
        let definition = Arc::clone(&hand.claimed.definition);
        let ended_at = UnixMillis(chrono::Utc::now().timestamp_millis());
        self.crew.ledger.note(move || RunRecord {
            task_id: key.task_id,
            run_id: key.run_id,
            task_queue_id,
            worker_group,
            worker_id,
            definition: Digest::Sha256(Sha256::digest(definition.get()).into()),
            claimed_at,
            ended_at,
            phases,
            verdict,
            script,
            status,
            resolution,
            clean,
            by: crate::PROGRAM.to_owned(),
        });
    }

    /// The worker leaves: notes the run in hand as it stands, if there is one.
    pub(super) fn note_left(&self) {
        let Some(hand) = &self.hand else { return };
        let resolution = hand.run.resolution().unwrap_or(Resolution::Unresolved);
        self.note(Outcome { status: hand.run.status(), resolution, clean: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scriptworker_core::run::{StopCause, TaskStatus};

    #[test]
    fn what_happened_is_kept_with_the_time_in_each_phase() {
        let mut record = Record::new(BootMillis(100));
        let verifying = Phase::Verifying { stopping: false };
        let (running, stopping) =
            (Phase::Running { stop: None }, Phase::Running { stop: Some(StopCause::Shutdown) });
        let exit = ScriptEnd::Exited { status: TaskStatus::Success, by_itself: true };
        let uploading = Phase::Uploading { aborting: false };
        for (at, event, before, after) in [
            (110, Event::Verdict(Verdict::Refused), Phase::Preparing, Phase::Preparing),
            (130, Event::Prepared(true), Phase::Preparing, verifying),
            (140, Event::Verdict(Verdict::Verified), verifying, running),
            (200, Event::Tick, running, running),
            (300, Event::ShutdownAsked, running, stopping),
            (350, Event::ScriptEnded(exit), stopping, uploading),
            (360, Event::ScriptEnded(ScriptEnd::Unknown), uploading, uploading),
        ] {
            record.take_at(BootMillis(at), &event, before, after);
        }
        let mut phases = PhaseTimes::default();
        phases.add(Phase::Preparing, 30);
        phases.add(verifying, 10);
        phases.add(running, 210);
        assert_eq!((record.phases, record.since), (phases, BootMillis(350)));
        assert_eq!(record.script, Some(exit));
        assert_eq!(record.verdict, Some(VerdictRecord::new(Verdict::Verified)));
    }

    #[test]
    fn what_is_known_of_a_verdict_is_kept_whole() {
        let digest = Digest::Sha256([5; 32]);
        let summary = || Summary {
            policy: None,
            reason: Some((Reason::GraphMismatch.code(), "signing:build Ypg6xKhKRU-pnkwylNQrMw".to_owned())),
            bundle: Some(digest.digits()),
        };
        let mut record = Record::new(BootMillis(0));
        let verifying = Phase::Verifying { stopping: false };
        record.judged(Phase::Cleaning, Verdict::Refused, summary());
        assert_eq!(record.verdict, None, "it comes too late");
        record.judged(verifying, Verdict::Refused, summary());
        record.take(&Event::Verdict(Verdict::Refused), verifying, Phase::Uploading { aborting: false });
        let expected = VerdictRecord {
            reason: Some(Reason::GraphMismatch),
            link: Some("signing:build Ypg6xKhKRU-pnkwylNQrMw".to_owned()),
            bundle: Some(digest),
            ..VerdictRecord::new(Verdict::Refused)
        };
        assert_eq!(record.verdict, Some(expected));
    }
}
