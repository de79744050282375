//! Where two values differ: rules say it by path (cot-attacks.md rows 57, 83 and 100).

use super::path::{JsonPath, Step};
use serde::Serialize;
use serde_json::{Map, Number, Value};
use std::fmt;

/// One place where a value is not as expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Where.
    pub path: JsonPath,
    /// What was expected there; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What is there; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, found) = (brief(self.expected.as_ref()), brief(self.found.as_ref()));
        write!(f, "{}: expected {expected}, found {found}", self.path)
    }
}

/// A value on one line, cut when it is long; JSON's escapes keep control characters harmless.
fn brief(value: Option<&Value>) -> String {
    const MOST: usize = 160;
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What to do with members that only the found value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraMembers {
    /// They are differences, too.
    Refused,
    /// They are passed over, at any depth.
    Ignored,
}

/// How two values are compared: numbers by value, maps whatever their order, lists in order.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// Members that are left out on both sides, each as the keys that lead to it; `*` stands for any key, and no
    /// pattern leads into a list.
    pub ignored: &'a [&'a [&'a str]],
    /// Members that are not expected at all.
    pub extra: ExtraMembers,
}

/// The first difference of two values, compared in full.
pub fn difference(expected: &Value, found: &Value) -> Option<Difference> {
    Comparison::FULL.first(expected, found)
}

impl Comparison<'_> {
    /// Nothing left out.
    pub const FULL: Self = Self { ignored: &[], extra: ExtraMembers::Refused };

    /// The first difference.
    pub fn first(&self, expected: &Value, found: &Value) -> Option<Difference> {
        self.all(expected, found, 1).pop()
    }

    /// The first difference of two maps.
    pub fn first_of_maps(
        &self,
        expected: &Map<String, Value>,
        found: &Map<String, Value>,
    ) -> Option<Difference> {
        let mut walk = Walk { how: self, most: 1, path: JsonPath::root(), differences: Vec::new() };
        walk.compare_maps(expected, found);
        walk.differences.pop()
    }

    /// The differences, at most so many.
    pub fn all(&self, expected: &Value, found: &Value, most: usize) -> Vec<Difference> {
        let mut walk = Walk { how: self, most, path: JsonPath::root(), differences: Vec::new() };
        walk.compare(Some(expected), Some(found));
        walk.differences
    }
}

struct Walk<'a> {
    how: &'a Comparison<'a>,
    most: usize,
    path: JsonPath,
    differences: Vec<Difference>,
}

impl Walk<'_> {
    fn compare(&mut self, expected: Option<&Value>, found: Option<&Value>) {
        if self.differences.len() >= self.most {
            return;
        }
        match (expected, found) {
            (Some(Value::Object(expected)), Some(Value::Object(found))) => self.compare_maps(expected, found),
            (Some(Value::Array(expected)), Some(Value::Array(found))) => {
                for index in 0..expected.len().max(found.len()) {
                    self.step(Step::Index(index), expected.get(index), found.get(index));
                }
            }
            (Some(Value::Number(expected)), Some(Value::Number(found))) if same_number(expected, found) => {}
            _ if expected == found => {}
            _ => self.differences.push(Difference {
                path: self.path.clone(),
                expected: expected.cloned(),
                found: found.cloned(),
            }),
        }
    }

    fn compare_maps(&mut self, expected: &Map<String, Value>, found: &Map<String, Value>) {
        for (key, value) in expected {
            let other = found.get(key);
            // what is equal to the letter is no difference, and most is: its path is not needed
            if other != Some(value) {
                self.step(Step::Key(key.clone()), Some(value), other);
            }
        }
        if self.how.extra == ExtraMembers::Refused {
            for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                self.step(Step::Key(key.clone()), None, Some(value));
            }
        }
    }

    fn step(&mut self, step: Step, expected: Option<&Value>, found: Option<&Value>) {
        self.path.push(step);
        if !self.is_ignored() {
            self.compare(expected, found);
        }
        self.path.pop();
    }

    fn is_ignored(&self) -> bool {
        let steps = self.path.steps();
        let fits =
            |(step, key): (&Step, &&str)| matches!(step, Step::Key(name) if *key == "*" || name == key);
        self.how.ignored.iter().any(|keys| keys.len() == steps.len() && steps.iter().zip(*keys).all(fits))
    }
}

/// Equal as numbers: `1` and `1.0` are.
fn same_number(one: &Number, other: &Number) -> bool {
    if one.is_f64() || other.is_f64() { one.as_f64() == other.as_f64() } else { one == other }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn names_the_first_place() {
        for (expected, found, text) in [
            (json!(1), json!(1.0), None),
            (json!(-0.0), json!(0), None),
            (json!({"a": [1, {"b": 2}]}), json!({"a": [1.0, {"b": 2.0}]}), None),
            (json!(1), json!("1"), Some("$: expected 1, found \"1\"")),
            (json!(null), json!(false), Some("$: expected null, found false")),
            (
                json!(i64::MAX),
                json!(i64::MAX - 1),
                Some("$: expected 9223372036854775807, found 9223372036854775806"),
            ),
            (json!({"a": null}), json!({}), Some("a: expected null, found nothing")),
            (json!({}), json!({"a": null}), Some("a: expected nothing, found null")),
            (json!([1, 2]), json!([1]), Some("[1]: expected 2, found nothing")),
            (json!([1]), json!([1, {}]), Some("[1]: expected nothing, found {}")),
            (json!([]), json!({}), Some("$: expected [], found {}")),
            (
                json!({"payload": {"env": {"A": "x", "B": "y"}}}),
                json!({"payload": {"env": {"A": "x", "B": "\u{1b}z"}}}),
                Some(r#"payload.env.B: expected "y", found "\u001bz""#),
            ),
        ] {
            let first = difference(&expected, &found).map(|found| found.to_string());
            assert_eq!(first.as_deref(), text);
        }
    }

    #[test]
    fn leaves_out_what_it_is_told() {
        let expected = json!({"created": 1, "payload": {"artifacts": {"x": {"expires": 1, "type": "file"}}}});
        let found =
            json!({"created": 2, "payload": {"artifacts": {"x": {"expires": 2, "type": "file"}}, "new": 1}});
        let ignored: &[&[&str]] = &[&["created"], &["payload", "artifacts", "*", "expires"]];
        let how = Comparison { ignored, extra: ExtraMembers::Ignored };
        assert_eq!(how.first(&expected, &found), None);
        let how = Comparison { ignored, extra: ExtraMembers::Refused };
        assert_eq!(how.first(&expected, &found).unwrap().path.to_string(), "payload.new");
        let how = Comparison { ignored: &[&["created"]], extra: ExtraMembers::Ignored };
        let path = how.first(&expected, &found).unwrap().path.to_string();
        assert_eq!(path, "payload.artifacts.x.expires");
        // a pattern is a whole path, and none of a list
        let list = |expires| json!({"payload": {"artifacts": [{"expires": expires}]}});
        let how = Comparison { ignored, extra: ExtraMembers::Refused };
        assert!(how.first(&list(1), &list(2)).is_some());
        assert!(
            how.first(&json!({"payload": {"created": 1}}), &json!({"payload": {"created": 2}})).is_some()
        );
    }

    #[test]
    fn stops_at_as_many_as_are_wanted() {
        let (expected, found) = (json!([1, 2, 3]), json!([4, 5, 6]));
        assert_eq!(Comparison::FULL.all(&expected, &found, 2).len(), 2);
        assert_eq!(Comparison::FULL.all(&expected, &found, 9).len(), 3);
        assert!(Comparison::FULL.all(&expected, &found, 0).is_empty());
    }

    #[test]
    fn cuts_long_values() {
        let text = difference(&json!("ä".repeat(1000)), &json!(0)).unwrap().to_string();
        assert!(text.chars().count() < 200 && text.ends_with("…, found 0"), "{text}");
    }

    proptest! {
        #[test]
        fn no_difference_means_equal(one in super::super::strict::tests::any_value(), other in super::super::strict::tests::any_value()) {
            prop_assert_eq!(difference(&one, &one), None);
            prop_assert_eq!(difference(&one, &other).is_none(), one == other);
        }
    }
}
