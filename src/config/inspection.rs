//! What a verb that only looks at a configuration takes out of it.

use super::load::Inspection;
use scriptworker_core::secret::Secret;
use serde_json::Value;

impl Inspection {
    /// `github_oauth_token`, unless it is empty.
    pub fn github_token(&self) -> Option<&Secret> {
        self.github_token.as_ref()
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
