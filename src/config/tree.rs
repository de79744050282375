//! The configuration file as a tree that keeps what a plain map would lose: where everything stands, the order of
//! keys, duplicate keys, and the exact type of every value. It knows nothing about which keys exist.

use super::problem::{ConfigProblem, Rule};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A place in a file; both numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// One value of the file and where it begins, if that is known.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: Option<Spot>,
    pub(super) data: Data,
}

/// What stands there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Two values are the same wherever they stand.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

impl From<Data> for Node {
    fn from(data: Data) -> Self {
        Self { at: None, data }
    }
}

impl Node {
    /// The type in the words of the messages.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.data {
            Data::Null => "null",
            Data::Bool(_) => "a boolean",
            Data::Int(_) => "a whole number",
            Data::Float(_) => "a number with a fraction",
            Data::Text(_) => "a text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// Type and value for a message; only the type when it must not be shown.
    pub(super) fn describe(&self, secret: bool) -> String {
        let name = self.type_name();
        match &self.data {
            _ if secret => format!("{name} (not shown)"),
            Data::Bool(value) => format!("{name} ({value})"),
            Data::Int(value) => format!("{name} ({value})"),
            Data::Float(value) => format!("{name} ({value:?})"),
            Data::Text(value) => format!("{name} ({})", shorten(value)),
            Data::Null | Data::List(_) | Data::Map(_) => name.to_owned(),
        }
    }

    /// The value of a key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Data::Map(entries) = &self.data else { return None };
        entries.iter().find_map(|(name, value)| (name.as_text() == Some(key)).then_some(value))
    }

    /// The text, when it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data { Some(text) } else { None }
    }

    /// How a key looks in a key path.
    pub(super) fn key_text(&self) -> String {
        match &self.data {
            Data::Text(text) => text.clone(),
            Data::Int(value) => value.to_string(),
            Data::Bool(value) => value.to_string(),
            _ => format!("({})", self.type_name()),
        }
    }

    /// False for what the seed's loader takes as "not there": null, false, zero and everything empty (config.md 2).
    pub(super) fn is_truthy(&self) -> bool {
        match &self.data {
            Data::Null => false,
            Data::Bool(value) => *value,
            Data::Int(value) => *value != 0,
            Data::Float(value) => *value != 0.0,
            Data::Text(text) => !text.is_empty(),
            Data::List(items) => !items.is_empty(),
            Data::Map(entries) => !entries.is_empty(),
        }
    }

    /// The same value for the `config` crate. Numbers beyond 64 bits do not occur: the type check was before.
    pub(super) fn to_value(&self, origin: &String) -> config::Value {
        let kind = match &self.data {
            Data::Null => config::ValueKind::Nil,
            Data::Bool(value) => (*value).into(),
            Data::Int(value) => config::ValueKind::I128(*value),
            Data::Float(value) => (*value).into(),
            Data::Text(text) => text.clone().into(),
            Data::List(items) => {
                config::ValueKind::Array(items.iter().map(|item| item.to_value(origin)).collect())
            }
            Data::Map(entries) => config::ValueKind::Table(
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

/// Reports every key that a map has twice, at any depth, and carries out `<<` (merge) keys, as the seed's loader
/// did: what the map itself says wins over what is merged in.
pub(super) fn settle(node: Node, path: &str, problems: &mut Vec<ConfigProblem>) -> Node {
    let data = match node.data {
        Data::List(items) => Data::List(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| settle(item, &format!("{path}[{index}]"), problems))
                .collect(),
        ),
        Data::Map(entries) => Data::Map(settle_map(entries, path, problems)),
        plain => plain,
    };
    Node { at: node.at, data }
}

fn settle_map(
    entries: Vec<(Node, Node)>,
    path: &str,
    problems: &mut Vec<ConfigProblem>,
) -> Vec<(Node, Node)> {
    let mut own: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
    let mut merged = Vec::new();
    for (key, value) in entries {
        let place = join(path, &key.key_text());
        let value = settle(value, &place, problems);
        if key.as_text() == Some("<<") {
            merge_sources(value, &place, &mut merged, problems);
        } else if let Some((first, _)) = own.iter().find(|(known, _)| *known == key) {
            problems.push(duplicate(place, first, &key));
        } else {
            own.push((key, value));
        }
    }
    for (key, value) in merged {
        if !own.iter().any(|(known, _)| *known == key) {
            own.push((key, value));
        }
    }
    own
}

/// The finding about a key that stands there a second time.
pub(super) fn duplicate(place: String, first: &Node, second: &Node) -> ConfigProblem {
    let found = match first.at {
        Some(spot) => format!("a second one (the first is in line {})", spot.line),
        None => "a second one".to_owned(),
    };
    ConfigProblem::new(Rule::Duplicate, place, "each key once", found).at(second.at)
}

fn merge_sources(
    value: Node,
    place: &str,
    merged: &mut Vec<(Node, Node)>,
    problems: &mut Vec<ConfigProblem>,
) {
    let refuse = |expected, node: &Node| {
        ConfigProblem::new(Rule::WrongType, place, expected, node.describe(true)).at(node.at)
    };
    match value.data {
        Data::Map(entries) => merged.extend(entries),
        Data::List(items) => {
            for item in items {
                if matches!(item.data, Data::Map(_)) {
                    merge_sources(item, place, merged, problems);
                } else {
                    problems.push(refuse("maps to merge", &item));
                }
            }
        }
        _ => problems.push(refuse("a map to merge", &value)),
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
        Ok(Data::Null.into())
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Data::Null.into())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Data::Bool(value).into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Data::Int(value.into()).into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Data::Int(value.into()).into())
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        Ok(Data::Int(value).into())
    }

    /// Numbers that no key accepts anyway: the greatest of the type stands for them all.
    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        Ok(Data::Int(i128::try_from(value).unwrap_or(i128::MAX)).into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(Data::Float(value).into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Data::Text(value.to_owned()).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Data::List(list).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Data::Map(map).into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::read;
    use super::*;

    fn settled(text: &str) -> (Node, Vec<ConfigProblem>) {
        let mut problems = Vec::new();
        let node = settle(read(text).unwrap(), "", &mut problems);
        (node, problems)
    }

    #[test]
    fn finds_every_duplicate_at_any_depth() {
        let (node, problems) = settled("a: 1\na: 2\nb:\n  - {c: 1, c: 2}\n1: x\n1: y\n");
        let places: Vec<_> = problems.iter().map(|problem| (problem.key.as_str(), problem.line)).collect();
        assert_eq!(places, [("a", Some(2)), ("b[0].c", Some(4)), ("1", Some(6))]);
        assert!(problems.iter().all(|problem| problem.rule == Rule::Duplicate));
        assert_eq!(&*problems[0].found, "a second one (the first is in line 1)");
        assert_eq!(node.get("a"), Some(&Data::Int(1).into()));
    }

    #[test]
    fn a_text_key_and_a_number_key_differ() {
        let (_, problems) = settled("{1: x, '1': y}");
        assert_eq!(problems, []);
    }

    #[test]
    fn merges_anchors_and_lets_the_map_itself_win() {
        let (node, problems) = settled("base: &b {x: 1, y: 2}\nderived:\n  <<: [*b, {z: 4}]\n  y: 3\n");
        assert_eq!(problems, []);
        let derived = node.get("derived").unwrap();
        for (key, value) in [("x", 1), ("y", 3), ("z", 4)] {
            assert_eq!(derived.get(key), Some(&Data::Int(value).into()), "{key}");
        }
        let (_, problems) = settled("a:\n  <<: 1\nb:\n  <<:\n    - {}\n    - [{x: 1}]\n");
        let found: Vec<_> = problems.iter().map(|problem| (problem.rule, problem.line)).collect();
        assert_eq!(found, [(Rule::WrongType, Some(2)), (Rule::WrongType, Some(6))]);
    }
}
