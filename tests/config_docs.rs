//! The table of keys in `docs/configuration.md` is the one of the code.
//!
//! `UPDATE_DOCS=1 cargo test --test config_docs` writes it anew.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that reads and writes a document"
)]

use scriptworker::config::{BuiltIn, Generation, KEYS, PRODUCTS, RENAMED, State, VARIABLES, is_secret};
use serde_json::Value;
use std::fmt::Write;

const BEGIN: &str = "<!-- keys: begin -->\n";
const END: &str = "<!-- keys: end -->\n";

fn default(default: BuiltIn) -> String {
    match default {
        BuiltIn::MustBeGiven => "must be given".to_owned(),
        BuiltIn::Null => "`null`".to_owned(),
        BuiltIn::Text(text) => format!("`{}`", Value::from(text)),
        BuiltIn::Number(number) => format!("`{number}`"),
        BuiltIn::Flag(flag) => format!("`{flag}`"),
        BuiltIn::Json(text) => format!("`{}`", serde_json::from_str::<Value>(text).unwrap()),
        BuiltIn::Cwd(name) => format!("`{name}` in the current directory"),
        BuiltIn::Policy => "as the policy has it".to_owned(),
        BuiltIn::ClassicText(text) => format!("`{}` classic, `null` current", Value::from(text)),
        BuiltIn::ByGeneration(classic, current) => format!("`{classic}` classic, `{current}` current"),
    }
}

fn generation(generation: Generation) -> &'static str {
    match generation {
        Generation::Both => "both",
        Generation::Classic => "classic",
        Generation::Current => "current",
        Generation::Own => "own",
    }
}

fn state(state: State) -> String {
    match state {
        State::Acts => "acts".to_owned(),
        State::Gone(reason) => format!("no effect: {reason}"),
    }
}

fn render() -> String {
    let mut text =
        "| key | type | default | generation | state | meaning |\n|---|---|---|---|---|---|\n".to_owned();
    for spec in KEYS {
        let secret = if is_secret(spec.name) { " (never shown)" } else { "" };
        let cells = [
            format!("`{}`", spec.name),
            spec.kind.to_string(),
            default(spec.default),
            generation(spec.generation).to_owned(),
            state(spec.state),
            format!("{}{secret}", spec.meaning),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push_str("\nOld names, taken under their new ones; both at once are a mistake:\n\n");
    for (old, new) in RENAMED {
        let _ = writeln!(text, "* `{old}` is `{new}`");
    }
    let _ = write!(text, "\nProducts with built-in policy tables: {}.\n", PRODUCTS.join(", "));
    let variables: Vec<String> = VARIABLES.iter().map(|name| format!("`{name}`")).collect();
    let _ = write!(text, "\nEnvironment variables, no others are read: `HOME`, {}.\n", variables.join(", "));
    text
}

#[test]
fn the_document_shows_the_keys_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", render())).unwrap();
        return;
    }
    assert_eq!(table, render(), "run this test with UPDATE_DOCS=1 and look at the difference");
}
