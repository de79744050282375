//! The built-in policies, the schema, the lint, overrides and identity.

mod builtin;
mod mistakes;
mod overriding;

use super::*;
use serde_json::Value;

fn current() -> Policy {
    Policy::parse(CURRENT.as_bytes()).unwrap()
}

fn classic() -> Policy {
    Policy::parse(CLASSIC.as_bytes()).unwrap()
}

/// The document of the current policy with one place changed; `None` removes it.
fn changed(path: &[&str], value: Option<Value>) -> Value {
    change(current().show(None).unwrap(), path, value)
}

fn change(mut document: Value, path: &[&str], value: Option<Value>) -> Value {
    let (last, parents) = path.split_last().unwrap();
    let parent = parents.iter().fold(&mut document, |place, key| match place {
        Value::Array(items) => &mut items[key.parse::<usize>().unwrap()],
        map => &mut map[*key],
    });
    match (parent, value) {
        (Value::Array(items), Some(value)) => items[last.parse::<usize>().unwrap()] = value,
        (Value::Object(members), Some(value)) => {
            members.insert((*last).to_owned(), value);
        }
        (Value::Object(members), None) => {
            members.remove(*last).unwrap();
        }
        (other, _) => panic!("nothing to change in {other}"),
    }
    document
}

/// Every finding of a document that is read without mistakes, as texts.
fn lints(document: Value) -> Vec<String> {
    Policy::from_value(document).unwrap().lint(None).iter().map(ToString::to_string).collect()
}
