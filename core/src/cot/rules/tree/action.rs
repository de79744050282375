//! The template of an action: the tree's own, wrapped as the action's hook does (chain-of-trust.md 6.3).

use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use serde_json::{Map, Value, json};

/// An action that a decision task offers.
#[derive(Debug)]
pub(super) struct OfferedAction {
    /// Its entry in `actions.json`.
    entry: Map<String, Value>,
    callback: String,
}

impl OfferedAction {
    /// The action with this callback among those that a decision task offers. It must be run by a hook.
    pub(super) fn find(actions: &Value, callback: &str) -> Result<Self, Finding> {
        let refused = || Finding::new(Reason::Action).at("actions.json");
        let offered = actions.get("actions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let has_callback = |entry: &&Value| {
            let name = entry.pointer("/hookPayload/decision/action/cb_name");
            name.and_then(Value::as_str) == Some(callback)
        };
        let mut fitting = offered.iter().filter(has_callback);
        let entry = match (fitting.next(), fitting.next()) {
            (Some(Value::Object(entry)), None) => entry.clone(),
            (Some(_), _) => {
                return Err(refused()
                    .because("more than one action has the callback")
                    .found(format!("{callback:?}")));
            }
            (None, _) => {
                let names: Vec<_> = offered
                    .iter()
                    .filter_map(|entry| entry.pointer("/hookPayload/decision/action/cb_name")?.as_str())
                    .collect();
                return Err(refused()
                    .expected(format!("one of {}", names.join(", ")))
                    .found(format!("{callback:?}")));
            }
        };
        match entry.get("kind").and_then(Value::as_str) {
            Some("hook") => Ok(Self { entry, callback: callback.to_owned() }),
            other => Err(refused().at("actions.json: kind").expected("hook").found(format!("{other:?}"))),
        }
    }

    /// The template of the payload that the hook was fired with.
    pub(super) fn hook_payload(&self) -> Value {
        self.entry.get("hookPayload").cloned().unwrap_or_default()
    }

    /// The permission that the action needs, which is part of its scope.
    fn permission(&self) -> &str {
        let text = |path: &str| {
            self.entry.get("extra").and_then(|extra| extra.pointer(path)).and_then(Value::as_str)
        };
        if let Some(permission) = text("/actionPerm") {
            return permission;
        }
        if let Some(permission) = self.entry.get("actionPerm").and_then(Value::as_str) {
            return permission;
        }
        match self.entry.get("hookId").and_then(Value::as_str) {
            Some(hook) if !hook.contains("generic/") => &self.callback,
            Some(_) | None => "generic",
        }
    }

    /// The tree's template with what the hook puts around it.
    pub(super) fn wrap(&self, template: Value, tasks_for: &str) -> Value {
        let from = |key: &str| Value::from(format!("${{payload.decision.action.{key}}}"));
        let permission = self.permission();
        let scope = format!("assume:repo:${{payload.decision.repository.url[8:]}}:{tasks_for}:{permission}");
        json!({
            "$let": {
                "tasks_for": tasks_for,
                "action": {
                    "name": from("name"),
                    "title": from("title"),
                    "description": from("description"),
                    "taskGroupId": from("taskGroupId"),
                    "symbol": from("symbol"),
                    "repo_scope": scope,
                    "action_perm": permission,
                    "cb_name": from("cb_name"),
                },
                "push": {"$eval": "payload.decision.push"},
                "repository": {"$eval": "payload.decision.repository"},
                "input": {"$eval": "payload.user.input"},
                "parameters": {"$eval": "payload.decision.parameters"},
                "taskId": {"$eval": "payload.user.taskId"},
                "taskGroupId": {"$eval": "payload.user.taskGroupId"},
                "ownTaskId": {"$eval": "taskId"},
            },
            "in": template,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(kind: &str) -> Value {
        json!({"actions": [
            {"kind": kind, "hookId": "in-tree-action-3-generic/abc", "hookPayload": {"decision": {"action": {"cb_name": "a"}}}},
            {"kind": kind, "hookId": "in-tree-action-3-release", "hookPayload": {"decision": {"action": {"cb_name": "b"}}}},
        ]})
    }

    #[test]
    fn row_103_only_offered_hooks_count() {
        assert!(OfferedAction::find(&actions("hook"), "a").is_ok());
        let reason = |actions: &Value, callback| OfferedAction::find(actions, callback).unwrap_err().reason;
        assert_eq!(reason(&actions("hook"), "evil"), Reason::Action);
        assert_eq!(reason(&actions("task"), "a"), Reason::Action);
        assert_eq!(reason(&json!([]), "a"), Reason::Action);
        let mut twice = actions("hook");
        let copy = twice["actions"][0].clone();
        twice["actions"].as_array_mut().unwrap().push(copy);
        assert_eq!(reason(&twice, "a"), Reason::Action);
    }

    #[test]
    fn a_permission_is_named_or_follows_from_the_hook() {
        let permission = |change: Value| {
            let mut offered = actions("hook");
            for (key, value) in change.as_object().unwrap() {
                offered["actions"][1][key] = value.clone();
            }
            OfferedAction::find(&offered, "b").unwrap().permission().to_owned()
        };
        assert_eq!(permission(json!({})), "b");
        assert_eq!(permission(json!({"hookId": "x-generic/y"})), "generic");
        assert_eq!(permission(json!({"hookId": null})), "generic");
        assert_eq!(permission(json!({"actionPerm": "p"})), "p");
        assert_eq!(permission(json!({"actionPerm": "p", "extra": {"actionPerm": "q"}})), "q");
    }
}
