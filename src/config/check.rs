//! Checks the tree of the file against the table of keys: names, exact types, placeholders, keys without effect.

use super::keys::{self, Generation, KeySpec, Kind, State};
use super::problem::{ConfigProblem, Rule, nearest};
use super::tree::{Node, join, shorten};

/// The placeholder of templates for "to be filled in" (config.md 3).
pub(super) const PLACEHOLDER: &str = "...";

/// Key names that only make sense when this worker signs with OpenPGP.
const CLASSIC_MARKS: [&str; 4] = ["pubkey_path", "privkey_path", "base_gpg_home_dir", "gpg_home"];

/// What the checks leave over.
pub(super) struct Checked {
    /// The entries that passed, under today's names, in the order of the file.
    pub(super) entries: Vec<(&'static KeySpec, Node)>,
    /// Known keys whose entry did not pass. They must not be reported as missing as well.
    pub(super) refused: Vec<&'static str>,
    /// Which scheme the file is written for.
    pub(super) generation: Generation,
}

/// Checks every entry of the file.
pub(super) fn check(
    entries: Vec<(Node, Node)>,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Checked {
    let mut checked = Checked { entries: Vec::new(), refused: Vec::new(), generation: Generation::Current };
    for (key, value) in entries {
        let name = key.key_text();
        let known = key.as_text().and_then(keys::find);
        let Some(spec) = known else {
            let close = nearest(&name, keys::KEYS.iter().map(|spec| spec.name));
            let problem = ConfigProblem::new(Rule::UnknownKey, name.as_str(), "a known key", shorten(&name));
            problems.push(problem.near(close));
            continue;
        };
        let before = problems.len();
        check_value(spec, &value, problems);
        if problems.len() > before {
            checked.refused.push(spec.name);
        } else {
            checked.entries.push((spec, value));
        }
    }
    checked.generation = generation_of(&checked.entries);
    warn_about(&checked, warnings);
    rename(&mut checked, problems);
    checked
}

/// Classic when the file names OpenPGP keys and no ed25519 key.
fn generation_of(entries: &[(&'static KeySpec, Node)]) -> Generation {
    let has = |name: &str| entries.iter().any(|(spec, value)| spec.name == name && value.is_truthy());
    if !has("ed25519_private_key_path") && CLASSIC_MARKS.iter().any(|name| has(name)) {
        Generation::Classic
    } else {
        Generation::Current
    }
}

fn warn_about(checked: &Checked, warnings: &mut Vec<ConfigProblem>) {
    let other = match checked.generation {
        Generation::Classic => Generation::Current,
        _ => Generation::Classic,
    };
    for (spec, value) in &checked.entries {
        let found = || value.describe(keys::is_secret(spec.name));
        if let State::Gone(reason) = spec.state {
            let expected = format!("no such key: {reason}");
            warnings.push(ConfigProblem::new(Rule::NoEffect, spec.name, expected, found()));
        } else if spec.state == State::Later && spec.generation == other {
            let scheme = if other == Generation::Classic { "OpenPGP" } else { "ed25519" };
            let expected =
                format!("no such key: it belongs to the {scheme} scheme, the file is for the other");
            warnings.push(ConfigProblem::new(Rule::NoEffect, spec.name, expected, found()));
        }
    }
}

/// Gives renamed keys their name of today; both names at once contradict each other.
fn rename(checked: &mut Checked, problems: &mut Vec<ConfigProblem>) {
    for (old, new) in keys::RENAMED {
        let Some(target) = keys::find(new) else { continue };
        if let Some(at) = checked.entries.iter().position(|(spec, _)| spec.name == *old) {
            let (_, value) = checked.entries.remove(at);
            if checked.entries.iter().any(|(spec, _)| spec.name == *new) {
                let expected = format!("only one of {old} (old name) and {new}");
                problems.push(ConfigProblem::new(Rule::Contradiction, *old, expected, "both"));
            } else {
                checked.entries.push((target, value));
            }
        }
    }
}

fn check_value(spec: &KeySpec, value: &Node, problems: &mut Vec<ConfigProblem>) {
    let place = spec.name;
    if value.as_text() == Some(PLACEHOLDER) {
        let found = "the placeholder \"...\"";
        problems.push(ConfigProblem::new(Rule::NeedsToBeDefined, place, in_words(spec.kind), found));
    } else if *value == Node::Null {
        // Without credentials in the file the other sources are asked, so null is as good as absent there.
        if !spec.may_be_null() && spec.kind != Kind::Credentials {
            let expected = in_words(spec.kind);
            problems.push(ConfigProblem::new(Rule::NeedsToBeDefined, place, expected, "null"));
        }
    } else {
        check_kind(spec.kind, value, place, keys::is_secret(place), problems);
    }
}

fn check_kind(kind: Kind, value: &Node, place: &str, secret: bool, problems: &mut Vec<ConfigProblem>) {
    let mut refuse = |rule| {
        problems.push(ConfigProblem::new(rule, place, in_words(kind), value.describe(secret)));
    };
    match (kind, value) {
        (Kind::Any | Kind::Str, Node::Text(_)) | (Kind::Any, _) | (Kind::Bool, Node::Bool(_)) => {}
        (Kind::Path, Node::Text(path)) => {
            if path.is_empty() || path.contains('\0') {
                refuse(Rule::OutOfRange);
            }
        }
        (Kind::OneOf(words), Node::Text(word)) => {
            if !words.contains(&word.as_str()) {
                refuse(Rule::OutOfRange);
            }
        }
        (Kind::Int(least, most), Node::Int(value)) => {
            if *value < i128::from(least) || *value > i128::from(most) {
                refuse(Rule::OutOfRange);
            }
        }
        (Kind::StrOrList, Node::Text(_)) => {}
        (Kind::StrList | Kind::StrOrList, Node::List(items)) => {
            each_item(items, Kind::Str, place, secret, problems);
        }
        (Kind::List, Node::List(items)) => each_item(items, Kind::Map, place, secret, problems),
        (Kind::Map | Kind::Credentials, Node::Map(entries)) => {
            for (key, _) in entries {
                if key.as_text().is_none() {
                    let place = join(place, &key.key_text());
                    problems.push(ConfigProblem::new(
                        Rule::WrongType,
                        place,
                        "a text as key",
                        key.type_name(),
                    ));
                }
            }
        }
        (Kind::IntMap, Node::Map(entries)) => {
            for (key, value) in entries {
                let place = join(place, &key.key_text());
                check_int_key(key, &place, problems);
                check_kind(Kind::Str, value, &place, secret, problems);
            }
        }
        (Kind::ByProduct(inner), value) => match by_product(value) {
            Some(Node::Map(entries)) => {
                for (product, value) in entries {
                    let place = format!("{place}.by-cot-product.{}", product.key_text());
                    check_kind(*inner, value, &place, secret, problems);
                }
            }
            Some(other) => {
                let place = format!("{place}.by-cot-product");
                check_kind(Kind::Map, other, &place, secret, problems);
            }
            None => check_kind(*inner, value, place, secret, problems),
        },
        _ => refuse(Rule::WrongType),
    }
}

/// The value under `by-cot-product`, when the value is such a map.
fn by_product(value: &Node) -> Option<&Node> {
    value.get("by-cot-product")
}

fn each_item(items: &[Node], kind: Kind, place: &str, secret: bool, problems: &mut Vec<ConfigProblem>) {
    for (index, item) in items.iter().enumerate() {
        check_kind(kind, item, &format!("{place}[{index}]"), secret, problems);
    }
}

fn check_int_key(key: &Node, place: &str, problems: &mut Vec<ConfigProblem>) {
    let whole = match key {
        Node::Int(value) => i64::try_from(*value).is_ok(),
        Node::Text(text) => text.parse::<i64>().is_ok(),
        _ => false,
    };
    if !whole {
        let found = key.describe(false);
        problems.push(ConfigProblem::new(Rule::WrongType, place, "a whole number as key", found));
    }
}

/// The kind in the words of the messages.
pub(super) fn in_words(kind: Kind) -> String {
    match kind {
        Kind::Any => "any value".to_owned(),
        Kind::Str => "a text".to_owned(),
        Kind::Path => "a path".to_owned(),
        Kind::OneOf(words) => format!("one of {}", words.join(", ")),
        Kind::Int(0, i64::MAX) => "a whole number from 0 on".to_owned(),
        Kind::Int(least, most) => format!("a whole number from {least} to {most}"),
        Kind::Bool => "true or false".to_owned(),
        Kind::StrList => "a list of texts".to_owned(),
        Kind::StrOrList => "a text or a list of texts".to_owned(),
        Kind::List => "a list of maps".to_owned(),
        Kind::Map => "a map with texts as keys".to_owned(),
        Kind::IntMap => "a map from whole numbers to texts".to_owned(),
        Kind::Credentials => "a map with clientId and accessToken".to_owned(),
        Kind::ByProduct(inner) => {
            format!("{}, or by-cot-product with one for each product", in_words(*inner))
        }
    }
}
