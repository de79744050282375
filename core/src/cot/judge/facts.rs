//! What is known of each link by itself: which worker implementation ran it, which run counts, and what was attested of
//! it. No link's facts depend on those of another, so that several threads may look at once.

use super::Case;
use crate::cot::chain::{self, Link, Subject};
use crate::cot::evidence::Evidence;
use crate::cot::examine::{Found, Pass, Step, Stop, both};
use crate::cot::finding::{Finding, Rule};
use crate::cot::implementation::Implementation;
use crate::cot::keys::Keys;
use crate::cot::need::Need;
use crate::cot::policy::Policy;
use crate::cot::reason::Reason;
use crate::cot::role::{Role, RuleSet};
use crate::cot::rules::attestation::{self, SignedBody};
use crate::cot::rules::{definition, identity, implementation};
use crate::cot::status::{CompletedRun, Status};
use crate::cot::task::Definition;
use crate::ids::TaskId;
use crate::time::UnixMillis;
use serde_json::Value;

/// What is known of a link beside its definition.
pub(super) struct Facts {
    pub(super) implementation: Step<Implementation>,
    pub(super) run: Step<CompletedRun>,
    pub(super) body: Step<SignedBody>,
}

/// Looks at links, each by itself.
pub(super) struct Witness<'a> {
    evidence: &'a Evidence,
    subject: &'a Subject,
    attested: bool,
    policy: &'a Policy,
    keys: &'a Keys<'a>,
    now: UnixMillis,
}

impl<'a> Witness<'a> {
    pub(super) fn new(case: &'a Case<'a>, evidence: &'a Evidence) -> Self {
        let Case { subject, attested, policy, keys, now, .. } = *case;
        Self { evidence, subject, attested, policy, keys, now }
    }

    /// Whether the link's own attestation is part of the proof.
    pub(super) fn is_attested(&self, link: &Link) -> bool {
        link.name.task_id != self.subject.id || self.attested
    }

    /// The facts, and what the rules about them came to.
    pub(super) fn look_at(&self, link: &Link) -> (Facts, Found) {
        let pass = Pass::new(self.evidence);
        let facts = self.facts(&pass, link);
        (facts, pass.finish())
    }

    fn facts(&self, pass: &Pass<'_>, link: &Link) -> Facts {
        let found = implementation::find(self.policy, &link.task);
        let note = found.as_ref().ok().and_then(|(_, note)| note.map(str::to_owned));
        let implementation = found.map(|(implementation, _)| implementation).map_err(Stop::from);
        let judged = implementation.clone().and_then(|implementation| self.fits_role(link, implementation));
        let holds = pass.record(&link.name, Rule::Implementation, judged.map(|()| note));
        if !self.is_attested(link) {
            let same = Self::as_claimed(pass, link).map(|()| None);
            pass.record(&link.name, Rule::Definition, same);
            let implementation = implementation.map_err(Stop::told);
            return Facts { implementation, run: Err(Stop::Void), body: Err(Stop::Void) };
        }
        let run = self.newest_run(pass, &link.name.task_id);
        let body = match (&implementation, &run) {
            (Ok(implementation), Ok(run)) if holds => {
                let accepted: Vec<_> = self.policy.accepted_forms(*implementation, run.resolved).collect();
                attestation::read(pass, self.keys, &accepted, *implementation, run)
            }
            (_, Err(Stop::Waiting)) => Err(Stop::Waiting),
            _ => Err(Stop::Void),
        };
        let state = run.clone().map(|_| past(&link.task, self.now));
        pass.record(&link.name, Rule::State, state);
        let signer =
            body.clone().map(|body| body.signer.is_none().then(|| "signature not checked".to_owned()));
        pass.record(&link.name, Rule::Attestation, signer);
        // told once, here: whatever rests on it is not judged
        let body = body.map_err(Stop::told);
        let implementation = implementation.map_err(Stop::told);
        let identity = both(&run, &body, |run, signed| identity::check(&signed.body, run, &link.task));
        let fits = pass.record(&link.name, Rule::Identity, identity.map(|()| None));
        let signed = body.clone().and_then(|signed| Ok(definition::check(&signed.body.task, &link.task)?));
        let same = pass.record(&link.name, Rule::Definition, signed.map(|()| None));
        // what an attestation says counts only when it is this task's own
        let body = if body.is_ok() && !(fits && same) { Err(Stop::Void) } else { body };
        Facts { implementation, run, body }
    }

    /// The task that was claimed is the one that the queue has.
    fn as_claimed(pass: &Pass<'_>, link: &Link) -> Step<()> {
        let queue = chain::definition(pass, &link.name.task_id)?;
        Ok(definition::check(&Value::Object(link.task.whole().clone()), &queue)?)
    }

    /// Tasks that only a scriptworker may run, did.
    fn fits_role(&self, link: &Link, implementation: Implementation) -> Step<()> {
        let is_subject = link.name.task_id == self.subject.id;
        let scriptworker = link.role == Role::Scriptworker
            || (is_subject && self.policy.rules == RuleSet::Classic && !self.attested);
        if scriptworker && implementation != Implementation::Scriptworker {
            let finding = Finding::new(Reason::Implementation).expected(Implementation::Scriptworker);
            return Err(finding.found(implementation).into());
        }
        Ok(())
    }

    fn newest_run(&self, pass: &Pass<'_>, task: &TaskId) -> Step<CompletedRun> {
        let need = Need::Status { task: task.clone() };
        let status = pass.parsed(&need, |answer| match answer.content("the status")? {
            Some(bytes) => Status::parse(bytes, task),
            None => Err(Finding::new(Reason::MissingTask)),
        })?;
        let status = status.as_ref().as_ref().map_err(Clone::clone)?;
        Ok(status.newest(self.policy.switches.allow_failed_upstreams)?)
    }
}

/// A task that is past its expiry proves what it always proved, and is worth knowing of (cot-attacks.md 61).
fn past(task: &Definition, now: UnixMillis) -> Option<String> {
    let expires = task.expires().filter(|expires| *expires < now)?;
    Some(format!("it expired at {expires}"))
}
