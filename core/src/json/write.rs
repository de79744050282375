//! JSON as the worker writes it for scripts and people (worker.md 5 and 15): keys sorted, two spaces of indentation,
//! everything outside ASCII escaped, no newline at the end.

use serde_json::Value;
use std::fmt::Write;

/// The text of a value in that form.
pub fn format_json(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    text
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
        let value = json!({"b": [1, {"x": null}], "a": {}, "c": [], "ä\u{1f600}": "\"\\\n\u{7f}"});
        let expected = "{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"x\": null\n    }\n  ],\n  \"c\": [],\n  \
                        \"\\u00e4\\ud83d\\ude00\": \"\\\"\\\\\\n\\u007f\"\n}";
        assert_eq!(format_json(&value), expected);
    }

    proptest! {
        #[test]
        fn every_text_is_ascii_and_reads_back(text in any::<String>(), number in any::<i64>()) {
            let value = json!({ text.clone(): [text, number] });
            let written = format_json(&value);
            prop_assert!(written.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        }
    }
}
