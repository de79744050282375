//! Dates that a graph gives relative to the task's creation (chain-of-trust.md 6.2): `{"relative-datestamp": "14 days"}`.

use crate::cot::finding::Finding;
use crate::cot::reason::Reason;
use crate::time::UnixMillis;
use serde_json::Value;

const KEY: &str = "relative-datestamp";

/// Replaces each of them by the date that it means for a task of this time.
pub(super) fn resolve(value: &mut Value, created: UnixMillis) -> Result<(), Finding> {
    let relative = match value {
        Value::Object(members) if members.len() == 1 => members.get(KEY).map(Value::to_owned),
        _ => None,
    };
    if let Some(relative) = relative {
        let bad = || Finding::new(Reason::GraphMismatch).at(KEY).expected("a number and a unit");
        let millis = relative.as_str().and_then(millis).ok_or_else(|| bad().found(&relative))?;
        *value = Value::String(created.plus(millis).to_string());
        return Ok(());
    }
    match value {
        Value::Object(members) => members.values_mut().try_for_each(|member| resolve(member, created)),
        Value::Array(items) => items.iter_mut().try_for_each(|item| resolve(item, created)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// `14 days` in milliseconds. The number may have a fraction, which does not count: the generation that wrote these
/// cuts it off.
fn millis(text: &str) -> Option<i64> {
    let digits_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let whole = match number.split_once('.') {
        None => number,
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()) => {
            whole
        }
        Some(_) => return None,
    };
    let number: i64 = if whole.is_empty() && number.starts_with('.') { 0 } else { whole.parse().ok()? };
    let seconds = match unit.trim_start_matches(' ') {
        "s" | "second" | "seconds" => 1,
        "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "mo" | "month" | "months" => 30 * 86_400,
        "y" | "year" | "years" => 365 * 86_400,
        _ => return None,
    };
    number.checked_mul(seconds)?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolved(mut value: Value) -> Result<Value, Finding> {
        resolve(&mut value, UnixMillis::parse("2026-01-31T23:00:00.5Z").unwrap())?;
        Ok(value)
    }

    #[test]
    fn row_140_a_relative_date_is_counted_from_the_creation() {
        for (text, date) in [
            ("1 day", "2026-02-01T23:00:00.500Z"),
            ("30 seconds", "2026-01-31T23:00:30.500Z"),
            ("90min", "2026-02-01T00:30:00.500Z"),
            ("1 mo", "2026-03-02T23:00:00.500Z"),
            ("1 year", "2027-01-31T23:00:00.500Z"),
            ("2.9 hours", "2026-02-01T01:00:00.500Z"),
            (".5 d", "2026-01-31T23:00:00.500Z"),
        ] {
            let value = json!({"payload": {"artifacts": [{"expires": {KEY: text}}]}});
            assert_eq!(
                resolved(value).unwrap(),
                json!({"payload": {"artifacts": [{"expires": date}]}}),
                "{text}"
            );
        }
    }

    #[test]
    fn a_unit_that_is_not_known_is_told_and_other_maps_stay() {
        for wrong in ["1 week", "day", "", "1", "1. day", "1 day ago", "99999999999999999999 s", "-1 day"] {
            assert_eq!(resolved(json!([{KEY: wrong}])).unwrap_err().reason, Reason::GraphMismatch, "{wrong}");
        }
        let other = json!({KEY: "1 day", "more": 1});
        assert_eq!(resolved(other.clone()).unwrap(), other);
    }
}
