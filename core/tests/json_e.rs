//! The official specification of JSON-e, as its library brings it: our renderer gives every result that it asks for.
//!
//! The renderer differs from the library in two things only, a fixed `now` and the calls of `as_slugid`; neither may
//! change what a template without them means.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test that looks for the sources of a library"
)]

use scriptworker_core::cot::template::{Rendering, render};
use scriptworker_core::ids::TaskId;
use scriptworker_core::time::UnixMillis;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// Where cargo keeps the library's sources.
fn specification() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let library = packages.iter().find(|package| package["name"] == "json-e").unwrap();
    PathBuf::from(library["manifest_path"].as_str().unwrap()).with_file_name("specification.yml")
}

#[test]
fn every_case_of_the_specification_gives_what_it_asks_for() {
    let text = std::fs::read_to_string(specification()).unwrap();
    let (mut passed, mut failed) = (0, Vec::new());
    for document in text.split("\n---") {
        // the one case with numbers beyond 64 bits: those never reach a renderer here, strict readers refuse them
        if document.contains("22222222222222222222") {
            continue;
        }
        let case: Value =
            serde_yaml_ng::from_str(document).unwrap_or_else(|error| panic!("{error}: {document}"));
        let (Some(title), Some(template)) = (case.get("title"), case.get("template")) else { continue };
        let rendering = Rendering {
            template: template.clone(),
            context: case["context"].as_object().cloned().unwrap_or_default(),
            now: UnixMillis::parse("2017-01-19T16:27:20.974Z").unwrap(),
            decision: TaskId::parse("Ypg6xKhKRU-pnkwylNQrMw").unwrap(),
            own: TaskId::parse("Zpg6xKhKRU-pnkwylNQrMw").unwrap(),
        };
        let result = render(&rendering);
        let fits = match case.get("error") {
            Some(error) if *error != Value::Bool(false) => result.is_err(),
            _ => result.as_ref().is_ok_and(|result| same(result, &case["result"])),
        };
        if fits { passed += 1 } else { failed.push(format!("{title}: {result:?}")) }
    }
    assert!(failed.is_empty(), "{passed} passed, {} failed: {failed:#?}", failed.len());
    assert!(passed > 500, "{passed}");
}

/// Numbers by value: the library keeps all as doubles.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}
