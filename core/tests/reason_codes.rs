//! The entries of `docs/reason-codes.md` are those of the code.
//!
//! `UPDATE_DOCS=1 cargo test -p scriptworker-core --test reason_codes` writes them anew.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that reads and writes a document"
)]

use scriptworker_core::cot::finding::Rule;
use scriptworker_core::cot::reason::Reason;
use std::fmt::Write;

const BEGIN: &str = "<!-- reasons: begin -->\n";
const END: &str = "<!-- reasons: end -->\n";

fn render() -> String {
    let mut text = String::from("## Rules\n\n| rule | what it demands |\n|---|---|\n");
    for rule in Rule::ALL {
        writeln!(text, "| `{}` | {} |", rule.name(), rule.demand()).unwrap();
    }
    text.push_str("\n## Codes\n");
    for reason in Reason::ALL {
        let entry = reason.text();
        write!(
            text,
            "\n### {}\n\n{}\n\n* Perhaps harmless: {}\n* What to do: {}\n",
            entry.code, entry.meaning, entry.innocent, entry.action
        )
        .unwrap();
    }
    text
}

#[test]
fn the_document_has_an_entry_for_every_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reason-codes.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (head, rest) = document.split_once(BEGIN).unwrap();
    let (written, tail) = rest.split_once(END).unwrap();
    let made = render();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{made}{END}{tail}")).unwrap();
        return;
    }
    assert!(written == made, "docs/reason-codes.md is out of date: run this test with UPDATE_DOCS=1");
}
