//! The index finds what the reader finds, and refuses what it refuses.

use super::*;
use crate::json::read_strict;
use crate::json::strict::tests::any_value;
use proptest::prelude::*;
use serde_json::{Map, json};

const KIND: DocumentKind = DocumentKind::TaskGraph;

fn index_of(text: &str) -> Result<JsonIndex, StrictError> {
    JsonIndex::of(text.to_owned().into(), KIND)
}

fn refusal(text: &str) -> StrictError {
    index_of(text).unwrap_err()
}

#[test]
fn finds_members_by_key() {
    let text = " {\"B\" : {\"x\": [1, \"}\"]} ,\n\"\\u0041\":1.50\t, \"c\": \"\" } \n";
    let index = index_of(text).unwrap();
    assert_eq!(index.keys().collect::<Vec<_>>(), ["A", "B", "c"]);
    for (key, value) in [("A", json!(1.5)), ("B", json!({"x": [1, "}"]})), ("c", json!(""))] {
        assert!(index.has(key));
        assert_eq!(index.read(key).unwrap(), Some(value));
    }
    assert!(!index.has("D"));
    assert_eq!(index.read("D").unwrap(), None);
    assert_eq!((index.len(), index.is_empty()), (3, false));
    let empty = index_of(" { } ").unwrap();
    assert_eq!((empty.len(), empty.is_empty()), (0, true));
}

#[test]
fn row_096_no_task_twice() {
    let text = "{\"A\": {}, \"B\": {},\n \"\\u0041\": {}}";
    let StrictError::DuplicateKey { path, place } = refusal(text) else { panic!("{:?}", refusal(text)) };
    assert_eq!((path.to_string().as_str(), place.line, place.column), ("A", 2, 2));
}

#[test]
fn is_as_strict_inside_as_outside() {
    let StrictError::DuplicateKey { path, place } =
        refusal("{\"A\": 1,\n\"B\":\n{\"x\": [{\"y\": 1,\n\"y\": 2}]}}")
    else {
        panic!()
    };
    assert_eq!((path.to_string().as_str(), place.line), ("B.x[0].y", 4));
    assert!(matches!(refusal("{\"A\": 1e17}"), StrictError::Number { .. }));
    for text in [
        "{\"A\": 1} x",
        "{\"A\": 1,}",
        "{\"A\": tru}",
        "{1: 2}",
        "{,}",
        "[1",
        "",
        "\u{feff}{}",
        "{\"A\": [}]}",
    ] {
        assert!(matches!(refusal(text), StrictError::Syntax { .. }), "{text}");
    }
    for text in ["{\"A\" 1}", "{\"A\": 1 \"B\": 2}", "{\"A\": 1", "{\"A\"", "{\"A\": 1]"] {
        assert!(matches!(refusal(text), StrictError::Punctuation { .. }), "{text}");
    }
    for text in ["[]", "null", "\"{}\"", " 1 "] {
        assert!(matches!(refusal(text), StrictError::NotAMap), "{text}");
    }
    assert!(matches!(
        JsonIndex::of(b"{\"\xff\": 1}".as_slice().into(), KIND),
        Err(StrictError::NotUtf8 { offset: 2 })
    ));
}

proptest! {
    #[test]
    fn agrees_with_the_reader(members in prop::collection::vec(("\\PC{0,4}", any_value()), 0..8)) {
        let members: Map<_, _> = members.into_iter().collect();
        let text = serde_json::to_string(&members).unwrap();
        let index = index_of(&text).unwrap();
        let read = read_strict(text.as_bytes(), KIND).unwrap();
        prop_assert_eq!(index.len(), members.len());
        for key in members.keys() {
            let member = index.read(key).unwrap();
            prop_assert_eq!(member.as_ref(), read.get(key));
        }
    }

    #[test]
    fn accepts_exactly_the_maps_that_the_reader_accepts(text in r#"\{[\[\]{}",:0-9eE.\-a\\u \n]{0,30}\}?"#) {
        let (indexed, read) = (index_of(&text), read_strict(text.as_bytes(), KIND));
        prop_assert_eq!(indexed.is_ok(), read.is_ok(), "{}: {:?} {:?}", text, indexed, read);
    }
}
