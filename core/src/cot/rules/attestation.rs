//! Whether the task has an attestation in an accepted form, signed by a key of its worker implementation
//! (chain-of-trust.md 5.0 and 6.0; cot-attacks.md sections A and B).

use crate::cot::attested::Attested;
use crate::cot::examine::{Pass, Step, all};
use crate::cot::finding::Finding;
use crate::cot::implementation::Implementation;
use crate::cot::keys::{Form, Keys, Signer};
use crate::cot::need::Need;
use crate::cot::reason::Reason;
use crate::cot::status::CompletedRun;
use crate::ids::ArtifactName;
use crate::json::DocumentKind;
use bytes::Bytes;
use std::sync::Arc;

/// What was found: the body, and who signed it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cot) struct SignedBody {
    pub(in crate::cot) body: Arc<Attested>,
    /// Nothing when signatures are not checked.
    pub(in crate::cot) signer: Option<Signer>,
    pub(in crate::cot) form: Form,
}

/// Reads the attestation of a run. `accepted` are the forms that the policy takes from the implementation at that time.
pub(in crate::cot) fn read(
    pass: &Pass<'_>,
    keys: &Keys<'_>,
    accepted: &[Form],
    implementation: Implementation,
    run: &CompletedRun,
) -> Step<SignedBody> {
    if accepted.is_empty() {
        let finding = Finding::new(Reason::Config)
            .because(format!("no form of attestation is accepted from {implementation}"));
        return Err(finding.into());
    }
    // asked for together, whatever the first one says
    let found = all(accepted.iter().map(|form| one(pass, keys, *form, implementation, run)))?;
    let mut present = found.into_iter().flatten();
    match (present.next(), present.next()) {
        (None, _) => Err(absent(pass, accepted, run)?.into()),
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) if one.body == other.body => Ok(one),
        (Some(one), Some(other)) => {
            let finding = Finding::new(Reason::ConflictingAttestations);
            Err(finding.found(format!("{} and {}", one.form.document(), other.form.document())).into())
        }
    }
}

/// The attestation in one form; nothing when there is none.
fn one(
    pass: &Pass<'_>,
    keys: &Keys<'_>,
    form: Form,
    implementation: Implementation,
    run: &CompletedRun,
) -> Step<Option<SignedBody>> {
    let document = fetch(pass, run, form.document(), DocumentKind::Attestation);
    let signature = match form.signature() {
        Some(name) if keys.check => Some(fetch(pass, run, name, DocumentKind::Signature)),
        _ => None,
    };
    let Some(document) = document? else { return Ok(None) };
    let (text, signer) = match (form, signature) {
        (Form::OpenPgp, _) if keys.check => {
            let (text, signer) = keys
                .clear_signed(implementation, &document, run.resolved)
                .map_err(|f| f.at(form.document()))?;
            (text.into(), Some(signer))
        }
        (Form::OpenPgp, _) => (unsigned_text(&document), None),
        (Form::Ed25519, None) => (document, None),
        (Form::Ed25519, Some(signature)) => {
            let name = form.signature().unwrap_or_default();
            let signature = signature?.ok_or_else(|| Finding::new(Reason::MissingSignature).at(name))?;
            let signer =
                keys.detached(implementation, &document, &signature, run.resolved).map_err(|f| f.at(name))?;
            (document, Some(signer))
        }
    };
    let body = Attested::parse(&text).map_err(|finding| {
        let place = finding
            .place
            .clone()
            .map_or_else(|| form.document().to_owned(), |at| format!("{}: {at}", form.document()));
        finding.at(place)
    })?;
    Ok(Some(SignedBody { body: Arc::new(body), signer, form }))
}

/// Signatures are not looked at: the text between the markers, or all of it when there are none.
fn unsigned_text(document: &Bytes) -> Bytes {
    crate::openpgp::unverified_text(document).map_or_else(|| document.clone(), Into::into)
}

/// The bytes of an artifact; nothing when there is no such artifact.
fn fetch(pass: &Pass<'_>, run: &CompletedRun, name: &str, class: DocumentKind) -> Step<Option<Bytes>> {
    let artifact = ArtifactName::parse(name).map_err(|error| Finding::new(Reason::Path).because(error))?;
    let need = Need::Document { run: run.key.clone(), name: artifact, class };
    Ok(pass.ask(&need)?.content(name)?.cloned())
}

/// Why there is none: perhaps one in a form that is not accepted, left over when the accepted one was taken away.
fn absent(pass: &Pass<'_>, accepted: &[Form], run: &CompletedRun) -> Step<Finding> {
    let other = [Form::Ed25519, Form::OpenPgp].into_iter().find(|form| !accepted.contains(form));
    if let Some(form) = other
        && fetch(pass, run, form.document(), DocumentKind::Attestation)?.is_some()
    {
        let names: Vec<_> = accepted.iter().map(|form| form.document()).collect();
        return Ok(Finding::new(Reason::WeakForm).expected(names.join(" or ")).found(form.document()));
    }
    Ok(Finding::new(Reason::MissingSignature).because("the queue has no attestation of this run"))
}

#[cfg(test)]
mod tests;
