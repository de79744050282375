//! Features of payloads that no task of a chain with restricted scopes may have used (cot-attacks.md row 110).

use super::document::implementation;
use super::problem::{At, Problems};
use crate::cot::keys::Implementation;
use crate::cot::task::says_yes;
use serde_json::Value;

/// A forbidden feature: a member of the definition that is there and says yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForbiddenFeature {
    /// What it is called in verdicts.
    pub feature: String,
    /// The implementations that have it.
    pub implementations: Vec<Implementation>,
    /// The keys that lead to it.
    pub path: Vec<String>,
    /// Types of tasks that need it.
    pub except_task_types: Vec<String>,
}

impl ForbiddenFeature {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems) -> Option<Self> {
        let mut fields = at.fields(problems)?;
        let feature = fields.required(problems, "feature").and_then(|at| at.text(problems));
        let implementations = fields
            .required(problems, "implementations")
            .and_then(|at| at.list(problems, |problems, item| implementation(&item, problems)));
        let path = fields.required(problems, "path").and_then(|at| {
            at.parsed(problems, "keys with dots between them", |text| {
                let keys: Vec<String> = text.split('.').map(str::to_owned).collect();
                if keys.iter().any(String::is_empty) { Err(()) } else { Ok(keys) }
            })
        });
        let except =
            fields.optional("except_task_types").and_then(|at| at.texts(problems)).unwrap_or_default();
        fields.finish(problems);
        Some(Self {
            feature: feature?.to_owned(),
            implementations: implementations?,
            path: path?,
            except_task_types: except,
        })
    }

    /// Whether a task of this type, run by this implementation, used the feature.
    pub fn is_used(&self, implementation: Implementation, task_type: &str, definition: &Value) -> bool {
        let concerns = self.implementations.contains(&implementation)
            && !self.except_task_types.iter().any(|except| except == task_type);
        let found = self.path.iter().try_fold(definition, |value, key| value.get(key));
        concerns && found.is_some_and(says_yes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn row_110_a_feature_is_used_when_it_says_yes() {
        let dind = ForbiddenFeature {
            feature: "dind".to_owned(),
            implementations: vec![Implementation::from_name("docker-worker").unwrap()],
            path: ["payload", "features", "dind"].map(str::to_owned).to_vec(),
            except_task_types: vec!["docker-image".to_owned()],
        };
        let (docker, generic) = (
            Implementation::from_name("docker-worker").unwrap(),
            Implementation::from_name("generic-worker").unwrap(),
        );
        for (value, expected) in [
            (json!(true), true),
            (json!(1), true),
            (json!("false"), true),
            (json!({"x": false}), true),
            (json!(false), false),
            (json!(null), false),
            (json!(0), false),
            (json!(""), false),
            (json!({}), false),
            (json!([]), false),
        ] {
            let task = json!({"payload": {"features": {"dind": value}}});
            assert_eq!(dind.is_used(docker, "build", &task), expected, "{task}");
            assert!(!dind.is_used(generic, "build", &task));
            assert!(!dind.is_used(docker, "docker-image", &task));
        }
        assert!(!dind.is_used(docker, "build", &json!({"payload": {}})));
        assert!(!dind.is_used(docker, "build", &json!([])));
    }
}
