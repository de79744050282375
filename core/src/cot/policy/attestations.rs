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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(from: &str, until: &str) -> Option<AcceptedForm> {
        let value = json!({"form": "openpgp", "from": from, "until": until});
        let mut problems = Problems::default();
        let form = AcceptedForm::read(&At::root(&value), &mut problems)?;
        problems.0.is_empty().then_some(form)
    }

    #[test]
    fn a_form_is_accepted_from_its_first_moment_to_its_last() {
        let form = read("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z").unwrap();
        let (from, until) = (form.from.unwrap(), form.until.unwrap());
        let accepted = [from.plus(-1), from, from.plus(1), until, until.plus(1)].map(|at| form.accepts(at));
        assert_eq!(accepted, [false, true, true, true, false]);
        let open = AcceptedForm { from: None, until: None, ..form };
        assert!(open.accepts(from) && open.accepts(until.plus(1)));
        let moment = read("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z").unwrap();
        assert!(moment.accepts(from) && !moment.accepts(from.plus(1)));
        assert_eq!(read("2020-01-01T00:00:00.001Z", "2020-01-01T00:00:00Z"), None);
    }
}
