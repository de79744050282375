//! The table of verdicts: every situation, as a flat, a trusted and a valid key, with both kinds of signature.

use super::differences::DIFFERENCES;
use super::made::made;
use super::more::more;
use super::program::{Gpg, Opinion};
use super::situations::{BOUND, Keepers, MADE, NOW, Subject, TEXT, forged};
use scriptworker_core::openpgp::{Certificate, Keyring, SignaturePolicy};
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;
use std::path::Path;

const AT: UnixMillis = UnixMillis(NOW as i64 * 1000);

/// A role: gpg's home and our keyring for it, with the same keys.
struct Role {
    name: &'static str,
    gpg: Gpg,
    ours: Keyring,
}

/// What both said in one cell of the table.
struct Cell {
    situation: String,
    role: &'static str,
    gpg: Opinion,
    ours: Result<(), String>,
    form: &'static str,
}

#[test]
fn verdicts_are_those_of_gpg_or_the_difference_is_explained() {
    if !Gpg::is_installed() {
        return crate::skip::skip("gpg is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let keepers = Keepers::new();
    let mut subjects = forged(&keepers);
    subjects.extend(more(&keepers));
    subjects.extend(made(directory.path(), &keepers));
    assert!(subjects.len() * 3 >= 40);
    let roles = roles(directory.path(), &keepers, &subjects);
    let mut cells = Vec::new();
    for (number, subject) in subjects.iter().enumerate() {
        let files = directory.path().join(number.to_string());
        std::fs::create_dir(&files).unwrap();
        let (clear, plain, beside) = (files.join("asc"), files.join("document"), files.join("document.sig"));
        std::fs::write(&clear, &subject.clear_signed).unwrap();
        std::fs::write(&plain, TEXT).unwrap();
        std::fs::write(&beside, &subject.signature).unwrap();
        for role in &roles {
            let mut add = |form, gpg, ours| {
                cells.push(Cell { situation: subject.name.clone(), role: role.name, gpg, ours, form });
            };
            let ours = role.ours.verify_clear_signed(&subject.clear_signed, AT).map(|_| ());
            add("clear-signed", role.gpg.verify(&clear, None), ours.map_err(|refusal| refusal.to_string()));
            let ours = role.ours.verify_detached(TEXT.as_bytes(), &subject.signature, AT).map(|_| ());
            add(
                "detached",
                role.gpg.verify(&plain, Some(&beside)),
                ours.map_err(|refusal| refusal.to_string()),
            );
        }
    }
    compare(&cells);
}

/// The three roles. In `valid` only the keepers are certified and trusted by the own key; `flat` and `trusted` have every
/// key certified locally, and `trusted` trusts them (keyrings.md 3 and 4.4).
fn roles(directory: &Path, keepers: &Keepers, subjects: &[Subject]) -> Vec<Role> {
    let mut gpg = Gpg::new(directory, "valid", NOW);
    let own = gpg.at(BOUND, |gpg| gpg.generate("own <own@example.com>", "cert,sign", "never"));
    let all: Vec<_> = subjects.iter().map(|subject| subject.fingerprint.clone()).collect();
    let roots = keepers.certificates();
    for bytes in roots.iter().chain(subjects.iter().map(|subject| &subject.certificate)) {
        gpg.try_run(&["--import"], bytes);
    }
    let certify = |gpg: &mut Gpg, fingerprints: &[String]| {
        gpg.at(MADE, |gpg| {
            for fingerprint in fingerprints {
                // it refuses to certify keys that are revoked or not made yet, as it does for the classic worker
                gpg.try_run(&["-u", &own, "--quick-lsign-key", fingerprint], b"");
            }
        });
    };
    certify(&mut gpg, &keepers.fingerprints());
    let valid = gpg.copy(directory, "of-valid");
    certify(&mut gpg, &all);
    let (flat, trusted) = (gpg.copy(directory, "flat"), gpg.copy(directory, "trusted"));
    valid.trust(&own, &keepers.fingerprints());
    trusted.trust(&own, &all);
    flat.trust(&own, &[]);
    let parse = |bytes: &Vec<u8>| Certificate::parse(bytes).expect("a certificate");
    let keepers = || roots.iter().map(parse);
    let certificates = || subjects.iter().map(|subject| parse(&subject.certificate));
    // gpg has the keepers everywhere: whom a key names as its revoker is to be found there
    let everyone = || certificates().chain(keepers()).collect();
    let policy = SignaturePolicy::default;
    vec![
        Role { name: "flat", gpg: flat, ours: Keyring::flat(everyone(), policy()) },
        Role { name: "trusted", gpg: trusted, ours: Keyring::signed(everyone(), Vec::new(), policy()) },
        Role {
            name: "valid",
            gpg: valid,
            ours: Keyring::signed(keepers().collect(), certificates().collect(), policy()),
        },
    ]
}

/// Every cell is the same on both sides, or part of a difference; every difference shows in each of its cells.
fn compare(cells: &[Cell]) {
    let mut listed = BTreeMap::new();
    for difference in DIFFERENCES {
        for (situation, roles) in difference.cells {
            for role in *roles {
                let before = listed.insert((*situation, *role), difference);
                assert!(before.is_none(), "{situation}, {role}: listed twice");
            }
        }
    }
    let mut wrong = Vec::new();
    for cell in cells {
        let key = (cell.situation.as_str(), cell.role);
        let expected = listed.get(&key).map(|difference| difference.gpg_accepts);
        let (gpg, ours) = (cell.gpg.accepts, cell.ours.is_ok());
        let fits = match expected {
            None => gpg == ours,
            Some(accepts) => gpg == accepts && ours != accepts,
        };
        if !fits {
            wrong.push(format!(
                "{} as {}, {}: expected {}, found gpg {gpg}, ours {:?}\n    {}",
                cell.situation,
                cell.role,
                cell.form,
                expected.map_or("no difference".to_owned(), |accepts| format!("only gpg to say {accepts}")),
                cell.ours,
                cell.gpg.status.join("\n    "),
            ));
        }
    }
    let accepted =
        |name: &str| cells.iter().filter(|cell| cell.situation.contains(name) && cell.gpg.accepts).count();
    // both places, forged and made by gpg, three roles, both forms: that gpg refuses everything would prove nothing
    assert_eq!(accepted("valid, "), 2 * 2 * 3 * 2, "valid keys");
    let situations: Vec<_> = cells.iter().map(|cell| (cell.situation.as_str(), cell.role)).collect();
    wrong.extend(
        listed.keys().filter(|key| !situations.contains(key)).map(|key| format!("{key:?}: no such cell")),
    );
    assert!(wrong.is_empty(), "{} of {} cells:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
}

/// What is not explained is not meant.
#[test]
fn every_difference_is_explained_in_the_documentation() {
    let docs = include_str!("../../../../docs/keys.md");
    for difference in DIFFERENCES {
        let line = format!("| `{}` |", difference.name);
        assert!(docs.contains(&line), "docs/keys.md: expected a line that begins with {line}");
    }
    let (_, section) = docs.split_once("\n## Where we differ from gpg\n").expect("the section");
    let section = section.split("\n## ").next().unwrap();
    for line in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = line.split('`').next().unwrap();
        assert!(DIFFERENCES.iter().any(|difference| difference.name == name), "docs/keys.md: {name} is none");
    }
}
