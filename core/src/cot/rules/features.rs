//! Features of a payload that no task of a chain with restricted scopes may have used (cot-attacks.md 110).

use crate::cot::finding::Finding;
use crate::cot::implementation::Implementation;
use crate::cot::policy::Policy;
use crate::cot::reason::Reason;
use crate::cot::task::Definition;

/// The rule.
pub(in crate::cot) fn check(
    policy: &Policy,
    implementation: Implementation,
    task_type: &str,
    task: &Definition,
    privileged: bool,
) -> Result<(), Finding> {
    if !privileged {
        return Ok(());
    }
    let whole = task.to_value();
    let used = |it: &&crate::cot::policy::ForbiddenFeature| it.is_used(implementation, task_type, &whole);
    match policy.forbidden_features.iter().find(used) {
        None => Ok(()),
        Some(forbidden) => {
            Err(Finding::new(Reason::ForbiddenFeature).at(forbidden.path.join(".")).found(&forbidden.feature))
        }
    }
}
