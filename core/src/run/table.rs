//! The transition table: in which phase which event leads where, and what is to be done about it.
//! [`Run::on`] first looks at the time (a claim whose end has passed is lost, whatever the event), then looks the
//! event up in [`Run::step`], which reads as a table: one row per line, grouped by phase. An event that has no row in
//! a phase is late or meaningless there and changes nothing.

use super::machine::{Claim, Shutdown};
use super::{
    Actor, Admission, Effect, Ending, Event, LossCause, Outcome, Phase, Policy, Report, ReportEnd,
    Resolution, Run, ScriptEnd, StopCause, TaskStatus, UploadEnd, Verdict,
};
use crate::time::BootMillis;

/// A run after an event, and what to do about it.
type Next = (Run, Vec<Effect>);

impl Run {
    /// A run begins when its claim is answered. `claim_end` is `takenUntil` on the boot clock.
    pub fn claimed(policy: Policy, admission: Admission, claim_end: BootMillis) -> (Self, Vec<Effect>) {
        let run = Self {
            phase: Phase::Preparing,
            policy,
            claim: Claim::Held { end: claim_end },
            status: TaskStatus::Success,
            refused: false,
            ending: None,
            shutdown: Shutdown::No,
            resolution: None,
        };
        let mut begin = vec![Effect::PublishCredentials, Effect::StartHeartbeat];
        let (run, effects) = match admission {
            Admission::Admitted => run.go(Phase::Preparing, &[Effect::Prepare]),
            Admission::Malformed => {
                run.worse(TaskStatus::MalformedPayload).go(Phase::Preparing, &[Effect::Prepare])
            }
            Admission::GivenBack => run.worse(TaskStatus::WorkerShutdown).report(),
        };
        begin.extend(effects);
        (run, begin)
    }

    /// What follows from an event that is handled at `now`.
    #[must_use]
    pub fn on(self, now: BootMillis, event: Event) -> (Self, Vec<Effect>) {
        let renewed_in_time = matches!(event, Event::Renewed { end } if now < end);
        match self.claim {
            Claim::Held { end } if now >= end && !renewed_in_time => {
                let (run, mut effects) = self.step(Event::ClaimLost(LossCause::Expired));
                let (run, more) = run.step(event);
                effects.extend(more);
                (run, effects)
            }
            _ => self.step(event),
        }
    }

    /// The table.
    #[expect(clippy::too_many_lines, reason = "a table is read row by row; splitting it would hide rows")]
    fn step(self, event: Event) -> Next {
        use Event as E;
        use Phase as P;
        match (self.phase, event) {
            // ── in every phase ──────────────────────────────────────────────────────────────────────────────────────
            (P::Done, _) | (_, E::Tick) => self.stay(),
            (_, E::Renewed { end }) => self.renewed(end),
            (_, E::ActorDied(Actor::Reclaimer)) => self.heartbeat_died(),
            (_, E::ActorDied(Actor::CredentialRefresher)) => self.credentials_died(),

            // ── preparing: no process yet, nothing to stop ──────────────────────────────────────────────────────────
            (P::Preparing, E::Prepared(true)) => self.prepared(),
            (P::Preparing, E::Prepared(false)) => self.worse(TaskStatus::InternalError).report(),
            (P::Preparing, E::ActorDied(Actor::ScriptRunner)) => {
                self.worse(TaskStatus::InternalError).report()
            }
            (P::Preparing, E::ClaimLost(cause)) => self.lose(cause).stay(),
            (P::Preparing, E::ShutdownAsked) => self.shut(Shutdown::Asked).stay(),
            (P::Preparing, E::ShutdownNow) => {
                self.shut(Shutdown::Now).worse(TaskStatus::WorkerShutdown).report()
            }

            // ── verifying ───────────────────────────────────────────────────────────────────────────────────────────
            (P::Verifying { stopping: false }, E::Verdict(verdict)) => self.judged(verdict),
            (P::Verifying { stopping: true }, E::Verdict(_)) => self.upload(),
            (P::Verifying { .. }, E::ActorDied(Actor::CotVerifier)) => {
                self.worse(TaskStatus::InternalError).upload()
            }
            (P::Verifying { .. }, E::ClaimLost(cause)) => self.lose(cause).stop_verifying(),
            (P::Verifying { .. }, E::ShutdownAsked) => {
                self.shut(Shutdown::Asked).worse(TaskStatus::WorkerShutdown).stop_verifying()
            }
            (P::Verifying { .. }, E::ShutdownNow) => {
                self.shut(Shutdown::Now).worse(TaskStatus::WorkerShutdown).report_after(Effect::AbortVerify)
            }

            // ── running: until every process of the script is gone ──────────────────────────────────────────────────
            (P::Running { stop }, E::ScriptEnded(end)) => self.script_ended(stop, end),
            (P::Running { stop: None }, E::LimitPassed) => self.stop_script(StopCause::TimeLimit),
            (P::Running { stop: None }, E::ShutdownAsked) => {
                self.shut(Shutdown::Asked).stop_script(StopCause::Shutdown)
            }
            (P::Running { stop: Some(_) }, E::ShutdownAsked) => self.shut(Shutdown::Asked).stay(),
            (P::Running { stop }, E::ShutdownNow) => {
                self.shut(Shutdown::Now).kill_script(stop.unwrap_or(StopCause::Shutdown))
            }
            (P::Running { .. }, E::ClaimLost(LossCause::Refused)) => {
                self.lose(LossCause::Refused).stop_script(StopCause::ClaimLost)
            }
            (P::Running { .. }, E::ClaimLost(LossCause::Expired)) => {
                self.lose(LossCause::Expired).kill_script(StopCause::ClaimLost)
            }
            (P::Running { stop }, E::ActorDied(Actor::ScriptRunner)) => self.runner_died(stop),

            // ── uploading ───────────────────────────────────────────────────────────────────────────────────────────
            (P::Uploading { .. }, E::Uploaded(end)) => self.uploaded(end),
            (P::Uploading { .. }, E::ActorDied(Actor::Uploader)) => {
                self.worse(TaskStatus::InternalError).report()
            }
            (P::Uploading { .. }, E::ClaimLost(cause)) => {
                self.lose(cause).go(P::Uploading { aborting: true }, &[Effect::AbortUpload])
            }
            (P::Uploading { .. }, E::ShutdownAsked) => self.shut(Shutdown::Asked).stay(),
            (P::Uploading { .. }, E::ShutdownNow) => {
                self.shut(Shutdown::Now).worse(TaskStatus::WorkerShutdown).report_after(Effect::AbortUpload)
            }

            // ── attesting: as uploading ─────────────────────────────────────────────────────────────────────────────
            (P::Attesting { .. }, E::Attested(end)) => self.attested(end),
            (P::Attesting { .. }, E::ActorDied(Actor::Uploader)) => {
                self.worse(TaskStatus::InternalError).report()
            }
            (P::Attesting { .. }, E::ClaimLost(cause)) => {
                self.lose(cause).go(P::Attesting { aborting: true }, &[Effect::AbortUpload])
            }
            (P::Attesting { .. }, E::ShutdownAsked) => self.shut(Shutdown::Asked).stay(),
            (P::Attesting { .. }, E::ShutdownNow) => {
                self.shut(Shutdown::Now).worse(TaskStatus::WorkerShutdown).report_after(Effect::AbortUpload)
            }

            // ── reporting: until it is answered or the claim expired; a refused renewal may mean that it arrived ────
            (P::Reporting { report }, E::Reported(end)) => self.reported(report, end),
            (P::Reporting { .. }, E::ClaimLost(cause @ LossCause::Refused)) => {
                self.lose(cause).go_on(&[Effect::StopHeartbeat])
            }
            (P::Reporting { .. }, E::ClaimLost(cause @ LossCause::Expired)) => {
                self.lose(cause).go_on(&[Effect::StopHeartbeat, Effect::AbandonReport])
            }
            (P::Reporting { report }, E::ActorDied(Actor::Claimer)) => self.report_again(report),
            (P::Reporting { .. }, E::ShutdownAsked) => self.shut(Shutdown::Asked).stay(),
            (P::Reporting { .. }, E::ShutdownNow) => self.shut(Shutdown::Now).stay(),

            // ── cleaning: the queue has its answer, only our own house is left ──────────────────────────────────────
            (P::Cleaning, E::Cleaned(true)) => self.finish(true),
            (P::Cleaning, E::Cleaned(false)) if self.shutdown == Shutdown::No => {
                self.go_on(&[Effect::CleanUpLater])
            }
            (P::Cleaning, E::Cleaned(false)) => self.finish(false),
            (P::Cleaning, E::ActorDied(Actor::ScriptRunner)) => self.go_on(&[Effect::CleanUp]),
            (P::Cleaning, E::ShutdownAsked) => self.shut(Shutdown::Asked).stay(),
            (P::Cleaning, E::ShutdownNow) => self.shut(Shutdown::Now).finish(false),

            // ── late, doubled or meaningless in this phase ──────────────────────────────────────────────────────────
            (
                _,
                E::Prepared(_)
                | E::Verdict(_)
                | E::LimitPassed
                | E::ScriptEnded(_)
                | E::Uploaded(_)
                | E::Attested(_)
                | E::Reported(_)
                | E::Cleaned(_)
                | E::ClaimLost(_)
                | E::ActorDied(_),
            ) => self.stay(),
        }
    }

    // ── what several rows do ────────────────────────────────────────────────────────────────────────────────────────

    fn prepared(self) -> Next {
        match (self.claim, self.status, self.shutdown) {
            (Claim::Lost { .. }, _, _) => self.give_up(),
            // nothing ran, so there is nothing to save
            (_, _, Shutdown::Asked | Shutdown::Now) => self.worse(TaskStatus::WorkerShutdown).report(),
            // the explanation waits in the log
            (_, TaskStatus::MalformedPayload, _) => self.upload(),
            _ if self.policy.verify => self.go(Phase::Verifying { stopping: false }, &[Effect::Verify]),
            _ => self.go(Phase::Running { stop: None }, &[Effect::StartScript]),
        }
    }

    fn judged(mut self, verdict: Verdict) -> Next {
        match verdict {
            Verdict::Verified => self.go(Phase::Running { stop: None }, &[Effect::StartScript]),
            Verdict::Refused => {
                self.refused = true;
                self.worse(TaskStatus::MalformedPayload).upload()
            }
            Verdict::Unavailable => self.worse(TaskStatus::ResourceUnavailable).upload(),
            // nobody asked it to abort: a fault
            Verdict::Failed | Verdict::Aborted => self.worse(TaskStatus::InternalError).upload(),
        }
    }

    fn stop_verifying(self) -> Next {
        self.go(Phase::Verifying { stopping: true }, &[Effect::AbortVerify])
    }

    /// When the worker ended the script, the cause decides; else the script's own end does.
    fn script_ended(mut self, stop: Option<StopCause>, end: ScriptEnd) -> Next {
        if end == ScriptEnd::Deadline && self.claim_end().is_some() {
            self = self.lose(LossCause::Expired);
        }
        self.ending = Ending::of(stop, end);
        let status = match (stop, end) {
            (_, ScriptEnd::Exited { status, by_itself: true }) => status,
            (Some(StopCause::TimeLimit), _) => self.policy.timeout_status,
            (Some(StopCause::Shutdown), _) => TaskStatus::WorkerShutdown,
            (Some(StopCause::WorkerFault), _) => TaskStatus::InternalError,
            (Some(StopCause::ClaimLost), _) => self.status,
            (None, ScriptEnd::Exited { status, .. }) => status,
            (None, ScriptEnd::NotStarted | ScriptEnd::Unknown) => TaskStatus::InternalError,
            (None, ScriptEnd::Deadline) => self.status,
        };
        self.worse(status).upload()
    }

    fn runner_died(self, stop: Option<StopCause>) -> Next {
        let cause = stop.unwrap_or(StopCause::WorkerFault);
        self.worse(TaskStatus::InternalError).kill_script(cause)
    }

    fn stop_script(self, cause: StopCause) -> Next {
        self.go(Phase::Running { stop: Some(cause) }, &[Effect::StopScript(cause)])
    }

    fn kill_script(self, cause: StopCause) -> Next {
        self.go(Phase::Running { stop: Some(cause) }, &[Effect::KillScript(cause)])
    }

    /// The next step once nothing of the script is alive: save what it made, unless there is no right or no time to.
    fn upload(self) -> Next {
        match (self.claim, self.shutdown) {
            (Claim::Lost { .. }, _) => self.give_up(),
            (_, Shutdown::Now) => self.worse(TaskStatus::WorkerShutdown).report(),
            (_, shutdown) => self.go(
                Phase::Uploading { aborting: false },
                &[Effect::Upload { log_first: shutdown == Shutdown::Asked }],
            ),
        }
    }

    fn uploaded(self, end: UploadEnd) -> Next {
        let run = self.upload_ended(end);
        match (run.claim, run.ending.filter(|ending| run.policy.attests(*ending))) {
            (Claim::Lost { .. }, _) => run.give_up(),
            (Claim::Held { .. }, Some(ending)) if end != UploadEnd::Aborted => {
                run.go(Phase::Attesting { aborting: false }, &[Effect::Attest(ending)])
            }
            (Claim::Held { .. }, _) => run.report(),
        }
    }

    fn attested(self, end: UploadEnd) -> Next {
        let run = self.upload_ended(end);
        match run.claim {
            Claim::Lost { .. } => run.give_up(),
            Claim::Held { .. } => run.report(),
        }
    }

    fn upload_ended(self, end: UploadEnd) -> Self {
        match end {
            UploadEnd::Confirmed => self,
            UploadEnd::Failed(status) => self.worse(status),
            UploadEnd::ClaimLost => self.lose(LossCause::Refused),
            // nobody asked it to abort, else the claim is gone: not all artifacts are there, so never green
            UploadEnd::Aborted => self.worse(TaskStatus::InternalError),
        }
    }

    /// Tells the queue, if the run is still ours.
    fn report(self) -> Next {
        if matches!(self.claim, Claim::Lost { .. }) {
            return self.give_up();
        }
        let report = self.status.report();
        self.go(Phase::Reporting { report }, &[Effect::Report(report)])
    }

    fn report_after(self, first: Effect) -> Next {
        let (run, effects) = self.report();
        (run, [vec![first], effects].concat())
    }

    /// The one who was sending the report died: whether it arrived is not known, so the same is sent again (the queue
    /// takes a repeated report as the first one).
    fn report_again(self, report: Report) -> Next {
        match self.claim {
            Claim::Held { .. } => self.go_on(&[Effect::Report(report)]),
            Claim::Lost { .. } => self.give_up(),
        }
    }

    fn reported(mut self, report: Report, end: ReportEnd) -> Next {
        match (end, self.claim) {
            (ReportEnd::Accepted, _) => {
                self.resolution = Some(Resolution::Resolved(report));
                self.go(Phase::Cleaning, &[Effect::StopHeartbeat, Effect::CleanUp])
            }
            (ReportEnd::Conflict, _) => self.lose(LossCause::Refused).give_up(),
            (ReportEnd::Refused | ReportEnd::Unreachable, Claim::Lost { .. }) => self.give_up(),
            (ReportEnd::Refused | ReportEnd::Unreachable, Claim::Held { .. }) => {
                self.resolution = Some(Resolution::Unresolved);
                self.go(Phase::Cleaning, &[Effect::StopHeartbeat, Effect::LogUnresolved, Effect::CleanUp])
            }
        }
    }

    /// The claim is gone and nothing of the script is alive: no upload, no report, clean up, go on.
    fn give_up(mut self) -> Next {
        let cause = match self.claim {
            Claim::Lost { cause } => cause,
            Claim::Held { .. } => LossCause::Refused,
        };
        self.resolution = Some(Resolution::ClaimLost(cause));
        self.go(Phase::Cleaning, &[Effect::StopHeartbeat, Effect::LogLoss(cause), Effect::CleanUp])
    }

    fn renewed(mut self, end: BootMillis) -> Next {
        // a renewal that was under way when the claim was given up changes nothing
        let Claim::Held { .. } = self.claim else { return self.stay() };
        if matches!(self.phase, Phase::Cleaning) {
            return self.stay();
        }
        self.claim = Claim::Held { end };
        let effects: &[Effect] = match self.phase {
            Phase::Running { .. } => &[Effect::PublishCredentials, Effect::ExtendDeadline(end)],
            _ => &[Effect::PublishCredentials],
        };
        self.go_on(effects)
    }

    /// The heartbeat lost its state, but the run knows the end of the claim: begin again from that.
    fn heartbeat_died(self) -> Next {
        match (self.claim, self.phase) {
            (Claim::Lost { .. }, _) | (_, Phase::Cleaning) => self.stay(),
            (Claim::Held { .. }, _) => self.go_on(&[Effect::StartHeartbeat]),
        }
    }

    fn credentials_died(self) -> Next {
        match (self.claim, self.phase) {
            (Claim::Lost { .. }, _) | (_, Phase::Cleaning) => self.stay(),
            (Claim::Held { .. }, _) => self.go_on(&[Effect::PublishCredentials]),
        }
    }

    fn finish(self, clean: bool) -> Next {
        let outcome = Outcome {
            status: self.status,
            resolution: self.resolution.unwrap_or(Resolution::Unresolved),
            clean,
        };
        self.go(Phase::Done, &[Effect::Finish(outcome)])
    }

    // ── small steps ─────────────────────────────────────────────────────────────────────────────────────────────────

    fn worse(mut self, status: TaskStatus) -> Self {
        self.status = if self.refused { TaskStatus::MalformedPayload } else { self.status.worst(status) };
        self
    }

    fn lose(mut self, cause: LossCause) -> Self {
        if matches!(self.claim, Claim::Held { .. }) {
            self.claim = Claim::Lost { cause };
        }
        self
    }

    fn shut(mut self, how: Shutdown) -> Self {
        self.shutdown = self.shutdown.max(how);
        self
    }

    fn go(mut self, phase: Phase, effects: &[Effect]) -> Next {
        self.phase = phase;
        (self, effects.to_vec())
    }

    fn go_on(self, effects: &[Effect]) -> Next {
        (self, effects.to_vec())
    }

    fn stay(self) -> Next {
        (self, Vec::new())
    }
}
