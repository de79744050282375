//! The type of a scalar, by the rules of YAML 1.1 as PyYAML has them.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

/// The greatest whole number whose neighbours are doubles, too.
const GREATEST: i128 = 1 << 53;

/// The value, or what it is that has no single meaning.
pub(super) fn read(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, &'static str> {
    let string = || Ok(Value::from(text));
    match tag {
        None if style == ScalarStyle::Plain => plain(text),
        None => string(),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => string(),
        Some(_) => Err("a tag"),
    }
}

fn plain(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Ok(true.into()),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Ok(false.into()),
        "=" => return Err("a lone ="),
        _ => {}
    }
    if is_date(text) {
        return Err("a date without quotes");
    }
    if let Some(whole) = whole(text) {
        return match whole {
            Some(number) if (-GREATEST..=GREATEST).contains(&number) => {
                i64::try_from(number).map(Value::from).map_err(|_| "a number beyond 2^53")
            }
            _ => Err("a number beyond 2^53"),
        };
    }
    if let Some(fraction) = fraction(text) {
        return fraction
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or("a number that JSON does not have");
    }
    Ok(Value::from(text))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

/// The outer option: whether it is a whole number at all; the inner: its value, where that can be held.
fn whole(text: &str) -> Option<Option<i128>> {
    let body = unsigned(text);
    let all = |digits: &str, radix: u32| {
        !digits.is_empty() && digits.chars().all(|digit| digit == '_' || digit.is_digit(radix))
    };
    let value = |digits: &str, radix| i128::from_str_radix(&digits.replace('_', ""), radix).ok();
    let magnitude = if let Some(digits) = body.strip_prefix("0b").filter(|digits| all(digits, 2)) {
        value(digits, 2)
    } else if let Some(digits) = body.strip_prefix("0x").filter(|digits| all(digits, 16)) {
        value(digits, 16)
    } else if body == "0" {
        Some(0)
    } else if let Some(digits) = body.strip_prefix('0').filter(|digits| all(digits, 8)) {
        value(digits, 8)
    } else if body.starts_with(|first: char| matches!(first, '1'..='9')) {
        match body.split_once(':') {
            None if all(body, 10) => value(body, 10),
            Some((first, rest)) if all(first, 10) && rest.split(':').all(is_sixtieth) => sixty(first, rest),
            _ => return None,
        }
    } else {
        return None;
    };
    Some(magnitude.map(|number| if text.starts_with('-') { -number } else { number }))
}

/// 0 to 59, with one digit or two.
fn is_sixtieth(part: &str) -> bool {
    match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => matches!(ten, b'0'..=b'5') && one.is_ascii_digit(),
        _ => false,
    }
}

fn sixty(first: &str, rest: &str) -> Option<i128> {
    let mut total: i128 = first.replace('_', "").parse().ok()?;
    for part in rest.split(':') {
        total = total.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    Some(total)
}

/// As for [`whole`]. A fraction needs its point; an exponent needs its sign.
fn fraction(text: &str) -> Option<Option<f64>> {
    let body = unsigned(text);
    if matches!(body, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(None);
    }
    let (before, after) = body.split_once('.')?;
    if let Some((first, rest)) = before.split_once(':') {
        let digits = first.starts_with(|c: char| c.is_ascii_digit()) && is_digits(first);
        return (digits && rest.split(':').all(is_sixtieth) && is_digits(after)).then_some(None);
    }
    let (digits, exponent) = match after.find(['e', 'E']) {
        None => (after, None),
        Some(at) => (after.get(..at)?, after.get(at + 1..)),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let number = exponent.strip_prefix(['-', '+']);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let fits = if before.is_empty() {
        // `.5` has no sign, and needs a digit first
        text == body && digits.starts_with(|c: char| c.is_ascii_digit())
    } else {
        before.starts_with(|c: char| c.is_ascii_digit()) && is_digits(before)
    };
    if !(fits && is_digits(digits) && exponent_fits) {
        return None;
    }
    let number = text.replace('_', "").parse().ok();
    Some(number.filter(|number: &f64| number.is_finite()))
}

/// Digits and `_`, perhaps none.
fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// What YAML 1.1 takes for a date, with or without a time. One that only looks like it is refused, too.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let digits = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let day_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, time) = rest.split_at(day_end);
    let time_begins = time.is_empty() || time.starts_with(['T', 't', ' ', '\t']);
    let has_time = time.bytes().filter(|byte| *byte == b':').count() >= 2;
    digits(year, 4, 4)
        && digits(month, 1, 2)
        && digits(day, 1, 2)
        && time_begins
        && (time.is_empty() || has_time)
}
