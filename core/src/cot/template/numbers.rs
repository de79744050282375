//! Whole numbers from 2^32 on, which the library of JSON-e keeps as fractions.
//!
//! As values they are put right. In what `$json` writes they have a `.0`, which no other implementation gives them:
//! where a result has such a text, the template is rendered once more with every `$json` marked, so that what it wrote
//! can be told from other texts. Where an expression may look at what `$json` wrote, that is always done, and the two
//! results have to agree.

use regex::Regex;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// The key of the map around what a marked `$json` writes.
const MARK: &str = "scriptworker_json";
/// The greatest whole number whose neighbours are doubles, too.
const GREATEST: f64 = 9_007_199_254_740_992.0;

static WITH_FRACTION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b([0-9]{10,16})\.0\b").ok());

/// The value with its whole numbers as such.
pub(super) fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(double) if !number.is_i64() && double.fract() == 0.0 && double.abs() <= GREATEST =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "it is whole, and not greater than 2^53")]
                Value::from(double as i64)
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(whole).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, member)| (key, whole(member))).collect())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

/// Whether a number in it is one that the library takes for a fraction.
pub(super) fn has_large(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|double| double.abs() >= f64::from(u32::MAX)),
        Value::Array(items) => items.iter().any(has_large),
        Value::Object(members) => members.values().any(has_large),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// The value with every `.0` taken away that `$json` may have written.
pub(super) fn shortened(value: &Value) -> Value {
    let Some(pattern) = WITH_FRACTION.as_ref() else { return value.clone() };
    with_texts(value, &|text| pattern.replace_all(text, "$1").into_owned())
}

/// Whether an expression may look at what a `$json` writes: its result has a name, or is an element of a list that is
/// walked through.
pub(super) fn looks_at_json(template: &Value) -> bool {
    fn below(template: &Value, named: bool) -> bool {
        match template {
            Value::Array(items) => items.iter().any(|item| below(item, named)),
            Value::Object(members) => {
                let reduces = members.contains_key("$reduce");
                members.iter().any(|(key, member)| {
                    let walks = ["$let", "$map", "$reduce", "$find", "$sort"].contains(&key.as_str());
                    named && key == "$json" || below(member, named || walks || (reduces && key != "$json"))
                })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    below(template, false)
}

/// The template with every `$json` marked.
pub(super) fn mark(template: &Value) -> Value {
    match template {
        Value::Array(items) => Value::Array(items.iter().map(mark).collect()),
        Value::Object(members) => {
            let marked = |(key, member): (&String, &Value)| {
                let member = mark(member);
                let member = match key.as_str() {
                    "$json" => Value::Object(Map::from_iter([(MARK.to_owned(), member)])),
                    _ => member,
                };
                (key.clone(), member)
            };
            Value::Object(members.iter().map(marked).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => template.clone(),
    }
}

/// What the marked template gave, with what every `$json` wrote put right.
pub(super) fn unmark(value: &Value) -> Value {
    with_texts(value, &unmark_text)
}

fn unmark_text(text: &str) -> String {
    let start = format!("{{\"{MARK}\":");
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, marked)) = rest.find(&start).and_then(|at| rest.split_at_checked(at)) {
        let mut documents = serde_json::Deserializer::from_str(marked).into_iter::<Value>();
        let written = match documents.next() {
            Some(Ok(Value::Object(mut map))) => map.remove(MARK),
            _ => None,
        };
        // a text that was cut: it stays, and so differs from the other result
        let Some(written) = written else { break };
        result.push_str(before);
        result.push_str(&unmark(&whole(written)).to_string());
        rest = marked.get(documents.byte_offset()..).unwrap_or_default();
    }
    result.push_str(rest);
    result
}

/// The value with every text and every key changed.
fn with_texts(value: &Value, change: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(items) => Value::Array(items.iter().map(|item| with_texts(item, change)).collect()),
        Value::Object(members) => {
            let changed = members.iter().map(|(key, member)| (change(key), with_texts(member, change)));
            Value::Object(changed.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
