//! What the strict reader takes and what it refuses, by row of the attack table.

use super::*;
use crate::json::{DocumentKind, JsonIndex};
use proptest::prelude::*;
use serde_json::json;
use std::fmt::Write;

const KIND: DocumentKind = DocumentKind::Attestation;

/// Any value that a document may hold.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53)..=1 << 53).prop_map(Value::from),
        (-1e15..1e15).prop_map(Value::from),
        "\\PC*|[ab]".prop_map(Value::from),
    ];
    plain.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("\\PC{0,3}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The refusal in short: its variant, path and line.
fn refusal(text: impl AsRef<[u8]>) -> String {
    match read_strict(text.as_ref(), KIND) {
        Ok(value) => panic!("accepted as {value}"),
        Err(error) => brief(&error),
    }
}

fn brief(error: &StrictError) -> String {
    match error {
        StrictError::TooLarge { limit, found } => format!("large {found}/{limit}"),
        StrictError::TooDeep { limit, .. } => format!("deep {limit}"),
        StrictError::DuplicateKey { path, place } => format!("duplicate {path} {}", place.line),
        StrictError::Number { path, place } => format!("number {path} {}", place.line),
        StrictError::NotUtf8 { offset } => format!("utf8 {offset}"),
        StrictError::Syntax { path, place, .. } => format!("syntax {path} {}", place.line),
        StrictError::Punctuation { path, place, expected } => format!("no {expected} {path} {}", place.line),
        StrictError::NotAMap => "no map".to_owned(),
    }
}

#[test]
fn row_044_no_key_twice_at_any_depth() {
    for (text, expected) in [
        (r#"{"taskId": "A", "taskId": "A"}"#, "duplicate taskId 1"),
        (
            "{\"a\": [1, {\"artifacts\": {\n\"x/y\": {},\n\"x/y\": {}}}]}",
            "duplicate a[1].artifacts[\"x/y\"] 3",
        ),
        (r#"{"": 1, "": 2}"#, r#"duplicate [""] 1"#),
        (r#"[{"a": 1}, {"a": {"b": 1, "c": 2, "b": {}}}]"#, "duplicate [1].a.b 1"),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn row_045_no_key_twice_in_two_spellings() {
    assert_eq!(refusal(r#"{"taskId": 1, "task\u0049d": 2}"#), "duplicate taskId 1");
    assert_eq!(refusal(r#"{"a/b": 1, "a\/b": 2}"#), "duplicate [\"a/b\"] 1");
    assert_eq!(refusal(r#"{"😀": 1, "\ud83d\ude00": 2}"#), "duplicate [\"😀\"] 1");
    // keys that only look alike are two keys
    assert!(read_strict("{\"\u{e4}\": 1, \"a\u{308}\": 2, \"A\": 3, \"a\": 4}".as_bytes(), KIND).is_ok());
}

#[test]
fn row_046_nothing_around_the_value() {
    for text in [
        "",
        " ",
        "{} {}",
        "{},",
        "{}x",
        "{}\0",
        "\0{}",
        "\u{feff}{}",
        "{}\u{feff}",
        "{\"a\0\": 1}",
        "{\"a\": \"\0\"}",
        "{\"a\": 1,}",
        "[1,]",
        "{a: 1}",
        "{'a': 1}",
        "// x\n{}",
        "{} // x",
        "\u{a0}{}",
        "[1 2]",
        "{\"a\" 1}",
        "\"\n\"",
        "\"\\x41\"",
        "True",
        "tru",
        "{",
        "[",
        "\"",
        "01",
        "1.",
        ".5",
        "+1",
        "0x1",
        "- 1",
    ] {
        assert!(refusal(text).starts_with("syntax"), "{text:?}");
    }
    assert_eq!(refusal("{\n\"a\": [1, {\"b\": tru}]}"), "syntax a[1].b 2");
    // an escaped NUL is a character like any other to JSON; where it may stand is for the types to say
    assert_eq!(read_strict(br#"["\u0000"]"#, KIND).unwrap(), json!(["\0"]));
}

#[test]
fn row_047_no_number_that_readers_disagree_about() {
    for text in [
        "9007199254740993",
        "-9007199254740993",
        "9007199254740992.0",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "1e16",
        "-1e300",
        "123456789012345678901234567890",
    ] {
        assert_eq!(refusal(format!("{{\"a\": [{text}]}}")), "number a[0] 1", "{text}");
    }
    for text in ["NaN", "Infinity", "-Infinity", "nan", "1e400", "-1e400", "1e999999999999999999999"] {
        assert!(refusal(format!("[{text}]")).starts_with("syntax"), "{text}");
    }
    for (text, number) in [
        ("9007199254740992", json!(9_007_199_254_740_992_u64)),
        ("-9007199254740992", json!(-9_007_199_254_740_992_i64)),
        ("1.5", json!(1.5)),
        ("1e2", json!(100.0)),
        ("0", json!(0)),
    ] {
        assert_eq!(read_strict(text.as_bytes(), KIND).unwrap(), number);
    }
}

#[test]
fn row_048_utf8_without_lone_surrogates() {
    assert_eq!(refusal(b"{\"a\": \"\xff\"}"), "utf8 7");
    assert_eq!(refusal(b"[\"\xed\xa0\x80\"]"), "utf8 2", "a surrogate in bytes");
    assert_eq!(refusal(b"[\"\xc0\x80\"]"), "utf8 2", "an overlong NUL");
    for text in
        [r#"["\ud800"]"#, r#"["\udc00"]"#, r#"["\ud800\u0041"]"#, r#"["\udc00\ud800"]"#, r#"["\ud800x"]"#]
    {
        assert_eq!(refusal(text), "syntax [0] 1", "{text}");
    }
    assert!(refusal(r#"{"\ud800": 1}"#).starts_with("syntax"));
    assert_eq!(read_strict(br#"["\ud83d\ude00"]"#, KIND).unwrap(), json!(["😀"]));
}

#[test]
fn row_049_depth_is_limited() {
    let depth = KIND.limits().depth;
    let nested =
        |open: &str, close: &str, levels: usize| format!("{}{}", open.repeat(levels), close.repeat(levels));
    for levels in [depth + 1, 127, 128, 200, 100_000] {
        assert_eq!(refusal(nested("[", "]", levels)), format!("deep {depth}"), "{levels}");
        assert_eq!(refusal("[".repeat(levels)), format!("deep {depth}"), "{levels}");
    }
    assert_eq!(refusal(nested("{\"a\":", "}", 100_000)), format!("deep {depth}"));
    assert!(read_strict(nested("[", "]", depth).as_bytes(), KIND).is_ok());
    let index = JsonIndex::of(nested("{\"a\":", "}", 100_000).into(), KIND).unwrap_err();
    assert!(matches!(index, StrictError::TooDeep { .. }));
    let index = JsonIndex::of("[".repeat(100_000).into(), KIND).unwrap_err();
    assert!(matches!(index, StrictError::TooDeep { .. }));
}

#[test]
fn row_050_size_is_limited_before_anything_is_read() {
    let limit = usize::try_from(KIND.limits().bytes).unwrap();
    let mut text = vec![b' '; limit - 2];
    text.extend(b"{}");
    assert!(read_strict(&text, KIND).is_ok());
    text.push(b'\xff');
    assert_eq!(refusal(&text), format!("large {}/{limit}", limit + 1));
}

/// The library refuses at 128 levels with an error that is not told from others: ours has to come first.
#[test]
fn every_kind_has_bounds_below_the_librarys() {
    for kind in DocumentKind::ALL {
        let limits = kind.limits();
        assert!((8..128).contains(&limits.depth) && limits.bytes <= 256 << 20, "{kind:?}");
    }
}

#[test]
fn tells_where_it_stopped() {
    let text = "{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2}}";
    let StrictError::DuplicateKey { place, .. } = read_strict(text.as_bytes(), KIND).unwrap_err() else {
        panic!()
    };
    assert_eq!(place.line, 2);
    assert!(text[..place.offset].ends_with("\"c\""), "{place:?}");
    let error = read_strict(b"[1, x]", KIND).unwrap_err();
    assert_eq!(error.to_string(), "at [1], line 1 column 5: expected JSON");
}

/// `serde_json` gives some keys a meaning of their own when features are on; here they are keys like any other.
#[test]
fn no_key_has_a_meaning_of_its_own() {
    for key in ["$serde_json::private::RawValue", "$serde_json::private::Number", "__proto__"] {
        let text = format!(r#"{{"a": {{"{key}": "[1]"}}}}"#);
        assert_eq!(read_strict(text.as_bytes(), KIND).unwrap(), json!({"a": {key: "[1]"}}));
        assert!(JsonIndex::of(text.into(), KIND).unwrap().has("a"));
    }
}

/// Writes a value with its members in another order, escapes and space, as `choices` say.
fn respell(value: &Value, choices: &mut impl Iterator<Item = u8>, text: &mut String) {
    let mut blank = |text: &mut String| {
        let space = ["", " ", "\n", "\t", "\r\n  "];
        text.push_str(space[usize::from(choices.next().unwrap_or(0)) % space.len()]);
    };
    blank(text);
    match value {
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                respell(item, choices, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            let turn = usize::from(choices.next().unwrap_or(0)) % members.len().max(1);
            members.rotate_left(turn);
            text.push('{');
            for (at, (key, member)) in members.into_iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                respell(&json!(key), choices, text);
                text.push(':');
                respell(member, choices, text);
            }
            text.push('}');
        }
        Value::String(string) if choices.next().unwrap_or(0) % 2 == 1 => {
            text.push('"');
            for unit in string.encode_utf16() {
                write!(text, "\\u{unit:04X}").unwrap();
            }
            text.push('"');
        }
        plain => text.push_str(&plain.to_string()),
    }
    text.push_str(if choices.next().unwrap_or(0) % 2 == 1 { " \n" } else { "" });
}

/// Every map of a value, by path.
fn maps(value: &Value, path: &JsonPath, found: &mut Vec<JsonPath>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| maps(item, &path.clone().index(at), found));
        }
        Value::Object(members) => {
            found.extend(members.keys().map(|key| path.clone().key(key.as_str())));
            members.iter().for_each(|(key, member)| maps(member, &path.clone().key(key.as_str()), found));
        }
        _ => {}
    }
}

/// Writes a value with one member, named by its path, a second time.
fn write_with_twin(value: &Value, path: &JsonPath, twin: &JsonPath, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                write_with_twin(item, &path.clone().index(at), twin, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            let mut first = true;
            for (key, member) in members {
                let here = path.clone().key(key.as_str());
                for _ in 0..if here == *twin { 2 } else { 1 } {
                    text.push_str(if first { "" } else { "," });
                    first = false;
                    write!(text, "{}:", json!(key)).unwrap();
                    write_with_twin(member, &here, twin, text);
                }
            }
            text.push('}');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

proptest! {
    #[test]
    fn row_141_any_order_space_and_spelling_is_the_same_document(
        value in any_value(),
        choices in prop::collection::vec(any::<u8>(), 1..50),
    ) {
        let mut text = String::new();
        respell(&value, &mut choices.iter().copied().cycle(), &mut text);
        let read = read_strict(text.as_bytes(), KIND).unwrap();
        prop_assert_eq!(crate::json::difference(&value, &read), None, "{}", text);
    }

    #[test]
    fn any_duplicate_is_refused_and_named(value in any_value(), which in any::<prop::sample::Index>()) {
        let mut paths = Vec::new();
        maps(&value, &JsonPath::root(), &mut paths);
        prop_assume!(!paths.is_empty());
        let twin = which.get(&paths);
        let mut text = String::new();
        write_with_twin(&value, &JsonPath::root(), twin, &mut text);
        match read_strict(text.as_bytes(), KIND) {
            Err(StrictError::DuplicateKey { path, .. }) => prop_assert_eq!(&path, twin),
            other => prop_assert!(false, "{} gave {:?}", text, other),
        }
    }

    #[test]
    fn what_is_taken_means_the_same_to_the_lenient_reader(text in r#"[\[\]{}",:0-9eE.+\-a\\u \n]{0,40}"#) {
        if let Ok(value) = read_strict(text.as_bytes(), KIND) {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }
}
