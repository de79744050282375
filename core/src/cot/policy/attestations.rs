//! Which form of attestation is accepted from which implementation, and when (cot-attacks.md rows 19 and 20): nobody
//! gets a task accepted by leaving out its stronger attestation.

use super::problem::{At, Problems};
use crate::cot::keys::{Form, Implementation};
use crate::time::UnixMillis;

/// A form, and the tasks of which it is accepted: those that were resolved within these times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedForm {
    /// The form.
    pub form: Form,
    /// The first moment.
    pub from: Option<UnixMillis>,
    /// The last moment.
    pub until: Option<UnixMillis>,
}

impl AcceptedForm {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems) -> Option<Self> {
        let mut fields = at.fields(problems)?;
        let form = fields.required(problems, "form").and_then(|at| {
            at.parsed(problems, "openpgp or ed25519", |text| match text {
                "openpgp" => Ok(Form::OpenPgp),
                "ed25519" => Ok(Form::Ed25519),
                _ => Err(()),
            })
        });
        let mut date = |key| {
            let at = fields.optional(key)?;
            at.parsed(problems, "an RFC 3339 date-time", UnixMillis::parse)
        };
        let (from, until) = (date("from"), date("until"));
        fields.finish(problems);
        if from.zip(until).is_some_and(|(from, until)| until < from) {
            problems.add(&at.path, "a time that begins before it ends", "the contrary");
        }
        Some(Self { form: form?, from, until })
    }

    /// Whether it is accepted of a task that was resolved at that time.
    pub fn accepts(&self, resolved: UnixMillis) -> bool {
        self.from.is_none_or(|from| from <= resolved) && self.until.is_none_or(|until| resolved <= until)
    }
}

impl super::Policy {
    /// The forms that are accepted from an implementation of a task that was resolved at that time, the preferred one
    /// first. None for an implementation that the policy does not name.
    pub fn accepted_forms(
        &self,
        implementation: Implementation,
        resolved: UnixMillis,
    ) -> impl Iterator<Item = Form> {
        let forms = self.attestations.get(&implementation).into_iter().flatten();
        forms.filter(move |accepted| accepted.accepts(resolved)).map(|accepted| accepted.form)
    }
}
