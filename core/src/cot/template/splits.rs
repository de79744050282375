//! Guards calls of `split`: the library of JSON-e leaves out empty pieces, every other implementation keeps them.
//!
//! `split(a, b)` becomes an expression with the same result that refers to a name without a meaning where a piece would
//! be empty. That is known by the error; what cannot be guarded is refused.

use super::TemplateError;
use super::slugids;

/// The function.
pub(super) const FUNCTION: &str = "split";

/// The name without a meaning.
pub(super) const EMPTY_PIECE: &str = "scriptworker_split_of_an_empty_piece";

/// What stands for a call whose name is `split` and which goes on with the text, and what follows it.
pub(super) fn guarded(text: &str) -> Result<(String, &str), TemplateError> {
    let odd = || TemplateError::differs(FUNCTION, "another use than a call with two values");
    // the key of a map in an expression
    if text.trim_start().starts_with(':') {
        return Ok((FUNCTION.to_owned(), text));
    }
    let inner = text.trim_start().strip_prefix('(').ok_or_else(odd)?;
    let (whole, after) = argument(inner, ',').ok_or_else(odd)?;
    let (by, after) = argument(after, ')').ok_or_else(odd)?;
    let (whole, by) = (part(whole)?, part(by)?);
    // a number is its digits
    let mark = format!("str({by})");
    let cases = [
        format!("{mark} + {mark} in {whole} && {mark} != ''"),
        format!("{whole}[:len({mark})] == {mark} && {mark} != ''"),
        format!("{whole}[len({whole}) - len({mark}):] == {mark} && {mark} != ''"),
        format!("{whole} == '' && {mark} == ''"),
    ];
    let cases: String = cases.iter().map(|case| format!(", {case} && {EMPTY_PIECE}")).collect();
    let call = format!("[split({whole}, {by}){cases}][0]");
    Ok((call, after))
}

/// A value with its own calls replaced, in brackets where it needs them: the library parses those slowly.
fn part(text: &str) -> Result<String, TemplateError> {
    let text = slugids::expression(text.trim())?;
    let word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    let quoted = |quote| {
        let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
        inner.is_some_and(|inner| !inner.contains(quote))
    };
    Ok(if word(&text) || quoted('"') || quoted('\'') { text } else { format!("({text})") })
}

/// What stands before a character that is in no text and no bracket, and what follows it.
fn argument(text: &str, end: char) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, _) if depth == 0 && character == end => {
                return Some((text.get(..at)?, text.get(at + 1..)?));
            }
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.checked_sub(1)?,
            (None, _) => {}
        }
    }
    None
}
