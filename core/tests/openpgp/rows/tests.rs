//! The folders are judged as they lie there; a test sees that they are what the generator makes.

use super::case::{Case, Verdict};
use super::cast::{KEEPER, NOW, keeper, plain, signed, text_signature, worker};
use super::times::flooded;
use scriptworker_core::openpgp::{Certificate, Keyring, SignaturePolicy};
use scriptworker_core::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A test for each row, and the list of them.
macro_rules! rows {
    ($($row:literal $name:ident,)*) => {
        const ROWS: &[u16] = &[$($row),*];
        $(
            #[test]
            fn $name() {
                assert!(stringify!($name).starts_with(concat!("row_0", $row)) || $row > 99);
                judge_row($row);
            }
        )*
    };
}

rows! {
    21 row_021_text_after_the_signature,
    22 row_022_text_before_the_message,
    23 row_023_two_messages,
    24 row_024_headers_that_hide_text,
    25 row_025_header_against_signature,
    26 row_026_not_dash_escaped,
    27 row_027_broken_dash_escaping,
    28 row_028_blanks_and_line_ends,
    29 row_029_other_forms_of_messages,
    30 row_030_signatures_of_other_types,
    31 row_031_weak_hashes,
    32 row_032_weak_certifications,
    33 row_033_certified_by_somebody_else,
    34 row_034_unbound_subkeys,
    35 row_035_keys_that_may_not_sign,
    36 row_036_revoked,
    37 row_037_invalid_revocations,
    38 row_038_outside_the_time,
    39 row_039_floods,
    40 row_040_status_lines_in_user_ids,
    41 row_041_old_self_signatures,
    148 row_148_expired_key_at_its_own_time,
    149 row_149_pinned_key_with_sha1,
}

#[test]
fn every_row_has_its_test_and_its_folders() {
    let wanted: Vec<u16> = (21..=41).chain([148, 149]).collect();
    assert_eq!(ROWS, wanted);
    let found: BTreeSet<u16> = Case::read_all().iter().map(|case| case.expected.row).collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), wanted);
}

/// The folder, or the time, in which a `_fail` case differs from its twin: exactly one.
#[test]
fn every_refused_folder_has_a_valid_twin_that_differs_only_by_the_tampering() {
    let all: BTreeMap<_, _> = Case::read_all().into_iter().map(|case| (case.name.clone(), case)).collect();
    for case in all.values() {
        let prefix = format!("{:03}_", case.expected.row);
        assert!(case.name.starts_with(&prefix), "{}: expected its row {prefix} in its name", case.name);
        let refused = matches!(case.expected.verdict, Verdict::Reject(_));
        assert_eq!(
            refused,
            case.name.ends_with("_fail"),
            "{}: `_fail` says whether it is refused",
            case.name
        );
        let Some(twin) = case.twin() else { continue };
        let twin = all.get(twin).unwrap_or_else(|| panic!("{}: expected the valid twin {twin}", case.name));
        assert_eq!(twin.expected.verdict, Verdict::Accept, "{}", twin.name);
        let paths = |case: &Case| -> BTreeSet<String> {
            case.files.keys().filter(|path| *path != "text").cloned().collect()
        };
        assert_eq!(paths(case), paths(twin), "{}: other files than {}", case.name, twin.name);
        let differ = paths(case).iter().filter(|path| case.files[*path] != twin.files[*path]).count();
        let time = usize::from(case.expected.at != twin.expected.at);
        assert_eq!(differ + time, 1, "{}: expected one difference to {}", case.name, twin.name);
    }
}

#[test]
fn the_folders_are_what_the_generator_makes() {
    let (made, found) = (super::made(), Case::read_all());
    let names = |cases: &[Case]| cases.iter().map(|case| case.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&made), names(&found), "to make them anew: just fixtures");
    for (made, found) in made.iter().zip(&found) {
        assert!(made == found, "{}: differs from what is made; to make it anew: just fixtures", made.name);
    }
}

/// In full size a flood is no file to keep: 150 000 certifications and a user attribute of 16 MB.
#[test]
fn row_039_floods_in_full_size() {
    let started = Instant::now();
    let at = UnixMillis(i64::from(NOW) * 1000);
    let trusted = vec![Certificate::parse(plain(&keeper(), KEEPER).bytes()).unwrap()];
    let document = signed(text_signature(), &worker());
    for (certified, expected) in [(true, None), (false, Some("untrusted-issuer"))] {
        let flood = flooded(150_000, 16_000_000, certified);
        let made = Instant::now();
        let valid = vec![Certificate::parse(flood.bytes()).unwrap()];
        let keyring = Keyring::signed(trusted.clone(), valid, SignaturePolicy::default());
        let refusal = keyring.verify_clear_signed(document.as_bytes(), at).err();
        assert_eq!(refusal.as_ref().map(|refusal| refusal.code()), expected);
        // two seconds on a machine of its own; what must not happen is that it takes as long as checking them all
        assert!(
            made.elapsed() < Duration::from_secs(20),
            "took {:?} of {:?}",
            made.elapsed(),
            started.elapsed()
        );
    }
}

/// Makes the folders anew: `just fixtures`. Older ones go first.
#[test]
#[ignore = "writes the fixtures"]
fn make_the_folders() {
    for case in Case::read_all() {
        std::fs::remove_dir_all(Case::folder().join(case.name)).unwrap();
    }
    super::made().iter().for_each(Case::write);
}

fn judge_row(row: u16) {
    let cases: Vec<_> = Case::read_all().into_iter().filter(|case| case.expected.row == row).collect();
    assert!(!cases.is_empty(), "no folder for row {row}");
    let wrong: Vec<_> = cases.iter().filter_map(|case| judge(case).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Certificates that cannot be read are no part of a keyring; here every one can.
fn certificates(case: &Case, folder: &str) -> Vec<Certificate> {
    case.keys(folder)
        .map(|bytes| Certificate::parse(bytes).unwrap_or_else(|error| panic!("{}: {error}", case.name)))
        .collect()
}

fn keyring(case: &Case) -> Keyring {
    let policy = SignaturePolicy::default();
    if case.keys("flat").next().is_some() {
        return Keyring::flat(certificates(case, "flat"), policy);
    }
    Keyring::signed(certificates(case, "trusted"), certificates(case, "valid"), policy)
}

/// What the keyring says of it against what it has to say.
fn judge(case: &Case) -> Result<(), String> {
    let (keyring, at) = (keyring(case), case.expected.at);
    let found = match case.files.get("document.asc") {
        Some(document) => keyring.verify_clear_signed(document, at).map(|signed| Some(signed.text)),
        None => {
            keyring.verify_detached(&case.files["document"], &case.files["document.sig"], at).map(|_| None)
        }
    };
    match (&case.expected.verdict, found) {
        (Verdict::Accept, Ok(Some(text))) if text != case.files["text"] => {
            Err(format!("{}: accepted, but read as {:?}", case.name, String::from_utf8_lossy(&text)))
        }
        (Verdict::Accept, Ok(_)) => Ok(()),
        (Verdict::Reject(code), Err(refusal)) if refusal.code() == code.as_str() => Ok(()),
        (expected, found) => Err(format!(
            "{} ({}): expected {expected:?}, found {}",
            case.name,
            case.expected.what,
            found.map_or_else(|refusal| format!("{}: {refusal}", refusal.code()), |_| "accepted".to_owned()),
        )),
    }
}
