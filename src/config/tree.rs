//! The configuration file as a tree that keeps what a plain map would lose: the order of keys, duplicate keys, and
//! the exact type of every value. It knows nothing about which keys exist.

use super::problem::{ConfigProblem, Rule};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// One value of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The type in the words of the messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Type and value for a message; only the type when it must not be shown.
    pub(super) fn describe(&self, secret: bool) -> String {
        let name = self.type_name();
        match self {
            _ if secret => format!("{name} (not shown)"),
            Self::Bool(value) => format!("{name} ({value})"),
            Self::Int(value) => format!("{name} ({value})"),
            Self::Float(value) => format!("{name} ({value:?})"),
            Self::Text(value) => format!("{name} ({})", shorten(value)),
            Self::Null | Self::List(_) | Self::Map(_) => name.to_owned(),
        }
    }

    /// The value of a key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find_map(|(name, value)| (name.as_text() == Some(key)).then_some(value))
    }

    /// The text, when it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// How a key looks in a key path.
    pub(super) fn key_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Int(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            other => format!("({})", other.type_name()),
        }
    }

    /// False for what the seed's loader takes as "not there": null, false, zero and everything empty (config.md 2).
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
        }
    }

    /// The same value for the `config` crate. Numbers beyond 64 bits do not occur: the type check was before.
    pub(super) fn to_value(&self, origin: &String) -> config::Value {
        let kind = match self {
            Self::Null => config::ValueKind::Nil,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => config::ValueKind::I128(*value),
            Self::Float(value) => (*value).into(),
            Self::Text(text) => text.clone().into(),
            Self::List(items) => {
                config::ValueKind::Array(items.iter().map(|item| item.to_value(origin)).collect())
            }
            Self::Map(entries) => config::ValueKind::Table(
                entries.iter().map(|(key, value)| (key.key_text(), value.to_value(origin))).collect(),
            ),
        };
        config::Value::new(Some(origin), kind)
    }
}

/// A text in quotes with control characters escaped, cut when it is long.
pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return format!("{text:?}");
    }
    format!("{:?}…", text.chars().take(MOST).collect::<String>())
}

/// Joins a key path and one more step.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Reads YAML (JSON is a part of it).
pub(super) fn read(text: &str) -> Result<Node, ConfigProblem> {
    let node: Node = serde_yaml_ng::from_str(text).map_err(|error| {
        let line = error.location().map(|place| place.line());
        ConfigProblem::new(Rule::Syntax, "", "YAML or JSON", error.to_string()).at_line(line)
    })?;
    Ok(node)
}

/// Reports every key that a map has twice, at any depth, and carries out `<<` (merge) keys, as the seed's loader
/// did: what the map itself says wins over what is merged in.
pub(super) fn settle(node: Node, path: &str, problems: &mut Vec<ConfigProblem>) -> Node {
    match node {
        Node::List(items) => Node::List(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| settle(item, &format!("{path}[{index}]"), problems))
                .collect(),
        ),
        Node::Map(entries) => {
            let mut own: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
            let mut merged = Vec::new();
            for (key, value) in entries {
                let place = join(path, &key.key_text());
                let value = settle(value, &place, problems);
                if key.as_text() == Some("<<") {
                    merge_sources(value, &place, &mut merged, problems);
                } else if own.iter().any(|(known, _)| *known == key) {
                    problems.push(ConfigProblem::new(
                        Rule::Duplicate,
                        place,
                        "each key once",
                        "a second one",
                    ));
                } else {
                    own.push((key, value));
                }
            }
            for (key, value) in merged {
                if !own.iter().any(|(known, _)| *known == key) {
                    own.push((key, value));
                }
            }
            Node::Map(own)
        }
        plain => plain,
    }
}

fn merge_sources(
    value: Node,
    place: &str,
    merged: &mut Vec<(Node, Node)>,
    problems: &mut Vec<ConfigProblem>,
) {
    match value {
        Node::Map(entries) => merged.extend(entries),
        Node::List(items) => {
            for item in items {
                if let Node::Map(entries) = item {
                    merged.extend(entries);
                } else {
                    let found = item.describe(true);
                    problems.push(ConfigProblem::new(Rule::WrongType, place, "maps to merge", found));
                }
            }
        }
        other => {
            let found = other.describe(true);
            problems.push(ConfigProblem::new(Rule::WrongType, place, "a map to merge", found));
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value, a list or a map")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Int(value.into()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    /// Numbers that no key accepts anyway: the greatest of the type stands for them all.
    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Int(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(text: &str) -> (Node, Vec<ConfigProblem>) {
        let mut problems = Vec::new();
        let node = settle(read(text).unwrap(), "", &mut problems);
        (node, problems)
    }

    #[test]
    fn keeps_exact_types() {
        let (node, problems) = settled(
            "{a: 1, b: 1.0, c: '1', d: true, e: 'true', f: ~, g: [1, x], h: 0x10, i: 99999999999999999999}",
        );
        assert_eq!(problems, []);
        for (key, expected) in [
            ("a", Node::Int(1)),
            ("b", Node::Float(1.0)),
            ("c", Node::Text("1".into())),
            ("d", Node::Bool(true)),
            ("e", Node::Text("true".into())),
            ("f", Node::Null),
            ("g", Node::List(vec![Node::Int(1), Node::Text("x".into())])),
            ("h", Node::Int(16)),
            ("i", Node::Int(99_999_999_999_999_999_999)),
        ] {
            assert_eq!(node.get(key), Some(&expected), "{key}");
        }
    }

    #[test]
    fn finds_every_duplicate_at_any_depth() {
        let (node, problems) = settled("a: 1\na: 2\nb:\n  - {c: 1, c: 2}\n1: x\n1: y\n");
        let places: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(places, ["a", "b[0].c", "1"]);
        assert!(problems.iter().all(|problem| problem.rule == Rule::Duplicate));
        assert_eq!(node.get("a"), Some(&Node::Int(1)));
    }

    #[test]
    fn a_text_key_and_a_number_key_differ() {
        let (_, problems) = settled("{1: x, '1': y}");
        assert_eq!(problems, []);
    }

    #[test]
    fn merges_anchors_and_lets_the_map_itself_win() {
        let (node, problems) = settled("base: &b {x: 1, y: 2}\nderived:\n  <<: *b\n  y: 3\n");
        assert_eq!(problems, []);
        let derived = node.get("derived").unwrap();
        assert_eq!((derived.get("x"), derived.get("y")), (Some(&Node::Int(1)), Some(&Node::Int(3))));
        let (_, problems) = settled("a: {<<: 1}");
        assert_eq!(problems[0].rule, Rule::WrongType);
    }

    #[test]
    fn bad_yaml_has_a_line_and_a_tag_is_no_plain_value() {
        let problem = read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert_eq!(problem.rule, Rule::Syntax);
        assert!(problem.line.is_some_and(|line| line >= 2), "{problem:?}");
        assert_eq!(read("a: !python/object:os.system x\n").unwrap_err().rule, Rule::Syntax);
        assert_eq!(read("a: 1\n---\nb: 2\n").unwrap_err().rule, Rule::Syntax);
    }

    #[test]
    fn aliases_cannot_explode() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", ")));
        }
        assert_eq!(read(&text).unwrap_err().rule, Rule::Syntax);
    }
}
