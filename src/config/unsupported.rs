//! What this version is asked for and cannot do yet. It must not start then: a task that was to be verified or
//! signed is never run without.

use super::problem::{ConfigProblem, Rule};
use super::typed::Config;

/// The reasons why this version must not run with a configuration that is otherwise right.
pub fn unsupported(config: &Config) -> Vec<ConfigProblem> {
    let mut reasons = Vec::new();
    let mut refuse = |key: &str, what: &str, without: &str, found: &str| {
        let expected = format!(
            "false, because this version cannot {what} a chain of trust: set it to false; it will not run a task \
             {without} while asked to {what}"
        );
        reasons.push(ConfigProblem::new(Rule::Unsupported, key, expected, found));
    };
    if config.verify_chain_of_trust {
        refuse("verify_chain_of_trust", "verify", "unverified", "true");
    }
    if config.sign_chain_of_trust {
        refuse("sign_chain_of_trust", "sign", "unsigned", "true, which is the default");
    }
    reasons
}
