//! What this version is asked for and cannot do yet. It must not start then: a task that was to be verified or
//! signed is never run without.

use super::build::Raw;
use super::check::Checked;
use super::problem::{ConfigProblem, Rule};

/// The reasons why this version must not run with a configuration, whatever else may be wrong with it. A key
/// with another mistake is passed over: nobody knows what it was to say.
pub(super) fn unsupported(raw: &Raw, checked: &Checked) -> Vec<ConfigProblem> {
    let mut reasons = Vec::new();
    let mut refuse = |key: &str, what: &str, without: &str| {
        let expected = format!(
            "false, because this version cannot {what} a chain of trust: set it to false; it will not run a task \
             {without} while asked to {what}"
        );
        let given = checked.entries.iter().any(|(spec, _)| spec.name == key);
        let found = if given { "true" } else { "nothing, which means true" };
        reasons.push(ConfigProblem::new(Rule::Unsupported, key, expected, found));
    };
    if raw.verify_chain_of_trust && !checked.refused.contains(&"verify_chain_of_trust") {
        refuse("verify_chain_of_trust", "verify", "unverified");
    }
    if raw.sign_chain_of_trust && !checked.refused.contains(&"sign_chain_of_trust") {
        refuse("sign_chain_of_trust", "sign", "unsigned");
    }
    reasons
}
