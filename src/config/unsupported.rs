//! What this version is asked for and cannot do yet. It must not start then: a task that was to be verified is never
//! run without.

use super::build::Raw;
use super::check::Checked;
use super::problem::{ConfigProblem, Rule};

/// The reasons why this version must not run with a configuration, whatever else may be wrong with it. A key
/// with another mistake is passed over: nobody knows what it was to say.
pub(super) fn unsupported(raw: &Raw, checked: &Checked) -> Vec<ConfigProblem> {
    let key = "verify_chain_of_trust";
    if !raw.verify_chain_of_trust || checked.refused.contains(&key) {
        return Vec::new();
    }
    let expected = "false, because this version cannot verify a chain of trust: set it to false; it will not run a \
                    task unverified while asked to verify";
    vec![ConfigProblem::new(Rule::Unsupported, key, expected, "true")]
}
