//! Whether somebody could have interfered with a task while it ran (chain-of-trust.md 5.4 and 6.5).

use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::cot::task::{Definition, says_yes};

/// The rule. What a task of any implementation might say is looked at: a definition may fit more than one.
pub(in crate::cot) fn check(task: &Definition) -> Result<(), Finding> {
    let places: [&[&str]; 3] = [
        &["payload", "features", "interactive"],
        &["payload", "env", "TASKCLUSTER_INTERACTIVE"],
        &["payload", "rdpInfo"],
    ];
    for place in places {
        if let Some(value) = task.at(place).filter(|value| says_yes(value)) {
            return Err(Finding::new(Reason::Interactive)
                .at(place.join("."))
                .expected("nothing")
                .found(value));
        }
    }
    match task.scopes().iter().find(|scope| scope.as_str().starts_with("generic-worker:allow-rdp:")) {
        None => Ok(()),
        Some(scope) => Err(Finding::new(Reason::Interactive).at("scopes").found(scope)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check_with(payload: Value, scopes: Value) -> Result<(), Reason> {
        let task = json!({
            "taskQueueId": "p/w", "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "created": "2026-11-25T20:00:00.000Z",
            "payload": payload, "scopes": scopes,
        });
        check(&Definition::from_value(task).unwrap()).map_err(|finding| finding.reason)
    }

    #[test]
    fn row_109_every_way_in_is_refused() {
        for payload in [
            json!({"features": {"interactive": true}}),
            json!({"features": {"interactive": "false"}}),
            json!({"features": {"interactive": 1}}),
            json!({"env": {"TASKCLUSTER_INTERACTIVE": "1"}}),
            json!({"env": {"TASKCLUSTER_INTERACTIVE": "false"}}),
            json!({"rdpInfo": "public/rdp.json"}),
        ] {
            assert_eq!(check_with(payload.clone(), json!([])), Err(Reason::Interactive), "{payload}");
        }
        assert_eq!(check_with(json!({}), json!(["generic-worker:allow-rdp:p/w"])), Err(Reason::Interactive));
    }

    #[test]
    fn what_is_off_or_not_there_is_fine() {
        for payload in [
            json!({}),
            json!({"features": {"interactive": false, "chainOfTrust": true}}),
            json!({"features": {"interactive": null}, "env": {"TASKCLUSTER_INTERACTIVE": ""}, "rdpInfo": null}),
        ] {
            assert_eq!(
                check_with(payload.clone(), json!(["generic-worker:os-group:x"])),
                Ok(()),
                "{payload}"
            );
        }
    }
}
