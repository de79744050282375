//! What a verb that only looks at a configuration takes out of it.

use super::keys::BuiltIn;
use super::load::Inspection;
use super::settings::Setting;
use scriptworker_core::secret::Secret;
use serde_json::{Map, Value};

impl Inspection {
    /// `github_oauth_token`, unless it is empty.
    pub fn github_token(&self) -> Option<&Secret> {
        self.github_token.as_ref()
    }

    /// The values that replace tables of the policy (config.md 4).
    pub fn policy_overrides(&self) -> Map<String, Value> {
        let replaces = |setting: &&Setting| {
            let is_table =
                setting.spec.default == BuiltIn::Policy || setting.spec.name == "ed25519_public_keys";
            is_table && setting.differs
        };
        let given = self.settings.iter().filter(replaces);
        given.filter_map(|setting| Some((setting.spec.name.to_owned(), setting.value.clone()?))).collect()
    }

    /// The text that a key has.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.setting(key)?.as_str()
    }

    /// The number that a key has.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.setting(key)?.as_u64()
    }

    fn setting(&self, key: &str) -> Option<&Value> {
        self.settings.iter().find(|setting| setting.spec.name == key)?.value.as_ref()
    }
}
