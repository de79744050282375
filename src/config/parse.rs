//! From the text of a file to a tree with positions: YAML, of which JSON is a part. It resolves types, anchors and
//! tags, and limits what a small text can unfold to; what keys mean is not known here.

use super::problem::{ConfigProblem, Rule};
use super::tree::{Data, Node, Spot};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};
use std::collections::HashMap;

/// How deep lists and maps may lie in one another.
const MOST_DEPTH: usize = 100;
/// How many values a file may have once its aliases are replaced.
const MOST_VALUES: usize = 100_000;

/// Reads YAML, or JSON.
pub(super) fn read(text: &str) -> Result<Node, ConfigProblem> {
    // JSON can say a little that YAML cannot, such as an escaped surrogate pair; then there are no positions.
    compose(text).or_else(|problem| serde_json::from_str(text).map_err(|_| problem))
}

/// Reads JSON and nothing else. Of a refusal only the place is told: the file may hold secrets.
pub(super) fn read_json(text: &str) -> Result<Node, ConfigProblem> {
    match serde_json::from_str::<Node>(text) {
        Ok(plain) => Ok(compose(text).unwrap_or(plain)),
        Err(error) => {
            let spot = Spot { line: number(error.line()), column: number(error.column()) };
            Err(ConfigProblem::new(Rule::Syntax, "", "JSON", "something else").at(Some(spot)))
        }
    }
}

fn spot(marker: Marker) -> Spot {
    Spot { line: number(marker.line()), column: number(marker.col().saturating_add(1)) }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn refuse(marker: Marker, found: impl Into<Box<str>>) -> ConfigProblem {
    ConfigProblem::new(Rule::Syntax, "", "YAML or JSON", found).at(Some(spot(marker)))
}

fn scan_error(error: &ScanError) -> ConfigProblem {
    refuse(*error.marker(), error.info())
}

/// A list or map whose end has not come yet.
struct Open {
    at: Spot,
    anchor: usize,
    data: Partial,
    size: Size,
}

enum Partial {
    List(Vec<Node>),
    Map(Vec<(Node, Node)>, Option<Node>),
}

/// How much a value unfolds to.
#[derive(Clone, Copy)]
struct Size {
    values: usize,
    depth: usize,
}

const ONE: Size = Size { values: 1, depth: 0 };

#[derive(Default)]
struct Composer {
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Size)>,
    values: usize,
    root: Option<Node>,
}

fn compose(text: &str) -> Result<Node, ConfigProblem> {
    let mut composer = Composer::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| scan_error(&error))?;
        composer.take(event, span)?;
    }
    // a file without a document is as good as one with nothing in it
    Ok(composer.root.unwrap_or(Node { at: None, data: Data::Null }))
}

impl Composer {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ConfigProblem> {
        let at = spot(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => Err(refuse(span.start, "a second document")),
            Event::DocumentStart(_) => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                let data = scalar(&text, style, tag.as_deref(), span.start)?;
                self.add(Node { at: Some(at), data }, ONE, anchor, span.start)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(refuse(span.start, "an alias of a value that is not complete"));
                };
                // findings are about the place where the value is used
                let (node, size) = (Node { at: Some(at), data: node.data.clone() }, *size);
                self.add(node, size, 0, span.start)
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(at, anchor, tag.as_deref(), Partial::List(Vec::new()), span)
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(at, anchor, tag.as_deref(), Partial::Map(Vec::new(), None), span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { at, anchor, data, size }) = self.open.pop() else { return Ok(()) };
                let data = match data {
                    Partial::List(items) => Data::List(items),
                    Partial::Map(entries, _) => Data::Map(entries),
                };
                let size = Size { values: size.values, depth: size.depth + 1 };
                self.add(Node { at: Some(at), data }, size, anchor, span.start)
            }
        }
    }

    fn begin(
        &mut self,
        at: Spot,
        anchor: usize,
        tag: Option<&Tag>,
        data: Partial,
        span: Span,
    ) -> Result<(), ConfigProblem> {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            return Err(unknown_tag(tag, span.start));
        }
        if self.open.len() >= MOST_DEPTH {
            return Err(refuse(span.start, format!("more than {MOST_DEPTH} lists and maps in one another")));
        }
        self.open.push(Open { at, anchor, data, size: ONE });
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn add(&mut self, node: Node, size: Size, anchor: usize, marker: Marker) -> Result<(), ConfigProblem> {
        self.values = self.values.saturating_add(size.values);
        if self.values > MOST_VALUES || self.open.len().saturating_add(size.depth) > MOST_DEPTH {
            return Err(refuse(marker, "more values, or deeper ones, than any configuration has"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.size.values = parent.size.values.saturating_add(size.values);
        parent.size.depth = parent.size.depth.max(size.depth);
        match &mut parent.data {
            Partial::List(items) => items.push(node),
            Partial::Map(entries, key) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(node),
            },
        }
        Ok(())
    }
}

fn unknown_tag(tag: &Tag, marker: Marker) -> ConfigProblem {
    refuse(marker, format!("the tag {}", super::tree::shorten(&tag.to_string())))
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, marker: Marker) -> Result<Data, ConfigProblem> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => Err(unknown_tag(tag, marker)),
        Some(tag) if tag.suffix == "str" => Ok(Data::Text(text.to_owned())),
        Some(_) => Ok(plain(text)),
        None if style == ScalarStyle::Plain => Ok(plain(text)),
        None => Ok(Data::Text(text.to_owned())),
    }
}

/// The type of a text without quotes, by the core schema of YAML 1.2. `yes` and `012`, which older YAML takes for
/// something else, are texts: where they were meant so, the type check says it.
fn plain(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        "true" | "True" | "TRUE" => return Data::Bool(true),
        "false" | "False" | "FALSE" => return Data::Bool(false),
        _ => {}
    }
    whole(text)
        .map(Data::Int)
        .or_else(|| fraction(text).map(Data::Float))
        .unwrap_or_else(|| Data::Text(text.to_owned()))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn whole(text: &str) -> Option<i128> {
    let body = unsigned(text);
    let (radix, digits) = match body.get(..2) {
        Some("0x") => (16, body.get(2..)?),
        Some("0o") => (8, body.get(2..)?),
        Some("0b") => (2, body.get(2..)?),
        _ => (10, body),
    };
    let leading_zero = radix == 10 && digits.len() > 1 && digits.starts_with('0');
    if digits.is_empty() || leading_zero || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    Some(if text.starts_with('-') { -value } else { value })
}

fn fraction(text: &str) -> Option<f64> {
    let body = unsigned(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let looks_like_one = body.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && body.contains(|c: char| c.is_ascii_digit())
        && body.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let leading_zero =
        body.len() > 1 && body.starts_with('0') && !body.starts_with("0.") && !body.starts_with("0e");
    if !looks_like_one || leading_zero { None } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(text: &str) -> Node {
        read(text).unwrap()
    }

    #[test]
    fn keeps_exact_types() {
        let text = |text: &str| Data::Text(text.to_owned());
        for (written, expected) in [
            ("1", Data::Int(1)),
            ("+7", Data::Int(7)),
            ("0", Data::Int(0)),
            ("0x10", Data::Int(16)),
            ("-0o17", Data::Int(-15)),
            ("0b101", Data::Int(5)),
            ("99999999999999999999", Data::Int(99_999_999_999_999_999_999)),
            ("1.0", Data::Float(1.0)),
            ("1e3", Data::Float(1000.0)),
            ("0.5", Data::Float(0.5)),
            (".5", Data::Float(0.5)),
            ("-.inf", Data::Float(f64::NEG_INFINITY)),
            ("true", Data::Bool(true)),
            ("False", Data::Bool(false)),
            ("~", Data::Null),
            ("", Data::Null),
            ("!!str 5", text("5")),
            ("'1'", text("1")),
            ("\"true\"", text("true")),
            ("''", text("")),
            ("'~'", text("~")),
            ("012", text("012")),
            ("00.5", text("00.5")),
            ("yes", text("yes")),
            ("1.2.3", text("1.2.3")),
            ("1_000", text("1_000")),
            ("0x", text("0x")),
            ("0xg", text("0xg")),
            ("+", text("+")),
            ("inf", text("inf")),
            ("...x", text("...x")),
            ("2026-01-31", text("2026-01-31")),
            ("12:30:45", text("12:30:45")),
            ("|\n  x\n  y\n", text("x\ny\n")),
        ] {
            assert_eq!(node(&format!("k: {written}\n")).get("k").unwrap().data, expected, "{written}");
        }
        let list = Data::List(vec![Data::Int(1).into(), text("x").into()]);
        assert_eq!(node("k: [1, x]").get("k").unwrap().data, list);
        assert!(matches!(node(".nan").data, Data::Float(value) if value.is_nan()));
    }

    #[test]
    fn bad_yaml_has_its_place_and_a_tag_is_no_plain_value() {
        for (text, line) in [
            ("a: 1\nb: [1, 2\nc: 3\n", None),
            ("a: 1\nb: !python/object:os.system x\n", Some(2)),
            ("a: 1\nb: !mine {}\n", Some(2)),
            ("a: 1\n---\nb: 2\n", Some(2)),
            ("a: &x [*x]\n", Some(1)),
            ("a: *nothing\n", Some(1)),
            ("a:\n\tb: 1\n", None),
            ("{\"a\": \"\\ud83d\"}", Some(1)),
        ] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.rule, Rule::Syntax, "{text}");
            assert!(problem.line.is_some_and(|found| line.is_none_or(|line| line == found)), "{problem:?}");
        }
    }

    #[test]
    fn every_value_knows_its_place() {
        let node = node("# first\na: 1\nb:\n  - x\n  - {c: 2}\n");
        let Data::Map(entries) = &node.data else { panic!("{node:?}") };
        let at = |node: &Node| node.at.map(|spot| (spot.line, spot.column)).unwrap();
        assert_eq!((at(&entries[0].0), at(&entries[0].1)), ((2, 1), (2, 4)));
        assert_eq!(at(&entries[1].0), (3, 1));
        let Data::List(items) = &entries[1].1.data else { panic!("{node:?}") };
        assert_eq!((at(&items[0]), at(&items[1])), ((4, 5), (5, 5)));
        assert_eq!(at(items[1].get("c").unwrap()), (5, 9));
    }

    #[test]
    fn an_alias_is_where_it_is_used() {
        let node = node("a: &x [1]\nb: *x\n");
        assert_eq!(node.get("b").unwrap().at.unwrap().line, 2);
        assert_eq!(node.get("a"), node.get("b"));
    }

    #[test]
    fn what_only_json_can_say_is_read_without_places() {
        let node = node("{\"a\": \"\\ud83d\\ude00\"}");
        assert_eq!(node.get("a").unwrap(), &Node { at: None, data: Data::Text("😀".to_owned()) });
        assert_eq!(read_json("{\n\"a\": }").unwrap_err().line, Some(2));
        assert_eq!(read_json("a: 1").unwrap_err().rule, Rule::Syntax);
        assert_eq!(read_json("{\n\"a\": 1}").unwrap().get("a").unwrap().at.unwrap().line, 2);
    }

    #[test]
    fn neither_aliases_nor_brackets_can_explode() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", ")));
        }
        assert_eq!(read(&text).unwrap_err().rule, Rule::Syntax);
        let mut deep = String::from("a0: &a0 [x]\n");
        for level in 1..200 {
            deep.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert_eq!(read(&deep).unwrap_err().rule, Rule::Syntax);
        assert_eq!(read(&"[".repeat(100_000)).unwrap_err().rule, Rule::Syntax);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"([ \n\t:,\[\]{}&*!|>'"%@#?a<0.~-]|\\u[d][0-9]){0,40}"#) {
            let _ = read(&text);
        }

        #[test]
        fn whatever_json_says_is_read_the_same(value in json()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            let plain: Node = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(compose(&text).unwrap(), plain);
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~äöü😀\\n\\t]{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,12}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
