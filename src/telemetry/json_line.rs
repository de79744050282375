//! A line of the log as one JSON object.

use super::escape::misleads;
use super::format::{Record, level_name};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    level: &'static str,
    target: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: &'a Map<String, Value>,
}

/// Appends the object, without a line feed. `time` is the record's date, already written.
pub(super) fn render(record: &Record<'_>, time: &str, out: &mut String) {
    let level = level_name(record.level);
    let line = Line { time, level, target: record.target, message: record.message, fields: record.fields };
    // texts and maps with texts as keys cannot fail
    out.push_str(&printable(&serde_json::to_string(&line).unwrap_or_default()));
}

/// Escapes what JSON allows and [misleads], and what YAML refuses. All of it occurs only in texts.
pub(crate) fn printable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if misleads(letter) || matches!(letter, '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
            // none of them needs more than four digits
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::LineFormat;
    use super::*;
    use chrono::{Local, TimeZone as _};
    use serde_json::json;

    #[test]
    fn a_line_is_one_object_whatever_it_holds() {
        let format = LineFormat::json();
        let when = Local.timestamp_millis_opt(1_700_000_000_123).unwrap();
        let fields = Map::from_iter([("run".to_owned(), json!(3)), ("a\nb".to_owned(), json!("\u{9b}2J"))]);
        let mut record = Record {
            when,
            level: tracing::Level::WARN,
            target: "scriptworker::x",
            file: None,
            line: None,
            thread: "main",
            message: "two\nlines \u{1b}[2J \u{85}\u{2028}\u{202e} \"ä\"",
            fields: &fields,
        };
        let mut text = String::new();
        format.render(&record, &format.date(when), &mut text);
        assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true));
        assert!(
            !text.chars().any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{202e}')),
            "{text:?}"
        );
        let back: Value = serde_json::from_str(&text).unwrap();
        let expected = json!({
            "time": "2023-11-14T22:13:20.123Z", "level": "WARNING", "target": "scriptworker::x",
            "message": record.message, "fields": {"run": 3, "a\nb": "\u{9b}2J"},
        });
        assert_eq!(back, expected);
        let none = Map::new();
        record.fields = &none;
        text.clear();
        format.render(&record, "now", &mut text);
        assert!(!text.contains("fields"), "{text}");
    }
}
