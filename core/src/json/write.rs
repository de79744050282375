//! JSON as the worker writes it for scripts and people (worker.md 5 and 15): keys sorted, two spaces of indentation,
//! everything outside ASCII escaped, no newline at the end.
//!
//! [`format_raw`] does the same to JSON that others wrote, and leaves its numbers as they were written: `1e400` and
//! integers of any length come out as they went in.

use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write;

/// As deep as serde_json itself goes.
const DEEPEST: usize = 128;

/// JSON that cannot be brought into the worker's form.
#[derive(Debug, thiserror::Error)]
pub enum RawJsonError {
    /// A part of it is no JSON after all, such as a text with half of a surrogate pair.
    #[error("unreadable JSON: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// More levels than anybody writes.
    #[error("the JSON has more than {DEEPEST} levels")]
    TooDeep,
}

/// The text of a value in that form.
pub fn format_json(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    text
}

/// The text in that form of a value that is text already: keys sorted, of doubled ones the last, numbers unchanged.
pub fn format_raw(value: &RawValue) -> Result<String, RawJsonError> {
    let mut text = String::new();
    write_raw(&mut text, value, 0)?;
    Ok(text)
}

fn write_raw(text: &mut String, value: &RawValue, depth: usize) -> Result<(), RawJsonError> {
    if depth > DEEPEST {
        return Err(RawJsonError::TooDeep);
    }
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'"') => write_string(text, &serde_json::from_str::<String>(json)?),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            if items.is_empty() {
                text.push_str("[]");
                return Ok(());
            }
            text.push('[');
            for (index, item) in items.into_iter().enumerate() {
                begin_line(text, index, depth + 1);
                write_raw(text, item, depth + 1)?;
            }
            end_lines(text, depth, ']');
        }
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
            if members.is_empty() {
                text.push_str("{}");
                return Ok(());
            }
            text.push('{');
            for (index, (key, member)) in members.into_iter().enumerate() {
                begin_line(text, index, depth + 1);
                write_string(text, &key);
                text.push_str(": ");
                write_raw(text, member, depth + 1)?;
            }
            end_lines(text, depth, '}');
        }
        // null, a flag or a number
        _ => text.push_str(json),
    }
    Ok(())
}

fn write_value(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            // writing into a String cannot fail
            let _ = write!(text, "{value}");
        }
        Value::String(string) => write_string(text, string),
        Value::Array(items) if items.is_empty() => text.push_str("[]"),
        Value::Object(members) if members.is_empty() => text.push_str("{}"),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                begin_line(text, index, depth + 1);
                write_value(text, item, depth + 1);
            }
            end_lines(text, depth, ']');
        }
        Value::Object(members) => {
            text.push('{');
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            for (index, (key, member)) in sorted.into_iter().enumerate() {
                begin_line(text, index, depth + 1);
                write_string(text, key);
                text.push_str(": ");
                write_value(text, member, depth + 1);
            }
            end_lines(text, depth, '}');
        }
    }
}

fn begin_line(text: &mut String, index: usize, depth: usize) {
    text.push_str(if index == 0 { "\n" } else { ",\n" });
    text.extend(std::iter::repeat_n("  ", depth));
}

fn end_lines(text: &mut String, depth: usize, close: char) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
    text.push(close);
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn looks_as_the_old_worker_wrote_it() {
        let value =
            json!({"b": [1, {"x": null}], "a": {}, "c": [], "ä\u{1f600}": "\"\\\n\u{7f}\r\t\u{8}\u{c}"});
        let expected = "{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"x\": null\n    }\n  ],\n  \"c\": [],\n  \
                        \"\\u00e4\\ud83d\\ude00\": \"\\\"\\\\\\n\\u007f\\r\\t\\b\\f\"\n}";
        assert_eq!(format_json(&value), expected);
    }

    fn raw(text: &str) -> Result<String, RawJsonError> {
        format_raw(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_is_text_already_keeps_its_numbers() {
        let numbers = "[1e400, -0, 1.0, 0.30000000000000004, 123456789012345678901234567890, 1E+2]";
        let expected = "[\n  1e400,\n  -0,\n  1.0,\n  0.30000000000000004,\n  123456789012345678901234567890,\n  1E+2\n]";
        assert_eq!(raw(numbers).unwrap(), expected);
        assert_eq!(
            raw("{\"b\": 1, \"a\": \"\\u00e4\", \"b\": {}}").unwrap(),
            "{\n  \"a\": \"\\u00e4\",\n  \"b\": {}\n}"
        );
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        assert!(matches!(raw("[\"\\ud800\"]"), Err(RawJsonError::Unreadable(_))));
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(raw(&deep(128)).is_ok());
        assert!(raw(&deep(DEEPEST + 1)).is_ok());
        assert!(matches!(raw(&deep(DEEPEST + 2)), Err(RawJsonError::TooDeep)));
        assert!(matches!(raw(&deep(100_000)), Err(RawJsonError::TooDeep)));
    }

    /// Any JSON value.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same_text(value in any_json()) {
            prop_assert_eq!(raw(&value.to_string()).unwrap(), format_json(&value));
        }

        #[test]
        fn every_text_is_ascii_and_reads_back(text in any::<String>(), number in any::<i64>()) {
            let value = json!({ text.clone(): [text, number] });
            let written = format_json(&value);
            prop_assert!(written.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        }
    }
}
