//! Replaces calls of `as_slugid` by names, and guards calls of `split` (`splits`).
//!
//! An expression of JSON-e is a whole string below some operators, and what stands in `${…}` in every other one. In it,
//! `as_slugid("…")` and `as_slugid('…')` become a name that stands for the task id. Any other use of the word in an
//! expression is refused: handed on as a value, called with something computed, asked for with `defined`.

use super::{TemplateError, splits};
use crate::ids::TaskId;
use serde_json::{Map, Value};

/// The function that the hook knows.
pub(super) const FUNCTION: &str = "as_slugid";

/// The names that stand for its results; no template has them by accident.
const DECISION: &str = "scriptworker_slugid_of_decision";
const OWN: &str = "scriptworker_slugid_of_own";

/// The template without calls; the names it then needs are added to `names`.
pub(super) fn replace(
    template: &Value,
    decision: &TaskId,
    own: &TaskId,
    names: &mut Map<String, Value>,
) -> Result<Value, TemplateError> {
    names.insert(DECISION.to_owned(), Value::from(decision.as_str()));
    names.insert(OWN.to_owned(), Value::from(own.as_str()));
    walk(template, Position::Text)
}

/// How the strings of a value are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Text with `${…}` in it.
    Text,
    /// One expression.
    Expression,
    /// A map whose keys are expressions.
    Conditions,
}

fn walk(value: &Value, position: Position) -> Result<Value, TemplateError> {
    match value {
        Value::String(text) if position == Position::Expression => expression(text).map(Value::String),
        Value::String(text) => interpolated(text).map(Value::String),
        Value::Array(items) => {
            items.iter().map(|item| walk(item, Position::Text)).collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(members) => {
            let mut replaced = Map::new();
            for (key, member) in members {
                let new_key = match position {
                    // `$default` of `$switch` is no expression, and holds none of its words
                    Position::Conditions => expression(key)?,
                    _ => interpolated(key)?,
                };
                if key == FUNCTION && position == Position::Text {
                    // perhaps a `$let` that gives the word another meaning
                    return Err(unsupported(key, key));
                }
                let member = walk(member, below(key, members))?;
                if replaced.insert(new_key, member).is_some() {
                    return Err(unsupported(key, key));
                }
            }
            Ok(Value::Object(replaced))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
    }
}

/// How JSON-e reads what stands at a key.
fn below(key: &str, members: &Map<String, Value>) -> Position {
    match key {
        "$eval" | "$if" => Position::Expression,
        "$switch" | "$match" => Position::Conditions,
        _ if key.starts_with("by(") && members.contains_key("$sort") => Position::Expression,
        _ if key.starts_with("each(") && members.contains_key("$find") => Position::Expression,
        _ => Position::Text,
    }
}

/// A text with every `${…}` in it replaced; `$${` stands for itself.
fn interpolated(text: &str) -> Result<String, TemplateError> {
    if !text.contains(FUNCTION) && !text.contains(splits::FUNCTION) {
        return Ok(text.to_owned());
    }
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        result.push_str(before);
        if let Some(after) = from.strip_prefix("$${") {
            result.push_str("$${");
            rest = after;
        } else if let Some(after) = from.strip_prefix("${") {
            let end = end_of_expression(after)
                .ok_or_else(|| TemplateError::Unterminated { found: text.to_owned() })?;
            let (inner, after) = after.split_at(end);
            result.push_str("${");
            result.push_str(&expression(inner)?);
            rest = after;
        } else {
            result.push('$');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    result.push_str(rest);
    Ok(result)
}

/// Where the `}` is that closes an expression. Texts in it may hold braces; maps in it have their own.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

/// One expression with its calls replaced.
pub(super) fn expression(text: &str) -> Result<String, TemplateError> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = match character {
            '"' | '\'' => {
                let inner = rest.get(1..).unwrap_or_default();
                inner.find(character).map_or(rest.len(), |end| end + 2)
            }
            _ if character.is_ascii_alphabetic() || character == '_' => {
                rest.find(|next: char| !(next.is_ascii_alphanumeric() || next == '_')).unwrap_or(rest.len())
            }
            _ => character.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        if token == FUNCTION {
            let (name, after) = argument(rest).ok_or_else(|| unsupported(text, text))?;
            result.push_str(name);
            rest = after;
        } else if [FUNCTION, DECISION, OWN, splits::EMPTY_PIECE].iter().any(|word| token.contains(word)) {
            return Err(unsupported(text, token));
        } else if token == splits::FUNCTION && !result.ends_with('.') {
            let (call, after) = splits::guarded(rest)?;
            result.push_str(&call);
            rest = after;
        } else {
            result.push_str(token);
        }
    }
    Ok(result)
}

/// `("…")`: the name that stands for the result, and what follows.
fn argument(text: &str) -> Option<(&'static str, &str)> {
    let inner = text.trim_start().strip_prefix('(')?.trim_start();
    let quote = inner.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (label, after) = inner.strip_prefix(quote)?.split_once(quote)?;
    let after = after.trim_start().strip_prefix(')')?;
    Some((if label == "decision" { DECISION } else { OWN }, after))
}

fn unsupported(place: &str, found: &str) -> TemplateError {
    TemplateError::Unsupported { place: place.to_owned(), found: found.to_owned() }
}
