//! Checks the tree of the file against the table of keys: names, exact types, placeholders, keys without effect.

use super::keys::{self, Generation, KeySpec, Kind, State};
use super::problem::{ConfigProblem, Rule, nearest};
use super::tree::{Data, Node, duplicate, join, shorten};

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
            problems.push(problem.near(close).at(key.at));
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

/// What is asked of source hosts, and how far a chain reaches: nothing that the classic scheme leaves open.
const FOR_TREES: [&str; 5] =
    ["max_chain_length", "github_oauth_token", "github_app_name", "project_configuration_url", "pushlog_url"];

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
        } else if (FOR_TREES.contains(&spec.name) || spec.is_policy_table())
            && !spec.belongs_to(checked.generation)
            && !is_old_name(spec.name)
        {
            let scheme = if other == Generation::Classic { "OpenPGP" } else { "ed25519" };
            let expected =
                format!("no such key: it belongs to the {scheme} scheme, the file is for the other");
            warnings.push(ConfigProblem::new(Rule::NoEffect, spec.name, expected, found()));
        }
    }
}

/// Whether the key is one that is taken under its new name.
fn is_old_name(name: &str) -> bool {
    keys::RENAMED.iter().any(|(old, _)| *old == name)
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
        problems.push(ConfigProblem::new(Rule::NeedsToBeDefined, place, spec.kind.to_string(), found));
    } else if value.data == Data::Null {
        // Without credentials in the file the other sources are asked, so null is as good as absent there.
        if !spec.may_be_null() && spec.kind != Kind::Credentials {
            let expected = spec.kind.to_string();
            problems.push(ConfigProblem::new(Rule::NeedsToBeDefined, place, expected, "null"));
        }
    } else {
        check_kind(spec.kind, value, place, keys::is_secret(place), problems);
    }
}

fn check_kind(kind: Kind, value: &Node, place: &str, secret: bool, problems: &mut Vec<ConfigProblem>) {
    let mut refuse = |rule| {
        problems.push(ConfigProblem::new(rule, place, kind.to_string(), value.describe(secret)));
    };
    match (kind, &value.data) {
        (Kind::Any | Kind::Str, Data::Text(_)) | (Kind::Any, _) | (Kind::Bool, Data::Bool(_)) => {}
        (Kind::Path, Data::Text(path)) => {
            if path.is_empty() || path.contains('\0') {
                refuse(Rule::OutOfRange);
            }
        }
        (Kind::OneOf(words), Data::Text(word)) => {
            if !words.contains(&word.as_str()) {
                refuse(Rule::OutOfRange);
            }
        }
        (Kind::Int(least, most), Data::Int(value)) => {
            if *value < i128::from(least) || *value > i128::from(most) {
                refuse(Rule::OutOfRange);
            }
        }
        (Kind::StrOrList, Data::Text(_)) => {}
        (Kind::StrList | Kind::StrOrList, Data::List(items)) => {
            each_item(items, Kind::Str, place, secret, problems);
        }
        (Kind::List, Data::List(items)) => each_item(items, Kind::Map, place, secret, problems),
        (Kind::Map | Kind::Credentials, Data::Map(entries)) => {
            for (key, _) in entries {
                if key.as_text().is_none() {
                    let place = join(place, &key.key_text());
                    let found = key.type_name();
                    let problem = ConfigProblem::new(Rule::WrongType, place, "a text as key", found);
                    problems.push(problem.at(key.at));
                }
            }
        }
        (Kind::IntMap, Data::Map(entries)) => {
            check_int_keys(entries, place, problems);
            for (key, value) in entries {
                check_kind(Kind::Str, value, &join(place, &key.key_text()), secret, problems);
            }
        }
        (Kind::ByProduct(inner), _) => match by_product(value) {
            Some(Node { data: Data::Map(entries), .. }) => {
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
pub(super) fn by_product(value: &Node) -> Option<&Node> {
    value.get("by-cot-product")
}

fn each_item(items: &[Node], kind: Kind, place: &str, secret: bool, problems: &mut Vec<ConfigProblem>) {
    for (index, item) in items.iter().enumerate() {
        check_kind(kind, item, &format!("{place}[{index}]"), secret, problems);
    }
}

/// Keys that are whole numbers, written as such or as texts, each number once.
fn check_int_keys(entries: &[(Node, Node)], place: &str, problems: &mut Vec<ConfigProblem>) {
    let mut seen: Vec<(i64, &Node)> = Vec::new();
    for (key, _) in entries {
        let place = join(place, &key.key_text());
        let number = match &key.data {
            Data::Int(value) => i64::try_from(*value).ok(),
            Data::Text(text) => text.parse::<i64>().ok(),
            _ => None,
        };
        let Some(number) = number else {
            let found = key.describe(false);
            let expected = "a whole number as key";
            problems.push(ConfigProblem::new(Rule::WrongType, place, expected, found).at(key.at));
            continue;
        };
        match seen.iter().find(|(known, _)| *known == number) {
            Some((_, first)) => problems.push(duplicate(place, first, key)),
            None => seen.push((number, key)),
        }
    }
}
