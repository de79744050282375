use super::*;
use crate::openpgp::{Fingerprint, KeyId};
use crate::time::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_480_000_000_000);
const LISTING: &str = "\
tru::1:1472242430:0:3:1:5
pub:u:4096:1:D9DC50F64C7D44CF:1472242430:::u:::scESC:
fpr:::::::::BFCEA6E98A1C2EC4918CBDEE9DC50F64C7D44CFA:
uid:u::::1472242430::0B8F1DA79EEE2B1B8D2BB5DBE5E64AAA8CB9F2DA::Scriptworker Test\\x3a (it) <s@example.com>:
sig:::1:D9DC50F64C7D44CF:1472242430::::Scriptworker Test <s@example.com>:13x:::::8:
sig:::1:9DA033D5FFFABCCF:1472242430::::Docker Worker <d@example.com>:10l:::::8:
";

fn key_id(text: &str) -> KeyId {
    text.parse().unwrap()
}

fn fingerprint(text: &str) -> Fingerprint {
    text.parse().unwrap()
}

fn problems(text: &str, expected: &ExpectedListing) -> Vec<ListingProblem> {
    parse_list_sigs_output(text, "a key", expected, NOW).unwrap_err().problems
}

#[test]
fn a_listing_says_who_signed() {
    let expected = ExpectedListing {
        key_id: Some(key_id("D9DC50F64C7D44CF")),
        fingerprint: Some(fingerprint("BFCEA6E98A1C2EC4918CBDEE9DC50F64C7D44CFA")),
        user_id: Some("Scriptworker Test: (it) <s@example.com>".to_owned()),
        sig_key_ids: [key_id("9DA033D5FFFABCCF")].into(),
    };
    let (found, warnings) = parse_list_sigs_output(LISTING, "a key", &expected, NOW).unwrap();
    assert_eq!(found.key_id, expected.key_id);
    assert_eq!(found.sig_key_ids, [key_id("D9DC50F64C7D44CF"), key_id("9DA033D5FFFABCCF")]);
    assert_eq!(found.sig_user_ids[1], "Docker Worker <d@example.com>");
    assert_eq!(warnings, []);
}

#[test]
fn every_problem_of_a_listing_is_told() {
    let anything = ExpectedListing::default();
    for (from, to, expected) in [
        ("tru::", "tru:t:", ListingProblem::TrustModel { line: 1 }),
        ("pub:u", "pub:i", ListingProblem::Validity { line: 2, validity: 'i' }),
        ("pub:u", "pub:d", ListingProblem::Validity { line: 2, validity: 'd' }),
        ("pub:u", "pub:r", ListingProblem::Validity { line: 2, validity: 'r' }),
        ("pub:u", "pub:e", ListingProblem::Validity { line: 2, validity: 'e' }),
        ("scESC", "scESCD", ListingProblem::Disabled { line: 2 }),
        ("sig:::1:9D", "rev:::1:9D", ListingProblem::Revocation { line: 6 }),
        ("sig:::1:9D", "rvk:::1:9D", ListingProblem::Revocation { line: 6 }),
        ("sig:::1:9D", "sig:::1:XX", ListingProblem::Malformed { line: 6, expected: "key id" }),
        ("BFCEA6E9", "short", ListingProblem::Malformed { line: 3, expected: "fingerprint" }),
    ] {
        assert_eq!(problems(&LISTING.replacen(from, to, 1), &anything), [expected], "{to}");
    }
    let wrong = ExpectedListing {
        key_id: Some(key_id("0000000000000000")),
        user_id: Some("somebody else".to_owned()),
        sig_key_ids: [key_id("1111111111111111"), key_id("D9DC50F64C7D44CF")].into(),
        ..ExpectedListing::default()
    };
    let found = problems(&LISTING.replacen("pub:u", "pub:r", 1), &wrong);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[3], ListingProblem::NotSignedBy { missing: vec![key_id("1111111111111111")] });
}

#[test]
fn a_listing_warns_of_staleness_expiry_and_records_that_it_does_not_know() {
    let text = LISTING.replacen("tru::1:1472242430:0", "tru:o:1:1472242430:1472242431", 1) + "xyz:a:b:\n";
    let (_, warnings) = parse_list_sigs_output(&text, "a key", &ExpectedListing::default(), NOW).unwrap();
    let expired = ListingWarning::Expired { line: 1, at: UnixMillis(1_472_242_431_000) };
    let record = ListingWarning::Record { line: 7, record: "xyz".to_owned() };
    assert_eq!(warnings, [ListingWarning::Stale { line: 1 }, expired, record]);
}

#[test]
fn ownertrust_is_an_exact_set() {
    let own = fingerprint(&"A".repeat(40));
    let other = fingerprint(&"B".repeat(40));
    let trust = OwnerTrust::new(own.clone(), [other.clone(), own.clone(), other.clone()]);
    assert_eq!(trust.to_string(), format!("{own}:6:\n{other}:5:\n"));
    trust.verify(&format!("# a comment\n{other}:5:\n{own}:6:\n")).unwrap();
    let error = trust.verify(&format!("{own}:6:\n{other}:4:\n")).unwrap_err();
    let expected =
        TrustError::Differs { missing: vec![format!("{other}:5:")], extra: vec![format!("{other}:4:")] };
    assert_eq!(error, expected);
    OwnerTrust::new(own.clone(), []).verify(&format!("{own}:6:\n")).unwrap();
    assert!(OwnerTrust::new(own, []).verify("").is_err());
}
