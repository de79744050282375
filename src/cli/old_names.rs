//! The commands of the Python package work as links to this binary: what the program is called
//! decides the verb.

use std::ffi::OsString;
use std::path::Path;

/// The old commands, and the verbs that took their place.
const OLD_NAMES: [(&str, &str); 5] = [
    ("create_gpg_keys", "create-gpg-keys"),
    ("create_test_workdir", "create-test-workdir"),
    ("rebuild_gpg_homedirs", "rebuild-keyrings"),
    ("verify_cot", "verify-cot"),
    ("verify_ed25519_signature", "verify-ed25519-signature"),
];

/// The command line as if it had been written with the verb.
pub(super) fn translate(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let called = arguments.first().map(Path::new).and_then(Path::file_name);
    let verb =
        OLD_NAMES.iter().find(|(old, _)| called.is_some_and(|name| name == *old)).map(|(_, verb)| verb);
    if let Some(verb) = verb {
        arguments.insert(1, OsString::from(verb));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &[&str]) -> Vec<String> {
        translate(line.iter().map(OsString::from))
            .into_iter()
            .map(|text| text.into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_link_by_an_old_name_is_its_verb() {
        assert_eq!(
            translated(&["/usr/bin/create_test_workdir", "--overwrite", "ID"]),
            ["/usr/bin/create_test_workdir", "create-test-workdir", "--overwrite", "ID"]
        );
        assert_eq!(translated(&["create_test_workdir"]), ["create_test_workdir", "create-test-workdir"]);
        for line in [&["/create_test_workdir/scriptworker", "x.yaml"][..], &["scriptworker"], &[]] {
            assert_eq!(translated(line), line);
        }
    }

    #[test]
    fn every_verb_of_the_table_exists() {
        use clap::CommandFactory;
        let command = super::super::Arguments::command();
        for (old, verb) in OLD_NAMES {
            assert!(command.find_subcommand(verb).is_some(), "{old} would be {verb}");
        }
    }
}
